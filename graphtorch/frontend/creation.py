"""Functions that make tensors: from sizes, from ranges, from Python data, from NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import message
from ..ir import dispatch, ops
from ..ir.types import BY_NUMPY, DType, int64
from . import promotion
from .device import resolve
from .functional.wrapping import fresh, into
from .size import sizes
from .tensor import Tensor

_FULL, _IOTA = ops.full, ops.iota

_stack = dispatch._stack

bind = dispatch.bind


def _finished(x: Tensor, device: Any, requires_grad: bool) -> Tensor:
    where = resolve(device)
    if where is not None:
        from .functional.conversion import move

        x = move(x, where)
    if requires_grad:
        if x._array.dtype.kind not in "fVc":
            raise RuntimeError(
                message("Only Tensors of floating point and complex dtype can require gradients")
            )
        x.requires_grad_(True)
    return x


def _filled(
    name: str, shape: tuple[int, ...], value: Any, out: Tensor | None, dtype: DType | None, device: Any,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    if shape and min(shape) < 0:
        text = f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        if name == "zeros":
            text = "zeros: Dimension size must be non-negative."
        raise RuntimeError(message(text, hint=f"{name} takes sizes from 0 on"))
    dtype = promotion.meant_dtype(dtype) if dtype else promotion._default_dtype
    if out is None and (where := resolve(device)) is not None and where.type == "meta":
        from .meta import meta_tensor

        x = meta_tensor(shape, dtype)
        return x.requires_grad_() if requires_grad else x
    x = bind(_FULL, (), {"shape": shape, "value": value, "dtype": dtype})
    if out is not None:
        return into(out, x)
    return _finished(x, device, requires_grad)


def zeros(
    *shape: Any, size: Any = None, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of zeros.

    >>> zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled(
        "zeros", sizes(shape if size is None else (size,)), 0, out, dtype, device, requires_grad
    )


def ones(
    *shape: Any, size: Any = None, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of ones."""
    return _filled(
        "ones", sizes(shape if size is None else (size,)), 1, out, dtype, device, requires_grad
    )


