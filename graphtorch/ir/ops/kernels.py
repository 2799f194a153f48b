"""What every NumPy kernel of the op table shares: silence, half precision and real arrays.

A kernel returns an array (also for 0-d results, where NumPy likes to return scalars) of the dtype
its type rule declares, and never warns: overflow and NaN are values here, as in PyTorch.

`Context.run` gives the silence: NumPy keeps its error state in a context variable, and running in
a copied context costs a tenth of a microsecond where `np.errstate` costs two.
float16 and bfloat16 are computed in float32 and rounded once at the end, as PyTorch does.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import wraps
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]
Kernel = Callable[..., Any]

float32 = np.dtype(np.float32)
HALF = frozenset((np.dtype(np.float16).num, np.dtype(ml_dtypes.bfloat16).num))

_silent = contextvars.Context()
_silent.run(np.seterr, all="ignore")
_fresh = _silent.copy


def is_half(x: Array) -> bool:
    """Is `x` float16 or bfloat16?"""
    return x.dtype.num in HALF


def quiet(function: Kernel) -> Kernel:
    """Run `function` without floating-point warnings and return an array."""

    @wraps(function)
    def kernel(*operands: Any, **attrs: Any) -> Any:
        y = _fresh().run(function, *operands, **attrs)
        return np.asarray(y) if isinstance(y, np.generic) else y

    return kernel


def widened(function: Kernel) -> Kernel:
    """Like `quiet`; half-precision operands are computed in float32, floating results rounded back."""

    @wraps(function)
    def kernel(*operands: Any, **attrs: Any) -> Any:
        for x in operands:
            if x.__class__ is np.ndarray and x.dtype.num in HALF:
                half = x.dtype
                break
        else:
            y = _fresh().run(function, *operands, **attrs)
            return np.asarray(y) if isinstance(y, np.generic) else y
        wide = [
            x.astype(float32) if x.__class__ is np.ndarray and x.dtype == half else x
            for x in operands
        ]
        y = _fresh().run(function, *wide, **attrs)
        if isinstance(y, tuple):
            return tuple(_narrow(part, half) for part in y)
        return _narrow(y, half)

    return kernel


def _narrow(y: Any, half: np.dtype[Any]) -> Any:
    y = np.asarray(y)
    with np.errstate(all="ignore"):
        return y.astype(half) if y.dtype == float32 else y


def unary(function: Kernel) -> Kernel:
    """`widened` for the common case of one array operand."""

    @wraps(function)
    def kernel(x: Any) -> Any:
        if x.dtype.num in HALF:
            return _narrow(_fresh().run(function, x.astype(float32)), x.dtype)
        y = _fresh().run(function, x)
        return y if y.__class__ is np.ndarray else np.asarray(y)

    return kernel


def binary(function: Kernel) -> Kernel:
    """`widened` for two operands of one dtype, one of which may be a Python scalar.

    A Python integer that the array's dtype cannot hold wraps around, as in PyTorch.
    """

    @wraps(function)
    def kernel(a: Any, b: Any) -> Any:
        dtype = a.dtype if a.__class__ is np.ndarray else b.dtype
        if dtype.num in HALF:
            a = a.astype(float32) if a.__class__ is np.ndarray else a
            b = b.astype(float32) if b.__class__ is np.ndarray else b
            return _narrow(_fresh().run(function, a, b), dtype)
        try:
            y = _fresh().run(function, a, b)
        except OverflowError:
            y = _fresh().run(function, fitted(a, dtype), fitted(b, dtype))
        return y if y.__class__ is np.ndarray else np.asarray(y)

    return kernel


BLOCK = 32768  # elements; a few float32 temporaries of this size fit the second-level cache


def in_blocks(function: Callable[..., None], *arrays: Array, outputs: int = 1) -> list[Array]:
    """Run `function(*inputs, *outputs)` over flat blocks of equally shaped arrays.

    A kernel of many passes is faster when every pass finds its block in the cache, and temporaries
    of a block's size cost no fresh memory.  The function writes the outputs; inputs are read only.
    """
    flat = [np.ascontiguousarray(x).reshape(-1) for x in arrays]
    found = [np.empty_like(flat[0]) for _ in range(outputs)]
    everything = flat + found
    for start in range(0, flat[0].size, BLOCK):
        function(*[x[start : start + BLOCK] for x in everything])
    shape = arrays[0].shape
    return [y.reshape(shape) for y in found]


def fitted(x: Any, dtype: np.dtype[Any]) -> Any:
    """A Python integer wrapped into the range of `dtype`; anything else unchanged."""
    if isinstance(x, int) and dtype.kind in "iu":
        return np.asarray(x & (2 ** (8 * dtype.itemsize) - 1), np.uint64).astype(dtype)
    return x


def comparing(function: Kernel) -> Kernel:
    """A comparison of two operands of one dtype; a Python scalar is first rounded to that dtype."""

    @wraps(function)
    def kernel(a: Any, b: Any) -> Any:
        if a.__class__ is not np.ndarray:
            if b.dtype.num in HALF:
                a = np.asarray(a).astype(b.dtype)
        elif b.__class__ is not np.ndarray and a.dtype.num in HALF:
            b = np.asarray(b).astype(a.dtype)
        y = _fresh().run(function, a, b)
        return y if y.__class__ is np.ndarray else np.asarray(y)

    return kernel
