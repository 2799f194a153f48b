"""The two halves of a joint graph, and forward values computed again."""

import numpy as np

from graphtorch.ir import ops
from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.cse import cse
from graphtorch.ir.passes.dce import dce
from graphtorch.ir.passes.partition import partition
from graphtorch.ir.passes.rematerialise import rematerialise
from graphtorch.ir.passes.simplify import simplify
from graphtorch.ir.transforms import vjp
from graphtorch.ir.types import float32
from graphtorch.ir.verify import verify
from tests.ir.gradients import graph_of


def joint_of(function, arrays, **choices):
    return verify(cse(simplify(vjp(graph_of(function, arrays), **choices))))


def run_halves(joint, arrays, cotangents):
    split = partition(joint)
    verify(split.forward), verify(split.backward)
    ahead = interpret(split.forward, *arrays)
    read = {"input": arrays, "output": ahead, "cotangent": cotangents}
    back = interpret(split.backward, *(read[kind][i] for kind, i in split.sources))
    whole = interpret(joint, *arrays, *cotangents)
    for a, b in zip([*ahead[: split.outputs], *back], whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    return split


def test_cheap_values_are_computed_again_dear_ones_kept():
    def function(x, w):
        h = ops.matmul(x, w)
        return ops.tanh(ops.relu(h * 2.0) + 1.0)

    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((3, 4), (4, 5))]
    joint = joint_of(function, arrays)
    split = run_halves(joint, arrays, [np.ones((3, 5), np.float32)])
    # the mask of relu is smaller than relu; 1 - tanh**2 is computed late, from what is there anyway
    assert [n.op.name for n in split.forward.outputs] == ["tanh", "gt"]
    assert split.sources == (
        ("input", 0), ("input", 1), ("output", 0), ("output", 1), ("cotangent", 0),
    )  # fmt: skip
    assert [n.op.name for n in split.forward.nodes if n.op.name == "sub"] == []


def test_a_small_value_is_kept_rather_than_a_large_one():
    def function(x, s):
        small = ops.square(s)  # [4, 1]
        return ops.relu(ops.expand(small, shape=(4, 100))) * x

    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in ((4, 100), (4, 1))]
    graph = graph_of(function, arrays)
    joint = verify(cse(dce(vjp(graph))))
    split = run_halves(joint, arrays, [np.ones((4, 100), np.float32)])
    kept = [n for n in split.forward.outputs[1:]]
    assert kept == [] and [n.name for n in split.backward.inputs[:-1]] == ["x", "x_1"]


def test_updates_go_to_their_half():
    text = """\
def f(x: f32[2], mean: f32[2]):
    tanh: f32[2] = ops.tanh(x)
    add: f32[2] = ops.add(mean, tanh)
    update(mean, add)
    return tanh"""
    joint = vjp(parse(text), wrt=[0])
    split = partition(joint)
    assert [(i.name, v.name) for i, v in split.forward.updates] == [("mean", "add")]
    assert split.backward.updates == ()
    x, mean, g = (np.array(v, np.float32) for v in ((1, 2), (3, 4), (5, 6)))
    y, updated = interpret(split.forward, x, mean)
    assert split.sources == (("output", 0), ("cotangent", 0))
    (back,) = interpret(split.backward, y, g)
    np.testing.assert_allclose(updated, mean + np.tanh(x))
    np.testing.assert_allclose(back, g * (1 - np.tanh(x) ** 2), rtol=1e-6)


def test_gradient_without_path_and_gradient_that_is_the_cotangent():
    def function(x, y):
        return x + 1.0

    x = np.ones(3, np.float32)
    g = np.array([1, 2, 3], np.float32)
    run_halves(joint_of(function, [x, x]), [x, x], [g])


