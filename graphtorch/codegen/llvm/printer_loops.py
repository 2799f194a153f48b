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

from ...ir.types import int32, int64
from ..kernel import Loop, Size, Statement, Tile, Tiles, Value
from .printer_plan import copies_for, copies_of_fixed, is_long_sum, lanes_for, spread
from .printer_reduce import Reductions
from .vector_text import Level, Lines, Vec, llvm_type

_BLOCK = 128  # iterations of a main loop that are summed before their sum is added to the total

Accumulators = list[Vec]
Body = Callable[[Vec, Accumulators], Accumulators]


class Loops(Reductions):
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

    def lane_dependent(self, loop: Loop) -> set[str]:
        """Names of the values in the loop that differ between the lanes of the open vector loop."""
        if not self.axis:
            return set()
        found = {name for name, column in self.values.items() if column[0].lanes > 1}
        size = -1
        while size != len(found):
            size = len(found)
            spread(loop, self.axis, found)
        return found

    # vector loops --------------------------------------------------------------------------------

    def vector_loop(self, loop: Loop) -> None:
        """See the module docstring."""
        extent = self.extent(loop.extent)
        lanes = lanes_for(loop, self.target.vector_bits)
        fixed = int(extent.text) if extent.literal else None
        copies, bare = (loop.unroll or copies_for(loop)), True
        if fixed is not None:
            copies, bare = copies_of_fixed(loop, fixed, lanes, copies)
        step = lanes * copies
        whole = self._rounded(extent, step) if bare else Vec("0", int64)
        self.axis, self.lanes, self.copies = loop.axis, lanes, copies
        outer_known = dict(self.values)

        inits = [
            self.splat(part, lanes) for r in loop.reductions for part in self.start_of(r) for _ in range(copies)
        ]  # fmt: skip
        body = self._vector_body(loop)
        limit = loop.extent.size if isinstance(loop.extent, Tile) else fixed
        if is_long_sum(loop, limit, step):
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

        if fixed is None or fixed % step or not bare:
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
        if step & (step - 1) == 0:
            return self.bits(extent, "and", Vec(str(-step), int64))
        return self.sub(extent, self.bits(extent, "urem", Vec(str(step), int64)))


def _split(flat: list[Vec], counts: list[int]) -> list[list[Vec]]:
    columns, at = [], 0
    for count in counts:
        columns.append(flat[at : at + count])
        at += count
    return columns
