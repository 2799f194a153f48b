"""The functions of `scalar.CALLS` for the CPU printer, written over its scalar target.

    program("exp", float32)    a function of (s, x) that prints the lanes of exp(x), or None

f32 functions that matter for speed have programs of their own; the others are computed in f64 and
rounded.  Errors over the whole range are at most 4 ulp (see tests/codegen/llvm/test_math.py).
The rows live in `math_exp`, `math_log`, `math_trig`, `math_special` and, for integers and the half
precisions, `math_exact`; this module holds the registry and what they share.

`s` here is `vector.Lanes`: the scalar target and a little more (`fused`, `bits_right`, `rarely`).
Polynomials were fitted for this file: minimax (f32) and Chebyshev (f64), degrees chosen so that the
fit adds less than a tenth of an ulp.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ...ir.types import DType, float32, float64, int32, int64

Program = Callable[..., Any]

_PROGRAMS: dict[tuple[str, str], Program] = {}


def program_for(*names: str, dtypes: str = "f32 f64") -> Callable[[Program], Program]:
    """Register a function as the program of `names` for the dtypes given by their IR spelling."""

    def register(function: Program) -> Program:
        for name in names:
            for short in dtypes.split():
                _PROGRAMS[name, short] = function
        return function

    return register


def program(name: str, dtype: DType) -> Program | None:
    """The program of a function, or None; f32 falls back on f64."""
    _load()
    found = _PROGRAMS.get((name, dtype.short))
    if found is None and dtype is float32 and (name, "f64") in _PROGRAMS:
        return functools.partial(_through_f64, _PROGRAMS[name, "f64"])
    return found


def _through_f64(wide: Program, s: Any, *xs: Any) -> Any:
    return s.cast(wide(s, *(s.cast(x, float64) for x in xs)), float32)


@functools.cache
def _load() -> None:
    from . import math_exact, math_exp, math_log, math_special, math_trig  # noqa: F401


# what the programs share ---------------------------------------------------------------------------


def horner(s: Any, x: Any, coefficients: Sequence[float]) -> Any:
    """c0 + c1*x + c2*x*x + ..., coefficients from the constant upwards."""
    total = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = s.fma(total, x, coefficient)
    return total


def clamp_below(s: Any, x: Any, low: float) -> Any:
    """x, or `low` where it is smaller; NaN passes."""
    return s.select(s.less(x, low), low, x)


def clamp_above(s: Any, x: Any, high: float) -> Any:
    return s.select(s.less(high, x), high, x)


def copy_sign(s: Any, magnitude: Any, sign: Any) -> Any:
    """The magnitude with the sign (bit) of `sign`."""
    return s.intrinsic("copysign", magnitude.dtype, *s.match(magnitude, sign))


def integer_of(dtype: DType) -> DType:
    """The integer dtype of the same width."""
    return int32 if dtype is float32 else int64


def mantissa_bits(dtype: DType) -> int:
    return 23 if dtype is float32 else 52


def magic(dtype: DType) -> float:
    """Adding it to |x| < 2**21 rounds x to an integer and puts that into the low bits."""
    return 12582912.0 if dtype is float32 else 6755399441055744.0


def exponent_bias(dtype: DType) -> int:
    return 127 if dtype is float32 else 1023


def power_of_two(s: Any, biased: Any, dtype: DType) -> Any:
    """2**n from an integer whose low bits are n + exponent bias; n within the normal exponents."""
    return s.bitcast(s.shift_left(biased, mantissa_bits(dtype)), dtype)


def times_power_of_two(s: Any, p: Any, twice_biased: Any) -> Any:
    """p * 2**n for p in (0.5, 2) and any n, from an integer whose low bits are n + 2 biases.

    In two steps, so that denormals round once.
    """
    half = s.bits_right(twice_biased, 1)
    rest = s.sub(twice_biased, half)
    return s.mul(s.mul(p, power_of_two(s, half, p.dtype)), power_of_two(s, rest, p.dtype))


def fast_two_sum(s: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as an unevaluated sum, for |a| >= |b| (Dekker)."""
    high = s.add(a, b)
    return high, s.sub(b, s.sub(high, a))


def two_sum(s: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """a + b as an unevaluated sum (Knuth)."""
    high = s.add(a, b)
    other = s.sub(high, a)
    return high, s.add(s.sub(a, s.sub(high, other)), s.sub(b, other))


def two_product(s: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """a * b as an unevaluated sum, f64; without FMA by splitting (Dekker, Veltkamp)."""
    high = s.mul(a, b)
    if s.fused:
        return high, s.fma(a, b, s.neg(high))
    (ah, al), (bh, bl) = _halves(s, a), _halves(s, b)
    cross = s.add(s.add(s.sub(s.mul(ah, bh), high), s.mul(ah, bl)), s.mul(al, bh))
    return high, s.add(cross, s.mul(al, bl))


def _halves(s: Any, x: Any) -> tuple[Any, Any]:
    top = s.bitcast(s.logical_and(s.bitcast(x, int64), -(1 << 27)), float64)
    return top, s.sub(x, top)
