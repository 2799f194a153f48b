"""`torch.fx` against PyTorch: the same programs, traced by both, give the same code and values."""

import copy
import io
import math
import operator
import pickle

import pytest

import graphtorch
import graphtorch.fx.passes.shape_prop
from tests.parity.programs import alike, data, fails_alike

torch = pytest.importorskip("torch")
import torch.fx.passes.shape_prop  # noqa: E402, F811


def tidy(code):
    """Generated code without blank lines."""
    return "\n".join(line.rstrip() for line in code.splitlines() if line.strip())


def block(t):
    class Block(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = t.nn.Conv2d(2, 4, 3, padding=1)
            self.bn = t.nn.BatchNorm2d(4)
            self.layers = t.nn.Sequential(t.nn.ReLU(), t.nn.Conv2d(4, 4, 1))
            self.scale = t.nn.Parameter(t.ones(4, 1, 1))
            self.register_buffer("shift", t.zeros(1))

        def forward(self, x, factor: float = 2.0):
            y = self.bn(self.conv(x)) * self.scale + self.shift
            y = t.nn.functional.relu(self.layers(y), inplace=False) + x.sum(
                dim=(1, 2, 3), keepdim=True
            )
            a, b = y.chunk(2, dim=1)
            z = t.cat([a, -b], dim=1).view(y.size(0), -1)
            z = z[:, 1:3] * factor / math.sqrt(2)
            return {"z": z.mean(-1), "shape": y.shape[0], "pair": (a, b.flatten(1).T)}

    model = Block().eval()
    with t.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(data(t, *p.shape, seed=i))
    return model


def code_of_a_module(t):
    traced = t.fx.symbolic_trace(block(t))
    return tidy(traced.code), [(n.op, n.name, str(n.args)) for n in traced.graph.nodes]


def values_of_a_module(t):
    model = block(t)
    traced = t.fx.symbolic_trace(model)
    x = data(t, 2, 2, 5, 5)
    again = (
        pickle.loads(pickle.dumps(copy.deepcopy(traced)))
        if t is graphtorch
        else copy.deepcopy(traced)
    )
    keys = list(traced.state_dict())
    return traced(x), t.fx.Interpreter(traced).run(x), again(x), keys, model(x)


FUNCTIONS = {
    "operators": lambda t: (
        lambda x, y: (
            x + y,
            x - 1,
            2 * x,
            x @ y,
            x**2,
            -x,
            x / y,
            x // 2,
            x % 3,
            1 - x,
            x > y,
            x == y,
            ~(x > 0),
            x[0],
            x[..., None],
        )
    ),  # fmt: skip
    "functions": lambda t: (
        lambda x: t.relu(x).add(1).sum(dim=-1, keepdim=True).to(t.float64).max(dim=0)[0].T
    ),
    "functional": lambda t: lambda x: t.nn.functional.relu(t.softmax(x, dim=1), inplace=True),
    "methods": lambda t: lambda x: x.view(-1).reshape(x.shape).size(0),
    "mixed": lambda t: lambda x: x + t.ones(2) + t.stack([x, x]).sum(0),
    "names": lambda t: lambda sum, input: (sum + input).max() + t.sum(sum),
    "slices": lambda t: lambda x, n: x[1:n, ::2],
    "augmented": lambda t: lambda x: operator.iadd(x, 1),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_code_of_functions(name):
    alike(lambda t: tidy(t.fx.symbolic_trace(FUNCTIONS[name](t)).code))


def rewritten(t):
    def f(x, w):
        return t.relu(x + w).sum() * t.relu(x)

    traced = t.fx.symbolic_trace(f)
    for node in traced.graph.nodes:
        if node.op == "call_function" and node.target == t.relu:
            with traced.graph.inserting_after(node):
                new = traced.graph.call_function(t.sigmoid, node.args)
                node.replace_all_uses_with(new)
            traced.graph.erase_node(node)
    traced.graph.lint()
    traced.recompile()
    return tidy(traced.code), traced(data(t, 3), data(t, 3, seed=1))


def built_by_hand(t):
    graph = t.fx.Graph()
    x = graph.placeholder("x")
    w = graph.get_attr("layer.weight")
    y = graph.call_function(t.matmul, (x, w))
    z = graph.call_module("act", (y,))
    graph.call_method("neg", (z,))
    graph.output((z, {"y": y}))
    root = t.nn.Module()
    root.layer = t.nn.Linear(3, 3)
    root.act = t.nn.Tanh()
    with t.no_grad():
        root.layer.weight.copy_(data(t, 3, 3))
    gm = t.fx.GraphModule(root, graph)
    before = tidy(gm.code)
    removed = gm.graph.eliminate_dead_code()
    gm.recompile()
    names = [n for n, _ in gm.named_parameters()]
    return before, removed, tidy(gm.code), gm(data(t, 2, 3)), names


def with_patterns(t):
    class M(t.nn.Module):
        def forward(self, x, w1, w2):
            m1 = t.cat([w1, w2]).sum()
            m2 = t.cat([w1, w2]).sum()
            return x + t.max(m1) + t.max(m2)

    traced = t.fx.symbolic_trace(M())
    matches = t.fx.replace_pattern(
        traced, lambda a1, a2: t.cat([a1, a2]).sum(), lambda w1, w2: t.stack([w1, w2]).mean()
    )
    x = data(t, 3)
    return len(matches), [str(m.anchor) for m in matches], len(traced.graph.nodes), traced(x, x, x)


def interpreted(t):
    class Swapped(t.fx.Interpreter):
        def call_function(self, target, args, kwargs):
            return super().call_function(t.neg if target == t.sigmoid else target, args, kwargs)

        def call_method(self, target, args, kwargs):
            if target == "neg":
                return args[0] * 10
            return super().call_method(target, args, kwargs)

    class Changed(t.fx.Transformer):
        def call_function(self, target, args, kwargs):
            return super().call_function(t.neg if target == t.sigmoid else target, args, kwargs)

    traced = t.fx.symbolic_trace(lambda x: t.sigmoid(x).neg() + 1)
    x = data(t, 3)
    new = Changed(traced).transform()
    return Swapped(traced).run(x), tidy(new.code), new(x)


def own_tracer(t):
    class Inner(t.nn.Module):
        def forward(self, x):
            return x.relu() + 1

    class Outer(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()
            self.linear = t.nn.Linear(2, 2)

        def forward(self, x):
            return self.linear(self.inner(x))

    class Leaves(t.fx.Tracer):
        def is_leaf_module(self, m, qualname):
            return type(m).__name__ == "Inner" or super().is_leaf_module(m, qualname)

    model = Outer()
    default = t.fx.symbolic_trace(model)
    kept = t.fx.GraphModule(model, Leaves().trace(model))
    return tidy(default.code), tidy(kept.code), [n for n, _ in kept.named_modules()]


def shapes(t):
    traced = t.fx.symbolic_trace(lambda x: x.view(2, 6).sum(1))
    t.fx.passes.shape_prop.ShapeProp(traced).propagate(data(t, 3, 4))
    return [tuple(n.meta["tensor_meta"].shape) for n in traced.graph.nodes]


def arguments(t):
    def f(x, y=3, *, z=None, flag=True):
        return x + y if flag else x - y

    traced = t.fx.symbolic_trace(f, concrete_args={"flag": True, "z": None})
    graph = str(t.fx.symbolic_trace(lambda x: t.relu(x) + 1).graph)
    return traced(data(t, 3), 4, None, True) if t is torch else traced(data(t, 3), 4), graph


def constants(t):
    weight = data(t, 3)
    traced = t.fx.symbolic_trace(lambda x: t.nn.functional.linear(x, weight.reshape(1, 3)) - weight)
    return (
        traced(data(t, 2, 3)),
        [n.op for n in traced.graph.nodes],
        [n for n, _ in traced.named_buffers()],
    )


PROGRAMS = [
    code_of_a_module, values_of_a_module, rewritten, built_by_hand, with_patterns, interpreted, own_tracer,
    shapes, arguments, constants,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.__name__)
def test_programs(program):
    alike(program)


ERRORS = {
    "branch": lambda t: t.fx.symbolic_trace(lambda x: x if x.sum() > 0 else -x),
    "loop": lambda t: t.fx.symbolic_trace(lambda x: [y for y in x]),
    "erase used": lambda t: (lambda g: g.erase_node(next(iter(g.nodes))))(t.fx.symbolic_trace(lambda x: x + 1).graph),  # fmt: skip
    "mutate args": lambda t: [
        n.kwargs.update(a=1) for n in t.fx.symbolic_trace(lambda x: x.sum(dim=1)).graph.nodes
    ],
    "wrap inside": lambda t: t.fx.wrap("len"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ERRORS))
def test_errors(name):
    fails_alike(ERRORS[name])


def special(x):
    """A function that traces must not look into."""
    return x * 2 if float(x.sum()) > 0 else x


graphtorch.fx.wrap("special")
graphtorch.fx.wrap("len")


def test_wrapped_functions_stand_as_one_node():
    traced = graphtorch.fx.symbolic_trace(lambda x: special(x) + len(x) + math.floor(x.sum()))
    names = [n.name for n in traced.graph.nodes if n.op == "call_function"]
    assert names == ["special", "len_1", "add", "floor", "add_1"]
    x = graphtorch.ones(3)
    assert traced(x).tolist() == [2 + 3 + 3] * 3
    assert special(x).tolist() == [2, 2, 2] and len(x) == 3 and math.floor(1.5) == 1


def test_a_traced_module_compiles_and_saves():
    nn = graphtorch.nn
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 2)))
    traced = graphtorch.fx.symbolic_trace(model)
    x = data(graphtorch, 5, 3)
    compiled = graphtorch.compile(lambda x: traced(x))
    for _ in range(2):
        found = compiled(x)
    assert compiled.cache_info().hits == 1
    assert graphtorch.allclose(found, model(x), atol=1e-5)
    file = io.BytesIO()
    graphtorch.save(traced.state_dict(), file)
    file.seek(0)
    traced.load_state_dict(graphtorch.load(file))


def test_the_table(capsys):
    graphtorch.fx.symbolic_trace(lambda x: graphtorch.relu(x) + 1).graph.print_tabular()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["opcode", "name", "target", "args", "kwargs"]
    assert [line.split()[0] for line in lines[2:]] == [
        "placeholder",
        "call_function",
        "call_function",
        "output",
    ]
