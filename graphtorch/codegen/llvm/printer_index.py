"""Indices of the CPU printer: their values, which lanes may access, and where.

`Places` knows the axes, parameters and values of the kernel being printed.  A value is one `Vec` if
it is uniform, else one per copy of the open vector loop.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.types import DType, bool_, int16, int32, int64, uint8
from ..kernel import Buffer, Const, Guard, Index, Indirect, Operand, Size, Value
from .vector import Lanes
from .vector_text import Text, Vec, literal, llvm_type

_STORED = {"bool": uint8, "bf16": int16, "f16": int16}


def stored(dtype: DType) -> DType:
    """The register dtype that has a storage dtype's bytes."""
    return _STORED.get(dtype.short, dtype)


class Places(Lanes):
    """Adds to the instructions: symbols and values of the kernel, indices, masks and addresses."""

    def __init__(self, text: Text):
        super().__init__(text)
        self.pointers: dict[str, str] = {}
        self.symbols: dict[str, Vec] = {}  # axes and parameters, i64 scalars
        self.values: dict[str, list[Vec]] = {}  # one Vec (uniform), or one per copy
        self.axis = ""  # of the open vector loop
        self.lanes = 1
        self.copies = 1
        self.mask: Vec | None = None  # of the remainder: which lanes exist
        self.allocations: list[str] = []  # of the function's own stack
        self.streamed = False  # whether some store goes past the cache

    def size(self, size: Size) -> Vec:
        raise NotImplementedError

    # values --------------------------------------------------------------------------------------

    def operand(self, x: Operand) -> list[Vec]:
        if isinstance(x, Const):
            return [Vec(literal(x.value, x.dtype), x.dtype)]
        return self.values[x.name]

    def columns(self, *xs: Operand) -> list[list[Vec]]:
        """The operands of each copy: as many rows as the widest operand has copies."""
        slots = [self.operand(x) for x in xs]
        count = max(len(slot) for slot in slots)
        return [[slot[u if len(slot) > 1 else 0] for slot in slots] for u in range(count)]

    def varying(self, x: Operand) -> bool:
        return self.operand(x)[0].lanes > 1

    def scalar(self, index: Index) -> Vec:
        """The value of an index at lane 0 of copy 0."""
        parts: dict[int, Vec] = {}
        for symbols, coefficient in index.terms:
            term = Vec(str(coefficient), int64)
            for symbol in sorted(symbols, key=lambda s: self.symbols[s].level):
                factor = self.symbols[symbol]
                term = factor if term.text == "1" else self.mul(factor, term)
            found = parts.get(term.level)
            parts[term.level] = term if found is None else self.add(found, term)
        total: Vec | None = None
        for level in sorted(parts):
            total = parts[level] if total is None else self.add(total, parts[level])
        return total or Vec("0", int64)

    def positions(self, index: Index) -> list[Vec]:
        """The value of an index in every lane."""
        stride = index.stride(self.axis) if self.axis else Index()
        start = self.scalar(index)
        if not stride.terms:
            return [start]
        step = self.scalar(stride)
        if step.literal:
            offsets = [
                Vec(self.sequence(u * self.lanes, int(step.text), int64), int64, self.lanes)
                for u in range(self.copies)
            ]
        else:
            offsets = [
                self.mul(Vec(self.sequence(u * self.lanes, 1, int64), int64, self.lanes), step)
                for u in range(self.copies)
            ]
        return [self.add(start, offset) for offset in offsets]

    def sequence(self, start: int, step: int, dtype: DType) -> str:
        """The literal <start*step, (start+1)*step, ...>."""
        kind = llvm_type(dtype)
        return f"<{', '.join(f'{kind} {(start + i) * step}' for i in range(self.lanes))}>"

    # masks ---------------------------------------------------------------------------------------

    def conditions(self, guards: tuple[Guard, ...], when: Value | None) -> list[list[Vec]]:
        """Per copy the conditions to fulfil: uniform ones (scalars) and per lane."""
        slots: list[list[Vec]] = [self.inside(g) for g in guards]
        if when is not None:
            slots.append(self.values[when.name])
        return [
            [slot[u if len(slot) > 1 else 0] for slot in slots]  #
            for u in range(max((len(s) for s in slots), default=1))
        ]

    def inside(self, guard: Guard) -> list[Vec]:
        """lower <= index < upper, in every lane of every copy."""
        stride = guard.index.stride(self.axis) if self.axis else Index()
        start = self.scalar(guard.index)
        lower = None if guard.lower is None else self.scalar(guard.lower)
        upper = None if guard.upper is None else self.scalar(guard.upper)
        if not stride.terms:
            return [self._between(start, lower, upper)]
        if stride.constant == 1:  # lanes [lower - start, upper - start), clamped to what i32 holds
            bound = self.lanes * self.copies
            first = None if lower is None else self._clamped(self.sub(lower, start), bound)
            last = None if upper is None else self._clamped(self.sub(upper, start), bound)
            lanes = [
                Vec(self.sequence(u * self.lanes, 1, int32), int32, self.lanes)
                for u in range(self.copies)
            ]
            return [self._between(lane, first, last) for lane in lanes]
        return [self._between(at, lower, upper) for at in self.positions(guard.index)]

    def _clamped(self, x: Vec, bound: int) -> Vec:
        x = self.intrinsic("smin", int64, x, Vec(str(bound), int64))
        return self.cast(self.intrinsic("smax", int64, x, Vec("0", int64)), int32)

    def _between(self, x: Vec, lower: Vec | None, upper: Vec | None) -> Vec:
        parts = []
        if lower is not None:
            parts.append(self.less_equal(lower, x))
        if upper is not None:
            parts.append(self.less(x, upper))
        return self._all(parts) or Vec("true", bool_)

    def _all(self, parts: Sequence[Vec]) -> Vec | None:
        total: Vec | None = None
        for part in sorted(parts, key=lambda p: (p.lanes, p.level)):
            if part.text != "true":
                total = part if total is None else self.logical_and(total, part)
        return total

    # addresses -----------------------------------------------------------------------------------

    def pointer(self, buffer: Buffer, index: Index, extra: Sequence[Vec] = ()) -> Vec:
        """Address of buffer[index + extra] at lane 0 of copy 0, split by loop level."""
        kind = llvm_type(stored(buffer.dtype))
        by_level: dict[int, Index] = {}
        for term in index.terms:
            level = max((self.symbols[s].level for s in term[0]), default=0)
            by_level[level] = by_level.get(level, Index()) + Index((term,))
        address = Vec(self.pointers[buffer.name], int64)
        steps = [(level, self.scalar(part)) for level, part in by_level.items()]
        steps += [(x.level, x) for x in extra]
        for _, offset in sorted(steps, key=lambda step: step[0]):
            address = self.offset(address, offset, kind)
        return address

    def offset(self, address: Vec, by: Vec, kind: str) -> Vec:
        if by.text == "0":
            return address
        text = f"getelementptr {kind}, ptr {address.text}, i64 {by.text}"
        return self.pure(int64, 1, (address, by), text)

    def checked(
        self, parts: tuple[Indirect, ...], conditions: list[list[Vec]]
    ) -> tuple[list[list[Vec]], list[list[Vec]]]:
        """Offsets (per part, per copy) and the conditions that they may be used (per part, per copy)."""
        offsets, valid = [], []
        for part in parts:
            size = self.size(part.size)
            column, usable = [], []
            for u, given in enumerate(self.values[part.value.name]):
                wanted = self._all(conditions[u if len(conditions) > 1 else 0])
                value = given = self.cast(given, int64)
                if part.wrap:
                    value = self.select(self.less(value, 0), self.add(value, size), value)
                if part.code:
                    right = self._compare("icmp ult", value, size)
                    self.fail_unless(right, wanted, given, part.code)
                    value = self.select(right, value, 0)
                    if not (isinstance(part.size, int) and part.size > 0):
                        usable.append(right)
                stride = self.scalar(part.stride)
                column.append(value if stride.text == "1" else self.mul(value, stride))
            offsets.append(column)
            if usable:
                valid.append(usable)
        return offsets, valid

    def fail_unless(self, right: Vec, wanted: Vec | None, index: Vec, code: int) -> None:
        """Write the first wrong index to the status buffer, where the access is wanted at all."""
        self.text.define("fail", lambda _: _FAIL)
        wrong = self.logical_not(right)
        if wanted is not None:
            wrong = self.logical_and(wrong, wanted)
            index = self.splat(index, wrong.lanes)
        if self.mask is not None and wrong.lanes > 1:
            wrong = self.logical_and(wrong, self.mask)
        level = max(wrong.level, index.level)
        if ("checked", wrong.text, code) in self.levels[level].known:
            return
        self.levels[level].known["checked", wrong.text, code] = wrong
        with self.at(level):
            some = self.any(wrong)
            bad, fine = self.label("bad"), self.label("fine")
            self.line(f"  br i1 {some.text}, label %{bad}, label %{fine}, !prof !0\n{bad}:")
            found = index.text
            if index.lanes > 1:
                mask, lane, found = self.name(), self.name(), self.name()
                bits = f"i{index.lanes}"
                self.text.declare(bits, f"llvm.cttz.{bits}", [bits, "i1"])
                self.line(f"  {mask} = bitcast <{index.lanes} x i1> {wrong.text} to {bits}")
                self.line(f"  {lane} = call {bits} @llvm.cttz.{bits}({bits} {mask}, i1 true)")
                self.line(
                    f"  {found} = extractelement <{index.lanes} x i64> {index.text}, {bits} {lane}"
                )
            self.line(f"  call void @fail(ptr {self.pointers['status']}, i64 {code}, i64 {found})")
            self.line(f"  br label %{fine}\n{fine}:")


_FAIL = """define internal void @fail(ptr %status, i64 %code, i64 %index) cold noinline nounwind {
  %first = cmpxchg ptr %status, i64 0, i64 %code monotonic monotonic
  %won = extractvalue { i64, i1 } %first, 1
  br i1 %won, label %write, label %done
write:
  %place = getelementptr i64, ptr %status, i64 1
  store i64 %index, ptr %place, align 8
  br label %done
done:
  ret void
}"""
