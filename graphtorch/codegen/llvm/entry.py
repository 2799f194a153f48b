"""The Python callable made of machine code: a METH_FASTCALL function over a context.

    call(*arrays)          check the arguments, bind their pointers, run all launches, return None
    bind(*arrays)          the same without running: the context is then taken until `unbind`

Arguments are NumPy arrays, inputs first, then outputs.  Each is checked against what the graph was
compiled for (exact type ndarray, dtype, shape, C-contiguous, aligned, outputs and updated inputs
writeable), which costs a few nanoseconds; whatever is not as expected, and also a context or arena
that is in use or too small, goes to the context's Python method `refused(*arrays)`, which raises or
finds another way.  A launch that fails ends in `failed()`, which raises.  The GIL is released
around graphs that take long.

Reads fields of `PyObject` and of NumPy's `PyArrayObject`, whose layouts are part of the two stable
binary interfaces (CPython with the GIL, NumPy 1.7 to 2.x).
"""

from __future__ import annotations

import ctypes
import sysconfig
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from .driver import ARENA, ARGUMENT, CONTEXT
from .pool import POOL, Layout, expand

OBJECT = Layout("refcount type")
ARRAY = Layout("", data=16, ndim=24, dims=32, strides=40, base=48, descr=56, flags=64)

C_CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400

_ENTRY = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare ptr @PyObject_CallNoArgs(ptr)
@_Py_NoneStruct = external global i8

