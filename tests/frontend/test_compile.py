"""Capture: what a compiled function must give, remember, notice and refuse."""

import warnings

import numpy as np
import pytest

import graphtorch as torch
from graphtorch import nn

F = nn.functional


@pytest.fixture(params=["1", "interpret"], autouse=True)
def mode(request):
    from graphtorch import config

    with config.override(compile=request.param):
        yield request.param


def close(a, b, tolerance=1e-5):
    a, b = np.asarray(a.detach()), np.asarray(b.detach())
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def mlp(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


# ---- functions


def test_a_function_gives_the_eager_result_and_is_traced_once():
    def f(x, y):
        return torch.tanh(x * y) + 1

    x, y = torch.randn(5), torch.randn(5)
    expected = f(x, y)
    compiled = torch.compile(f)
    for _ in range(3):
        close(compiled(x, y), expected)
    info = compiled.cache_info()
    assert (info.hits, info.misses, info.variants, info.left) == (2, 1, 1, None)


def test_structures_of_arguments_and_results():
    @torch.compile
    def f(pair, *, table):
        a, b = pair
        return {"sum": a + b, "rest": (table["c"] * 2, "text", None, [a - b])}

    a, b, c = torch.ones(2), torch.full((2,), 3.0), torch.tensor([5.0])
    for _ in range(2):
        out = f((a, b), table={"c": c})
    assert out["sum"].tolist() == [4.0, 4.0]
    assert out["rest"][0].tolist() == [10.0]
    assert out["rest"][1:3] == ("text", None)
    assert out["rest"][3][0].tolist() == [-2.0, -2.0]


def test_another_shape_dtype_or_python_argument_makes_another_variant():
    @torch.compile
    def f(x, n):
        return x * n

    assert f(torch.ones(2), 2).tolist() == [2.0, 2.0]
    assert f(torch.ones(3), 2).tolist() == [2.0, 2.0, 2.0]
    assert f(torch.ones(2), 3).tolist() == [3.0, 3.0]
    assert f(torch.ones(2, dtype=torch.int64), 3).tolist() == [3, 3]
    assert f.cache_info().variants == 4
    assert f(torch.ones(2), 2).tolist() == [2.0, 2.0]
    assert f.cache_info().variants == 4


SCALE = 2.0


def test_a_changed_global_is_noticed():
    global SCALE
    SCALE = 2.0

    @torch.compile
    def f(x):
        return x * SCALE

    assert f(torch.ones(1)).item() == 2.0
    assert f(torch.ones(1)).item() == 2.0
    SCALE = 5.0
    assert f(torch.ones(1)).item() == 5.0
    assert "SCALE" in f.history[-1]


def test_a_changed_closure_cell_is_noticed():
    factor = 2.0

    @torch.compile
    def f(x):
        return x * factor

    assert f(torch.ones(1)).item() == 2.0
    factor = 7.0
    assert f(torch.ones(1)).item() == 7.0


class Config:
    def __init__(self):
        self.scale = 3.0
        self.sizes = [1, 2]


def test_a_changed_attribute_of_a_plain_object_is_noticed():
    config = Config()

    @torch.compile
    def f(x):
        return x * config.scale + len(config.sizes)

    assert f(torch.ones(1)).item() == 5.0
    config.scale = 4.0
    assert f(torch.ones(1)).item() == 6.0
    config.sizes.append(3)
    assert f(torch.ones(1)).item() == 7.0


def test_python_control_flow_is_traced_through():
    @torch.compile
    def f(x, deep):
        for i in range(3):
            x = x + i
        return x * 2 if deep else x

    assert f(torch.zeros(1), True).item() == 6.0
    assert f(torch.zeros(1), False).item() == 3.0


def test_control_flow_on_a_value_is_guarded():
    @torch.compile
    def f(x):
        if x.sum() > 0:
            return x + 1
        return x - 1

    plus, minus = torch.ones(2), -torch.ones(2)
    for _ in range(2):
        assert f(plus).tolist() == [2.0, 2.0]
        assert f(minus).tolist() == [-2.0, -2.0]
    assert f.cache_info().variants == 2
    assert "test_compile.py" in f.explain()


def test_a_value_that_changes_every_call_leaves_to_eager_with_the_line():
    @torch.compile
    def f(x):
        return x * x.sum().item()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(8):
            x = torch.full((2,), float(i))
            assert f(x).tolist() == [i * 2.0 * i] * 2
    assert f.cache_info().left is not None
    assert any("test_compile.py" in str(w.message) for w in caught)


def test_print_and_other_side_effects_leave_to_eager(capsys):
    seen = []

    @torch.compile
    def noisy(x):
        print("called")
        return x + 1

    @torch.compile
    def counting(x):
        seen.append(1)
        return x + 1

    with pytest.warns(UserWarning, match="left to eager"):
        noisy(torch.ones(1))
    noisy(torch.ones(1))
    assert capsys.readouterr().out == "called\ncalled\n"
    counting(torch.ones(1))
    with pytest.warns(UserWarning, match="left to eager"):
        counting(torch.ones(1))
    counting(torch.ones(1))
    assert seen == [1, 1, 1]


def test_writes_into_arguments_and_outside_tensors_are_seen():
    state = torch.zeros(3)

    @torch.compile
    def f(x):
        state.add_(x)
        x[1] = 9.0
        return state * 2

    x = torch.ones(3)
    assert f(x).tolist() == [2.0, 2.0, 2.0]
    assert x.tolist() == [1.0, 9.0, 1.0]
    assert f(x).tolist() == [4.0, 20.0, 4.0]
    assert state.tolist() == [2.0, 10.0, 2.0]
    assert f.cache_info().hits == 1


def test_returning_an_argument_or_a_view_of_it_keeps_the_memory_shared():
    @torch.compile
    def f(x):
        return x, x[1:], x + 1

    x = torch.arange(3.0)
    for _ in range(2):
        same, view, fresh = f(x)
        assert same is x
        view[0] = 7.0
        assert x.tolist()[1] == 7.0
        assert fresh is not x


def test_dtype_default_and_grad_mode_are_part_of_the_guards():
    @torch.compile
    def f(x):
        return x * 2

    w = torch.ones(2, requires_grad=True)
    assert f(w).requires_grad
    with torch.no_grad():
        assert not f(w).requires_grad
    assert f(w).requires_grad


def test_a_failing_call_raises_the_users_error_and_changes_nothing():
    w = torch.zeros(3)

    @torch.compile
    def f(x):
        w.add_(1)
        return w @ x

    with pytest.raises(RuntimeError):
        f(torch.ones(4))
    assert w.tolist() == [0.0, 0.0, 0.0]


# ---- modules


def test_compiling_a_module_keeps_the_module():
    model = mlp()
    keys = list(model.state_dict())
    x = torch.randn(4, 6)
    expected = model(x)
    assert torch.compile(model) is model
    close(model(x), expected)
    close(model(x), expected)
    assert list(model.state_dict()) == keys
    assert model.forward.cache_info().hits == 1


def test_the_backward_of_a_compiled_forward():
    model, reference = mlp(), mlp()
    torch.compile(model)
    x = torch.randn(4, 6)
    for _ in range(3):
        for m in (model, reference):
            m.zero_grad()
            (m(x) ** 2).mean().backward()
        for p, q in zip(model.parameters(), reference.parameters()):
            close(p.grad, q.grad)
    assert model.forward.cache_info().hits == 2
    variant = model.forward.variants[0]
    assert variant.joint is not None and variant.backward_program is not None


def test_detach_and_no_grad_cut_the_gradient_of_a_compiled_forward():
    @torch.compile
    def f(x):
        with torch.no_grad():
            scale = x * 3
        return (x * scale + x.detach() * x).sum()

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        x.grad = None
        f(x).backward()
        assert x.grad.tolist() == [4.0, 8.0]


def test_train_and_eval_are_different_variants_and_batch_norm_statistics_move():
    torch.manual_seed(0)
    model, reference = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    torch.compile(model)
    x = torch.randn(8, 3)
    for _ in range(3):
        close(model(x), reference(x))
    close(model.running_mean, reference.running_mean)
    assert int(model.num_batches_tracked) == 3
    model.eval(), reference.eval()
    close(model(x), reference(x))
    assert model.forward.cache_info().variants == 2


def test_a_replaced_parameter_and_an_inplace_update_are_seen():
    layer = nn.Linear(2, 1, bias=False)
    compiled = torch.compile(lambda x: layer(x))
    x = torch.ones(1, 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        assert compiled(x).item() == 2.0
        layer.weight.fill_(2.0)
        assert compiled(x).item() == 4.0
        layer.weight = nn.Parameter(torch.full((1, 2), 3.0))
        assert compiled(x).item() == 6.0


# ---- whole train steps


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def run_steps(compiled, make, steps=6, clip=True, schedule=False):
    model = mlp()
    optimizer = make(model.parameters())
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5) if schedule else None
    generator = np.random.default_rng(0)
    x = torch.from_numpy(generator.standard_normal((8, 6)).astype(np.float32))
    y = torch.from_numpy(generator.integers(0, 3, 8))

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        if schedule:
            scheduler.step()
        return loss

    run = torch.compile(step) if compiled else step
    losses = [run(x, y).item() for _ in range(steps)]
    return losses, model, optimizer, run


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_whole_train_step(name):
    eager, model, _, _ = run_steps(False, OPTIMIZERS[name])
    losses, compiled_model, optimizer, run = run_steps(True, OPTIMIZERS[name])
    np.testing.assert_allclose(losses, eager, rtol=1e-5)
    for p, q in zip(model.parameters(), compiled_model.parameters()):
        close(p, q)
        close(p.grad, q.grad, 1e-4)
    info = run.cache_info()
    assert info.left is None
    assert info.variants == 1 and info.hits == 5
    assert "state" in optimizer.state_dict()


def test_the_learning_rate_is_read_at_every_call_without_retracing():
    def drive(compiled):
        losses, model, optimizer, run = run_steps(compiled, OPTIMIZERS["sgd"], 1)
        generator = np.random.default_rng(1)
        x = torch.from_numpy(generator.standard_normal((8, 6)).astype(np.float32))
        y = torch.from_numpy(generator.integers(0, 3, 8))
        for lr in (0.1, 0.01, 0.5):
            optimizer.param_groups[0]["lr"] = lr
            losses.append(run(x, y).item())
        return losses, run

    eager, _ = drive(False)
    compiled, run = drive(True)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5)
    assert run.cache_info().variants == 1


