"""Graphs run on arrays, and bound again through dispatch."""

import numpy as np
import pytest

from graphtorch.errors import VerificationError
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Source
from graphtorch.ir.interpret import evaluate, interpret
from graphtorch.ir.parse import parse

GRAPH = parse("""\
def f(x: f32[3], w: f32[3]):
    mul: f32[3] = ops.mul(x, w)  # t.py:4 in a
    add: f32[3] = ops.add(mul, 1)
    update(w, add)
    return (add, mul)""")


def test_outputs_then_updates():
    x, w = np.array([1, 2, 3], "f4"), np.array([4, 5, 6], "f4")
    add, mul, new_w = interpret(GRAPH, x, w)
    np.testing.assert_array_equal(mul, [4, 10, 18])
    np.testing.assert_array_equal(add, [5, 11, 19])
    np.testing.assert_array_equal(new_w, add)
    np.testing.assert_array_equal(w, [4, 5, 6])  # the arrays given are left alone


def test_types_are_checked():
    x = np.zeros(3, "f4")
    with pytest.raises(
        VerificationError, match=r"w \(input\) is f32\[3\], the array given is float64\[3\]"
    ):
        interpret(GRAPH, x, np.zeros(3))
    with pytest.raises(ValueError, match="argument"):
        interpret(GRAPH, x)


def test_evaluate_inlines_into_a_builder():
    with GraphBuilder("g") as b:
        a = b.input(GRAPH.inputs[0].type, "a")
        add, mul, update = evaluate(GRAPH, ops.neg(a), a)
        graph = b.finish((add, update))
    assert [n.op.name for n in graph.nodes] == ["neg", "mul", "add"]
    assert graph.nodes[1].source == Source("t.py", 4, "a") and str(graph.nodes[0].source) == ""
    (found, _) = interpret(graph, np.array([1, 2, 3], "f4"))
    np.testing.assert_array_equal(found, [0, -3, -8])


def test_evaluate_counts_its_values():
    with GraphBuilder("g") as b, pytest.raises(TypeError, match="takes 2 inputs, got 1"):
        evaluate(GRAPH, b.input(GRAPH.inputs[0].type, "a"))