def empty(
    *shape: Any, size: Any = None, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor whose elements mean nothing yet (here: zeros, which cost no more)."""
    return _filled(
        "empty", sizes(shape if size is None else (size,)), 0, out, dtype, device, requires_grad
    )


def full(
    size: Any, fill_value: Any, *, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor of one value; without dtype, the value's own."""
    shape = sizes((size,))
    if isinstance(fill_value, Tensor):
        x = ops.expand(promotion.cast(fill_value, dtype or fill_value.dtype), shape=shape)
        return _finished(ops.copy(x), device, requires_grad)
    fill_value = promotion.as_number(fill_value)
    dtype = promotion.meant_dtype(dtype) if dtype else promotion.number_dtype(fill_value)
    return _filled(
        "full", shape, promotion.weak(fill_value, dtype), out, dtype, device, requires_grad
    )


def _like(
    input: Tensor, value: Any, dtype: DType | None, device: Any, requires_grad: bool, name: str
) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    x = bind(
        _FULL,
        (),
        {
            "shape": input._array.shape,
            "value": value,
            "dtype": promotion.meant_dtype(dtype) if dtype else BY_NUMPY[input._array.dtype],
        },
    )
    return _finished(x, input._device if device is None else device, requires_grad)


def zeros_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the same shape, dtype and device."""
    return _like(input, 0, dtype, device, requires_grad, "zeros_like")


def ones_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the same shape, dtype and device."""
    return _like(input, 1, dtype, device, requires_grad, "ones_like")


def empty_like(
    input: Tensor, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """An uninitialised tensor of the same shape, dtype and device (here: zeros)."""
    return _like(input, 0, dtype, device, requires_grad, "empty_like")


def full_like(
    input: Tensor, fill_value: Any, *, dtype: DType | None = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, memory_format: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """One value in the same shape, dtype and device."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()  # type: ignore[attr-defined]
    value = promotion.weak(fill_value, dtype or input.dtype)
    return _like(input, value, dtype, device, requires_grad, "full_like")


def empty_strided(
    size: Any, stride: Any, *, dtype: DType | None = None, device: Any = None, **_: Any
) -> Tensor:
    """An uninitialised tensor with the strides given (in elements)."""
    shape, steps = sizes((size,)), sizes((stride,))
    dtype = dtype or promotion.get_default_dtype()
    length = (
        1 + sum((n - 1) * s for n, s in zip(shape, steps, strict=True)) if math.prod(shape) else 0
    )
    buffer = np.zeros(length, dtype.numpy)
    array = np.lib.stride_tricks.as_strided(buffer, shape, [s * dtype.itemsize for s in steps])
    return _finished(fresh(array), device, False)


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Tensor:  # fmt: skip
    """An uninitialised tensor whose dims lie in memory in the order of `physical_layout`."""
    shape, order = sizes((size,)), tuple(physical_layout)
    if len(order) != len(shape):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e."
            f" len(size) = {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    for d in order:
        if not 0 <= d < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d})"
            )
    if len(set(order)) != len(order):
        raise RuntimeError("Duplicate dim not allowed")
    steps, step = [0] * len(shape), 1
    for d in reversed(order):
        steps[d], step = step, step * max(shape[d], 1)
    x = empty_strided(shape, steps, dtype=dtype, device=device)
    return x.requires_grad_(True) if requires_grad else x


def new_empty_strided(
    self: Tensor, size: Any, stride: Any, *, dtype: DType | None = None, device: Any = None, **_: Any
) -> Tensor:  # fmt: skip
    """An uninitialised tensor with the strides given, in this dtype and device."""
    return empty_strided(
        size, stride, dtype=dtype or self.dtype, device=self._device if device is None else device
    )


# ---- ranges


def arange(
    *bounds: Any, start: Any = None, end: Any = None, step: Any = 1, out: Tensor | None = None,
    dtype: DType | None = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, ... below end: int64 if all three are integers.

    >>> arange(1, 2.5, 0.5)
    tensor([1.0000, 1.5000, 2.0000])
    """
    if len(bounds) == 1:
        if end is None:
            end = bounds[0]
        else:
            start = bounds[0]
    elif len(bounds) >= 2:
        start, end = bounds[0], bounds[1]
        if len(bounds) == 3:
            step = bounds[2]
    if start is None:
        start = 0
    if end is None:
        raise TypeError("arange() missing required argument: end")
    start, end, step = (
        v.item() if isinstance(v, (Tensor, np.generic)) else v for v in (start, end, step)
    )
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if out is not None and dtype is None:
        dtype = out.dtype
    if dtype is not None:
        dtype = promotion.meant_dtype(dtype)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if dtype is not None and dtype.kind in "iu" and int(step) == 0:
        raise ValueError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        whole = isinstance(start, int) and isinstance(end, int) and isinstance(step, int)
        dtype = int64 if whole else promotion.get_default_dtype()
    if dtype is int64:
        start, end, step = int(start), int(end), int(step)
        length = max(-((start - end) // step), 0)
    elif dtype.kind in "iu":
        length = max(math.ceil((end - start) / step), 0)
        start, step = int(start), int(step)
    else:
        length = max(math.ceil((end - start) / step), 0)
    x = bind(_IOTA, (), {"length": length, "start": start, "step": step, "dtype": dtype})
    return into(out, x) if out is not None else _finished(x, device, requires_grad)


def range_inclusive(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: DType | None = None, **options: Any
) -> Tensor:
    """`torch.range`: like `arange`, but with the end, and in the default dtype."""
    length = math.floor((end - start) / step) + 1
    return _finished(
        ops.iota(length=length, start=start, step=step, dtype=dtype or promotion.get_default_dtype()),
        options.get("device"), options.get("requires_grad", False),
    )  # fmt: skip


def linspace(
    start: Any, end: Any, steps: int, *, out: Tensor | None = None, dtype: DType | None = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` evenly spaced values from start to end, both included."""
    dtype = promotion.meant_dtype(
        dtype or (out.dtype if out is not None else promotion.get_default_dtype())
    )
    x = fresh(_evenly("linspace", start, end, steps, dtype).astype(dtype.numpy))
    return into(out, x) if out is not None else _finished(x, device, requires_grad)


def _evenly(name: str, start: Any, end: Any, steps: Any, dtype: DType) -> np.ndarray:
    """`steps` evenly spaced values, wide enough to be cast to `dtype`."""
    if not hasattr(steps, "__index__"):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - steps must be int, not"
            f" {type(steps).__name__}"
        )
    if any(isinstance(v, Tensor) and v._array.ndim for v in (start, end)):
        raise RuntimeError(f"{name} only supports 0-dimensional start and end tensors")
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    if dtype.kind in "iu":
        start, end = int(start), int(end)
    # as PyTorch: the first half counts from the start, the second from the end
    real = np.float64 if dtype.kind in "iu" else dtype.numpy if dtype.itemsize >= 4 else np.float32
    step = (np.asarray(end, real) - np.asarray(start, real)) / max(steps - 1, 1)
    index = np.arange(steps)
    half = steps // 2
    values = np.where(index < half, start + step * index, end - step * (steps - 1 - index))
    if steps == 1:
        values = np.asarray([start])
    return values.astype(real)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Tensor | None = None,
    dtype: DType | None = None, device: Any = None, requires_grad: bool = False, **_: Any,
) -> Tensor:  # fmt: skip
    """base ** linspace(start, end, steps)."""
    dtype = dtype or (out.dtype if out is not None else promotion.get_default_dtype())
    exponents = _evenly("logspace", start, end, steps, dtype)
    with np.errstate(all="ignore"):
        powers = np.power(np.asarray(base, exponents.dtype), exponents)
        if steps == 1 and dtype.kind == "f":
            powers = powers.astype(exponents.dtype)
        x = fresh(powers.astype(dtype.numpy))
    return into(out, x) if out is not None else _finished(x, device, requires_grad)


def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an n x m matrix, zeros elsewhere."""
    m = n if m is None else m
    for name, value in (("n", n), ("m", m)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {value}")
    rows = ops.expand(ops.iota(length=n, start=0, step=1, dtype=int64).reshape(n, 1), shape=(n, m))
    columns = ops.expand(ops.iota(length=m, start=0, step=1, dtype=int64), shape=(n, m))
    x = ops.cast(
        ops.eq(rows, columns), dtype=promotion.meant_dtype(dtype or promotion.get_default_dtype())
    )
    return into(out, x) if out is not None else _finished(x, device, requires_grad)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = int64, device: Any = None, **_: Any
) -> Tensor:
    """Row and column indices of the lower triangle of a row x col matrix."""
    return _finished(
        fresh(np.stack(np.tril_indices(row, offset, col)).astype(dtype.numpy)), device, False
    )


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: DType = int64, device: Any = None, **_: Any
) -> Tensor:
    """Row and column indices of the upper triangle of a row x col matrix."""
    return _finished(
        fresh(np.stack(np.triu_indices(row, offset, col)).astype(dtype.numpy)), device, False
    )


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Powers of the elements of a vector, one a column."""
    n = x._array.size if N is None else N
    exponents = list(range(n)) if increasing else list(range(n - 1, -1, -1))
    from .functional.joining import stack
    from .functional.pointwise import pow

    return stack([pow(x, e) for e in exponents], -1)


# ---- methods that make tensors like their own


def new_zeros(
    self: Tensor,
    *size: Any,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """Zeros of another shape in this dtype and device."""
    return _new(self, size, 0, dtype, device, requires_grad)


def new_ones(
    self: Tensor,
    *size: Any,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """Ones of another shape in this dtype and device."""
    return _new(self, size, 1, dtype, device, requires_grad)


def new_empty(
    self: Tensor,
    *size: Any,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """An uninitialised tensor of another shape in this dtype and device."""
    return _new(self, size, 0, dtype, device, requires_grad)


def new_full(
    self: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """One value in another shape, in this dtype and device."""
    return _new(
        self, (size,), promotion.weak(fill_value, dtype or self.dtype), dtype, device, requires_grad
    )


def _new(
    self: Tensor,
    size: tuple[Any, ...],
    value: Any,
    dtype: DType | None,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    x = ops.full(shape=sizes(size), value=value, dtype=promotion.meant_dtype(dtype or self.dtype))
    return _finished(x, self._device if device is None else device, requires_grad)
