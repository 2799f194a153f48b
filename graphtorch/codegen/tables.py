"""The tables that the native launch-list interpreter walks: what all calls of a program share.

    argument records   what each array must be; checked natively at every call
    launch records     function, operands, params, chunks of every launch, then of the final copies
    slots              which entry of the pointer table a buffer has
    segments           runs of launches between host calls

The layouts of the records are those of `llvm.driver`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .llvm import driver, entry
from .llvm.build import LoadedKernel
from .llvm.driver import ARGUMENT, LAUNCH
from .llvm.native import native
from .llvm.pool import Layout
from .memory import Copy, MemoryPlan
from .program import ALIGNMENT, HostCall, Launch, Program

PARALLEL_NANOSECONDS = 15_000  # a launch shorter than this stays on one thread
WAKE_NANOSECONDS = 40_000  # a graph with less parallel work than this is not worth waking threads
RELEASE_NANOSECONDS = 50_000  # a graph shorter than this keeps the GIL

Segment = HostCall | tuple[int, int]  # a host call, or launches [first, last)


def words(count: int) -> np.ndarray:
    """Zeroed 8-byte words."""
    return np.zeros(max(count, 1), np.int64)


def address(array: np.ndarray) -> int:
    """Where an array's data lies."""
    return int(array.ctypes.data)


