"""Optimisers by themselves: groups, hooks, state, layouts, and what a compiled step needs."""

import copy
import io

import numpy as np
import pytest

import graphtorch as torch
from graphtorch import nn, optim
from graphtorch.optim import rules

EVERY = [
    "SGD",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "Adagrad",
    "Adadelta",
    "RMSprop",
    "Rprop",
    "ASGD",
]


def build(name, parameters, **options):
    if name == "SGD":
        options.setdefault("momentum", 0.9)
    return getattr(optim, name)(parameters, lr=0.1, **options)


def descend(name, steps=60):
    """Minimise |x - 3|² and return the distance left."""
    x = nn.Parameter(torch.zeros(4))
    optimiser = build(name, [x])
    for _ in range(steps):
        optimiser.zero_grad()
        ((x - 3.0) ** 2).sum().backward()
        optimiser.step()
    return (x - 3.0).abs().max().item()


@pytest.mark.parametrize("name", EVERY)
def test_every_optimiser_goes_downhill(name):
    assert descend(name) < (2.99 if name == "Adadelta" else 2.7)


def test_groups_options_and_adding():
    a, b, c = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    opt = optim.SGD([{"params": [a], "lr": 0.5}, {"params": b}], lr=0.1, momentum=0.9)
    assert [g["lr"] for g in opt.param_groups] == [0.5, 0.1] and opt.param_groups[1][
        "momentum"
    ] == 0.9
    opt.add_param_group({"params": [("c", c)][0][1:], "lr": 0.3})
    assert opt.param_groups[2]["params"] == [c] or opt.param_groups[2]["params"][0] is c
    with pytest.raises(ValueError, match="more than one parameter group"):
        opt.add_param_group({"params": [a]})
    with pytest.raises(TypeError, match="ordered collections"):
        opt.add_param_group({"params": {nn.Parameter(torch.zeros(1))}})
    with pytest.raises(TypeError, match="can only optimize Tensors"):
        opt.add_param_group({"params": [3]})
    with pytest.warns(UserWarning, match="duplicate"):
        d = nn.Parameter(torch.zeros(1))
        optim.SGD([d, d], lr=0.1)


def test_gradients_that_are_missing_are_skipped():
    a, b = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    opt = optim.Adam([a, b])
    a.grad = torch.ones(2)
    opt.step()
    assert b.tolist() == [1.0, 1.0] and list(opt.state) == [a]


