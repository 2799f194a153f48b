"""Split a joint graph into a forward graph and a backward graph.

    joint:     x, w, g -> y, x_gradient, w_gradient
    forward:   x, w -> y, saved...
    backward:  saved..., g -> x_gradient, w_gradient

What depends on a cotangent is backward; which of the other values to save, and which to compute
again in the backward graph, is a minimum cut (`minimum_cut`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..builder import INPUT
from ..graph import Graph, Node
from .dce import ancestors
from .minimum_cut import Cheap, recomputable, values_to_keep


@dataclass(frozen=True)
class Partition:
    """The two halves and how they connect.

    sources: for every input of `backward` where it comes from: ("input", position in the forward
    inputs), ("output", position in the forward outputs) or ("cotangent", position).
    outputs: how many of the forward outputs are the program's; the saved values follow them.
    """

    forward: Graph
    backward: Graph
    sources: tuple[tuple[str, int], ...]
    outputs: int


def partition(joint: Graph, cheap: Cheap = recomputable) -> Partition:
    """Split a graph made by `transforms.vjp`, which says in `meta` what is what."""
    count = joint.meta["forward_outputs"]
    cotangents = joint.inputs[len(joint.inputs) - joint.meta["cotangents"] :]
    primals = joint.inputs[: len(joint.inputs) - len(cotangents)]
    outputs, gradients = joint.outputs[:count], joint.outputs[count:]

    late = set(cotangents)
    for node in joint.nodes:
        if any(x in late for x in node.operands):
            late.add(node)
    late_updates = tuple(u for u in joint.updates if u[1] in late)
    targets = (*gradients, *(value for _, value in late_updates))
    wanted = ancestors(targets)
    backward_nodes = [n for n in joint.nodes if n in late and n in wanted]
    read = {x for n in backward_nodes for x in n.operands if x not in late}
    read.update(n for n in targets if n not in late)
    forward_nodes = [n for n in joint.nodes if n not in late]
    early_updates = tuple(u for u in joint.updates if u[1] not in late)
    needed = ancestors((*outputs, *(value for _, value in early_updates)))

    def late_is_cheap(node: Node) -> bool:
        """What the forward half has no use for is not computed twice by computing it late."""
        return cheap(node) or (node not in needed and not node.op.effect)

    kept = values_to_keep(forward_nodes, primals, outputs, read, late_is_cheap)
    saved = [n for n in kept if n.op is not INPUT and n not in outputs]
    facts = {k: v for k, v in joint.meta.items() if k not in ("forward_outputs", "cotangents")}
    forward = Graph(
        f"{joint.name}_forward",
        primals,
        tuple(forward_nodes),
        (*outputs, *saved),
        early_updates,
        {**facts, "stage": "forward"},
    )
    live = ancestors(forward.roots)
    forward = replace(forward, nodes=tuple(n for n in forward_nodes if n in live))

    owners = [i for i, _ in late_updates if i not in kept]
    backward_inputs = (*kept, *owners, *cotangents)
    sources = tuple(_source(n, forward, cotangents) for n in backward_inputs)
    recomputed = _recomputed(forward_nodes, set(kept), read)
    backward = _cut_loose(
        Graph(
            f"{joint.name}_backward",
            backward_inputs,
            (*recomputed, *backward_nodes),
            gradients,
            late_updates,
            {**facts, "stage": "backward"},
        )
    )
    return Partition(forward, backward, sources, count)


def _source(node: Node, forward: Graph, cotangents: tuple[Node, ...]) -> tuple[str, int]:
    if node in cotangents:
        return "cotangent", cotangents.index(node)
    if node in forward.outputs:
        return "output", forward.outputs.index(node)
    return "input", forward.inputs.index(node)


def _recomputed(forward: list[Node], kept: set[Node], read: set[Node]) -> list[Node]:
    """The forward nodes that the backward graph computes again, in order."""
    wanted = read - kept
    for node in reversed(forward):
        if node in wanted:
            wanted.update(x for x in node.operands if x not in kept)
    return [n for n in forward if n in wanted]


def _cut_loose(graph: Graph) -> Graph:
    """Make inputs of the nodes listed as inputs, whatever computed them before."""
    now: dict[Node, Node] = {}
    for node in graph.inputs:
        now[node] = replace(node, op=INPUT, inputs=(), attrs={"type": node.type})
    inputs = tuple(now.values())
    nodes = []
    for node in graph.nodes:
        operands = tuple(now.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
        now[node] = node if operands == node.inputs else node.with_inputs(operands)
        nodes.append(now[node])
    return replace(
        graph,
        inputs=inputs,
        nodes=tuple(nodes),
        outputs=tuple(now[n] for n in graph.outputs),
        updates=tuple((now[i], now[v]) for i, v in graph.updates),
    )
