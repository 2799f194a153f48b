"""From groups of cores to a graph whose groups are nodes of op `fusion`.

A value keeps its name: a group with one result is named after it, a group with several is taken
apart by `pick` nodes with the results' names.  A group of one node that reads no views stays the
node it was.
"""

from __future__ import annotations

from typing import Any

from ..builder import INPUT, Names
from ..graph import Graph, Node
from ..interpret import evaluate, interpret
from ..op import OPS, declare
from ..types import TensorType
from .fuse_cores import Cores
from .fuse_index import VIEWS

SALIENT = 4  # op names that make up a body's name


def _infer(*types: Any, body: Graph) -> Any:
    wanted = tuple(n.type for n in body.inputs)
    if types != wanted:
        raise TypeError(f"fusion {body.name} wants {wanted}, got {types}")
    found = tuple(n.type for n in body.outputs)
    return found[0] if len(found) == 1 else found


def _numpy(*arrays: Any, body: Graph) -> Any:
    found = interpret(body, *arrays)
    return found[0] if len(found) == 1 else tuple(found)


def _decompose(*values: Any, body: Graph) -> Any:
    found = evaluate(body, *values)
    return found[0] if len(found) == 1 else tuple(found)


FUSION = declare("fusion", "composite", "*xs", _infer, _numpy, decompose=_decompose)


def build(
    graph: Graph, cores: Cores, groups: list[list[int]], again: list[frozenset[int]]
) -> Graph:
    """The graph with every group as one node.

    groups: members by number, ascending, in a topological order; again: for every group the cores
        of other groups that it computes for itself.
    """
    return _Builder(graph, cores, groups, again).run()


class _Builder:
    def __init__(
        self, graph: Graph, cores: Cores, groups: list[list[int]], again: list[frozenset[int]]
    ):
        self.graph, self.cores, self.groups, self.again = graph, cores, groups, again
        self.names = Names()
        for node in (*graph.inputs, *graph.nodes):
            self.names.take(node.name)
        self.nodes: list[Node] = []
        self.outer: dict[Node, Node] = {n: n for n in graph.inputs}
        self.group_of = {n: g for g, members in enumerate(groups) for n in members}

    def run(self) -> Graph:
        for number, members in enumerate(self.groups):
            self._group(number, members)
        outputs = tuple(self.place(n) for n in self.graph.outputs)
        updates = tuple((x, self.place(v)) for x, v in self.graph.updates)
        return Graph(
            self.graph.name, self.graph.inputs, tuple(self.nodes), outputs, updates, self.graph.meta
        )

    def place(self, node: Node) -> Node:
        """The node that holds an old node's value in the new graph; views are made on demand."""
        found = self.outer.get(node)
        if found is None:
            found = self.outer[node] = self._renewed(node)
            self.nodes.append(found)
        return found

    def _renewed(self, node: Node) -> Node:
        inputs = tuple(self.place(x) if isinstance(x, Node) else x for x in node.inputs)
        if all(a is b for a, b in zip(inputs, node.inputs, strict=True)):
            return node
        return Node(node.name, node.op, inputs, node.attrs, node.type, node.source)

    def _group(self, number: int, members: list[int]) -> None:
        results = [n for n in members if self._leaves(n, number)]
        if not results:
            return
        if len(members) == 1 and not self.again[number] and self._plain(members[0]):
            self.place(self.cores.list[members[0]].node)
            return
        body, sources = _Body(self.cores, [*self.again[number], *members]).build(results)
        body = Graph(self.names.take(body.name), body.inputs, body.nodes, body.outputs)
        inputs = tuple(self.place(x) for x in sources)
        found = [self.cores.list[n].node for n in results]
        types = tuple(n.type for n in body.outputs)
        attrs = {"body": body}
        if len(found) == 1:
            node = Node(found[0].name, FUSION, inputs, attrs, types[0], found[0].source)
            self.nodes.append(node)
            self.outer[found[0]] = node
            return
        name, pick = self.names.take(f"{body.name}_all"), OPS["pick"]
        node = Node(name, FUSION, inputs, attrs, types, found[-1].source)  # type: ignore[arg-type]
        self.nodes.append(node)
        for index, result in enumerate(found):
            one = Node(result.name, pick, (node,), {"index": index}, result.type, result.source)
            self.nodes.append(one)
            self.outer[result] = one

    def _leaves(self, number: int, group: int) -> bool:
        """Whether a core's value is read outside its group."""
        core = self.cores.list[number]
        if core.pinned or core.node.op.effect:
            return True
        return any(
            self.group_of[u] != group and number not in self.again[self.group_of[u]]
            for u in core.users
        )

    def _plain(self, number: int) -> bool:
        """Whether a core reads no views, or is no loop that could look through them."""
        core = self.cores.list[number]
        if core.kind == "opaque":
            return True
        return all(x in self.cores.number or x.op.kind == "input" for x in core.node.operands)


