"""The scalar target `s`: the vocabulary in which one element of an op is described.

    body=lambda s, x: s.mul(x, s.call("sigmoid", x))

Targets: `NumpyScalar` here (the oracle), `kernel_builder.KernelBuilder` (kernel IR), the LLVM
printer's vectors (`llvm/printer`), later CUDA C.  The math programs of `llvm/math*` are written over
the same target.

    s.const(value, dtype=None)     a literal; without dtype it takes that of the other operands
    s.dtype(x)                     DType of a scalar value
    s.add sub mul(a, b)            integers wrap around
    s.div(a, b)                    floats only (integers: call "floor_divide")
    s.neg abs(a)
    s.min max(a, b)                a NaN in either operand gives NaN; -0 and +0 are equal (either may come)
    s.fma(a, b, c)                 a*b + c, with one rounding where the target has FMA, else with two
    s.less less_equal equal not_equal(a, b)     bool; ordered, so false with NaN (not_equal: true)
    s.select(c, a, b)              c is bool; both branches are evaluated
    s.logical_and or xor(a, b), s.logical_not(a)     bools, and bitwise on integers
    s.shift_left right(a, b)       integers; arithmetic for signed ones; counts outside the width
                                   give 0 (right shift of a negative number: -1), as in PyTorch
    s.cast(x, dtype)               value conversion: to bool `x != 0`; float to integer truncates, out of
                                   range and NaN give an unspecified value (never a trap); integers wrap;
                                   to bf16/f16 rounds to that precision and stays an f32 value
    s.bitcast(x, dtype)            same bits, same width
    s.call(name, *xs)              the functions of `CALLS`

Floating-point results follow IEEE 754 with round to nearest; denormals are kept.  A printer may fuse
`add(mul(a, b), c)` into one rounding.  Functions of `CALLS` are within 4 ulp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..errors import UnsupportedError
from ..ir.types import BY_NUMPY, DType, bool_

# name -> number of operands.  All operands and the result have one dtype, except for PREDICATES.
CALLS: dict[str, int] = dict.fromkeys(
    """sqrt rsqrt exp exp_nonpositive exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh
    cosh tanh asinh acosh atanh erf erfc erfinv sigmoid floor ceil round trunc lgamma digamma sign
    isnan isinf isfinite""".split(),
    1,
) | dict.fromkeys("pow atan2 fmod remainder floor_divide copysign hypot".split(), 2)

PREDICATES = frozenset({"isnan", "isinf", "isfinite"})  # float -> bool

UNARY = frozenset({"neg", "abs", "logical_not"})
BINARY = frozenset(
    """add sub mul div min max logical_and logical_or logical_xor shift_left shift_right""".split()
)
COMPARISONS = frozenset({"less", "less_equal", "equal", "not_equal"})  # -> bool


class ScalarTarget(Protocol):
    """See the module docstring; `Any` is the target's own kind of value."""

    def const(self, value: bool | float, dtype: DType | None = None) -> Any: ...
    def dtype(self, x: Any) -> DType: ...
    def add(self, a: Any, b: Any) -> Any: ...
    def sub(self, a: Any, b: Any) -> Any: ...
    def mul(self, a: Any, b: Any) -> Any: ...
    def div(self, a: Any, b: Any) -> Any: ...
    def neg(self, a: Any) -> Any: ...
    def abs(self, a: Any) -> Any: ...
    def min(self, a: Any, b: Any) -> Any: ...
    def max(self, a: Any, b: Any) -> Any: ...
    def fma(self, a: Any, b: Any, c: Any) -> Any: ...
    def less(self, a: Any, b: Any) -> Any: ...
    def less_equal(self, a: Any, b: Any) -> Any: ...
    def equal(self, a: Any, b: Any) -> Any: ...
    def not_equal(self, a: Any, b: Any) -> Any: ...
    def select(self, c: Any, a: Any, b: Any) -> Any: ...
    def logical_and(self, a: Any, b: Any) -> Any: ...
    def logical_or(self, a: Any, b: Any) -> Any: ...
    def logical_xor(self, a: Any, b: Any) -> Any: ...
    def logical_not(self, a: Any) -> Any: ...
    def shift_left(self, a: Any, b: Any) -> Any: ...
    def shift_right(self, a: Any, b: Any) -> Any: ...
    def cast(self, x: Any, dtype: DType) -> Any: ...
    def bitcast(self, x: Any, dtype: DType) -> Any: ...
    def call(self, name: str, *xs: Any) -> Any: ...


