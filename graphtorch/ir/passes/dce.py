"""Dead code elimination: what is no ancestor of a root goes.

Roots are the outputs, the update values and the nodes kept for their effect (random draws).
"""

from __future__ import annotations

from dataclasses import replace

from ..graph import Graph, Node


def dce(graph: Graph) -> Graph:
    """Drop the nodes no root depends on."""
    live = ancestors(graph.roots)
    if all(n in live for n in graph.nodes):
        return graph
    return replace(graph, nodes=tuple(n for n in graph.nodes if n in live))


def ancestors(roots: tuple[Node, ...]) -> set[Node]:
    """The roots and everything they depend on.

    `networkx.ancestors` takes one root; asked for each of many it would be quadratic.
    """
    found: set[Node] = set(roots)
    frontier = list(roots)
    while frontier:
        for operand in frontier.pop().operands:
            if operand not in found:
                found.add(operand)
                frontier.append(operand)
    return found
