"""Take composites apart into the ops they are made of.

    softmax: f32[4, 8] = ops.softmax(x, dim=1)      ->      amax, expand, sub, exp, sum, expand, div

The code generator may claim some composites whole: `keep` says which.  What is inlined keeps
the composite's source; the node that carries the result keeps its name.  Equal composites (same op,
attributes and operand types: the layers of a network) are taken apart once and copied.

`stop_gradient` only speaks to the derivative transforms, which come earlier; here it becomes its
operand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ..builder import GraphBuilder, Names
from ..graph import Graph, Node
from ..op import Op
from .cse import constant_key

Chosen = Callable[[Node], bool]
Keep = Collection[str] | Chosen


def decompose(graph: Graph, keep: Keep = ()) -> Graph:
    """Inline every composite that has a decomposition and is not kept, recursively.

    keep: names of composites to leave whole, or a function that says it of a node.
    """

    def kept(node: Node) -> bool:
        return keep(node) if callable(keep) else node.op.name in keep

    inlined = inline(graph, lambda node: node.op.decompose is not None and not kept(node))
    return _without_stop_gradient(inlined)


def inline(graph: Graph, chosen: Chosen) -> Graph:
    """Inline the nodes that are `chosen` and all those of their parts that are."""
    if not any(chosen(n) for n in graph.nodes):
        return graph
    return _Inliner(graph, chosen).run()


class _Inliner:
    def __init__(self, graph: Graph, chosen: Chosen):
        self.graph = graph
        self.chosen = chosen
        self.templates: dict[Any, Graph] = {}
        self.nodes: list[Node] = []
        self.names = Names(n.name for n in (*graph.inputs, *graph.nodes))

    def run(self) -> Graph:
        values: dict[Node, Any] = {}  # a taken-apart node with several outputs stands for a tuple
        for node in self.graph.nodes:
            inputs = tuple(values.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
            if node.op.name == "pick" and isinstance(inputs[0], tuple):
                values[node] = inputs[0][node.attrs["index"]]
            elif self.chosen(node):
                values[node] = self._copy(self._template(node.op, inputs, node.attrs), inputs, node)
            else:
                now = node if inputs == node.inputs else node.with_inputs(inputs)
                self.nodes.append(now)
                values[node] = now
        return replace(
            self.graph,
            nodes=tuple(self.nodes),
            outputs=tuple(values.get(n, n) for n in self.graph.outputs),
            updates=tuple((i, values.get(v, v)) for i, v in self.graph.updates),
        )

    def _template(self, op: Op, inputs: tuple[Any, ...], attrs: Any) -> Graph:
        """The decomposition as a graph of its own, its parts taken apart too."""
        types = tuple(x.type if isinstance(x, Node) else constant_key(x) for x in inputs)
        key = op, types, tuple((k, constant_key(v)) for k, v in attrs.items())
        if key not in self.templates:
            assert op.decompose is not None
            with GraphBuilder(op.name) as builder:
                values = [
                    builder.input(x.type) if isinstance(x, Node) else x  # type: ignore[arg-type]
                    for x in inputs
                ]
                result = op.decompose(*values, **attrs)
                outputs = result if isinstance(result, (tuple, list)) else (result,)
                body = builder.finish(outputs)
            self.templates[key] = inline(body, self.chosen)
        return self.templates[key]

    def _copy(self, body: Graph, inputs: tuple[Any, ...], node: Node) -> Any:
        """Put the nodes of `body` in place of `node`."""
        values: dict[Node, Any] = dict(
            zip(body.inputs, (x for x in inputs if isinstance(x, Node)), strict=True)
        )
        last = body.outputs[0] if len(body.outputs) == 1 else None
        for part in body.nodes:
            name = node.name if part is last else self.names.take(part.op.name)
            operands = tuple(values[x] if isinstance(x, Node) else x for x in part.inputs)
            now = replace(part, name=name, inputs=operands, source=node.source)
            self.nodes.append(now)
            values[part] = now
        results = tuple(values[n] for n in body.outputs)
        return results if isinstance(node.type, tuple) else results[0]


def _without_stop_gradient(graph: Graph) -> Graph:
    if not any(n.op.name == "stop_gradient" for n in graph.nodes):
        return graph
    values: dict[Node, Node] = {}
    nodes = []
    for node in graph.nodes:
        inputs = tuple(values.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
        if node.op.name == "stop_gradient":
            values[node] = inputs[0]
        elif inputs != node.inputs:
            values[node] = node.with_inputs(inputs)
            nodes.append(values[node])
        else:
            nodes.append(node)
    return replace(
        graph,
        nodes=tuple(nodes),
        outputs=tuple(values.get(n, n) for n in graph.outputs),
        updates=tuple((i, values.get(v, v)) for i, v in graph.updates),
    )
