"""Reshapes moved out of pointwise chains."""

import numpy as np

from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.align_shapes import align_shapes, expand_source, groups, reduced_dims
from graphtorch.ir.passes.simplify import simplify
from graphtorch.ir.verify import verify


def check(before, after):
    graph = verify(parse(before))
    changed = verify(simplify(verify(align_shapes(graph))))
    assert str(changed) == after
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.shape).astype(n.dtype.numpy) for n in graph.inputs]
    for a, b in zip(interpret(graph, *arrays), interpret(changed, *arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_groups():
    assert groups((2, 3, 4), (6, 4)) == [((0, 1), (0,)), ((2,), (1,))]
    assert groups((6, 4), (2, 3, 4)) == [((0,), (0, 1)), ((1,), (2,))]
    assert groups((4, 1, 6), (1, 3, 8)) == [((0, 2), (1, 2))]
    assert groups((1, 1), (1,)) == []


def test_what_a_shape_can_express():
    node = parse(
        "def f(x: f32[3, 1]):\n    e: f32[2, 3, 4] = ops.expand(x, shape=(2, 3, 4))\n    return e"
    ).nodes[0]
    assert expand_source(node, (2, 3, 2, 2)) == (1, 3, 1, 1)
    assert expand_source(node, (6, 4)) is None
    assert reduced_dims((0, 1), (2, 3, 4), (6, 4)) == (0,)
    assert reduced_dims((2,), (2, 3, 4), (6, 2, 2)) == (1, 2)
    assert reduced_dims((1,), (2, 3, 4), (6, 4)) is None


def test_between_matmuls_everything_is_two_dimensional():
    check(
        """\
def f(x: f32[6, 4], w: f32[4, 5], b: f32[5], v: f32[5, 4]):
    matmul: f32[6, 5] = ops.matmul(x, w)
    reshape: f32[2, 3, 5] = ops.reshape(matmul, shape=(2, 3, 5))
    expand: f32[2, 3, 5] = ops.expand(b, shape=(2, 3, 5))
    add: f32[2, 3, 5] = ops.add(reshape, expand)
    relu: f32[2, 3, 5] = ops.relu(add)
    reshape_1: f32[6, 5] = ops.reshape(relu, shape=(6, 5))
    matmul_1: f32[6, 4] = ops.matmul(reshape_1, v)
    return matmul_1""",
        """\
def f(x: f32[6, 4], w: f32[4, 5], b: f32[5], v: f32[5, 4]):
    matmul: f32[6, 5] = ops.matmul(x, w)
    reshape_2: f32[1, 5] = ops.reshape(b, shape=(1, 5))
    expand_1: f32[6, 5] = ops.expand(reshape_2, shape=(6, 5))
    add: f32[6, 5] = ops.add(matmul, expand_1)
    relu: f32[6, 5] = ops.relu(add)
    matmul_1: f32[6, 4] = ops.matmul(relu, v)
    return matmul_1""",
    )


def test_reductions_follow():
    check(
        """\
def f(x: f32[6, 4], w: f32[4, 5]):
    matmul: f32[6, 5] = ops.matmul(x, w)
    reshape: f32[2, 3, 5] = ops.reshape(matmul, shape=(2, 3, 5))
    exp: f32[2, 3, 5] = ops.exp(reshape)
    sum: f32[2, 3] = ops.sum(exp, dims=(2,))
    reshape_1: f32[2, 3, 1] = ops.reshape(sum, shape=(2, 3, 1))
    expand: f32[2, 3, 5] = ops.expand(reshape_1, shape=(2, 3, 5))
    div: f32[2, 3, 5] = ops.div(exp, expand)
    bias: f32[5] = ops.sum(div, dims=(0, 1))
    reshape_2: f32[6, 5] = ops.reshape(div, shape=(6, 5))
    permute: f32[5, 6] = ops.permute(reshape_2, dims=(1, 0))
    matmul_1: f32[5, 5] = ops.matmul(permute, reshape_2)
    return (matmul_1, bias)""",
        """\
def f(x: f32[6, 4], w: f32[4, 5]):
    matmul: f32[6, 5] = ops.matmul(x, w)
    exp: f32[6, 5] = ops.exp(matmul)
    sum_1: f32[6] = ops.sum(exp, dims=(1,))
    reshape_3: f32[6, 1] = ops.reshape(sum_1, shape=(6, 1))
    expand_1: f32[6, 5] = ops.expand(reshape_3, shape=(6, 5))
    div: f32[6, 5] = ops.div(exp, expand_1)
    bias: f32[5] = ops.sum(div, dims=(0,))
    permute: f32[5, 6] = ops.permute(div, dims=(1, 0))
    matmul_1: f32[5, 5] = ops.matmul(permute, div)
    return (matmul_1, bias)""",
    )


def test_a_shape_that_would_force_a_copy_is_not_chosen():
    text = """\
def f(x: f32[2, 3, 4], e: f32[3, 4]):
    expand: f32[2, 3, 4] = ops.expand(e, shape=(2, 3, 4))
    add: f32[2, 3, 4] = ops.add(x, expand)
    exp: f32[2, 3, 4] = ops.exp(add)
    sum: f32[2, 4] = ops.sum(exp, dims=(1,))
    reshape: f32[6, 4] = ops.reshape(exp, shape=(6, 4))
    return (reshape, sum)"""
    check(text, text)


def test_a_chain_is_not_cut():
    check(
        """\
def f(x: f32[2, 6], y: f32[12]):
    exp: f32[2, 6] = ops.exp(x)
    reshape: f32[12] = ops.reshape(exp, shape=(12,))
    add: f32[12] = ops.add(reshape, y)
    reshape_1: f32[3, 4] = ops.reshape(add, shape=(3, 4))
    neg: f32[3, 4] = ops.neg(reshape_1)
    update(x, exp)
    return neg""",
        """\
def f(x: f32[2, 6], y: f32[12]):
    exp: f32[2, 6] = ops.exp(x)
    reshape_2: f32[2, 6] = ops.reshape(y, shape=(2, 6))
    add: f32[2, 6] = ops.add(exp, reshape_2)
    neg: f32[2, 6] = ops.neg(add)
    reshape_3: f32[3, 4] = ops.reshape(neg, shape=(3, 4))
    update(x, exp)
    return reshape_3""",
    )
