"""Where every buffer of a program lives: liveness, and one arena for all temporaries.

A value buffer is, in this order of preference,

    output   the caller's own output array
    update   the array of the input it replaces, if nothing reads the old contents afterwards and
             nothing that could fail comes later: a call that raises changes no input
    arena    [offset, offset + nbytes) of one piece of memory; two values share bytes only if the
             steps between first write and last use of the one and of the other do not overlap

Where a launch allows it (`Launch.inplace`) the written value takes the memory of a value that dies
there.  What is left over, an output or update that has no array of its own, is a copy at the end.

Finding offsets is the colouring of an interval graph with weights, which is NP-hard; placing the
largest first at the lowest free offset stays within a few percent of the bound below on programs like
ours (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020).

The plan is made from sizes alone, before the first call: `str(plan)` is the report.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .program import ALIGNMENT, HostCall, Launch, Program, Step

Place = Literal["input", "constant", "output", "update", "arena"]


@dataclass(frozen=True, slots=True)
class Home:
    """Where one buffer lives.

    number: position of the input or output (input, output, update); offset in bytes (arena).
    first, last: the steps of its first write and last use; -1 and the number of steps stand for
        before and after the call.
    """

    place: Place
    number: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy after the last step, in the order given: to output or input `number`, or to a
    temporary at arena offset `number` (first half of an exchange of two inputs)."""

    source: int | None  # buffer; None: the temporary at `offset`
    place: Literal["output", "input", "arena"]
    number: int
    nbytes: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """See the module docstring.

    homes: one per buffer of the program.
    arena_bytes: size of the arena; bound: the most bytes of it alive at one step.
    """

    program: Program
    homes: tuple[Home, ...]
    copies: tuple[Copy, ...]
    arena_bytes: int
    bound: int
    shared: dict[int, int] = field(default_factory=dict)  # value -> value whose memory it took

    def __str__(self) -> str:
        total = sum(
            b.nbytes for b, h in zip(self.program.buffers, self.homes) if h.place == "arena"
        )
        lines = [
            f"arena: {self.arena_bytes} bytes for {total} bytes of temporaries;"
            f" {self.bound} bytes alive at once"
        ]
        steps = len(self.program.steps)
        for buffer, home in zip(self.program.buffers, self.homes):
            where = {"arena": f"arena + {home.number}", "constant": "constant"}.get(
                home.place, f"{home.place} {home.number}"
            )
            first = "call" if home.first < 0 else str(home.first)
            last = "end" if home.last >= steps else str(home.last)
            lines.append(
                f"  {buffer!s:40} {buffer.nbytes:12d} bytes  steps {first:>4} to {last:>4}  {where}"
            )
        for copy in self.copies:
            name = "staged" if copy.source is None else self.program.buffers[copy.source].name
            lines.append(f"  copy {name} to {copy.place} {copy.number} at the end")
        return "\n".join(lines)


def plan(program: Program) -> MemoryPlan:
    """Give every buffer a home."""
    return _Planner(program).plan()


