"""Dead code, common subexpressions, decomposition: IR text in, IR text out."""

import numpy as np
import pytest

from graphtorch.ir import ops
from graphtorch.ir.interpret import interpret
from graphtorch.ir.op import OPS, declare
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.cse import cse
from graphtorch.ir.passes.dce import dce
from graphtorch.ir.passes.decompose import decompose
from graphtorch.ir.verify import verify

TWICE = OPS.get("test_twice") or declare(
    "test_twice", "composite", "x", lambda x: x, lambda x: x + x, decompose=lambda x: ops.add(x, x)
)
GATED = OPS.get("test_gated") or declare(
    "test_gated",
    "composite",
    "x",
    lambda x, *, slope: (x, x),
    lambda x, *, slope: (x * slope * 2, np.exp(x)),
    decompose=lambda x, *, slope: (TWICE(x * slope), ops.exp(x)),
)
DRAW = OPS.get("test_draw") or declare(
    "test_draw",
    "random",
    "",
    lambda *, type: type,
    lambda *, type: np.zeros(type.shape, "f4"),
    effect=True,
)


def check(before, change, after):
    graph = verify(parse(before))
    changed = verify(change(graph))
    assert str(changed) == after
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.shape).astype(n.dtype.numpy) for n in graph.inputs]
    for a, b in zip(interpret(graph, *arrays), interpret(changed, *arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dce():
    check(
        """\
def f(x: f32[3], w: f32[3], unused: f32[3]):
    exp: f32[3] = ops.exp(x)
    dead: f32[3] = ops.mul(exp, x)
    dead_too: f32[3] = ops.neg(dead)
    draw: f32[2] = ops.test_draw(type=f32[2])
    neg: f32[3] = ops.neg(w)
    update(w, neg)
    return exp""",
        dce,
        """\
def f(x: f32[3], w: f32[3], unused: f32[3]):
    exp: f32[3] = ops.exp(x)
    draw: f32[2] = ops.test_draw(type=f32[2])
    neg: f32[3] = ops.neg(w)
    update(w, neg)
    return exp""",
    )


def test_dce_leaves_a_clean_graph_alone():
    graph = parse("def f(x: f32[3]):\n    exp: f32[3] = ops.exp(x)\n    return exp")
    assert dce(graph) is graph


def test_cse():
    check(
        """\
def f(x: f32[3], w: f32[3]):
    a: f32[3] = ops.add(x, w)  # t.py:1
    b: f32[3] = ops.add(w, x)  # t.py:2
    c: f32[3] = ops.sub(x, w)
    d: f32[3] = ops.sub(w, x)
    e: f32[3] = ops.exp(a)
    f: f32[3] = ops.exp(b)
    g: f32[3] = ops.mul(e, f)
    update(w, f)
    return (g, c, d, f)""",
        cse,
        """\
def f(x: f32[3], w: f32[3]):
    a: f32[3] = ops.add(x, w)  # t.py:1
    c: f32[3] = ops.sub(x, w)
    d: f32[3] = ops.sub(w, x)
    e: f32[3] = ops.exp(a)
    g: f32[3] = ops.mul(e, e)
    update(w, e)
    return (g, c, d, e)""",
    )


def test_cse_tells_literals_and_attributes_apart():
    text = """\
def f(x: f32[2, 2]):
    a: f32[2, 2] = ops.mul(x, 0.0)
    b: f32[2, 2] = ops.mul(x, -0.0)
    c: f32[2, 2] = ops.mul(x, nan)
    d: f32[2] = ops.sum(x, dims=(0,))
    e: f32[2] = ops.sum(x, dims=(1,))
    return (a, b, c, d, e)"""
    check(text, cse, text)
    again = text.replace("    d:", "    c2: f32[2, 2] = ops.mul(x, nan)\n    d:").replace(
        "c, d", "c2, d"
    )
    check(again, cse, text)


def test_cse_never_merges_effects():
    text = """\
def f():
    a: f32[2] = ops.test_draw(type=f32[2])
    b: f32[2] = ops.test_draw(type=f32[2])
    return (a, b)"""
    check(text, cse, text)


GATED_TEXT = """\
def f(x: f32[3]):
    gate: (f32[3], f32[3]) = ops.test_gated(x, slope=0.5)  # m.py:3 in act
    left: f32[3] = ops.pick(gate, index=0)
    right: f32[3] = ops.pick(gate, index=1)
    twice: f32[3] = ops.test_twice(right)  # m.py:4
    return (left, twice)"""


def test_decompose_is_recursive_and_keeps_sources_and_names():
    check(
        GATED_TEXT,
        decompose,
        """\
def f(x: f32[3]):
    mul: f32[3] = ops.mul(x, 0.5)  # m.py:3 in act
    add: f32[3] = ops.add(mul, mul)  # m.py:3 in act
    exp: f32[3] = ops.exp(x)  # m.py:3 in act
    twice: f32[3] = ops.add(exp, exp)  # m.py:4
    return (add, twice)""",
    )


def test_decompose_keeps_what_is_claimed():
    check(GATED_TEXT, lambda g: decompose(g, keep={"test_gated", "test_twice"}), GATED_TEXT)
    check(
        GATED_TEXT,
        lambda g: decompose(g, keep={"test_twice"}),
        """\
def f(x: f32[3]):
    mul: f32[3] = ops.mul(x, 0.5)  # m.py:3 in act
    test_twice: f32[3] = ops.test_twice(mul)  # m.py:3 in act
    exp: f32[3] = ops.exp(x)  # m.py:3 in act
    twice: f32[3] = ops.test_twice(exp)  # m.py:4
    return (test_twice, twice)""",
    )


def test_decompose_drops_stop_gradient():
    check(
        """\
def f(x: f32[3]):
    stop: f32[3] = ops.stop_gradient(x)
    exp: f32[3] = ops.exp(stop)
    stop_1: f32[3] = ops.stop_gradient(exp)
    return (stop_1, stop)""",
        decompose,
        """\
def f(x: f32[3]):
    exp: f32[3] = ops.exp(x)
    return (exp, x)""",
    )


@pytest.mark.parametrize("name", sorted(n for n, op in OPS.items() if op.decompose and op.samples))
def test_every_decomposition_agrees_with_its_kernel(name):
    from tests.ir.gradients import graph_of

    op = OPS[name]
    if op.effect:
        pytest.skip("random")
    for inputs, attrs in op.samples():
        graph = verify(graph_of(lambda *xs, op=op, attrs=attrs: op(*xs, **attrs), inputs))
        whole = decompose(graph)
        assert not any(n.op.decompose for n in verify(whole).nodes)
        arrays = [a for a in inputs if isinstance(a, np.ndarray)]
        if op.numpy is None:
            interpret(whole, *arrays)
            continue
        for a, b in zip(interpret(graph, *arrays), interpret(whole, *arrays), strict=True):
            np.testing.assert_allclose(a.astype("f8"), b.astype("f8"), rtol=2e-5, atol=2e-6)
