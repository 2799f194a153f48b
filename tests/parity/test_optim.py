"""Every optimiser and schedule against PyTorch, step by step."""

import io

import numpy as np
import pytest

import graphtorch

torch = pytest.importorskip("torch")

OPTIMISERS = [
    "SGD(params, lr=0.1)",
    "SGD(params, lr=0.1, momentum=0.9)",
    "SGD(params, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)",
    "SGD(params, lr=0.1, momentum=0.9, dampening=0.5, maximize=True)",
    "Adam(params)",
    "Adam(params, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.1)",
    "Adam(params, amsgrad=True, foreach=False)",
    "Adam(params, maximize=True, fused=None, capturable=False)",
    "AdamW(params, lr=0.01)",
    "AdamW(params, lr=0.01, weight_decay=0.3, amsgrad=True)",
    "Adamax(params, lr=0.02, weight_decay=0.1)",
    "NAdam(params, lr=0.02)",
    "NAdam(params, weight_decay=0.1, decoupled_weight_decay=True)",
    "RAdam(params, lr=0.02)",
    "RAdam(params, lr=0.02, weight_decay=0.1, decoupled_weight_decay=True)",
    "Adagrad(params, lr=0.05, lr_decay=0.1, weight_decay=0.1)",
    "Adagrad(params, initial_accumulator_value=0.5)",
    "Adadelta(params, lr=0.7, weight_decay=0.1)",
    "RMSprop(params)",
    "RMSprop(params, lr=0.02, momentum=0.9, centered=True, weight_decay=0.1)",
    "Rprop(params)",
    "ASGD(params, lr=0.05, t0=3, weight_decay=0.1)",
    "SGD([{'params': params[:1], 'lr': 0.2}, {'params': params[1:], 'momentum': 0.5}], lr=0.1)",
    "AdamW(list(zip('abcd', params)), lr=0.01)",
]


def parameters(lib, dtype="float32"):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in ((3, 4), (5,), (), (200, 173))]
    return [lib.nn.Parameter(lib.tensor(a.tolist(), dtype=getattr(lib, dtype))) for a in arrays]


def gradients(step, shapes):
    rng = np.random.default_rng(100 + step)
    return [rng.standard_normal(shape) for shape in shapes]


def set_gradients(lib, params, step, skip=()):
    for i, (p, g) in enumerate(
        zip(params, gradients(step, [tuple(p.shape) for p in params]), strict=True)
    ):
        p.grad = None if i in skip else lib.tensor(g.tolist(), dtype=p.dtype)


def build(lib, text, params):
    return eval(f"optim.{text}", {"optim": lib.optim, "params": params, "list": list, "zip": zip})


def check(actual, expected, tolerance=1e-6):
    a = actual.detach().numpy().astype(np.float64)
    e = expected.detach().numpy().astype(np.float64)
    np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("text", OPTIMISERS)
def test_steps_agree(text):
    ours, theirs = parameters(graphtorch), parameters(torch)
    a, e = build(graphtorch, text, ours), build(torch, text, theirs)
    assert repr(a) == repr(e)
    for step in range(10):
        skip = (1,) if step in (0, 4) else ()
        set_gradients(graphtorch, ours, step, skip)
        set_gradients(torch, theirs, step, skip)
        assert a.step() is None
        e.step()
        for p, q in zip(ours, theirs, strict=True):
            check(p, q, 3e-5 if "centered" in text else 3e-6)
    saved, expected = a.state_dict(), e.state_dict()
    assert saved["param_groups"] == expected["param_groups"]
    assert list(saved["state"]) == list(expected["state"])
    for key, state in expected["state"].items():
        assert set(saved["state"][key]) == set(state)
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                assert tuple(saved["state"][key][name].shape) == tuple(value.shape)
                assert str(saved["state"][key][name].dtype) == str(value.dtype)
                check(saved["state"][key][name], value, 3e-5 if "centered" in text else 3e-6)


@pytest.mark.parametrize(
    "text", ["SGD(params, lr=0.1, momentum=0.9)", "AdamW(params, lr=0.01, amsgrad=True)"]
)
def test_float64_to_rounding(text):
    ours, theirs = parameters(graphtorch, "float64"), parameters(torch, "float64")
    a, e = build(graphtorch, text, ours), build(torch, text, theirs)
    for step in range(5):
        set_gradients(graphtorch, ours, step)
        set_gradients(torch, theirs, step)
        a.step()
        e.step()
    for p, q in zip(ours, theirs, strict=True):
        check(p, q, 1e-13)


@pytest.mark.parametrize(
    "text", ["SGD(params, lr=0.1, momentum=0.9)", "Adam(params)", "RMSprop(params)"]
)
def test_state_goes_from_torch_to_here_and_on(text):
    theirs = parameters(torch)
    e = build(torch, text, theirs)
    set_gradients(torch, theirs, 0)
    e.step()
    file = io.BytesIO()
    torch.save({"params": [p.data for p in theirs], "optim": e.state_dict()}, file)
    file.seek(0)
    loaded = graphtorch.load(file)
    ours = [graphtorch.nn.Parameter(p.clone()) for p in loaded["params"]]
    a = build(graphtorch, text, ours)
    a.load_state_dict(loaded["optim"])
    for step in range(1, 4):
        set_gradients(graphtorch, ours, step)
        set_gradients(torch, theirs, step)
        a.step()
        e.step()
    for p, q in zip(ours, theirs, strict=True):
        check(p, q)


