"""Functions that make tensors: from sizes, from ranges, from Python data, from NumPy arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import UnsupportedError, message
from ..ir import dispatch, ops
from ..ir.types import BY_NUMPY, DType, bool_, int64
from . import promotion
from .device import resolve
from .functional.wrapping import concrete, fresh, into
from .size import sizes
from .tensor import Tensor, wrap

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
        raise RuntimeError(
            message(
                f"{name}: Dimension size must be non-negative.", hint=f"sizes are {list(shape)}"
            )
        )
    x = bind(
        _FULL, (), {"shape": shape, "value": value, "dtype": dtype or promotion._default_dtype}
    )
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
    dtype = dtype or promotion.number_dtype(fill_value)
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
            "dtype": dtype or BY_NUMPY[input._array.dtype],
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
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        whole = isinstance(start, int) and isinstance(end, int) and isinstance(step, int)
        dtype = int64 if whole else promotion.get_default_dtype()
    if dtype.kind in "iu":
        start, end, step = int(start), int(end) if end == int(end) else math.ceil(end), int(step)
        length = max(-((start - end) // step), 0)
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
    start, end = (v.item() if isinstance(v, Tensor) else v for v in (start, end))
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    dtype = dtype or promotion.get_default_dtype()
    # as PyTorch: the first half counts from the start, the second from the end
    real = np.float64 if dtype.kind in "iu" else dtype.numpy if dtype.itemsize >= 4 else np.float32
    step = (np.asarray(end, real) - np.asarray(start, real)) / max(steps - 1, 1)
    index = np.arange(steps)
    half = steps // 2
    values = np.where(index < half, start + step * index, end - step * (steps - 1 - index))
    if steps == 1:
        values = np.asarray([start])
    x = fresh(values.astype(real).astype(dtype.numpy))
    return into(out, x) if out is not None else _finished(x, device, requires_grad)


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: DType | None = None, device: Any = None,
    requires_grad: bool = False, **_: Any,
) -> Tensor:  # fmt: skip
    """base ** linspace(start, end, steps)."""
    dtype = dtype or promotion.get_default_dtype()
    values = np.power(float(base), np.linspace(start, end, steps)).astype(dtype.numpy)
    return _finished(fresh(values), device, requires_grad)


def eye(
    n: int, m: int | None = None, *, out: Tensor | None = None, dtype: DType | None = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an n x m matrix, zeros elsewhere."""
    m = n if m is None else m
    rows = ops.expand(ops.iota(length=n, start=0, step=1, dtype=int64).reshape(n, 1), shape=(n, m))
    columns = ops.expand(ops.iota(length=m, start=0, step=1, dtype=int64), shape=(n, m))
    x = ops.cast(ops.eq(rows, columns), dtype=dtype or promotion.get_default_dtype())
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
    from .functional.pointwise import pow
    from .functional.shape import stack

    return stack([pow(x, e) for e in exponents], -1)


def _window(name: str, weights: Any) -> Any:
    def function(
        window_length: int, periodic: bool = True, *, dtype: DType | None = None, device: Any = None,
        requires_grad: bool = False, layout: Any = None, **extra: Any,
    ) -> Tensor:  # fmt: skip
        dtype = dtype or promotion.get_default_dtype()
        if window_length <= 1:
            values = np.ones(window_length)
        else:
            n = window_length + 1 if periodic else window_length
            values = weights(np.arange(n) / (n - 1), **extra)[:window_length]
        return _finished(fresh(values.astype(dtype.numpy)), device, requires_grad)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name.partition('_')[0]} window for spectral analysis."
    return function


_TURN = 2 * math.pi
hann_window = _window("hann_window", lambda t: 0.5 - 0.5 * np.cos(_TURN * t))
hamming_window = _window(
    "hamming_window", lambda t, alpha=0.54, beta=0.46: alpha - beta * np.cos(_TURN * t)
)
blackman_window = _window(
    "blackman_window", lambda t: 0.42 - 0.5 * np.cos(_TURN * t) + 0.08 * np.cos(2 * _TURN * t)
)
bartlett_window = _window("bartlett_window", lambda t: 1 - np.abs(2 * t - 1))


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


def _new(
    self: Tensor,
    size: tuple[Any, ...],
    value: Any,
    dtype: DType | None,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    x = ops.full(shape=sizes(size), value=value, dtype=dtype or self.dtype)
    return _finished(x, self._device if device is None else device, requires_grad)
