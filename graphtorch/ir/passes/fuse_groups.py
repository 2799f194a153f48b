"""Which groups of cores one kernel can compute together: the rules of fusion.

A group walks one iteration space of `full` elements in row-major order.  If it reduces, `runs` cuts
that order into kept and reduced stretches: softmax over the last dimension of f32[8, 128, 512] has
full = 2**19 and runs ((1024, kept), (512, reduced)).  Every member has a place:

    FULL       one value per element of the space
    KEPT       one per element of the kept stretches: reductions, and what is computed from them
    SECOND     a reduction over the *other* stretches (column sums beside row sums; a total)
    TAIL       computed from SECOND values, after all rows are done
    INLINE     computed where it is read, in another order or several times; never stored

`join` decides whether two groups can be one and how the places change, from the edges between them:

    row softmax     x FULL -> amax KEPT -> sub FULL -> exp FULL -> sum KEPT -> div FULL
    layer norm      ... and `sum(g * xhat, dims=(0, 1))` SECOND -> scaled by a constant TAIL
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..graph import Node
from .fuse_cores import Core, Read, same
from .fuse_index import Runs

FULL, KEPT, SECOND, TAIL, INLINE = range(5)

MAX_MEMBERS = 200  # of a group: one kernel's compile time grows faster than its length
MAX_SOURCES = 40  # values a group reads
LONG_ROW = 1 << 16  # elements; a longer row is reduced by several work items
FEW_ROWS = 16  # too few to keep all threads busy
JOINABLE = frozenset(("sum", "prod", "amax", "amin", "any", "all"))
CHEAP = 4  # operations per element that may be repeated rather than stored


@dataclass(slots=True)
class Group:
    """See the module docstring."""

    members: list[int]
    full: int
    runs: Runs | None = None
    contraction: int | None = None  # the core whose epilogue the other members are
    opaque: bool = False  # no loop at all
    second: bool = False  # has members SECOND and TAIL
    numbers: bool = False  # has a reduction that cannot be joined from parts (argmax, gather)
    rounds: bool = False  # a KEPT value is read at FULL: the row is walked again
    rows: Runs | None = None  # the rows the members belong to, see `fuse_cores.row_hints`
    sources: set[int | Node] = field(default_factory=set)  # what the members read, inside or not

    @property
    def kept(self) -> int:
        """Elements of the kept stretches."""
        return math.prod(n for n, reduced in self.runs or () if not reduced)


@dataclass(slots=True)
class Join:
    """How two groups become one: the space of the union, and how places of either part change."""

    full: int
    runs: Runs | None
    first: dict[int, int]
    last: dict[int, int]


def start(number: int, core: Core) -> tuple[Group, int, int]:
    """The group of one core; the core's place, and the place it reads deeply at."""
    group = Group([number], core.full, core.runs, sources={r.source for r in core.reads})
    if core.kind == "reduction":
        group.numbers = core.node.op.name not in JOINABLE
        return group, KEPT, FULL
    if core.kind == "contraction":
        group.contraction = number
    group.opaque = core.kind == "opaque"
    return group, FULL, FULL


def _may_meet(a: Runs | None, b: Runs | None) -> bool:
    """Whether one kernel can walk both rows: the same, or columns or a total beside rows."""
    if a is None or b is None or a == b or a == flipped(b):
        return True
    return len(a) == 1 or len(b) == 1


def _too_large(a: Group, b: Group) -> bool:
    """Whether a kernel for both would have too many statements or read too many arrays."""
    if len(a.members) + len(b.members) > MAX_MEMBERS:
        return True
    if len(a.sources) + len(b.sources) <= MAX_SOURCES:
        return False
    return len((a.sources | b.sources) - {*a.members, *b.members}) > MAX_SOURCES


def flipped(runs: Runs) -> Runs:
    """The kept stretches reduced, the reduced ones kept."""
    return tuple((extent, not reduced) for extent, reduced in runs)


