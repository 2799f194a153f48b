"""Python operators on tensors, with the common cases decided first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir import dispatch, ops
from ..ir.dispatch import _stack
from . import from_data, indexing, inplace, promotion
from .functional import comparison as _c
from .functional import conversion as _v
from .functional import linear as _l
from .functional import pointwise as _p
from .functional.wrapping import inplace as in_place
from .grad_mode import state as grad_state
from .tensor import Tensor, wrap


def _operator(function: Callable[..., Tensor], swapped: bool = False) -> Callable[..., Any]:
    """A Python operator: operands that are neither tensors nor numbers give NotImplemented."""

    def forward(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor) and not promotion.is_number(other):
            other = _foreign(other)
            if other is None:
                return NotImplemented
        return function(self, other)

    def backward(self: Tensor, other: Any) -> Any:
        if not isinstance(self, Tensor):
            raise TypeError(f"a tensor operator was called on a {type(self).__name__}")
        if not isinstance(other, Tensor) and not promotion.is_number(other):
            other = _foreign(other)
            if other is None:
                return NotImplemented
        return function(other, self)

    return backward if swapped else forward


def _foreign(other: Any) -> Tensor | None:
    return from_data.as_tensor(other) if isinstance(other, np.ndarray) else None


_PLAIN = frozenset((float, int))


def _fast(op: Any, function: Callable[..., Tensor], kinds: str = "biufcV") -> Callable[..., Any]:
    """`_operator` with the common cases decided first: a number beside floats, two equal dtypes.

    kinds: the dtypes (NumPy's letters) for which the op does all that `function` would do.
    """
    bind = dispatch.bind
    slow = _operator(function)

    def operate(self: Tensor, other: Any) -> Any:
        if other.__class__ in _PLAIN:
            if self._array.dtype.char in "efd":
                return bind(op, (self, float(other)), {})
            return function(self, other)
        try:
            x, y = self._array, other._array
        except AttributeError:
            return slow(self, other)
        if x.dtype is y.dtype and x.dtype.kind in kinds:
            if x.shape == y.shape:
                return bind(op, (self, other), {})
            if (
                _stack.top is None
                and self._device is other._device is None
                and _untracked(self, other)
            ):
                try:
                    return wrap(op.numpy(x, y))  # NumPy broadcasts
                except ValueError:
                    pass  # `function` says why not
        return function(self, other)

    return operate


def _untracked(a: Tensor, b: Tensor) -> bool:
    """Whether no gradient flows through either."""
    return not grad_state.enabled or not (
        a._requires_grad or b._requires_grad or a._history() is not None or b._history() is not None
    )


def _fast_swapped(op: Any, function: Callable[..., Tensor]) -> Callable[..., Any]:
    """The same for `2 * x`."""
    bind = dispatch.bind
    slow = _operator(function, True)

    def operate(self: Tensor, other: Any) -> Any:
        if other.__class__ in _PLAIN and self._array.dtype.char in "efd":
            return bind(op, (float(other), self), {})
        return slow(self, other)

    return operate


def _equal_operator(
    op: Any, function: Callable[..., Tensor], otherwise: bool
) -> Callable[..., Any]:
    slow = _operator(function)
    fast = _fast(op, function)

    def operate(self: Tensor, other: Any) -> Any:
        if isinstance(other, Tensor):
            return fast(self, other)
        if other is None:
            return otherwise
        return slow(self, other)

    return operate


def _matmul_operator(self: Tensor, other: Any) -> Any:
    if not isinstance(other, Tensor):
        other = _foreign(other)
    return NotImplemented if other is None else _l.matmul(self, other)


def _swapped_matmul_operator(self: Tensor, other: Any) -> Any:
    if not isinstance(other, Tensor):
        other = _foreign(other)
    return NotImplemented if other is None else _l.matmul(other, self)


OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": _fast(ops.add, _p.add), "__radd__": _fast_swapped(ops.add, _p.add),
    "__sub__": _fast(ops.sub, _p.sub, "iufcV"), "__rsub__": _fast_swapped(ops.sub, _p.sub),
    "__mul__": _fast(ops.mul, _p.mul), "__rmul__": _fast_swapped(ops.mul, _p.mul),
    "__truediv__": _fast(ops.div, _p.div, "fcV"), "__rtruediv__": _fast_swapped(ops.div, _p.div),
    "__floordiv__": _operator(_p.floor_divide), "__rfloordiv__": _operator(_p.floor_divide, True),
    "__mod__": _operator(_p.remainder), "__rmod__": _operator(_p.remainder, True),
    "__pow__": _fast(ops.pow, _p.pow, "fcV"), "__rpow__": _operator(_p.pow, True),
    "__matmul__": _matmul_operator, "__rmatmul__": _swapped_matmul_operator, "__rdiv__": _fast_swapped(ops.div, _p.div), "__div__": _operator(_p.div),
    "__and__": _operator(_p.bitwise_and), "__rand__": _operator(_p.bitwise_and, True),
    "__or__": _operator(_p.bitwise_or), "__ror__": _operator(_p.bitwise_or, True),
    "__xor__": _operator(_p.bitwise_xor), "__rxor__": _operator(_p.bitwise_xor, True),
    "__lshift__": _operator(_p.bitwise_left_shift), "__rshift__": _operator(_p.bitwise_right_shift),
    "__eq__": _equal_operator(ops.eq, _c.eq, False), "__ne__": _equal_operator(ops.ne, _c.ne, True),
    "__lt__": _fast(ops.lt, _c.lt), "__le__": _fast(ops.le, _c.le),
    "__gt__": _fast(ops.gt, _c.gt), "__ge__": _fast(ops.ge, _c.ge),
    "__neg__": _p.neg, "__pos__": _p.positive, "__abs__": _p.abs, "__invert__": _p.bitwise_not,
    "__iadd__": inplace.operator(inplace.add_), "__isub__": inplace.operator(inplace.sub_),
    "__imul__": inplace.operator(inplace.mul_), "__itruediv__": inplace.operator(inplace.div_),
    "__ifloordiv__": inplace.operator(in_place(_p.floor_divide)),
    "__imod__": inplace.operator(in_place(_p.remainder)), "__ipow__": inplace.operator(in_place(_p.pow)),
    "__iand__": inplace.operator(in_place(_p.bitwise_and)), "__ior__": inplace.operator(in_place(_p.bitwise_or)),
    "__ixor__": inplace.operator(in_place(_p.bitwise_xor)),
    "__getitem__": indexing.get_item, "__setitem__": indexing.set_item,
    "__bool__": _v.as_bool, "__int__": _v.as_int, "__float__": _v.as_float, "__complex__": _v.as_complex,
    "__index__": _v.as_index, "__array__": _v.as_array, "__array_wrap__": _v.wrap_array, "__dlpack__": _v.to_dlpack,
    "__dlpack_device__": _v.dlpack_device,
}  # fmt: skip
