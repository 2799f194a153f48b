"""PyTorch's rules for mixing dtypes and shapes, made explicit for the IR.

Three kinds of operands count differently: tensors with dims, 0-d tensors, Python numbers.  A weaker
kind only decides when its category (bool < integer < float < complex) is higher:

    i32[3] + 1.5      -> f32     (the number brings the category, the default dtype the width)
    f16[3] + f64[]    -> f16     (same category: the tensor with dims decides)

`operands(a, b)` casts and broadcasts for binary ops; the IR itself never does either.
https://pytorch.org/docs/stable/tensor_attributes.html#torch.dtype has the rules in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Complex, Integral, Real
from typing import Any

import numpy as np

from ..ir import ops
from ..ir.types import (
    BY_NUMPY,
    DTYPES,
    STORED,
    DType,
    bfloat16,
    bool_,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int16,
    int64,
)  # fmt: skip
from .size import Size
from .tensor import Tensor

_CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}
_STORED = frozenset(STORED)
_default_dtype = float32


def get_default_dtype() -> DType:
    """The dtype of floating-point tensors made from Python numbers."""
    return _default_dtype


def set_default_dtype(dtype: DType) -> None:
    """Choose the dtype of floating-point tensors made from Python numbers."""
    global _default_dtype
    if not isinstance(dtype, DType):
        raise TypeError(
            "invalid dtype object: only floating-point types are supported as the default type"
        )
    if dtype.kind != "f":
        raise TypeError("only floating-point types are supported as the default type")
    _default_dtype = dtype


def default_complex() -> DType:
    """The dtype of complex tensors made from Python numbers."""
    return complex128 if _default_dtype is float64 else complex64


def _promote(a: DType, b: DType) -> DType:
    if a is b:
        return a
    if _CATEGORY[a.kind] < _CATEGORY[b.kind]:
        a, b = b, a
    if _CATEGORY[a.kind] > _CATEGORY[b.kind]:
        return complex128 if a is complex64 and b is float64 else a
    if a.kind == b.kind:
        if {a, b} == {float16, bfloat16}:
            return float32
        return a if a.itemsize > b.itemsize else b
    signed = a if a.kind == "i" else b  # beside uint8
    return int16 if signed.itemsize == 1 else signed


class _Promoted(dict):
    """The table; pairs with a dtype that is only stored are refused with PyTorch's words."""

    def __missing__(self, pair: tuple[DType, DType]) -> DType:
        from .functional.wrapping import scalar_name

        a, b = pair
        stored, names = [d for d in pair if d in STORED], [scalar_name(d) for d in pair]
        if a is b:
            return a
        if any(d.kind == "f" for d in stored):
            kinds = "Float8 Types"
        elif len(stored) == 1 and (a.kind == "f" or b.kind == "f"):
            return a if a.kind == "f" else b
        else:
            kinds = "uint16, uint32, uint64 types"
        raise RuntimeError(
            f"Promotion for {kinds} is not supported, attempted to promote {names[0]} and {names[1]}"
        )


_PROMOTED = _Promoted({(a, b): _promote(a, b) for a in DTYPES for b in DTYPES})


def promote_types(type1: DType, type2: DType) -> DType:
    """The smallest dtype that holds both.

    >>> promote_types(uint8, int64)
    torch.int64
    """
    return _PROMOTED[type1, type2]


def can_cast(from_: DType, to: DType) -> bool:
    """Whether a result of dtype `from_` may be stored in a tensor of dtype `to`."""
    if from_.kind == "c" and to.kind != "c":
        return False
    if from_.kind == "f" and to.kind in "biu":
        return False
    return not (from_ is not bool_ and to is bool_)


def number_dtype(value: Any) -> DType:
    """The dtype a Python number stands for; raises TypeError for anything else."""
    kind = value.__class__
    if kind is float:
        return _default_dtype
    if kind is int:
        return int64
    if kind is bool or isinstance(value, np.bool_):
        return bool_
    if isinstance(value, Integral):
        return int64
    if isinstance(value, Real):
        return _default_dtype
    if isinstance(value, Complex):
        return default_complex()
    raise TypeError(f"{type(value).__name__} is not a number")


def is_number(value: Any) -> bool:
    """Whether PyTorch takes `value` as a Python scalar."""
    return isinstance(value, (int, float, complex, np.number, np.bool_))


def as_number(value: Any) -> Any:
    """`value` as a plain bool, int, float or complex (NumPy scalars are unwrapped)."""
    return value.item() if isinstance(value, np.generic) else value


def _stronger(higher: DType | None, lower: DType | None) -> DType | None:
    if higher is None or lower is None:
        return lower if higher is None else higher
    if higher.kind == "c":
        return higher
    if higher.kind == "f":
        if lower.kind == "c":
            return complex128 if higher is float64 else complex64
        return higher
    if higher is bool_ or lower.kind in "fc":
        return _PROMOTED[higher, lower]
    return higher


