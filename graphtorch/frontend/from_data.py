"""Tensors from Python data and NumPy arrays, with the dtype PyTorch would choose."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnsupportedError, message
from ..ir import ops
from ..ir.types import BY_NUMPY, DType, bool_, int64
from . import promotion
from .creation import _finished, _stack
from .functional.wrapping import concrete, fresh
from .tensor import Tensor, wrap

# ---- from data


def tensor(
    data: Any, *, dtype: DType | None = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor with a copy of `data`: numbers, nested lists, arrays, tensors.

    Raises ValueError for ragged lists, TypeError for what is not a number.

    >>> tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        x = ops.copy(promotion.cast(data.detach(), dtype or data.dtype))
    else:
        x = fresh(_array_of(data, dtype, copy=True))
    return _finished(x, device, requires_grad)


scalar_tensor = tensor


def as_tensor(data: Any, dtype: DType | None = None, device: Any = None) -> Tensor:
    """Like `tensor`, but shares memory with arrays and tensors where dtype and device fit."""
    if isinstance(data, Tensor):
        return data.to(device=device, dtype=dtype)  # type: ignore[attr-defined]
    if isinstance(data, np.ndarray):
        x = from_numpy(data)
        return _finished(promotion.cast(x, dtype or x.dtype), device, False)
    return _finished(fresh(_array_of(data, dtype, copy=False)), device, False)


def asarray(
    obj: Any, *, dtype: DType | None = None, device: Any = None, copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`as_tensor` with a say in copying."""
    x = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device)
    return x.requires_grad_(True) if requires_grad else x


_SUPPORTED = (
    "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16,"
    " uint8, and bool."
)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor that shares the array's memory; raises TypeError for dtypes without counterpart."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if ndarray.dtype not in BY_NUMPY:
        raise TypeError(
            f"can't convert np.ndarray of type {ndarray.dtype.type.__module__}.{ndarray.dtype.type.__name__}."
            f" The only supported types are: {_SUPPORTED}"
        )
    if ndarray.strides and min(ndarray.strides) < 0:
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are"
            " not currently supported. (You can probably work around this by making a copy of your array "
            " with array.copy().) "
        )
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte"
            " orders is currently not supported."
        )
    x = wrap(ndarray if ndarray.__class__ is np.ndarray else ndarray.view(np.ndarray))
    if _stack.top is not None:
        _stack.top._remember(x, None)  # type: ignore[attr-defined]
    return x