def test_second_output_is_a_saved_value():
    def function(x):
        e = ops.exp(x)
        return ops.sin(e), e

    x = np.linspace(-1, 1, 5).astype(np.float32)
    split = run_halves(joint_of(function, [x]), [x], [np.ones(5, np.float32)] * 2)
    assert len(split.forward.outputs) == 2  # exp is saved, and was returned anyway


STEP = """\
def step(x: f32[8, 16], w: f32[16, 32], lr: f32[()]):
    matmul: f32[8, 32] = ops.matmul(x, w)  # t.py:1
    mul: f32[8, 32] = ops.mul(matmul, 0.5)  # t.py:2
    relu: f32[8, 32] = ops.relu(mul)
    square: f32[8, 32] = ops.square(relu)
    loss: f32[()] = ops.sum(square, dims=(0, 1))
    gt: bool[8, 32] = ops.gt(relu, 0)
    mul_1: f32[8, 32] = ops.mul(relu, 2)
    where: f32[8, 32] = ops.where(gt, mul_1, 0)
    permute: f32[16, 8] = ops.permute(x, dims=(1, 0))
    grad: f32[16, 32] = ops.matmul(permute, where)
    sub: f32[16, 32] = ops.sub(w, grad)
    update(w, sub)
    return loss"""


def test_rematerialise_copies_cheap_forward_values():
    graph = parse(
        STEP.replace(
            "relu: f32[8, 32] = ops.relu(mul)", "relu: f32[8, 32] = ops.relu(mul)  # t.py:3"
        )
    )
    again = verify(rematerialise(graph, budget=0))
    forward = [n.name for n in again.nodes if n.name in ("matmul", "mul", "relu", "square")]
    assert forward == ["matmul", "mul", "relu", "square"]
    users = {n.name: [u.name for u in again.users[n]] for n in again.nodes}
    read_late = [
        name
        for name in ("matmul", "mul", "relu")
        if set(users[name]) & {"gt", "mul_1", "mul_2", "relu_1"}
    ]
    assert len(read_late) == 1  # one of the three is kept, the rest computed again from it
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n.shape).astype(np.float32) for n in graph.inputs]
    for a, b in zip(interpret(graph, *arrays), interpret(again, *arrays), strict=True):
        np.testing.assert_array_equal(a, b)


def test_rematerialise_prefers_the_narrow_place():
    text = """\
def step(s: f32[8, 1], w: f32[8, 32]):
    lgamma: f32[8, 1] = ops.lgamma(s)  # t.py:1
    expand: f32[8, 32] = ops.expand(lgamma, shape=(8, 32))
    relu: f32[8, 32] = ops.relu(expand)
    loss: f32[()] = ops.sum(relu, dims=(0, 1))
    sub: f32[8, 32] = ops.sub(w, relu)
    update(w, sub)
    return loss"""
    assert str(verify(rematerialise(parse(text), budget=0))) == text.replace(
        "    sub: f32[8, 32] = ops.sub(w, relu)",
        "    expand_1: f32[8, 32] = ops.expand(lgamma, shape=(8, 32))\n"
        "    relu_1: f32[8, 32] = ops.relu(expand_1)\n"
        "    sub: f32[8, 32] = ops.sub(w, relu_1)",
    )


def test_rematerialise_leaves_inference_alone():
    graph = parse(
        STEP.replace("    update(w, sub)\n", "").replace("return loss", "return (loss, sub)")
    )
    assert rematerialise(graph, budget=0) is graph


def test_rematerialise_leaves_what_the_budget_allows():
    graph = parse(STEP)
    kept = 8 * 32 * 4 * 3  # relu, and what else the backward half reads, at most
    assert rematerialise(graph) is graph and rematerialise(graph, budget=kept) is graph


def test_a_backward_of_constants_keeps_nothing():
    def function(x):
        return x * ops.full(shape=(3,), value=2.0, dtype=float32)

    x = np.ones(3, np.float32)
    joint = verify(vjp(graph_of(function, [x])))
    split = run_halves(joint, [x], [x])
    assert split.sources == (("cotangent", 0),)
