"""Packing: copies of blocks of A and B in the order the micro-kernel reads them.

    A rows      destination[i][k], each row contiguous          (source contiguous along k, or apart)
    A panels    destination[panel][k][rows], one panel per tile   (source contiguous along m)
    B panels    destination[panel][k][columns], one per tile      (source contiguous along n or k, or apart)

B contiguous along k is transposed in registers, lanes x lanes at a time; a source without a contiguous
index goes element by element.

Destinations are padded to whole vectors; what lies in the padding is never stored as a result, so it
may be anything.  bf16 and f16 sources are widened to the tile's dtype.
"""

from __future__ import annotations

from ...errors import UnsupportedError
from ...ir.types import DType, bfloat16, float16, float32, int16
from ..llvm.printer_memory import Memory
from ..llvm.vector import Vec
from .emit import Function, Module, Value, vector
from .micro import Tile

# Which index of a source block is contiguous: k of A or n of B; m of A or k of B; none.
INNER, OUTER, APART = "inner", "outer", "apart"

STREAMS = 4  # rows of the source copied side by side, while the next ones are asked for


class Source:
    """Loads of one source dtype as vectors or scalars of the tile's dtype."""

    def __init__(self, f: Function, tile: Tile, dtype: DType):
        self.f, self.tile, self.dtype = f, tile, dtype
        self.size = dtype.itemsize
        if dtype is tile.dtype:
            self.element, self.suffix = tile.element, tile.dtype.short
        elif tile.dtype is float32 and (dtype is bfloat16 or dtype is float16):
            self.element, self.suffix = "i16", "i16"
        else:
            raise UnsupportedError(
                f"a product in {tile.dtype.short} cannot read {dtype.short} operands"
            )

    def _widen(self, value: str, lanes: int) -> str:
        if self.dtype is self.tile.dtype:
            return value
        with self.f.scalars(Memory) as s:
            assert isinstance(s, Memory)
            wide = s.from_storage(Vec(value, int16, lanes), self.dtype)
        return wide.text

    def vector(self, pointer: str, mask: str | None = None) -> str:
        lanes = self.tile.lanes
        type = vector(self.element, lanes)
        if mask is None:
            return self._widen(self.f.load(type, pointer, self.size), lanes)
        loaded = self.f.masked_load(type, lanes, f"v{lanes}{self.suffix}", pointer, mask)
        return self._widen(loaded, lanes)

    def scalar(self, pointer: str) -> str:
        return self._widen(self.f.load(self.element, pointer, self.size), 1)


def transposed(f: Function, tile: Tile, rows: list[str]) -> list[str]:
    """The lanes x lanes transpose of `rows` in registers: first inside 128 bits, then across."""
    lanes, element = tile.lanes, tile.element
    group = 16 // tile.size  # elements in 128 bits
    parts = lanes // group
    inside: list[list[str]] = []  # [row group][column within 128 bits]
    for g in range(parts):
        block = rows[g * group : (g + 1) * group]
        if group == 2:
            inside.append([_interleave(f, tile, block[0], block[1], half, 1) for half in (0, 1)])
            continue
        low = [_interleave(f, tile, block[i], block[i + 1], 0, 1) for i in (0, 2)]
        high = [_interleave(f, tile, block[i], block[i + 1], 1, 1) for i in (0, 2)]
        inside.append(
            [_interleave(f, tile, x[0], x[1], half, 2) for x in (low, high) for half in (0, 1)]
        )
    columns = []
    for part in range(parts):
        for q in range(group):
            pieces = [inside[g][q] for g in range(parts)]
            if parts == 1:
                columns.append(pieces[0])
                continue
            # Join the 128-bit pieces number `part` of all row groups, two by two.
            own = [part * group + i for i in range(group)]
            joined = [
                f.shuffle(element, lanes, pieces[g], pieces[g + 1], own + [lanes + i for i in own])
                for g in range(0, parts, 2)
            ]
            width = 2 * group
            while len(joined) > 1:
                joined = [
                    f.shuffle(element, width, joined[i], joined[i + 1], range(2 * width))
                    for i in range(0, len(joined), 2)
                ]
                width *= 2
            columns.append(joined[0])
    return columns


