"""Common subexpression elimination by hash-consing.

Two nodes are one when op, operands and attributes are equal; the operands are compared after they
were merged themselves, so one walk in order finds everything.  Nodes with an effect are never merged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..graph import Graph, Node
from ..rules import COMMUTATIVE


def cse(graph: Graph) -> Graph:
    """Compute every value once."""
    seen: dict[Any, Node] = {}
    merged: dict[Node, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        now = node
        if any(x in merged for x in node.operands):
            now = node.with_inputs(
                tuple(merged.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
            )
        first = now if node.op.effect else seen.setdefault(key(now), now)
        if first is now:
            nodes.append(now)
        if first is not node:
            merged[node] = first
    if not merged:
        return graph
    return replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple(merged.get(n, n) for n in graph.outputs),
        updates=tuple((i, merged.get(v, v)) for i, v in graph.updates),
    )


def key(node: Node) -> tuple[Any, ...]:
    """What makes a node the same as another."""
    operands = [constant_key(x) for x in node.inputs]
    if node.op.name in COMMUTATIVE:
        operands.sort(key=hash)
    return (
        node.op,
        tuple(operands),
        tuple((k, constant_key(v)) for k, v in sorted(node.attrs.items())),
    )


def constant_key(value: Any) -> Any:
    """A hashable that tells 1 from 1.0 from True, 0.0 from -0.0, and finds nan equal to nan."""
    if type(value) is float:
        return value.hex()
    if type(value) is tuple:
        return tuple(map(constant_key, value))
    if type(value) in (bool, int):
        return type(value), value
    return value
