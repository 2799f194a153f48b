"""Kernels that reduce in parts: columns, and few long rows.

    columns   one round over columns: an item adds a block of rows into a local array of sums
    split     few long rows: an item reduces a piece of a row

Where several items share a reduction each leaves a partial result, and `lower_loops` adds a kernel
that joins them.
"""

from __future__ import annotations

import math

from ..ir.graph import Node
from .kernel import Buffer, Index, Tiles
from .lower_draft import Draft, Piece
from .lower_map import tile_loop
from .lower_rows import (
    MERGED,
    PIECE,
    PORTION,
    PORTIONS,
    Left,
    Rounds,
    Tiled,
    cleared,
    combined,
    inner_order,
    know_result,
    left_over,
    reduced_value,
    store_kept,
)  # fmt: skip
from .schedule import COMBINES, FULL, Axis, Facts, linear, operand_of

COLUMNS = 1 << 13  # columns whose sums an item holds at once


def lower_columns(facts: Facts, draft: Draft, vector: Axis) -> tuple[Piece, list[Left]]:
    """One round of sums down the columns: an item adds rows into local arrays."""
    b = draft.builder
    places = {a.name: k for k, a in enumerate(facts.axes)}
    reduced = [a for a in facts.axes if a.reduced]
    inside = [
        a
        for a in facts.axes
        if not a.reduced and (a is vector or places[a.name] > places[reduced[-1].name])
    ]
    outside = [a for a in facts.axes if not a.reduced and a not in inside]
    while (
        len(inside) > 1 and math.prod(a.extent for a in inside) > PIECE and inside[0] is not vector
    ):
        outside.append(inside.pop(0))
    for axis in outside:
        draft.where[axis.name] = b.grid(axis.name, axis.extent)
    items = math.prod(a.extent for a in outside)
    width = min(vector.extent, COLUMNS)
    if width < vector.extent:
        draft.tiles[vector.name] = (b.grid(vector.name + "o", Tiles(vector.extent, width)), width)
        items *= -(-vector.extent // width)
    first = max(reduced, key=lambda a: a.extent)
    most = max(first.extent // MERGED, 1)
    parts = max(1, min(facts.full // PORTION // items, PORTIONS // items, most))
    height = -(-first.extent // parts)
    parts = -(-first.extent // height)
    block = b.grid(first.name + "o", Tiles(first.extent, height)) if parts > 1 else Index()
    if items == parts == 1 and not outside:
        b.grid("one", 1)
    local = [Axis(a.name, width if a is vector else a.extent) for a in inside]
    order = inner_order(inside, vector)
    sums = {n: cleared(draft, n, order, local) for n in facts.reductions}
    with tile_loop(draft, first, block, height, "serial"):
        with draft.loops([*(a for a in reduced if a is not first), *order], "vector"):
            _add_rows(facts, draft, sums, local)
    if parts == 1:
        with draft.loops(order, "vector"):
            for n in facts.reductions:
                know_result(facts, draft, n, b.load(sums[n], linear(local, False, draft.local)))
            store_kept(facts, draft)
        return draft.finish(facts.full // items, facts.full), []
    left = [left_over(n, parts) for n in facts.reductions]
    buffers = {x.reduction: draft.partial(x.partial, "out") for x in left}
    with draft.loops(order, "vector"):
        index = linear(local, False, draft.local)
        for n in facts.reductions:
            place = block * facts.kept + linear(facts.axes, True, draft.where)
            b.store(buffers[n], place, b.load(sums[n], index))
    return draft.finish(facts.full // items // parts, facts.full), left


def _add_rows(facts: Facts, draft: Draft, sums: dict[Node, Buffer], local: list[Axis]) -> None:
    b = draft.builder
    values = {}
    for node in facts.reductions:
        operand = operand_of(node)
        place = facts.full_position(draft.where)
        values[node] = reduced_value(draft, node, draft.elements.value(operand, place))
    stored = []
    for node in draft.outputs:
        if facts.place[node] == FULL:
            place = facts.full_position(draft.where)
            stored.append((node, draft.elements.value(node, place)))
    for node, value in stored:
        draft.store(node, linear(facts.axes, False, draft.where), value)
    index = linear(local, False, draft.local)
    for node, value in values.items():
        total = combined(draft, COMBINES[node.op.name], b.load(sums[node], index), value)
        b.store(sums[node], index, total)


# long rows -----------------------------------------------------------------------------------------


def lower_split(facts: Facts, draft: Draft, vector: Axis) -> tuple[Piece, list[Left]]:
    """Few long rows, one round: an item reduces a piece of a row."""
    b = draft.builder
    rows = [a for a in facts.axes if not a.reduced]
    reduced = inner_order([a for a in facts.axes if a.reduced], vector)
    first = reduced[0]
    rest = facts.full // facts.kept // first.extent
    width = max(1, PIECE // rest)
    if not rows and len(reduced) == 1:
        extent: int | str = draft.param("n", first.extent)
    else:
        extent = first.extent
    for axis in rows:
        draft.where[axis.name] = b.grid(axis.name, axis.extent)
    block = b.grid(first.name + "o", Tiles(extent, width))
    parts = -(-first.extent // width)
    left = [left_over(n, parts) for n in facts.reductions]
    buffers = {x.reduction: draft.partial(x.partial, "out") for x in left}
    rounds = Rounds(facts, draft, reduced, "vector", Tiled(first, block, width, extent))
    finals = rounds.once()
    place = block * facts.kept + linear(facts.axes, True, draft.where)
    for node, value in finals.items():
        b.store(buffers[node], place, value)
    return draft.finish(width * rest, facts.full), left
