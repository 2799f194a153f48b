"""Ops without operands: constants that code generation reads through an index map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import errors
from ..op import declare
from ..types import DType, TensorType, bfloat16, bool_, float32, int64
from .kernels import Array, fitted, quiet


def _full_type(*, shape: tuple[int, ...], value: Any, dtype: DType) -> TensorType:
    if min(shape, default=0) < 0:
        raise RuntimeError(
            errors.message(f"Trying to create tensor with negative dimension: {list(shape)}")
        )
    return TensorType(dtype, tuple(shape))


@quiet
def _full(*, shape: tuple[int, ...], value: Any, dtype: DType) -> Array:
    if value == 0 and type(value) is not float:
        return np.zeros(shape, dtype.numpy)
    y = np.empty(shape, dtype.numpy)
    y.fill(
        bool(value)
        if dtype.kind == "b"
        else fitted(value, dtype.numpy)
        if dtype.kind in "iu"
        else value
    )
    return y


# full(shape=, value=, dtype=): every element is the Python scalar `value`
full = declare(
    "full", "creation", "", _full_type, _full, vjp=(),
    samples=lambda: [
        ((), {"shape": (2, 3), "value": 1.5, "dtype": float32}),
        ((), {"shape": (), "value": float("-inf"), "dtype": float32}),
        ((), {"shape": (0, 2), "value": 3, "dtype": int64}),
        ((), {"shape": (2,), "value": True, "dtype": bool_}),
        ((), {"shape": (2,), "value": 0.1, "dtype": bfloat16}),
    ],
)  # fmt: skip


def _iota_type(*, length: int, start: float = 0, step: float = 1, dtype: DType) -> TensorType:
    if length < 0:
        raise RuntimeError(errors.message(f"iota: length must not be negative, got {length}"))
    return TensorType(dtype, (length,))


@quiet
def _iota(*, length: int, start: float = 0, step: float = 1, dtype: DType) -> Array:
    if dtype.kind in "iu":
        y = np.arange(length, dtype=np.int64)
        if step != 1:
            y *= int(step)
        if start != 0:
            y += int(start)
        return y.astype(dtype.numpy, copy=False)
    return (np.arange(length, dtype=np.float64) * step + start).astype(dtype.numpy)


# iota(length=, start=0, step=1, dtype=): start + step * i, computed in int64 or float64
iota = declare(
    "iota", "creation", "", _iota_type, _iota, vjp=(),
    samples=lambda: [
        ((), {"length": 5, "start": 0, "step": 1, "dtype": int64}),
        ((), {"length": 4, "start": 10, "step": -3, "dtype": int64}),
        ((), {"length": 4, "start": 0.5, "step": 0.25, "dtype": float32}),
        ((), {"length": 0, "start": 0, "step": 1, "dtype": float32}),
    ],
)  # fmt: skip
