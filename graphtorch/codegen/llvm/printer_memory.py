"""Loads and stores of the CPU printer, and the storage forms of values.

How a read looks depends on its stride along the open vector loop's axis:
    0    one scalar, splat where it meets vectors        1    one vector
    -1   one vector, reversed                            else one element per lane
Masked lanes (remainder, guards, failed checks) are never accessed.
"""

from __future__ import annotations

from ...errors import UnsupportedError
from ...ir.types import DType, bfloat16, bool_, float16, float32, int16, int32, int64, uint8
from ..kernel import Buffer, Index, Load, Store, Value, compute_dtype
from .printer_index import Places, stored
from .vector_text import Vec, literal, llvm_type, suffix

CACHE_LINE = 64  # bytes


class Memory(Places):
    """Adds loads and stores."""

    # loads ---------------------------------------------------------------------------------------

    def load(self, s: Load) -> list[Vec]:
        conditions = self.conditions(s.guards, s.when)
        offsets, valid = self.checked(s.indirect, conditions)
        stride = s.index.stride(self.axis) if self.axis else Index()
        scattered = any(column[0].lanes > 1 for column in offsets)
        wide = scattered or bool(stride.terms)
        copies = self.copies if wide or any(c[0].lanes > 1 for c in conditions if c) else 1
        fill = [Vec(literal(0, compute_dtype(s.buffer.dtype)), compute_dtype(s.buffer.dtype))]
        if s.fill is not None:
            fill = self.operand(s.fill)
        results = []
        for u in range(copies):
            extra = [column[u if len(column) > 1 else 0] for column in offsets]
            parts = [c for c in conditions[u if len(conditions) > 1 else 0]]
            parts += [c[u if len(c) > 1 else 0] for c in valid]
            otherwise = fill[u if len(fill) > 1 else 0]
            condition = self._all(parts)
            if not wide:
                results.append(self._load_uniform(s, extra, condition, otherwise))
                continue
            if self.mask is not None:
                condition = self.mask if condition is None else self._all([condition, self.mask])
            raw = self._load_lanes(s, stride, extra, condition, u, scattered)
            value = self.from_storage(raw, s.buffer.dtype)
            if parts and condition is not None and (s.fill is not None):
                value = self.select(condition, value, otherwise)
            results.append(value)
        if len({r.lanes for r in results}) > 1:
            results = [self.splat(r, self.lanes) for r in results]
        return results

    def _load_uniform(
        self, s: Load, extra: list[Vec], condition: Vec | None, otherwise: Vec
    ) -> Vec:
        """One address for all lanes; read if some lane wants it."""
        if condition is None or condition.lanes == 1:
            if otherwise.lanes == 1:
                return self._load_one(s, extra, condition, otherwise)
            condition = self.splat(condition, self.lanes) if condition is not None else None
        zero = Vec(literal(0, otherwise.dtype), otherwise.dtype)
        wanted = None if condition is None else self.any(condition)
        value = self._load_one(s, extra, wanted, zero)
        return value if condition is None else self.select(condition, value, otherwise)

    def _load_one(self, s: Load, extra: list[Vec], condition: Vec | None, otherwise: Vec) -> Vec:
        """A uniform value; hoisted out of loops it does not depend on."""
        address = self.pointer(s.buffer, s.index, extra)
        dtype = stored(s.buffer.dtype)
        kind = llvm_type(dtype)
        read = f"load {kind}, ptr {address.text}, align {s.buffer.dtype.itemsize}"
        if condition is None:
            if s.buffer.role == "in":
                return self.from_storage(self.pure(dtype, 1, (address,), read), s.buffer.dtype)
            name = self.name()
            self.line(f"  {name} = {read}")
            return self.from_storage(Vec(name, dtype, 1, self.level), s.buffer.dtype)
        level = max(address.level, condition.level, otherwise.level)
        level = level if s.buffer.role == "in" else self.level
        with self.at(level):
            start, there, done = self.label("start"), self.label("there"), self.label("done")
            self.line(f"  br label %{start}\n{start}:")
            self.line(f"  br i1 {condition.text}, label %{there}, label %{done}\n{there}:")
            name = self.name()
            self.line(f"  {name} = {read}")
            with self.aside():
                value = self.from_storage(Vec(name, dtype, 1, level), s.buffer.dtype)
            last = self.label("last")
            self.line(f"  br label %{last}\n{last}:\n  br label %{done}\n{done}:")
            merged, result = self.name(), llvm_type(value.dtype)
            self.line(
                f"  {merged} = phi {result} [{otherwise.text}, %{start}], [{value.text}, %{last}]"
            )
        return Vec(merged, value.dtype, 1, level)

    def _load_lanes(
        self,
        s: Load,
        stride: Index,
        extra: list[Vec],
        condition: Vec | None,
        u: int,
        scattered: bool,
    ) -> Vec:
        """One vector in storage form; lanes where the condition fails hold anything."""
        dtype, lanes = stored(s.buffer.dtype), self.lanes
        kind, whole = llvm_type(dtype), llvm_type(dtype, lanes)
        align = s.buffer.dtype.itemsize
        step = stride.constant
        if not scattered and (step == 1 or step == -1):
            address = self.pointer(s.buffer, s.index, extra)
            first = u * lanes if step == 1 else -(u * lanes + lanes - 1)
            address = self.offset(address, Vec(str(first), int64), kind)
            name = self.name()
            if s.ahead and u * lanes * align % CACHE_LINE == 0:
                self._prefetch(self.offset(address, Vec(str(s.ahead), int64), kind))
            if condition is None:
                self.line(f"  {name} = load {whole}, ptr {address.text}, align {align}")
            else:
                mask = self.splat(condition, lanes)
                mask = mask if step == 1 else self.reversed(mask)
                if not self._has_masks(dtype):
                    vector = self._gather(dtype, self._row(address, kind), mask, align)
                    return vector if step == 1 else self.reversed(vector)
                self._masked_load(name, dtype, address, mask, align)
            vector = Vec(name, dtype, lanes, self.level)
            return vector if step == 1 else self.reversed(vector)
        pointers = self._lane_pointers(s.buffer, s.index, stride, extra, u, scattered)
        return self._gather(dtype, pointers, condition, align)

    def _prefetch(self, address: Vec) -> None:
        """Ask for a cache line; an address outside every buffer does no harm."""
        self.text.declare("void", "llvm.prefetch.p0", ["ptr", "i32", "i32", "i32"])
        self.line(f"  call void @llvm.prefetch.p0(ptr {address.text}, i32 0, i32 3, i32 1)")

    def _gather(self, dtype: DType, pointers: list[Vec], condition: Vec | None, align: int) -> Vec:
        """One element per lane; lanes where the condition fails read a place of their own."""
        kind, whole = llvm_type(dtype), llvm_type(dtype, self.lanes)
        pointers = self._diverted(pointers, condition)
        vector_text = "poison"
        for lane, address in enumerate(pointers):
            one, name = self.name(), self.name()
            self.line(f"  {one} = load {kind}, ptr {address.text}, align {align}")
            self.line(f"  {name} = insertelement {whole} {vector_text}, {kind} {one}, i32 {lane}")
            vector_text = name
        return Vec(vector_text, dtype, self.lanes, self.level)

    def _diverted(self, pointers: list[Vec], condition: Vec | None) -> list[Vec]:
        """The pointers, replaced by that of a spare place in lanes where the condition fails."""
        if condition is None:
            return pointers
        mask = self.splat(condition, self.lanes)
        if not self.allocations:
            self.allocations.append("  %nowhere = alloca [64 x i8], align 64")
            self.allocations.append("  store [64 x i8] zeroinitializer, ptr %nowhere, align 64")
        found = []
        for lane, pointer in enumerate(pointers):
            bit = f"extractelement <{self.lanes} x i1> {mask.text}, i32 {lane}"
            chosen = self.pure(bool_, 1, (mask,), bit)
            text = f"select i1 {chosen.text}, ptr {pointer.text}, ptr %nowhere"
            found.append(self.pure(int64, 1, (chosen, pointer), text))
        return found

    def _has_masks(self, dtype: DType) -> bool:
        """Whether the machine has masked loads and stores of whole vectors of this dtype."""
        if self.target.has("avx512bw") and self.target.has("avx512vl"):
            return True
        return self.target.has("avx2") and dtype.itemsize >= 4

    def _lane_pointers(
        self, buffer: Buffer, index: Index, stride: Index, extra: list[Vec], u: int, scattered: bool
    ) -> list[Vec]:
        kind = llvm_type(stored(buffer.dtype))
        address = self.pointer(buffer, index, [x for x in extra if x.lanes == 1])
        wide = [x for x in extra if x.lanes > 1]
        step = self.scalar(stride)
        pointers = []
        for lane in range(self.lanes):
            number = u * self.lanes + lane
            by = (
                self.mul(step, number)
                if not step.literal
                else Vec(str(int(step.text) * number), int64)
            )
            here = self.offset(address, by, kind)
            for x in wide:
                text = f"extractelement <{self.lanes} x i64> {x.text}, i32 {lane}"
                here = self.offset(here, self.pure(int64, 1, (x,), text), kind)
            pointers.append(here)
        return pointers

    def _masked_load(self, name: str, dtype: DType, address: Vec, mask: Vec, align: int) -> None:
        whole, bits = llvm_type(dtype, self.lanes), llvm_type(bool_, self.lanes)
        intrinsic = f"llvm.masked.load.{suffix(dtype, self.lanes)}.p0"
        self.text.declare(whole, intrinsic, ["ptr", "i32", bits, whole])
        self.line(
            f"  {name} = call {whole} @{intrinsic}(ptr {address.text}, i32 {align},"
            f" {bits} {mask.text}, {whole} zeroinitializer)"
        )

    def _row(self, address: Vec, kind: str) -> list[Vec]:
        """The addresses of a vector's elements."""
        return [self.offset(address, Vec(str(i), int64), kind) for i in range(self.lanes)]

    def reversed(self, x: Vec) -> Vec:
        kind = llvm_type(x.dtype, x.lanes)
        order = ", ".join(f"i32 {i}" for i in reversed(range(x.lanes)))
        text = f"shufflevector {kind} {x.text}, {kind} poison, <{x.lanes} x i32> <{order}>"
        return self.pure(x.dtype, x.lanes, (x,), text)

    # stores --------------------------------------------------------------------------------------

    def store(self, s: Store) -> None:
        conditions = self.conditions(s.guards, s.when)
        offsets, valid = self.checked(s.indirect, conditions)
        stride = s.index.stride(self.axis) if self.axis else Index()
        scattered = any(column[0].lanes > 1 for column in offsets)
        values = self.operand(s.value)
        wide = scattered or bool(stride.terms)
        if s.streaming and stride.constant == 1 and not (scattered or offsets or self.mask):
            if all(not parts for parts in conditions) and not s.accumulate:
                self._stream(s, values)
                return
        for u in range(self.copies if wide else 1):
            extra = [column[u if len(column) > 1 else 0] for column in offsets]
            parts = list(conditions[u if len(conditions) > 1 else 0])
            parts += [c[u if len(c) > 1 else 0] for c in valid]
            condition = self._all(parts)
            value = values[u if len(values) > 1 else 0]
            if not wide:
                if value.lanes > 1:
                    raise UnsupportedError(f"the lanes of a vector loop collide in {s.buffer.name}")
                wanted = condition if condition is None else self.any(condition)
                self._store_one(s, extra, wanted, value)
                continue
            if self.mask is not None:
                condition = self.mask if condition is None else self._all([condition, self.mask])
            self._store_lanes(
                s, stride, extra, condition, u, scattered, self.splat(value, self.lanes)
            )

    def _stream(self, s: Store, values: list[Vec]) -> None:
        """Whole vectors past the cache, where the address allows it (tested once per loop)."""
        dtype = stored(s.buffer.dtype)
        kind, whole = llvm_type(dtype), llvm_type(dtype, self.lanes)
        align = min(self.lanes * dtype.itemsize, self.target.vector_bits // 8)
        raws = [
            self.to_storage(self.splat(values[u % len(values)], self.lanes), s.buffer.dtype)
            for u in range(self.copies)
        ]
        address = self.pointer(s.buffer, s.index)
        places = [
            self.offset(address, Vec(str(u * self.lanes), int64), kind) for u in range(self.copies)
        ]
        first = self.pointer(s.buffer, s.index.without(self.axis))
        number = self.pure(int64, 1, (first,), f"ptrtoint ptr {first.text} to i64")
        aligned = self.equal(self.logical_and(number, align - 1), 0)
        fast, slow, done = self.label("stream"), self.label("plain"), self.label("done")
        self.line(f"  br i1 {aligned.text}, label %{fast}, label %{slow}\n{fast}:")
        for raw, place in zip(raws, places, strict=True):
            self.line(
                f"  store {whole} {raw.text}, ptr {place.text}, align {align}, !nontemporal !1"
            )
        self.line(f"  br label %{done}\n{slow}:")
        for raw, place in zip(raws, places, strict=True):
            self.line(f"  store {whole} {raw.text}, ptr {place.text}, align {dtype.itemsize}")
        self.line(f"  br label %{done}\n{done}:")
        self.streamed = True

    def _store_one(self, s: Store, extra: list[Vec], condition: Vec | None, value: Vec) -> None:
        address = self.pointer(s.buffer, s.index, extra)
        kind, align = llvm_type(stored(s.buffer.dtype)), s.buffer.dtype.itemsize
        done = ""
        if condition is not None:
            there, done = self.label("there"), self.label("done")
            self.line(f"  br i1 {condition.text}, label %{there}, label %{done}\n{there}:")
        with self.aside():
            if s.accumulate:
                name = self.name()
                self.line(f"  {name} = load {kind}, ptr {address.text}, align {align}")
                old = Vec(name, stored(s.buffer.dtype), 1, self.level)
                value = self.add(self.from_storage(old, s.buffer.dtype), value)
            raw = self.to_storage(value, s.buffer.dtype)
            self.line(f"  store {kind} {raw.text}, ptr {address.text}, align {align}")
        if done:
            self.line(f"  br label %{done}\n{done}:")

    def _store_lanes(
        self, s: Store, stride: Index, extra: list[Vec], condition: Vec | None, u: int, scattered: bool,
        value: Vec,
    ) -> None:  # fmt: skip
        dtype, lanes = stored(s.buffer.dtype), self.lanes
        kind, whole = llvm_type(dtype), llvm_type(dtype, lanes)
        align = s.buffer.dtype.itemsize
        if s.accumulate:
            read = Load(Value("", value.dtype), s.buffer, s.index)
            old = self._load_lanes(read, stride, extra, condition, u, scattered)
            value = self.add(self.from_storage(old, s.buffer.dtype), value)
        raw = self.to_storage(value, s.buffer.dtype)
        step = stride.constant
        if not scattered and (step == 1 or step == -1):
            address = self.pointer(s.buffer, s.index, extra)
            first = u * lanes if step == 1 else -(u * lanes + lanes - 1)
            address = self.offset(address, Vec(str(first), int64), kind)
            raw = raw if step == 1 else self.reversed(raw)
            if condition is None:
                self.line(f"  store {whole} {raw.text}, ptr {address.text}, align {align}")
                return
            mask = self.splat(condition, lanes)
            mask = mask if step == 1 else self.reversed(mask)
            if not self._has_masks(dtype):
                self._scatter(raw, self._row(address, kind), mask, align)
                return
            bits = llvm_type(bool_, lanes)
            intrinsic = f"llvm.masked.store.{suffix(dtype, lanes)}.p0"
            self.text.declare("void", intrinsic, [whole, "ptr", "i32", bits])
            self.line(
                f"  call void @{intrinsic}({whole} {raw.text}, ptr {address.text}, i32 {align},"
                f" {bits} {mask.text})"
            )
            return
        pointers = self._lane_pointers(s.buffer, s.index, stride, extra, u, scattered)
        self._scatter(raw, pointers, condition, align)

    def _scatter(self, raw: Vec, pointers: list[Vec], condition: Vec | None, align: int) -> None:
        kind, whole = llvm_type(raw.dtype), llvm_type(raw.dtype, self.lanes)
        pointers = self._diverted(pointers, condition)
        for lane, address in enumerate(pointers):
            one = self.name()
            self.line(f"  {one} = extractelement {whole} {raw.text}, i32 {lane}")
            self.line(f"  store {kind} {one}, ptr {address.text}, align {align}")

    # storage forms -------------------------------------------------------------------------------

    def from_storage(self, x: Vec, dtype: DType) -> Vec:
        """The value of stored bits: bool from a byte, f32 from bf16 and f16."""
        if dtype is bool_:
            return self.not_equal(x, 0)
        if dtype is bfloat16:
            return self.bitcast(self.shift_left(self.cast(self._unsigned(x), int32), 16), float32)
        if dtype is float16:
            return self.call("unpack_float16", x)
        return x

    def _unsigned(self, x: Vec) -> Vec:
        return self.convert("zext", x, int32)

    def to_storage(self, x: Vec, dtype: DType) -> Vec:
        """The bits to store."""
        if dtype is bool_:
            return self.convert("zext", x, uint8)
        if dtype is bfloat16:
            rounded = self.bitcast(self.call("round_bfloat16", x), int32)
            return self.convert("trunc", self.bits_right(rounded, 16), int16)
        if dtype is float16:
            return self.call("pack_float16", x)
        return x

    def bits_right(self, x: Vec, count: int) -> Vec:
        """Logical shift right."""
        return self.bits(x, "lshr", self.splat(Vec(str(count), x.dtype), x.lanes))
