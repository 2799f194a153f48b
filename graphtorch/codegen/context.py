"""One instance of an executable: a table of pointers, an arena to work in, the callable over them.

    Tables    what all contexts of an executable share (`tables`)
    Context   serves one call at a time
    Arena     memory for temporaries; executables share one, a call at a time

`Context.call` is a builtin function made of machine code; what it does not expect comes back to
`Context.refused`, which prepares memory, complains about the arguments, or hands the call to another
context.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .host_call import BoundHostCall
from .llvm import driver, entry
from .llvm.driver import ARENA, CONTEXT, LAUNCH
from .llvm.native import native
from .memory import Copy
from .program import HostCall, Launch
from .runtime import pool
from .tables import Tables, address, aligned, fill, padded, words


class Arena:
    """A piece of memory that grows, lent to one call at a time."""

    def __init__(self) -> None:
        self.record = words(ARENA.nbytes // 8)
        self.memory = aligned(0)

    def reserve(self, nbytes: int) -> bool:
        """Make it hold at least `nbytes`; False if a call is using it."""
        if not native().claim(address(self.record)):
            return False
        try:
            if self.record[ARENA.capacity // 8] < nbytes:
                self.memory = aligned(0)  # let the old piece go before the new one comes
                self.memory = aligned(nbytes, 4096)
                fill(self.record, ARENA, base=address(self.memory), capacity=nbytes)
        finally:
            self.record[ARENA.busy // 8] = 0
        return True

    def release(self) -> bool:
        """Give the memory back; False if a call is using it."""
        if not native().claim(address(self.record)):
            return False
        fill(self.record, ARENA, base=0, capacity=0)
        self.memory = aligned(0)
        self.record[ARENA.busy // 8] = 0
        return True


_arena = Arena()  # the one that executables share


def release_arena() -> bool:
    """Give the shared arena's memory back to the system; the next call makes a new one."""
    return _arena.release()


