"""The verifier finds each kind of fault and shows its surroundings."""

from dataclasses import replace

import pytest

from graphtorch.errors import VerificationError
from graphtorch.ir.builder import INPUT
from graphtorch.ir.graph import Node
from graphtorch.ir.op import OPS
from graphtorch.ir.parse import parse
from graphtorch.ir.types import float32, float64
from graphtorch.ir.verify import verify

GOOD = parse("""\
def f(x: f32[3], w: f32[3]):
    exp: f32[3] = ops.exp(x)
    mul: f32[3] = ops.mul(exp, w)
    sum: f32[()] = ops.sum(mul, dims=(0,))
    update(w, mul)
    return sum""")


def faulty(graph, complaint):
    with pytest.raises(VerificationError) as caught:
        verify(graph)
    assert complaint in str(caught.value)
    return str(caught.value)


def test_good():
    assert verify(GOOD) is GOOD


def test_type():
    exp, mul, total = GOOD.nodes
    text = faulty(
        replace(GOOD, nodes=(exp, replace(mul, type=float64[3]), total)),
        "mul is f64[3], its op infers f32[3]",
    )
    assert text.splitlines()[1:] == [
        "   x: f32[3] = ops.input(type=f32[3])",
        "   w: f32[3] = ops.input(type=f32[3])",
        "   exp: f32[3] = ops.exp(x)",
        "-> mul: f64[3] = ops.mul(exp, w)",
        "   sum: f32[()] = ops.sum(mul, dims=(0,))",
    ]


def test_order():
    exp, mul, total = GOOD.nodes
    faulty(replace(GOOD, nodes=(mul, exp, total)), "mul uses exp, which is not defined before it")


def test_names():
    exp, mul, total = GOOD.nodes
    faulty(
        replace(GOOD, inputs=(GOOD.inputs[0], replace(GOOD.inputs[1], name="x"))), "x stands twice"
    )
    faulty(replace(GOOD, nodes=(exp, mul, replace(total, name="a b"))), "not free")
    faulty(replace(GOOD, nodes=(exp, mul, replace(total, name="lambda"))), "not free")


def test_inputs_and_outputs():
    exp, mul, total = GOOD.nodes
    stray = Node("stray", INPUT, (), {"type": float32[3]}, float32[3])
    faulty(replace(GOOD, nodes=(stray, *GOOD.nodes)), "not declared among the inputs")
    faulty(replace(GOOD, inputs=(*GOOD.inputs, exp)), "is a exp")
    faulty(replace(GOOD, outputs=(stray,)), "stray is not a node of the graph")


def test_updates():
    exp, mul, total = GOOD.nodes
    x, w = GOOD.inputs
    faulty(replace(GOOD, updates=((exp, mul),)), "exp, which is not an input")
    faulty(replace(GOOD, updates=((w, total),)), "the types differ")
    faulty(replace(GOOD, updates=((w, mul), (w, exp))), "two updates of w")


def test_operands_and_attributes():
    exp, mul, total = GOOD.nodes
    faulty(
        replace(GOOD, nodes=(exp, replace(mul, inputs=(exp, "w")), total)),
        "neither node nor scalar",
    )
    faulty(replace(GOOD, nodes=(exp, mul, replace(total, inputs=(1.0,)))), "is not pointwise")
    faulty(
        replace(GOOD, nodes=(exp, replace(mul, inputs=(1.0, 2.0)), total)), "scalar operands only"
    )
    faulty(replace(GOOD, nodes=(exp, mul, replace(total, attrs={"dims": [0]}))), "has no text")
    faulty(replace(GOOD, nodes=(exp, mul, replace(total, attrs={"dims": (5,)}))), "has no type")


def test_nested_faults_are_found():
    inner = parse("def body(a: f32[3]):\n    exp: f32[3] = ops.exp(a)\n    return exp")
    broken = replace(inner, nodes=(replace(inner.nodes[0], type=float32[4]),))
    x, w = GOOD.inputs
    node = Node("fused", OPS["test_fusion"], (x,), {"body": broken}, float32[3])
    faulty(replace(GOOD, nodes=(node,), outputs=(node,), updates=()), "in body of fused")
