"""Exponential functions: exp exp_nonpositive exp2 expm1 sigmoid tanh sinh cosh.

Argument reduction x = n ln2 + r, |r| <= ln2 / 2, n by adding a magic number; e**r = 1 + r + r*r*q(r).
"""

from __future__ import annotations

from typing import Any

from ...ir.types import DType, float32, float64
from .math import (
    clamp_above,
    clamp_below,
    copy_sign,
    exponent_bias,
    horner,
    integer_of,
    magic,
    power_of_two,
    program_for,
    times_power_of_two,
)

# q(r) = (e**r - 1 - r) / r**2 on |r| <= ln2/2
_Q = {
    float32: (0.5, 0.1666651964187622, 0.04166640341281891, 0.008368831127882004, 0.0013940532226115465),
    float64: (
        0.5000000000000001, 0.16666666666666669, 0.04166666666662399, 0.008333333333330051,
        0.0013888888917281794, 0.00019841269863105968, 2.480152119021773e-05,
        2.7557268378684192e-06, 2.7620138719733994e-07, 2.5100424157005067e-08,
    ),
}  # fmt: skip
_Q_RELATIVE = {  # the same, relative to r
    float32: (0.5, 0.1666666716337204, 0.04166648909449577, 0.008333208039402962, 0.001393268583342433,
              0.00019944255473092198),
    float64: (
        0.5, 0.1666666666666667, 0.04166666666666667, 0.008333333333326112, 0.001388888888888373,
        0.0001984126987490126, 2.4801587325605324e-05, 2.7557255297969643e-06,
        2.755727357010214e-07, 2.5105259538448494e-08, 2.0914717341716378e-09,
    ),
}  # fmt: skip
_LN2 = {  # high part with room for n, low part
    float32: (0.693145751953125, 1.428606765330187e-06),
    float64: (0.6931471806019545, -4.2009150726810846e-11),
}
_LOG2_E = 1.4426950408889634
_LOWEST = {float32: -104.0, float64: -746.0}  # below: exp is 0
_HIGHEST = {float32: 89.0, float64: 710.0}  # above: exp is inf


def reduced(s: Any, x: Any, offset: int) -> tuple[Any, Any]:
    """An integer whose low bits are n + offset, and r."""
    dtype: DType = x.dtype
    high, low = _LN2[dtype]
    t = s.fma(x, _LOG2_E, magic(dtype) + offset)
    n = s.sub(t, magic(dtype) + offset)
    r = s.fma(n, -low, s.fma(n, -high, x))
    return s.bitcast(t, integer_of(dtype)), r


@program_for("exp_nonpositive")
def exp_nonpositive(s: Any, x: Any) -> Any:
    """e**x for x <= 0 (or NaN): 2**(n + 63) is a normal number, and denormals round once, at the end."""
    offset = exponent_bias(x.dtype) + 63
    n, r = reduced(s, clamp_below(s, x, _LOWEST[x.dtype]), offset)
    return s.mul(s.mul(_exp_of_small(s, r), power_of_two(s, n, x.dtype)), 2.0**-63)


def _exp_of_small(s: Any, r: Any) -> Any:
    return horner(s, r, (1.0, 1.0, *_Q[r.dtype]))


@program_for("exp")
def exp(s: Any, x: Any) -> Any:
    bounded = clamp_above(s, clamp_below(s, x, _LOWEST[x.dtype]), _HIGHEST[x.dtype])
    n, r = reduced(s, bounded, 2 * exponent_bias(x.dtype))
    return times_power_of_two(s, _exp_of_small(s, r), n)


def exp_normal(s: Any, x: Any) -> Any:
    """e**x where neither it nor its parts leave the normal numbers."""
    n, r = reduced(s, x, exponent_bias(x.dtype))
    return s.mul(_exp_of_small(s, r), power_of_two(s, n, x.dtype))


