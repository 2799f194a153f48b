"""Values that need not be copied in another order, because they can be written in it at once.

y: f32[B, H, S, d] = attention(...)       -> the buffer of
r: f32[B, S, H * d] = reshape(permute(y))    r, heads side by side
"""

from __future__ import annotations

from collections.abc import Collection

from ..ir.graph import Graph, Node
from ..ir.passes.fuse_index import VIEWS, Access, identity, inverse, through


def copied_values(graph: Graph, readers: Collection[str]) -> dict[Node, tuple[Node, Access]]:
    """For values that one node copies in another order: that node, and how it walks the value.

    readers: ops that may read the value besides, since they can read it where the copy lies.
    """
    results = set(graph.results)
    found: dict[Node, tuple[Node, Access]] = {}
    for node in graph.nodes:
        if isinstance(node.type, tuple) or node in results or node.op.name in VIEWS:
            continue
        copies = [u for u in graph.users[node] if _only_copies(u, results)]
        others = [u for u in graph.users[node] if u not in copies]
        if len(copies) != 1 or any(u.op.name not in readers for u in others):
            continue
        (copy,) = copies
        end = copy.attrs["body"].outputs[0] if copy.op.name == "fusion" else copy
        access: Access | None = identity(node.shape)
        for view in _chain(end):
            access = None if access is None else through(view, access)
        strides = None if access is None else inverse(access, node.shape)
        if access is not None and strides is not None and (not others or strides[-1] == 1):
            found[node] = (copy, access)
    return found


def _only_copies(user: Node, results: set[Node]) -> bool:
    """Whether a node does nothing but copy one value."""
    if user.op.name == "fusion":
        body = user.attrs["body"]
        single = len(body.inputs) == len(body.outputs) == 1
        return single and all(n.op.name in VIEWS for n in body.nodes)
    return user.op.name in VIEWS and user in results


def _chain(node: Node) -> list[Node]:
    """The views that lead to a node from a value that is none, in order; the node itself last."""
    chain: list[Node] = []
    while node.op.name in VIEWS:
        chain.insert(0, node)
        node = node.operands[0]
    return chain
