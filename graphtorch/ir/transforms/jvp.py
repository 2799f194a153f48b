"""Forward mode, from reverse mode twice.

The gradients of `vjp(f)(x, g)` are linear in g: their own vjp in direction t, with respect to g, is the
derivative of f along t.  No rule is written twice; dead code takes the two reverse passes away again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..builder import GraphBuilder
from ..graph import Graph, Node
from ..op import OPS
from ..passes.dce import dce
from .vjp import vjp


def jvp(graph: Graph, wrt: Iterable[int | str | Node] | None = None) -> Graph:
    """The graph that also computes the derivative along a direction.

    f(x) -> y becomes f(x, t) -> y, y_tangent: the new inputs are one tangent for each of `wrt` (default:
    the floating inputs), the new outputs the tangents of the floating outputs, in order.
    """
    wrt = None if wrt is None else list(wrt)
    reverse = vjp(graph, wrt)
    count = reverse.meta["forward_outputs"]
    cotangents = reverse.inputs[len(graph.inputs) :]
    gradients = range(count, len(reverse.outputs))
    twice = vjp(reverse, cotangents, gradients)
    tangents = twice.inputs[len(reverse.inputs) :]
    outputs = (*twice.outputs[:count], *twice.outputs[len(reverse.outputs) :])
    facts = {k: v for k, v in graph.meta.items() if k != "stage"}
    linear = replace(
        twice, inputs=(*graph.inputs, *cotangents, *tangents), outputs=outputs, meta=facts
    )
    return _without(dce(linear), cotangents)


def _without(graph: Graph, inputs: tuple[Node, ...]) -> Graph:
    """Drop inputs the outputs do not depend on mathematically: what still reads them gets zeros."""
    builder = GraphBuilder(graph.name)
    builder.inputs += (n for n in graph.inputs if n not in inputs)
    for node in (*graph.inputs, *graph.nodes):
        builder.names.take(node.name)
    now: dict[Node, Node] = {}
    with builder:
        for node in inputs:
            if any(node in n.operands for n in graph.nodes):
                now[node] = OPS["full"](shape=node.shape, value=0.0, dtype=node.dtype)
    for node in graph.nodes:
        operands = tuple(now.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
        now[node] = node if operands == node.inputs else node.with_inputs(operands)
        builder.nodes.append(now[node])
    return replace(
        graph,
        inputs=tuple(builder.inputs),
        nodes=tuple(builder.nodes),
        outputs=tuple(now.get(n, n) for n in graph.outputs),
        updates=tuple((i, now.get(v, v)) for i, v in graph.updates),
    )