def test_a_scheduler_inside_the_step():
    eager, _, optimizer, _ = run_steps(False, OPTIMIZERS["sgd"], schedule=True)
    compiled, _, compiled_optimizer, run = run_steps(True, OPTIMIZERS["sgd"], schedule=True)
    np.testing.assert_allclose(compiled, eager, rtol=1e-5)
    assert run.cache_info().variants == 1
    assert (
        compiled_optimizer.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] == 0.1 * 0.5**3
    )


def test_a_step_that_raises_leaves_parameters_and_state_as_they_were():
    model = mlp()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)

    @torch.compile
    def step(x, y):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    x = torch.randn(4, 6)
    step(x, torch.tensor([0, 1, 2, 0]))
    before = [p.detach().clone() for p in model.parameters()]
    steps = [s["step"].item() for s in optimizer.state.values()]
    for _ in range(2):
        with pytest.raises(IndexError):
            step(x, torch.tensor([0, 1, 7, 0]))
    for p, q in zip(model.parameters(), before):
        assert (p == q).all()
    assert [s["step"].item() for s in optimizer.state.values()] == steps


def test_dropout_draws_from_the_same_stream():
    def losses(compiled):
        torch.manual_seed(3)
        model = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        f = torch.compile(lambda x: model(x).sum()) if compiled else lambda x: model(x).sum()
        x = torch.ones(2, 4)
        with torch.no_grad():
            return [f(x).item() for _ in range(4)]

    np.testing.assert_allclose(losses(True), losses(False), rtol=1e-5)


