"""Every schedule against PyTorch: rates step by step, state dicts out and into a fresh one, and on."""

import warnings

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")

# {s}: the module of schedules, {o}: an optimiser with two groups of rates 0.1 and 0.05
SCHEDULES = {
    "LambdaLR": "s.LambdaLR(o, [lambda e: 0.9**e, lambda e: 1 / (1 + e)])",
    "MultiplicativeLR": "s.MultiplicativeLR(o, lambda e: 0.95)",
    "StepLR": "s.StepLR(o, 3, 0.5)",
    "MultiStepLR": "s.MultiStepLR(o, [2, 2, 7], 0.3)",
    "ConstantLR": "s.ConstantLR(o, 0.25, 4)",
    "LinearLR": "s.LinearLR(o, 0.2, 0.9, 6)",
    "ExponentialLR": "s.ExponentialLR(o, 0.8)",
    "PolynomialLR": "s.PolynomialLR(o, 9, 2.0)",
    "CosineAnnealingLR": "s.CosineAnnealingLR(o, 5, 0.01)",
    "CosineAnnealingWarmRestarts": "s.CosineAnnealingWarmRestarts(o, 3, 2, 0.001)",
    "CyclicLR": "s.CyclicLR(o, 0.01, 0.2, 4, 3, 'triangular2')",
    "CyclicLR exp": "s.CyclicLR(o, [0.01, 0.02], 0.2, 4, mode='exp_range', gamma=0.9, cycle_momentum=False)",
    "OneCycleLR": "s.OneCycleLR(o, 0.3, 14)",
    "OneCycleLR linear": "s.OneCycleLR(o, [0.3, 0.2], epochs=2, steps_per_epoch=7, anneal_strategy='linear', three_phase=True)",
    "SequentialLR": "s.SequentialLR(o, [s.ConstantLR(o, 0.1, 2), s.ExponentialLR(o, 0.9)], [4])",
    "SequentialLR warm up": "s.SequentialLR(o, [s.LinearLR(o, 0.01, total_iters=3), s.CosineAnnealingLR(o, 8)], [3])",
    "ChainedScheduler": "s.ChainedScheduler([s.ConstantLR(o, 0.1, 3), s.ExponentialLR(o, 0.9)], optimizer=o)",
    "ReduceLROnPlateau": "s.ReduceLROnPlateau(o, 'min', 0.5, 1, cooldown=1, min_lr=[0.01, 0.001])",
    "ReduceLROnPlateau max": "s.ReduceLROnPlateau(o, 'max', 0.1, 2, threshold=0.2, threshold_mode='abs')",
    "SWALR": "sw.SWALR(o, swa_lr=0.01, anneal_epochs=4, anneal_strategy='linear')",
}


def optimizer(library):
    groups = [
        {"params": [library.nn.Parameter(library.ones(2))], "lr": rate} for rate in (0.1, 0.05)
    ]
    return library.optim.SGD(groups, lr=0.1, momentum=0.9)


def plain(state):
    """A state dict's plain values, nested schedules' too."""
    if isinstance(state, dict):
        return {k: plain(v) for k, v in state.items() if not callable(v)}
    if isinstance(state, (list, tuple)):
        return [plain(v) for v in state]
    return state


def history(library, text):
    names = {"s": library.optim.lr_scheduler, "sw": library.optim.swa_utils}
    o = optimizer(library)
    schedule = eval(text, {**names, "o": o})
    seen = []

    def step(count, o, schedule):
        for i in range(count):
            o.step()
            if "Plateau" in text:
                schedule.step(1.0 + 0.1 * (i % 3))
            else:
                schedule.step()
            seen.append([g["lr"] for g in o.param_groups] + [g["momentum"] for g in o.param_groups])
            seen.append(list(schedule.get_last_lr()))

    step(7, o, schedule)
    state, rates = schedule.state_dict(), o.state_dict()
    other = optimizer(library)
    fresh = eval(text, {**names, "o": other})
    other.load_state_dict(rates)
    fresh.load_state_dict(state)
    step(7, other, fresh)
    return seen, plain(state)


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, mine = history(torch, SCHEDULES[name]), history(graphtorch, SCHEDULES[name])
    for a, b in zip(mine[0], theirs[0], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-12, err_msg=name)
    known = {k: v for k, v in theirs[1].items() if not k.startswith("_")}
    assert set(known) <= set(mine[1])
    for key, value in known.items():
        if isinstance(value, (int, float, str, bool)):
            assert mine[1][key] == pytest.approx(value), key


def averaged(library, make):
    library.manual_seed(0)
    swa = library.optim.swa_utils
    model = library.nn.Sequential(
        library.nn.Linear(3, 4), library.nn.BatchNorm1d(4), library.nn.Linear(4, 1)
    )
    average = make(swa, model)
    o = library.optim.SGD(model.parameters(), lr=0.1)
    data = [library.randn(8, 3) for _ in range(4)]
    for x in data:
        o.zero_grad()
        (model(x) ** 2).mean().backward()
        o.step()
        average.update_parameters(model)
    swa.update_bn(data, average)
    state = {k: v.numpy() for k, v in average.state_dict().items()}
    return state, average(data[0]).detach().numpy()


@pytest.mark.parametrize("make", [
    lambda swa, m: swa.AveragedModel(m),
    lambda swa, m: swa.AveragedModel(m, use_buffers=True),
    lambda swa, m: swa.AveragedModel(m, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9)),
    lambda swa, m: swa.AveragedModel(m, avg_fn=swa.get_ema_avg_fn(0.8)),
    lambda swa, m: swa.AveragedModel(m, multi_avg_fn=swa.get_swa_multi_avg_fn()),
])  # fmt: skip
def test_averaged_models(make):
    theirs, mine = averaged(torch, make), averaged(graphtorch, make)
    assert list(mine[0]) == list(theirs[0])
    for key in theirs[0]:
        np.testing.assert_allclose(mine[0][key], theirs[0][key], rtol=1e-5, atol=1e-6, err_msg=key)
    np.testing.assert_allclose(mine[1], theirs[1], rtol=1e-4, atol=1e-5)
