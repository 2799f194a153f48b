"""Moving tensors to other dtypes, devices, buffers and to Python and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import dispatch, ops
from ...ir.types import BY_NAME, BY_NUMPY, DType
from .. import promotion
from ..device import CPU, device
from ..formats import contiguous_format, preserve_format
from ..grad_mode import state as grad_state
from ..tensor import Tensor, wrap
from .wrapping import beside, concrete, fit, fresh, plain_write, scalar_name, touched

_stack = dispatch._stack


# ---- dtype and device


def device_of(x: Tensor) -> device:
    """Where the tensor lives."""
    return x._device or CPU


def to(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor with another dtype or device; itself where nothing changes and not `copy=True`.

    to(dtype), to(device), to(device, dtype), to(other), each with non_blocking, copy, memory_format.
    """
    dtype, where, copy = _to_arguments(*args, **kwargs)
    result = self
    if where is not None and where != device_of(self):
        result = move(result, where)
    if dtype is not None:
        result = promotion.cast(result, dtype)
    if copy and result is self:
        result = clone(self)
    return result


def _to_arguments(
    first: Any = None, second: Any = None, non_blocking: bool = False, copy: bool = False, *,
    dtype: DType | None = None, device: Any = None, other: Tensor | None = None, memory_format: Any = None,
) -> tuple[DType | None, device | None, bool]:  # fmt: skip
    if other is None and isinstance(first, Tensor):
        other = first
    if other is not None:
        return BY_NUMPY[other._array.dtype], device_of(other), bool(copy)
    if isinstance(first, DType):
        dtype = first
    elif first.__class__ is DType.__class__:  # a Python type
        dtype = promotion.meant_dtype(first)
    elif first is not None:
        device = first
        if isinstance(second, DType):
            dtype = second
    found = None if device is None else _device(device)
    return dtype, found, bool(copy)


_device = device


def move(x: Tensor, where: device) -> Tensor:
    """Copy to another device; raises where the machine has none."""
    if where.type == "cpu" and x._device is None:
        return x
    if where.type == "meta" or (x._device is not None and x._device.type == "meta"):
        from ..meta import moved

        return moved(x, where)
    from ... import cuda

    return cuda.transfer(x, where)


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of `other`."""
    return promotion.cast(self, BY_NUMPY[other._array.dtype])


def _caster(name: str) -> Any:
    dtype = BY_NAME[name]

    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return promotion.cast(self, dtype)

    method.__doc__ = f"The tensor as {name}."
    return method


# fmt: off
double, float_, half, bfloat16 = _caster("float64"), _caster("float32"), _caster("float16"), _caster("bfloat16")
long, int_, short, char = _caster("int64"), _caster("int32"), _caster("int16"), _caster("int8")
byte, bool_ = _caster("uint8"), _caster("bool")
cfloat, cdouble = _caster("complex64"), _caster("complex128")
# fmt: on


LEGACY = {
    "DoubleTensor": "float64", "FloatTensor": "float32", "HalfTensor": "float16",
    "BFloat16Tensor": "bfloat16", "LongTensor": "int64", "IntTensor": "int32", "ShortTensor": "int16",
    "CharTensor": "int8", "ByteTensor": "uint8", "BoolTensor": "bool",
}  # fmt: skip
_LEGACY_NAME = {dtype: name for name, dtype in LEGACY.items()}


def type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The dtype's old name ("torch.FloatTensor"), or the tensor in another dtype."""
    if dtype is None:
        room = "" if self._device is None else f"{self._device.type}."
        name = _LEGACY_NAME.get(self.dtype.name) or f"{scalar_name(self.dtype)}Tensor"
        return f"torch.{room}{name}"
    if isinstance(dtype, str):
        dtype = BY_NAME[LEGACY[dtype.rpartition(".")[2]]]
    elif not isinstance(dtype, DType):
        dtype = dtype.dtype
    return promotion.cast(self, dtype)


def cpu(self: Tensor, memory_format: Any = preserve_format) -> Tensor:
    """The tensor in main memory."""
    return self if self._device is None else move(self, CPU)