class _Planner:
    def __init__(self, program: Program):
        self.program = program
        self.end = len(program.steps)
        count = len(program.buffers)
        self.first = [self.end] * count
        self.last = [-1] * count
        self.place: dict[int, tuple[Place, int]] = {}
        self.group = list(range(count))  # of values in one piece of memory, by its first member
        self.group_last = self.last  # last use by any member, for the first members
        self.copies: list[Copy] = []
        self.extra: list[tuple[int, int]] = []  # (copy, nbytes) that need memory at the end

    def plan(self) -> MemoryPlan:
        program = self.program
        for i, buffer in enumerate(program.buffers):
            if buffer.kind != "value":
                self.first[i] = -1
        for position, step in enumerate(program.steps):
            for index in step.written:
                self.first[index] = min(self.first[index], position)
                self.last[index] = position
            for index in step.read:
                self.last[index] = position
        for number, index in enumerate(program.inputs):
            self.place[index] = ("input", number)
        for index, buffer in enumerate(program.buffers):
            if buffer.kind == "constant":
                self.place[index] = ("constant", 0)
        self._outputs()
        self._updates()
        self.group_last = list(self.last)
        for position, step in enumerate(program.steps):
            if isinstance(step, Launch):
                self._share(position, step)
        offsets, size, bound = self._offsets()
        homes = []
        for i in range(len(program.buffers)):
            place, number = self.place.get(self._root(i)) or (
                "arena",
                offsets.get(self._root(i), 0),
            )
            homes.append(Home(place, number, self.first[i], self.last[i]))
        copies = tuple(
            copy
            if copy.source is not None and copy.place != "arena"
            else self._staged(copy, offsets)
            for copy in self.copies
        )
        shared = {i: g for i, g in enumerate(self.group) if g != i}
        return MemoryPlan(program, tuple(homes), copies, size, bound, shared)

    # ---- outputs and updates

    def _outputs(self) -> None:
        """A value takes its first output's array; other outputs are copies."""
        for number, index in enumerate(self.program.outputs):
            if index not in self.place:
                self.place[index] = ("output", number)
            else:
                nbytes = self.program.buffers[index].nbytes
                self.copies.append(Copy(index, "output", number, nbytes))
            self.last[index] = self.end

    def _updates(self) -> None:
        program = self.program
        targets = {target for target, _ in program.updates}
        sources = {value for _, value in program.updates}
        fallible = max((i for i, s in enumerate(program.steps) if s.fallible), default=-1)
        staged: list[Copy] = []
        for target, value in program.updates:
            nbytes = program.buffers[target].nbytes
            number = program.inputs.index(target)
            if target == value:
                continue
            if value in targets:  # an exchange: read the old contents before they are overwritten
                slot = len(program.buffers) + len(self.extra)
                self.extra.append((slot, nbytes))
                self.copies.append(Copy(value, "arena", slot, nbytes))
                staged.append(Copy(None, "input", number, nbytes, slot))
                self.last[value] = self.end
            elif self._direct(target, value, fallible, sources):
                self.place[value] = ("update", number)
            else:
                staged.append(Copy(value, "input", number, nbytes))
                self.last[value] = self.end
        self.copies.extend(staged)

    def _direct(self, target: int, value: int, fallible: int, sources: set[int]) -> bool:
        """Whether `value` may be written over the old contents of `target` at once."""
        if value in self.place or target in self.program.outputs or target in sources:
            return False
        written = self.first[value]
        if self.last[target] > written:
            return False
        step = self.program.steps[written]
        if fallible > written or (fallible == written and isinstance(step, Launch)):
            return False
        return self.last[target] < written or _same_element(step, value, target)

    # ---- sharing and offsets

    def _root(self, index: int) -> int:
        while self.group[index] != index:
            index = self.group[index]
        return index

    def _share(self, position: int, step: Launch) -> None:
        """Let values written here take the memory of values that die here."""
        buffers = self.program.buffers
        taken: set[int] = set()  # an output's array can be lent to one value only
        for write, read in step.inplace:
            new, old = step.operands[write], step.operands[read]
            root = self._root(old)
            if (
                buffers[old].kind != "value"
                or buffers[new].nbytes != buffers[root].nbytes
                or self.first[new] != position
                or self.group[new] != new
                or root in self.place
                or self.group_last[root] != position
                or step.operands.count(old) != 1
                or any(self._root(b) == root for b in step.operands if b != old)
            ):
                continue
            if new not in self.place:
                self.group[new] = root
                self.group_last[root] = self.last[new]
            elif self.place[new][0] == "output" and new not in taken:
                self.place[root] = self.place[new]  # the caller's array is free until then
                taken.add(new)

    def _offsets(self) -> tuple[dict[int, int], int, int]:
        """Offsets of the groups that live in the arena, its size, and the bound from below."""
        spans: dict[int, list[int]] = {}  # root -> [first, last, nbytes]
        for i, buffer in enumerate(self.program.buffers):
            root = self._root(i)
            if root in self.place or self.first[i] == self.end:
                continue
            span = spans.setdefault(root, [self.first[i], self.last[i], 0])
            span[0], span[1] = min(span[0], self.first[i]), max(span[1], self.last[i])
            span[2] = max(span[2], _padded(buffer.nbytes))
        for slot, nbytes in self.extra:
            spans[slot] = [self.end, self.end, _padded(nbytes)]
        return assign(spans)

    def _staged(self, copy: Copy, offsets: dict[int, int]) -> Copy:
        if copy.place == "arena":
            return Copy(copy.source, "arena", offsets[copy.number], copy.nbytes)
        return Copy(None, copy.place, copy.number, copy.nbytes, offsets[copy.offset])


def _same_element(step: Step, value: int, target: int) -> bool:
    """Whether `step` writes `value` element by element over `target`, which nothing else reads."""
    if isinstance(step, HostCall):
        return True  # the kernel has its results before they are copied into the buffer
    if step.operands.count(target) != 1 or step.operands.count(value) != 1:
        return False
    return (step.operands.index(value), step.operands.index(target)) in step.inplace


def _padded(nbytes: int) -> int:
    return max(-(-nbytes // ALIGNMENT), 1) * ALIGNMENT


def assign(spans: dict[int, list[int]]) -> tuple[dict[int, int], int, int]:
    """Offsets for pieces of memory given as key -> [first step, last step, bytes].

    Returns the offsets, the size of the whole and the most bytes alive at one step.

    >>> assign({0: [0, 1, 64], 1: [1, 2, 64], 2: [2, 3, 64]})
    ({0: 0, 1: 64, 2: 0}, 128, 128)
    """
    order = sorted(spans, key=lambda k: (-spans[k][2], spans[k][0], k))
    firsts, lasts, starts, ends = (np.zeros(len(order), np.int64) for _ in range(4))
    offsets: dict[int, int] = {}
    for count, key in enumerate(order):
        first, last, nbytes = spans[key]
        alive = np.flatnonzero((firsts[:count] <= last) & (lasts[:count] >= first))
        alive = alive[np.argsort(starts[alive], kind="stable")]
        offset = 0
        for start, end in zip(starts[alive].tolist(), ends[alive].tolist()):
            if start - offset >= nbytes:
                break
            offset = max(offset, end)
        offsets[key] = offset
        firsts[count], lasts[count] = first, last
        starts[count], ends[count] = offset, offset + nbytes
    size = int(ends.max(initial=0))
    return offsets, size, _bound(spans)


def _bound(spans: dict[int, list[int]]) -> int:
    changes: dict[int, int] = {}
    for first, last, nbytes in spans.values():
        changes[first] = changes.get(first, 0) + nbytes
        changes[last + 1] = changes.get(last + 1, 0) - nbytes
    alive = most = 0
    for step in sorted(changes):
        alive += changes[step]
        most = max(most, alive)
    return most
