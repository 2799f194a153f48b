"""A kernel being drafted for a fused body, and the launch that comes of it.

A body may need two launches: one that leaves partial sums, one that adds them up.  `Piece` is a
launch whose operands are still nodes of the body, or `Partial` arrays between two pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ..ir.graph import Graph, Node
from ..ir.passes.fuse_cores import CALL_COST, CALLS, SLOW, SLOW_COST
from ..ir.types import DType, TensorType
from .kernel import Buffer, Extent, Index, Kernel, Load, Loop, Operand, Statement, Store, statements
from .kernel_builder import KernelBuilder
from .lower_element import ALWAYS, Conditions, Key
from .lower_position import Cutter, Position
from .lower_reads import Reads
from .prefetch import prefetched
from .program import Failure, work_estimate
from .schedule import Axis

DEAR = 8  # operations worth a buffer that keeps their result for the next round
GRAIN = 1 << 14  # elements worth handing to a thread
STREAM = 1 << 25  # bytes; a larger result is not in any cache when it is read again


@dataclass(frozen=True, eq=False)
class Partial:
    """An array that one piece leaves for the next."""

    name: str
    type: TensorType


@dataclass(frozen=True)
class Piece:
    """One launch; see `program.Launch` for the fields."""

    kernel: Kernel
    operands: tuple[Node | Partial, ...]
    writes: tuple[int, ...]
    params: tuple[int, ...]
    chunks: int
    grain: int
    work: int
    inplace: tuple[tuple[int, int], ...]
    failures: tuple[Failure, ...]


def op_cost(node: Node) -> int:
    """Rough operations per element."""
    name = node.op.name
    if node.op.kind != "pointwise":
        return 0
    return CALL_COST if name in CALLS else SLOW_COST if name in SLOW else 1


class DraftElements(Reads):
    """Elements of a body that is walked in rounds; dear ones are kept from one round to the next."""

    def __init__(
        self, builder: KernelBuilder, cutter: Cutter, buffers: dict[Node, Buffer],
        failures: list[Failure], costs: dict[Node, int], kept: set[Key] | None,
    ):  # fmt: skip
        super().__init__(builder, cutter, buffers, failures)
        self.costs = costs
        self.planning = kept is None  # a first draft finds out what is worth keeping
        self.keep: set[Key] = kept or set()
        self.round = 0
        self.made_in: dict[Key, int] = {}
        self.dtypes: dict[Key, DType] = {}
        self.rows: dict[Key, Buffer] = {}
        self.row_place: Callable[[], tuple[Index, int]] | None = (
            None  # index and size of a row buffer
        )
        self.makers: dict[Node, Callable[[Position], Operand]] = {}

    def value(self, node: Node, position: Position, conditions: Conditions = ALWAYS) -> Operand:
        key = (node, position, conditions)
        if self.planning and self.made_in.get(key, self.round) < self.round:
            if self.costs[node] >= DEAR and conditions == ALWAYS and node not in self.buffers:
                self.keep.add(key)
                return self.builder.fresh("kept", self.dtypes[key])
        elif key in self.rows and self.made_in[key] < self.round and self.row_place is not None:
            found = self._known(key)
            if found is None:
                index, _ = self.row_place()
                found = self.builder.load(self.rows[key], index)
                self.know(node, position, found)
            return found
        return super().value(node, position, conditions)

    def _known(self, key: Key) -> Operand | None:
        for scope in self.scopes:
            if key in scope:
                return scope[key]
        return None

    def _value(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        if node in self.makers:
            return self.makers[node](position)
        result = super()._value(node, position, conditions)
        key = (node, position, conditions)
        if self._depth_of(result) == self.depth:
            self.made_in.setdefault(key, self.round)
            self.dtypes[key] = result.dtype
            if key in self.keep and not self.planning and self.row_place is not None:
                index, size = self.row_place()
                if key not in self.rows:
                    self.rows[key] = self.builder.temp(f"{node.name}_row", result.dtype, size)
                self.builder.store(self.rows[key], index, result)
        return result


@dataclass
class Draft:
    """A kernel in the making: its builder, elements, and what the buffers stand for."""

    body: Graph
    name: str
    costs: dict[Node, int]
    kept: set[Key] | None = None
    outputs: Sequence[Node] = ()
    meaning: dict[str, Node | Partial] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.builder = KernelBuilder(self.name)
        self.cutter = Cutter(self.builder)
        self.failures: list[Failure] = []
        ins = {n: self._declare(n, n.dtype, "in") for n in self.body.inputs}
        self.out = {n: self._declare(n, n.dtype, "out") for n in self.outputs}
        self.elements = DraftElements(
            self.builder, self.cutter, ins, self.failures, self.costs, self.kept
        )
        self.params: list[int] = []
        self.where: dict[str, Index] = {}  # where in the space every axis is
        self.local: dict[str, Index] = {}  # the same, counted from the beginning of the axis' tile
        self.tiles: dict[str, tuple[Index, int]] = {}  # axes of which an item walks one tile

    def _declare(self, what: Node | Partial, dtype: DType, role: str) -> Buffer:
        buffer = self.builder.buffer(what.name, dtype, role)
        self.meaning[buffer.name] = what
        return buffer

    def partial(self, what: Partial, role: str) -> Buffer:
        """Declare an array between pieces."""
        return self._declare(what, what.type.dtype, role)

    def param(self, name: str, value: int) -> str:
        """Declare a runtime integer."""
        self.params.append(value)
        return self.builder.param(name)

    @contextmanager
    def loops(self, axes: Sequence[Axis], last: str) -> Iterator[list[object]]:
        """Nested loops over axes, the innermost of kind `last`; yields the loops, outermost first."""
        if not axes:
            yield []
            return
        axis, *rest = axes
        kind = "serial" if rest else last
        outer: Index = Index()
        extent: Extent = axis.extent
        if axis.name in self.tiles:
            tile, width = self.tiles[axis.name]
            outer, extent = tile * width, self.builder.tiled(tile, width, axis.extent)
        with self.elements.loop(axis.name, extent, kind) as loop:
            self.where[axis.name] = outer + loop.index
            self.local[axis.name] = loop.index
            with self.loops(rest, last) as inner:
                yield [loop, *inner]

    def finish(self, elements_per_item: int, work_elements: int) -> Piece:
        """The launch; buffers that are not used are left out."""
        kernel = self.builder.finish()
        used = {s.buffer.name for s in statements(kernel.body) if isinstance(s, (Load, Store))}
        buffers = tuple(b for b in kernel.buffers if b.name in used)
        kernel = prefetched(replace(kernel, buffers=buffers))
        operands = tuple(self.meaning[b.name] for b in kernel.operands)
        writes = tuple(p for p, b in enumerate(kernel.operands) if b.role != "in")
        nbytes = sum(o.type.nbytes for o in operands if isinstance(o.type, TensorType))
        flops = work_elements * sum(op_cost(n) + 1 for n in self.body.nodes)
        params = dict(zip(kernel.params, self.params, strict=True))
        return Piece(
            kernel,
            operands,
            writes,
            tuple(self.params),
            kernel.items(params),
            max(1, GRAIN // max(elements_per_item, 1)),
            work_estimate(nbytes=nbytes, flops=flops),
            inplace_pairs(kernel),
            tuple(self.failures) if kernel.can_fail else (),
        )

    def store(self, node: Node, index: Index, value: Operand) -> None:
        """Store an element of an output."""
        streaming = node.type.nbytes >= STREAM  # type: ignore[union-attr]
        self.builder.store(self.out[node], index, value, streaming=streaming)


def inplace_pairs(kernel: Kernel) -> tuple[tuple[int, int], ...]:
    """Pairs (written operand, read operand) that may share memory; see `program.Launch.inplace`.

    Every load of the read buffer must be of the element that the same iteration stores afterwards:
    the same index under the same axes, before the store.
    """
    loads: dict[str, list[tuple[int, Load, tuple[str, ...]]]] = {}
    stores: dict[str, list[tuple[int, Store, tuple[str, ...]]]] = {}
    clock = 0

    def walk(body: tuple[Statement, ...], open_axes: tuple[str, ...]) -> None:
        nonlocal clock
        for s in body:
            clock += 1
            if isinstance(s, Load):
                loads.setdefault(s.buffer.name, []).append((clock, s, open_axes))
            elif isinstance(s, Store):
                stores.setdefault(s.buffer.name, []).append((clock, s, open_axes))
            elif isinstance(s, Loop):
                walk(s.body, (*open_axes, s.axis))

    walk(kernel.body, ())
    position = {b.name: p for p, b in enumerate(kernel.operands)}
    pairs = []
    for out in kernel.operands:
        if out.role != "out" or len(stores.get(out.name, ())) != 1 or out.name in loads:
            continue
        ((when, store, axes),) = stores[out.name]
        if store.guards or store.when or store.indirect:
            continue
        for other in kernel.operands:
            if other.role != "in" or other.dtype.itemsize != out.dtype.itemsize:
                continue
            if all(
                before < when
                and load.index == store.index
                and not (load.guards or load.when or load.indirect)
                and set(opened) <= set(axes)
                for before, load, opened in loads.get(other.name, ())
            ):
                pairs.append((position[out.name], position[other.name]))
    return tuple(pairs)