class NumpyScalar:
    """The oracle: scalar bodies over NumPy arrays.  f32 and f64 functions are computed in f64."""

    def const(self, value: bool | float, dtype: DType | None = None) -> Any:
        return value if dtype is None else np.array(value, dtype.numpy)

    def dtype(self, x: Any) -> DType:
        return BY_NUMPY[np.asarray(x).dtype]

    def _unify(self, *xs: Any) -> list[Any]:
        arrays = [x for x in xs if isinstance(x, (np.ndarray, np.generic))]
        if not arrays:
            return [np.asarray(x) for x in xs]
        return [
            x if isinstance(x, (np.ndarray, np.generic)) else arrays[0].dtype.type(x) for x in xs
        ]

    def _apply(self, function: Callable[..., Any], *xs: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*self._unify(*xs))

    # fmt: off
    def add(self, a: Any, b: Any) -> Any:         return self._apply(np.add, a, b)
    def sub(self, a: Any, b: Any) -> Any:         return self._apply(np.subtract, a, b)
    def mul(self, a: Any, b: Any) -> Any:         return self._apply(np.multiply, a, b)
    def div(self, a: Any, b: Any) -> Any:         return self._apply(np.divide, a, b)
    def neg(self, a: Any) -> Any:                 return self._apply(np.negative, a)
    def abs(self, a: Any) -> Any:                 return self._apply(np.abs, a)
    def min(self, a: Any, b: Any) -> Any:         return self._apply(np.minimum, a, b)
    def max(self, a: Any, b: Any) -> Any:         return self._apply(np.maximum, a, b)
    def fma(self, a: Any, b: Any, c: Any) -> Any: return self.add(self.mul(a, b), c)
    def less(self, a: Any, b: Any) -> Any:        return self._apply(np.less, a, b)
    def less_equal(self, a: Any, b: Any) -> Any:  return self._apply(np.less_equal, a, b)
    def equal(self, a: Any, b: Any) -> Any:       return self._apply(np.equal, a, b)
    def not_equal(self, a: Any, b: Any) -> Any:   return self._apply(np.not_equal, a, b)
    def logical_and(self, a: Any, b: Any) -> Any: return self._apply(np.bitwise_and, a, b)
    def logical_or(self, a: Any, b: Any) -> Any:  return self._apply(np.bitwise_or, a, b)
    def logical_xor(self, a: Any, b: Any) -> Any: return self._apply(np.bitwise_xor, a, b)
    def logical_not(self, a: Any) -> Any:         return self._apply(np.invert, a)
    def shift_left(self, a: Any, b: Any) -> Any:  return self._apply(_shift_left, a, b)
    def shift_right(self, a: Any, b: Any) -> Any: return self._apply(_shift_right, a, b)
    # fmt: on

    def select(self, c: Any, a: Any, b: Any) -> Any:
        return self._apply(lambda a, b: np.where(c, a, b), a, b)

    def cast(self, x: Any, dtype: DType) -> Any:
        with np.errstate(all="ignore"):
            if dtype is bool_:
                return np.asarray(x) != 0
            rounded = np.asarray(x).astype(dtype.numpy)
            return rounded.astype(np.float32) if dtype.short in ("bf16", "f16") else rounded

    def bitcast(self, x: Any, dtype: DType) -> Any:
        return np.asarray(x).view(dtype.numpy)

    def call(self, name: str, *xs: Any) -> Any:
        if CALLS.get(name) != len(xs):
            raise UnsupportedError(f"no scalar function {name!r} of {len(xs)} operands")
        arrays = self._unify(*xs)
        with np.errstate(all="ignore"):
            if name in PREDICATES:
                return getattr(np, name)(arrays[0])
            dtype = arrays[0].dtype
            if dtype.kind == "f" and dtype.itemsize < 8 and name not in _EXACT:
                arrays = [a.astype(np.float64) for a in arrays]
            return np.asarray(_functions()[name](*arrays)).astype(dtype)


