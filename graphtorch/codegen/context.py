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

from ..errors import CompileError
from .llvm import driver, entry
from .llvm.driver import ARENA, CONTEXT, LAUNCH
from .llvm.native import native
from .memory import Copy
from .program import Array, HostCall, Launch
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


_arena = Arena()  # the one that executables share


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
        self.host_nanoseconds: dict[int, int] = {}
        self._rebase = np.array([*tables.rebase.items(), (0, 0)], np.int64)
        self._refused = self.refused  # one object each: the words point to them
        self._failed = self.failed
        self._views: dict[Array, np.ndarray] = {}
        self._views_base = 0
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
        run = native().run
        try:
            for position, segment in enumerate(self.tables.segments):
                if isinstance(segment, HostCall):
                    began = time.perf_counter_ns()
                    self._host(segment, arrays)
                    taken = time.perf_counter_ns() - began
                    self.host_nanoseconds[position] = self.host_nanoseconds.get(position, 0) + taken
                else:
                    failing = run(self.address, *segment)
                    if failing >= 0:
                        self.words[CONTEXT.failing // 8] = failing
                        self.failed()
        finally:
            native().unbind(self.address)

    def _host(self, step: HostCall, arrays: tuple[np.ndarray, ...]) -> None:
        """Run an op's NumPy kernel and put its results where they belong."""
        if step.op.numpy is None:
            raise CompileError(f"{step.op.name} has neither a kernel nor a NumPy kernel")
        arguments = [self._view(x, arrays) if isinstance(x, Array) else x for x in step.arguments]
        try:
            outcome = step.op.numpy(*arguments, **step.attrs)
        except Exception as error:
            for node in step.nodes:
                error.add_note(f"in {node.name} = {step.op.name}(...) at {node.source}")
            raise
        results = outcome if isinstance(outcome, tuple) else (outcome,)
        for array, value in zip(step.results, results, strict=True):
            if array is None:
                continue
            if np.shape(value) != array.type.shape:
                raise CompileError(
                    f"the NumPy kernel of {step.op.name} returned shape {np.shape(value)},"
                    f" the graph states {array.type}"
                )
            self._view(array, arrays)[...] = value

    def _view(self, array: Array, arrays: tuple[np.ndarray, ...]) -> np.ndarray:
        """An operand of a host call as an array."""
        slot = self.tables.slots[array.buffer]
        if slot < len(arrays):
            return _seen(arrays[slot], array)
        base = int(self.words[CONTEXT.base // 8])
        if base != self._views_base:
            self._views.clear()
            self._views_base = base
        view = self._views.get(array)
        if view is None:
            buffer = self.tables.program.buffers[array.buffer]
            if array.buffer in self.tables.constants:
                memory = self.tables.constants[array.buffer]
            else:
                offset = self.tables.rebase[slot]
                memory = self.arena.memory[offset : offset + buffer.nbytes]
            view = self._views[array] = _seen(memory, array)
        return view

    # ---- time

    def timings(self) -> Iterator[tuple[Launch | HostCall | Copy, int]]:
        """Every step with the nanoseconds spent in it so far."""
        for position, segment in enumerate(self.tables.segments):
            if isinstance(segment, HostCall):
                yield segment, self.host_nanoseconds.get(position, 0)
            else:
                for number in range(*segment):
                    yield (
                        self.tables.steps[number],
                        int(self.records[number, LAUNCH.nanoseconds // 8]),
                    )


def _seen(memory: np.ndarray, array: Array) -> np.ndarray:
    """Contiguous memory as the array that a host call wants to see."""
    type = array.type
    flat = memory.reshape(-1).view(type.dtype.numpy)
    if array.strides is None:
        return flat[array.offset : array.offset + type.numel].reshape(type.shape)
    strides = tuple(s * type.dtype.itemsize for s in array.strides)
    return np.lib.stride_tricks.as_strided(flat[array.offset :], type.shape, strides)