def test_accumulating_gradients_over_two_backwards():
    w = torch.ones(2, requires_grad=True)

    @torch.compile
    def f(x):
        w.grad = None
        (w * x).sum().backward()
        (w * w).sum().backward()

    for _ in range(2):
        f(torch.tensor([3.0, 4.0]))
        assert w.grad.tolist() == [5.0, 6.0]


def test_double_backward_inside_a_compiled_function():
    @torch.compile
    def penalty(x):
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad((g**2).sum(), x)
        return h

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        close(penalty(x), 36 * x**3)


def test_the_line_and_module_path_ride_on_every_node():
    model = mlp()

    @torch.compile
    def f(x):
        return model(x) + 1

    f(torch.randn(2, 6))
    sources = [n.source for n in f.graphs[0].nodes]
    assert any(s.module == "2" for s in sources)
    assert all(s.file.endswith("test_compile.py") for s in sources)


def test_compile_off_runs_the_function_itself():
    from graphtorch import config

    with config.override(compile="0"):
        f = torch.compile(lambda x: x + 1)
        assert f(torch.ones(1)).item() == 2.0
        assert f.cache_info().misses == 0


SAVERS = {
    "max_pool": lambda x: F.max_pool2d(x.reshape(1, 1, 4, 4), 2),
    "max": lambda x: x.max(dim=1)[0],
    "topk": lambda x: x.topk(2, dim=1)[0],
    "sort": lambda x: x.sort(dim=1)[0],
    "cummax": lambda x: x.cummax(dim=0)[0],
    "softmax": lambda x: torch.softmax(x, 1),
    "layer_norm": lambda x: F.layer_norm(x, (4,)),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True),
    "attention": lambda x: F.scaled_dot_product_attention(
        x[None], x[None] * 2, x[None], is_causal=True
    ),
    "index": lambda x: x[[0, 2, 0]],
    "where": lambda x: torch.where(x > 0, x, x * 3),
    "prod": lambda x: x.prod(dim=1),
    "std": lambda x: x.std(dim=1),
    "gather": lambda x: x.gather(1, x.detach().argsort(1)),
}