# (2**r - 1) / r on |r| <= 1/2
_EXP2 = (
    0.6931471824645996, 0.24022650718688965, 0.05550406128168106, 0.009618086740374565,
    0.0013336652191355824, 0.0001545231934869662, 1.4675450984213967e-05,
)  # fmt: skip


@program_for("exp2")
def exp2(s: Any, x: Any) -> Any:
    dtype = x.dtype
    low, high = (-151.0, 129.0) if dtype is float32 else (-1076.0, 1025.0)
    x = clamp_above(s, clamp_below(s, x, low), high)
    offset = magic(dtype) + 2 * exponent_bias(dtype)
    t = s.add(x, offset)
    r = s.sub(x, s.sub(t, offset))
    n = s.bitcast(t, integer_of(dtype))
    if dtype is float32:
        return times_power_of_two(s, horner(s, r, (1.0, *_EXP2)), n)
    return times_power_of_two(s, _exp_of_small(s, s.mul(r, 0.6931471805599453)), n)


def expm1_parts(s: Any, x: Any, offset: int) -> tuple[Any, Any, Any]:
    """n + offset as `reduced` has it, e**r and e**r - 1, the last with full relative accuracy."""
    n, r = reduced(s, x, offset)
    e = s.fma(s.mul(r, r), horner(s, r, _Q_RELATIVE[x.dtype]), r)
    return n, s.add(e, 1.0), e


@program_for("expm1")
def expm1(s: Any, x: Any) -> Any:
    dtype = x.dtype
    bounded = clamp_above(s, clamp_below(s, x, -40.0), _HIGHEST[dtype])
    bias = exponent_bias(dtype)
    n, grown, e = expm1_parts(s, bounded, 2 * bias)
    scale = power_of_two(s, s.sub(n, bias), dtype)
    near = s.fma(scale, e, s.sub(scale, 1.0))
    y = s.select(s.less(x, 40.0), near, times_power_of_two(s, grown, n))
    return s.select(s.isnan(x), x, s.select(s.equal(x, 0.0), x, y))


def expm1_of_nonpositive(s: Any, x: Any) -> Any:
    """e**x - 1 for -40 <= x <= 0."""
    n, _, e = expm1_parts(s, x, exponent_bias(x.dtype))
    scale = power_of_two(s, n, x.dtype)
    return s.fma(scale, e, s.sub(scale, 1.0))


@program_for("sigmoid")
def sigmoid(s: Any, x: Any) -> Any:
    e = exp_nonpositive(s, s.neg(s.abs(x)))  # e**-|x|: right down to denormal results
    return s.div(s.select(s.less(x, 0.0), e, 1.0), s.add(e, 1.0))


@program_for("tanh")
def tanh(s: Any, x: Any) -> Any:
    t = s.mul(s.abs(x), -2.0)
    m = expm1_of_nonpositive(s, clamp_below(s, t, -20.0 if x.dtype is float32 else -40.0))
    return copy_sign(s, s.div(s.neg(m), s.add(m, 2.0)), x)


@program_for("sinh", dtypes="f64")
def sinh(s: Any, x: Any) -> Any:
    """(t + t / (t + 1)) / 2 with t = expm1 |x|; half of e**|x| in two factors where t overflows."""
    a = s.abs(x)
    t = expm1(s, a)
    near = s.mul(s.add(t, s.div(t, s.add(t, 1.0))), 0.5)
    return copy_sign(s, s.select(s.less(a, 40.0), near, _half_exp(s, a)), x)


@program_for("cosh", dtypes="f64")
def cosh(s: Any, x: Any) -> Any:
    a = s.abs(x)
    t = exp(s, a)
    near = s.fma(t, 0.5, s.div(s.const(0.5, float64), t))
    return s.select(s.less(a, 40.0), near, _half_exp(s, a))


def _half_exp(s: Any, a: Any) -> Any:
    """e**a / 2 for a >= 0: overflows only where the result does."""
    n, r = reduced(s, clamp_above(s, a, 711.0), 2 * exponent_bias(a.dtype))
    return times_power_of_two(s, _exp_of_small(s, r), s.sub(n, 1))