class _Body:
    """The body of one group: its cores and the views and creations they read."""

    def __init__(self, cores: Cores, members: list[int]):
        self.cores = cores
        self.members = {cores.list[n].node for n in members}
        self.order = sorted(members)
        self.sources: list[Node] = []
        self.inputs: list[Node] = []
        self.nodes: list[Node] = []
        self.made: dict[Node, Node] = {}
        self.looked: dict[Node, Node] = {}
        self.names = Names()

    def build(self, results: list[int]) -> tuple[Graph, list[Node]]:
        """The body, and what its inputs are bound to."""
        for number in self.order:
            self._make(self.cores.list[number].node)
        outputs = tuple(self.made[self.cores.list[n].node] for n in results)
        body = Graph(self._name(), tuple(self.inputs), tuple(self.nodes), outputs)
        return body, self.sources

    def _make(self, node: Node) -> Node:
        """A node as the body has it: computed here, looked through, or an input."""
        found = self.made.get(node)
        if found is not None:
            return found
        cores = self.cores
        if node in self.members:
            if cores.list[cores.number[node]].kind == "copy" and node.op.name in VIEWS:
                operand = node.operands[0]
                seen = operand in cores.copies or operand is cores.origin[node][0]
                source = cores.origin[node][0]
                below = self._make(operand) if seen else self._look(operand, source)
                inputs: tuple[Any, ...] = (below,)
            else:
                inputs = tuple(self._make(x) if isinstance(x, Node) else x for x in node.inputs)
            found = self._add(node, inputs)
        elif node in cores.number or node.op is INPUT:
            assert isinstance(node.type, TensorType)
            name = self.names.take(node.name)
            found = Node(name, INPUT, (), {"type": node.type}, node.type, node.source)
            self.sources.append(node)
            self.inputs.append(found)
        elif node.op.name in VIEWS:
            return self._look(node, cores.origin[node][0])
        else:
            found = self._add(node, node.inputs)
        self.made[node] = found
        return found

    def _look(self, view: Node, source: Node) -> Node:
        """A view as an index map from its source, through views that also exist in memory."""
        found = self.looked.get(view)
        if found is None:
            operand = view.operands[0]
            seen = operand is source or operand.op.name not in VIEWS
            below = self._make(operand) if seen else self._look(operand, source)
            found = self.looked[view] = self._add(view, (below,))
        return found

    def _add(self, node: Node, inputs: tuple[Any, ...]) -> Node:
        name = self.names.take(node.name)
        found = Node(name, node.op, inputs, node.attrs, node.type, node.source)
        self.nodes.append(found)
        return found

    def _name(self) -> str:
        """Named after what costs: contractions and reductions first, then the last ops."""
        names = [n.op.name for n in self.nodes if n.op.kind != "view"]
        heavy = [
            n.op.name for n in self.nodes if n.op.kind in ("contraction", "reduction", "index")
        ]
        if len(names) > SALIENT:
            names = [*heavy[: SALIENT - 1], *names[-(SALIENT - min(len(heavy), SALIENT - 1)) :]]
        return "_".join(names) or self.nodes[-1].op.name