@pytest.mark.parametrize("name", SAVERS)
def test_gradients_of_a_replay_belong_to_its_own_input(name):
    def gradient(x):
        y = SAVERS[name](x)
        (g,) = torch.autograd.grad((y * y).sum(), x)
        return g

    compiled = torch.compile(gradient)
    torch.manual_seed(0)
    for _ in range(3):
        x = torch.randn(4, 4, requires_grad=True)
        close(compiled(x), gradient(x), 1e-4)
    assert compiled.cache_info().hits == 2


# ---- what cannot be one graph


def test_fullgraph_raises_naming_op_line_and_reason_and_undoes_the_run(capsys):
    state = torch.zeros(2)

    @torch.compile(fullgraph=True)
    def noisy(x):
        state.add_(x)
        print("called")
        return x + 1

    line = noisy._function.__code__.co_firstlineno + 3
    for _ in range(2):
        with pytest.raises(torch.CompileError, match=rf"(?s)print.*test_compile.py:{line}"):
            noisy(torch.ones(2))
    assert state.tolist() == [0.0, 0.0]
    assert noisy.cache_info().left is None


def test_fullgraph_raises_where_only_the_gradients_cannot_be_made():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            print("backward")
            return g * 2

    f = torch.compile(lambda x: Twice.apply(x), fullgraph=True)
    with pytest.raises(torch.CompileError, match=r"(?s)test_compile.py:\d+"):
        f(torch.ones(2, requires_grad=True))


def test_hits_count_only_calls_that_ran_compiled():
    @torch.compile
    def f(x):
        return x + 1 if x.sum() > 0 else x - 1

    for sign in (1, -1, 1, -1):
        f(sign * torch.ones(2))
    info = f.cache_info()
    assert (info.hits, info.misses) == (2, 2)


SIZED_BY_VALUES = {
    "nonzero": lambda x: torch.nonzero(x > 0),
    "masked_select": lambda x: torch.masked_select(x, x > 0),
    "unique": lambda x: torch.unique(x),
    "bincount": lambda x: torch.bincount(x.long()),
    "get_item": lambda x: x[x > 0],
}


@pytest.mark.parametrize("op", SIZED_BY_VALUES)
def test_results_sized_by_values_leave_with_op_line_and_reason(op):
    f = torch.compile(SIZED_BY_VALUES[op])
    x = torch.arange(100.0) % 7
    with pytest.warns(UserWarning, match="left to eager"):
        first = f(x)
    assert torch.equal(first, SIZED_BY_VALUES[op](x))
    assert torch.equal(f(x + 1), SIZED_BY_VALUES[op](x + 1))
    line = f._function.__code__.co_firstlineno
    told = f.explain().splitlines()[1]
    assert f"test_compile.py:{line}: {op}: " in told and "100 values" in told


def test_a_row_without_a_type_before_it_runs_leaves_too():
    from graphtorch.ir import ops

    f = torch.compile(lambda x: ops.nonzero(x))
    with pytest.warns(UserWarning, match="nonzero: the shape of nonzero's result depends"):
        assert f(torch.tensor([0.0, 3.0])).tolist() == [[1]]