def padded(nbytes: int) -> int:
    """`nbytes` rounded up to whole alignment units, at least one."""
    return max(-(-nbytes // ALIGNMENT), 1) * ALIGNMENT


def aligned(nbytes: int, alignment: int = ALIGNMENT) -> np.ndarray:
    """Fresh bytes whose address is a multiple of `alignment`."""
    memory = np.empty(nbytes + alignment, np.uint8)
    return memory[-address(memory) % alignment :][:nbytes]


def fill(record: np.ndarray, layout: Layout, **values: int) -> None:
    """Set words of a record by name."""
    for name, value in values.items():
        record[layout.offsets[name] // 8] = value


class Tables:
    """See the module docstring.

    The table of pointers has the arguments first (inputs, then outputs), then every other buffer.
    """

    def __init__(self, program: Program, memory: MemoryPlan, kernels: Mapping[str, LoadedKernel]):
        self.program = program
        self.memory = memory
        self.kernels = dict(kernels)  # keeps the code loaded
        buffers = program.buffers
        self.types = [buffers[i].type for i in (*program.inputs, *program.outputs)]
        self._staged: dict[int, int] = {}  # arena offset of a copy's temporary -> slot
        self.slots, self.rebase = self._place()
        self.slot_count = max([*self.slots, len(self.types) - 1, *self.rebase], default=0) + 1
        self.constants = {
            i: _constant(b.value) for i, b in enumerate(buffers) if b.value is not None
        }
        self._kept: list[np.ndarray] = []  # what the native tables point to
        self.arguments = self._arguments()
        self.steps: list[Launch | Copy] = [*program.launches, *memory.copies]
        self.segments = self._segments()
        self.records = self._records()
        scratch = max((step.kernel.scratch_bytes for step in program.launches), default=0)
        self.scratch_stride = -(-scratch // ALIGNMENT) * ALIGNMENT
        self.work = sum(_work(step) for step in self.steps)
        shared = sum(_work(step) for step in self.steps if _parallel(step))
        self.flags = (driver.ANY_PARALLEL if shared > WAKE_NANOSECONDS else 0) | (
            driver.RELEASE_GIL if self.work > RELEASE_NANOSECONDS else 0
        )

    def _place(self) -> tuple[list[int], dict[int, int]]:
        """The slot of every buffer, and slot -> arena offset of those in the arena."""
        inputs = len(self.program.inputs)
        arguments = inputs + len(self.program.outputs)
        slots, rebase = [], {}
        for index, home in enumerate(self.memory.homes):
            if home.place in ("input", "update"):
                slots.append(home.number)
            elif home.place == "output":
                slots.append(inputs + home.number)
            else:
                slots.append(arguments + index)
                if home.place == "arena":
                    rebase[slots[-1]] = home.number
        for copy in self.memory.copies:
            if copy.place == "arena":
                self._staged[copy.number] = arguments + len(slots) + len(self._staged)
                rebase[self._staged[copy.number]] = copy.number
        return slots, rebase

    def _copy_slots(self, copy: Copy) -> tuple[int, int]:
        source = self._staged[copy.offset] if copy.source is None else self.slots[copy.source]
        if copy.place == "arena":
            return source, self._staged[copy.number]
        inputs = len(self.program.inputs)
        return source, copy.number + (inputs if copy.place == "output" else 0)

    def _keep(self, values: Sequence[int]) -> int:
        """Store words for the life of the plan and return their address."""
        array = np.array(values or (0,), np.int64)
        self._kept.append(array)
        return address(array)

    def _arguments(self) -> np.ndarray:
        """One ARGUMENT record per argument."""
        inputs = len(self.program.inputs)
        written = {self.program.inputs.index(target) for target, _ in self.program.updates}
        records = np.zeros((max(len(self.types), 1), ARGUMENT.nbytes // 8), np.int64)
        for slot, type in enumerate(self.types):
            flags = entry.C_CONTIGUOUS | entry.ALIGNED
            if slot >= inputs or slot in written:
                flags |= entry.WRITEABLE
            fill(
                records[slot], ARGUMENT, descr=id(type.dtype.numpy), ndim=type.ndim, flags=flags,
                dims=self._keep(type.shape), slot=slot,
            )  # fmt: skip
        return records

    def _segments(self) -> list[Segment]:
        """The steps as host calls and runs of launches; the copies join the last run."""
        segments: list[Segment] = []
        first = last = 0
        for step in self.program.steps:
            if isinstance(step, HostCall):
                if last > first:
                    segments.append((first, last))
                segments.append(step)
                first = last
            else:
                last += 1
        if last + len(self.memory.copies) > first:
            segments.append((first, last + len(self.memory.copies)))
        return segments

    def _records(self) -> np.ndarray:
        """One LAUNCH record per launch and copy."""
        records = np.zeros((max(len(self.steps), 1), LAUNCH.nbytes // 8), np.int64)
        copy = native().addresses["graphtorch_copy"]
        for record, step in zip(records, self.steps):
            flags = driver.PARALLEL if _parallel(step) else 0
            if isinstance(step, Launch):
                flags |= driver.FALLIBLE if step.fallible else 0
                function = self.kernels[step.kernel.key].address
                operands: Sequence[int] = [self.slots[i] for i in step.operands]
                params, chunks, grain = step.params, step.chunks, step.grain
            else:
                function, operands, grain = copy, self._copy_slots(step), 1
                params, chunks = (step.nbytes, driver.COPY_CHUNK), _copy_chunks(step)
            fill(
                record, LAUNCH, function=function, operands=self._keep(operands),
                count=len(operands), params=self._keep(params), chunks=chunks, grain=grain,
                flags=flags,
            )  # fmt: skip
        return records

    def checked(self, arrays: tuple[Any, ...]) -> list[np.ndarray]:
        """The arguments as plain arrays of the expected types; raises TypeError or ValueError."""
        inputs = len(self.program.inputs)
        if len(arrays) != len(self.types):
            raise TypeError(
                f"{self.program.name} takes {inputs} inputs and {len(self.types) - inputs} outputs,"
                f" got {len(arrays)} arrays"
            )
        found = []
        for slot, (array, type) in enumerate(zip(arrays, self.types)):
            name = f"input {slot}" if slot < inputs else f"output {slot - inputs}"
            what = f"{self.program.name}: {name} must be {type}"
            if not isinstance(array, np.ndarray):
                raise TypeError(f"{what}, got {array.__class__.__name__}")
            if array.dtype != type.dtype.numpy or array.shape != type.shape:
                raise TypeError(f"{what}, got {array.dtype}{list(array.shape)}")
            if not (array.flags.c_contiguous and array.flags.aligned):
                raise ValueError(f"{what}, contiguous and aligned; got strides {array.strides}")
            if self.arguments[slot, ARGUMENT.flags // 8] & entry.WRITEABLE:
                if not array.flags.writeable:
                    raise ValueError(f"{what}, writeable; got a read-only array")
            found.append(array.view(type=np.ndarray, dtype=type.dtype.numpy))
        return found


def _constant(value: np.ndarray) -> np.ndarray:
    memory = aligned(value.nbytes)
    memory[:] = value.reshape(-1).view(np.uint8)
    return memory


def _copy_chunks(copy: Copy) -> int:
    return -(-copy.nbytes // driver.COPY_CHUNK)


def _work(step: Launch | Copy) -> int:
    return step.work if isinstance(step, Launch) else step.nbytes // 10


def _parallel(step: Launch | Copy) -> bool:
    """Whether a launch is worth more than one thread."""
    chunks = step.chunks if isinstance(step, Launch) else _copy_chunks(step)
    grain = step.grain if isinstance(step, Launch) else 1
    return chunks > grain and _work(step) > PARALLEL_NANOSECONDS
