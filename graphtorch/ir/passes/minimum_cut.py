"""Which values to keep from the forward half for the backward half: a minimum s-t cut.

Every forward value v becomes an edge v_in -> v_out whose capacity is what keeping v costs: its bytes,
or a quarter of them where the forward half writes v to memory anyway (a contraction reads it).
Values that cannot be computed again hang on the source, values the backward half reads hang on the
sink; the cheapest set of values that separates the two is what is kept, everything between the cut and
the sink is computed again.  (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016, in the
minimum-cut form that AOTAutograd uses.)

    source -> x_in -> x_out -> y_in -> y_out -> sink
                 bytes(x)         bytes(y)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..graph import Node
from ..types import TensorType

# pointwise ops so dear that reading the value back is cheaper than computing it again; a vectorised
# exp or tanh is not among them, it costs about as much as the memory traffic
DEAR = frozenset("pow erfinv lgamma digamma trigamma fmod remainder floor_divide".split())
KINDS = frozenset({"pointwise", "view", "creation"})
WRITTEN = frozenset({"contraction", "index", "host"})  # kinds of users that read from memory

Cheap = Callable[[Node], bool]


def recomputable(node: Node) -> bool:
    """Cheap to compute again: pointwise arithmetic and views.

    Contractions, reductions, gathers and host ops are not, and a random draw never is.
    """
    if node.op.effect or isinstance(node.type, tuple):
        return False
    return node.op.name == "pick" or (node.op.kind in KINDS and node.op.name not in DEAR)


def values_to_keep(
    forward: Iterable[Node],
    inputs: Iterable[Node],
    outputs: Iterable[Node],
    read: set[Node],
    cheap: Cheap = recomputable,
) -> list[Node]:
    """The values of the forward half to keep so that all of `read` can be had.

    forward: its nodes in order.  inputs, outputs: the graph's own, which are in memory anyway.
    read: the values (nodes or inputs) the backward half reads.  Returns kept values in order, inputs
    among them.
    """
    import networkx

    forward, inputs, there = list(forward), list(inputs), {*inputs, *outputs}
    written = _written(forward)
    needed = _needed(forward, read, cheap)
    network = networkx.DiGraph()
    for node in (*inputs, *forward):
        if node not in needed or (node.op.kind == "creation" and cheap(node)):
            continue  # a constant is made where it is read
        if isinstance(node.type, tuple):
            network.add_edge(
                (node, "in"), (node, "out")
            )  # no capacity: infinite; its picks are kept
        else:
            network.add_edge((node, "in"), (node, "out"), capacity=_cost(node, there, written))
        if node.op.name == "input" or not cheap(node):
            network.add_edge("source", (node, "in"))
        else:
            for operand in node.operands:
                network.add_edge((operand, "out"), (node, "in"))
        if node in read:
            network.add_edge((node, "out"), "sink")
    if "source" not in network or "sink" not in network:
        return []  # all that is read is made from constants
    _, (reachable, _) = networkx.minimum_cut(network, "source", "sink")
    return [
        n
        for n in (*inputs, *forward)
        if n in needed and (n, "in") in reachable and (n, "out") not in reachable
    ]


def _needed(forward: list[Node], read: set[Node], cheap: Cheap) -> set[Node]:
    """What takes part in the question: `read` and what it would be computed from."""
    needed = set(read)
    for node in reversed(forward):
        if node in needed and cheap(node):
            needed.update(node.operands)
    return needed


def _written(forward: list[Node]) -> set[Node]:
    """The values that are in memory anyway because an op that is not fused reads them."""
    found: set[Node] = set()
    for node in reversed(forward):
        if node.op.kind in WRITTEN or (node in found and node.op.kind == "view"):
            found.update(node.operands)
    return found


def _cost(node: Node, there: set[Node], written: set[Node]) -> int:
    """Quarters of bytes, plus one so that of equal cuts the one with fewer values wins."""
    assert isinstance(node.type, TensorType)
    if node in there:
        return 1
    return 1 + node.type.nbytes * (1 if node in written else 4)
