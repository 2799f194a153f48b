"""Functions that work element by element: arithmetic, powers, rounding, bits.

Every one promotes and broadcasts its operands and then calls one op (or a short formula of ops).
"""

from __future__ import annotations

import builtins
import math as _math
from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.types import bool_, complex128, float64, int64
from .. import promotion
from ..promotion import operands
from ..tensor import Tensor
from .wrapping import (
    accepts_out,
    beside,
    binary,
    bind,
    check_operands,
    check_tensor,
    concrete,
    float_unary,
    fresh,
    into,
    refuse,
    unary,
)  # fmt: skip

_ADD, _SUB, _MUL, _DIV = ops.add, ops.sub, ops.mul, ops.div

# ---- the four operations


def add(input: Any, other: Any, *old: Any, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other, with broadcasting and promotion; also as `add(input, alpha, other)`.

    >>> import graphtorch as torch
    >>> torch.add(torch.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    if old:
        alpha, other = other, *old
    if alpha.__class__ is int and alpha == 1 and out is None:
        try:
            x, y = input._array, other._array
            if x.dtype is y.dtype and x.shape == y.shape:
                return bind(_ADD, (input, other), {})
        except AttributeError:
            check_operands("add", input, other)
        return bind(_ADD, operands(input, other), {})
    check_operands("add", input, other)
    if alpha != 1:
        other = scaled(input, other, alpha)
    result = bind(_ADD, operands(input, other), {})
    return result if out is None else into(out, result)


def scaled(input: Any, other: Any, alpha: Any) -> Any:
    """alpha * other, with PyTorch's check of alpha's category."""
    dtype = promotion.result_type(input, other)
    if dtype.kind in "iub" and isinstance(alpha, float):
        raise RuntimeError(
            message(
                "For integral input tensors, argument alpha must not be a floating point number."
            )
        )
    if dtype is bool_ and not isinstance(alpha, bool):
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    return mul(other, alpha) if isinstance(other, Tensor) else other * alpha


def sub(input: Any, other: Any, *old: Any, alpha: Any = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other, with broadcasting and promotion; also as `sub(input, alpha, other)`."""
    if old:
        alpha, other = other, *old
    try:
        x, y = input._array, other._array
        if (
            x.dtype is y.dtype
            and x.shape == y.shape
            and alpha == 1
            and out is None
            and x.dtype.kind != "b"
        ):
            return bind(_SUB, (input, other), {})
    except AttributeError:
        check_operands("sub", input, other)
    if alpha != 1:
        other = scaled(input, other, alpha)
    a, b = operands(input, other)
    if any(isinstance(v, Tensor) and v._array.dtype.kind == "b" for v in (input, other)):
        raise RuntimeError(
            message(
                "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or"
                " `logical_xor()` operator instead."
                if promotion.result_type(input) is promotion.result_type(other)
                else "Subtraction, the `-` operator, with a bool tensor is not supported. If you are"
                " trying to invert a mask, use the `~` or `logical_not()` operator instead."
            )
        )
    result = bind(_SUB, (a, b), {})
    return result if out is None else into(out, result)


def rsub(input: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """other - alpha * input."""
    check_tensor("rsub", input)
    return sub(other, input, alpha=alpha)


def mul(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """input * other, with broadcasting and promotion."""
    try:
        x, y = input._array, other._array
        if x.dtype is y.dtype and x.shape == y.shape and out is None:
            return bind(_MUL, (input, other), {})
    except AttributeError:
        check_operands("mul", input, other)
    result = bind(_MUL, operands(input, other), {})
    return result if out is None else into(out, result)


def div(
    input: Any, other: Any, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """input / other; integers give floats.  rounding_mode: None, "trunc" or "floor"."""
    if rounding_mode is None:
        try:
            x, y = input._array, other._array
            if x.dtype is y.dtype and x.shape == y.shape and x.dtype.kind in "fV" and out is None:
                return bind(_DIV, (input, other), {})
        except AttributeError:
            check_operands("div", input, other)
        dtype = promotion.result_type(input, other)
        if dtype.kind in "iub":
            dtype = promotion.get_default_dtype()
        result = bind(_DIV, operands(input, other, dtype), {})
    elif rounding_mode == "floor":
        result = floor_divide(input, other)
    elif rounding_mode == "trunc":
        check_operands("div", input, other)
        a, b = operands(input, other)
        kind = (a if isinstance(a, Tensor) else b)._array.dtype.kind
        if kind in "iu":
            # truncation and flooring differ where the signs do and the division is not exact
            quotient = ops.floor_divide(a, b)
            inexact = ops.ne(ops.remainder(a, b), 0)
            result = ops.where(
                ops.logical_and(ops.lt(quotient, 0), inexact), ops.add(quotient, 1), quotient
            )
        else:
            result = ops.trunc(ops.div(a, b))
    else:
        raise RuntimeError(
            message(
                "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found"
                f" '{rounding_mode}'"
            )
        )
    return result if out is None else into(out, result)


true_divide = div
multiply, divide, subtract = mul, div, sub


def floor_divide(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """The quotient rounded towards minus infinity."""
    check_operands("floor_divide", input, other)
    a, b = operands(input, other)
    refuse("div_floor_cpu", a if isinstance(a, Tensor) else b, "b")
    result = ops.floor_divide(a, b)
    return result if out is None else into(out, result)


remainder = binary(ops.remainder, scalars="one", refuses="b")
fmod = binary(ops.fmod, scalars="other", refuses="b")


def neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-input; raises RuntimeError for bool."""
    if check_tensor("neg", input)._array.dtype.kind == "b":
        raise RuntimeError(
            message(
                "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to"
                " invert a mask, use the `~` or `logical_not()` operator instead."
            )
        )
    result = ops.neg(input)
    return result if out is None else into(out, result)


negative = neg


def positive(input: Tensor) -> Tensor:
    """input itself; raises RuntimeError for bool."""
    if input._array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# ---- one operand

# fmt: off
exp, exp2, expm1 = float_unary(ops.exp), float_unary(ops.exp2), float_unary(ops.expm1)
log, log2, log10, log1p = float_unary(ops.log), float_unary(ops.log2), float_unary(ops.log10), float_unary(ops.log1p)
sqrt, rsqrt, reciprocal = float_unary(ops.sqrt), float_unary(ops.rsqrt), float_unary(ops.reciprocal)
sin, cos, tan = float_unary(ops.sin), float_unary(ops.cos), float_unary(ops.tan)
asin, acos, atan = float_unary(ops.asin), float_unary(ops.acos), float_unary(ops.atan)
sinh, cosh, tanh = float_unary(ops.sinh), float_unary(ops.cosh), float_unary(ops.tanh)
asinh, acosh, atanh = float_unary(ops.asinh), float_unary(ops.acosh), float_unary(ops.atanh)
arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh
erf, erfc, erfinv = float_unary(ops.erf), float_unary(ops.erfc), float_unary(ops.erfinv)
sigmoid = expit = float_unary(ops.sigmoid)
lgamma, digamma = float_unary(ops.lgamma), float_unary(ops.digamma)
floor = unary(ops.floor, refuses="b", kernel="floor_vml_cpu")
ceil = unary(ops.ceil, refuses="b", kernel="ceil_vml_cpu")
trunc = unary(ops.trunc, refuses="b", kernel="trunc_vml_cpu")
fix = trunc


def relu(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements, zero for negative ones."""
    if check_tensor("relu", input)._array.dtype.kind == "b":
        raise RuntimeError(message("Boolean inputs not supported for relu"))
    result = bind(ops.relu, (input,), {})
    return result if out is None else into(out, result)


isnan, isinf, isfinite = unary(ops.isnan), unary(ops.isinf), unary(ops.isfinite)
logical_not, bitwise_not = unary(ops.logical_not), unary(ops.bitwise_not, refuses="fVc")
# fmt: on


def square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input * input; bool becomes int64."""
    if check_tensor("square", input)._array.dtype.kind == "b":
        input = ops.cast(input, dtype=int64)
    result = ops.square(input)
    return result if out is None else into(out, result)


def abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The absolute value of every element."""
    refuse("abs_cpu", check_tensor("abs", input), "b")
    result = ops.abs(input)
    return result if out is None else into(out, result)


absolute = abs


def sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """-1, 0 or 1 by the sign of every element."""
    result = ops.sign(check_tensor("sign", input))
    return result if out is None else into(out, result)


def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`sign`, and x / |x| for complex numbers."""
    complex_ = check_tensor("sgn", input)._array.dtype.kind == "c"
    result = ops.complex_sign(input) if complex_ else ops.sign(input)
    return result if out is None else into(out, result)


def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Whether the sign bit is set (also of -0.0)."""
    if input._array.dtype.kind not in "fV":
        result = ops.lt(input, 0)
    else:
        result = ops.lt(
            ops.copysign(
                ops.full(shape=tuple(input._array.shape), value=1, dtype=input.dtype), input
            ),
            0,
        )
    return result if out is None else into(out, result)


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """Round half to even, to `decimals` places."""
    refuse("round_vml_cpu", check_tensor("round", input), "b")
    if decimals == 0:
        result = ops.round(input)
    else:
        scale = 10.0 ** (decimals if decimals > 0 else -decimals)
        if decimals > 0:
            result = ops.div(ops.round(ops.mul(input, scale)), scale)
        else:
            result = ops.mul(ops.round(ops.div(input, scale)), scale)
    return result if out is None else into(out, result)


def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The part after the decimal point, with the sign of the element."""
    refuse("frac_cpu", check_tensor("frac", input), "iub")
    result = ops.sub(input, ops.trunc(input))
    return result if out is None else into(out, result)


@accepts_out
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians."""
    return mul(input, _math.pi / 180)


@accepts_out
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees."""
    return mul(input, 180 / _math.pi)


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(x / (1 - x)), with x clamped to [eps, 1 - eps] if eps is given."""
    x = promotion.floating(input)
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    result = ops.log(ops.div(x, ops.sub(1.0, x)))
    return result if out is None else into(out, result)


def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Replace NaN and infinities, by default with 0 and the dtype's largest values."""
    result = input
    if input._array.dtype.kind in "fV":
        from ..numeric_limits import finfo

        limits = finfo(input.dtype)
        result = ops.where(ops.isnan(input), 0.0 if nan is None else float(nan), input)
        high = limits.max if posinf is None else float(posinf)
        low = limits.min if neginf is None else float(neginf)
        result = ops.where(ops.eq(input, _math.inf), high, result)
        result = ops.where(ops.eq(input, -_math.inf), low, result)
    return result if out is None else into(out, result)


@accepts_out
def isposinf(input: Tensor) -> Tensor:
    """Whether an element is +infinity."""
    return ops.eq(promotion.floating(input), _math.inf)


@accepts_out
def isneginf(input: Tensor) -> Tensor:
    """Whether an element is -infinity."""
    return ops.eq(promotion.floating(input), -_math.inf)


# ---- two operands


def pow(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """input ** exponent; integers to a negative number are an error, as in PyTorch."""
    check_operands("pow", input, exponent, "one")
    dtype = promotion.result_type(input, exponent)
    if dtype.kind in "iu" and isinstance(exponent, int) and exponent < 0:
        raise RuntimeError(message("Integers to negative integer powers are not allowed."))
    if dtype is bool_:
        result = ops.cast(ops.logical_or(input, ops.logical_not(exponent)), dtype=bool_)
        return result if out is None else into(out, result)
    a, b = operands(input, exponent, dtype)
    result = ops.pow(a, b)
    return result if out is None else into(out, result)


def float_power(input: Any, exponent: Any, *, out: Tensor | None = None) -> Tensor:
    """input ** exponent computed in float64 (complex128)."""
    check_operands("float_power", input, exponent, "one")
    wide = complex128 if promotion.result_type(input, exponent).kind == "c" else float64
    a, b = operands(input, exponent, wide)
    result = ops.pow(a, b)
    return result if out is None else into(out, result)


maximum = binary(ops.maximum, scalars="")
minimum = binary(ops.minimum, scalars="")
atan2 = arctan2 = binary(ops.atan2, floats=True, scalars="")
hypot = binary(ops.hypot, scalars="", refuses="iub")
copysign = binary(ops.copysign, floats=True, scalars="other")
bitwise_and = binary(ops.bitwise_and, scalars="one", refuses="fVc")
bitwise_or = binary(ops.bitwise_or, scalars="one", refuses="fVc")
bitwise_xor = binary(ops.bitwise_xor, scalars="one", refuses="fVc")
bitwise_left_shift = binary(
    ops.left_shift, "bitwise_left_shift", scalars="one", refuses="bfVc", kernel="lshift_cpu"
)
bitwise_right_shift = binary(
    ops.right_shift, "bitwise_right_shift", scalars="one", refuses="bfVc", kernel="rshift_cpu"
)


def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger element; a NaN beside a number loses."""
    check_operands("fmax", input, other, "")
    a, b = operands(input, other)
    result = ops.maximum(a, b)
    if result._array.dtype.kind in "fV":
        result = ops.where(ops.isnan(a), b, ops.where(ops.isnan(b), a, result))
    return result if out is None else into(out, result)


def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller element; a NaN beside a number loses."""
    check_operands("fmin", input, other, "")
    a, b = operands(input, other)
    result = ops.minimum(a, b)
    if result._array.dtype.kind in "fV":
        result = ops.where(ops.isnan(a), b, ops.where(ops.isnan(b), a, result))
    return result if out is None else into(out, result)


def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(exp(input) + exp(other)), safe from overflow."""
    check_operands("logaddexp", input, other, "")
    a, b = operands(promotion.floating(input), promotion.floating(other))
    if a._array.dtype.kind == "c":
        first = ops.ge(ops.real(a), ops.real(b))
        high, low = ops.where(first, a, b), ops.where(first, b, a)
        result = ops.add(high, ops.log(ops.add(ops.exp(ops.sub(low, high)), 1.0)))
        return result if out is None else into(out, result)
    top = ops.maximum(a, b)
    gap = ops.neg(ops.abs(ops.sub(a, b)))
    # two equal infinities leave no gap to compute
    result = ops.where(ops.isinf(top), top, ops.add(top, ops.log1p(ops.exp(gap))))
    return result if out is None else into(out, result)


def xlogy(input: Any, other: Any, *, out: Tensor | None = None) -> Tensor:
    """input * log(other), and 0 where input is 0 (unless other is NaN)."""
    check_operands("xlogy", input, other, "one")
    dtype = promotion.result_type(input, other)
    a, b = operands(input, other, dtype if dtype.kind == "f" else promotion.get_default_dtype())
    if not isinstance(a, Tensor):
        a = ops.full(shape=b.shape, value=a, dtype=b.dtype)
    if not isinstance(b, Tensor):
        b = ops.full(shape=a.shape, value=b, dtype=a.dtype)
    zero = ops.logical_and(ops.eq(a, 0), ops.logical_not(ops.isnan(b)))
    result = ops.where(zero, 0, ops.mul(a, ops.log(ops.where(zero, 1, b))))
    return result if out is None else into(out, result)


@accepts_out
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The next floating-point number after `input` towards `other`."""
    check_operands("nextafter", input, other, "")
    a, b = operands(input, other)
    refuse("nextafter_cpu", a, "iub")
    result = fresh(np.nextafter(concrete(a), concrete(b)))
    if not (a.requires_grad or b.requires_grad):
        return result
    # one step away from `input`, whose gradient passes; nothing depends on `other`
    step = ops.sub(result, ops.where(ops.isfinite(a), a, 0.0).detach())
    moved = ops.add(ops.where(ops.isfinite(a), a, 0.0), step)
    return beside(b, ops.where(ops.eq(a, b), result, moved))


@accepts_out
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p."""
    x = promotion.floating(input)
    result = ops.add(ops.mul(x, 0.0), p * (p - 1) / 4 * _math.log(_math.pi))
    for i in range(p):
        result = ops.add(result, ops.lgamma(ops.sub(x, i / 2)))
    return result


@accepts_out
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """Greatest common divisor of integers."""
    check_operands("gcd", input, other, "")
    a, b = operands(input, other)
    refuse("gcd_cpu", a, "bfVc")
    return fresh(np.gcd(concrete(a), concrete(b)))


@accepts_out
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """Least common multiple of integers."""
    check_operands("lcm", input, other, "")
    a, b = operands(input, other)
    refuse("lcm_cpu", a, "bfVc")
    return fresh(np.lcm(concrete(a), concrete(b)))


# ---- limits


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Every element moved into [min, max]; the bounds are numbers or tensors."""
    check_tensor("clamp", input)
    if min is None and max is None:
        raise RuntimeError(message("torch.clamp: At least one of 'min' or 'max' must not be None"))
    bounds = [b for b in (min, max) if b is not None]
    dtype = promotion.result_type(input, *bounds)
    result = promotion.cast(input, dtype)
    if min is not None:
        result = ops.clamp_min(*operands(result, min, dtype))
    if max is not None:
        result = ops.clamp_max(*operands(result, max, dtype))
    return result if out is None else into(out, result)


clip = clamp


def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Every element at least `min`."""
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Every element at most `max`."""
    return clamp(input, None, max, out=out)


# ---- three operands


def lerp(input: Tensor, end: Tensor, weight: Any, *, out: Tensor | None = None) -> Tensor:
    """input + weight * (end - input), exact at both ends."""
    a, b = operands(input, end)
    if isinstance(weight, Tensor):
        shape = promotion.common_shape((a._array.shape, weight._array.shape))
        a, b = promotion.expand(a, shape), promotion.expand(b, shape)
        weight = promotion.expand(promotion.cast(weight, a.dtype), shape)
        gap = ops.sub(b, a)
        low = ops.add(a, ops.mul(weight, gap))
        high = ops.sub(b, ops.mul(ops.sub(1.0, weight), gap))
        result = ops.where(ops.lt(ops.abs(weight), 0.5), low, high)
    else:
        gap = ops.sub(b, a)
        weight = weight if isinstance(weight, complex) else float(weight)
        if builtins.abs(weight) < 0.5:
            result = ops.add(a, ops.mul(gap, weight))
        else:
            result = ops.sub(b, ops.mul(gap, 1 - weight))
    return result if out is None else into(out, result)


def addcmul(
    input: Tensor,
    tensor1: Any,
    tensor2: Tensor,
    *old: Any,
    value: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """input + value * tensor1 * tensor2; also as `addcmul(input, value, tensor1, tensor2)`."""
    if old:
        value, tensor1, tensor2 = tensor1, tensor2, *old
    product = mul(tensor1, tensor2)
    result = add(input, product if value == 1 else mul(product, value))
    return result if out is None else into(out, result)


def addcdiv(
    input: Tensor,
    tensor1: Any,
    tensor2: Tensor,
    *old: Any,
    value: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """input + value * tensor1 / tensor2; also as `addcdiv(input, value, tensor1, tensor2)`."""
    if old:
        value, tensor1, tensor2 = tensor1, tensor2, *old
    if promotion.result_type(tensor1, tensor2).kind in "iub":
        raise RuntimeError(
            message(
                "Integer division with addcdiv is no longer supported, and in a future release addcdiv"
                " will perform a true division of tensor1 and tensor2."
            )
        )
    quotient = div(tensor1, tensor2)
    result = add(input, quotient if value == 1 else mul(quotient, value))
    return result if out is None else into(out, result)