SCHEDULES = [
    "StepLR(opt, 3, gamma=0.5)",
    "MultiStepLR(opt, [2, 5, 5, 8], gamma=0.3)",
    "ConstantLR(opt, factor=0.5, total_iters=4)",
    "LinearLR(opt, start_factor=0.1, end_factor=0.8, total_iters=6)",
    "ExponentialLR(opt, 0.9)",
    "PolynomialLR(opt, total_iters=7, power=2.0)",
    "CosineAnnealingLR(opt, T_max=5, eta_min=0.01)",
    "CosineAnnealingWarmRestarts(opt, T_0=3, T_mult=2)",
    "LambdaLR(opt, lambda e: 0.95 ** e)",
    "LambdaLR(opt, [lambda e: 0.95 ** e, lambda e: 1 / (e + 1)])",
    "MultiplicativeLR(opt, lambda e: 0.9)",
    "CyclicLR(opt, 0.01, 0.1, step_size_up=4, mode='triangular2')",
    "CyclicLR(opt, 0.01, 0.1, step_size_up=3, step_size_down=5, mode='exp_range', gamma=0.9)",
    "OneCycleLR(opt, max_lr=0.5, total_steps=20)",
    "OneCycleLR(opt, max_lr=[0.5, 0.2], epochs=4, steps_per_epoch=5, three_phase=True, anneal_strategy='linear')",
    "SequentialLR(opt, [s.LinearLR(opt, 0.1, total_iters=4), s.CosineAnnealingLR(opt, 10)], [4])",
    "ChainedScheduler([s.ConstantLR(opt, 0.5, 3), s.ExponentialLR(opt, 0.9)])",
]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("text", SCHEDULES)
def test_schedules_agree(text, kind):
    rates = []
    for lib in (torch, graphtorch):
        params = parameters(lib)
        options = {"momentum": 0.9} if kind == "SGD" else {}
        groups = [{"params": params[:2]}, {"params": params[2:], "lr": 0.3}]
        opt = getattr(lib.optim, kind)(groups, lr=0.1, **options)
        schedule = eval(f"s.{text}", {"s": lib.optim.lr_scheduler, "opt": opt})
        seen = []
        for step in range(20):
            seen.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in opt.param_groups])
            assert schedule.get_last_lr() == [g["lr"] for g in opt.param_groups]
            set_gradients(lib, params, step)
            opt.step()
            if step < 19:
                schedule.step()
        state = schedule.state_dict()
        schedule.load_state_dict(state)
        rates.append((seen, getattr(schedule, "last_epoch", None)))
    assert rates[1] == rates[0]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateau_agrees(mode, threshold_mode):
    metrics = [1.0, 0.9, 0.95, 0.95, 0.95, 0.96, 0.5, 0.5, 0.5, 0.5, 0.5, 0.51, 0.2, 0.3, 0.4]
    rates = []
    for lib in (torch, graphtorch):
        opt = lib.optim.SGD(parameters(lib), lr=0.1)
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(
            opt, mode, patience=1, cooldown=1, threshold_mode=threshold_mode, min_lr=1e-4
        )
        seen = []
        for metric in metrics:
            schedule.step(lib.tensor(metric))
            seen.append(opt.param_groups[0]["lr"])
        rates.append(seen)
    assert rates[1] == rates[0]


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
def test_clipping_agrees(norm_type):
    ours, theirs = parameters(graphtorch), parameters(torch)
    set_gradients(graphtorch, ours, 0, skip=(1,))
    set_gradients(torch, theirs, 0, skip=(1,))
    a = graphtorch.nn.utils.clip_grad_norm_(ours, 3.0, norm_type)
    e = torch.nn.utils.clip_grad_norm_(theirs, 3.0, norm_type)
    check(a, e, 1e-5)
    for p, q in zip(ours, theirs, strict=True):
        assert (p.grad is None) == (q.grad is None)
        if q.grad is not None:
            check(p.grad, q.grad, 1e-5)
    graphtorch.nn.utils.clip_grad_value_(ours, 0.01)
    torch.nn.utils.clip_grad_value_(theirs, 0.01)
    for p, q in zip(ours, theirs, strict=True):
        if q.grad is not None:
            check(p.grad, q.grad, 1e-5)


def test_errors_are_torchs():
    calls = [
        "SGD([], lr=0.1)",
        "SGD(params, lr=-1)",
        "SGD(params, lr=0.1, nesterov=True)",
        "Adam(params, betas=(1.0, 0.9))",
        "Adam(params[0])",
        "Adam([params[0] * 2])",
        "Adam([{'params': params[:1]}, {'params': params[:1]}])",
        "RMSprop(params, eps=-1)",
        "Adagrad(params, lr_decay=-1)",
    ]
    for call in calls:
        errors = []
        for lib in (torch, graphtorch):
            with pytest.raises(Exception) as info:
                build(lib, call, parameters(lib))
            errors.append((type(info.value), str(info.value)))
        assert errors[1] == errors[0], call
