"""The gamma function's relatives, zeta, and scaled error functions: rows with NumPy kernels, in float64.

Formulas: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (AS below).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..op import Op, declare
from . import special
from .bessel import in_float64, special_row
from .inference import FLOATS, elementwise
from .kernels import Array
from .pointwise import exp, log
from .pointwise import lgamma as _lgamma
from .samples import between, on

# B_2k / (2k)!
_BERNOULLI = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000, 43867 / 5109094217170944000,
)  # fmt: skip


def hurwitz_zeta(s: Array, q: Array) -> Array:
    """sum 1 / (k + q)^s by Euler and Maclaurin's formula (AS 3.6.28) from the first k + q >= 12."""
    total = np.zeros(np.broadcast_shapes(s.shape, q.shape))
    a = np.broadcast_to(q, total.shape).astype(np.float64)
    going = np.isfinite(a) & np.isfinite(s) & (a > -1e4)
    while True:
        step = going & (a < 12)
        if not step.any():
            break
        total = np.where(step, total + np.power(np.where(step, a, 1.0), -s), total)
        a = np.where(step, a + 1, a)
    power = np.power(a, -s)
    total = total + power * a / (s - 1) + 0.5 * power
    factor = power / a
    rising = s * 1.0
    for k, b in enumerate(_BERNOULLI):
        total = total + b * rising * factor
        rising = rising * (s + 2 * k + 1) * (s + 2 * k + 2)
        factor = factor / (a * a)
    pole = (q <= 0) & (q == np.floor(q))
    total = np.where(pole, np.inf, total)
    total = np.where((q < 0) & ~pole & (s != np.floor(s)), np.nan, total)
    total = np.where(np.isposinf(q) & (s > 1), 0.0, total)
    total = np.where(s == 1, np.inf, total)
    return np.where((s < 1) | np.isnan(s) | np.isnan(q), np.nan, total)


def _polygamma(x: Array, *, n: int) -> Array:
    """AS 6.4.10: (-1)^(n + 1) n! zeta(n + 1, x)."""
    if n == 0:
        return special.digamma(x)
    if n == 1:
        return special.trigamma(x)
    sign = 1.0 if n % 2 else -1.0
    return sign * math.factorial(n) * hurwitz_zeta(np.asarray(n + 1.0), x)


def _lower_series(a: Array, x: Array) -> Array:
    """P(a, x) by AS 6.5.29."""
    term = 1 / a
    total = term
    n = a
    for _ in range(2000):
        n = n + 1
        term = term * (x / n)
        total = total + term
        if not (np.abs(term) > 1e-17 * np.abs(total)).any():
            break
    return np.asarray(total * np.exp(a * np.log(x) - x - special.lgamma(a)))


