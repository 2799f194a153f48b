"""Graphs printed and read back."""

import numpy as np
import pytest

from graphtorch.ir import dispatch, ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph, Source
from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import ParseError, parse
from graphtorch.ir.text import to_text
from graphtorch.ir.types import BY_SHORT, bool_, float32, int64

STEP = """\
def step(x: f32[4, 3], w: f32[5, 3], lr: f32[()]):
    permute: f32[3, 5] = ops.permute(w, dims=(1, 0))  # train.py:12 in fc1
    matmul: f32[4, 5] = ops.matmul(x, permute)  # train.py:12 in fc1
    relu: f32[4, 5] = ops.relu(matmul)
    gt: bool[4, 5] = ops.gt(matmul, 0.0)  # my file in here.py:7
    where: f32[4, 5] = ops.where(gt, relu, -inf)
    mul: f32[5, 3] = ops.mul(w, 0.5)  # in fc1
    update(w, mul)
    return (where, matmul)"""


def test_step_round_trip():
    graph = parse(STEP)
    assert to_text(graph) == STEP
    assert graph.nodes[0].source == Source("train.py", 12, "fc1")
    assert graph.nodes[3].source == Source("my file in here.py", 7)
    assert graph.nodes[5].source == Source(module="fc1")
    assert graph.updates[0][0] is graph.inputs[1]
    assert [n.name for n in graph.outputs] == ["where", "matmul"]


def test_round_trip_keeps_the_numbers():
    graph = parse(STEP)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.shape).astype(np.float32) for n in graph.inputs]
    where, matmul, w = interpret(parse(str(graph)), *arrays)
    np.testing.assert_array_equal(matmul, arrays[0] @ arrays[1].T)
    np.testing.assert_array_equal(where, np.where(matmul > 0, matmul, -np.inf))
    np.testing.assert_array_equal(w, arrays[1] * np.float32(0.5))


def test_text_runs_as_python():
    class Arrays:
        def process(self, op, inputs, attrs):
            return op.numpy(*inputs, **attrs)

    updates = {}
    names = dict(BY_SHORT, ops=ops, inf=float("inf"), nan=float("nan"))
    names["update"] = lambda input, value: updates.setdefault(id(input), value)
    exec(STEP, names)  # our own text
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.shape).astype(np.float32) for n in parse(STEP).inputs]
    with dispatch.pushed(Arrays()):
        where, matmul = names["step"](*arrays)
    expected = interpret(parse(STEP), *arrays)
    np.testing.assert_array_equal(where, expected[0])
    np.testing.assert_array_equal(updates[id(arrays[1])], expected[2])


def test_literals_and_attributes():
    with GraphBuilder("f") as b:
        x = b.input(float32[2, 2], "x")
        y = x
        for scalar in (
            1,
            -3,
            True,
            0.1,
            -0.0,
            1e-300,
            1e300,
            float("inf"),
            -float("inf"),
            float("nan"),
        ):
            y = ops.add(y, scalar)
        c = ops.cast(y, dtype=int64)
        z = ops.full(shape=(), value=float("nan"), dtype=float32)
        graph = b.finish((y, c, z))
    text = str(graph)
    again = parse(text)
    assert str(again) == text
    for scalar, node in zip((1, -3, True, 0.1, -0.0), again.nodes, strict=False):
        assert repr(node.inputs[1]) == repr(scalar)
    assert again.nodes[10].attrs["dtype"] is int64
    assert again.nodes[11].type == float32[()]


def test_many_inputs_and_their_sources_take_a_line_each():
    with GraphBuilder("f") as b:
        xs = [
            b.input(float32[128, 128], f"layer.{i}.weight", Source("m.py", i, f"layer.{i}"))
            for i in (0, 1)
        ]
        graph = b.finish(tuple(xs))
    assert str(graph) == (
        "def f(\n    layer_0_weight: f32[128, 128],  # in layer.0\n".replace("# in", "# m.py:0 in")
        + "    layer_1_weight: f32[128, 128],  # m.py:1 in layer.1\n"
        "):\n"
        "    return (layer_0_weight, layer_1_weight)"
    )
    assert str(parse(str(graph))) == str(graph)


def test_facts_are_comments():
    with GraphBuilder("f") as b:
        x = b.input(bool_[3], "x")
        graph = b.finish(
            (ops.logical_not(x),), stage="joint", sizes=(1, 2), device="cpu:0", table={}
        )
    assert str(graph).splitlines()[:3] == [
        "# stage: 'joint'",
        "# sizes: (1, 2)",
        "# device: 'cpu:0'",
    ]
    assert parse(str(graph)).meta == {"stage": "joint", "sizes": (1, 2), "device": "cpu:0"}


def test_nested_bodies():
    text = """\
def f(x: f32[3]):
    def body(a: f32[3]):
        exp: f32[3] = ops.exp(a)  # t.py:3
        neg: f32[3] = ops.neg(exp)
        return (exp, neg)
    fusion: (f32[3], f32[3]) = ops.test_fusion(x, body=body)
    pick: f32[3] = ops.pick(fusion, index=1)
    return pick"""
    graph = parse(text)
    assert isinstance(graph.nodes[0].attrs["body"], Graph)
    assert str(graph) == text
    x = np.arange(3, dtype=np.float32)
    np.testing.assert_array_equal(interpret(graph, x)[0], -np.exp(x))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("y: f32[3] = ops.exp(z)", "z is not a value"),
        ("y: f32[4] = ops.exp(x)", "is written f32[4], is f32[3]"),
        ("y: f32[3] = ops.nonsense(x)", "unknown op ops.nonsense"),
        ("y: f32[3] = __import__('os')", "unknown op __import__"),
        ("y: f32[3] = ops.exp(open('x'))", "is not a value of the IR"),
        ("x: f32[3] = ops.exp(x)", "stands twice"),
        ("inf: f32[3] = ops.exp(x)", "not free"),
        ("y = ops.exp(x)", "not a line of a graph"),
        ("y: f32[q] = ops.exp(x)", "is not a type"),
        ("y: f32[2] = ops.expand(x, shape=(2,))", "RuntimeError"),
        ("for i in x: pass", "not a line of a graph"),
    ],
)
def test_complaints_name_the_line(line, complaint):
    with pytest.raises(ParseError) as caught:
        parse(f"def f(x: f32[3]):\n    {line}\n    return x")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("line 2")


def test_not_python():
    with pytest.raises(ParseError, match="line 1"):
        parse("def f(x: f32[3]: return x")
    with pytest.raises(ParseError, match="one function"):
        parse("import os")
    with pytest.raises(ParseError, match="does not return"):
        parse("def f(x: f32[3]):\n    pass".replace("pass", "y: f32[3] = ops.exp(x)"))


def test_a_hash_in_a_string_is_no_comment():
    text = """\
# note: 'a # b: "c"'
def f(x: f32[3]):
    exp: f32[3] = ops.exp(x)  # it's "odd" #1.py:3
    return exp"""
    graph = parse(text)
    assert graph.meta == {"note": 'a # b: "c"'}
    assert graph.nodes[0].source == Source('it\'s "odd" #1.py', 3)
    assert str(graph) == text
