"""Bessel functions of orders 0 and 1, ordinary and modified, and the Airy function: rows with NumPy kernels.

Formulas: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions" (AS below).  Integrals are taken
by the trapezoidal rule, which converges geometrically for them (L. Trefethen and J. Weideman, "The
exponentially convergent trapezoidal rule", 2014).  Everything is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Op, declare
from .inference import FLOATS, elementwise
from .kernels import Array, widened
from .pointwise import abs as _abs
from .pointwise import eq, sign, where
from .samples import Samples, on

_NODES = 64
_ANGLES = (np.arange(_NODES) + 0.5) * (math.pi / _NODES)  # midpoints of the half turn
_EULER = 0.57721566490153286061


def _asymptotic_terms(order: int, x: Array, count: int) -> list[Array]:
    """(mu - 1)(mu - 9) ... / (k! (8x)^k) of AS 9.2.9 and 9.7.1, up to its smallest term."""
    mu, term = 4 * order * order, np.ones_like(x)
    found = [term]
    for k in range(1, count):
        following = term * ((mu - (2 * k - 1) ** 2) / (k * 8)) / x
        term = np.where(np.abs(following) <= np.abs(term), following, 0)
        found.append(term)
    return found


def scaled_i(order: int, x: Array) -> Array:
    """exp(-|x|) I(x): AS 9.6.19 up to 50, AS 9.7.1 beyond."""
    size = np.abs(x)
    near = np.minimum(size, 50.0)
    total = np.zeros_like(near)
    for c in np.cos(_ANGLES[: _NODES // 2]):  # the two halves of the range together
        total += (np.cosh(near * c) if order == 0 else c * np.sinh(near * c)) * (2 / _NODES)
    total *= np.exp(-near)
    far = np.maximum(size, 50.0)
    series = sum(t if k % 2 == 0 else -t for k, t in enumerate(_asymptotic_terms(order, far, 25)))
    y = np.where(size <= 50, total, series / np.sqrt(2 * math.pi * far))
    y = np.where(np.isnan(x), np.nan, y)
    return y * np.sign(x) if order else y


def _i(order: int) -> Callable[[Array], Array]:
    return lambda x: scaled_i(order, x) * np.exp(np.abs(x))


def _j(order: int, x: Array) -> Array:
    """AS 9.1.18 up to 25, AS 9.2.5 beyond."""
    near = np.minimum(np.abs(x), 25.0)
    total = np.zeros_like(near)
    for c in np.cos(_ANGLES[: _NODES // 2]):
        total += (np.cos(near * c) if order == 0 else c * np.sin(near * c)) * (2 / _NODES)
    cosine, sine = _hankel(order, x)
    y = np.where(np.abs(x) <= 25, total, cosine)
    y = np.where(np.isinf(x), 0.0, np.where(np.isnan(x), np.nan, y))
    return y * np.sign(x) if order else y


def _hankel(order: int, x: Array) -> tuple[Array, Array]:
    """J and Y for |x| > 25."""
    far = np.maximum(np.abs(x), 25.0)
    terms = _asymptotic_terms(order, far, 40)
    p = sum(t * (-1) ** (k // 2) for k, t in enumerate(terms) if k % 2 == 0)
    q = sum(t * (-1) ** (k // 2) for k, t in enumerate(terms) if k % 2 == 1)
    angle = far - (order / 2 + 0.25) * math.pi
    scale = np.sqrt(2 / (math.pi * far))
    c, s = np.cos(angle), np.sin(angle)
    return scale * (p * c - q * s), scale * (p * s + q * c)


def _all_j(x: Array, top: int = 90) -> list[Array]:
    """J_0 ... J_top for 0 < x <= 25, by backward recurrence (AS 9.12, example 1)."""
    above, here = np.zeros_like(x), np.full_like(x, 1e-300)
    found = [here]
    for k in range(top, 0, -1):
        above, here = here, (2 * k / x) * here - above
        big = np.abs(here) > 1e150
        if big.any():
            shrink = np.where(big, 1e-150, 1.0)
            above, here = above * shrink, here * shrink
            found = [f * shrink for f in found]
        found.append(here)
    found.reverse()
    norm = found[0] + 2 * sum(found[2::2])
    return [f / norm for f in found]


def _y(order: int, x: Array) -> Array:
    """Neumann's series AS 9.1.88 (differentiated for order 1) up to 25, AS 9.2.6 beyond."""
    near = np.clip(x, 1e-5, 25.0)
    j = _all_j(near)
    log = np.log(near / 2) + _EULER
    if order == 0:
        series = sum((-1) ** k * j[2 * k] / k for k in range(1, 44))
        small = (2 / math.pi) * (log * j[0]) - (4 / math.pi) * series
        tiny = (2 / math.pi) * (np.log(np.maximum(x, 5e-324) / 2) + _EULER)
    else:
        series = sum((-1) ** k * (j[2 * k - 1] - j[2 * k + 1]) / k for k in range(1, 44))
        small = (2 / math.pi) * (log * j[1] - j[0] / near + series)
        tiny = -2 / (math.pi * np.maximum(x, 5e-324))
    y = np.where(x <= 25, np.where(x < 1e-5, tiny, small), _hankel(order, x)[1])
    y = np.where(x == 0, -np.inf, np.where(np.isposinf(x), 0.0, y))
    return np.where((x < 0) | np.isnan(x), np.nan, y)


