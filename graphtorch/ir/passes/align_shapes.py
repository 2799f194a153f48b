"""Let pointwise chains run through reshapes.

A linear layer works on [B*T, C], the ops around it on [B, T, C]: reshapes stand in the middle of what
could be one loop.  Between pointwise ops a reshape means nothing, so a connected component of
pointwise ops and reshapes may use any one shape:

    reshape -> add -> gelu -> reshape -> matmul          add -> gelu -> matmul

The question is which.  Every shape seen in the component is tried; the cost of a shape is what its
boundary then needs: a reshape of a buffer is an alias and nearly free, but an expanded operand or a
reduction that the shape cannot express (dimensions merged of which one is copied or summed, the
other not) would have to be written to memory first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache

from ..builder import Names
from ..graph import Graph, Node
from ..op import OPS
from ..types import TensorType
from .dce import dce

Shape = tuple[int, ...]

# What a boundary costs: a reshape of a buffer is an alias; one between a chain and a contraction may
# keep them in two kernels; what a shape cannot express is written to memory and read again.
ALIAS, AT_CONTRACTION, MATERIALISED = 1, 6, 20
ROUNDS = 2  # a component's choice changes what its neighbours read


def align_shapes(graph: Graph) -> Graph:
    """Give every component of pointwise ops and reshapes the shape with the cheapest boundary."""
    for _ in range(ROUNDS):
        chosen = {
            node: component.shape
            for component in _components(graph)
            if component.choose()
            for node in component.members
        }
        if not chosen:
            break
        graph = dce(_Reshaper(graph, chosen).run())
    return graph


def groups(a: Shape, b: Shape) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Align two shapes of one size: the smallest runs of dimensions with equal products.

    Dimensions of size 1 belong to no run.

    >>> groups((2, 3, 4), (6, 4))
    [((0, 1), (0,)), ((2,), (1,))]
    """
    return list(_groups(a, b))


@cache
def _groups(a: Shape, b: Shape) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    left = [(d, s) for d, s in enumerate(a) if s != 1]
    right = [(d, s) for d, s in enumerate(b) if s != 1]
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        run_a, run_b = [left[i][0]], [right[j][0]]
        size_a, size_b = left[i][1], right[j][1]
        i, j = i + 1, j + 1
        while size_a != size_b:
            if size_a < size_b:
                run_a.append(left[i][0])
                size_a *= left[i][1]
                i += 1
            else:
                run_b.append(right[j][0])
                size_b *= right[j][1]
                j += 1
        found.append((tuple(run_a), tuple(run_b)))
    return tuple(found)


def expand_source(node: Node, shape: Shape) -> Shape | None:
    """The shape to give the operand of `expand` so that expanding it gives `shape`; None: no such."""
    source = node.operands[0].shape
    source = (1,) * (node.ndim - len(source)) + source
    wanted = [1] * len(shape)
    for run, target in _groups(node.shape, shape):
        copied = [source[d] == 1 for d in run]
        if all(copied):
            continue
        if any(copied):
            return None
        for d in target:
            wanted[d] = shape[d]
    return tuple(wanted)


def reduced_dims(dims: Iterable[int], before: Shape, shape: Shape) -> tuple[int, ...] | None:
    """The dimensions of `shape` that `dims` are in `before`; None if they do not align."""
    dims = set(dims)
    found: list[int] = []
    for run, target in _groups(before, shape):
        inside = [d in dims for d in run]
        if all(inside):
            found += target
        elif any(inside):
            return None
    return tuple(sorted(found))


@dataclass(eq=False)
class _Component:
    """Pointwise ops and reshapes of one size, connected; with what enters and what leaves."""

    members: list[Node]
    entering: dict[Node, None] = field(default_factory=dict)
    leaving: list[tuple[Node, Node | None]] = field(default_factory=list)  # value, user or output
    now: int = 0  # what the component costs as it stands
    shape: Shape = ()

    def choose(self) -> bool:
        """Set `shape` to the best one; False if the component is best left alone."""
        if all(n.op.name == "reshape" for n in self.members) or self.now == 0:
            return False
        seen = dict.fromkeys(n.shape for n in (*self.members, *self.entering))
        self.shape = min(seen, key=lambda s: (self._cost(s), len(s)))
        return self._cost(self.shape) < self.now

    def _cost(self, shape: Shape) -> int:
        return sum(_enter_cost(v, shape) for v in self.entering) + sum(
            _leave_cost(v, u, shape) for v, u in self.leaving
        )


def _enter_cost(value: Node, shape: Shape) -> int:
    if value.shape == shape or value.op.name == "full":
        return 0
    if value.op.name == "expand":
        return MATERIALISED if expand_source(value, shape) is None else 0
    if value.op.kind == "view":
        splits = all(len(run) == 1 for run, _ in _groups(value.shape, shape))
        return ALIAS if splits else MATERIALISED
    return AT_CONTRACTION if value.op.kind == "contraction" else ALIAS


def _leave_cost(value: Node, user: Node | None, shape: Shape) -> int:
    if user is None:
        return 0 if value.shape == shape else ALIAS
    if value.shape == shape:
        return 0
    if user.op.kind == "reduction" and "dims" in user.attrs:
        aligned = reduced_dims(user.attrs["dims"], value.shape, shape)
        return MATERIALISED if aligned is None else ALIAS
    if user.op.kind == "reduction":
        return MATERIALISED
    return AT_CONTRACTION if user.op.kind == "contraction" else ALIAS


def _is_member(node: Node) -> bool:
    if node.op.name == "reshape":
        return node.type.numel > 1  # type: ignore[union-attr]
    return node.op.kind == "pointwise" and node.type.numel > 1  # type: ignore[union-attr]


