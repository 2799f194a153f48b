"""In-place arithmetic: `x.add_(y)`, `x += y`, and friends.

Where no tape and no tracer look on, they write with NumPy straight into the buffer; everywhere else
they compute the value and hand it to `Tensor._write`, which knows PyTorch's rules.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import promotion
from .functional import pointwise
from .functional.wrapping import fit, plain_write, silently, touched
from .grad_mode import state as grad_state
from .tensor import Tensor


def _plain_operand(x: Tensor, other: Any) -> Any:
    """`other` as NumPy may use it beside x's float buffer, or None where rules must be asked."""
    array = x._array
    if array.dtype.kind != "f" or array.itemsize < 4:
        return None
    kind = other.__class__
    if kind is float or kind is int:
        return other
    source = getattr(other, "_array", None)
    if (
        source is None
        or source.dtype != array.dtype
        or (grad_state.enabled and other.requires_grad)
    ):
        return None
    if source.shape == array.shape or source.ndim == 0:
        return source
    return None


def _arithmetic(name: str, ufunc: np.ufunc, function: Callable[..., Tensor]) -> Any:
    def method(self: Tensor, other: Any) -> Tensor:
        if plain_write(self):
            operand = _plain_operand(self, other)
            if operand is not None:
                silently(ufunc, self._array, operand, self._array)
                return touched(self)
        return self._write(fit(self, function(self, other)))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{function.__name__}` in place."
    return method


def _with_alpha(name: str, ufunc: np.ufunc, function: Callable[..., Tensor]) -> Any:
    def method(self: Tensor, other: Any, *old: Any, alpha: Any = 1) -> Tensor:
        if old:
            alpha, other = other, *old
        if plain_write(self):
            operand = _plain_operand(self, other)
            if operand is not None:
                if alpha != 1:
                    operand = (
                        operand * self._array.dtype.type(alpha)
                        if isinstance(operand, np.ndarray)
                        else operand * alpha
                    )
                silently(ufunc, self._array, operand, self._array)
                return touched(self)
        return self._write(fit(self, function(self, other, alpha=alpha)))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{function.__name__}` in place."
    return method


add_ = _with_alpha("add_", np.add, pointwise.add)
sub_ = _with_alpha("sub_", np.subtract, pointwise.sub)
mul_ = _arithmetic("mul_", np.multiply, pointwise.mul)
_true_div_ = _arithmetic("div_", np.divide, pointwise.div)


def div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """`div` in place."""
    if rounding_mode is None:
        return _true_div_(self, other)
    return self._write(fit(self, pointwise.div(self, other, rounding_mode=rounding_mode)))


def _plain_pair(x: Tensor, a: Tensor, b: Tensor) -> bool:
    array = x._array
    return (
        plain_write(x)
        and array.dtype.kind == "f"
        and array.itemsize >= 4
        and a._array.dtype == b._array.dtype == array.dtype
        and a._array.shape == b._array.shape == array.shape
        and not (grad_state.enabled and (a.requires_grad or b.requires_grad))
    )


def addcmul_(self: Tensor, tensor1: Any, tensor2: Tensor, *old: Any, value: Any = 1) -> Tensor:
    """self += value * tensor1 * tensor2; also as `addcmul_(value, tensor1, tensor2)`."""
    if old:
        value, tensor1, tensor2 = tensor1, tensor2, *old
    if not isinstance(value, Tensor) and _plain_pair(self, tensor1, tensor2):
        product = silently(np.multiply, tensor1._array, tensor2._array)
        if value != 1:
            product *= self._array.dtype.type(value)
        np.add(self._array, product, out=self._array)
        return touched(self)
    return self._write(fit(self, pointwise.addcmul(self, tensor1, tensor2, value=value)))


def addcdiv_(self: Tensor, tensor1: Any, tensor2: Tensor, *old: Any, value: Any = 1) -> Tensor:
    """self += value * tensor1 / tensor2; also as `addcdiv_(value, tensor1, tensor2)`."""
    if old:
        value, tensor1, tensor2 = tensor1, tensor2, *old
    if not isinstance(value, Tensor) and _plain_pair(self, tensor1, tensor2):
        quotient = silently(np.divide, tensor1._array, tensor2._array)
        if value != 1:
            quotient *= self._array.dtype.type(value)
        np.add(self._array, quotient, out=self._array)
        return touched(self)
    return self._write(fit(self, pointwise.addcdiv(self, tensor1, tensor2, value=value)))


def lerp_(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    """self moves towards `end` by the fraction `weight`."""
    return self._write(fit(self, pointwise.lerp(self, end, weight)))


def operator(method: Callable[..., Tensor]) -> Callable[..., Any]:
    """`x += y` from `add_`: foreign operands give NotImplemented."""

    def operate(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor) and not promotion.is_number(other):
            return NotImplemented
        return method(self, other)

    return operate
