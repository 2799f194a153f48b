"""Logarithms and powers: log log2 log10 log1p asinh acosh atanh pow.

x = 2**k * m with m in [sqrt(1/2), sqrt(2)), by integer arithmetic on the bits.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...ir.types import DType, float32, float64
from .math import (
    clamp_above,
    clamp_below,
    copy_sign,
    exponent_bias,
    fast_two_sum,
    horner,
    integer_of,
    mantissa_bits,
    program_for,
    times_power_of_two,
    two_product,
    two_sum,
)
from .math_exp import reduced

# f32, m = 1 + f:  log(m) = f - f*f/2 + f**3 * P(f);  log_b(m) = f / ln b + f*f * P(f)
_LOG = (0.3333331346511841, -0.25000008940696716, 0.2000207155942917, -0.16667990386486053,
        0.14220362901687622, -0.12406208366155624, 0.1188347116112709, -0.11670182645320892,
        0.06749539077281952)  # fmt: skip
_LOG1P = (0.3333333134651184, -0.2500002086162567, 0.2000032514333725, -0.16665613651275635,
          0.14270101487636566, -0.12498876452445984, 0.113837830722332, -0.10552529990673065,
          0.0802372619509697, -0.031632162630558014)  # fmt: skip
_LOG2 = (-0.7213475108146667, 0.48089808225631714, -0.36067456007003784, 0.2885681092739105,
         -0.24045148491859436, 0.20515945553779602, -0.17916671931743622, 0.17156071960926056,
         -0.16762778162956238, 0.09642521291971207)  # fmt: skip
_LOG10 = (-0.21714724600315094, 0.14476478099822998, -0.1085733026266098, 0.08686553686857224,
          -0.07239525765180588, 0.0618029348552227, -0.05383807420730591, 0.0512981079518795,
          -0.050671566277742386, 0.029844705015420914)  # fmt: skip
# f64, s = f / (2 + f), z = s*s:  log(m) = 2s + s*z*L(z)
_ATANH = (0.666666666666667, 0.39999999999899505, 0.28571428625975565, 0.22222211134782022,
          0.18182889126213123, 0.15331721568931583, 0.146164500759356)  # fmt: skip
_LN2 = {
    float32: (0.693145751953125, 1.428606765330187e-06),
    float64: (0.6931471806019545, -4.2009150726810846e-11),
}
_SQRT_HALF = {float32: 0x3F3504F3, float64: 0x3FE6A09E667F3BCD}
_SMALLEST_NORMAL = {float32: 2.0**-126, float64: 2.0**-1022}


def split(s: Any, x: Any) -> tuple[Any, Any]:
    """(k as a float, m) for positive finite x, denormals too."""
    dtype: DType = x.dtype
    bits, shift = integer_of(dtype), mantissa_bits(dtype)
    tiny = s.less(x, _SMALLEST_NORMAL[dtype])
    x = s.select(tiny, s.mul(x, 2.0 ** (shift + 1)), x)
    offset = s.sub(s.bitcast(x, bits), _SQRT_HALF[dtype])
    k = s.cast(s.shift_right(offset, shift), dtype) if dtype is float32 else _exponent(s, offset)
    m = s.add(s.logical_and(offset, (1 << shift) - 1), _SQRT_HALF[dtype])
    k = s.select(tiny, s.sub(k, float(shift + 1)), k)
    return k, s.bitcast(m, dtype)


def _exponent(s: Any, offset: Any) -> Any:
    """The signed top 12 bits of an i64 as f64, without 64-bit conversions (AVX2 has none)."""
    biased = s.add(s.bits_right(offset, 52), 0x4330000000000000)  # 2**52 + n, n in 0..4095
    n = s.sub(s.bitcast(biased, float64), 2.0**52)
    return s.select(s.less(n, 2048.0), n, s.sub(n, 4096.0))


def guarded(s: Any, x: Any, y: Any) -> Any:
    """The logarithm y of x at the ends: -inf at 0, NaN below, x itself for inf and NaN."""
    ends = s.select(s.equal(x, 0.0), -math.inf, s.select(s.less(x, 0.0), math.nan, x))
    inside = s.logical_and(s.less(0.0, x), s.less(x, math.inf))
    return s.select(inside, y, ends)


def _log_near_one(s: Any, k: Any, f: Any, correction: Any = 0.0) -> Any:
    """k ln2 + log(1 + f) + correction, f64 (fdlibm's order of summation)."""
    high, low = _LN2[float64]
    half_square = s.mul(s.mul(f, f), 0.5)
    q = s.div(f, s.add(f, 2.0))
    z = s.mul(q, q)
    rest = s.mul(q, s.fma(z, horner(s, z, _ATANH), half_square))
    small = s.add(rest, s.fma(k, low, correction))
    return s.sub(s.mul(k, high), s.sub(s.sub(half_square, small), f))


@program_for("log")
def log(s: Any, x: Any) -> Any:
    k, m = split(s, x)
    f = s.sub(m, 1.0)
    if x.dtype is float64:
        return guarded(s, x, _log_near_one(s, k, f))
    high, low = _LN2[float32]
    z = s.mul(f, f)
    y = s.fma(s.mul(z, f), horner(s, f, _LOG), s.mul(k, low))
    y = s.fma(z, -0.5, y)
    return guarded(s, x, s.fma(k, high, s.add(f, y)))


def _log_to_base(
    coefficients: tuple[float, ...], scale: float, unit: tuple[float, float]
) -> Callable[[Any, Any], Any]:
    """log_b: `scale` = 1 / ln b, `unit` = log_b 2 in two parts."""

    def program(s: Any, x: Any) -> Any:
        k, m = split(s, x)
        f = s.sub(m, 1.0)
        if x.dtype is float64:
            y = s.mul(_log_near_one(s, s.const(0.0, float64), f), scale)
            return guarded(s, x, s.fma(k, unit[0], s.fma(k, unit[1], y)))
        high = _f32(scale)
        y = s.fma(f, horner(s, f, coefficients), scale - high)
        y = s.fma(f, high, s.fma(k, unit[1], s.mul(f, y)))
        return guarded(s, x, s.fma(k, unit[0], y))

    return program


def _f32(x: float) -> float:
    """The part of x that an f32 holds with a few bits to spare."""
    return math.ldexp(round(math.ldexp(x, 20)), -20)


program_for("log2")(_log_to_base(_LOG2, 1.4426950408889634, (1.0, 0.0)))
program_for("log10", dtypes="f32")(
    _log_to_base(_LOG10, 0.4342944819032518, (0.30103302001953125, -3.0243555500547862e-06))
)
program_for("log10", dtypes="f64")(
    _log_to_base((), 0.4342944819032518, (0.3010299956658855, -1.9043128467164274e-12))
)


@program_for("log1p")
def log1p(s: Any, x: Any) -> Any:
    u = s.add(x, 1.0)
    if x.dtype is float32:
        y = _log1p_f32(s, x, u)
    else:
        k, m = split(s, u)
        exact = s.equal(k, 0.0)
        lost = s.select(s.less(u, 2.0), s.sub(x, s.sub(u, 1.0)), s.sub(1.0, s.sub(u, x)))
        y = _log_near_one(
            s, k, s.select(exact, x, s.sub(m, 1.0)), s.select(exact, 0.0, s.div(lost, u))
        )
    ends = s.select(s.equal(x, -1.0), -math.inf, s.select(s.less(x, -1.0), math.nan, x))
    inside = s.logical_and(s.less(-1.0, x), s.less(x, math.inf))
    y = s.select(inside, y, ends)
    return s.select(s.equal(x, 0.0), x, y)


def _log1p_f32(s: Any, x: Any, u: Any) -> Any:
    """1 + x = 2**k (1 + f), f from x itself: f = x * 2**-k + (2**-k - 1)."""
    bits = integer_of(float32)
    e = s.logical_and(s.sub(s.bitcast(u, bits), 0x3F400000), -(1 << 23))
    k = s.mul(s.cast(e, float32), 2.0**-23)
    quarter = s.bitcast(s.sub(s.const(0x40800000, bits), e), float32)  # 4 * 2**-k
    shrunk = s.mul(s.mul(x, quarter), 0.25)
    f = s.add(shrunk, s.fma(quarter, 0.25, -1.0))
    f = s.select(s.equal(e, 0), x, f)
    z = s.mul(f, f)
    high, low = _LN2[float32]
    y = s.fma(s.mul(z, f), horner(s, f, _LOG1P), s.mul(k, low))
    return s.fma(k, high, s.add(f, s.fma(z, -0.5, y)))


@program_for("asinh", dtypes="f64")
def asinh(s: Any, x: Any) -> Any:
    a = s.abs(x)
    square = s.mul(a, a)
    near = log1p(s, s.add(a, s.div(square, s.add(s.integer("sqrt", s.add(square, 1.0)), 1.0))))
    far = s.add(log(s, a), 0.6931471805599453)
    return copy_sign(s, s.select(s.less(a, 2.0**28), near, far), x)


@program_for("acosh", dtypes="f64")
def acosh(s: Any, x: Any) -> Any:
    t = s.sub(x, 1.0)
    near = log1p(s, s.add(t, s.integer("sqrt", s.fma(t, t, s.mul(t, 2.0)))))
    far = s.add(log(s, x), 0.6931471805599453)
    y = s.select(s.less(x, 2.0**28), near, far)
    return s.select(s.less(x, 1.0), math.nan, y)


@program_for("atanh", dtypes="f64")
def atanh(s: Any, x: Any) -> Any:
    a = s.abs(x)
    y = s.mul(log1p(s, s.div(s.mul(a, 2.0), s.sub(1.0, a))), 0.5)
    return copy_sign(s, s.select(s.less(1.0, a), math.nan, y), x)


# powers ----------------------------------------------------------------------------------------------


@program_for("pow")
def pow(s: Any, x: Any, y: Any) -> Any:
    narrow = x.dtype is float32
    if narrow:
        x, y = s.cast(x, float64), s.cast(y, float64)
    result = _power_of_magnitude(s, s.abs(x), y, narrow)
    result = _power_at_the_ends(s, x, y, result)
    return s.cast(result, float32) if narrow else result


def _power_of_magnitude(s: Any, a: Any, y: Any, narrow: bool) -> Any:
    """a**y for positive finite a; for f32 one f64 logarithm is exact enough."""
    y = clamp_above(s, clamp_below(s, y, -(2.0**70)), 2.0**70)
    if narrow:
        k, m = split(s, a)
        product = s.mul(y, _log_near_one(s, k, s.sub(m, 1.0)))
        rest = s.const(0.0, float64)
    else:
        high, low = _accurate_log(s, a)
        product, rest = two_product(s, y, high)
        rest = s.fma(y, low, rest)
    outside = s.less(750.0, s.abs(product))
    rest = s.select(outside, 0.0, rest)
    product = clamp_above(s, clamp_below(s, product, -750.0), 750.0)
    n, r = reduced(s, product, 2 * exponent_bias(float64))
    r = s.add(r, rest)
    from .math_exp import _exp_of_small

    return times_power_of_two(s, _exp_of_small(s, r), n)


def _accurate_log(s: Any, a: Any) -> tuple[Any, Any]:
    """log a as a sum of two f64, error about 2**-66 of it."""
    k, m = split(s, a)
    f = s.sub(m, 1.0)
    d, d_low = two_sum(s, m, s.const(1.0, float64))
    q = s.div(f, d)
    p, p_low = two_product(s, q, d)
    q_low = s.div(s.sub(s.sub(s.sub(f, p), p_low), s.mul(q, d_low)), d)
    z, z_low = two_product(s, q, q)
    z_low = s.fma(s.mul(q, q_low), 2.0, z_low)
    tail = s.mul(z, horner(s, z, _ATANH_TAIL))
    c, c_low = fast_two_sum(s, s.const(2.0 / 3.0, float64), tail)
    c_low = s.add(c_low, 3.700743415417188e-17)  # 2/3 - f64(2/3)
    t, t_low = two_product(s, z, c)
    t_low = s.add(t_low, s.fma(z, c_low, s.mul(z_low, c)))
    u, u_low = two_product(s, q, t)
    u_low = s.add(u_low, s.fma(q, t_low, s.mul(q_low, t)))
    high, low = fast_two_sum(s, s.mul(q, 2.0), u)
    low = s.add(low, s.fma(q_low, 2.0, u_low))
    ln2, ln2_low = _LN2[float64]
    total, rest = two_sum(s, s.mul(k, ln2), high)
    return fast_two_sum(s, total, s.add(rest, s.fma(k, ln2_low, low)))


_ATANH_TAIL = (0.4000000000000088, 0.2857142857080361, 0.22222222391714166, 0.18181795640106277,
               0.15386239704263008, 0.13268773099868797, 0.13086626553482658)  # fmt: skip


def _power_at_the_ends(s: Any, x: Any, y: Any, result: Any) -> Any:
    """C's pow for zeros, infinities, NaN and negative bases."""
    a = s.abs(x)
    whole = s.equal(s.integer("trunc", y), y)
    half = s.mul(y, 0.5)
    odd = s.logical_and(whole, s.not_equal(s.integer("trunc", half), half))
    up = s.less(0.0, y)
    zero_or_inf = s.logical_or(s.equal(a, 0.0), s.equal(a, math.inf))
    to_inf = s.logical_xor(s.equal(a, 0.0), up)  # 0**-1, inf**1
    result = s.select(zero_or_inf, s.select(to_inf, math.inf, s.const(0.0, float64)), result)
    grows = s.logical_xor(s.less(a, 1.0), up)
    at_inf = s.select(s.equal(a, 1.0), 1.0, s.select(grows, math.inf, s.const(0.0, float64)))
    endless = s.equal(s.abs(y), math.inf)
    result = s.select(endless, at_inf, result)
    negative = s.less(s.bitcast(x, integer_of(float64)), 0)
    signed = s.select(s.logical_and(negative, odd), s.neg(result), result)
    finite = s.logical_and(s.less(x, 0.0), s.less(a, math.inf))
    undefined = s.logical_and(finite, s.logical_not(s.logical_or(whole, endless)))
    undefined = s.logical_or(undefined, s.logical_or(s.isnan(x), s.isnan(y)))
    result = s.select(undefined, math.nan, signed)
    return s.select(s.logical_or(s.equal(x, 1.0), s.equal(y, 0.0)), 1.0, result)
