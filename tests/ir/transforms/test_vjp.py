"""Reverse mode: the joint graph's text, its numbers, and what it must not compute."""

import numpy as np
import pytest

from graphtorch.errors import UnsupportedError
from graphtorch.ir import ops
from graphtorch.ir.interpret import interpret
from graphtorch.ir.op import OPS, declare, pointwise
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.dce import dce
from graphtorch.ir.transforms import jvp, vjp
from graphtorch.ir.verify import verify
from tests.ir.gradients import check_gradients, graph_of


def text_of_joint(text, **choices):
    joint = dce(verify(vjp(parse(text), **choices)))
    return "\n".join(line for line in str(joint).splitlines() if not line.startswith("#"))


def test_joint_text_carries_sources():
    assert text_of_joint(
        """\
def f(x: f32[3], w: f32[3]):
    mul: f32[3] = ops.mul(x, w)  # m.py:4 in a.b
    tanh: f32[3] = ops.tanh(mul)  # m.py:5
    return tanh"""
    ) == (
        """\
def f(x: f32[3], w: f32[3], g: f32[3]):
    mul: f32[3] = ops.mul(x, w)  # m.py:4 in a.b
    tanh: f32[3] = ops.tanh(mul)  # m.py:5
    mul_1: f32[3] = ops.mul(tanh, tanh)  # m.py:5
    sub: f32[3] = ops.sub(1, mul_1)  # m.py:5
    mul_2: f32[3] = ops.mul(g, sub)  # m.py:5
    mul_3: f32[3] = ops.mul(mul_2, w)  # m.py:4 in a.b
    mul_4: f32[3] = ops.mul(mul_2, x)  # m.py:4 in a.b
    return (tanh, mul_3, mul_4)"""
    )


def test_only_what_is_asked_for():
    text = text_of_joint(
        """\
def f(x: f32[3], w: f32[3]):
    mul: f32[3] = ops.mul(x, w)
    exp: f32[3] = ops.exp(x)
    return (mul, exp)""",
        wrt=["w"],
        outputs=[0],
    )
    assert text == (
        """\
def f(x: f32[3], w: f32[3], g: f32[3]):
    mul: f32[3] = ops.mul(x, w)
    exp: f32[3] = ops.exp(x)
    mul_1: f32[3] = ops.mul(g, x)
    return (mul, exp, mul_1)"""
    )


def test_uses_add_up_and_no_path_is_zero():
    graph = parse(
        """\
def f(x: f32[2], unused: f32[2]):
    mul: f32[2] = ops.mul(x, x)
    add: f32[2] = ops.add(mul, x)
    return add"""
    )
    x = np.array([3.0, -1.0], np.float32)
    g = np.array([1.0, 2.0], np.float32)
    y, gx, gu = interpret(vjp(graph), x, x, g)
    np.testing.assert_array_equal(y, x * x + x)
    np.testing.assert_array_equal(gx, g * (2 * x + 1))
    np.testing.assert_array_equal(gu, [0, 0])


def test_stop_gradient_and_integers():
    graph = graph_of(
        lambda x, i: ops.take(x * ops.stop_gradient(x), i, dim=0),
        [np.ones(3, np.float32), np.array([0, 0, 2])],
    )
    joint = verify(vjp(graph))
    assert [n.name for n in joint.inputs] == ["x", "x_1", "g"]
    found = interpret(
        joint, np.array([2, 3, 4], np.float32), np.array([0, 0, 2]), np.ones(3, np.float32)
    )
    np.testing.assert_array_equal(found[1], [4, 0, 4])


def test_several_outputs():
    two = OPS.get("test_two") or declare(
        "test_two",
        "host",
        "x",
        lambda x: (x, x, x),
        lambda x: (np.sin(x), np.cos(x), x * 0),
        vjp=(lambda g, y, x: g[0] * y[1] - g[1] * y[0] + g[2] * 0.0,),
    )

    def function(x):
        sine, cosine, _ = two(x)
        return sine * cosine + sine

    x = np.linspace(0, 1, 5)
    check_gradients(function, [x], 2)


def test_composite_without_rule_goes_through_its_decomposition():
    cube = OPS.get("test_cube") or declare(
        "test_cube", "composite", "x", lambda x: x, lambda x: x**3, decompose=lambda x: x * x * x
    )
    check_gradients(lambda x: cube(x) * x, [np.linspace(-1, 1, 4)], 2)


def test_optional_and_variadic_operands():
    check_gradients(
        lambda a, b, c: ops.concat(a, b * b, c, dim=1), [np.ones((2, i)) for i in (1, 2, 3)], 2
    )


def test_no_derivative_is_an_error_that_names_the_line():
    curious = OPS.get("test_curious") or pointwise(
        "test_curious", "x", np.abs, lambda s, x: s.abs(x)
    )
    graph = graph_of(lambda x: curious(x), [np.ones(2, np.float32)])
    with pytest.raises(UnsupportedError, match="test_curious has no derivative"):
        vjp(graph)
    verify(vjp(graph_of(lambda x: ops.stop_gradient(curious(x)) * x, [np.ones(2, np.float32)])))


def test_updates_stay():
    graph = parse(
        """\
def f(x: f32[2], state: f32[2]):
    exp: f32[2] = ops.exp(x)
    update(state, exp)
    return exp"""
    )
    joint = vjp(graph, wrt=[0])
    assert [(i.name, v.name) for i, v in joint.updates] == [("state", "exp")]


def test_matmul_network_to_third_order():
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s) for s in ((3, 4), (4, 2), (3, 2)))
    check_gradients(lambda x, w, b: ops.tanh(ops.matmul(x, w) + b), [x, w, b], 3, rtol=1e-4)


def test_jvp_is_the_slope():
    rng = np.random.default_rng(0)
    x, w, t, s = (rng.standard_normal(n) for n in ((3, 4), (4, 2), (3, 4), (4, 2)))
    graph = graph_of(lambda x, w: (ops.exp(ops.tanh(ops.matmul(x, w))), ops.abs(x)), [x, w])
    forward = verify(jvp(graph))
    assert len(forward.inputs) == 4 and len(forward.outputs) == 4
    found = interpret(forward, x, w, t, s)
    h = 1e-6
    plus, minus = interpret(graph, x + h * t, w + h * s), interpret(graph, x - h * t, w - h * s)
    for tangent, a, b in zip(found[2:], plus, minus, strict=True):
        np.testing.assert_allclose(tangent, (a - b) / (2 * h), rtol=1e-6, atol=1e-8)
