"""The native entry: what machine code reads of Python's and NumPy's objects is really there."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.driver import CONTEXT
from graphtorch.codegen.llvm.entry import (
    ALIGNED,
    ARRAY,
    C_CONTIGUOUS,
    OBJECT,
    WRITEABLE,
    builtin,
    imports,
)
from graphtorch.codegen.llvm.native import native
from graphtorch.codegen.llvm.target import host


def word(address):
    return ctypes.c_int64.from_address(address).value


def small(address):
    return ctypes.c_int32.from_address(address).value


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), np.float32),
        np.arange(12, dtype=np.int64).reshape(3, 4)[1:, ::2],
        np.zeros((), np.bool_),
        np.zeros((0, 5), np.uint8),
    ],
)
def test_layout_of_numpys_arrays(array):
    at = id(array)
    assert word(at + OBJECT.type) == id(np.ndarray)
    assert word(at + ARRAY.data) == array.ctypes.data
    assert small(at + ARRAY.ndim) == array.ndim
    assert word(at + ARRAY.descr) == id(array.dtype)
    dims, strides = word(at + ARRAY.dims), word(at + ARRAY.strides)
    assert [word(dims + 8 * i) for i in range(array.ndim)] == list(array.shape)
    assert [word(strides + 8 * i) for i in range(array.ndim)] == list(array.strides)
    flags = small(at + ARRAY.flags)
    assert bool(flags & C_CONTIGUOUS) == array.flags.c_contiguous
    assert bool(flags & ALIGNED) == array.flags.aligned
    assert bool(flags & WRITEABLE) == array.flags.writeable
    array.flags.writeable = False
    assert not small(at + ARRAY.flags) & WRITEABLE


def test_a_builtin_of_machine_code():
    source = """
declare void @Py_IncRef(ptr)
define ptr @last(ptr %self, ptr %args, i64 %count) {
  %words.p = getelementptr i8, ptr %self, i64 16
  %words = load ptr, ptr %words.p
  store i64 %count, ptr %words
  %i = sub i64 %count, 1
  %p = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %p
  call void @Py_IncRef(ptr %object)
  ret ptr %object
}
"""
    library = jit.load([jit.assemble(source, host())], ["last"], imports())
    words = np.zeros(4, np.int64)
    last = builtin(library["last"], words, "last")
    thing = object()
    assert last(1, "two", thing) is thing and words[0] == 3
    assert last.__name__ == "last" and last.__self__ is words
    with pytest.raises(TypeError, match="no keyword"):
        last(x=1)


def test_native_code_is_loaded_once():
    assert native() is native()
    assert CONTEXT.busy == 0 and CONTEXT.index == CONTEXT.code + 8


def test_claim_is_taken_once():
    claimed = np.zeros(1, np.int64)
    assert [native().claim(claimed.ctypes.data) for _ in range(3)] == [1, 0, 0]
    claimed[0] = 0
    assert native().claim(claimed.ctypes.data) == 1
