"""Storing a tile: the fused scalar program, vector by vector, with masks at the edges.

The tile lies in memory that is still in the first-level cache.  Operands and results are addressed
by (row, column) from base pointers of their own; columns are contiguous (`unit`), repeated
(`zero`) or apart (`any`, lane by lane).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...ir.types import DType
from ..kernel import compute_dtype
from ..llvm.printer_index import stored
from ..llvm.printer_memory import Memory
from ..llvm.vector import Vec, llvm_type, suffix
from .describe import Epilogue
from .emit import Function, Module
from .micro import Tile


@dataclass(frozen=True, slots=True)
class Access:
    """How the epilogue reads or writes one operand or result."""

    dtype: DType
    column: Literal["unit", "zero", "any"]
    result: bool

    @property
    def unit(self) -> bool:
        return self.column == "unit"

    @property
    def key(self) -> str:
        return f"{'>' if self.result else '<'}{self.dtype.short}:{self.column}"


PARAMETERS = [
    ("ptr", "t"), ("i64", "t_step"), ("i64", "rows"), ("i64", "first"), ("i64", "stop"),
    ("i64", "i"), ("i64", "j"), ("ptr", "bases"), ("ptr", "params"),
]  # fmt: skip


def emit_epilogue(
    module: Module,
    tile: Tile,
    epilogue: Epilogue,
    accesses: Sequence[Access],
    row_params: Sequence[int],
) -> str:
    """Define `epilogue(t, t_step, rows, first, stop, i, j, bases, params)` and return its name.

    Stores columns [first, stop) of `rows` rows of the tile t; element (r, c) of the tile is element
    (i + r, j + c) of every operand and result.  params[row_params[x]] is access x's row stride in
    bytes, the next parameter its column stride.
    """
    name = "epilogue"
    with module.function(name, PARAMETERS, "noinline") as f:
        writer = _Writer(f, tile, epilogue, accesses, row_params)
        full = f.both(f.compare("eq", f["first"], 0), f.compare("eq", f["stop"], tile.columns))
        with f.otherwise(full) as else_:
            writer.rows([None] * tile.vectors)
            else_()
            writer.rows(
                [
                    f.lane_mask(
                        tile.lanes,
                        f.sub(f["first"], v * tile.lanes),
                        f.sub(f["stop"], v * tile.lanes),
                    )
                    for v in range(tile.vectors)
                ]
            )
    return name


class _Writer:
    """The body of one epilogue function."""

    def __init__(
        self,
        f: Function,
        tile: Tile,
        epilogue: Epilogue,
        accesses: Sequence[Access],
        row_params: Sequence[int],
    ):
        self.f, self.tile, self.epilogue, self.accesses = f, tile, epilogue, accesses
        self.bases: list[str] = []
        self.row_steps: list[str] = []
        self.column_steps: list[str] = []
        for x, at in enumerate(row_params):
            row = f.load("i64", f.at(f["params"], at, 8), 8)
            column = f.load("i64", f.at(f["params"], at + 1, 8), 8)
            base = f.load("ptr", f.at(f["bases"], x, 8), 8)
            base = f.at(base, f.mul(f["i"], row), 1)
            self.bases.append(f.at(base, f.mul(f["j"], column), 1))
            self.row_steps.append(row)
            self.column_steps.append(column)
        # Operands whose columns are apart come and go through a dense row.
        self.dense = {
            x: f.array(_stored(a.dtype), tile.columns)
            for x, a in enumerate(accesses)
            if a.column == "any"
        }

    def rows(self, masks: Sequence[str | None]) -> None:
        f = self.f
        with f.loop(0, f["rows"]) as r:
            t = f.at(f["t"], f.mul(r, f["t_step"]), 1)
            lines = [
                f.at(base, f.mul(r, step), 1)
                for base, step in zip(self.bases, self.row_steps, strict=True)
            ]
            for x, row in self.dense.items():
                if not self.accesses[x].result:
                    self._each_column(x, lines[x], row, gather=True)
            with f.scalars(Memory) as s:
                assert isinstance(s, Memory)
                for v, mask in enumerate(masks):
                    self._vector(s, t, lines, v, mask)
            for x, row in self.dense.items():
                if self.accesses[x].result:
                    self._each_column(x, lines[x], row, gather=False)

    def _each_column(self, x: int, line: str, row: str, gather: bool) -> None:
        f, type, size = self.f, _stored(self.accesses[x].dtype), self.accesses[x].dtype.itemsize
        with f.loop(f["first"], f["stop"]) as c:
            apart, dense = f.at(line, f.mul(c, self.column_steps[x]), 1), f.at(row, c, size)
            source, to = (apart, dense) if gather else (dense, apart)
            f.store(type, f.load(type, source, size), to, size)

    def _vector(self, s: Memory, t: str, lines: Sequence[str], v: int, mask: str | None) -> None:
        tile = self.tile
        at = v * tile.lanes
        accumulator = self._load(s, tile.dtype, t, at, None)
        arguments = []
        for x, access in enumerate(self.accesses):
            if access.result:
                continue
            if access.column == "zero":
                arguments.append(self._load_one(s, access.dtype, lines[x]))
            elif access.unit:
                arguments.append(self._load(s, access.dtype, lines[x], at, mask))
            else:
                arguments.append(self._load(s, access.dtype, self.dense[x], at, None))
        values = self.epilogue.body(s, accumulator, *arguments)
        results = [x for x, access in enumerate(self.accesses) if access.result]
        for x, value in zip(results, values, strict=True):
            access = self.accesses[x]
            value = value if isinstance(value, Vec) else s.const(value, compute_dtype(access.dtype))
            raw = s.splat(s.to_storage(value, access.dtype), tile.lanes)
            if access.unit:
                self._store(s, raw, lines[x], at, mask, access.dtype.itemsize)
            else:
                self._store(s, raw, self.dense[x], at, None, access.dtype.itemsize)

    # Addresses are plain text here: every pointer is known at this level.

    def _pointer(self, s: Memory, pointer: str, offset: int) -> str:
        if not offset:
            return pointer
        name = s.name()
        s.line(f"  {name} = getelementptr i8, ptr {pointer}, i64 {offset}")
        return name

    def _load_one(self, s: Memory, dtype: DType, pointer: str) -> Vec:
        name = s.name()
        s.line(f"  {name} = load {_stored(dtype)}, ptr {pointer}, align {dtype.itemsize}")
        return s.from_storage(Vec(name, stored(dtype)), dtype)

    def _load(self, s: Memory, dtype: DType, pointer: str, at: int, mask: str | None) -> Vec:
        lanes, raw = self.tile.lanes, stored(dtype)
        kind, bits = llvm_type(raw, lanes), f"<{lanes} x i1>"
        pointer, name = self._pointer(s, pointer, at * dtype.itemsize), s.name()
        if mask is None:
            s.line(f"  {name} = load {kind}, ptr {pointer}, align {dtype.itemsize}")
        else:
            intrinsic = f"llvm.masked.load.{suffix(raw, lanes)}.p0"
            s.text.declare(kind, intrinsic, ["ptr", "i32", bits, kind])
            s.line(
                f"  {name} = call {kind} @{intrinsic}(ptr {pointer}, i32 {dtype.itemsize},"
                f" {bits} {mask}, {kind} zeroinitializer)"
            )
        return s.from_storage(Vec(name, raw, lanes), dtype)

    def _store(
        self, s: Memory, raw: Vec, pointer: str, at: int, mask: str | None, size: int
    ) -> None:
        lanes = self.tile.lanes
        kind, bits = llvm_type(raw.dtype, lanes), f"<{lanes} x i1>"
        pointer = self._pointer(s, pointer, at * size)
        if mask is None:
            s.line(f"  store {kind} {raw.text}, ptr {pointer}, align {size}")
            return
        intrinsic = f"llvm.masked.store.{suffix(raw.dtype, lanes)}.p0"
        s.text.declare("void", intrinsic, [kind, "ptr", "i32", bits])
        s.line(
            f"  call void @{intrinsic}({kind} {raw.text}, ptr {pointer}, i32 {size}, {bits} {mask})"
        )


def _stored(dtype: DType) -> str:
    """LLVM's type of one stored element."""
    return llvm_type(stored(dtype))
