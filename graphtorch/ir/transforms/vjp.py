"""Reverse mode: from a graph to the graph that also computes gradients.

    f(x, w) -> loss          becomes          f(x, w, g) -> loss, x_gradient, w_gradient

The rules are the rows' own, called as the eager tape calls them (`ir.derivative`).  Gradients of
gradients come from applying `vjp` twice.  The joint graph has not been cleaned: run passes on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import UnsupportedError, VerificationError
from .. import derivative
from ..builder import GraphBuilder
from ..graph import NOWHERE, Graph, Node
from ..op import OPS
from ..passes.decompose import inline
from ..types import TensorType

# through these a gradient that has no rule is zero, as in PyTorch; elsewhere it is an error
ZERO_WITHOUT_RULE = frozenset({"creation", "random"})


def vjp(
    graph: Graph,
    wrt: Iterable[int | str | Node] | None = None,
    outputs: Iterable[int] | None = None,
) -> Graph:
    """The joint graph: inputs and cotangents in, outputs and gradients out.

    wrt: inputs to differentiate by, as positions, names or nodes (default: the floating ones).
    outputs: positions of the outputs that have a cotangent (default: the floating ones).
    The new inputs are the cotangents, in order, each of its output's type; the new outputs are the
    gradients in the order of `wrt`, zeros where there is no path.  Updates stay.

    Raises UnsupportedError where a gradient reaches an op without derivative.

    >>> from graphtorch.ir.parse import parse
    >>> f = parse("def f(x: f32[2]):\\n    exp: f32[2] = ops.exp(x)\\n    return exp")
    >>> print(vjp(f).nodes[1].op)
    <op mul>
    """
    inputs = [_input(graph, w) for w in wrt] if wrt is not None else _floating(graph.inputs)
    chosen = (
        [graph.outputs[i] for i in outputs] if outputs is not None else _floating(graph.outputs)
    )
    positions = [graph.outputs.index(n) for n in chosen]
    graph = inline(graph, lambda node: derivative.through_decomposition(node.op))
    return _Reverse(graph, inputs, [graph.outputs[i] for i in positions]).run()


def _floating(nodes: Sequence[Node]) -> list[Node]:
    return [n for n in nodes if n.dtype.kind in "fc"]


def _input(graph: Graph, which: int | str | Node) -> Node:
    if isinstance(which, Node):
        return which
    if isinstance(which, int):
        return graph.inputs[which]
    for node in graph.inputs:
        if node.name == which:
            return node
    raise ValueError(f"{graph.name} has no input named {which}")


class _Reverse:
    """One application of `vjp`."""

    def __init__(self, graph: Graph, wrt: list[Node], outputs: list[Node]):
        self.graph = graph
        self.wrt = wrt
        self.outputs = outputs
        self.builder = GraphBuilder(graph.name)
        self.builder.inputs += graph.inputs
        self.builder.nodes += graph.nodes
        for node in (*graph.inputs, *graph.nodes):
            self.builder.names.take(node.name)
        self.cotangents: dict[Node, Any] = {}  # for a node with several outputs: a list of them
        self.active = self._active()

    def _active(self) -> set[Node]:
        """The values that depend on `wrt`, but not through ops that stop gradients."""
        active = set(self.wrt)
        for node in self.graph.nodes:
            if any(x in active for x in node.operands) and (
                derivative.differentiable(node.op)
                or (node.op.name != "stop_gradient" and node.op.kind not in ZERO_WITHOUT_RULE)
            ):
                active.add(node)
        return active

    def run(self) -> Graph:
        with self.builder as builder:
            for output in self.outputs:
                name = "g" if len(self.outputs) == 1 else f"g_{output.name}"
                assert isinstance(output.type, TensorType)
                self._add(output, builder.input(output.type, name, NOWHERE))
            for node in reversed(self.graph.nodes):
                if node in self.cotangents and node in self.active:
                    builder.source = node.source
                    self._backward(node)
            gradients = [self._gradient(node) for node in self.wrt]
            builder.updates.update(self.graph.updates)
            meta = {
                **self.graph.meta,
                "stage": "joint",
                "forward_outputs": len(self.graph.outputs),
                "cotangents": len(self.outputs),
            }
            return builder.finish((*self.graph.outputs, *gradients), **meta)

    def _gradient(self, node: Node) -> Node:
        found = self.cotangents.get(node)
        if found is None:
            found = OPS["full"](shape=node.shape, value=0.0, dtype=node.dtype)
        assert isinstance(found, Node)
        return found

    def _add(self, node: Node, cotangent: Any) -> None:
        known = self.cotangents.get(node)
        self.cotangents[node] = cotangent if known is None else known + cotangent

    def _backward(self, node: Node) -> None:
        """Pass the cotangent of `node` on to its operands."""
        g = self.cotangents[node]
        if node.op.name == "pick":
            whole = node.operands[0]
            parts = self.cotangents.setdefault(whole, [None] * len(whole.type))  # type: ignore[arg-type]
            index = node.attrs["index"]
            parts[index] = g if parts[index] is None else parts[index] + g
            return
        if node.op.vjp is None:
            raise UnsupportedError(
                f"op {node.op.name} has no derivative: {node!r}"
                + (f" at {node.source}" if str(node.source) else ""),
                op=node.op.name,
                line=str(node.source),
            )
        needs = tuple(
            isinstance(x, Node) and x in self.active and _takes_cotangent(x) for x in node.inputs
        )
        plan = derivative.plan_for(node.op, needs)
        y: Any = node
        if isinstance(node.type, tuple):
            g = derivative.fill_cotangents(g, node.type)
            if plan.output:
                y = tuple(OPS["pick"](node, index=i) for i in range(len(node.type)))
            else:
                y = node.type
        found = plan(node.inputs, y, g, dict(node.attrs))
        for operand, needed, cotangent in zip(node.inputs, needs, found, strict=True):
            if needed and cotangent is not None:
                if cotangent.type != operand.type:
                    raise VerificationError(
                        f"the derivative of {node.op.name} gives {operand!r} the cotangent {cotangent!r}"
                    )
                self._add(operand, cotangent)


def _takes_cotangent(node: Node) -> bool:
    return isinstance(node.type, tuple) or node.dtype.kind in "fc"