; Take the context and bind the arguments: 1 if all is as expected, else 0 and nothing is taken.
define internal i64 @bind(ptr %context, ptr %args, i64 %count) nounwind {
entry:
  %busy = load i64, ptr %context
  %free = icmp eq i64 %busy, 0
  %expected.p = getelementptr i8, ptr %context, i64 $CONTEXT.arguments_count
  %expected = load i64, ptr %expected.p
  %right = icmp eq i64 %count, %expected
  %arena.p = getelementptr i8, ptr %context, i64 $CONTEXT.arena
  %arena = load ptr, ptr %arena.p
  %lent = load i64, ptr %arena
  %idle = icmp eq i64 %lent, 0
  %have.p = getelementptr i8, ptr %arena, i64 $ARENA.capacity
  %have = load i64, ptr %have.p
  %need.p = getelementptr i8, ptr %context, i64 $CONTEXT.arena_nbytes
  %need = load i64, ptr %need.p
  %fits = icmp sge i64 %have, %need
  %pool.p = getelementptr i8, ptr %context, i64 $CONTEXT.pool
  %pool = load ptr, ptr %pool.p
  %threads.p = getelementptr i8, ptr %pool, i64 $POOL.threads
  %threads = load i64, ptr %threads.p
  %room.p = getelementptr i8, ptr %context, i64 $CONTEXT.scratch_threads
  %room = load i64, ptr %room.p
  %roomy = icmp sge i64 %room, %threads
  %ok.1 = and i1 %free, %right
  %ok.2 = and i1 %idle, %fits
  %ok.3 = and i1 %ok.1, %ok.2
  %ok = and i1 %ok.3, %roomy
  br i1 %ok, label %start, label %refuse
start:
  %table.p = getelementptr i8, ptr %context, i64 $CONTEXT.table
  %table = load ptr, ptr %table.p
  %arguments.p = getelementptr i8, ptr %context, i64 $CONTEXT.arguments
  %arguments = load ptr, ptr %arguments.p
  %array.type.p = getelementptr i8, ptr %context, i64 $CONTEXT.array_type
  %array.type = load ptr, ptr %array.type.p
  br label %next
next:
  %i = phi i64 [0, %start], [%i.1, %good]
  %some = icmp slt i64 %i, %count
  br i1 %some, label %argument, label %bound
argument:
  %place = mul i64 %i, ARGUMENT_BYTES
  %want = getelementptr i8, ptr %arguments, i64 %place
  %object.p = getelementptr ptr, ptr %args, i64 %i
  %object = load ptr, ptr %object.p
  %type.p = getelementptr i8, ptr %object, i64 $OBJECT.type
  %type = load ptr, ptr %type.p
  %is.array = icmp eq ptr %type, %array.type
  br i1 %is.array, label %look, label %refuse
look:
  %descr.p = getelementptr i8, ptr %object, i64 $ARRAY.descr
  %descr = load ptr, ptr %descr.p
  %want.descr.p = getelementptr i8, ptr %want, i64 $ARGUMENT.descr
  %want.descr = load ptr, ptr %want.descr.p
  %same.descr = icmp eq ptr %descr, %want.descr
  %flags.p = getelementptr i8, ptr %object, i64 $ARRAY.flags
  %flags = load i32, ptr %flags.p
  %want.flags.p = getelementptr i8, ptr %want, i64 $ARGUMENT.flags
  %want.flags = load i32, ptr %want.flags.p
  %masked = and i32 %flags, %want.flags
  %same.flags = icmp eq i32 %masked, %want.flags
  %ndim.p = getelementptr i8, ptr %object, i64 $ARRAY.ndim
  %ndim = load i32, ptr %ndim.p
  %want.ndim.p = getelementptr i8, ptr %want, i64 $ARGUMENT.ndim
  %want.ndim = load i32, ptr %want.ndim.p
  %same.ndim = icmp eq i32 %ndim, %want.ndim
  %same.1 = and i1 %same.descr, %same.flags
  %same = and i1 %same.1, %same.ndim
  br i1 %same, label %shape, label %refuse
shape:
  %ndim.64 = sext i32 %ndim to i64
  %dims.p = getelementptr i8, ptr %object, i64 $ARRAY.dims
  %dims = load ptr, ptr %dims.p
  %want.dims.p = getelementptr i8, ptr %want, i64 $ARGUMENT.dims
  %want.dims = load ptr, ptr %want.dims.p
  br label %dim
dim:
  %d = phi i64 [0, %shape], [%d.1, %compare]
  %more = icmp slt i64 %d, %ndim.64
  br i1 %more, label %compare, label %good
compare:
  %size.p = getelementptr i64, ptr %dims, i64 %d
  %size = load i64, ptr %size.p
  %want.size.p = getelementptr i64, ptr %want.dims, i64 %d
  %want.size = load i64, ptr %want.size.p
  %equal = icmp eq i64 %size, %want.size
  %d.1 = add i64 %d, 1
  br i1 %equal, label %dim, label %refuse
good:
  %data.p = getelementptr i8, ptr %object, i64 $ARRAY.data
  %data = load ptr, ptr %data.p
  %slot.p = getelementptr i8, ptr %want, i64 $ARGUMENT.slot
  %slot = load i64, ptr %slot.p
  %sink = getelementptr ptr, ptr %table, i64 %slot
  store ptr %data, ptr %sink
  %i.1 = add i64 %i, 1
  br label %next
bound:
  store i64 1, ptr %context
  store i64 1, ptr %arena
  %base.p = getelementptr i8, ptr %arena, i64 $ARENA.base
  %base = load ptr, ptr %base.p
  %old.p = getelementptr i8, ptr %context, i64 $CONTEXT.base
  %old = load ptr, ptr %old.p
  %moved = icmp ne ptr %base, %old
  br i1 %moved, label %rebase, label %taken
rebase:
  store ptr %base, ptr %old.p
  %places.p = getelementptr i8, ptr %context, i64 $CONTEXT.rebase
  %places = load ptr, ptr %places.p
  %places.count.p = getelementptr i8, ptr %context, i64 $CONTEXT.rebase_count
  %places.count = load i64, ptr %places.count.p
  br label %each
each:
  %p = phi i64 [0, %rebase], [%p.1, %move]
  %left = icmp slt i64 %p, %places.count
  br i1 %left, label %move, label %taken
move:
  %pair = mul i64 %p, 16
  %pair.p = getelementptr i8, ptr %places, i64 %pair
  %where = load i64, ptr %pair.p
  %offset.p = getelementptr i8, ptr %pair.p, i64 8
  %offset = load i64, ptr %offset.p
  %address = getelementptr i8, ptr %base, i64 %offset
  %cell = getelementptr ptr, ptr %table, i64 %where
  store ptr %address, ptr %cell
  %p.1 = add i64 %p, 1
  br label %each
taken:
  ret i64 1
refuse:
  ret i64 0
}

; Give the context back.
define void @graphtorch_unbind(ptr %context) nounwind {
  %arena.p = getelementptr i8, ptr %context, i64 $CONTEXT.arena
  %arena = load ptr, ptr %arena.p
  store i64 0, ptr %arena
  store i64 0, ptr %context
  ret void
}

define internal ptr @none() nounwind {
  call void @Py_IncRef(ptr @_Py_NoneStruct)
  ret ptr @_Py_NoneStruct
}