class Rules:
    """The rules on a given set of cores; `place` and `deep` hold every core's places."""

    def __init__(self, cores: list[Core], hints: list[Runs | None]):
        self.cores = cores
        self.late = False  # whether reductions over all rows may join rows, see `SECOND`
        self.groups: list[Group] = []
        self.place: list[int] = []
        self.deep: list[int] = []
        for number, core in enumerate(cores):
            group, place, deep = start(number, core)
            group.rows = hints[number]
            self.groups.append(group)
            self.place.append(place)
            self.deep.append(deep)

    # what can be joined --------------------------------------------------------------------------

    def apart(self, a: Group, b: Group) -> str | None:
        """Why two groups cannot become one whatever they read of each other; None if they may."""
        if a.opaque or b.opaque:
            return "one of them is no loop"
        if _too_large(a, b):
            return "the kernel would be too large"
        if a.contraction is not None or b.contraction is not None:
            if a.contraction is not None and b.contraction is not None:
                return "one kernel computes one contraction"
            if a.runs is not None or b.runs is not None:
                return "an epilogue works on tiles and cannot wait for a reduction over rows"
            return None if a.full == b.full else "they walk different iteration spaces"
        if a.full == b.full or a.second or a.full == b.kept or b.full == a.kept:
            return None
        return "they walk different iteration spaces"

    def join(self, a: Group, b: Group, edges: list[tuple[int, int, Read]]) -> Join | str:
        """How a (which b reads through `edges`, if any) and b become one group, or why not.

        Only for groups that `apart` does not rule out.
        """
        if a.contraction is not None or b.contraction is not None:
            return self._join_contraction(a, b, edges)
        reason = "they walk different iteration spaces"
        for join in self._candidates(a, b):
            if isinstance(join, str):
                reason = join
                continue
            found = self._consistent(join, edges)
            if found is None:
                return join
            reason = found
        return reason

    def _candidates(self, a: Group, b: Group) -> Iterable[Join | str]:
        if a.full == b.full:
            yield self._same_space(a, b)
        if a.runs is None and b.runs is not None and a.full == b.kept:
            yield Join(b.full, b.runs, {FULL: KEPT}, {})
        if a.runs is not None and a.full != b.full:
            if b.full == a.kept and b.runs is None:
                yield Join(a.full, a.runs, {}, {FULL: KEPT})
            free = self.late and not (b.rounds or b.second or b.numbers)
            if b.full == a.kept and b.runs == ((b.full, True),) and free:
                yield Join(a.full, a.runs, {}, {FULL: KEPT, KEPT: TAIL})
        if a.second and b.runs is None and self.late:
            yield Join(a.full, a.runs, {}, {FULL: TAIL})

    def _same_space(self, a: Group, b: Group) -> Join | str:
        meet = _may_meet(a.runs or a.rows, b.runs or b.rows)
        if not meet and (a.runs is None or b.runs is None):
            return "one belongs to rows along other axes"
        if a.runs is None or b.runs is None or a.runs == b.runs:
            return Join(a.full, a.runs or b.runs, {}, {})
        for one, other, swap in ((a, b, False), (b, a, True)):
            total = other.runs == ((a.full, True),)
            rows = one.runs is not None and len(one.runs) == 2 and one.runs[-1][1]
            if rows and one.runs is not None and (total or other.runs == flipped(one.runs)):
                if not self.late:
                    return "they reduce over different axes"
                if other.rounds or other.second or other.numbers:
                    return "one needs the other's reduction over all rows before it starts"
                late = {KEPT: TAIL}
                return Join(a.full, one.runs, late if swap else {}, {} if swap else late)
        return "they reduce over different axes"

    def _consistent(self, join: Join, edges: list[tuple[int, int, Read]]) -> str | None:
        """Why an edge does not fit the places a join gives; None if all do."""
        kept = math.prod(n for n, reduced in join.runs or () if not reduced)
        for p, c, read in edges:
            made = self._new_place(p, join.first)
            wanted = self.deep[c] if read.deep else self._new_place(c, join.last)
            if read.deep:
                wanted = join.last.get(wanted, wanted)
            if read.relation is None:
                return "it is read in another order"
            if made == FULL and wanted == FULL:
                if read.relation != same(join.full):
                    return "it is read in another order"
            elif made == KEPT and wanted == FULL:
                if read.relation != join.runs:
                    return "it is repeated along other axes than the reduced ones"
                if kept < FEW_ROWS and join.full > LONG_ROW * max(kept, 1):
                    return "a row is too long for one work item"
            elif made == KEPT and wanted == KEPT:
                if read.relation != same(kept):
                    return "it is read in another order"
            elif made in (SECOND, TAIL) and wanted == TAIL:
                if read.relation != same(read.numel):
                    return "it is read in another order"
                if self.cores[c].numel != read.numel:
                    return "it walks another iteration space"
            elif made in (SECOND, TAIL):
                return "it needs a reduction over all rows first"
            else:
                return "it walks another iteration space"
        return None

    def _new_place(self, number: int, change: dict[int, int]) -> int:
        place = self.place[number]
        new = change.get(place, place)
        if place == KEPT and new == TAIL and self.cores[number].kind == "reduction":
            return SECOND
        return new

    # contractions --------------------------------------------------------------------------------

    def _join_contraction(
        self, a: Group, b: Group, edges: list[tuple[int, int, Read]]
    ) -> Join | str:
        product, other = (a, b) if a.contraction is not None else (b, a)
        assert product.contraction is not None
        shape = self.cores[product.contraction].node.shape
        for number in other.members:
            core = self.cores[number]
            if core.kind != "pointwise" or core.positional or self.place[number] == INLINE:
                return "an epilogue takes pointwise ops only"
            if not all(read.strided(shape) for read in core.reads):
                return "an epilogue reads operands with one stride per dimension only"
        for _, c, read in edges:
            if self.cores[c].kind == "contraction":
                return "a contraction reads its operands from memory"
            if read.relation != same(product.full):
                return "it is read in another order"
        return Join(product.full, None, {}, {})

    # inlining ------------------------------------------------------------------------------------

    def inline(self, a: Group, b: Group, edges: list[tuple[int, int, Read]]) -> str | None:
        """Why a, whose values only b reads, cannot be computed where b reads them; None if it can."""
        if a.opaque or b.opaque:
            return "one of them is no loop"
        if a.runs is not None or a.contraction is not None:
            return "only pointwise values can be computed where they are read"
        if b.contraction is not None:
            if not all(self._constant_in_tile(n) for n in a.members):
                return "an epilogue reads operands with one stride per dimension only"
            if any(self.cores[c].kind == "contraction" for _, c, _ in edges):
                return "a contraction reads its operands from memory"
        if _too_large(a, b):
            return "the kernel would be too large"
        cost = sum(self.cores[n].cost for n in a.members)
        repeats = 0.0
        for _, c, read in edges:
            walked = self.cores[c].full if read.deep else self.cores[c].numel
            hoisted = read.relation is not None and (not read.relation or read.relation[-1][1])
            repeats += 0.01 if hoisted else walked / max(read.numel, 1)
            if b.runs is not None and not read.smooth and read.numel > 4096:
                return "it is read across rows, which a row kernel does slowly"
        if repeats > 1.5 and cost > CHEAP:
            return f"it would be computed {repeats:.0f} times"
        return None

    def _constant_in_tile(self, number: int) -> bool:
        core = self.cores[number]
        return core.kind == "pointwise" and not core.positional and core.full == 1

    # doing it ------------------------------------------------------------------------------------

    def apply(self, a: Group, b: Group, join: Join, edges: list[tuple[int, int, Read]]) -> Group:
        """The union of two groups."""
        for group, change in ((a, join.first), (b, join.last)):
            for number in group.members:
                self._move(number, change)
        union = Group(
            a.members + b.members,
            join.full,
            join.runs,
            a.contraction if a.contraction is not None else b.contraction,
            second=a.second
            or b.second
            or TAIL in join.first.values()
            or TAIL in join.last.values(),
            numbers=a.numbers or b.numbers,
            rows=a.rows or b.rows,
            rounds=a.rounds or b.rounds,
            sources=a.sources | b.sources,
        )
        union.rounds = union.rounds or any(
            self.place[p] == KEPT and (self.deep[c] if r.deep else self.place[c]) == FULL
            for p, c, r in edges
        )
        return union

    def apply_inline(self, a: Group, b: Group) -> Group:
        """The union of two groups, the first one's members computed where they are read."""
        for number in a.members:
            self.place[number] = INLINE
        b.members = a.members + b.members
        b.sources = a.sources | b.sources
        b.rows = b.rows or a.rows
        return b

    def _move(self, number: int, change: dict[int, int]) -> None:
        if self.cores[number].kind == "reduction":
            self.deep[number] = change.get(self.deep[number], self.deep[number])
        self.place[number] = self._new_place(number, change)