def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A vector over the bytes of a buffer."""
    x = fresh(np.frombuffer(buffer, dtype.numpy, count, offset))
    return x.requires_grad_(True) if requires_grad else x


def from_dlpack(ext_tensor: Any, **_: Any) -> Tensor:
    """A tensor over memory that another library hands out by DLPack."""
    if isinstance(ext_tensor, Tensor):
        return ext_tensor
    try:
        return from_numpy(np.from_dlpack(ext_tensor))
    except (TypeError, AttributeError):
        raise UnsupportedError(
            message("from_dlpack needs an object with __dlpack__, not a capsule")
        ) from None


def _array_of(data: Any, dtype: DType | None, copy: bool) -> np.ndarray:
    """An array of the dtype PyTorch would choose for Python data."""
    if dtype is not None:
        dtype = promotion.meant_dtype(dtype)
    kind = data.__class__
    if kind is float or kind is int or kind is bool or kind is complex:
        dtype = dtype or promotion.number_dtype(data)
        return _cast_array(np.asarray(data), dtype)
    if isinstance(data, np.ndarray):
        if data.dtype not in BY_NUMPY:
            return from_numpy(data)._array  # raises
        found = data if dtype is None else _cast_array(data, dtype)
        if copy and found is data or not found.flags.c_contiguous:
            found = np.array(found, order="C")
        return found if found.dtype.isnative else found.astype(found.dtype.newbyteorder("="))
    if isinstance(data, np.generic):
        return _cast_array(np.asarray(data), dtype or BY_NUMPY[data.dtype])
    if isinstance(data, (list, tuple, range)):
        return _array_of_sequence(data, dtype)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{kind.__name__}'")
    if hasattr(data, "__array__"):
        return _array_of(np.asarray(data), dtype, True)
    if hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return _array_of_sequence(list(data), dtype)
    if promotion.is_number(data) or hasattr(data, "__float__"):
        return _cast_array(np.asarray(float(data)), dtype or promotion.get_default_dtype())
    raise RuntimeError(message(f"Could not infer dtype of {kind.__name__}"))


def _cast_array(array: np.ndarray, dtype: DType) -> np.ndarray:
    if array.dtype == dtype.numpy:
        return array
    if array.dtype.kind in "iub" and dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype.numpy)
        if (
            array.dtype.kind != "b"
            and not (array.min() >= limits.min and array.max() <= limits.max)
            and array.ndim == 0
        ):
            raise RuntimeError(
                message(f"value cannot be converted to type {dtype.name} without overflow")
            )
    if array.dtype.kind == "O":
        raise RuntimeError("Overflow when unpacking long long")
    with np.errstate(all="ignore"):
        if dtype.kind == "b":
            return array != 0
        if array.dtype.kind == "c" and dtype.kind != "c":
            raise RuntimeError(f"value cannot be converted to type {dtype.name} without overflow")
        return array.astype(dtype.numpy)


def _array_of_sequence(data: Any, dtype: DType | None) -> np.ndarray:
    if _plain(data):
        try:
            array = np.array(data)
        except (ValueError, OverflowError):
            array = None
        if array is not None and array.dtype.kind in "biufc" and array.dtype in BY_NUMPY:
            if dtype is None:
                chosen = {"b": bool_, "i": int64, "u": int64, "f": promotion._default_dtype}
                dtype = chosen.get(array.dtype.kind) or promotion.default_complex()
                if not array.size:
                    dtype = promotion._default_dtype
            return _cast_array(array, dtype)
    shape = _shape_of(data)
    leaves: list[Any] = []
    _collect(data, shape, 0, leaves)
    if dtype is None:
        dtype = promotion._default_dtype
        if leaves:
            kinds = [_leaf_dtype(v) for v in leaves]
            dtype = kinds[0]
            for other in kinds[1:]:
                dtype = promotion.promote_types(dtype, other)
    numbers = [v.item() if isinstance(v, (Tensor, np.generic)) else v for v in leaves]
    array = np.empty(len(numbers), dtype.numpy)
    try:
        array[...] = numbers
    except OverflowError:
        raise RuntimeError("Overflow when unpacking long long") from None
    return array.reshape(shape)


_PLAIN = (float, int, bool, complex)


def _plain(data: Any) -> bool:
    """Whether nested lists hold nothing but Python numbers, judged by their first elements."""
    while isinstance(data, (list, tuple, range)):
        if not data:
            return True
        for item in data if len(data) <= 64 else (data[0], data[-1]):
            if not isinstance(item, (*_PLAIN, list, tuple)) or isinstance(item, np.generic):
                return False
        data = data[0]
    return data.__class__ in _PLAIN


def _leaf_dtype(value: Any) -> DType:
    if isinstance(value, Tensor):
        return value.dtype
    if isinstance(value, np.generic):
        return BY_NUMPY[value.dtype]
    return promotion.number_dtype(value)


def _is_sequence(data: Any) -> bool:
    if isinstance(data, Tensor):
        return data._array.ndim > 0
    if isinstance(data, np.ndarray):
        return data.ndim > 0
    return hasattr(data, "__len__") and hasattr(data, "__getitem__")


def _shape_of(data: Any) -> tuple[int, ...]:
    shape: list[int] = []
    while _is_sequence(data):
        if isinstance(data, (str, bytes)):
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        shape.append(len(data))
        if not len(data):
            break
        first = data[0]
        if isinstance(first, Tensor) and first._array.ndim:
            if first._array.size == 1:
                break
            raise ValueError("only one element tensors can be converted to Python scalars")
        data = first
    return tuple(shape)


def _collect(data: Any, shape: tuple[int, ...], depth: int, leaves: list[Any]) -> None:
    if depth == len(shape):
        if isinstance(data, (str, bytes)):
            raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
        if _is_sequence(data) and not isinstance(data, Tensor):
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        if isinstance(data, Tensor):
            concrete(data)
        elif not promotion.is_number(data) and not isinstance(data, np.ndarray):
            try:
                promotion.number_dtype(data)
            except TypeError:
                raise RuntimeError(f"Could not infer dtype of {type(data).__name__}") from None
        leaves.append(data if not isinstance(data, np.ndarray) else data[()])
        return
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[depth]:
        raise ValueError(
            f"expected sequence of length {shape[depth]} at dim {depth} (got {len(data)})"
        )
    for item in data:
        _collect(item, shape, depth + 1, leaves)


def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: DType | None = None,
    device: Any = None,
    requires_grad: bool = False,
    **_: Any,
) -> Tensor:
    """A tensor from data in this dtype and device."""
    return tensor(
        data,
        dtype=dtype or self.dtype,
        device=self._device if device is None else device,
        requires_grad=requires_grad,
    )
