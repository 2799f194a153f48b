"""Kernels that reduce rows.

    rows      one work item per row, a loop per round over the reduced axes; with reductions over the
              other axes too: one item per block of rows, which leaves its sums in a partial array
    lanes     the same with rows side by side in the lanes of a vector (column softmax, short rows)

Columns and few long rows are in `lower_columns`.  How many items share a reduction depends on sizes
only, so results do not depend on threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ..errors import CompileError
from ..ir.graph import Node
from ..ir.types import TensorType, bool_
from .kernel import Buffer, Combine, Index, Operand, Tiles, compute_dtype
from .kernel_builder import LoopBuilder
from .lower_draft import Draft, Partial, Piece
from .lower_map import tile_loop
from .schedule import COMBINES, FULL, KEPT, Axis, Facts, linear, numel, operand_of

PIECE = 1 << 14  # elements of a long row that one work item reduces
PORTION = 1 << 15  # elements a block of rows should have
PORTIONS = 64  # blocks of rows at most: each leaves a partial array
MERGED = 8  # rows at least that a block adds up before it stores their sums


@dataclass(frozen=True, slots=True)
class Left:
    """What a piece leaves for `finish`: the partial array and how many results it holds each."""

    reduction: Node
    partial: Partial
    count: int


def reduced_value(draft: Draft, reduction: Node, value: Operand) -> Operand:
    """A reduction's contribution: for any and all its truth."""
    b = draft.builder
    if reduction.op.name in ("any", "all") and value.dtype is not bool_:
        truth: Operand = b.not_equal(value, b.const(0, value.dtype))
        return truth
    return value


def combined(draft: Draft, combine: Combine, a: Operand, b: Operand) -> Operand:
    """Two accumulators joined by scalar operations."""
    s = draft.builder
    join: dict[str, Callable[[Operand, Operand], Operand]] = {
        "add": s.add, "mul": s.mul, "max": s.max, "min": s.min, "and": s.logical_and, "or": s.logical_or,
    }  # fmt: skip
    return join[combine](a, b)


def identity_of(draft: Draft, combine: Combine, dtype: object) -> Operand:
    """The accumulator of no elements."""
    import numpy as np

    from .kernel_interpret import identity

    assert hasattr(dtype, "numpy")
    simple = {"add": 0, "mul": 1, "or": False, "and": True}
    value = (
        simple[combine] if combine in simple else identity(combine, np.dtype(dtype.numpy)).item()
    )
    constant: Operand = draft.builder.const(value, dtype)  # type: ignore[arg-type]
    return constant


@dataclass(frozen=True, slots=True)
class Tiled:
    """An axis of which a work item walks one part; `extent` may be a runtime parameter."""

    axis: Axis
    part: Index
    width: int
    extent: int | str


