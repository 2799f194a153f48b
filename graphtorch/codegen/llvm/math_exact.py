"""Functions with one correct answer: roots, rounding, remainders, predicates, integers, half precision."""

from __future__ import annotations

import math
from typing import Any

from ...ir.types import DType, float32, float64, int16, int32
from .math import copy_sign, integer_of, mantissa_bits, program_for
from .vector_text import Text, llvm_type

_INTEGERS = "i64 i32 i16 i8 u8"


@program_for("sqrt")
def sqrt(s: Any, x: Any) -> Any:
    return s.integer("sqrt", x)


@program_for("rsqrt")
def rsqrt(s: Any, x: Any) -> Any:
    return s.div(s.const(1.0, x.dtype), s.integer("sqrt", x))


def _rounding(name: str, intrinsic: str) -> None:
    program_for(name)(lambda s, x: s.integer(intrinsic, x))
    program_for(name, dtypes=_INTEGERS)(lambda s, x: x)


for _name in ("floor", "ceil", "trunc"):
    _rounding(_name, _name)
_rounding("round", "roundeven")


@program_for("copysign")
def copysign(s: Any, a: Any, b: Any) -> Any:
    return copy_sign(s, a, b)


@program_for("sign", dtypes=f"f32 f64 {_INTEGERS}")
def sign(s: Any, x: Any) -> Any:
    """-1, 0 or 1; 0 for NaN, as in PyTorch."""
    zero, one = s.const(0, x.dtype), s.const(1, x.dtype)
    up = s.select(s.less(0, x), s.splat(one, x.lanes), zero)
    return up if x.dtype.kind == "u" else s.select(s.less(x, 0), s.const(-1, x.dtype), up)


program_for("isnan")(lambda s, x: s.isnan(x))
program_for("isinf")(lambda s, x: s.equal(s.abs(x), math.inf))
program_for("isfinite")(lambda s, x: s.less(s.abs(x), math.inf))


# remainders ------------------------------------------------------------------------------------------


@program_for("fmod")
def fmod(s: Any, x: Any, y: Any) -> Any:
    """x - trunc(x / y) * y, exactly; quotients too large for that take a loop over their bits."""
    dtype = x.dtype
    if dtype is float32 and not s.fused:  # the product is exact in f64
        return s.cast(fmod(s, s.cast(x, float64), s.cast(y, float64)), float32)
    a, b = s.abs(x), s.abs(y)
    quotient = s.div(a, b)
    n = s.integer("trunc", quotient)
    r = _minus_product(s, a, n, b)
    r = s.select(s.less(r, 0.0), s.add(r, b), r)  # the rounded quotient may be one too large
    r = s.select(s.less_equal(b, r), s.sub(r, b), r)
    usual = s.select(s.less(a, b), a, r)
    defined = s.logical_and(s.less(a, math.inf), s.less(0.0, b))
    usual = s.select(defined, usual, math.nan)
    helper = f"large_fmod_{dtype.short}"
    s.text.define(helper, lambda text: _fmod_function(text, helper, dtype))
    exact = 2.0 ** (mantissa_bits(dtype) - 2)
    inside = s.logical_and(
        s.less_equal(quotient, exact), s.less(2.0**-60 if dtype is float32 else 2.0**-900, b)
    )
    usable = s.logical_or(inside, s.logical_or(s.less(a, b), s.logical_not(defined)))
    usable = s.logical_or(usable, s.isnan(b))
    return copy_sign(s, s.rarely(s.logical_not(usable), usual, helper, a, b), x)


def _minus_product(s: Any, a: Any, n: Any, b: Any) -> Any:
    """a - n*b with one rounding; n*b close to a."""
    if s.fused:
        return s.fma(s.neg(n), b, a)
    from .math import two_product

    high, low = two_product(s, n, b)
    return s.sub(s.sub(a, high), low)


