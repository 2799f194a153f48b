"""Loops and reductions of the CPU printer.

    vector loop over n iterations, W lanes, C copies:
        main       i = 0, W*C, ... while i + W*C <= n       C accumulators per reduction
        tree       copies combined pairwise
        remainder  i += W while i < n, one masked vector    into the one accumulator left
        tree       lanes combined by halves: (0,4) (1,5) (2,6) (3,7), then (0,2) (1,3), then (0,1)

Long float sums run the main loop in blocks and add up the blocks' sums, so that the error grows
with the number of blocks instead of the number of iterations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.types import DType, bool_, int32, int64
from ..kernel import (
    AxisValue,
    Compute,
    Load,
    Loop,
    Operand,
    Reduction,
    Statement,
    Store,
    Tile,
    Value,
)
from ..kernel import Index, Size, Tiles, statements
from ..scalar import CALLS
from .printer_memory import Memory
from .vector import Level, Lines, Vec, literal, llvm_type

_BLOCK = 128  # iterations of a main loop that are summed before their sum is added to the total
_SHORT = 512  # iterations up to which no blocks are made

Accumulators = list[Vec]
Body = Callable[[Vec, Accumulators], Accumulators]


class Loops(Memory):
    """Adds loops; `block` prints the statements of a body."""

    def block(self, body: tuple[Statement, ...]) -> None:
        raise NotImplementedError

    def extent(self, extent: Size | Tile | Tiles) -> Vec:
        raise NotImplementedError

    # the loop itself -----------------------------------------------------------------------------

    def counted(
        self, start: Vec, stop: Vec, step: int, carried: Accumulators, body: Body
    ) -> Accumulators:
        """`for i = start; i < stop; i += step`, handing `carried` from iteration to iteration."""
        never = start.literal and stop.literal and int(start.text) >= int(stop.text)
        if never:
            return carried
        always = start.literal and stop.literal
        before: Lines = []
        self.lines.append(before)
        self.levels[self.level].before = before
        first, head, last, done = (self.label(x) for x in ("first", "head", "last", "done"))
        self.line(f"  br label %{first}\n{first}:")
        if always:
            self.line(f"  br label %{head}\n{head}:")
        else:
            some = self.name()
            self.line(f"  {some} = icmp slt i64 {start.text}, {stop.text}")
            self.line(f"  br i1 {some}, label %{head}, label %{done}\n{head}:")
        self.levels.append(Level())
        self.level += 1
        index = Vec(self.name(), int64, 1, self.level)
        index_next = self.name()
        self.line(f"  {index.text} = phi i64 [{start.text}, %{first}], [{index_next}, %{last}]")
        phis: Lines = []
        self.lines.append(phis)
        seen = [Vec(self.name(), c.dtype, c.lanes, self.level) for c in carried]
        handed = body(index, seen)
        handed = [self.splat(h, c.lanes) for h, c in zip(handed, carried, strict=True)]
        self.line(f"  br label %{last}\n{last}:")
        for value, init, following in zip(seen, carried, handed, strict=True):
            kind = llvm_type(value.dtype, value.lanes)
            phis.append(
                f"  {value.text} = phi {kind} [{init.text}, %{first}], [{following.text}, %{last}]"
            )
        again = self.name()
        self.line(f"  {index_next} = add nsw i64 {index.text}, {step}")
        self.line(f"  {again} = icmp slt i64 {index_next}, {stop.text}")
        self.line(f"  br i1 {again}, label %{head}, label %{done}\n{done}:")
        self.levels.pop()
        self.level -= 1
        self.levels[self.level].before = None
        results = []
        for init, following in zip(carried, handed, strict=True):
            kind, name = llvm_type(init.dtype, init.lanes), self.name()
            skipped = "" if always else f"[{init.text}, %{first}], "
            self.line(f"  {name} = phi {kind} {skipped}[{following.text}, %{last}]")
            results.append(Vec(name, init.dtype, init.lanes, self.level))
        return results

    # serial loops --------------------------------------------------------------------------------

    def serial_loop(self, loop: Loop) -> None:
        """One iteration after another; inside a vector loop every lane does its own."""
        varying = self.lane_dependent(loop)
        inits: Accumulators = []
        counts: list[int] = []  # Vecs per reduction or carry

        def add(columns: list[Vec], wide: bool) -> None:
            if wide and self.axis:
                columns = [
                    self.splat(columns[u % len(columns)], self.lanes) for u in range(self.copies)
                ]
            counts.append(len(columns))
            inits.extend(columns)

        for r in loop.reductions:
            wide = isinstance(r.value, Value) and r.value.name in varying
            for part in self.start_of(r):
                add([part], wide)
        for c in loop.carries:
            add(self.operand(c.init), c.value.name in varying)

        def body(index: Vec, seen: Accumulators) -> Accumulators:
            self.symbols[loop.axis] = index
            columns = _split(seen, counts)
            parts = [2 if r.combine in ("argmax", "argmin") else 1 for r in loop.reductions]
            position = sum(parts)
            for c, column in zip(loop.carries, columns[position:], strict=True):
                self.values[c.value.name] = column
            self.block(loop.body)
            handed: Accumulators = []
            at = 0
            for r, count in zip(loop.reductions, parts, strict=True):
                old = columns[at : at + count]
                news = []
                for u in range(len(old[0])):
                    given = self.contribution(r, u)
                    news.append(self.combine(r, [o[u] for o in old], given, index))
                handed.extend(new[p] for p in range(count) for new in news)
                at += count
            for c, column in zip(loop.carries, columns[position:], strict=True):
                following = self.operand(c.next)
                handed.extend(following[u % len(following)] for u in range(len(column)))
            return handed

        outer_known = dict(self.values)
        finals = self.counted(Vec("0", int64), self.extent(loop.extent), 1, inits, body)
        self.values = outer_known
        del self.symbols[loop.axis]
        columns = _split(finals, counts)
        at = 0
        for r in loop.reductions:
            at += 2 if r.combine in ("argmax", "argmin") else 1
            self.values[r.out.name] = columns[at - 1]
        for c, column in zip(loop.carries, columns[at:], strict=True):
            self.values[c.out.name] = column

    def contribution(self, r: Reduction, u: int) -> Vec:
        column = self.operand(r.value)
        return column[u % len(column)]

    def lane_dependent(self, loop: Loop) -> set[str]:
        """Names of the values in the loop that differ between the lanes of the open vector loop."""
        if not self.axis:
            return set()
        found = {name for name, column in self.values.items() if column[0].lanes > 1}
        size = -1
        while size != len(found):
            size = len(found)
            _spread(loop, self.axis, found)
        return found

    # vector loops --------------------------------------------------------------------------------

    def vector_loop(self, loop: Loop) -> None:
        """See the module docstring."""
        extent = self.extent(loop.extent)
        lanes = _lanes_for(loop, self.target.vector_bits)
        copies = loop.unroll or _copies_for(loop)
        fixed = int(extent.text) if extent.literal else None
        if fixed is not None:
            while copies > 1 and (fixed % (lanes * copies) or fixed < lanes * copies):
                if fixed >= lanes * copies and fixed % lanes and fixed > 4 * lanes * copies:
                    break  # a remainder stays in any case
                copies //= 2
        step = lanes * copies
        whole = self._rounded(extent, step)
        self.axis, self.lanes, self.copies = loop.axis, lanes, copies
        outer_known = dict(self.values)

        inits = [
            self.splat(part, lanes) for r in loop.reductions for part in self.start_of(r) for _ in range(copies)
        ]  # fmt: skip
        body = self._vector_body(loop)
        limit = loop.extent.size if isinstance(loop.extent, Tile) else fixed
        if _is_long_sum(loop, limit, step):
            sums = self.counted(
                Vec("0", int64),
                whole,
                step * _BLOCK,
                inits,
                self._blocks(loop, whole, step, inits, body),
            )
        else:
            sums = self.counted(Vec("0", int64), whole, step, inits, body)
        columns = _split(sums, [copies] * (len(sums) // copies))
        totals: Accumulators = []
        at = 0
        for r in loop.reductions:
            count = len(self.start_of(r))
            totals.extend(
                self._tree(r, [list(x) for x in zip(*columns[at : at + count], strict=True)])
            )
            at += count

        if fixed is None or fixed % step:
            self.copies = 1

            def rest(index: Vec, seen: Accumulators) -> Accumulators:
                left = self.intrinsic(
                    "smin", int64, self.sub(extent, index), Vec(str(lanes), int64)
                )
                numbers = Vec(self.sequence(0, 1, int32), int32, lanes)
                self.mask = self.less(numbers, self.cast(left, int32))
                handed = body(index, seen)
                self.mask = None
                return handed

            totals = self.counted(whole, extent, lanes, totals, rest)
        self.values = outer_known
        del self.symbols[loop.axis]
        self.axis, self.lanes, self.copies = "", 1, 1
        at = 0
        for r in loop.reductions:
            count = len(self.start_of(r))
            self.values[r.out.name] = [self._across(r, totals[at : at + count])]
            at += count

    def _vector_body(self, loop: Loop) -> Body:
        def body(index: Vec, seen: Accumulators) -> Accumulators:
            self.symbols[loop.axis] = index
            self.block(loop.body)
            handed: Accumulators = []
            at = 0
            for r in loop.reductions:
                count = len(self.start_of(r))
                news = []
                for u in range(self.copies):
                    old = [seen[at + part * self.copies + u] for part in range(count)]
                    given = self.splat(self.contribution(r, u), self.lanes)
                    lane_numbers = self.sequence(u * self.lanes, 1, int64)
                    number = index
                    if count > 1:
                        number = self.add(index, Vec(lane_numbers, int64, self.lanes))
                    new = self.combine(r, old, given, number)
                    if self.mask is not None:
                        new = [self.select(self.mask, n, o) for n, o in zip(new, old, strict=True)]
                    news.append(new)
                handed.extend(new[part] for part in range(count) for new in news)
                at += count * self.copies
            return handed

        return body

    def _blocks(self, loop: Loop, whole: Vec, step: int, inits: Accumulators, body: Body) -> Body:
        def block(start: Vec, totals: Accumulators) -> Accumulators:
            stop = self.intrinsic("smin", int64, self.add(start, step * _BLOCK), whole)
            sums = self.counted(start, stop, step, inits, body)
            handed: Accumulators = []
            for position, r in enumerate(loop.reductions):
                for u in range(self.copies):
                    at = position * self.copies + u
                    handed.extend(self.merge(r, [totals[at]], [sums[at]]))
            return handed

        return block

    def _rounded(self, extent: Vec, step: int) -> Vec:
        if extent.literal:
            return Vec(str(int(extent.text) // step * step), int64)
        return self.bits(extent, "and", Vec(str(-step), int64))

    # reductions ----------------------------------------------------------------------------------

    def start_of(self, r: Reduction) -> list[Vec]:
        """The accumulator of no iterations: one part, or (best value, its number)."""
        dtype = r.value.dtype
        if r.combine in ("argmax", "argmin"):
            best = _identity(r.combine[3:], dtype)
            return [Vec(literal(best, dtype), dtype), Vec("-1", int64)]
        return [Vec(literal(_identity(r.combine, dtype), dtype), dtype)]

    def combine(self, r: Reduction, old: list[Vec], given: Vec, number: Vec) -> list[Vec]:
        """The accumulator after one more contribution, that of iteration `number`."""
        if r.combine not in ("argmax", "argmin"):
            return self.merge(r, old, [given])
        best, at = old
        better = self._better(r.combine, given, best, self.less(at, 0))
        return [self.select(better, given, best), self.select(better, number, at)]

    def _better(self, combine: str, new: Vec, best: Vec, first: Vec) -> Vec:
        """Whether `new` replaces `best`: strictly better, a first NaN, or nothing was there."""
        wins = self.less(best, new) if combine == "argmax" else self.less(new, best)
        if new.dtype.kind == "f":
            nan = self.logical_and(self.isnan(new), self.logical_not(self.isnan(best)))
            wins = self.logical_or(wins, nan)
        return self.logical_or(wins, first)

    def merge(self, r: Reduction, a: list[Vec], b: list[Vec]) -> list[Vec]:
        """Two accumulators combined."""
        match r.combine:
            case "add":
                return [self.add(a[0], b[0])]
            case "mul":
                return [self.mul(a[0], b[0])]
            case "max":
                return [self.max(b[0], a[0])]  # the NaN test stays out of the chain of dependences
            case "min":
                return [self.min(b[0], a[0])]
            case "and":
                return [self.logical_and(a[0], b[0])]
            case "or":
                return [self.logical_or(a[0], b[0])]
        # b replaces a where it is better, or equally good and earlier; number -1: nothing there
        none_a, none_b = self.less(a[1], 0), self.less(b[1], 0)
        wins = self._better(r.combine, b[0], a[0], none_a)
        same = self.equal(a[0], b[0])
        if a[0].dtype.kind == "f":
            both = self.logical_and(self.isnan(a[0]), self.isnan(b[0]))
            same = self.logical_or(same, both)
        wins = self.logical_or(wins, self.logical_and(same, self.less(b[1], a[1])))
        wins = self.logical_and(wins, self.logical_not(none_b))
        return [self.select(wins, y, x) for x, y in zip(a, b, strict=True)]

    def _tree(self, r: Reduction, parts: list[list[Vec]]) -> list[Vec]:
        """Combine the copies' accumulators pairwise."""
        while len(parts) > 1:
            half = (len(parts) + 1) // 2
            parts = [
                self.merge(r, parts[i], parts[i + half]) if i + half < len(parts) else parts[i]
                for i in range(half)
            ]
        return parts[0]

    def _across(self, r: Reduction, parts: list[Vec]) -> Vec:
        """Combine the lanes by halves."""
        lanes = parts[0].lanes
        while lanes > 1:
            lanes //= 2
            low = [self._half(p, 0, lanes) for p in parts]
            high = [self._half(p, lanes, lanes) for p in parts]
            parts = self.merge(r, low, high)
        result = parts[-1]
        if r.combine in ("argmax", "argmin"):
            result = self.select(self.less(result, 0), 0, result)
        return result

    def _half(self, x: Vec, start: int, lanes: int) -> Vec:
        kind = llvm_type(x.dtype, x.lanes)
        if lanes == 1:
            return self.pure(x.dtype, 1, (x,), f"extractelement {kind} {x.text}, i32 {start}")
        order = ", ".join(f"i32 {start + i}" for i in range(lanes))
        text = f"shufflevector {kind} {x.text}, {kind} poison, <{lanes} x i32> <{order}>"
        return self.pure(x.dtype, lanes, (x,), text)


