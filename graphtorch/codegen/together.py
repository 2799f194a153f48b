"""Horizontal fusion: launches of one kernel that do not wait for each other become one launch.

    adam(grad_1, w_1, m_1, v_1, lr)  chunks=32
    adam(grad_2, w_2, m_2, v_2, lr)  chunks=1      ->   adam_together(grad_1, ..., grad_9, ...)  chunks=57
    ...                                                 (9 parts)
    adam(grad_9, w_9, m_9, v_9, lr)  chunks=1

All parameters of an optimiser step together: its kernels have their length as a run-time parameter,
so every parameter's update is a launch of the same one.  One launch has one start and one end for
all threads, and gives small parameters to different threads.

The question is one of graph theory: in the graph of steps and their dependences, contract vertices of
one kernel while the quotient stays acyclic; its topological order is the new order of the steps.
Launches that stand next to each other then are joined, and small ones wherever they stand; moving a
large one would keep its operands alive for longer.  Launches that may fail stay alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ..ir.passes.fuse_quotient import Quotient
from .kernel import Kernel
from .program import Launch, Program, Step

if TYPE_CHECKING:
    from .llvm.target import Target

SMALL = 1 << 12  # bytes of a launch's values that may live longer for the sake of a joint launch


@dataclass(frozen=True)
class Together:
    """A kernel source: one kernel for several lists of operands; see `program.KernelSource`.

    params: the number of parts, the end of each part's work items, each part's own params.
    """

    kernel: Kernel

    @property
    def name(self) -> str:
        return f"{self.kernel.name}_together"

    @cached_property
    def key(self) -> str:
        return f"together\n{self.kernel.key}"

    @property
    def scratch_bytes(self) -> int:
        return self.kernel.scratch_bytes

    def llvm(self, symbol: str, target: Target) -> str:
        """The kernel's own text, called for every part that has work items in [begin, end)."""
        one = f"{symbol}_one"
        text = self.kernel.llvm(one, target).replace(
            f"define void @{one}(", f"define internal void @{one}("
        )
        each = _EACH.replace("SYMBOL", symbol).replace("ONE", one)
        each = each.replace("OPERANDS", str(len(self.kernel.operands)))
        return text + each.replace("PARAMS", str(len(self.kernel.params)))

    def __str__(self) -> str:
        return f"for every part:\n{self.kernel}"


_EACH = """
define void @SYMBOL(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end) nounwind {
entry:
  %parts = load i64, ptr %params
  %ends = getelementptr i64, ptr %params, i64 1
  %own = getelementptr i64, ptr %ends, i64 %parts
  br label %part
part:
  %k = phi i64 [0, %entry], [%k.1, %next]
  %first = phi i64 [0, %entry], [%last, %next]
  %some = icmp slt i64 %k, %parts
  %open = icmp slt i64 %first, %end
  %on = and i1 %some, %open
  br i1 %on, label %look, label %done
look:
  %last.p = getelementptr i64, ptr %ends, i64 %k
  %last = load i64, ptr %last.p
  %here = icmp slt i64 %begin, %last
  br i1 %here, label %call, label %next
call:
  %early = icmp slt i64 %begin, %first
  %from = select i1 %early, i64 %first, i64 %begin
  %late = icmp sgt i64 %end, %last
  %to = select i1 %late, i64 %last, i64 %end
  %a = sub i64 %from, %first
  %b = sub i64 %to, %first
  %operand = mul i64 %k, OPERANDS
  %its.buffers = getelementptr ptr, ptr %buffers, i64 %operand
  %param = mul i64 %k, PARAMS
  %its.params = getelementptr i64, ptr %own, i64 %param
  call void @ONE(ptr %its.buffers, ptr %its.params, ptr %scratch, i64 %a, i64 %b)
  br label %next
next:
  %k.1 = add i64 %k, 1
  br label %part
done:
  ret void
}
"""


