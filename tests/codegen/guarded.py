"""Run a program's machine code step by step with every buffer between guard bytes.

What the executable packs into one arena lies apart here, so a kernel that writes one byte beyond a
buffer or beyond the scratch it asked for, changes what it only reads, or depends on what memory held
before, is caught at the step that does it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np

from graphtorch.codegen.host_call import seen
from graphtorch.codegen.llvm.build import load_kernels
from graphtorch.codegen.llvm.target import target
from graphtorch.codegen.program import Array, HostCall, Launch, Program

GUARD = 4096
FILL = 0xA5
KERNEL = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64, ctypes.c_int64)


class Guarded:
    """`nbytes` at an address 4 bytes off a multiple of 64 (or on it), with guards around."""

    def __init__(self, nbytes: int, offset: int, fill: int):
        self.memory = np.full(nbytes + 2 * GUARD + 64, FILL, np.uint8)
        self.start = GUARD + (-(self.memory.ctypes.data + GUARD)) % 64 + offset
        self.stop = self.start + nbytes
        self.bytes[:] = fill

    @property
    def bytes(self) -> np.ndarray:
        return self.memory[self.start : self.stop]

    @property
    def address(self) -> int:
        return self.memory.ctypes.data + self.start

    def check(self, what: str) -> None:
        before, after = self.memory[: self.start], self.memory[self.stop :]
        assert (before == FILL).all(), f"{what}: {(before != FILL).sum()} bytes before it written"
        assert (after == FILL).all(), f"{what}: {(after != FILL).sum()} bytes after it written"


def run_guarded(
    program: Program, inputs: Sequence[np.ndarray], fill: int, split: bool = False
) -> list[np.ndarray]:
    """The outputs, then the update values.

    fill: what fresh memory holds.  split: work items one at a time, last first.
    """
    kernels = {step.kernel.key: step.kernel for step in program.launches}
    loaded = dict(zip(kernels, load_kernels(list(kernels.values()), target()), strict=True))
    # The caller's arrays are aligned to their elements only, the arena's to 64 bytes.
    outside = {*program.inputs, *program.outputs, *(v for _, v in program.updates)}
    memory = []
    for index, buffer in enumerate(program.buffers):
        item = buffer.type.dtype.itemsize if index in outside and buffer.kind != "constant" else 0
        memory.append(Guarded(buffer.nbytes, item, fill))
        if buffer.value is not None:
            memory[-1].bytes[:] = np.ascontiguousarray(buffer.value).reshape(-1).view(np.uint8)
    for index, array in zip(program.inputs, inputs, strict=True):
        memory[index].bytes[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    def look(operand: object) -> object:
        return (
            seen(memory[operand.buffer].bytes, operand) if isinstance(operand, Array) else operand
        )

    for number, step in enumerate(program.steps):
        where = f"step {number} ({step.name})"
        before = {i: memory[i].bytes.copy() for i in step.read}
        if isinstance(step, HostCall):
            found = step.op.numpy(*map(look, step.arguments), **step.attrs)
            for result, value in zip(
                step.results, found if isinstance(found, tuple) else (found,), strict=True
            ):
                if result is not None:
                    look(result)[...] = value  # type: ignore[index]
        else:
            _launch(step, loaded[step.kernel.key].address, memory, fill, split, where)
        for index, guarded in enumerate(memory):
            guarded.check(f"{where}: buffer {program.buffers[index]}")
        for index, old in before.items():
            assert np.array_equal(memory[index].bytes, old), (
                f"{where} changed {program.buffers[index]}, which it only reads"
            )
    results = [*program.outputs, *(value for _, value in program.updates)]
    return [
        memory[i]
        .bytes.view(program.buffers[i].type.dtype.numpy)
        .reshape(program.buffers[i].type.shape)
        for i in results
    ]


def _launch(
    step: Launch, function: int, memory: list[Guarded], fill: int, split: bool, where: str
) -> None:
    scratch = Guarded(step.kernel.scratch_bytes, 0, fill)
    status = np.zeros(2, np.int64)
    pointers = [memory[i].address for i in step.operands]
    if step.fallible:
        pointers.append(status.ctypes.data)
    buffers, params = np.array(pointers or [0], np.int64), np.array(step.params or (0,), np.int64)
    ranges = [(0, step.chunks)]
    if split:
        ranges = [(i, i + 1) for i in reversed(range(step.chunks))]
    for begin, end in ranges:
        KERNEL(function)(buffers.ctypes.data, params.ctypes.data, scratch.address, begin, end)
        scratch.check(f"{where}: scratch")
    assert status[0] == 0, f"{where}: {step.failures[status[0] - 1].message(status[1])}"