def _scaled_k_integral(order: float, x: Array) -> Array:
    """exp(x) K(x) for x >= 1: AS 9.6.24."""
    step = np.minimum(0.5 / np.sqrt(x), 0.2)
    total = np.full_like(x, 0.5)
    for i in range(1, 40):
        t = i * step
        # x (cosh t - 1) without cancellation
        total += np.exp(-2 * x * np.sinh(t / 2) ** 2) * np.cosh(order * t)
    return total * step


def _scaled_k(order: int, x: Array) -> Array:
    """exp(x) K(x): AS 9.6.13 and the Wronskian 9.6.15 up to 2, the integral beyond."""
    near = np.clip(x, 1e-300, 2.0)
    quarter = near * near / 4
    term, harmonic = np.ones_like(near), 0.0
    k0 = -(np.log(near / 2) + _EULER) * _i(0)(near)
    for k in range(1, 20):
        term = term * (quarter / (k * k))
        harmonic += 1 / k
        k0 = k0 + term * harmonic
    small = k0 if order == 0 else (1 / near - _i(1)(near) * k0) / _i(0)(near)
    far = np.maximum(x, 2.0)
    finite = np.minimum(far, 1e300)
    y = np.where(x <= 2, small * np.exp(near), _scaled_k_integral(order, finite))
    y = np.where(x == 0, np.inf, np.where(np.isposinf(x), 0.0, y))
    return np.where((x < 0) | np.isnan(x), np.nan, y)


def _airy(x: Array) -> Array:
    """AS 10.4.2 in the middle, 10.4.14 (as K of order 1/3) to the right, 10.4.60 to the left."""
    middle = np.clip(x, -7.5, 1.5)
    cube = middle**3
    f, g = np.ones_like(x), middle.copy()
    f_term, g_term = f, g
    for k in range(1, 45):
        f_term = f_term * cube / ((3 * k - 1) * (3 * k))
        g_term = g_term * cube / ((3 * k) * (3 * k + 1))
        f, g = f + f_term, g + g_term
    y = 3 ** (-2 / 3) / math.gamma(2 / 3) * f - 3 ** (-1 / 3) / math.gamma(1 / 3) * g
    right = np.clip(x, 1.5, 1e5)
    zeta = (2 / 3) * right**1.5
    decaying = np.sqrt(right / 3) / math.pi * _scaled_k_integral(1 / 3, zeta) * np.exp(-zeta)
    left = np.clip(-x, 7.5, 1e10)
    zeta = (2 / 3) * left**1.5
    p, q, term = np.ones_like(x), np.zeros_like(x), np.ones_like(x)
    for k in range(1, 30):
        factor = (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216 * k * (2 * k - 1))
        following = term * factor / zeta
        term = np.where(np.abs(following) <= np.abs(term), following, 0)
        signed = term * (-1) ** (k // 2)
        p, q = (p + signed, q) if k % 2 == 0 else (p, q + signed)
    turn = zeta + math.pi / 4
    wave = (np.sin(turn) * p - np.cos(turn) * q) / (math.sqrt(math.pi) * left**0.25)
    y = np.where(x > 1.5, decaying, np.where(x < -7.5, wave, y))
    y = np.where(np.isposinf(x), 0.0, y)
    return np.where(np.isnan(x) | np.isneginf(x), np.nan, y)


def _spherical_j0(x: Array) -> Array:
    """AS 10.1.11; its series near 0."""
    small = np.abs(x) < 0.5
    z = np.where(small, x * x, 0.0)
    series = 1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72 * (1 - z / 110))))
    safe = np.where(small | np.isinf(x), 1.0, x)
    return np.where(np.isinf(x), 0.0, np.where(small, series, np.sin(safe) / safe))