def together(program: Program) -> Program:
    """The program with joint launches."""
    keys = [_key(step) for step in program.steps]
    if len({k for k in keys if k}) == sum(k is not None for k in keys):
        return program
    order = _small_ones(program, keys)
    groups: list[list[int]] = []
    for group in order:
        if groups and _may_follow(program, keys, groups[-1], group):
            groups[-1] += group
        else:
            groups.append(list(group))
    return replace(program, steps=tuple(_joined(program.steps, g) for g in groups)).check()


def _key(step: Step) -> str | None:
    """What launches that may become one have in common."""
    if not isinstance(step, Launch) or step.fallible or not isinstance(step.kernel, Kernel):
        return None
    return step.kernel.key


def _small_ones(program: Program, keys: Sequence[str | None]) -> list[list[int]]:
    """The steps in a new order, small launches of one kernel as groups."""
    quotient = Quotient(len(program.steps), _dependences(program.steps))
    leaders: dict[str, list[int]] = {}
    for number, (step, key) in enumerate(zip(program.steps, keys, strict=True)):
        if key is None or sum(program.buffers[i].nbytes for i in step.read) > SMALL:
            continue
        for leader in leaders.setdefault(key, []):
            if not _path(quotient, leader, number) and quotient.merge(leader, number):
                break
        else:
            leaders[key].append(number)
    members: dict[int, list[int]] = {}
    for number in range(len(program.steps)):
        members.setdefault(quotient.find(number), []).append(number)
    return [members[group] for group in quotient.order()]


def _path(quotient: Quotient, a: int, b: int) -> bool:
    """Whether b waits for a; merging would hide an edge between them, not close a cycle."""
    return quotient.find(b) in quotient.after[quotient.find(a)]


def _dependences(steps: Sequence[Step]) -> set[tuple[int, int]]:
    """(earlier, later) where the later step reads or writes what the earlier one writes, or writes
    what it reads."""
    edges: set[tuple[int, int]] = set()
    writers: dict[int, list[int]] = {}
    readers: dict[int, list[int]] = {}
    for number, step in enumerate(steps):
        for buffer in step.read:
            edges.update((w, number) for w in writers.get(buffer, ()))
            readers.setdefault(buffer, []).append(number)
        for buffer in step.written:
            before = itertools.chain(writers.get(buffer, ()), readers.get(buffer, ()))
            edges.update((other, number) for other in before if other != number)
            writers.setdefault(buffer, []).append(number)
    return edges


def _may_follow(
    program: Program, keys: Sequence[str | None], group: list[int], other: list[int]
) -> bool:
    """Whether a group can be joined to the one right before it."""
    if keys[group[0]] is None or keys[group[0]] != keys[other[0]]:
        return False
    written = {b for n in group for b in program.steps[n].written}
    touched = written | {b for n in group for b in program.steps[n].read}
    return not any(
        written.intersection(program.steps[n].read)
        or touched.intersection(program.steps[n].written)
        for n in other
    )


def _joined(steps: Sequence[Step], numbers: list[int]) -> Step:
    """One launch for several of one kernel."""
    launches = [step for n in numbers if isinstance(step := steps[n], Launch)]
    if len(launches) < 2:
        return steps[numbers[0]]
    kernel = launches[0].kernel
    assert isinstance(kernel, Kernel)
    count = len(kernel.operands)
    starts = range(0, count * len(launches), count)
    chunks = list(itertools.accumulate(s.chunks for s in launches))
    portions = sum(s.chunks / s.grain for s in launches)  # what is worth handing to a thread
    return Launch(
        Together(kernel),
        operands=tuple(i for s in launches for i in s.operands),
        writes=tuple(start + w for start, s in zip(starts, launches) for w in s.writes),
        params=(len(launches), *chunks, *(p for s in launches for p in s.params)),
        chunks=chunks[-1],
        grain=max(1, int(chunks[-1] / portions)) if portions else 1,
        work=sum(s.work for s in launches),
        inplace=tuple(
            (start + w, start + r) for start, s in zip(starts, launches) for w, r in s.inplace
        ),
        nodes=tuple(n for s in launches for n in s.nodes),
    )