def test_a_failure_of_the_compiler_is_an_error_not_a_fallback(monkeypatch):
    from graphtorch.frontend import variant

    def broken(graph, where=None):
        raise KeyError("a pass lost a node")

    monkeypatch.setattr(variant, "build_program", broken)

    @torch.compile
    def f(x):
        return x + 1

    line = f._function.__code__.co_firstlineno
    with pytest.raises(torch.CompileError, match="KeyError: 'a pass lost a node'") as caught:
        f(torch.ones(2))
    text = str(caught.value)
    assert f"test_compile.py:{line}" in text and "GRAPHTORCH_COMPILE=0" in text and "f:" in text
    assert isinstance(caught.value.__cause__, KeyError)


def test_the_users_line_is_found_by_one_walk():
    from graphtorch import errors

    def line_here():
        return errors.user_line()

    expected = line_here.__code__.co_firstlineno + 1
    assert line_here() == f"test_compile.py:{expected}"
    with pytest.raises(RuntimeError, match="test_compile.py"):
        torch.ones(2).backward()


class Keeper:
    def __init__(self, scale):
        self.scale = scale

    def keep(self, y):
        self.last = y
        return y * self.scale


KEEPER = Keeper(2.0)


def keeps_in_a_global(x, keeper, table):
    KEEPER.last = x + 1
    return x * 2


def keeps_in_an_argument(x, keeper, table):
    keeper.last = x + 1
    return x * 2


def keeps_in_a_method(x, keeper, table):
    return keeper.keep(x + 1)


def keeps_in_a_dict(x, keeper, table):
    table["last"] = x + 1
    return x * 2


def keeps_in_a_list(x, keeper, table):
    table["list"].append(x)
    return x * 2


def keeps_nothing(x, keeper, table):
    return Keeper(3.0).keep(x)


@pytest.mark.parametrize(
    "function",
    [keeps_in_a_global, keeps_in_an_argument, keeps_in_a_method, keeps_in_a_dict, keeps_in_a_list],
)
def test_what_a_function_assigns_outside_is_not_lost(function):
    f = torch.compile(function)
    keeper, table = Keeper(1.0), {"last": None, "list": []}
    f(torch.ones(2), keeper, table)  # might fill a cache: traced again
    with pytest.warns(UserWarning, match="by the function itself"):
        f(torch.ones(2), keeper, table)
    for i in range(3):
        f(torch.full((2,), float(i)), keeper, table)
    if function is keeps_in_a_list:
        assert [x.tolist()[0] for x in table["list"]] == [1.0, 1.0, 0.0, 1.0, 2.0]
    else:
        holder = KEEPER if function is keeps_in_a_global else keeper
        last = table["last"] if function is keeps_in_a_dict else holder.last
        assert last.tolist() == [3.0, 3.0]


def test_objects_made_inside_may_be_assigned_to():
    f = torch.compile(keeps_nothing)
    for i in range(3):
        assert f(torch.full((2,), float(i)), None, None).tolist() == [3.0 * i] * 2
    assert f.cache_info()[:2] == (2, 1)


def test_a_nonlocal_that_is_only_assigned_is_not_lost():
    last = None

    def f(x):
        nonlocal last
        last = x + 1
        return x * 2

    compiled = torch.compile(f)
    compiled(torch.ones(2))
    with pytest.warns(UserWarning, match="'last' of a cell is changed"):
        compiled(torch.ones(2))
    for i in range(2):
        compiled(torch.full((2,), float(i)))
        assert last.tolist() == [i + 1.0] * 2


class Parsed:
    """As einops parses its patterns: sets and attributes filled while it is made."""

    def __init__(self, pattern):
        self.names = set()
        self.order = []
        for name in pattern.split():
            self.add(name)

    def add(self, name):
        self.names.add(name)
        self.order.append(name)


PARSED = {}


def parsed(pattern):
    if pattern not in PARSED:
        PARSED[pattern] = Parsed(pattern)
    return PARSED[pattern]


def test_objects_made_inside_and_caches_filled_at_the_first_call_are_no_side_effects():
    class Lazy(nn.Module):
        table = None

        def forward(self, x):
            if self.table is None:
                self.table = torch.arange(3.0)
            return x * len(Parsed("a b").order) + len(parsed("a b c").names) + self.table

    PARSED.clear()
    model = torch.compile(Lazy())
    model(torch.zeros(3))
    assert "to be traced again" in model.forward.explain()
    for i in range(4):
        assert model(torch.full((3,), float(i))).tolist() == [
            2 * i + 3 + k for k in (0.0, 1.0, 2.0)
        ]
    assert model.forward.cache_info() == (3, 2, 1, None)