def _after_fork() -> None:
    _arena.record[ARENA.busy // 8] = 0  # who was using it does not exist in the child


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class _Words(np.ndarray[Any, Any]):
    """Words that keep their context alive, and with it all that the words point to."""

    owner: Any = None


class Context:
    """See the module docstring.

    elsewhere(arrays): carries out a call that comes while this context is in use.
    """

    def __init__(
        self,
        tables: Tables,
        elsewhere: Callable[[tuple[Any, ...]], None],
        shared_arena: bool,
        profile: bool = False,
    ):
        self.tables = tables
        self.elsewhere = elsewhere
        self.arena = _arena if shared_arena else Arena()
        self.table = words(tables.slot_count)
        for index, value in tables.constants.items():
            self.table[tables.slots[index]] = address(value)
        self.records = tables.records.copy() if profile else tables.records
        self.host_nanoseconds: dict[int, int] | None = {} if profile else None
        self._rebase = np.array([*tables.rebase.items(), (0, 0)], np.int64)
        self._refused = self.refused  # one object each: the words point to them
        self._failed = self.failed
        self._hosts: list[BoundHostCall | None] = []
        self._hosts_base = 0
        code = native()
        self.words = words(CONTEXT.nbytes // 8).view(_Words)
        self.words.owner = self
        self.address = address(self.words)
        counts = tables.records[: len(tables.steps), LAUNCH.count // 8]
        fill(
            self.words, CONTEXT, arena=address(self.arena.record), table=address(self.table),
            arguments_count=len(tables.types), arguments=address(tables.arguments),
            rebase=address(self._rebase), rebase_count=len(tables.rebase),
            launches=address(self.records), launch_count=len(tables.steps),
            max_operands=int(counts.max(initial=0)) + 1,
            flags=tables.flags | (driver.PROFILE if profile else 0),
            arena_nbytes=1, scratch_offset=padded(tables.memory.arena_bytes),
            scratch_stride=tables.scratch_stride, scratch_threads=0, pool=pool().address,
            array_type=id(np.ndarray), refused=id(self._refused), failed=id(self._failed),
        )  # fmt: skip
        self.call: Callable[..., Any]
        if any(isinstance(s, HostCall) for s in tables.segments):
            self._bind = entry.builtin(code.addresses["graphtorch_bind"], self.words, "bind")
            self.call = self._call_segments
        else:
            self.call = entry.builtin(code.addresses["graphtorch_call"], self.words, "call")

    @property
    def busy(self) -> bool:
        return bool(self.words[CONTEXT.busy // 8])

    # ---- what the machine code hands back

    def refused(self, *arrays: Any) -> bool:
        """A call whose arguments or memory were not as expected; True once it is carried out."""
        arrays = tuple(self.tables.checked(arrays))
        if not self.busy and self._prepare():
            self.call(*arrays)
        else:
            self.elsewhere(arrays)
        return True

    def _prepare(self) -> bool:
        """Make room for the temporaries and every thread's scratch; False if that is in use."""
        threads = pool().threads
        offset = padded(self.tables.memory.arena_bytes)
        nbytes = offset + threads * self.tables.scratch_stride
        fill(self.words, CONTEXT, scratch_threads=threads, arena_nbytes=nbytes)
        return self.arena.reserve(nbytes)

    def failed(self) -> None:
        """Raise what the status words of the failing launch say."""
        code, index, failing = (
            int(self.words[CONTEXT.offsets[name] // 8]) for name in ("code", "index", "failing")
        )
        step = self.tables.steps[failing]
        assert isinstance(step, Launch)
        lines = [step.failures[code - 1].message(index)]
        indexing = [n for n in step.nodes if n.op.kind == "index"] or step.nodes
        for node in indexing:
            where = f" at {node.source}" if str(node.source) else ""
            lines.append(f"  in {node.name}: {node.type} = {node.op.name}(...){where}")
        raise IndexError("\n".join(lines))

    # ---- programs with host calls

    def _call_segments(self, *arrays: Any) -> None:
        if self._bind(*arrays) is not None:
            return  # it was refused and is done
        code, spent = native(), self.host_nanoseconds
        try:
            base = int(self.words[CONTEXT.base // 8])
            if base != self._hosts_base:
                self._hosts = self._bound_hosts()
                self._hosts_base = base
            for position, segment in enumerate(self.tables.segments):
                host = self._hosts[position]
                if host is None:
                    first, last = segment  # type: ignore[misc]
                    failing = code.run(self.address, first, last)
                    if failing >= 0:
                        self.words[CONTEXT.failing // 8] = failing
                        self.failed()
                elif spent is None:
                    host.run(arrays)
                else:
                    began = time.perf_counter_ns()
                    host.run(arrays)
                    spent[position] = spent.get(position, 0) + time.perf_counter_ns() - began
        finally:
            code.unbind(self.address)

    def _bound_hosts(self) -> list[BoundHostCall | None]:
        """The host calls with the arena as it lies now; None for the other segments."""

        def memory(buffer: int) -> np.ndarray | int:
            slot = self.tables.slots[buffer]
            if slot < len(self.tables.types):
                return slot
            if buffer in self.tables.constants:
                return self.tables.constants[buffer]
            offset = self.tables.rebase[slot]
            return self.arena.memory[offset : offset + self.tables.program.buffers[buffer].nbytes]

        return [
            BoundHostCall(s, memory) if isinstance(s, HostCall) else None
            for s in self.tables.segments
        ]

    # ---- time

    def timings(self) -> Iterator[tuple[Launch | HostCall | Copy, int]]:
        """Every step with the nanoseconds spent in it so far."""
        for position, segment in enumerate(self.tables.segments):
            if isinstance(segment, HostCall):
                yield segment, (self.host_nanoseconds or {}).get(position, 0)
            else:
                for number in range(*segment):
                    yield (
                        self.tables.steps[number],
                        int(self.records[number, LAUNCH.nanoseconds // 8]),
                    )