define internal ptr @refuse(ptr %context, ptr %args, i64 %count) nounwind {
  %refused.p = getelementptr i8, ptr %context, i64 $CONTEXT.refused
  %refused = load ptr, ptr %refused.p
  %result = call ptr @PyObject_Vectorcall(ptr %refused, ptr %args, i64 %count, ptr null)
  ret ptr %result
}

define ptr @graphtorch_call(ptr %self, ptr %args, i64 %count) nounwind {
entry:
  %context.p = getelementptr i8, ptr %self, i64 $ARRAY.data
  %context = load ptr, ptr %context.p
  %ok = call i64 @bind(ptr %context, ptr %args, i64 %count)
  %bound = icmp ne i64 %ok, 0
  br i1 %bound, label %run, label %refused
refused:
  %other = call ptr @refuse(ptr %context, ptr %args, i64 %count)
  ret ptr %other
run:
  %launches.p = getelementptr i8, ptr %context, i64 $CONTEXT.launch_count
  %launches = load i64, ptr %launches.p
  %flags.p = getelementptr i8, ptr %context, i64 $CONTEXT.flags
  %flags = load i64, ptr %flags.p
  %long.bit = and i64 %flags, 2
  %long = icmp ne i64 %long.bit, 0
  br i1 %long, label %without.gil, label %with.gil
with.gil:
  %short.result = call i64 @graphtorch_run(ptr %context, i64 0, i64 %launches)
  br label %judge
without.gil:
  %thread = call ptr @PyEval_SaveThread()
  %long.result = call i64 @graphtorch_run(ptr %context, i64 0, i64 %launches)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %judge
judge:
  %failing = phi i64 [%short.result, %with.gil], [%long.result, %without.gil]
  %fine = icmp slt i64 %failing, 0
  br i1 %fine, label %good, label %bad
good:
  call void @graphtorch_unbind(ptr %context)
  %nothing = call ptr @none()
  ret ptr %nothing
bad:
  %failing.p = getelementptr i8, ptr %context, i64 $CONTEXT.failing
  store i64 %failing, ptr %failing.p
  %failed.p = getelementptr i8, ptr %context, i64 $CONTEXT.failed
  %failed = load ptr, ptr %failed.p
  %error = call ptr @PyObject_CallNoArgs(ptr %failed)
  call void @graphtorch_unbind(ptr %context)
  ret ptr %error
}

define ptr @graphtorch_bind(ptr %self, ptr %args, i64 %count) nounwind {
entry:
  %context.p = getelementptr i8, ptr %self, i64 $ARRAY.data
  %context = load ptr, ptr %context.p
  %ok = call i64 @bind(ptr %context, ptr %args, i64 %count)
  %bound = icmp ne i64 %ok, 0
  br i1 %bound, label %good, label %bad
good:
  %nothing = call ptr @none()
  ret ptr %nothing
bad:
  %other = call ptr @refuse(ptr %context, ptr %args, i64 %count)
  ret ptr %other
}
"""

EXPORTS = ("graphtorch_call", "graphtorch_bind", "graphtorch_unbind")


def entry_text() -> str:
    """LLVM text of the entry; it calls `graphtorch_run`."""
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        raise UnsupportedError("graphtorch's native entry needs a CPython with the GIL")
    text = _ENTRY.replace("ARGUMENT_BYTES", str(ARGUMENT.nbytes))
    layouts = {"POOL": POOL, "CONTEXT": CONTEXT, "ARENA": ARENA, "ARGUMENT": ARGUMENT}
    return expand(text, **layouts, OBJECT=OBJECT, ARRAY=ARRAY)


def imports() -> dict[str, int]:
    """Addresses of the Python functions and objects that the entry uses."""
    names = (
        "PyEval_SaveThread", "PyEval_RestoreThread", "Py_IncRef", "PyObject_Vectorcall",
        "PyObject_CallNoArgs",
    )  # fmt: skip
    found = {
        name: ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value or 0
        for name in names
    }
    return {**found, "_Py_NoneStruct": id(None)}


class _MethodDef(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


_METH_FASTCALL = 0x80
_definitions: dict[tuple[int, bytes], _MethodDef] = {}  # CPython keeps pointers to these


def builtin(address: int, context: np.ndarray, name: str) -> Callable[..., Any]:
    """A builtin function that runs the machine code at `address` with `context` as its self.

    The function keeps the array alive; the code must live as long as the process.
    """
    key = (address, name.encode())
    definition = _definitions.setdefault(
        key, _MethodDef(name.encode(), address, _METH_FASTCALL, None)
    )
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    function: Callable[..., Any] = make(ctypes.addressof(definition), context, None)
    return function