_EXACT = frozenset("floor ceil round trunc sign copysign fmod remainder floor_divide".split())


def _shift_left(a: Any, b: Any) -> Any:
    width = 8 * a.dtype.itemsize
    inside = (b >= 0) & (b < width)
    return np.where(inside, a << np.where(inside, b, 0), 0).astype(a.dtype)


def _shift_right(a: Any, b: Any) -> Any:
    last = 8 * a.dtype.itemsize - 1
    inside = (b >= 0) & (b <= last)
    shifted = a >> np.where(inside, b, last).astype(a.dtype)
    return shifted if a.dtype.kind == "i" else np.where(inside, shifted, 0).astype(a.dtype)


def _vectorised(function: Callable[[float], float]) -> Callable[[Any], Any]:
    return np.vectorize(function, otypes=[np.float64])


def _lgamma(x: float) -> float:
    if math.isinf(x) or (x <= 0 and x == math.floor(x)):
        return math.inf
    return math.inf if x > 2.5e305 else math.lgamma(x)


def _digamma(x: float) -> float:
    """Recurrence up to x >= 10, then the asymptotic series (Abramowitz & Stegun 6.3.18)."""
    if x == 0:
        return math.copysign(math.inf, -x)
    if math.isnan(x) or x == -math.inf or (x < 0 and x == math.floor(x)):
        return math.nan
    if x < 0:
        return _digamma(1 - x) - math.pi / math.tan(math.pi * (x - math.floor(x)))
    shift = 0.0
    while x < 10:
        shift -= 1 / x
        x += 1
    if math.isinf(x):
        return x
    z = 1 / (x * x)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132)))))
    return shift + math.log(x) - 0.5 / x - series


def _erfinv(y: float) -> float:
    """Newton's method on erf (erfc in the tails) from Giles' starting value."""
    if not -1 < y < 1:
        return math.copysign(math.inf, y) if abs(y) == 1 else math.nan
    w = -math.log1p(-y * y)
    x = y * (1.501 + 0.2466 * (w - 2.5)) if w < 5 else math.copysign(math.sqrt(w), y)
    for _ in range(60):
        tail = 1 - abs(y) - math.erfc(abs(x))
        gap = math.erf(x) - y if abs(y) < 0.5 else math.copysign(1, y) * tail
        step = gap * math.sqrt(math.pi) / 2 * math.exp(min(x * x, 700.0))
        x -= max(min(step, 0.5), -0.5)
        if abs(step) < 1e-17 * abs(x):
            break
    return x


def _functions() -> dict[str, Callable[..., Any]]:
    return {
        **{name: getattr(np, name) for name in _SAME_IN_NUMPY},
        "rsqrt": lambda x: 1 / np.sqrt(x),
        "round": np.rint,
        "asin": np.arcsin,
        "acos": np.arccos,
        "atan": np.arctan,
        "asinh": np.arcsinh,
        "acosh": np.arccosh,
        "atanh": np.arctanh,
        "atan2": np.arctan2,
        "pow": np.power,
        "erf": _vectorised(math.erf),
        "erfc": _vectorised(math.erfc),
        "erfinv": _vectorised(_erfinv),
        "lgamma": _vectorised(_lgamma),
        "digamma": _vectorised(_digamma),
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "exp_nonpositive": np.exp,
    }


_SAME_IN_NUMPY = """sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh floor ceil
    trunc sign fmod remainder floor_divide copysign hypot""".split()