def result_type(*values: Any) -> DType:
    """The dtype an operation on these tensors and numbers gives.

    >>> result_type(ops.full(shape=(3,), value=1, dtype=int16), 1.5)
    torch.float32
    """
    dims: DType | None = None
    zero: DType | None = None
    wrapped: DType | None = None
    for value in values:
        array = getattr(value, "_array", None)
        if array is None:
            dtype = number_dtype(value)
            wrapped = dtype if wrapped is None else _PROMOTED[wrapped, dtype]
        elif array.ndim:
            dtype = BY_NUMPY[array.dtype]
            dims = dtype if dims is None else _PROMOTED[dims, dtype]
        else:
            dtype = BY_NUMPY[array.dtype]
            zero = dtype if zero is None else _PROMOTED[zero, dtype]
    found = _stronger(dims, _stronger(zero, wrapped))
    if found is None:
        raise TypeError("result_type needs at least one tensor or number")
    return found


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that all `shapes` broadcast to; raises RuntimeError where two sizes differ.

    >>> broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    plain = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    found: list[int] = [1] * max(map(len, plain), default=0)
    for number, shape in enumerate(plain):
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] not in (1, found[i]):
                if found[i] != 1:
                    raise RuntimeError(
                        f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument"
                        f" at index {number} had {shape}; but expected shape should be broadcastable to {found}"
                    )
                found[i] = shape[i]
    return Size(found)


def common_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """`broadcast_shapes` on plain tuples."""
    found = shapes[0]
    for shape in shapes[1:]:
        if shape == found:
            continue
        if len(shape) > len(found):
            longer, shorter = shape, found
        else:
            longer, shorter = found, shape
        lead = len(longer) - len(shorter)
        out = list(longer)
        for i, size in enumerate(shorter):
            other = longer[lead + i]
            if size != other:
                if other == 1:
                    out[lead + i] = size
                elif size != 1:
                    a, b = (other, size) if longer is found else (size, other)
                    raise RuntimeError(
                        f"The size of tensor a ({a}) must match the size of tensor b ({b}) at"
                        f" non-singleton dimension {lead + i}"
                    )
        found = tuple(out)
    return found


def cast(x: Tensor, dtype: DType) -> Tensor:
    """`x` in another dtype; `x` itself if it has it already."""
    if BY_NUMPY[x._array.dtype] is dtype:
        return x
    if dtype.__class__ is not DType:
        return cast(x, meant_dtype(dtype))
    return ops.cast(x, dtype=dtype)


def meant_dtype(dtype: Any) -> DType:
    """The dtype that a Python type stands for (`dtype=int`); raises TypeError for anything else."""
    if dtype.__class__ is DType:
        return dtype
    try:
        return {int: int64, float: float64, bool: bool_, complex: complex128}[dtype]
    except (KeyError, TypeError):
        raise TypeError(f"dtype must be a torch.dtype, not {type(dtype).__name__}") from None


def expand(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x` broadcast to `shape`; `x` itself if it has it already."""
    return x if x._array.shape == shape else ops.expand(x, shape=shape)


def weak(value: Any, dtype: DType) -> Any:
    """A Python number as the IR wants it beside a tensor of `dtype`: bool, int or float."""
    value = as_number(value)
    if dtype.kind == "f":
        return float(value) if value.__class__ is not float else value
    if dtype.kind in "iu":
        return int(value)
    if dtype.kind == "b":
        return bool(value)
    return complex(value)


def operands(a: Any, b: Any, dtype: DType | None = None) -> tuple[Any, Any]:
    """`a` and `b` with one dtype (`dtype`, or PyTorch's choice) and one shape.

    One of them may be a Python number and stays one.
    """
    x, y = getattr(a, "_array", None), getattr(b, "_array", None)
    if x is not None and y is not None:
        if a._device is not b._device and a._device != b._device:
            a, b = same_device(a, b)
            x, y = a._array, b._array
        if dtype is None:
            if x.dtype == y.dtype:
                dtype = BY_NUMPY[x.dtype]
            else:
                dtype = result_type(a, b)
        if x.shape != y.shape:
            try:
                shape = common_shape((x.shape, y.shape))
            except RuntimeError as error:
                raise shape_error(error, a=a, b=b) from None
            return expand(cast(a, dtype), shape), expand(cast(b, dtype), shape)
        return cast(a, dtype), cast(b, dtype)
    if dtype is None:
        dtype = result_type(a, b)
    if dtype in _STORED:
        from .functional.wrapping import scalar_name

        raise NotImplementedError(f"arithmetic is not implemented for '{scalar_name(dtype)}'")
    if x is not None:
        return cast(a, dtype), weak(b, dtype)
    if y is not None:
        return weak(a, dtype), cast(b, dtype)
    return ops.full(shape=(), value=weak(a, dtype), dtype=dtype), weak(b, dtype)


def shape_error(error: Exception, **tensors: Tensor) -> RuntimeError:
    """PyTorch's words, with the operands in IR spelling and the user's line."""
    from ..errors import message

    return RuntimeError(message(str(error), operands={k: t.type_ for k, t in tensors.items()}))


def same_device(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A 0-d CPU tensor follows the other operand to its device; anything else is an error."""
    if a._array.ndim == 0 and a._device is None:
        return a.to(b.device), b  # type: ignore[attr-defined]
    if b._array.ndim == 0 and b._device is None:
        return a, b.to(a.device)  # type: ignore[attr-defined]
    from ..errors import message

    raise RuntimeError(
        message(
            "Expected all tensors to be on the same device, but found at least two devices,"
            f" {a.device} and {b.device}!",  # type: ignore[attr-defined]
            operands={"a": a.type_, "b": b.type_},
        )
    )


def broadcast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors, each expanded to their common shape."""
    shape = common_shape([t._array.shape for t in tensors])
    return tuple([expand(t, shape) for t in tensors])


def floating(x: Tensor) -> Tensor:
    """`x` itself if floating (or complex), else `x` in the default dtype."""
    return x if x._array.dtype.kind in "fcV" else ops.cast(x, dtype=_default_dtype)