def _components(graph: Graph) -> list[_Component]:
    members = [n for n in graph.nodes if _is_member(n)]
    inside = set(members)
    if not any(
        (n.op.name == "reshape") != (x.op.name == "reshape")
        for n in members
        for x in n.operands
        if x in inside
    ):
        return []  # no reshape meets a pointwise op
    import networkx

    network = networkx.Graph()
    network.add_nodes_from(members)
    network.add_edges_from((x, n) for n in members for x in n.operands if x in inside)
    components = [_Component(list(part)) for part in networkx.connected_components(network)]
    owner = {node: component for component in components for node in component.members}
    results = set(graph.results)
    users: dict[Node, list[Node]] = {n: [] for n in members if n.op.name == "reshape"}
    for node in graph.nodes:
        for operand in dict.fromkeys(node.operands):
            if operand in users:
                users[operand].append(node)
            if node in inside and operand not in inside:
                owner[node].entering[operand] = None
            elif node not in inside and operand in inside:
                owner[operand].leaving.append((operand, node))
        if node in inside and node in results:
            owner[node].leaving.append((node, None))
    for node, readers in users.items():
        owner[node].now += _reshape_cost(node, readers, inside)
    return components


def _reshape_cost(node: Node, users: list[Node], inside: set[Node]) -> int:
    """What a reshape costs where it stands."""
    source = node.operands[0]
    if source not in inside:
        return _enter_cost(source, node.shape)
    if any(u in inside for u in users):
        return MATERIALISED  # it cuts a chain in two
    return max((_leave_cost(source, u, node.shape) for u in users), default=ALIAS)


class _Reshaper:
    """Rebuilds a graph with the members of components in their component's shape."""

    def __init__(self, graph: Graph, chosen: dict[Node, Shape]):
        self.graph = graph
        self.chosen = chosen
        self.names = Names(n.name for n in (*graph.inputs, *graph.nodes))
        self.nodes: list[Node] = []
        self.now: dict[Node, Node] = {}  # a node's new self: for a member in its component's shape
        self.shaped: dict[tuple[Node, Shape], Node] = {}  # what was reshaped already

    def run(self) -> Graph:
        for node in self.graph.nodes:
            shape = self.chosen.get(node)
            if shape is None:
                self.now[node] = self._outside(node)
            elif node.op.name == "reshape":
                self.now[node] = self._enter(node.operands[0], shape)
            else:
                inputs = tuple(
                    self._enter(x, shape) if isinstance(x, Node) else x for x in node.inputs
                )
                self.now[node] = self._add(
                    replace(node, inputs=inputs, type=TensorType(node.dtype, shape))
                )
        outputs = tuple(self._in_shape(n) for n in self.graph.outputs)
        updates = tuple((i, self._in_shape(v)) for i, v in self.graph.updates)
        return replace(self.graph, nodes=tuple(self.nodes), outputs=outputs, updates=updates)

    def _outside(self, node: Node) -> Node:
        """A node that is no member: its operands in the shapes they had."""
        if node.op.kind == "reduction" and "dims" in node.attrs:
            source = node.operands[0]
            shape = self.chosen.get(source)
            if shape is not None and shape != source.shape:
                dims = reduced_dims(node.attrs["dims"], source.shape, shape)
                if dims is not None:
                    return self._reduced(node, shape, dims)
        inputs = tuple(self._in_shape(x) if isinstance(x, Node) else x for x in node.inputs)
        return self._add(node if inputs == node.inputs else node.with_inputs(inputs))

    def _reduced(self, node: Node, shape: Shape, dims: tuple[int, ...]) -> Node:
        """A reduction of a member in its new shape, its result in the shape it had."""
        rest = tuple(s for d, s in enumerate(shape) if d not in dims)
        attrs = {**node.attrs, "dims": dims}
        name = node.name if rest == node.shape else self.names.take(node.name)
        inputs = (self.now[node.operands[0]],)
        result = replace(
            node, name=name, inputs=inputs, attrs=attrs, type=TensorType(node.dtype, rest)
        )
        return self._shaped(self._add(result), node.shape, node.name)

    def _enter(self, value: Node, shape: Shape) -> Node:
        """`value` as a member of `shape` reads it."""
        now = self.now.get(value, value)
        if now.shape != shape and value.op.name == "expand" and value not in self.chosen:
            wanted = expand_source(value, shape)
            if wanted is not None:
                source = value.operands[0]
                small = self._shaped(self.now.get(source, source), wanted)
                return small if wanted == shape else self._make("expand", small, shape)
        return self._shaped(now, shape)

    def _in_shape(self, value: Node) -> Node:
        """`value` in the shape it had."""
        if isinstance(value.type, tuple):
            return self.now[value]
        return self._shaped(self.now.get(value, value), value.shape)

    def _shaped(self, now: Node, shape: Shape, name: str | None = None) -> Node:
        if now.shape == shape:
            return now
        while now.op.name == "reshape":
            now = now.operands[0]
            if now.shape == shape:
                return now
        return self._make("reshape", now, shape, name)

    def _make(self, op: str, source: Node, shape: Shape, name: str | None = None) -> Node:
        if (source, shape) not in self.shaped:
            self.shaped[source, shape] = self._add(
                Node(
                    name if op == "reshape" and name else self.names.take(op),
                    OPS[op],
                    (source,),
                    {"shape": shape},
                    TensorType(source.dtype, shape),
                    source.source,
                )
            )
        return self.shaped[source, shape]

    def _add(self, node: Node) -> Node:
        self.nodes.append(node)
        return node