def _fmod_function(text: Text, name: str, dtype: DType) -> str:
    """fmod of positive finite numbers by shifting and subtracting, one bit of the quotient a turn."""
    kind, bits, shift = llvm_type(dtype), llvm_type(integer_of(dtype)), mantissa_bits(dtype)
    hidden = 1 << shift
    part = []
    for v in "ab":
        part.append(f"""  %{v}_bits = bitcast {kind} %{v} to {bits}
  %{v}_field = lshr {bits} %{v}_bits, {shift}
  %{v}_fraction = and {bits} %{v}_bits, {hidden - 1}
  %{v}_normal = icmp ne {bits} %{v}_field, 0
  %{v}_full = or {bits} %{v}_fraction, {hidden}
  %{v}_m = select i1 %{v}_normal, {bits} %{v}_full, {bits} %{v}_fraction
  %{v}_e = call {bits} @llvm.umax.{bits}({bits} %{v}_field, {bits} 1)""")
    text.declare(bits, f"llvm.umax.{bits}", [bits, bits])
    text.declare(bits, f"llvm.ctlz.{bits}", [bits, "i1"])
    text.declare(bits, f"llvm.smin.{bits}", [bits, bits])
    width = 8 * dtype.itemsize
    joined = "\n".join(part)
    return f"""define internal {kind} @{name}({kind} %a, {kind} %b) cold noinline nounwind {{
{joined}
  %count = sub {bits} %a_e, %b_e
  br label %loop
loop:
  %i = phi {bits} [%count, %0], [%i1, %more]
  %m = phi {bits} [%a_m, %0], [%m1, %more]
  %r = urem {bits} %m, %b_m
  %done = icmp sle {bits} %i, 0
  br i1 %done, label %out, label %more
more:
  %room = call {bits} @llvm.ctlz.{bits}({bits} %r, i1 false)
  %room1 = sub {bits} %room, 1
  %step0 = call {bits} @llvm.smin.{bits}({bits} %room1, {bits} %i)
  %small = icmp ult {bits} %step0, {width}
  %step = select i1 %small, {bits} %step0, {bits} 1
  %m1 = shl {bits} %r, %step
  %i1 = sub {bits} %i, %step
  br label %loop
out:
  %zeros = call {bits} @llvm.ctlz.{bits}({bits} %r, i1 false)
  %up0 = sub {bits} %zeros, {width - 1 - shift}
  %most = sub {bits} %b_e, 1
  %up = call {bits} @llvm.smin.{bits}({bits} %up0, {bits} %most)
  %zero = icmp eq {bits} %r, 0
  %up1 = select i1 %zero, {bits} 0, {bits} %up
  %f = shl {bits} %r, %up1
  %e = sub {bits} %b_e, %up1
  %has = icmp uge {bits} %f, {hidden}
  %f1 = and {bits} %f, {hidden - 1}
  %e1 = select i1 %has, {bits} %e, {bits} 0
  %e2 = shl {bits} %e1, {shift}
  %y = or {bits} %f1, %e2
  %y1 = bitcast {bits} %y to {kind}
  ret {kind} %y1
}}"""


@program_for("remainder")
def remainder(s: Any, x: Any, y: Any) -> Any:
    """Python's %: the sign of the divisor."""
    r = fmod(s, x, y)
    other = s.not_equal(s.less(r, 0.0), s.less(y, 0.0))
    return s.select(
        s.logical_and(s.not_equal(r, 0.0), s.logical_and(other, s.logical_not(s.isnan(r)))),
        s.add(r, y),
        r,
    )


@program_for("floor_divide")
def floor_divide(s: Any, x: Any, y: Any) -> Any:
    """Python's //, as PyTorch computes it."""
    r = fmod(s, x, y)
    q = s.div(s.sub(x, r), y)
    other = s.logical_and(s.not_equal(r, 0.0), s.not_equal(s.less(y, 0.0), s.less(r, 0.0)))
    q = s.select(other, s.sub(q, 1.0), q)
    low = s.integer("floor", q)
    low = s.select(s.less(0.5, s.sub(q, low)), s.add(low, 1.0), low)
    ratio = s.div(x, y)
    low = s.select(s.equal(q, 0.0), copy_sign(s, s.const(0.0, x.dtype), ratio), low)
    return s.select(s.equal(y, 0.0), ratio, low)


