"""Runs programs of loop kernels and host calls with the NumPy interpreter of kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphtorch.codegen.kernel import Kernel
from graphtorch.codegen.kernel_interpret import interpret
from graphtorch.codegen.program import Array, HostCall, Program


class IndexFailure(IndexError):
    """A launch met an index outside its bounds."""


def run_program(program: Program, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Outputs, then update values.  Uninitialised memory is poisoned."""
    memory: list[np.ndarray] = []
    for buffer in program.buffers:
        if buffer.kind == "constant":
            memory.append(np.array(buffer.value).reshape(-1))
        else:
            memory.append(_poison(buffer.type.numel, buffer.type.dtype.numpy))
    for index, array in zip(program.inputs, arrays, strict=True):
        memory[index] = np.array(array).reshape(-1)
    for step in program.steps:
        if isinstance(step, HostCall):
            _host(step, memory)
            continue
        assert isinstance(step.kernel, Kernel), f"{step.name} is no loop kernel"
        params = dict(zip(step.kernel.params, step.params, strict=True))
        assert step.kernel.items(params) == step.chunks
        assert step.kernel.can_fail == step.fallible
        buffers = [memory[i] for i in step.operands]
        for position, buffer in enumerate(step.kernel.operands):
            assert (buffer.role != "in") == (position in step.writes)
        # in two halves, the second one first: work items are independent
        middle = step.chunks // 2
        failed = (0, 0)
        for begin, end in ((middle, step.chunks), (0, middle)):
            status = interpret(step.kernel, buffers, step.params, begin, end)
            failed = status if status[0] else failed
        if failed[0]:
            raise IndexFailure(step.failures[failed[0] - 1].message(failed[1]))
    found = []
    for index in (*program.outputs, *(value for _, value in program.updates)):
        found.append(memory[index])
    return found


def _poison(size: int, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "b":
        return np.ones(size, dtype)
    return np.full(size, 77 if dtype.kind in "iu" else np.nan, dtype)


def _host(step: HostCall, memory: list[np.ndarray]) -> None:
    arguments = [_look(a, memory) if isinstance(a, Array) else a for a in step.arguments]
    result = step.op.numpy(*arguments, **step.attrs)
    results = result if isinstance(result, tuple) else (result,)
    for array, place in zip(results, step.results, strict=True):
        if place is not None:
            memory[place.buffer][...] = np.asarray(array).reshape(-1)


def _look(array: Array, memory: list[np.ndarray]) -> np.ndarray:
    base = memory[array.buffer]
    if array.strides is None:
        return base.reshape(array.type.shape)
    strides = tuple(s * base.itemsize for s in array.strides)
    return np.lib.stride_tricks.as_strided(base[array.offset :], array.type.shape, strides)