def in_float64(kernel: Callable[..., Array]) -> Callable[..., Array]:
    """A float64 kernel that serves every floating dtype."""

    def function(*operands: Array, **attrs: Any) -> Array:
        wide = [np.asarray(x, np.float64) for x in operands]
        return np.asarray(kernel(*wide, **attrs)).astype(operands[0].dtype)

    return widened(function)


def special_row(
    name: str, kernel: Callable[[Array], Array], rule: Callable[..., Any] | None, samples: Samples
) -> Op:
    """A host row of one operand, computed in float64."""
    return declare(
        name, "host", "x", elementwise(name, "x", FLOATS), in_float64(kernel),
        vjp=None if rule is None else (rule,), samples=samples,
    )  # fmt: skip


def _over(y: Any, x: Any) -> Any:
    """I1(x) / x, 1/2 at 0."""
    zero = eq(x, 0)
    return where(zero, 0.5, y / where(zero, 1.0, x))


_ANY, _RIGHT = on(-6, 6), on(0.2, 6)
# fmt: off
i0  = special_row("i0",  _i(0),                      lambda g, x: g * i1(x), _ANY)
i1: Op = special_row("i1",  _i(1),                   lambda g, x, y: g * (i0(x) - _over(y, x)), _ANY)
i0e = special_row("i0e", lambda x: scaled_i(0, x),   lambda g, x, y: g * (i1e(x) - sign(x) * y), _ANY)
i1e: Op = special_row("i1e", lambda x: scaled_i(1, x), lambda g, x, y: g * (i0e(x) - _abs(y) - _over(y, x)), _ANY)
bessel_j0 = special_row("bessel_j0", lambda x: _j(0, x), lambda g, x: -g * bessel_j1(x), _ANY)
bessel_j1: Op = special_row("bessel_j1", lambda x: _j(1, x), lambda g, x, y: g * (bessel_j0(x) - _over(y, x)), _ANY)
bessel_y0 = special_row("bessel_y0", lambda x: _y(0, x), lambda g, x: -g * bessel_y1(x), _RIGHT)
bessel_y1: Op = special_row("bessel_y1", lambda x: _y(1, x), lambda g, x, y: g * (bessel_y0(x) - y / x), _RIGHT)
scaled_modified_bessel_k0 = special_row(
    "scaled_modified_bessel_k0", lambda x: _scaled_k(0, x), lambda g, x, y: g * (y - scaled_modified_bessel_k1(x)), _RIGHT)
scaled_modified_bessel_k1: Op = special_row(
    "scaled_modified_bessel_k1", lambda x: _scaled_k(1, x),
    lambda g, x, y: g * (y - scaled_modified_bessel_k0(x) - y / x), _RIGHT)
modified_bessel_k0 = special_row(
    "modified_bessel_k0", lambda x: _scaled_k(0, x) * np.exp(-x), lambda g, x: -g * modified_bessel_k1(x), _RIGHT)
modified_bessel_k1: Op = special_row(
    "modified_bessel_k1", lambda x: _scaled_k(1, x) * np.exp(-x),
    lambda g, x, y: -g * (modified_bessel_k0(x) + y / x), _RIGHT)
airy_ai = special_row("airy_ai", _airy, None, on(-10, 6))
spherical_bessel_j0 = special_row("spherical_bessel_j0", _spherical_j0, None, _ANY)
# fmt: on
