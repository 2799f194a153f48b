"""Kernels without reductions: every work item computes a block of the results' elements.

flat      one axis: blocks of a runtime number of elements; one kernel serves all sizes
nested    several axes: the innermost ones inside the work item, the contiguous one vectorised
tiled     some operand is contiguous along another axis than the results: square tiles, through
          a small local array that is filled along the operand's axis and read along the results'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from ..ir.graph import Node
from .kernel import Buffer, Index, Operand, Tiles
from .kernel_builder import LoopBuilder
from .lower_draft import Draft, Piece
from .schedule import Access, Axis, Facts, linear, vector_axis

BLOCK = 4096  # elements of a flat work item
ITEM = 2048  # elements a nested work item should have at least
TILE = 32  # edge of a tile
SHORT = 8  # iterations below which an axis is not worth vectors or tiles

Prepare = Callable[[Draft], None]  # runs before any loop is opened


def lower_map(facts: Facts, draft: Draft, prepare: Prepare | None = None, weight: int = 1) -> Piece:
    """The kernel; `weight` is how many elements are read for one that is written."""
    if prepare is not None:
        prepare(draft)
    if len(facts.axes) == 1:
        return _flat(facts, draft, max(64, BLOCK // weight // 64 * 64))
    vector = vector_axis(facts, facts.axes)
    crossing = _crossing(facts, vector)
    if crossing is not None and weight == 1:
        return _tiled(facts, draft, vector, *crossing)
    return _nested(facts, draft, vector, weight)


def _flat(facts: Facts, draft: Draft, block: int) -> Piece:
    (axis,) = facts.axes
    if axis.extent == 1:
        draft.where[axis.name] = Index()
        _results(facts, draft)
        return draft.finish(1, 1)
    n = draft.param("n", axis.extent)
    builder = draft.builder
    outer = builder.grid(axis.name + "o", Tiles(n, block))
    with draft.elements.loop(axis.name, builder.tiled(outer, block, n), "vector") as loop:
        draft.where[axis.name] = outer * block + loop.index
        _results(facts, draft)
    return draft.finish(min(block, axis.extent), facts.full)


def _nested(facts: Facts, draft: Draft, vector: Axis, weight: int) -> Piece:
    builder = draft.builder
    inside: list[Axis] = []
    size, wanted = vector.extent, max(ITEM // weight, 64)
    others = [a for a in facts.axes if a is not vector]
    tile: tuple[Axis, int] | None = None
    if size > 4 * BLOCK:
        tile, size = (vector, BLOCK), BLOCK
    while others and size < wanted and tile is None:
        axis = others.pop()
        if size * axis.extent <= 2 * wanted:
            inside.insert(0, axis)
            size *= axis.extent
        else:
            width = min(-(-wanted // size), axis.extent)
            tile, size = (axis, width), size * width
            others.append(axis)
    for axis in others:
        if tile is None or axis is not tile[0]:
            draft.where[axis.name] = builder.grid(axis.name, axis.extent)
    if tile is not None:
        axis, width = tile
        outer = builder.grid(axis.name + "o", Tiles(axis.extent, width))
        with tile_loop(draft, axis, outer, width, "vector" if axis is vector else "serial"):
            rest = [*inside, *([] if axis is vector else [vector])]
            with draft.loops(rest, "vector"):
                _results(facts, draft)
    else:
        with draft.loops([*inside, vector], "vector"):
            _results(facts, draft)
    return draft.finish(size * weight, facts.full * weight)


@contextmanager
def tile_loop(
    draft: Draft, axis: Axis, outer: Index, width: int, kind: str, extent: int | str | None = None
) -> Iterator[LoopBuilder]:
    """The inner loop of a tiled axis, `outer` the tile's number."""
    total = axis.extent if extent is None else extent
    whole = not outer.terms and width == total
    inner = width if whole else draft.builder.tiled(outer, width, total)
    with draft.elements.loop(axis.name, inner, kind) as loop:
        draft.where[axis.name] = outer * width + loop.index
        yield loop


def _results(facts: Facts, draft: Draft) -> None:
    """Compute all results at the axes' position, then store them."""
    made: list[tuple[Node, Operand]] = []
    for node in draft.outputs:
        position = facts.full_position(draft.where)
        made.append((node, draft.elements.value(node, position)))
    index = linear(facts.axes, False, draft.where)
    for node, value in made:
        draft.store(node, index, value)


# tiles ---------------------------------------------------------------------------------------------


def _crossing(facts: Facts, vector: Axis) -> tuple[Axis, list[Access]] | None:
    """The axis along which some operands are contiguous, if it is not the results' own."""
    if vector.extent < SHORT or not any(
        a.store and a.index.stride(vector.name).constant == 1 for a in facts.accesses
    ):
        return None
    found: dict[str, list[Access]] = {}
    for access in facts.accesses:
        if (
            access.store
            or not access.direct
            or abs(access.index.stride(vector.name).constant or 0) <= 1
        ):
            continue
        for axis in facts.axes:
            if axis.extent >= SHORT and abs(access.index.stride(axis.name).constant or 0) == 1:
                found.setdefault(axis.name, []).append(access)
    if not found:
        return None
    name = max(found, key=lambda n: len(found[n]))
    return next(a for a in facts.axes if a.name == name), found[name]


def _tiled(
    facts: Facts, draft: Draft, vector: Axis, crossing: Axis, accesses: Sequence[Access]
) -> Piece:
    builder = draft.builder
    for axis in facts.axes:
        if axis not in (vector, crossing):
            draft.where[axis.name] = builder.grid(axis.name, axis.extent)
    rows = builder.grid(crossing.name + "o", Tiles(crossing.extent, TILE))
    columns = builder.grid(vector.name + "o", Tiles(vector.extent, TILE))
    staged: list[tuple[Access, Buffer]] = []
    for access in accesses:
        node = access.node
        buffer = builder.temp(f"{node.name}_tile", node.dtype, TILE * TILE)
        staged.append((access, buffer))
    with tile_loop(draft, vector, columns, TILE, "serial") as column:
        with tile_loop(draft, crossing, rows, TILE, "vector") as row:
            for access, buffer in staged:
                index = substituted(access.index, draft.where)
                value = builder.load(draft.elements.buffers[access.node], index)
                builder.store(buffer, row.index * TILE + column.index, value)
    with tile_loop(draft, crossing, rows, TILE, "serial") as row:
        with tile_loop(draft, vector, columns, TILE, "vector") as column:
            place = row.index * TILE + column.index
            for access, buffer in staged:
                key = (access.node, substituted(access.index, draft.where))
                draft.elements.staged[key] = lambda buffer=buffer: builder.load(buffer, place)  # type: ignore[misc]
            _results(facts, draft)
    return draft.finish(TILE * TILE, facts.full)


def substituted(index: Index, where: dict[str, Index]) -> Index:
    """An index over axes, with every axis replaced by what `where` says."""
    total = Index()
    for symbols, coefficient in index.terms:
        term = Index.of(coefficient)
        for symbol in symbols:
            term = term * where.get(symbol, Index.of(symbol))
        total = total + term
    return total