class Rounds:
    """The rounds of a row: loops over the reduced axes and what each does.

    axes: the reduced axes in loop order, the innermost last; kind: of the innermost loop.
    """

    def __init__(
        self, facts: Facts, draft: Draft, axes: Sequence[Axis], kind: str,
        tiled: Tiled | None = None,
    ):  # fmt: skip
        self.facts, self.draft, self.axes, self.kind, self.tiled = facts, draft, axes, kind, tiled
        self.columns: dict[Node, Buffer] = {}  # sums over rows, one for every element of a row
        self.totals: dict[Node, Operand] = {}  # this row's share of a sum over everything
        self.lanes: tuple[Index, int] | None = None  # the row's lane, where rows lie side by side

    def run(self) -> None:
        """Emit all rounds; afterwards the reductions' results are known to the draft's elements."""
        facts = self.facts
        for number in range(facts.rounds):
            self.draft.elements.round = number
            reductions = [n for n in facts.reductions if facts.round[operand_of(n)] == number]
            walked = [n for n in facts.seconds if facts.place[operand_of(n)] == FULL]
            seconds = [n for n in walked if facts.round[operand_of(n)] == number]
            outputs = [n for n in self.draft.outputs if facts.place[n] == FULL]
            outputs = [n for n in outputs if facts.round[n] == number]
            if not (reductions or seconds or outputs):
                continue
            finals = self._nest(list(self.axes), partial(self._body, reductions, seconds, outputs))
            for node, value in finals.items():
                if node in facts.seconds:
                    self.totals[node] = value
                else:
                    know_result(facts, self.draft, node, value)

    def once(self) -> dict[Node, Operand]:
        """Emit the only round; returns the reductions' results."""
        outputs = [n for n in self.draft.outputs if self.facts.place[n] == FULL]
        return self._nest(list(self.axes), lambda: self._body(self.facts.reductions, [], outputs))

    def _nest(
        self, axes: list[Axis], body: Callable[[], dict[Node, Operand]]
    ) -> dict[Node, Operand]:
        """Loops over axes around a body; what it returns, reduced over all of them."""
        if not axes:
            return body()
        axis, *rest = axes
        kind = "serial" if rest else self.kind
        tiled = self.tiled
        if tiled is not None and tiled.axis is axis:
            opened = tile_loop(self.draft, axis, tiled.part, tiled.width, kind, tiled.extent)
        else:
            opened = whole_loop(self.draft, axis, kind)
        with opened as loop:
            made = self._nest(rest, body)
            finals: dict[Node, Operand] = {}
            for node, value in made.items():
                combine = COMBINES[node.op.name]
                if combine in ("argmax", "argmin") and len(self.axes) > 1:
                    raise CompileError(f"{node.op.name} over an axis that other nodes cut in two")
                finals[node] = loop.reduce(combine, value, node.name)
        return finals

    def _body(
        self, reductions: list[Node], seconds: list[Node], outputs: list[Node]
    ) -> dict[Node, Operand]:
        """One element of a round: returns the contributions to reduce over the loops."""
        draft, facts, elements = self.draft, self.facts, self.draft.elements
        elements.row_place = self._row_place
        values = {}
        for node in (*reductions, *seconds):
            operand = operand_of(node)
            place = facts.full_position(draft.where)
            values[node] = reduced_value(draft, node, elements.value(operand, place))
        stored = []
        for node in outputs:
            place = facts.full_position(draft.where)
            stored.append((node, elements.value(node, place)))
        elements.row_place = None
        index = linear(facts.axes, False, draft.where)
        for node, value in stored:
            draft.store(node, index, value)
        for node in seconds:
            if node in self.columns:
                self._add_column(node, values.pop(node))
        return values

    def _row_place(self) -> tuple[Index, int]:
        """Where an element of the row lies in a row buffer, and the buffer's size."""
        index = linear(list(self.axes), False, self.draft.where)
        size = math.prod(a.extent for a in self.axes)
        if self.lanes is not None:
            return index * self.lanes[1] + self.lanes[0], size * self.lanes[1]
        return index, size

    def _add_column(self, node: Node, value: Operand) -> None:
        row = [a for a in self.facts.axes if a.reduced]
        index, buffer, b = (
            linear(row, False, self.draft.where),
            self.columns[node],
            self.draft.builder,
        )
        total = combined(self.draft, COMBINES[node.op.name], b.load(buffer, index), value)
        b.store(buffer, index, total)


@contextmanager
def whole_loop(draft: Draft, axis: Axis, kind: str) -> Iterator[LoopBuilder]:
    """A loop over all of an axis."""
    with draft.elements.loop(axis.name, axis.extent, kind) as loop:
        draft.where[axis.name] = loop.index
        yield loop


def know_result(facts: Facts, draft: Draft, node: Node, value: Operand) -> None:
    """A reduction's result is known at the row's position."""
    draft.elements.know(node, facts.position(node, draft.where), value)


def store_kept(facts: Facts, draft: Draft) -> None:
    """Compute and store the results that there is one of per row."""
    made = []
    for node in draft.outputs:
        if facts.place[node] == KEPT:
            place = facts.position(node, draft.where)
            made.append((node, draft.elements.value(node, place)))
    for node, value in made:
        draft.store(node, linear(facts.axes, True, draft.where), value)


def inner_order(axes: Sequence[Axis], last: Axis) -> list[Axis]:
    """Loop order with one axis innermost."""
    return [*(a for a in axes if a is not last), last]


# rows ----------------------------------------------------------------------------------------------