def _divide_integers(s: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Quotient towards zero, remainder and a safe divisor; by 0 both are 0, nothing traps."""
    zero = s.equal(y, 0)
    unsafe = zero
    if x.dtype.kind == "i":
        lowest = -(1 << (8 * x.dtype.itemsize - 1))
        unsafe = s.logical_or(zero, s.logical_and(s.equal(y, -1), s.equal(x, lowest)))
    divisor = s.select(unsafe, 1, y)
    prefix = "s" if x.dtype.kind == "i" else "u"
    q, r = s.bits(x, f"{prefix}div", divisor), s.bits(x, f"{prefix}rem", divisor)
    return s.select(zero, 0, q), s.select(zero, 0, r), divisor


@program_for("fmod", dtypes=_INTEGERS)
def fmod_integers(s: Any, x: Any, y: Any) -> Any:
    return _divide_integers(s, x, y)[1]


@program_for("remainder", dtypes=_INTEGERS)
def remainder_integers(s: Any, x: Any, y: Any) -> Any:
    _, r, _ = _divide_integers(s, x, y)
    return s.select(_opposite(s, r, y), s.add(r, y), r)


@program_for("floor_divide", dtypes=_INTEGERS)
def floor_divide_integers(s: Any, x: Any, y: Any) -> Any:
    q, r, _ = _divide_integers(s, x, y)
    return s.select(_opposite(s, r, y), s.sub(q, 1), q)


def _opposite(s: Any, r: Any, y: Any) -> Any:
    return s.logical_and(s.not_equal(r, 0), s.not_equal(s.less(r, 0), s.less(y, 0)))


@program_for("pow", dtypes=_INTEGERS)
def pow_integers(s: Any, x: Any, y: Any) -> Any:
    """By squaring; a negative exponent gives 0 except for the bases 1 and -1, as in PyTorch."""
    result, base, left = s.splat(s.const(1, x.dtype), x.lanes), x, y
    for _ in range(8 * x.dtype.itemsize - 1):
        odd = s.not_equal(s.logical_and(left, 1), 0)
        result = s.select(odd, s.mul(result, base), result)
        base, left = s.mul(base, base), s.bits_right(left, 1)
    if x.dtype.kind == "u":
        return result
    even = s.equal(s.logical_and(y, 1), 0)
    inverse = s.select(s.equal(x, 1), s.splat(s.const(1, x.dtype), x.lanes), 0)
    inverse = s.select(
        s.equal(x, -1), s.select(even, s.splat(s.const(1, x.dtype), x.lanes), -1), inverse
    )
    return s.select(s.less(y, 0), inverse, result)


# half precision --------------------------------------------------------------------------------------


@program_for("round_bfloat16", dtypes="f32")
def round_bfloat16(s: Any, x: Any) -> Any:
    """To nearest, ties to even, as an f32 whose low 16 bits are 0."""
    bits = s.bitcast(x, int32)
    odd = s.logical_and(s.bits_right(bits, 16), 1)
    rounded = s.logical_and(s.add(bits, s.add(odd, 0x7FFF)), -65536)
    quiet = s.logical_or(s.logical_and(bits, -65536), 0x400000)
    return s.bitcast(s.select(s.isnan(x), quiet, rounded), float32)


@program_for("round_float16", dtypes="f32")
def round_float16(s: Any, x: Any) -> Any:
    return unpack_float16(s, pack_float16(s, x))


@program_for("pack_float16", dtypes="f32")
def pack_float16(s: Any, x: Any) -> Any:
    """The 16 bits of the nearest half."""
    if s.target.has("f16c") or s.target.arm:
        kind, half = llvm_type(x.dtype, x.lanes), "half" if x.lanes == 1 else f"<{x.lanes} x half>"
        narrow = s.pure(int16, x.lanes, (x,), f"fptrunc {kind} {x.text} to {half}")
        text = f"bitcast {half} {narrow.text} to {llvm_type(int16, x.lanes)}"
        return s.pure(int16, x.lanes, (narrow,), text)
    bits = s.bitcast(x, int32)
    sign = s.logical_and(s.bits_right(bits, 16), 0x8000)
    a = s.abs(x)
    size = s.bitcast(a, int32)
    # normal: round the low 13 bits away; denormal: let an addition align the bits
    normal = s.bits_right(
        s.add(size, s.add(s.logical_and(s.bits_right(size, 13), 1), 0xFFF - (112 << 23))), 13
    )
    denormal = s.sub(s.bitcast(s.add(a, 0.5), int32), 0x3F000000)
    y = s.select(s.less(size, 113 << 23), denormal, normal)
    y = s.select(s.less_equal(0x477FF000, size), 0x7C00, y)
    y = s.select(s.isnan(x), 0x7E00, y)
    return s.cast(s.logical_or(y, sign), int16)


@program_for("unpack_float16", dtypes="i16")
def unpack_float16(s: Any, x: Any) -> Any:
    """The f32 of a half's 16 bits."""
    if s.target.has("f16c") or s.target.arm:
        half = "half" if x.lanes == 1 else f"<{x.lanes} x half>"
        cast = s.pure(
            int16, x.lanes, (x,), f"bitcast {llvm_type(int16, x.lanes)} {x.text} to {half}"
        )
        text = f"fpext {half} {cast.text} to {llvm_type(float32, x.lanes)}"
        return s.pure(float32, x.lanes, (cast,), text)
    wide = s.cast(x, int32)
    sign = s.shift_left(s.logical_and(wide, 0x8000), 16)
    size = s.shift_left(s.logical_and(wide, 0x7FFF), 13)
    exponent = s.logical_and(size, 0x7C00 << 13)
    normal = s.add(size, 112 << 23)
    special = s.add(normal, 112 << 23)  # inf and NaN
    denormal = s.bitcast(s.sub(s.bitcast(s.add(size, 113 << 23), float32), 2.0**-14), int32)
    y = s.select(s.equal(exponent, 0x7C00 << 13), special, normal)
    y = s.select(s.equal(exponent, 0), denormal, y)
    return s.bitcast(s.logical_or(y, sign), float32)
