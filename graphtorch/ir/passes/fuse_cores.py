"""A graph as fusion sees it: cores, and which way each core walks over what it reads.

A *core* computes or moves data.  Views and creations cost nothing where they are read through an
index map, so they are no cores: every core that reads through them gets its own copy.  A view
becomes a core of kind "copy" where somebody needs its elements in a row: a graph output, or an
operand that is no strided array.

    kinds   pointwise   one element from the same element of every operand
            read        one element from other elements (take, pad, concat, slice_update, one-hot)
            copy        a view or creation that must exist in memory
            reduction   see `Op.kind`; and a gather of one element of every row
            contraction products and convolutions, which take an epilogue
            opaque      everything else; never fused, only its operands' views are understood

How a core walks over an operand is the relation of `fuse_index`, or None for any other order.  A
reduction walks its operand over all of its iteration space; that read is *deep*.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

from ..graph import Graph, Node
from ..types import TensorType
from .fuse_index import VIEWS, Access, Runs, identity, recut, reduced_runs, relation, runs, through

REDUCTIONS = frozenset("sum amax amin prod any all argmax argmin".split())
READS = frozenset("take gather index pad concat slice_update diagonal_update".split())
OVERLAPS = 9  # windows over one element that are added where they are read
ONE_HOT = frozenset(("scatter", "scatter_add"))
CONTRACTIONS = frozenset("matmul conv conv_input_grad conv_weight_grad".split())
CREATIONS = frozenset(("full", "iota"))

CALLS = frozenset(
    """exp exp_nonpositive exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh
    erf erfc erfinv sigmoid lgamma digamma pow atan2 hypot fmod remainder floor_divide""".split()
)
SLOW = frozenset("div sqrt rsqrt reciprocal".split())
CALL_COST, SLOW_COST = 20, 5


@dataclass(frozen=True, slots=True)
class Read:
    """One operand of a core: who makes it (a core's number, or a graph input) and how it is walked."""

    source: int | Node
    relation: Runs | None
    deep: bool  # walked over the whole iteration space of a reduction
    numel: int  # elements of the source
    access: Access | None

    @property
    def smooth(self) -> bool:
        """Whether neighbours in the walk are neighbours, or one element, in the source."""
        digits = self.access.digits if self.access is not None else ((2, 2),)
        return not digits or abs(digits[-1][1]) <= 1

    def strided(self, shape: tuple[int, ...]) -> bool:
        """Whether the source is an array with one stride per dimension of `shape`."""
        if self.access is None:
            return False
        return len(self.access.digits) <= 1 or _strided(self.access, shape)


@functools.lru_cache(maxsize=4096)
def _strided(access: Access, shape: tuple[int, ...]) -> bool:
    found = recut(access, shape)
    return found is not None and all(len(dim) <= 1 for dim in found.dims)


@dataclass(slots=True)
class Core:
    """One core: the node, and for each operand its source and how it is walked."""

    node: Node
    kind: str
    full: int  # elements of the iteration space
    runs: Runs | None  # the reduced stretches of it (reductions only)
    reads: list[Read] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    positional: bool = False  # an operand is computed from the position (iota)
    pinned: bool = False  # must be in memory: an output, an update, or an opaque operand

    @property
    def cost(self) -> int:
        """Rough operations per element."""
        name = self.node.op.name
        return CALL_COST if name in CALLS else SLOW_COST if name in SLOW else self.kind != "copy"

    @property
    def numel(self) -> int:
        return sum(t.numel for t in _types(self.node))


def _types(node: Node) -> tuple[TensorType, ...]:
    return node.type if isinstance(node.type, tuple) else (node.type,)


def same(numel: int) -> Runs:
    """The relation of a walk that meets every element once, in order."""
    return runs([(numel, False)])


class Cores:
    """All cores of a graph in topological order, numbered; see the module docstring."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.origin: dict[Node, tuple[Node, Access]] = {}
        self.copies: set[Node] = set()
        self.kinds = {n: _kind(n) for n in graph.nodes}
        self._trace()
        self._demand()
        self.list: list[Core] = []
        self.number: dict[Node, int] = {}
        self._collect()

    def strided(self, view: Node) -> bool:
        """Whether a view is an array with one stride per dimension over its source."""
        _, access = self.origin[view]
        return all(len(dim) <= 1 for dim in access.dims)

    def _trace(self) -> None:
        """Follow every view to what it shows."""
        for node in (*self.graph.inputs, *self.graph.nodes):
            if isinstance(node.type, tuple):
                continue
            if node.op.name in VIEWS:
                operand = node.operands[0]
                source, access = self.origin[operand]
                found = through(node, access)
                if found is None:
                    self._copy(operand)
                    source, found = operand, through(node, identity(operand.shape))
                if found is not None:
                    self.origin[node] = (source, found)
                    continue
            self.origin[node] = (node, identity(node.shape))

    def _copy(self, view: Node) -> None:
        if self.origin[view][0] is not view or view.op.name in CREATIONS:
            self.copies.add(view)

    def _demand(self) -> None:
        """Find the views that must exist in memory."""
        for node in self.graph.results:
            source, access = self.origin[node]
            if source.op.name in CREATIONS:
                self.copies.add(node)
            elif relation(access, source.type.numel) != same(source.type.numel):  # type: ignore[union-attr]
                self._copy(node)
        for node in self.graph.nodes:
            kind = self.kinds[node]
            if kind in ("contraction", "opaque"):
                for operand in node.operands:
                    if operand not in self.origin:
                        continue
                    if self.origin[operand][0].op.name in CREATIONS and _wants_memory(
                        node, operand
                    ):
                        self.copies.add(operand)
                    elif not self.strided(operand):
                        self._copy(operand)

    def _collect(self) -> None:
        effect: int | None = None
        self.effects: list[tuple[int, int]] = []  # edges that keep effects in order
        results = {self.origin[n][0] if n not in self.copies else n for n in self.graph.results}
        for node in self.graph.nodes:
            kind = "copy" if node in self.copies else self.kinds[node]
            if kind in ("view", "creation"):
                continue
            number = self.number[node] = len(self.list)
            core = Core(node, kind, 0, None)
            self.list.append(core)
            self._operands(core, number)
            core.pinned = node in results
            if kind == "reduction":
                operand = node.operands[0]
                core.full, core.runs = operand.type.numel, reduced_runs(operand.shape, _dims(node))  # type: ignore[union-attr]
            else:
                core.full = core.numel
            if node.op.effect:
                if effect is not None:
                    self.effects.append((effect, number))
                effect = number

    def _operands(self, core: Core, number: int) -> None:
        for position, operand in enumerate(core.node.operands):
            source, access = self._source(core, operand)
            if source.op.name in CREATIONS and source not in self.copies:
                core.positional |= source.op.name == "iota"
                continue
            numel = sum(t.numel for t in _types(source))
            deep = core.kind == "reduction" and position == 0
            relates = None if access is None else _relation(core, position, access, numel)
            producer = self.number.get(source)
            core.reads.append(
                Read(source if producer is None else producer, relates, deep, numel, access)
            )
            if producer is None:
                continue
            made = self.list[producer]
            if not made.users or made.users[-1] != number:
                made.users.append(number)
            if core.kind in ("opaque", "contraction"):
                made.pinned = True

    def _source(self, core: Core, operand: Node) -> tuple[Node, Access | None]:
        """What a core reads through an operand, and how."""
        if operand not in self.origin:  # a tuple, taken apart by pick
            return operand, None
        if core.kind == "copy" and core.node.op.name in VIEWS:
            if operand in self.copies:
                return operand, through(core.node, identity(operand.shape))
            return self.origin[core.node]
        if operand in self.copies:
            return operand, identity(operand.shape)
        return self.origin[operand]


def row_hints(cores: list[Core]) -> list[Runs | None]:
    """For every core the rows it is computed along, if a row's result goes into it.

    In a norm the rows' means are read along the rows, and what follows in order belongs to them too.
    """
    hints: list[Runs | None] = []
    reduced: list[bool] = []  # the core is a reduction, or one value per row computed from some
    for core in cores:
        hint, of_rows = None, core.kind == "reduction"
        if core.kind == "pointwise":
            for read in core.reads:
                if not isinstance(read.source, int) or read.relation is None:
                    continue
                repeated = any(marked for _, marked in read.relation)
                of_rows |= reduced[read.source] and not repeated and hints[read.source] is None
                if repeated and reduced[read.source]:
                    hint = read.relation
                elif not repeated and hint is None:
                    hint = hints[read.source]
        hints.append(hint)
        reduced.append(of_rows and hint is None)
    return hints


def _dims(node: Node) -> tuple[int, ...]:
    dims = node.attrs.get("dims")
    return dims if dims is not None else (node.attrs["dim"],)


def _kind(node: Node) -> str:
    """What a node is to fusion; nodes without elements and complex numbers stay alone."""
    name = node.op.name
    types = [*_types(node), *(t for x in node.operands for t in _types(x))]
    if name in VIEWS:
        return "view"
    if name in CREATIONS:
        return "creation"
    if any(t.numel == 0 or t.dtype.is_complex for t in types):
        return "opaque"
    if name in CONTRACTIONS:
        return "contraction" if node.dtype.is_floating_point else "opaque"
    if may_divide_by_zero(node):
        return "opaque"
    if node.op.kind == "pointwise" and node.op.body is not None and node.operands:
        return "pointwise"
    if name == "gather" and _picks_one(node) and node.operands[0].type.numel != node.type.numel:  # type: ignore[union-attr]
        return "reduction"
    if reads_only(node):
        return "read"
    if name in REDUCTIONS:
        operand = node.operands[0]
        shrinks = operand.type.numel != node.type.numel  # type: ignore[union-attr]
        return "reduction" if shrinks else "read"
    return "opaque"


def _relation(core: Core, position: int, access: Access, numel: int) -> Runs | None:
    """How a core walks over the operand at a position."""
    name = core.node.op.name
    if core.kind in ("pointwise", "copy", "reduction") or name in REDUCTIONS:
        return relation(access, numel)
    if name in ("slice_update", "diagonal_update") and position == 0:
        return relation(access, numel)
    if name in ONE_HOT:
        if position == 0:
            return relation(access, numel)
        dim, shape = core.node.attrs["dim"], core.node.shape
        repeated = (*access.dims[:dim], ((shape[dim], 0),), *access.dims[dim + 1 :])
        return relation(Access(repeated, access.offset), numel)
    return None


def writes_one(node: Node) -> bool:
    """Whether a scatter writes one element of every row: a comparison with the position does it."""
    x, index, _ = node.operands
    dim = node.attrs["dim"]
    return all(n == (m if d != dim else 1) for d, (n, m) in enumerate(zip(index.shape, x.shape)))


def reads_only(node: Node) -> bool:
    """Whether every element of an index op is computed from a few elements of its operands."""
    name = node.op.name
    if name == "windows_add":
        pairs = zip(node.attrs["sizes"], node.attrs["strides"], strict=True)
        return bool(math.prod(-(-size // stride) for size, stride in pairs) <= OVERLAPS)
    return name in READS or (name in ONE_HOT and writes_one(node))


def may_divide_by_zero(node: Node) -> bool:
    """Whether an integer division has a divisor that is not a known number: NumPy then raises."""
    if node.op.name not in ("floor_divide", "remainder", "fmod") or node.dtype.kind == "f":
        return False
    divisor = node.inputs[1]
    return isinstance(divisor, Node) or divisor == 0


def _picks_one(node: Node) -> bool:
    """Whether a gather takes one element of every row."""
    x, index = node.operands
    dim = node.attrs["dim"]
    return all(n == (m if d != dim else 1) for d, (n, m) in enumerate(zip(index.shape, x.shape)))


def _wants_memory(node: Node, operand: Node) -> bool:
    """Whether a node that is not fused needs a constant operand as an array."""
    return not (node.op.name in FILLED and operand is node.operands[0])


# Their first operand may be a constant that the launch fills in by itself.
FILLED = frozenset("index_add scatter_add index_put scatter windows_add".split())