def lower_rows(facts: Facts, draft: Draft, vector: Axis) -> Piece:
    """One work item per row; the reductions' axes inside."""
    rows = [a for a in facts.axes if not a.reduced]
    for axis in rows:
        draft.where[axis.name] = draft.builder.grid(axis.name, axis.extent)
    if not rows:
        draft.builder.grid("one", 1)
    reduced = inner_order([a for a in facts.axes if a.reduced], vector)
    Rounds(facts, draft, reduced, "vector").run()
    store_kept(facts, draft)
    return draft.finish(facts.full // facts.kept, facts.full)


def lower_row_blocks(facts: Facts, draft: Draft, vector: Axis) -> tuple[Piece, list[Left]]:
    """Rows and reductions over all rows: an item walks a block of rows and leaves partial results."""
    b = draft.builder
    rows = [a for a in facts.axes if not a.reduced]
    reduced = [a for a in facts.axes if a.reduced]
    length = facts.full // facts.kept
    *outer, last = rows
    height = max(-(-PORTION // length), -(-facts.kept // PORTIONS), 1)
    if any(numel(n) > 1 for n in facts.seconds):
        height = max(height, MERGED)  # rows whose sums are added before they are stored
    height = min(height, last.extent)
    for axis in outer:
        draft.where[axis.name] = b.grid(axis.name, axis.extent)
    block = b.grid(last.name + "o", Tiles(last.extent, height))
    blocks = -(-last.extent // height)
    item = linear([*outer, Axis("block", blocks)], False, {**draft.where, "block": block})
    count = math.prod(a.extent for a in outer) * blocks
    left = [left_over(n, count) for n in facts.seconds]
    buffers = {x.reduction: draft.partial(x.partial, "out") for x in left}

    rounds = Rounds(facts, draft, inner_order(reduced, vector), "vector")
    for x in left:
        if numel(x.reduction) > 1:
            rounds.columns[x.reduction] = cleared(
                draft, x.reduction, inner_order(reduced, vector), reduced
            )
    with tile_loop(draft, last, block, height, "serial") as loop:
        rounds.run()
        store_kept(facts, draft)
        totals = dict(rounds.totals)
        for node in facts.seconds:
            operand = operand_of(node)
            if facts.place[operand] == KEPT:
                place = facts.position(operand, draft.where)
                totals[node] = reduced_value(draft, node, draft.elements.value(operand, place))
        finals = {n: loop.reduce(COMBINES[n.op.name], v, n.name) for n, v in totals.items()}
    for node, value in finals.items():
        b.store(buffers[node], item, value)
    columns = [x for x in left if x.reduction in rounds.columns]
    if columns:
        with draft.loops(inner_order(reduced, vector), "vector"):
            index = linear(reduced, False, draft.where)
            for x in columns:
                value = b.load(rounds.columns[x.reduction], index)
                b.store(buffers[x.reduction], item * length + index, value)
    return draft.finish(length * height, facts.full), left


def left_over(node: Node, count: int) -> Left:
    shape = (count, *node.shape)
    return Left(
        node, Partial(f"{node.name}_parts", TensorType(compute_dtype(node.dtype), shape)), count
    )


def cleared(draft: Draft, node: Node, order: Sequence[Axis], axes: list[Axis]) -> Buffer:
    """A local array of accumulators over axes, set to the combination of nothing."""
    dtype = compute_dtype(node.dtype)
    size = math.prod(a.extent for a in axes)
    buffer = draft.builder.temp(f"{node.name}_sums", dtype, size)
    with draft.loops(order, "vector"):
        start = identity_of(draft, COMBINES[node.op.name], dtype)
        draft.builder.store(buffer, linear(axes, False, draft.local), start)
    return buffer


# lanes ---------------------------------------------------------------------------------------------


def lower_lanes(facts: Facts, draft: Draft, vector: Axis) -> Piece:
    """Rows side by side: a vector loop over rows, inside it serial loops over the reduced axes."""
    length = facts.full // facts.kept
    width = min(max(PIECE // length // 16 * 16, 16), vector.extent)
    for axis in facts.axes:
        if not axis.reduced and axis is not vector:
            draft.where[axis.name] = draft.builder.grid(axis.name, axis.extent)
    block = draft.builder.grid(vector.name + "o", Tiles(vector.extent, width))
    reduced = [a for a in facts.axes if a.reduced]
    with tile_loop(draft, vector, block, width, "vector") as loop:
        rounds = Rounds(facts, draft, reduced, "serial")
        rounds.lanes = (loop.index, width)
        rounds.run()
        store_kept(facts, draft)
    return draft.finish(length * width, facts.full)