def cuda(
    self: Tensor,
    device: Any = None,
    non_blocking: bool = False,
    memory_format: Any = preserve_format,
) -> Tensor:
    """The tensor on a GPU; raises where there is none."""
    return move(self, _device("cuda" if device is None else device))


def view_dtype(self: Tensor, dtype: DType) -> Tensor:
    """The same bytes read as another dtype."""
    if _stack.top is not None:
        _stack.top.leave("view(dtype) reads the bytes of a tensor")  # type: ignore[attr-defined]
    array = self._array
    if array.dtype == dtype.numpy:
        return view_of(self)
    if array.itemsize != dtype.itemsize and (not array.ndim or not array.flags.c_contiguous):
        raise RuntimeError(
            message(
                "self.stride(-1) must be 1 to view torch dtypes of different sizes",
                operands={"self": self.type_},
            )
        )
    result = wrap(array.view(dtype.numpy))
    result._storage_ = self._storage
    return result


# ---- copies


def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy, through which gradients flow."""
    return ops.copy(input)


def contiguous(self: Tensor, memory_format: Any = contiguous_format) -> Tensor:
    """The tensor itself if its elements lie in row-major order, else a copy that does."""
    return self if self._array.flags.c_contiguous else ops.copy(self)


def is_contiguous(self: Tensor, memory_format: Any = contiguous_format) -> bool:
    """Whether the elements lie in row-major order (or, for 4-D, channels-last if that is asked)."""
    if memory_format is not None and getattr(memory_format, "name", "") == "channels_last":
        array = self._array
        return array.ndim == 4 and array.transpose(0, 2, 3, 1).flags.c_contiguous
    return bool(self._array.flags.c_contiguous)


def detach(input: Tensor) -> Tensor:
    """A view without history."""
    return input.detach()


def view_of(self: Tensor) -> Tensor:
    """A view of all of the tensor."""
    return ops.reshape(self, shape=self._array.shape)


def copy_(self: Tensor, other: Any, non_blocking: bool = False) -> Tensor:
    """Write `other`, broadcast and cast to this tensor's shape and dtype."""
    if not isinstance(other, Tensor):
        raise TypeError(
            message(
                f"copy_(): argument 'other' (position 1) must be Tensor, not {other.__class__.__name__}"
            )
        )
    if self._device is not other._device:
        other = move(other, device_of(self))
    if plain_write(self) and not (grad_state.enabled and other.requires_grad):
        source, goal = other._array, self._array
        try:
            if source.dtype.kind == "f" and goal.dtype.kind in "bu":
                source = promotion.cast(other, self.dtype)._array
            with np.errstate(all="ignore"):
                goal[...] = source
        except ValueError:
            raise _bad_copy(self, other) from None
        return touched(self)
    value = promotion.cast(other, self.dtype)
    if value._array.shape != self._array.shape:
        if value._array.ndim > self._array.ndim:
            value = _without_leading_ones(value, self._array.ndim)
        try:
            fits = (
                promotion.common_shape((self._array.shape, value._array.shape)) == self._array.shape
            )
        except RuntimeError:
            fits = False
        if not fits:
            raise _bad_copy(self, other)
        value = ops.expand(value, shape=self._array.shape)
    return self._write(value)


def _without_leading_ones(x: Tensor, ndim: int) -> Tensor:
    shape = x._array.shape
    lead = len(shape) - ndim
    return ops.reshape(x, shape=shape[lead:]) if all(s == 1 for s in shape[:lead]) else x


def _bad_copy(self: Tensor, src: Tensor) -> RuntimeError:
    a, b = self._array.shape, src._array.shape
    if len(b) > len(a):
        text = f"output with shape {list(a)} doesn't match the broadcast shape {list(b)}"
    else:
        lead = len(a) - len(b)
        wrong = next((d for d in range(len(b)) if b[d] not in (1, a[lead + d])), 0)
        text = (
            f"The size of tensor a ({a[lead + wrong]}) must match the size of tensor b ({b[wrong]}) at"
            f" non-singleton dimension {lead + wrong}"
        )
    return RuntimeError(message(text, operands={"self": self.type_, "src": src.type_}))


