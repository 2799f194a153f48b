"""Comparisons, logic, and choosing by a condition."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.op import Op
from ...ir.types import BY_NUMPY
from .. import promotion
from ..tensor import Tensor
from .wrapping import (
    C_NAMES,
    accepts_out,
    bind,
    check_operands,
    check_tensor,
    concrete,
    fresh,
    into,
    named,
    scalar_name,
)  # fmt: skip


def _comparison(op: Op) -> Any:
    name = op.name

    def function(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
        try:
            x, y = input._array, other._array
            if x.dtype is y.dtype and x.shape == y.shape and out is None:
                return bind(op, (input, other), {})
        except AttributeError:
            check_operands(name, input, other, "other")
        a, b = _comparable(input, other)
        result = bind(op, (a, b), {})
        return result if out is None else into(out, result)

    return named(function, name, f"`{name}` of every pair of elements, as a bool tensor.")


def _comparable(input: Any, other: Any) -> tuple[Any, Any]:
    """Operands for a comparison; an integer beyond the dtype's range wraps around, as in PyTorch."""
    a, b = promotion.operands(input, other)
    if a.__class__ is int:
        a = _wrapped(a, b)
    elif b.__class__ is int:
        b = _wrapped(b, a)
    return a, b


def _wrapped(number: int, beside: Tensor) -> int:
    bits = 8 * beside._array.itemsize
    low = 0 if beside._array.dtype.kind == "u" else -(1 << (bits - 1))
    return (number - low) % (1 << bits) + low


eq, ne = _comparison(ops.eq), _comparison(ops.ne)
lt, le = _comparison(ops.lt), _comparison(ops.le)
gt, ge = _comparison(ops.gt), _comparison(ops.ge)
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def _logical(op: Op) -> Any:
    name = op.name

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        check_tensor(name, input)
        check_tensor(name, other, "other", 2)
        a, b = promotion.operands(_truth(input), _truth(other))
        result = bind(op, (a, b), {})
        return result if out is None else into(out, result)

    return named(function, name, f"`{name}` of every pair of elements; nonzero counts as True.")


def _truth(x: Tensor) -> Tensor:
    return x if x._array.dtype.kind == "b" else ops.ne(x, 0)


