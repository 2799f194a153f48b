"""Ops that work element by element: one row each, with NumPy kernel, scalar body and derivatives.

Operands have one type, or are Python scalars; nothing broadcasts or promotes.  Rows are aligned so
that a mistake in the table jumps out.  Letters: `g` cotangent, `y` output, `a b x` inputs, `s`
scalar target.  Dtypes an op takes: FLOATS, NUMBERS (no bool), INTEGERS (with bool), REALS (all).
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import SAME, Op
from ..op import pointwise as _pointwise
from ..types import DType, TensorType, bool_
from . import special
from .inference import FLOATS, INTEGERS, REALS, elementwise, require
from .kernels import Array, Kernel, binary, comparing, fitted, quiet, unary
from .samples import Samples, between, booleans, flags, integers, ints, normal, on

NUMBERS = "fiu"

# rows that rules above them mention
sign: Op
cos: Op
cosh: Op
digamma: Op
trigamma: Op
eq: Op
where: Op


def _row(
    name: str,
    inputs: str,
    kinds: str,
    numpy: Kernel,
    body: Callable[..., Any],
    *partials: Callable[..., Any] | str | None,
    out: DType | None = None,
    samples: Samples,
) -> Op:
    """Declare a pointwise op; the NumPy kernel is made quiet and half-precision aware."""
    if out is not None and inputs == "a b":
        kernel = comparing(numpy)
    else:
        kernel = unary(numpy) if inputs == "x" else binary(numpy)
    infer = elementwise(name, inputs, kinds, out)
    return _pointwise(name, inputs, kernel, body, *partials, infer=infer, samples=samples)


def _call(name: str) -> Callable[..., Any]:
    """A scalar body that is one function of the target."""
    return lambda s, *xs: s.call(name, *xs)


def _integer_identity(function: Kernel) -> Kernel:
    """Rounding leaves integers alone."""
    return lambda x: function(x) if x.dtype.kind == "f" else x.copy()


def _rounding_body(name: str) -> Callable[..., Any]:
    return lambda s, x: s.call(name, x) if s.dtype(x).kind == "f" else x


def _predicate_body(name: str, of_integers: bool) -> Callable[..., Any]:
    def body(s: Any, x: Any) -> Any:
        return s.call(name, x) if s.dtype(x).kind == "f" else s.const(of_integers, bool_)

    return body


def _flat(g: Any) -> Any:
    """The cotangent of a piecewise constant function."""
    from .creation import full

    return full(shape=tuple(g.shape), value=0.0, dtype=g.dtype)


# ---- unary

_ALL = on(-3, 3)
_POSITIVE = on(0.1, 4)
_UNIT = on(-0.95, 0.95)
_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


def _sign_body(s: Any, x: Any) -> Any:
    one, zero = s.const(1, s.dtype(x)), s.const(0, s.dtype(x))
    negative = (
        zero
        if s.dtype(x).kind in "ub"
        else s.select(s.less(x, zero), s.const(-1, s.dtype(x)), zero)
    )
    if s.dtype(x).kind == "b":
        return x
    return s.select(s.less(zero, x), one, negative)


def _sign(x: Array) -> Array:
    if x.dtype.kind == "b":
        return x.copy()
    y = np.sign(x)
    return np.where(y == y, y, x.dtype.type(0)) if x.dtype.kind == "f" else y


def _trigamma_body(s: Any, x: Any) -> Any:
    reflect = s.less(x, s.const(0.5))
    z = s.select(reflect, s.sub(s.const(1.0), x), x)
    y = s.div(s.const(1.0), s.mul(z, z))
    for _ in range(7):
        z = s.add(z, s.const(1.0))
        y = s.add(y, s.div(s.const(1.0), s.mul(z, z)))
    r = s.div(s.const(1.0), s.add(z, s.const(1.0)))
    r2 = s.mul(r, r)
    series = s.const(7 / 6)
    for c in (-691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6):
        series = s.add(s.mul(series, r2), s.const(c))
    tail = s.add(s.add(r, s.mul(s.const(0.5), r2)), s.mul(s.mul(r, r2), series))
    y = s.add(y, tail)
    fraction = s.sub(x, s.call("floor", x))
    cosecant = s.div(s.const(math.pi), s.call("sin", s.mul(s.const(math.pi), fraction)))
    return s.select(reflect, s.sub(s.mul(cosecant, cosecant), y), y)


def _tetragamma(g: Any, x: Any) -> Any:
    from .gamma import polygamma

    return g * polygamma(x, n=2)


def _sigmoid(x: Array) -> Array:
    y = np.negative(x, out=np.empty_like(x))
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


def _truth(s: Any, x: Any) -> Any:
    return x if s.dtype(x).kind == "b" else s.not_equal(x, s.const(0, s.dtype(x)))


# fmt: off
copy       = _row("copy",       "x", REALS,   lambda x: x.copy(), lambda s, x: x,                        SAME, samples=_ALL)
neg        = _row("neg",        "x", NUMBERS, np.negative,   lambda s, x: s.neg(x),                      lambda g: -g, samples=_ALL)
abs        = _row("abs",        "x", NUMBERS, np.abs,        lambda s, x: s.abs(x) if s.dtype(x).kind != "u" else x,
                                                                                                         lambda g, x: g * sign(x), samples=_ALL)
sign       = _row("sign",       "x", REALS,   _sign,         _sign_body,                                 _flat, samples=_ALL)
square     = _row("square",     "x", NUMBERS, np.square,     lambda s, x: s.mul(x, x),                   lambda g, x: g * (2 * x), samples=_ALL)
reciprocal = _row("reciprocal", "x", FLOATS,  np.reciprocal, lambda s, x: s.div(s.const(1.0), x),        lambda g, y: -g * (y * y), samples=_POSITIVE)
relu       = _row("relu",       "x", NUMBERS, lambda x: np.maximum(x, 0), lambda s, x: s.max(x, s.const(0, s.dtype(x))),
                                                                                                         lambda g, y: where(y > 0, g, 0), samples=_ALL)
sqrt       = _row("sqrt",       "x", FLOATS,  np.sqrt,       _call("sqrt"),                              lambda g, y: g / (2 * y), samples=_POSITIVE)
rsqrt      = _row("rsqrt",      "x", FLOATS,  lambda x: np.reciprocal(np.sqrt(x)), _call("rsqrt"),       lambda g, y: -0.5 * g * (y * y * y), samples=_POSITIVE)
exp        = _row("exp",        "x", FLOATS,  np.exp,        _call("exp"),                               lambda g, y: g * y, samples=_ALL)
exp_nonpositive = _row("exp_nonpositive", "x", FLOATS, np.exp, _call("exp_nonpositive"),                 lambda g, y: g * y, samples=on(-8, 0))  # for x <= 0 only
exp2       = _row("exp2",       "x", FLOATS,  np.exp2,       _call("exp2"),                              lambda g, y: g * (y * math.log(2)), samples=_ALL)
expm1      = _row("expm1",      "x", FLOATS,  np.expm1,      _call("expm1"),                             lambda g, y: g * (y + 1), samples=_ALL)
log        = _row("log",        "x", FLOATS,  np.log,        _call("log"),                               lambda g, x: g / x, samples=_POSITIVE)
log2       = _row("log2",       "x", FLOATS,  np.log2,       _call("log2"),                              lambda g, x: g / (x * math.log(2)), samples=_POSITIVE)
log10      = _row("log10",      "x", FLOATS,  np.log10,      _call("log10"),                             lambda g, x: g / (x * math.log(10)), samples=_POSITIVE)
log1p      = _row("log1p",      "x", FLOATS,  np.log1p,      _call("log1p"),                             lambda g, x: g / (x + 1), samples=_POSITIVE)
sin        = _row("sin",        "x", FLOATS,  np.sin,        _call("sin"),                               lambda g, x: g * cos(x), samples=_ALL)
cos        = _row("cos",        "x", FLOATS,  np.cos,        _call("cos"),                               lambda g, x: -g * sin(x), samples=_ALL)
tan        = _row("tan",        "x", FLOATS,  np.tan,        _call("tan"),                               lambda g, y: g * (1 + y * y), samples=on(-1, 1))
asin       = _row("asin",       "x", FLOATS,  np.arcsin,     _call("asin"),                              lambda g, x: g * rsqrt(1 - x * x), samples=_UNIT)
acos       = _row("acos",       "x", FLOATS,  np.arccos,     _call("acos"),                              lambda g, x: -g * rsqrt(1 - x * x), samples=_UNIT)
atan       = _row("atan",       "x", FLOATS,  np.arctan,     _call("atan"),                              lambda g, x: g / (x * x + 1), samples=_ALL)
sinh       = _row("sinh",       "x", FLOATS,  np.sinh,       _call("sinh"),                              lambda g, x: g * cosh(x), samples=_ALL)
cosh       = _row("cosh",       "x", FLOATS,  np.cosh,       _call("cosh"),                              lambda g, x: g * sinh(x), samples=_ALL)
tanh       = _row("tanh",       "x", FLOATS,  np.tanh,       _call("tanh"),                              lambda g, y: g * (1 - y * y), samples=_ALL)
asinh      = _row("asinh",      "x", FLOATS,  np.arcsinh,    _call("asinh"),                             lambda g, x: g * rsqrt(x * x + 1), samples=_ALL)
acosh      = _row("acosh",      "x", FLOATS,  np.arccosh,    _call("acosh"),                             lambda g, x: g * rsqrt(x * x - 1), samples=on(1.1, 4))
atanh      = _row("atanh",      "x", FLOATS,  np.arctanh,    _call("atanh"),                             lambda g, x: g / (1 - x * x), samples=_UNIT)
sigmoid    = _row("sigmoid",    "x", FLOATS,  _sigmoid,      _call("sigmoid"),                           lambda g, y: g * (y * (1 - y)), samples=_ALL)
erf        = _row("erf",        "x", FLOATS,  special.erf,   _call("erf"),                               lambda g, x: g * (_TWO_OVER_ROOT_PI * exp(-(x * x))), samples=_ALL)
erfc       = _row("erfc",       "x", FLOATS,  special.erfc,  _call("erfc"),                              lambda g, x: g * (-_TWO_OVER_ROOT_PI * exp(-(x * x))), samples=_ALL)
erfinv     = _row("erfinv",     "x", FLOATS,  special.erfinv, _call("erfinv"),                           lambda g, y: g * (exp(y * y) / _TWO_OVER_ROOT_PI), samples=_UNIT)
lgamma     = _row("lgamma",     "x", FLOATS,  special.lgamma, _call("lgamma"),                           lambda g, x: g * digamma(x), samples=_POSITIVE)
digamma    = _row("digamma",    "x", FLOATS,  special.digamma, _call("digamma"),                         lambda g, x: g * trigamma(x), samples=_POSITIVE)
trigamma   = _row("trigamma",   "x", FLOATS,  special.trigamma, _trigamma_body,                          _tetragamma, samples=_POSITIVE)
floor      = _row("floor",      "x", NUMBERS, _integer_identity(np.floor), _rounding_body("floor"),      _flat, samples=_ALL)
ceil       = _row("ceil",       "x", NUMBERS, _integer_identity(np.ceil),  _rounding_body("ceil"),       _flat, samples=_ALL)
round      = _row("round",      "x", NUMBERS, _integer_identity(np.rint),  _rounding_body("round"),      _flat, samples=_ALL)
trunc      = _row("trunc",      "x", NUMBERS, _integer_identity(np.trunc), _rounding_body("trunc"),      _flat, samples=_ALL)
isnan      = _row("isnan",      "x", REALS,   np.isnan,      _predicate_body("isnan", False),            out=bool_, samples=_ALL)
isinf      = _row("isinf",      "x", REALS,   np.isinf,      _predicate_body("isinf", False),            out=bool_, samples=_ALL)
isfinite   = _row("isfinite",   "x", REALS,   np.isfinite,   _predicate_body("isfinite", True),          out=bool_, samples=_ALL)
bitwise_not = _row("bitwise_not", "x", INTEGERS, np.invert,  lambda s, x: s.logical_not(x),              samples=ints(-9, 9))
logical_not = _row("logical_not", "x", REALS, np.logical_not, lambda s, x: s.logical_not(_truth(s, x)),  out=bool_, samples=booleans())
# fmt: on


def _cast_type(x: TensorType, *, dtype: DType) -> TensorType:
    if not isinstance(x, TensorType):
        raise TypeError(f"cast needs a tensor operand, got {x!r}")
    return x if x.dtype is dtype else TensorType(dtype, x.shape)


@quiet
def _cast(x: Array, *, dtype: DType) -> Any:
    if dtype.kind == "b":
        return x != 0
    if x.dtype.kind == "c" and dtype.kind != "c":
        x = x.real
    if x.dtype.kind in "fV" and dtype.kind == "u":  # as PyTorch: through int64, so negatives wrap
        return x.astype(np.int64).astype(dtype.numpy)
    if (
        dtype.itemsize == 1 and dtype.name == "float8_e4m3fn"
    ):  # as PyTorch: what is too large is 448
        return np.clip(x.astype(np.float32), -448, 448).astype(dtype.numpy)
    return x.astype(dtype.numpy)


def _cast_rule(g: Any, x_type: TensorType) -> Any:
    return g if g.dtype is x_type.dtype else cast(g, dtype=x_type.dtype)


def _cast_samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    from ..types import bfloat16, float16, float32, float64, int32, int64

    x = between(-3, 3, 3, 5)
    return [
        *(((x,), {"dtype": d}) for d in (float64, float32, float16, bfloat16, int32, bool_)),
        ((integers(-5, 5, 3),), {"dtype": float32}),
        ((flags(3),), {"dtype": int64}),
    ]


# Attributes: dtype.  Floats to integers truncate; to bool means `x != 0`.
cast = _pointwise(
    "cast", "x", _cast, lambda s, x, dtype: s.cast(x, dtype), _cast_rule,
    infer=_cast_type, samples=_cast_samples,
)  # fmt: skip


# ---- binary


def _ties(better: Callable[[Any, Any], Any], other: str) -> Callable[..., Any]:
    """Cotangent of maximum or minimum: all to the winner, half to each of two equals.

    `better(a, b)` says when `a` wins; the operand that `other` names is the one not differentiated.
    """
    if other == "b":
        return lambda g, a, b: where(better(a, b), g, where(eq(a, b), 0.5 * g, 0))
    return lambda g, a, b: where(better(b, a), g, where(eq(a, b), 0.5 * g, 0))


def _pow(a: Any, b: Any) -> Any:
    if isinstance(b, (int, float, complex)):  # the exponents PyTorch singles out too
        if b == 2:
            return np.square(a)
        if b == 3:
            return np.square(a) * a
        if b == 1:
            return a.copy()
        if a.dtype.kind in "fc":
            if b == 0.5:
                return np.sqrt(a)
            if b == -1:
                return np.reciprocal(a)
            if b == -0.5:
                return np.reciprocal(np.sqrt(a))
            if b == -2:
                return np.reciprocal(np.square(a))
    dtype = a.dtype if isinstance(a, np.ndarray) else b.dtype
    if dtype.kind in "iu":
        return _integer_pow(np.asarray(a, dtype), np.asarray(b, dtype))
    return np.power(a, b)


def _integer_pow(a: Array, b: Array) -> Array:
    negative = b < 0
    if not negative.any():
        return np.asarray(np.power(a, b))
    # 1 / a^n truncates to 0, except for a = 1 and a = -1
    odd = np.where(b & 1, -1, 1).astype(a.dtype)
    below = np.where(a == 1, 1, np.where(a == -1, odd, 0))
    return np.where(negative, below, np.power(a, np.where(negative, 0, b))).astype(a.dtype)


def _pow_base_rule(g: Any, a: Any, b: Any) -> Any:
    if isinstance(b, (int, float, complex)):
        return _flat(g) if b == 0 else g * (b * pow(a, b - 1)) if b != 2 else g * (2 * a)
    return g * where(eq(b, 0), 0, b * pow(a, b - 1))


def _pow_exponent_rule(g: Any, y: Any, a: Any, b: Any) -> Any:
    if isinstance(a, complex):
        return g * (y * cmath.log(a)) if a != 0 else where(eq(b, 0), 0, 0 * y)
    if isinstance(a, (int, float)):
        if a == 0:
            return where(ge(b, 0), 0, g * (y * -math.inf))
        return g * (y * (math.log(a) if a > 0 else math.nan))
    if y.dtype.kind == "c":
        return where(eq(a, 0), 0, g * (y * log(a)))
    return where(logical_and(eq(a, 0), ge(b, 0)), 0, g * (y * log(a)))


def _nonzero_divisor(function: Kernel) -> Kernel:
    """Integer division by zero is an error, as in PyTorch."""

    def kernel(a: Any, b: Any) -> Any:
        array = a if isinstance(a, np.ndarray) else b
        if array.dtype.kind in "iu" and not np.all(b):
            raise RuntimeError("ZeroDivisionError: integer division by zero")
        return function(a, b)

    return kernel


def _shift(left: bool) -> Kernel:
    """Counts outside the width shift everything out, as in PyTorch (NumPy and C leave it open)."""

    def kernel(a: Any, b: Any) -> Any:
        dtype = a.dtype if isinstance(a, np.ndarray) else b.dtype
        a, b = np.asarray(a, dtype), np.asarray(b, dtype)
        last = 8 * dtype.itemsize - 1
        inside = (b >= 0) & (b <= last)
        if left:
            return np.where(inside, np.left_shift(a, np.where(inside, b, 0)), 0).astype(dtype)
        shifted = np.right_shift(a, np.where(inside, b, last).astype(dtype))
        return shifted if dtype.kind == "i" else np.where(inside, shifted, 0).astype(dtype)

    return kernel


_TWO = on(0.5, 3, 2)
_ANY_TWO = on(-3, 3, 2)


def _with_scalars(low: float, high: float, scalar: float, reversed_too: bool = True) -> Samples:
    """Two arrays, and an array beside a Python scalar."""

    def cases() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        x = between(low, high, 3, 5)
        mixed: list[tuple[tuple[Any, ...], dict[str, Any]]] = [((x, scalar), {})]
        return on(low, high, 2)() + mixed + ([((scalar, x), {})] if reversed_too else [])

    return cases


_REAL = _with_scalars(-3, 3, 1.5)
_DIVISIBLE = _with_scalars(0.5, 3, 1.5)


def _comparison(name: str, numpy: Kernel, body: Callable[..., Any]) -> Op:
    return _row(name, "a b", REALS, numpy, body, out=bool_, samples=_REAL)


# fmt: off
add     = _row("add",     "a b", REALS,   np.add,      lambda s, a, b: s.logical_or(a, b) if s.dtype(a).kind == "b" else s.add(a, b),
                                                       SAME,                                SAME, samples=_REAL)
sub     = _row("sub",     "a b", NUMBERS, np.subtract, lambda s, a, b: s.sub(a, b),         SAME,                                lambda g: -g, samples=_REAL)
mul     = _row("mul",     "a b", REALS,   np.multiply, lambda s, a, b: s.logical_and(a, b) if s.dtype(a).kind == "b" else s.mul(a, b),
                                                       lambda g, b: g * b,                  lambda g, a: g * a, samples=_REAL)
div     = _row("div",     "a b", FLOATS,  np.divide,   lambda s, a, b: s.div(a, b),         lambda g, b: g / b,                  lambda g, y, b: -g * (y / b), samples=_DIVISIBLE)
pow     = _row("pow",     "a b", NUMBERS, _pow,        _call("pow"),                        _pow_base_rule,                      _pow_exponent_rule, samples=_DIVISIBLE)
atan2   = _row("atan2",   "a b", FLOATS,  np.arctan2,  _call("atan2"),                      lambda g, a, b: g * (b / (a * a + b * b)), lambda g, a, b: -g * (a / (a * a + b * b)), samples=_DIVISIBLE)
hypot   = _row("hypot",   "a b", FLOATS,  np.hypot,    _call("hypot"),                      lambda g, y, a: g * (a / y),         lambda g, y, b: g * (b / y), samples=_DIVISIBLE)
copysign = _row("copysign", "a b", FLOATS, np.copysign, _call("copysign"),                  lambda g, y, a: g * where(eq(a, 0), 0, sign(a) * sign(y)), _flat, samples=_REAL)
maximum = _row("maximum", "a b", REALS,   np.maximum,  lambda s, a, b: s.logical_or(a, b) if s.dtype(a).kind == "b" else s.max(a, b),
                                                       _ties(lambda a, b: a > b, "b"),      _ties(lambda a, b: a > b, "a"), samples=_REAL)
minimum = _row("minimum", "a b", REALS,   np.minimum,  lambda s, a, b: s.logical_and(a, b) if s.dtype(a).kind == "b" else s.min(a, b),
                                                       _ties(lambda a, b: a < b, "b"),      _ties(lambda a, b: a < b, "a"), samples=_REAL)
clamp_min = _row("clamp_min", "a b", NUMBERS, np.maximum, lambda s, a, b: s.max(a, b),      lambda g, a, b: where(a >= b, g, 0), lambda g, a, b: where(a < b, g, 0), samples=_REAL)
clamp_max = _row("clamp_max", "a b", NUMBERS, np.minimum, lambda s, a, b: s.min(a, b),      lambda g, a, b: where(a <= b, g, 0), lambda g, a, b: where(a > b, g, 0), samples=_REAL)
fmod      = _row("fmod",      "a b", NUMBERS, _nonzero_divisor(np.fmod),      _call("fmod"),      SAME, lambda g, a, b: -g * trunc(a / b), samples=_DIVISIBLE)
remainder = _row("remainder", "a b", NUMBERS, _nonzero_divisor(np.remainder), _call("remainder"), SAME, lambda g, a, b: -g * floor(a / b), samples=_DIVISIBLE)
floor_divide = _row("floor_divide", "a b", NUMBERS, _nonzero_divisor(np.floor_divide), _call("floor_divide"), _flat, _flat, samples=_DIVISIBLE)

eq = _comparison("eq", np.equal,         lambda s, a, b: s.equal(a, b))
ne = _comparison("ne", np.not_equal,     lambda s, a, b: s.not_equal(a, b))
lt = _comparison("lt", np.less,          lambda s, a, b: s.less(a, b))
le = _comparison("le", np.less_equal,    lambda s, a, b: s.less_equal(a, b))
gt = _comparison("gt", np.greater,       lambda s, a, b: s.less(b, a))
ge = _comparison("ge", np.greater_equal, lambda s, a, b: s.less_equal(b, a))

logical_and = _row("logical_and", "a b", REALS,    np.logical_and, lambda s, a, b: s.logical_and(_truth(s, a), _truth(s, b)), out=bool_, samples=booleans(2))
logical_or  = _row("logical_or",  "a b", REALS,    np.logical_or,  lambda s, a, b: s.logical_or(_truth(s, a), _truth(s, b)),  out=bool_, samples=booleans(2))
logical_xor = _row("logical_xor", "a b", REALS,    np.logical_xor, lambda s, a, b: s.logical_xor(_truth(s, a), _truth(s, b)), out=bool_, samples=booleans(2))
bitwise_and = _row("bitwise_and", "a b", INTEGERS, np.bitwise_and, lambda s, a, b: s.logical_and(a, b), samples=ints(-9, 9, 2))
bitwise_or  = _row("bitwise_or",  "a b", INTEGERS, np.bitwise_or,  lambda s, a, b: s.logical_or(a, b),  samples=ints(-9, 9, 2))
bitwise_xor = _row("bitwise_xor", "a b", INTEGERS, np.bitwise_xor, lambda s, a, b: s.logical_xor(a, b), samples=ints(-9, 9, 2))
left_shift  = _row("left_shift",  "a b", "iu",     _shift(True),   lambda s, a, b: s.shift_left(a, b),  samples=ints(0, 9, 2))
right_shift = _row("right_shift", "a b", "iu",     _shift(False),  lambda s, a, b: s.shift_right(a, b), samples=ints(0, 9, 2))
# fmt: on


# ---- ternary


def _where_type(condition: TensorType, a: Any, b: Any) -> TensorType:
    operands = {"condition": condition, "a": a, "b": b}
    tensors = [t for t in (a, b) if isinstance(t, TensorType)]
    if not tensors or not isinstance(condition, TensorType):
        raise TypeError(f"where needs a condition and at least one tensor branch, got {operands}")
    require(condition.dtype is bool_, "where expected condition to be a boolean tensor", **operands)
    require(
        all(t == tensors[0] for t in tensors) and tensors[0].shape == condition.shape,
        "where: operands must have one shape, branches one dtype",
        "broadcast and cast before the op; the IR never does it by itself",
        **operands,
    )
    return tensors[0]


def _branch(x: Any, dtype: np.dtype[Any]) -> Any:
    return (
        x
        if isinstance(x, np.ndarray)
        else fitted(x, dtype)
        if dtype.kind in "iu"
        else np.asarray(x, dtype)
    )


@quiet
def _where(condition: Array, a: Any, b: Any) -> Any:
    dtype = a.dtype if isinstance(a, np.ndarray) else b.dtype
    return np.where(condition, _branch(a, dtype), _branch(b, dtype))


where = _pointwise(
    "where", "condition a b", _where, lambda s, c, a, b: s.select(c, a, b),
    None,
    lambda g, condition: where(condition, g, 0),
    lambda g, condition: where(condition, 0, g),
    infer=_where_type,
    samples=lambda: [
        ((flags(3, 5), normal(3, 5), normal(3, 5, seed=1)), {}),
        ((flags(3, 5), normal(3, 5), -1.5), {}),
        ((flags(3, 5), 0, normal(3, 5)), {}),
        ((flags(), normal(), normal(seed=1)), {}),
    ],
)  # fmt: skip