def _split(flat: list[Vec], counts: list[int]) -> list[list[Vec]]:
    columns, at = [], 0
    for count in counts:
        columns.append(flat[at : at + count])
        at += count
    return columns


def _identity(combine: str, dtype: DType) -> Any:
    if combine in ("add", "or"):
        return 0
    if combine == "mul":
        return 1
    if combine == "and":
        return True if dtype is bool_ else -1
    if dtype is bool_:
        return combine == "min"
    if dtype.kind == "f":
        return float("-inf") if combine == "max" else float("inf")
    bits = 8 * dtype.itemsize
    low, high = (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return low if combine == "max" else high


def _spread(loop: Loop, axis: str, found: set[str]) -> None:
    """Add the values of the loop that depend on `axis` or on values already found."""

    def wide(x: Operand | None) -> bool:
        return isinstance(x, Value) and x.name in found

    def reads(s: Load) -> bool:
        indices: list[Index] = [s.index]
        for guard in s.guards:
            indices += [i for i in (guard.index, guard.lower, guard.upper) if i is not None]
        return (
            any(axis in i.symbols for i in indices)
            or wide(s.when)
            or wide(s.fill)
            or any(wide(i.value) for i in s.indirect)
        )

    for c in loop.carries:
        if wide(c.init) or wide(c.next):
            found.add(c.value.name)
    for s in loop.body:
        match s:
            case Compute(out, _, args) if any(wide(x) for x in args):
                found.add(out.name)
            case AxisValue(out, index) if axis in index.symbols:
                found.add(out.name)
            case Load() if reads(s):
                found.add(s.out.name)
            case Loop():
                _spread(s, axis, found)
    for r in loop.reductions:
        if wide(r.value):
            found.add(r.out.name)
    for c in loop.carries:
        if wide(c.init) or wide(c.next):
            found.add(c.value.name)
            found.add(c.out.name)


def _cost(loop: Loop) -> int:
    """Instructions of one iteration, roughly."""
    total = 0
    for s in statements(loop.body):
        if isinstance(s, Compute):
            total += 20 if s.op in CALLS and s.op != "sqrt" else 1
        elif isinstance(s, (Load, Store)):
            total += 1
    return total


def _copies_for(loop: Loop) -> int:
    """Vectors side by side: they hide latency, of memory in short bodies, of long chains in others."""
    cost = _cost(loop)
    if cost <= 8:
        return 4
    return 2 if cost <= 40 or cost > 150 else 4


def _lanes_for(loop: Loop, vector_bits: int) -> int:
    """Lanes that fill a register with the loop's narrowest floats, else with its widest integers."""
    floats, integers = set(), {1}
    for s in statements(loop.body):
        if isinstance(s, (Compute, Load, AxisValue)):
            dtype = s.out.dtype
        elif isinstance(s, Store):
            dtype = s.value.dtype
        else:
            continue
        (floats if dtype.kind == "f" else integers).add(dtype.itemsize)
    return vector_bits // 8 // (min(floats) if floats else max(integers))


def _is_long_sum(loop: Loop, limit: int | None, step: int) -> bool:
    floats = any(r.combine == "add" and r.value.dtype.kind == "f" for r in loop.reductions)
    simple = all(r.combine not in ("argmax", "argmin") for r in loop.reductions)
    return floats and simple and (limit is None or limit > step * _SHORT)
