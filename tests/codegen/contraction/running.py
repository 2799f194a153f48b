"""Runs plans without the executable: guarded arrays, work items in any order.

Every array lies against an unreadable page, at its end or at its start, so that an access beyond it
ends the test run at once instead of passing by luck; scratch is poisoned with NaN before each run.
"""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

from graphtorch.codegen.contraction import Epilogue, Layout, Plan
from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.target import Target, target
from graphtorch.ir.types import BY_NUMPY

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
_functions: dict[tuple[str, str], tuple[object, object]] = {}


class Guarded:
    """A copy of an array between two unreadable pages, close to the end one or the start one."""

    def __init__(self, array: np.ndarray, at_end: bool = True):
        pages = max(-(-array.nbytes // PAGE), 1)
        self._length = (pages + 2) * PAGE
        private_anonymous = 0x22 if hasattr(mmap, "MAP_POPULATE") else 0x1002
        self._base = _libc.mmap(None, self._length, 3, private_anonymous, -1, 0)
        _libc.mprotect(self._base, PAGE, 0)
        _libc.mprotect(self._base + (pages + 1) * PAGE, PAGE, 0)
        start = self._base + PAGE
        if at_end:
            start += pages * PAGE - array.nbytes
        memory = (ctypes.c_uint8 * max(array.nbytes, 1)).from_address(start)
        self.array = np.frombuffer(memory, np.uint8)[: array.nbytes].view(array.dtype)
        self.array = self.array.reshape(array.shape)
        self.array[...] = array

    def __del__(self) -> None:
        _libc.munmap(self._base, self._length)


def function(kernel, machine: Target):
    key = (kernel.key, machine.key)
    if key not in _functions:
        library = jit.compile([kernel.llvm("kernel", machine)], ["kernel"], machine)
        prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
        _functions[key] = (prototype(library["kernel"]), library)
    return _functions[key][0]


def run(
    plan: Plan,
    inputs,
    results,
    *,
    order: str = "all",
    at_end: bool = True,
    machine: Target | None = None,
) -> list[np.ndarray]:
    """Run a plan on copies of `inputs` (whole buffers); `results` are types or shapes of f32.

    order: "all" items in one call, or "shuffled" one by one, in an order that is not ascending.
    """
    machine = machine or target()
    outputs = [
        np.full(r.shape, 77, r.dtype.numpy) if hasattr(r, "dtype") else np.full(r, np.nan, "f")
        for r in results
    ]
    room = [np.full(t.shape, 99, t.dtype.numpy) for t in plan.temporaries]
    guarded = [Guarded(a, at_end) for a in (*inputs, *outputs, *room)]
    for step in plan.steps:
        pointers = np.array([guarded[i].array.ctypes.data for i in step.operands], np.int64)
        params = np.array(step.params, np.int64)
        size = step.kernel.scratch_bytes
        scratch = np.full(size // 4 + 32, np.nan, "f")
        start = scratch.ctypes.data + -scratch.ctypes.data % 64
        call = function(step.kernel, machine)
        pieces = [(0, step.chunks)]
        if order == "shuffled":
            pieces = [(i, i + 1) for i in reversed(range(step.chunks))]
        for begin, end in pieces:
            scratch[...] = np.nan
            call(pointers.ctypes.data, params.ctypes.data, start, begin, end)
            canary = scratch[(start - scratch.ctypes.data) // 4 + -(-size // 4) :]
            assert np.isnan(canary).all(), "wrote beyond the scratch memory"
    given = guarded[: len(inputs)]
    for before, after in zip(inputs, given, strict=True):
        np.testing.assert_array_equal(before, after.array)
    return [g.array.copy() for g in guarded[len(inputs) : len(inputs) + len(results)]]


def layout(view: np.ndarray, base: np.ndarray | None = None) -> Layout:
    """The layout of a NumPy view inside its base array."""
    base = view if base is None else base
    offset = (
        view.__array_interface__["data"][0] - base.__array_interface__["data"][0]
    ) // view.itemsize
    strides = tuple(s // view.itemsize for s in view.strides)
    return Layout(strides, offset, BY_NUMPY[view.dtype])


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """Norm of the difference relative to the norm of the expected result."""
    if expected.size == 0:
        return 0.0
    norm = float(np.linalg.norm(expected))
    error = float(np.linalg.norm(found.astype(np.float64) - expected))
    return error if norm == 0 else error / norm


__all__ = ["Epilogue", "Guarded", "layout", "relative_error", "run"]