def _upper_fraction(a: Array, x: Array) -> Array:
    """Q(a, x) by the continued fraction AS 6.5.31 (Lentz's algorithm)."""
    tiny = 1e-300
    b = x + 1 - a
    c = np.full_like(b, 1 / tiny)
    d = 1 / np.where(b == 0, tiny, b)
    h = d
    for i in range(1, 2000):
        an = -i * (i - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        change = d * c
        h = h * change
        if not (np.abs(change - 1) > 1e-16).any():
            break
    return np.asarray(h * np.exp(a * np.log(x) - x - special.lgamma(a)))


def _incomplete(a: Array, x: Array, upper: bool) -> Array:
    inside = (x > 0) & (a > 0) & np.isfinite(x) & np.isfinite(a)
    series = inside & (x < a + 1)
    fraction = inside & ~series
    low = _lower_series(np.where(series, a, 1.0), np.where(series, x, 0.5))
    high = _upper_fraction(np.where(fraction, a, 1.0), np.where(fraction, x, 3.0))
    y = np.where(series, 1 - low if upper else low, high if upper else 1 - high)
    zero, one = (1.0, 0.0) if upper else (0.0, 1.0)  # P = 0, P = 1
    y = np.where((x == 0) & (a > 0) | np.isposinf(a) & np.isfinite(x), zero, y)
    y = np.where((a == 0) & (x > 0) | np.isposinf(x) & np.isfinite(a) & (a >= 0), one, y)
    bad = (x < 0) | (a < 0) | np.isnan(x) | np.isnan(a) | (x == 0) & (a == 0)
    return np.where(bad | np.isposinf(a) & np.isposinf(x), np.nan, y)


def _density(a: Any, x: Any) -> Any:
    """x^(a - 1) exp(-x) / gamma(a)."""
    return exp((a - 1) * log(x) - x - _lgamma(a))


def _no_order_derivative(g: Any) -> Any:
    raise UnsupportedError("the derivative of zeta by its first operand is not implemented")


def _no_shape_derivative(g: Any) -> Any:
    raise UnsupportedError("the derivative of igamma by its first operand is not implemented")


def erfcx_kernel(x: Array) -> Array:
    """exp(x^2) erfc(x): directly up to 8, AS 7.1.23 beyond."""
    size = np.abs(x)
    near = np.minimum(size, 8.0)
    direct = np.exp(near * near) * special.erfc(near)
    far = np.maximum(size, 8.0)
    w = 1 / (2 * far * far)
    series, term = np.ones_like(far), np.ones_like(far)
    for k in range(1, 25):
        term = term * (-(2 * k - 1) * w)
        series = series + term
    y = np.where(size <= 8, direct, series / (far * math.sqrt(math.pi)))
    y = np.where(x < 0, 2 * np.exp(x * x) - y, y)
    return np.where(np.isposinf(x), 0.0, np.where(np.isnan(x), np.nan, y))


def _log_ndtr(x: Array) -> Array:
    left = np.minimum(x, -1.0)
    far = np.log(erfcx_kernel(-left * math.sqrt(0.5)) / 2) - left * left / 2
    far = np.where(np.isneginf(x), -np.inf, far)
    near = np.log1p(-0.5 * special.erfc(np.maximum(x, -1.0) * math.sqrt(0.5)))
    return np.where(np.isnan(x), np.nan, np.where(x < -1, far, near))


def _ndtri(p: Array) -> Array:
    """Newton steps on log_ndtr from a rational start (AS 26.2.23, error below 4.5e-4), by the smaller tail."""
    tail = np.minimum(p, 1 - p)
    inside = (tail > 0) & (tail < 1)
    q = np.where(inside, tail, 0.25)
    t = np.sqrt(-2 * np.log(q))
    top = (0.010328 * t + 0.802853) * t + 2.515517
    x = top / (((0.001308 * t + 0.189269) * t + 1.432788) * t + 1) - t
    for _ in range(4):
        logarithm = _log_ndtr(x)
        slope = np.exp(-x * x / 2 - logarithm) / math.sqrt(2 * math.pi)
        x = x - (logarithm - np.log(q)) / slope
    x = np.where(p == 0.5, 0.0, np.where(p > 0.5, -x, x))
    x = np.where(p == 0, -np.inf, np.where(p == 1, np.inf, x))
    return np.where((p < 0) | (p > 1) | np.isnan(p), np.nan, x)


_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)

# fmt: off
# zeta(s, q): Hurwitz's, differentiable by q
zeta: Op = declare(
    "zeta", "host", "s q", elementwise("zeta", "s q", FLOATS), in_float64(hurwitz_zeta),
    vjp=(_no_order_derivative, lambda g, s, q: -g * (s * zeta(s + 1.0, q))),
    samples=lambda: [((between(1.5, 6, 3, 5), between(0.3, 9, 3, 5, seed=1)), {})],
)

# polygamma(x, n=): the n-th derivative of digamma
polygamma: Op = declare(
    "polygamma", "host", "x", lambda x, *, n: elementwise("polygamma", "x", FLOATS)(x), in_float64(_polygamma),
    vjp=(lambda g, x, n: g * polygamma(x, n=n + 1),),
    samples=lambda: [((between(0.5, 4, 3, 5),), {"n": n}) for n in (0, 1, 2, 3)],
)

# igamma(a, x) = P(a, x), igammac(a, x) = Q(a, x): differentiable by x
igamma = declare(
    "igamma", "host", "a x", elementwise("igamma", "a x", FLOATS), in_float64(lambda a, x: _incomplete(a, x, False)),
    vjp=(_no_shape_derivative, lambda g, a, x: g * _density(a, x)),
    samples=lambda: [((between(0.5, 5, 3, 5), between(0.1, 8, 3, 5, seed=1)), {})],
)
igammac = declare(
    "igammac", "host", "a x", elementwise("igammac", "a x", FLOATS), in_float64(lambda a, x: _incomplete(a, x, True)),
    vjp=(_no_shape_derivative, lambda g, a, x: -g * _density(a, x)),
    samples=lambda: [((between(0.5, 5, 3, 5), between(0.1, 8, 3, 5, seed=1)), {})],
)

# erfcx(x) = exp(x^2) erfc(x); log_ndtr(x), ndtri(p): log and inverse of the normal distribution function
erfcx = special_row("erfcx", erfcx_kernel, lambda g, x, y: g * (2 * x * y - _TWO_OVER_ROOT_PI), on(-2, 9))
log_ndtr = special_row("log_ndtr", _log_ndtr, lambda g, x, y: g * exp(-0.5 * x * x - y) / _ROOT_TWO_PI, on(-9, 3))
ndtri = special_row("ndtri", _ndtri, lambda g, y: g * (_ROOT_TWO_PI * exp(0.5 * y * y)), on(0.01, 0.99))
# fmt: on
