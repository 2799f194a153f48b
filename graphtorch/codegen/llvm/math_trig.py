"""Circular functions: sin cos tan asin acos atan atan2.

sin and cos subtract a multiple of pi (f32) or pi/2 (f64) that is held in several parts (Cody and
Waite).  Arguments too large for that take a scalar function with 2/pi to 1300 bits (Payne and Hanek).
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.types import float32, float64, int32, int64
from .math import copy_sign, horner, magic, program_for
from .vector import scalar_function
from .vector_text import Text, Vec

_LIMIT_F32 = 1e5  # up to here three parts of pi are enough
_LIMIT_F64 = 1.6e6  # n < 2**20: products with 33-bit parts are exact

# sin(r) = r + r*z*S(z), z = r*r, |r| <= pi/2 (f32) or pi/4 (f64);  cos(r) = 1 - z/2 + z*z*C(z)
_SIN_F32 = (-0.1666666716337204, 0.008333350531756878, -0.00019843090558424592,
            2.7626726932794554e-06, -2.549399447104861e-08)  # fmt: skip
_SIN = (-0.16666666666666666, 0.008333333333333331, -0.0001984126984126504, 2.7557319219320575e-06,
        -2.5052106225992787e-08, 1.6058530596390244e-10, -7.586636867766497e-13)  # fmt: skip
_COS = (0.041666666666666664, -0.0013888888888888887, 2.4801587301584632e-05,
        -2.755731922139249e-07, 2.0876755787491707e-09, -1.1470460319067341e-11,
        4.7458384041586735e-14)  # fmt: skip

_PI_F32 = (3.1415927410125732, -8.742277657347586e-08, -3.4302490200117637e-15)
_PI = (
    3.1415926534682512,
    1.2154201012607932e-10,
    4.044532497591901e-21,
)  # 33-bit parts and the rest
_HALF_PI = (1.5707963267341256, 6.077100506303966e-11, 2.0222662487111665e-21, 8.4784276603689e-32)


@program_for("sin", dtypes="f32")
def sin_f32(s: Any, x: Any) -> Any:
    a = s.abs(x)
    t = s.fma(a, 1 / math.pi, magic(float32))
    r = _minus_multiple_of_pi(s, a, s.sub(t, magic(float32)))
    turned = s.shift_left(s.bitcast(t, int32), 31)
    sign = s.logical_xor(turned, s.logical_and(s.bitcast(x, int32), -(2**31)))
    return _large(s, a, x, _signed_sine(s, r, sign), "sin")


@program_for("cos", dtypes="f32")
def cos_f32(s: Any, x: Any) -> Any:
    a = s.abs(x)
    t = s.add(s.fma(a, 1 / math.pi, 0.5), magic(float32))  # cos(x) = (-1)**n sin(x - (n - 1/2) pi)
    r = _minus_multiple_of_pi(s, a, s.sub(s.sub(t, magic(float32)), 0.5))
    turned = s.shift_left(s.bitcast(t, int32), 31)
    return _large(s, a, x, _signed_sine(s, r, turned), "cos")


def _minus_multiple_of_pi(s: Any, a: Any, n: Any) -> Any:
    if s.fused:
        for part in _PI_F32:
            a = s.fma(n, -part, a)
        return a
    wide, m = s.cast(a, float64), s.cast(n, float64)
    for part in _PI:
        wide = s.sub(wide, s.mul(m, part))
    return s.cast(wide, float32)


def _signed_sine(s: Any, r: Any, sign: Any) -> Any:
    z = s.mul(r, r)
    y = s.fma(s.mul(r, z), horner(s, z, _SIN_F32), r)
    return s.bitcast(s.logical_xor(s.bitcast(y, int32), sign), float32)


def _large(s: Any, a: Any, x: Any, usual: Any, name: str) -> Any:
    """Take the slow way in lanes with |x| beyond the limit."""
    dtype = x.dtype
    limit = _LIMIT_F32 if dtype is float32 else _LIMIT_F64
    helper = f"large_{name}_{dtype.short}"
    s.text.define(helper, lambda text: _large_function(text, helper, name, dtype))
    return s.rarely(s.less(limit, a), usual, helper, x)


@program_for("sin", dtypes="f64")
def sin(s: Any, x: Any) -> Any:
    return _circular(s, x, "sin")


@program_for("cos", dtypes="f64")
def cos(s: Any, x: Any) -> Any:
    return _circular(s, x, "cos")


@program_for("tan", dtypes="f64")
def tan(s: Any, x: Any) -> Any:
    return _circular(s, x, "tan")


def _circular(s: Any, x: Any, name: str) -> Any:
    a = s.abs(x)
    t = s.fma(a, 2 / math.pi, magic(float64))
    n = s.sub(t, magic(float64))
    r, low = _minus_quarter_turns(s, a, n)
    return _large(s, a, x, _of_quadrant(s, name, x, r, low, s.bitcast(t, int64)), name)


def _minus_quarter_turns(s: Any, a: Any, n: Any) -> tuple[Any, Any]:
    """a - n pi/2 as a sum of two f64; every product but the last is exact."""
    first = s.sub(a, s.mul(n, _HALF_PI[0]))
    w = s.mul(n, _HALF_PI[1])
    second = s.sub(first, w)
    lost = s.sub(s.sub(first, second), w)
    w = s.mul(n, _HALF_PI[2])
    third = s.sub(second, w)
    lost = s.add(s.sub(s.sub(second, third), w), lost)
    low = s.sub(lost, s.mul(n, _HALF_PI[3]))
    r = s.add(third, low)
    return r, s.add(s.sub(third, r), low)


def _of_quadrant(s: Any, name: str, x: Any, r: Any, low: Any, n: Any) -> Any:
    """sin, cos or tan of |x| = n pi/2 + r + low, with the sign x gives it."""
    z = s.mul(r, r)
    sine = s.fma(s.mul(r, z), horner(s, z, _SIN), s.add(r, s.mul(low, s.fma(z, -0.5, 1.0))))
    sine = s.select(s.equal(r, 0.0), r, sine)
    half = s.mul(z, 0.5)
    top = s.sub(1.0, half)
    lost = s.sub(s.sub(1.0, top), half)
    cosine = s.add(top, s.add(lost, s.sub(s.mul(s.mul(z, z), horner(s, z, _COS)), s.mul(r, low))))
    odd = s.not_equal(s.logical_and(n, 1), 0)
    if name == "tan":
        y = s.select(odd, s.neg(s.div(cosine, sine)), s.div(sine, cosine))
        return s.bitcast(s.logical_xor(s.bitcast(y, int64), _sign_bit(s, x)), float64)
    if name == "cos":
        y = s.select(odd, sine, cosine)
        turned = s.shift_left(s.logical_and(s.add(n, 1), 2), 62)
        return s.bitcast(s.logical_xor(s.bitcast(y, int64), turned), float64)
    y = s.select(odd, cosine, sine)
    turned = s.logical_xor(s.shift_left(s.logical_and(n, 2), 62), _sign_bit(s, x))
    return s.bitcast(s.logical_xor(s.bitcast(y, int64), turned), float64)


def _sign_bit(s: Any, x: Any) -> Any:
    return s.logical_and(s.bitcast(x, int64), -(2**63))


# large arguments -------------------------------------------------------------------------------------


def _large_function(text: Text, helper: str, name: str, dtype: Any) -> str:
    """The scalar function that calls `reduce_large`; infinities give NaN."""
    text.define("reduce_large", lambda _: _REDUCE_LARGE)

    def body(s: Any, x: Any) -> Any:
        wide = s.cast(x, float64)
        a = s.abs(wide)
        parts = "%parts"
        s.line(f"  {parts} = call {{ double, double, i64 }} @reduce_large(double {a.text})")
        r, low, n = (Vec(f"%part{i}", d) for i, d in enumerate((float64, float64, int64)))
        for i in range(3):
            s.line(f"  %part{i} = extractvalue {{ double, double, i64 }} {parts}, {i}")
        y = _of_quadrant(s, name, wide, r, low, n)
        y = s.select(s.less(a, math.inf), y, math.nan)
        return s.cast(y, dtype)

    return scalar_function(text, helper, dtype, 1, body)


# 64 zero bits, then the binary digits of 2/pi
_TWO_OVER_PI = (
    0, 11743562013128004905, 18169587780923219392, 15808362127397457985, 18325537948574664033,
    13196794004601950944, 452944820249399836, 18311050168422213438, 16754012890938950788,
    16833452818741296705, 4148332274289687028, 11278244420634880059, 2303758334597371919,
    17235013589178936607, 7869616827067468215, 5712322887342352941, 8441921394348257659,
    4397547296490951402, 7780917995555872008, 6197850593633725355, 17352294737506481693,
    12241788059513133832,
)  # fmt: skip

# x = M * 2**q with a 53-bit integer M.  Of the digits of 2/pi those before digit q - 1 only add
# multiples of 4 to x * 2/pi; the 192 from there on, times M, give it modulo 4 with 190 digits after
# the point.  Rounded to the nearest quadrant, 106 bits of the signed rest are kept, times pi/2.
_REDUCE_LARGE = f"""@two_over_pi = internal constant [{len(_TWO_OVER_PI)} x i64] [{", ".join(f"i64 {w}" for w in _TWO_OVER_PI)}]
declare i64 @llvm.fshl.i64(i64, i64, i64)
declare i192 @llvm.ctlz.i192(i192, i1)
define internal {{ double, double, i64 }} @reduce_large(double %x) cold noinline nounwind {{
  %bits = bitcast double %x to i64
  %field = lshr i64 %bits, 52
  %e = and i64 %field, 2047
  %fraction = and i64 %bits, 4503599627370495
  %m = or i64 %fraction, 4503599627370496
  %position0 = sub i64 %e, 1013
  %low_enough = icmp ult i64 %position0, 1152
  %position = select i1 %low_enough, i64 %position0, i64 0
  %word = lshr i64 %position, 6
  %shift = and i64 %position, 63
  %p0 = getelementptr i64, ptr @two_over_pi, i64 %word
  %p1 = getelementptr i64, ptr %p0, i64 1
  %p2 = getelementptr i64, ptr %p0, i64 2
  %p3 = getelementptr i64, ptr %p0, i64 3
  %w0 = load i64, ptr %p0
  %w1 = load i64, ptr %p1
  %w2 = load i64, ptr %p2
  %w3 = load i64, ptr %p3
  %d0 = call i64 @llvm.fshl.i64(i64 %w0, i64 %w1, i64 %shift)
  %d1 = call i64 @llvm.fshl.i64(i64 %w1, i64 %w2, i64 %shift)
  %d2 = call i64 @llvm.fshl.i64(i64 %w2, i64 %w3, i64 %shift)
  %m2 = zext i64 %m to i128
  %d1w = zext i64 %d1 to i128
  %d2w = zext i64 %d2 to i128
  %low = mul i128 %m2, %d2w
  %middle = mul i128 %m2, %d1w
  %top = mul i64 %m, %d0
  %low3 = zext i128 %low to i192
  %middle3 = zext i128 %middle to i192
  %middle_up = shl i192 %middle3, 64
  %top3 = zext i64 %top to i192
  %top_up = shl i192 %top3, 128
  %sum0 = add i192 %low3, %middle_up
  %sum = add i192 %sum0, %top_up
  %half = shl i192 1, 189
  %rounded = add i192 %sum, %half
  %quadrant3 = lshr i192 %rounded, 190
  %quadrant = trunc i192 %quadrant3 to i64
  %whole = shl i192 %quadrant3, 190
  %rest = sub i192 %sum, %whole
  %negative = icmp slt i192 %rest, 0
  %minus = sub i192 0, %rest
  %size = select i1 %negative, i192 %minus, i192 %rest
  %zeros = call i192 @llvm.ctlz.i192(i192 %size, i1 false)
  %normal = shl i192 %size, %zeros
  %a3 = lshr i192 %normal, 166
  %b3 = lshr i192 %normal, 139
  %c3 = lshr i192 %normal, 86
  %a1 = trunc i192 %a3 to i64
  %b1 = trunc i192 %b3 to i64
  %c1 = trunc i192 %c3 to i64
  %b_bits = and i64 %b1, 134217727
  %c_bits = and i64 %c1, 9007199254740991
  %af = uitofp i64 %a1 to double
  %bf = uitofp i64 %b_bits to double
  %cf = uitofp i64 %c_bits to double
  %z = trunc i192 %zeros to i64
  %az_e = sub i64 999, %z
  %bz_e = sub i64 972, %z
  %cz_e = sub i64 919, %z
  %az_b = shl i64 %az_e, 52
  %bz_b = shl i64 %bz_e, 52
  %cz_b = shl i64 %cz_e, 52
  %az = bitcast i64 %az_b to double
  %bz = bitcast i64 %bz_b to double
  %cz = bitcast i64 %cz_b to double
  %a = fmul double %af, %az
  %b = fmul double %bf, %bz
  %c = fmul double %cf, %cz
  %aa = fmul double %a, 0x3FF921FB50000000
  %ab = fmul double %a, 0x3E5110B460000000
  %ba = fmul double %b, 0x3FF921FB50000000
  %second = fadd double %ab, %ba
  %ac = fmul double %a, 0x3C91A62633145C07
  %bb = fmul double %b, 0x3E5110B460000000
  %ca = fmul double %c, 0x3FF921FB54442D18
  %third0 = fadd double %ac, %bb
  %third = fadd double %third0, %ca
  %high = fadd double %aa, %second
  %lost = fsub double %aa, %high
  %lost1 = fadd double %lost, %second
  %tail = fadd double %lost1, %third
  %r = fadd double %high, %tail
  %r_lost = fsub double %high, %r
  %r_low = fadd double %r_lost, %tail
  %r_minus = fneg double %r
  %low_minus = fneg double %r_low
  %r_signed = select i1 %negative, double %r_minus, double %r
  %low_signed = select i1 %negative, double %low_minus, double %r_low
  %s0 = insertvalue {{ double, double, i64 }} poison, double %r_signed, 0
  %s1 = insertvalue {{ double, double, i64 }} %s0, double %low_signed, 1
  %s2 = insertvalue {{ double, double, i64 }} %s1, i64 %quadrant, 2
  ret {{ double, double, i64 }} %s2
}}"""


# inverses --------------------------------------------------------------------------------------------

# atan(t) = t + t*z*A(z), z = t*t <= tan(pi/8)**2;  asin(t) = t + t*z*B(z), z <= 1/4
_ATAN = (-0.3333333333333333, 0.19999999999999993, -0.1428571428571149, 0.11111111110751482,
         -0.0909090906681608, 0.07692306729194896, -0.06666641869131183, 0.058819230561140225,
         -0.05258020272656758, 0.04719259188242093, -0.04103887546862687, 0.030622995553735516,
         -0.013905374533113234)  # fmt: skip
_ASIN = (0.16666666666666666, 0.07500000000000122, 0.04464285714254326, 0.030381944476347046,
         0.02237215740373685, 0.01735281769074104, 0.013963758735074137, 0.01156672237119713,
         0.009619629203687472, 0.009332327156165665, 0.002995311657156326, 0.019678367430162,
         -0.01942149876336336, 0.029727286869498975)  # fmt: skip
_QUARTER_PI_LOW = 3.061616997868383e-17
_HALF_PI_LOW = 6.123233995736766e-17


def _atan_of_ratio(s: Any, y: Any, x: Any) -> Any:
    """atan(y / x) for y, x >= 0, not both 0 or infinite."""
    swap = s.less(x, y)
    top, bottom = s.select(swap, x, y), s.select(swap, y, x)
    steep = s.less(s.mul(bottom, 0.41421356237309503), top)
    t = s.div(s.select(steep, s.sub(top, bottom), top), s.select(steep, s.add(top, bottom), bottom))
    z = s.mul(t, t)
    y = s.fma(
        s.mul(t, z), horner(s, z, _ATAN), s.select(steep, _QUARTER_PI_LOW, s.const(0.0, float64))
    )
    y = s.add(s.select(steep, math.pi / 4, s.const(0.0, float64)), s.add(t, y))
    return s.select(swap, s.sub(math.pi / 2, s.sub(y, _HALF_PI_LOW)), y)


@program_for("atan", dtypes="f64")
def atan(s: Any, x: Any) -> Any:
    a = s.abs(x)
    y = _atan_of_ratio(s, a, s.const(1.0, float64))
    y = s.select(s.equal(a, math.inf), math.pi / 2, y)
    return copy_sign(s, s.select(s.less(a, 1e-8), a, y), x)


@program_for("atan2", dtypes="f64")
def atan2(s: Any, y: Any, x: Any) -> Any:
    a, b = s.abs(y), s.abs(x)
    both_inf = s.logical_and(s.equal(a, math.inf), s.equal(b, math.inf))
    both_zero = s.logical_and(s.equal(a, 0.0), s.equal(b, 0.0))
    large = s.less(2.0**1000, s.select(s.less(a, b), b, a))  # keeps a + b finite
    scale = s.select(large, 2.0**-100, s.const(1.0, float64))
    p, q = s.mul(s.select(both_inf, 1.0, a), scale), s.mul(s.select(both_inf, 1.0, b), scale)
    angle = _atan_of_ratio(s, p, s.select(both_zero, 1.0, q))
    left = s.less(s.bitcast(x, int64), 0)
    angle = s.select(left, s.sub(math.pi, s.sub(angle, 2 * _HALF_PI_LOW)), angle)
    missing = s.logical_or(s.isnan(x), s.isnan(y))
    return copy_sign(s, s.select(missing, math.nan, angle), y)


@program_for("asin", dtypes="f64")
def asin(s: Any, x: Any) -> Any:
    a = s.abs(x)
    small, t, low, y = _asin_parts(s, a)
    far = s.sub(math.pi / 2, s.sub(s.mul(s.add(y, s.add(low, t)), 2.0), _HALF_PI_LOW))
    return copy_sign(s, _inside(s, a, s.select(small, s.add(t, y), far)), x)


@program_for("acos", dtypes="f64")
def acos(s: Any, x: Any) -> Any:
    a = s.abs(x)
    small, t, low, y = _asin_parts(s, a)
    twice = s.mul(s.add(s.add(y, low), t), 2.0)
    far = s.select(s.less(x, 0.0), s.sub(math.pi, s.sub(twice, 2 * _HALF_PI_LOW)), twice)
    signed = s.select(
        s.less(x, 0.0), s.add(t, s.add(y, _HALF_PI_LOW)), s.neg(s.add(t, s.sub(y, _HALF_PI_LOW)))
    )
    return _inside(s, a, s.select(small, s.add(math.pi / 2, signed), far))


def _inside(s: Any, a: Any, y: Any) -> Any:
    return s.select(s.less_equal(a, 1.0), y, math.nan)


def _asin_parts(s: Any, a: Any) -> tuple[Any, Any, Any, Any]:
    """a <= 1/2?, t + low (a, or sqrt((1 - a) / 2)), and asin(t) - t."""
    small = s.less_equal(a, 0.5)
    z = s.select(small, s.mul(a, a), s.mul(s.sub(1.0, a), 0.5))
    root = s.integer("sqrt", z)
    t = s.select(small, a, root)
    square = s.mul(root, root)
    lost = s.fma(root, root, s.neg(z)) if s.fused else s.sub(square, z)
    low = s.select(
        s.logical_or(small, s.equal(root, 0.0)), 0.0, s.neg(s.div(lost, s.mul(root, 2.0)))
    )
    return small, t, low, s.mul(s.mul(t, z), horner(s, z, _ASIN))
