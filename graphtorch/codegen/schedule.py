"""What a fused body computes over which loops: facts that every template of `lower_loops` starts from.

    body -> Facts     the iteration space, its axes, and per node when and where it can be computed

A body walks one space (see `ir.passes.fuse_groups`, whose places are found again here from the body
alone).  Its row-major order is cut into axes, coarse at first; a walk over all elements with a
throw-away builder tells where an axis must be cut finer and with which stride every load and store
moves along every axis.

A *round* is one pass over the reduced axes: softmax needs three (maximum, sum, result).  A value's
round is the first one in which everything it needs is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ..errors import CompileError
from ..ir.graph import Graph, Node
from ..ir.passes.fuse_cores import REDUCTIONS
from ..ir.passes.fuse_groups import flipped
from ..ir.passes.fuse_index import Runs, reduced_runs
from .kernel import Buffer, Combine, Index, Load, compute_dtype, statements
from .kernel_builder import KernelBuilder
from .lower_position import CutAxis, Cutter, Digit, Position
from .lower_reads import Reads

COMBINES: dict[str, Combine] = {
    "sum": "add", "prod": "mul", "amax": "max", "amin": "min", "any": "or", "all": "and",
    "argmax": "argmax", "argmin": "argmin",
}  # fmt: skip

FULL, KEPT, TAIL = "full", "kept", "tail"


@dataclass(frozen=True, slots=True)
class Axis:
    """One loop over part of the space's row-major order."""

    name: str
    extent: int
    reduced: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """One load or store of the walk: elements moved per step of every axis."""

    node: Node  # the body's input, or the output stored
    index: Index
    direct: bool  # no condition and no looked-up index
    store: bool = False


@dataclass(slots=True)
class Facts:
    """See the module docstring."""

    body: Graph
    full: int  # elements of the space
    kept: int  # elements of its kept part
    axes: list[Axis] = field(default_factory=list)
    reductions: list[Node] = field(default_factory=list)  # over the reduced axes, results KEPT
    seconds: list[Node] = field(default_factory=list)  # over other stretches, results TAIL
    place: dict[Node, str] = field(default_factory=dict)
    round: dict[Node, int] = field(default_factory=dict)
    accesses: list[Access] = field(default_factory=list)

    @property
    def rounds(self) -> int:
        """Passes over the reduced axes (1 for a body without reductions)."""
        walked = [*self.reductions, *(n for n in self.seconds if self.place[operand_of(n)] == FULL)]
        wanted = [self.round[operand_of(n)] for n in walked]
        wanted += [self.round[n] for n in self.body.outputs if self.place[n] == FULL]
        return max(wanted, default=0) + 1

    def position(self, node: Node, where: dict[str, Index]) -> Position:
        """The node's element in its own place, axes being where `where` says."""
        return position_on(self.axes, self.place[node] != FULL, where)

    def full_position(self, where: dict[str, Index]) -> Position:
        """The element of a value that is walked over the whole space."""
        return position_on(self.axes, False, where)


def position_on(axes: list[Axis], kept_only: bool, where: dict[str, Index]) -> Position:
    """The element of a value that the axes point at."""
    return tuple(
        Digit(a.extent, where[a.name])
        for a in axes
        if not (kept_only and a.reduced) and a.extent != 1
    )


def is_reduction(node: Node) -> bool:
    """Whether a node needs a loop of its own."""
    if node.op.name not in REDUCTIONS:
        return False
    return node.operands[0].type.numel != node.type.numel  # type: ignore[union-attr]


def operand_of(reduction: Node) -> Node:
    return reduction.operands[0]


def runs_of(reduction: Node) -> Runs:
    """The reduced stretches of a reduction's own operand."""
    dims = reduction.attrs.get("dims")
    return reduced_runs(
        operand_of(reduction).shape, dims if dims is not None else (reduction.attrs["dim"],)
    )


def numel(node: Node) -> int:
    return node.type.numel  # type: ignore[union-attr]


# facts ---------------------------------------------------------------------------------------------


def analyse(body: Graph) -> Facts:
    """The facts of a body; raises CompileError if its nodes do not share one space."""
    reductions = [n for n in body.nodes if is_reduction(n)]
    if not reductions:
        full = max(numel(n) for n in body.outputs)
        facts = Facts(body, full, full, [Axis("i", full)])
    else:
        full = max(numel(operand_of(n)) for n in reductions)
        runs = _primary(reductions, full)
        kept = math.prod(n for n, reduced in runs if not reduced)
        axes = [
            Axis(("r" if reduced else "i") + str(k), n, reduced)
            for k, (n, reduced) in enumerate(runs)
        ]
        facts = Facts(body, full, kept, axes)
        for n in reductions:
            own = numel(operand_of(n)) == full and runs_of(n) == runs
            (facts.reductions if own else facts.seconds).append(n)
    _places(facts)
    return _with_accesses(facts)