def _interleave(f: Function, tile: Tile, a: str, b: str, half: int, run: int) -> str:
    """Within every 128 bits alternate runs of `run` elements of the low or high half of a and b."""
    group = 16 // tile.size
    indices: list[int] = []
    for start in range(0, tile.lanes, group):
        first = start + half * group // 2
        for at in range(first, first + group // 2, run):
            indices += range(at, at + run)
            indices += range(tile.lanes + at, tile.lanes + at + run)
    return f.shuffle(tile.element, tile.lanes, a, b, indices)


def _emit_transpose(module: Module, tile: Tile, dtype: DType) -> str:
    """Define `transpose(source, step, rows, columns, destination)`: one panel of B; step in bytes.

    destination[c][r] = source[r][c], source rows contiguous, destination rows those of a panel.
    A missing row repeats the last one; columns are written up to a multiple of lanes.
    """
    name = "transpose"
    parameters = [
        ("ptr", "source"), ("i64", "step"), ("i64", "rows"), ("i64", "columns"), ("ptr", "destination"),
    ]  # fmt: skip
    lanes = tile.lanes
    with module.function(name, parameters, "noinline") as f:
        source = Source(f, tile, dtype)
        last = f.sub(f["rows"], 1)

        def line(c: str, mask: str | None) -> None:
            """All rows of `lanes` columns, so that whole cache lines are written."""
            to = f.at(f["destination"], c, tile.columns * tile.size)
            with f.loop(0, f["rows"], lanes) as r:
                loaded = []
                for i in range(lanes):
                    row = f.at(f["source"], f.mul(f.min(f.add(r, i), last), f["step"]), 1)
                    loaded.append(source.vector(f.at(row, c, source.size), mask))
                at = f.at(to, r, tile.size)
                for i, column in enumerate(transposed(f, tile, loaded)):
                    f.store(tile.vector, column, f.at(at, i * tile.columns, tile.size), tile.size)

        whole = f.mul(f.div(f["columns"], lanes), lanes)
        with f.loop(0, whole, lanes) as c:
            line(c, None)
        with f.when(f.compare("slt", whole, f["columns"])):
            line(str(whole), f.lane_mask(lanes, 0, f.sub(f["columns"], whole)))
    return name


def emit_pack_a(module: Module, tile: Tile, dtype: DType, kind: str) -> str:
    """Define `pack_a(a, m_step, k_step, m, k, destination, to_step)`: A for the micro-kernel.

    Steps in bytes.  `to_step` lies between rows, or between panels if `kind` is OUTER, and leaves room
    for one vector behind each.
    """
    name = "pack_a"
    parameters = [
        ("ptr", "a"), ("i64", "m_step"), ("i64", "k_step"), ("i64", "m"), ("i64", "k"),
        ("ptr", "destination"), ("i64", "to_step"),
    ]  # fmt: skip
    with module.function(name, parameters, "noinline") as f:
        source = Source(f, tile, dtype)
        if kind == OUTER:
            _panels_of_a(f, tile, source)
            return name
        with f.loop(0, f["m"]) as i:
            row = f.at(f["a"], f.mul(i, f["m_step"]), 1)
            to = f.at(f["destination"], f.mul(i, f["to_step"]), 1)
            whole: Value = 0
            if kind == INNER:
                whole = f.mul(f.div(f["k"], tile.lanes), tile.lanes)
                with f.loop(0, whole, tile.lanes) as k:
                    value = source.vector(f.at(row, k, source.size))
                    f.store(tile.vector, value, f.at(to, k, tile.size), tile.size)
            with f.loop(whole, f["k"]) as k:
                value = source.scalar(f.at(row, f.mul(k, f["k_step"]), 1))
                f.store(tile.element, value, f.at(to, k, tile.size), tile.size)
    return name


def _panels_of_a(f: Function, tile: Tile, source: Source) -> None:
    """destination[panel][k][rows]: whole vectors, whose tails the next k overwrites."""
    pieces = -(-tile.rows // tile.lanes)  # vectors that cover a panel's rows
    reach = pieces * tile.lanes
    line = tile.rows * tile.size
    # Panels from whose first row whole vectors can be read, then those that need a mask.
    plain = f.div(f.max(f.sub(f.add(f["m"], tile.rows), reach), 0), tile.rows)
    panels = f.ceil_div(f["m"], tile.rows)
    ahead = f.mul(f["k_step"], STREAMS)
    whole = f.mul(f.div(f["k"], STREAMS), STREAMS)
    for first_k, stop_k, count in ((0, whole, STREAMS), (whole, f["k"], 1)):
        with f.loop(first_k, stop_k, count) as k:
            rows = [f.at(f["a"], f.mul(k, f["k_step"]), 1)]
            for _ in range(1, count):
                rows.append(f.op("getelementptr i8, ptr", rows[-1], f"i64 {f['k_step']}"))
            to = f.at(f["destination"], k, line)
            for start, stop, masked in ((0, plain, False), (plain, panels, True)):
                with f.loop(start, stop) as panel:
                    i = f.mul(panel, tile.rows)
                    own = f.at(to, f.mul(panel, f["to_step"]), 1)
                    masks: list[str | None] = [None] * pieces
                    if masked:
                        left = f.sub(f["m"], i)
                        masks = [
                            f.lane_mask(tile.lanes, 0, f.sub(left, x * tile.lanes))
                            for x in range(pieces)
                        ]
                    for u, row in enumerate(rows):
                        at = f.at(row, i, source.size)
                        if not masked:
                            f.prefetch(f.at(at, ahead, 1))
                        for x, mask in enumerate(masks):
                            value = source.vector(f.at(at, x * tile.lanes, source.size), mask)
                            place = f.at(own, u * line + x * tile.lanes * tile.size, 1)
                            f.store(tile.vector, value, place, tile.size)


def emit_pack_b(module: Module, tile: Tile, dtype: DType, kind: str) -> str:
    """Define `pack_b_<kind>(b, k_step, n_step, k, n, destination, panel_step)`: panels of B.

    Steps in bytes; `panel_step` is at least k rounded up to lanes times the tile's row of bytes.
    """
    name = f"pack_b_{kind}"
    parameters = [
        ("ptr", "b"), ("i64", "k_step"), ("i64", "n_step"), ("i64", "k"), ("i64", "n"),
        ("ptr", "destination"), ("i64", "panel_step"),
    ]  # fmt: skip
    row_bytes = tile.columns * tile.size
    transpose = _emit_transpose(module, tile, dtype) if kind == OUTER else ""
    with module.function(name, parameters, "noinline") as f:
        source = Source(f, tile, dtype)
        panels = f.ceil_div(f["n"], tile.columns)

        def start(panel: str) -> tuple[str, Value]:
            """The panel's destination and how many of its columns exist."""
            left = f.sub(f["n"], f.mul(panel, tile.columns))
            return f.at(f["destination"], f.mul(panel, f["panel_step"]), 1), f.min(
                left, tile.columns
            )

        if kind == OUTER:
            with f.loop(0, panels) as panel:
                to, columns = start(panel)
                first = f.at(f["b"], f.mul(f.mul(panel, tile.columns), f["n_step"]), 1)
                f.call(
                    transpose, ("ptr", first), ("i64", f["n_step"]), ("i64", columns), ("i64", f["k"]),
                    ("ptr", to),
                )  # fmt: skip
        elif kind == INNER:
            _panels_of_b(f, tile, source)
        else:
            with f.loop(0, panels) as panel:
                to, columns = start(panel)
                first = f.at(f["b"], f.mul(f.mul(panel, tile.columns), f["n_step"]), 1)
                with f.loop(0, f["k"]) as k:
                    row = f.at(first, f.mul(k, f["k_step"]), 1)
                    line = f.at(to, k, row_bytes)
                    with f.loop(0, columns) as j:
                        value = source.scalar(f.at(row, f.mul(j, f["n_step"]), 1))
                        f.store(tile.element, value, f.at(line, j, tile.size), tile.size)
    return name


def _panels_of_b(f: Function, tile: Tile, source: Source) -> None:
    """destination[panel][k][columns], from rows that are contiguous along n."""
    whole = f.div(f["n"], tile.columns)
    edge = f.mul(whole, tile.columns)
    masks = [
        f.lane_mask(tile.lanes, 0, f.sub(f.sub(f["n"], edge), v * tile.lanes))
        for v in range(tile.vectors)
    ]
    row_bytes = tile.columns * tile.size
    ahead = f.mul(f["k_step"], STREAMS)

    def copy(rows: list[str], j: Value, to: str, masks: list[str | None]) -> None:
        for u, row in enumerate(rows):
            at = f.at(row, j, source.size)
            if masks[0] is None:
                f.prefetch(f.at(at, ahead, 1))
            for v, mask in enumerate(masks):
                value = source.vector(f.at(at, v * tile.lanes, source.size), mask)
                place = f.at(to, u * row_bytes + v * tile.lanes * tile.size, 1)
                f.store(tile.vector, value, place, tile.size)

    whole_k = f.mul(f.div(f["k"], STREAMS), STREAMS)
    for first_k, stop_k, count in ((0, whole_k, STREAMS), (whole_k, f["k"], 1)):
        with f.loop(first_k, stop_k, count) as k:
            rows = [f.at(f["b"], f.mul(k, f["k_step"]), 1)]
            for _ in range(1, count):
                rows.append(f.op("getelementptr i8, ptr", rows[-1], f"i64 {f['k_step']}"))
            to = f.at(f["destination"], k, row_bytes)
            with f.loop(0, whole) as panel:
                own = f.at(to, f.mul(panel, f["panel_step"]), 1)
                copy(rows, f.mul(panel, tile.columns), own, [None] * tile.vectors)
            with f.when(f.compare("slt", edge, f["n"])):
                copy(rows, edge, f.at(to, f.mul(whole, f["panel_step"]), 1), list(masks))