def set_data(self: Tensor, new: Tensor) -> None:
    """`x.data = y`: the tensor now shows y's memory; its history stays."""
    if _stack.top is not None:
        _stack.top.leave("assigning to .data changes the memory of a tensor")  # type: ignore[attr-defined]
    self._array = new._array
    self._storage_ = new._storage
    if self._device is not new._device:
        self._device = new._device


def data_of(self: Tensor) -> Tensor:
    """`x.data`: the same memory without history; writes to it are not counted (see `Tensor._put`)."""
    result = self.detach()
    result._uncounted = True
    return result


# ---- to Python


def item(self: Tensor) -> Any:
    """The value of a tensor of one element, as a Python number."""
    array = concrete(self)
    if array.size != 1:
        raise RuntimeError(
            message(
                f"a Tensor with {array.size} elements cannot be converted to Scalar",
                operands={"self": self.type_},
            )
        )
    value = array.item()
    return float(value) if array.dtype.kind == "V" else value


def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers (a number for a 0-d tensor)."""
    array = concrete(self)
    return (array.astype(np.float32) if array.dtype.kind == "V" else array).tolist()


def as_bool(self: Tensor) -> bool:
    """The truth value of one element."""
    array = self._array
    if array.size != 1:
        if array.size == 0:
            raise RuntimeError("Boolean value of Tensor with no values is ambiguous")
        raise RuntimeError(
            message(
                "Boolean value of Tensor with more than one value is ambiguous",
                operands={"self": self.type_},
            )
        )
    return bool(concrete(self).item())


def as_int(self: Tensor) -> int:
    """`int(x)` of one element."""
    return int(item(self))


def as_float(self: Tensor) -> float:
    """`float(x)` of one element."""
    return float(item(self))


def as_complex(self: Tensor) -> complex:
    """`complex(x)` of one element."""
    return complex(item(self))


def as_index(self: Tensor) -> int:
    """Use as a list index: one integer element."""
    if self._array.size != 1 or self._array.dtype.kind not in "iub":
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The data as an ndarray that shares memory; `force` detaches and moves first."""
    if force:
        self = cpu(self.detach())
    elif self.requires_grad:
        raise RuntimeError(
            message(
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.",
                operands={"self": self.type_},
            )
        )
    if self._device is not None:
        raise TypeError(
            f"can't convert {self._device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor"
            " to host memory first."
        )
    if self._array.dtype.kind == "V":
        raise TypeError("Got unsupported ScalarType BFloat16")
    return concrete(self)


def as_array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """`numpy.asarray(x)`."""
    array = numpy(self)
    if dtype is not None and np.dtype(dtype) != array.dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


def wrap_array(
    self: Tensor, array: np.ndarray, context: Any = None, return_scalar: bool = False
) -> Tensor:
    """What NumPy's functions make of their result when they were given a tensor."""
    if array.dtype == bool:
        array = array.astype(np.uint8)  # as PyTorch does
    return fresh(np.asarray(array))


def to_dlpack(self: Tensor, **kwargs: Any) -> Any:
    """A DLPack capsule over the same memory."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    array = concrete(self)
    if self._device is None and not array.flags.writeable:
        array = array.copy()
    return array.__dlpack__(**{k: v for k, v in kwargs.items() if v is not None})


def dlpack_device(self: Tensor) -> Any:
    """Type and number of the device, as DLPack counts them."""
    return self._array.__dlpack_device__()


# ---- filling


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of the same shape and dtype full of `value`."""
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                message(
                    "fill_ only supports 0-dimension value tensor but got tensor with"
                    f" {value._array.ndim} dimensions.",
                )
            )
        return beside(
            input, promotion.expand(promotion.cast(value, input.dtype), input._array.shape)
        )
    filled = ops.full(
        shape=input._array.shape, value=promotion.weak(value, input.dtype), dtype=input.dtype
    )
    return beside(input, filled)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    if plain_write(self) and not isinstance(value, Tensor):
        array = self._array
        if array.dtype.kind in "iu":
            value = int(value)
        try:
            array.fill(value)
        except OverflowError:
            raise RuntimeError(
                message(f"value cannot be converted to type {self.dtype.name} without overflow")
            ) from None
        return touched(self)
    return self._write(fit(self, fill(self, value)))


def zero_(self: Tensor) -> Tensor:
    """Write zeros."""
    return fill_(self, 0)