def _primary(reductions: list[Node], full: int) -> Runs:
    """The stretches that the rows of the space are."""
    found = {runs_of(n): None for n in reductions if numel(operand_of(n)) == full}
    rows = [r for r in found if r[-1][1] and r != ((full, True),)]
    if len(found) > 1 and rows:
        others = [r for r in found if r not in (rows[0], flipped(rows[0]), ((full, True),))]
        if not others:
            return rows[0]
    if len(found) == 1:
        return next(iter(found))
    columns = [r for r in found if r != ((full, True),)]
    if len(found) == 2 and len(columns) == 1 and len(columns[0]) == 2:  # column sums and a total
        return flipped(columns[0])
    raise CompileError(f"a body reduces over unrelated axes: {list(found)}")


def _places(facts: Facts) -> None:
    seconds = set(facts.seconds)
    primary = set(facts.reductions)
    for node in (*facts.body.inputs, *facts.body.nodes):
        before = [x for x in node.operands]
        facts.round[node] = max([facts.round[x] for x in before], default=0) + (node in primary)
        if node in seconds or any(facts.place[x] == TAIL for x in before):
            facts.place[node] = TAIL
        elif node in primary or (facts.kept != facts.full and numel(node) == facts.kept):
            facts.place[node] = KEPT
        else:
            facts.place[node] = FULL
    for node in facts.body.outputs:
        if facts.place[node] == FULL and numel(node) != facts.full:
            raise CompileError(f"{node!r} of {facts.body.name} does not walk the body's space")


class _Walk(Reads):
    """Elements for the facts only: a reduction's result is any value."""

    def __init__(
        self, facts: Facts, builder: KernelBuilder, cutter: Cutter, buffers: dict[Node, Buffer]
    ):
        super().__init__(builder, cutter, buffers)
        self.of = {b.name: n for n, b in buffers.items()}
        self.pending = set(facts.reductions) | set(facts.seconds)

    def _value(self, node, position, conditions):  # type: ignore[no-untyped-def]
        if node in self.pending:
            return self.builder.fresh(node.op.name, compute_dtype(node.dtype))
        return super()._value(node, position, conditions)


def _with_accesses(facts: Facts) -> Facts:
    while True:
        try:
            return replace(facts, accesses=_walk(facts))
        except CutAxis as cut:
            place = next(k for k, a in enumerate(facts.axes) if a.name == cut.axis)
            axis = facts.axes[place]
            facts.axes[place : place + 1] = [
                Axis(axis.name + "a", axis.extent // cut.inner, axis.reduced),
                Axis(axis.name + "b", cut.inner, axis.reduced),
            ]


def _walk(facts: Facts) -> list[Access]:
    builder = KernelBuilder("walk")
    where = {a.name: builder.grid(a.name, a.extent) for a in facts.axes}
    cutter = Cutter(builder, {a.name: a.extent for a in facts.axes})
    buffers = {n: builder.input(n.name, n.dtype) for n in facts.body.inputs}
    elements = _Walk(facts, builder, cutter, buffers)
    stores = []
    for node in (*facts.reductions, *facts.seconds):
        operand = operand_of(node)
        kept = node in facts.seconds and facts.place[operand] == KEPT
        elements.value(operand, position_on(facts.axes, kept, where))
    for node in facts.body.outputs:
        if facts.place[node] != TAIL:
            position = facts.position(node, where)
            elements.value(node, position)
            stores.append(Access(node, _linear(facts, node, where), True, store=True))
    loads = [
        Access(elements.of[s.buffer.name], s.index, not (s.guards or s.when or s.indirect))
        for s in statements(builder.finish().body)
        if isinstance(s, Load)
    ]
    return [*loads, *stores]


def _linear(facts: Facts, node: Node, where: dict[str, Index]) -> Index:
    """The row-major number of a node's element in its own place."""
    return linear(facts.axes, facts.place[node] != FULL, where)


def linear(axes: list[Axis], kept_only: bool, where: dict[str, Index]) -> Index:
    """The row-major number of the element the axes point at."""
    index, step = Index(), 1
    for axis in reversed(axes):
        if kept_only and axis.reduced:
            continue
        index = index + where[axis.name] * step
        step *= axis.extent
    return index


# choices -------------------------------------------------------------------------------------------


def unit_votes(facts: Facts, candidates: list[Axis]) -> dict[str, int]:
    """How many elements are loaded and stored by accesses that move by one along each axis."""
    votes = {a.name: 0 for a in candidates}
    for access in facts.accesses:
        elements = facts.kept if facts.place[access.node] == KEPT else facts.full
        for axis in candidates:
            if abs(access.index.stride(axis.name).constant or 0) == 1:
                votes[axis.name] += elements * (2 if access.store else 1)
    return votes


def vector_axis(facts: Facts, candidates: list[Axis]) -> Axis:
    """The axis along which most accesses are contiguous; the innermost of the long ones in doubt."""
    votes = unit_votes(facts, candidates)

    def rank(place: int) -> tuple[int, int, int]:
        axis = candidates[place]
        return (votes[axis.name] * min(axis.extent, 8), min(axis.extent, 8), place)

    return candidates[max(range(len(candidates)), key=rank)]


def memo_cost(body: Graph, cost: Callable[[Node], int]) -> dict[Node, int]:
    """Operations it takes to compute each node again from the body's inputs (and known results)."""
    total: dict[Node, int] = {n: 0 for n in body.inputs}
    for node in body.nodes:
        below = 0 if is_reduction(node) else sum(total[x] for x in set(node.operands))
        total[node] = min(below + cost(node), 1 << 20)
    return total
