"""Schedules by themselves; the rates are compared with PyTorch's in tests/parity."""

import pytest

import graphtorch as torch
from graphtorch import nn, optim
from graphtorch.optim import lr_scheduler


def sgd(**options):
    return optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0, **options)


def test_halving():
    opt = sgd()
    schedule = lr_scheduler.StepLR(opt, 2, gamma=0.5)
    rates = []
    for _ in range(5):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        schedule.step()
    assert rates == [1.0, 1.0, 0.5, 0.5, 0.25]


def test_resuming():
    def run(opt, schedule, n):
        for _ in range(n):
            opt.step()
            schedule.step()
        return opt.param_groups[0]["lr"]

    opt = sgd()
    whole = run(opt, lr_scheduler.CosineAnnealingLR(opt, 10), 7)
    opt = sgd()
    schedule = lr_scheduler.CosineAnnealingLR(opt, 10)
    run(opt, schedule, 3)
    saved = schedule.state_dict(), opt.state_dict()
    other = sgd()
    resumed = lr_scheduler.CosineAnnealingLR(other, 10)
    other.load_state_dict(saved[1])
    resumed.load_state_dict(saved[0])
    assert run(other, resumed, 4) == whole


def test_wrong_order_and_direct_calls_warn():
    opt = sgd()
    schedule = lr_scheduler.ExponentialLR(opt, 0.5)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        schedule.step()
    with pytest.warns(UserWarning, match="please use `get_last_lr"):
        schedule.get_lr()
    with pytest.warns(UserWarning, match="epoch parameter"):
        schedule.step(5)
    assert schedule.get_last_lr() == [0.5**5]


ERRORS = {
    "lr_scheduler.StepLR(3, 1)": (TypeError, "int is not an Optimizer"),
    "lr_scheduler.LambdaLR(opt, [abs, abs])": (ValueError, "Expected 1 lr_lambdas, but got 2"),
    "lr_scheduler.ConstantLR(opt, 2.0)": (ValueError, "between 0 and 1"),
    "lr_scheduler.LinearLR(opt, 0)": (ValueError, "greater than 0"),
    "lr_scheduler.OneCycleLR(opt, 1.0)": (ValueError, "total_steps OR"),
    "lr_scheduler.OneCycleLR(opt, 1.0, total_steps=5)": (ValueError, "must support momentum"),
    "lr_scheduler.CosineAnnealingWarmRestarts(opt, 0)": (ValueError, "positive integer T_0"),
    "lr_scheduler.SequentialLR(opt, [lr_scheduler.StepLR(opt, 1)], [1])": (
        ValueError,
        "one more than",
    ),
    "lr_scheduler.ReduceLROnPlateau(opt, factor=1.5)": (ValueError, "should be < 1.0"),
    "lr_scheduler.StepLR(opt, 1, last_epoch=3)": (KeyError, "initial_lr"),
    "lr_scheduler.CyclicLR(opt, [1.0, 2.0], 3.0)": (
        ValueError,
        "same length as optimizer.param_groups",
    ),
}


@pytest.mark.parametrize("call", ERRORS)
def test_errors(call):
    kind, words = ERRORS[call]
    opt = optim.Adagrad([nn.Parameter(torch.zeros(1))])
    with pytest.raises(kind, match=words):
        eval(call, {"lr_scheduler": lr_scheduler, "opt": opt})


def test_tensor_rates_are_changed_in_place():
    rate = torch.tensor(1.0)
    opt = optim.SGD([nn.Parameter(torch.zeros(1))], lr=rate)
    schedule = lr_scheduler.ExponentialLR(opt, 0.5)
    opt.step()
    schedule.step()
    assert opt.param_groups[0]["lr"] is rate and rate.item() == 0.5