logical_and, logical_or = _logical(ops.logical_and), _logical(ops.logical_or)
logical_xor = _logical(ops.logical_xor)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other|, element by element."""
    if input.dtype is not other.dtype:
        raise RuntimeError(
            message(f"{scalar_name(input.dtype)} did not match {scalar_name(other.dtype)}")
        )
    if rtol < 0 or atol < 0:
        raise RuntimeError("rtol and atol must be greater than or equal to zero")
    a, b = promotion.operands(input, other)
    close = ops.eq(a, b)
    if a._array.dtype.kind in "fV":
        if equal_nan:
            close = ops.logical_or(close, ops.logical_and(ops.isnan(a), ops.isnan(b)))
    else:
        dtype = promotion.get_default_dtype()
        a, b = ops.cast(a, dtype=dtype), ops.cast(b, dtype=dtype)
    allowed = ops.add(ops.mul(ops.abs(b), rtol), atol)
    gap = ops.abs(ops.sub(a, b))
    near = ops.logical_and(ops.isfinite(gap), ops.le(gap, allowed))
    return ops.logical_or(close, near)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close; see `isclose`."""
    return bool(concrete(isclose(input, other, rtol, atol, equal_nan)).all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    if input._array.shape != other._array.shape:
        return False
    return bool((concrete(input) == concrete(other)).all())


@accepts_out
def isin(
    elements: Any = None,
    test_elements: Any = None,
    *,
    assume_unique: bool = False,
    invert: bool = False,
    element: Any = None,
    test_element: Any = None,
) -> Tensor:
    """Whether each element is one of `test_elements`."""
    elements = element if elements is None else elements
    test_elements = test_element if test_elements is None else test_elements
    if elements is None or test_elements is None:
        raise TypeError("isin() received an invalid combination of arguments")
    a = concrete(elements) if isinstance(elements, Tensor) else np.asarray(elements)
    b = concrete(test_elements) if isinstance(test_elements, Tensor) else np.asarray(test_elements)
    return fresh(np.asarray(np.isin(a, b, assume_unique=assume_unique, invert=invert)))


# ---- choosing


def where(
    condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None
) -> Any:
    """`input` where `condition`, else `other`; with one argument the indices of the True elements.

    >>> import graphtorch as torch
    >>> torch.where(torch.tensor([True, False]), 1.0, torch.zeros(2))
    tensor([1., 0.])
    """
    check_tensor("where", condition, "condition")
    if input is None and other is None:
        from .selection import nonzero

        return nonzero(condition, as_tuple=True)
    if condition._array.dtype.kind != "b":
        if condition.dtype.name != "uint8":
            raise RuntimeError(
                message(
                    "where expected condition to be a boolean tensor, but got a tensor with dtype"
                    f" {scalar_name(condition.dtype)}",
                    operands={"condition": condition.type_},
                )
            )
        condition = ops.ne(condition, 0)
    dtype = promotion.result_type(input, other)
    shapes = [v._array.shape for v in (condition, input, other) if isinstance(v, Tensor)]
    try:
        shape = promotion.common_shape(shapes)
    except RuntimeError as error:
        tensors = {"condition": condition, "input": input, "other": other}
        raise promotion.shape_error(
            error, **{k: t for k, t in tensors.items() if isinstance(t, Tensor)}
        ) from None
    a, b = (
        promotion.expand(promotion.cast(v, dtype), shape)
        if isinstance(v, Tensor)
        else promotion.weak(v, dtype)
        for v in (input, other)
    )
    if not isinstance(a, Tensor) and not isinstance(b, Tensor):
        a = ops.full(shape=shape, value=a, dtype=dtype)
    result = ops.where(promotion.expand(condition, shape), a, b)
    return result if out is None else into(out, result)


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`input` with `value` where `mask` is True; value is a number or a 0-d tensor."""
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            message(
                "masked_fill_ only supports boolean masks, but got mask with dtype"
                f" {C_NAMES[mask.dtype.name]}",
                operands={"mask": mask.type_},
            )
        )
    dtype = BY_NUMPY[input._array.dtype]
    if isinstance(value, Tensor):
        if value._array.ndim:
            raise RuntimeError(
                message(
                    "masked_fill only supports a 0-dimensional value tensor, but got tensor with"
                    f" {value._array.ndim} dimension(s)."
                )
            )
        if value._array.dtype.kind == "c" and dtype.kind != "c":
            raise RuntimeError(
                message(
                    f"value cannot be converted to type {dtype.name} without overflow",
                    operands={"input": input.type_, "value": value.type_},
                )
            )
    elif (
        not promotion.can_cast(promotion.number_dtype(value), dtype)
        and promotion.number_dtype(value).kind in "fc"
    ):
        raise RuntimeError(
            message(
                f"value cannot be converted to type {dtype.name} without overflow",
                operands={"input": input.type_},
            )
        )
    shape = input._array.shape
    if mask._array.shape != shape:
        try:
            shape = promotion.common_shape((shape, mask._array.shape))
        except RuntimeError as error:
            raise promotion.shape_error(error, input=input, mask=mask) from None
        mask, input = promotion.expand(mask, shape), promotion.expand(input, shape)
    if isinstance(value, Tensor):
        return ops.where(mask, promotion.expand(promotion.cast(value, dtype), shape), input)
    return ops.where(mask, promotion.weak(value, dtype), input)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with its elements under `mask` replaced, in order, by those of `source`."""
    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            message(
                f"masked_scatter_ only supports boolean masks, but got mask with dtype {C_NAMES[mask.dtype.name]}",
                operands={"mask": mask.type_},
            )
        )
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            message(
                "masked_scatter_: expected self and source to have same dtypes but got"
                f" {scalar_name(input.dtype)} and {scalar_name(source.dtype)}"
            )
        )
    shape = promotion.common_shape((input._array.shape, mask._array.shape))
    input, mask = promotion.expand(input, shape), promotion.expand(mask, shape)
    if not input._array.size:
        return ops.copy(input)
    if _untraced() and int(mask._array.sum()) > source._array.size:
        raise RuntimeError(
            message(
                "masked_scatter: expected self and source to have number of elements in source at least the"
                " number of ones in mask",
                operands={"mask": mask.type_, "source": source.type_},
            )
        )
    if not source._array.size:
        return ops.copy(input)
    flat = ops.cast(ops.reshape(mask, shape=(mask._array.size,)), dtype=promotion.number_dtype(0))
    position = ops.sub(ops.cumsum(flat, dim=0), 1)
    position = ops.clamp_max(ops.clamp_min(position, 0), source._array.size - 1)
    taken = ops.take(ops.reshape(source, shape=(source._array.size,)), position, dim=0)
    return ops.where(mask, ops.reshape(taken, shape=shape), input)


def _untraced() -> bool:
    from ...ir.dispatch import _stack

    return _stack.top is None


def is_nonzero(input: Tensor) -> bool:
    """The truth value of a tensor of one element."""
    return bool(input)