def test_closure_runs_with_gradients():
    x = nn.Parameter(torch.ones(1))
    opt = optim.SGD([x], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    assert opt.step(closure).item() == 1.0
    assert x.item() == pytest.approx(0.8)


def test_step_hooks():
    x = nn.Parameter(torch.ones(1))
    opt, events = optim.SGD([x], lr=0.1), []
    from graphtorch.optim.optimizer import register_optimizer_step_post_hook

    handles = [
        opt.register_step_pre_hook(lambda o, args, kwargs: events.append("before")),
        opt.register_step_post_hook(lambda o, args, kwargs: events.append("after")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: events.append("global")),
    ]
    opt.step()
    for handle in handles:
        handle.remove()
    opt.step()
    assert events == ["before", "after", "global"]


def test_zero_grad():
    x = nn.Parameter(torch.ones(1))
    opt = optim.SGD([x], lr=0.1)
    x.grad = gradient = torch.ones(1)
    opt.zero_grad(set_to_none=False)
    assert x.grad is gradient and gradient.item() == 0
    opt.zero_grad()
    assert x.grad is None


@pytest.mark.parametrize("name", EVERY)
def test_state_survives_saving(name):
    def run(opt, x, steps):
        for i in range(steps):
            x.grad = torch.tensor([1.0 + i, -2.0, 0.5])
            opt.step()

    x, y = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
    first, second = build(name, [x]), build(name, [y])
    run(first, x, 5)
    run(second, y, 3)
    file = io.BytesIO()
    torch.save({"opt": second.state_dict(), "x": y}, file)
    file.seek(0)
    saved = torch.load(file)
    z = nn.Parameter(saved["x"].detach().clone())
    third = build(name, [z])
    third.load_state_dict(saved["opt"])
    for i in (3, 4):
        z.grad = torch.tensor([1.0 + i, -2.0, 0.5])
        third.step()
    assert z.tolist() == x.tolist()
    copied = copy.deepcopy(first.state_dict())
    with pytest.raises(ValueError, match="different number of parameter groups"):
        third.load_state_dict({"state": {}, "param_groups": []})
    copied["param_groups"][0]["params"] = [0, 1]
    with pytest.raises(ValueError, match="doesn't match the size"):
        third.load_state_dict(copied)


@pytest.mark.parametrize("name", EVERY)
def test_chunks_layouts_and_narrow_floats(name):
    """Large, transposed and half-precision parameters are updated like small contiguous ones."""
    size = 3 * rules._CHUNK // 2
    rng = np.random.default_rng(0)
    data, gradient = rng.standard_normal(size).astype("f"), rng.standard_normal(size).astype("f")
    whole = nn.Parameter(torch.tensor(data.tolist()))
    pieces = [nn.Parameter(torch.tensor(part.tolist())) for part in np.split(data, 64)]
    matrix = nn.Parameter(torch.tensor(data.tolist()).reshape(64, -1))
    transposed = nn.Parameter(torch.tensor(data.tolist()).reshape(64, -1).t())
    half = nn.Parameter(torch.tensor(data[:50].tolist(), dtype=torch.bfloat16))
    optimisers = [build(name, ps) for ps in ([whole], pieces, [matrix], [transposed], [half])]
    for _ in range(3):
        whole.grad = torch.tensor(gradient.tolist())
        for piece, part in zip(pieces, np.split(gradient, 64), strict=True):
            piece.grad = torch.tensor(part.tolist())
        matrix.grad = torch.tensor(gradient.reshape(64, -1).T.copy().tolist()).t()
        transposed.grad = torch.tensor(gradient.reshape(64, -1).T.copy().tolist())
        half.grad = torch.tensor(gradient[:50].tolist(), dtype=torch.bfloat16)
        for optimiser in optimisers:
            optimiser.step()
    expected = whole.detach().numpy()
    np.testing.assert_array_equal(np.concatenate([p.detach().numpy() for p in pieces]), expected)
    np.testing.assert_array_equal(matrix.detach().numpy().reshape(-1), expected)
    np.testing.assert_allclose(transposed.detach().numpy().T.reshape(-1), expected, rtol=1e-6)
    assert half.dtype == torch.bfloat16
    np.testing.assert_allclose(half.detach().float().numpy(), expected[:50], rtol=0.1, atol=0.05)


def test_versions_move_so_that_stale_graphs_are_caught():
    x = nn.Parameter(torch.ones(2))
    y = x * x
    x.grad = torch.ones(2)
    optim.SGD([x], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_learning_rate_as_a_tensor():
    x, y = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    for p, lr in ((x, 0.01), (y, torch.tensor(0.01))):
        opt = optim.Adam([p], lr=lr)
        p.grad = torch.ones(2)
        opt.step()
    assert x.tolist() == pytest.approx(y.tolist(), rel=1e-6)


def test_a_differentiable_step_passes_gradients_to_what_it_was_made_of():
    p, lr = torch.tensor([2.0]), torch.tensor(0.5, requires_grad=True)
    x = p.requires_grad_().clone()
    x.grad = torch.tensor([3.0])
    optim.SGD([x], lr=lr, differentiable=True).step()
    x.sum().backward()
    assert x.tolist() == [0.5]
    assert p.grad.tolist() == [1.0]
    assert lr.grad.item() == -3.0


def test_flags_that_exclude_each_other():
    p = [nn.Parameter(torch.ones(1))]
    with pytest.raises(RuntimeError, match="`fused` does not support `differentiable`"):
        optim.Adam(p, fused=True, differentiable=True)
    with pytest.raises(ValueError, match="lr as a Tensor is not supported"):
        optim.Adam(p, lr=torch.tensor(0.1), foreach=True)


def test_muon_makes_the_update_orthogonal():
    torch.manual_seed(0)
    w = nn.Parameter(torch.zeros(6, 3))
    opt = optim.Muon([w], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False)
    w.grad = torch.randn(6, 3)
    opt.step()
    singular = torch.linalg.svdvals(w.detach()) / 2**0.5  # lr is scaled by sqrt(6 / 3)
    assert (singular > 0.5).all() and (singular < 1.5).all()
    with pytest.raises(ValueError, match="only supports 2D"):
        optim.Muon([nn.Parameter(torch.zeros(3))])


def test_muon_compiled_agrees_with_eager():
    torch.manual_seed(0)
    start, target = torch.randn(4, 3), torch.randn(4, 3)

    def run(compiled):
        w = nn.Parameter(start.clone())
        opt = optim.Muon([w], lr=0.1)

        def step():
            opt.zero_grad()
            ((w - target) ** 2).sum().backward()
            opt.step()

        step = torch.compile(step) if compiled else step
        for _ in range(4):
            step()
        return w.detach()

    torch.testing.assert_close(run(True), run(False), rtol=1e-2, atol=1e-2)  # bfloat16 inside


def test_adafactor_factors_the_second_moment():
    w = nn.Parameter(torch.ones(2, 3))
    opt = optim.Adafactor([w], lr=0.1)
    w.grad = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    opt.step()
    state = opt.state[w]
    assert state["row_var"].shape == (2, 1) and state["col_var"].shape == (1, 3)
    # g = r c^T, so the factors are exact: the update is the gradient's sign, scaled by rms(w) lr
    np.testing.assert_allclose(w.detach().numpy(), 1 - 0.1, rtol=1e-6)


# ---- compiled steps


@pytest.mark.parametrize("name", [*EVERY, "Adafactor"])
def test_compiled_steps_agree_with_eager_ones(name):
    def losses(compiled):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        opt = build(name, model.parameters())
        schedule = optim.lr_scheduler.ExponentialLR(opt, 0.9)
        x, y = torch.randn(16, 4), torch.randn(16, 1)

        def step(x, y):
            opt.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            schedule.step()
            return loss

        run = torch.compile(step) if compiled else step
        values = [run(x, y).item() for _ in range(8)]
        if compiled:
            assert run.cache_info().left is None and run.cache_info().variants == 1
        counts = {float(state["step"]) for state in opt.state.values() if "step" in state}
        assert counts in (set(), {8.0})
        return values, schedule.get_last_lr()

    (eager, rate), (compiled, compiled_rate) = losses(False), losses(True)
    np.testing.assert_allclose(compiled, eager, rtol=2e-5)
    assert rate == compiled_rate


def test_a_changed_learning_rate_is_seen_without_tracing_again():
    x = nn.Parameter(torch.zeros(1))
    opt = optim.SGD([x], lr=1.0)

    @torch.compile
    def step():
        opt.zero_grad()
        x.sum().backward()
        opt.step()

    for lr in (1.0, 0.5, 0.25):
        opt.param_groups[0]["lr"] = lr
        step()
    assert x.item() == -1.75 and step.cache_info().variants == 1


def test_other_options_are_guarded():
    x = nn.Parameter(torch.ones(1))
    opt = optim.SGD([x], lr=1.0)

    @torch.compile
    def step():
        opt.zero_grad()
        x.sum().backward()
        opt.step()

    step()
    opt.param_groups[0]["weight_decay"] = 1.0
    step()
    assert x.item() == -1.0 and step.cache_info().variants == 2


def test_an_optimiser_with_python_state_is_left_to_eager():
    class Counting(optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"lr": 1.0})

        @torch.no_grad()
        def step(self, closure=None):
            for p in self.param_groups[0]["params"]:
                state = self.state[p]
                state["n"] = state.get("n", 0) + 1
                p.sub_(p.grad * state["n"])

    x = nn.Parameter(torch.zeros(1))
    opt = Counting([x])

    @torch.compile
    def step():
        opt.zero_grad()
        x.sum().backward()
        opt.step()

    with pytest.warns(UserWarning, match="changes Python values in its state"):
        step()
    step()
    step()
    assert x.item() == -6.0
