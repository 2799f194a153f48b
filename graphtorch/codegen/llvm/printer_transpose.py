"""Transposing stores of the CPU printer: blocks turned around in registers.

    serial p < 32:                       W iterations of p at once, W x W blocks:
      vector q < 32:                         load W rows
        x_at = x[2048*p + q]                 swap halves, quarters, ... between rows (log2 W rounds)
        tile[32*q + p] = x_at                store W columns, each contiguous along p

Without it every lane of such a store would be a store of its own.
"""

from __future__ import annotations

from ...ir.types import int64
from ..kernel import AxisValue, Compute, Index, Load, Loop, Store
from .printer_index import stored
from .printer_loops import Loops
from .printer_plan import lanes_for
from .vector_text import Vec, llvm_type


class Transposes(Loops):
    """Adds blocks of transposing stores to serial loops."""

    def serial_loop(self, loop: Loop) -> None:
        inner = loop.body[0] if len(loop.body) == 1 else None
        if isinstance(inner, Loop) and not self.axis:
            lanes = lanes_for(inner, self.target.vector_bits)
            if transposes(loop, inner, lanes):
                self._blocks_of(loop, inner, lanes)
                return
        super().serial_loop(loop)

    def _blocks_of(self, loop: Loop, inner: Loop, lanes: int) -> None:
        def columns(start: Vec, none: list[Vec]) -> list[Vec]:
            def block(at: Vec, none: list[Vec]) -> list[Vec]:
                self.axis, self.lanes, self.copies = inner.axis, lanes, 1
                self.symbols[inner.axis] = at
                self._block(loop, inner, start)
                self.axis, self.lanes = "", 1
                return none

            return self.counted(Vec("0", int64), self.extent(inner.extent), lanes, none, block)

        known = dict(self.values)
        self.counted(Vec("0", int64), self.extent(loop.extent), lanes, [], columns)
        self.values = known
        del self.symbols[loop.axis], self.symbols[inner.axis]

    def _block(self, loop: Loop, inner: Loop, start: Vec) -> None:
        """W rows: statements of each row, then its turned stores together."""
        rows: dict[int, list[Vec]] = {}
        for row in range(self.lanes):
            self.symbols[loop.axis] = self.add(start, row) if row else start
            for number, statement in enumerate(inner.body):
                if isinstance(statement, Store) and _turned(statement, loop.axis, inner.axis):
                    value = self.splat(self.operand(statement.value)[0], self.lanes)
                    raw = self.to_storage(value, statement.buffer.dtype)
                    rows.setdefault(number, []).append(raw)
                else:
                    self.block((statement,))
        self.symbols[loop.axis] = start
        for number, vectors in rows.items():
            store = inner.body[number]
            assert isinstance(store, Store)
            dtype, kind = stored(store.buffer.dtype), llvm_type(vectors[0].dtype, self.lanes)
            address = self.pointer(store.buffer, store.index)
            step = self.scalar(store.index.stride(inner.axis))
            for lane, column in enumerate(self._transposed(vectors)):
                place = (
                    self.offset(address, self.mul(step, lane), llvm_type(dtype))
                    if lane
                    else address
                )
                align = store.buffer.dtype.itemsize
                self.line(f"  store {kind} {column.text}, ptr {place.text}, align {align}")

    def _transposed(self, rows: list[Vec]) -> list[Vec]:
        step = len(rows) // 2
        while step:
            for i in range(len(rows)):
                if not i & step:
                    a, b = rows[i], rows[i | step]
                    rows[i] = self._mixed(a, b, step, 0)
                    rows[i | step] = self._mixed(a, b, step, step)
            step //= 2
        return rows

    def _mixed(self, a: Vec, b: Vec, step: int, start: int) -> Vec:
        """Every other group of `step` lanes, from a and b in turn, the first from lane `start`."""
        kind = llvm_type(a.dtype, a.lanes)
        lanes = [
            (i - i % (2 * step)) + i % step + start + (a.lanes if i & step else 0)
            for i in range(a.lanes)
        ]
        order = ", ".join(f"i32 {i}" for i in lanes)
        text = f"shufflevector {kind} {a.text}, {kind} {b.text}, <{a.lanes} x i32> <{order}>"
        return self.pure(a.dtype, a.lanes, (a, b), text)


def transposes(loop: Loop, inner: Loop, lanes: int) -> bool:
    """Whether the two loops have whole blocks and a store that runs along the outer one."""
    if inner.kind != "vector" or inner.reductions or loop.reductions or loop.carries:
        return False
    if not (isinstance(loop.extent, int) and isinstance(inner.extent, int)):
        return False
    if loop.extent % lanes or inner.extent % lanes or not loop.extent * inner.extent:
        return False
    if not all(isinstance(s, (Load, Compute, AxisValue, Store)) for s in inner.body):
        return False
    turned = [s for s in inner.body if isinstance(s, Store) and _turned(s, loop.axis, inner.axis)]
    written = {s.buffer for s in inner.body if isinstance(s, Store)}
    read = {s.buffer for s in inner.body if isinstance(s, Load)}
    return bool(turned) and not read & written


def _turned(s: Store, outer: str, inner: str) -> bool:
    if s.guards or s.when is not None or s.indirect or s.accumulate:
        return False
    step = s.index.stride(inner)
    return s.index.stride(outer) == Index.of(1) and step.constant not in (0, 1, -1)
