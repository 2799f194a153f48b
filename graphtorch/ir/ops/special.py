"""NumPy kernels for the functions NumPy does not have: erf, erfc, erfinv, lgamma, digamma, trigamma.

float64 works to a few ulp.  float32 `erf`, and the normal tail GELU is made of, have
their own approximations; the rest is computed in float64 and rounded.  Arrays are worked through in blocks
that stay in the cache, because every polynomial step is a pass over the block.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .kernels import Array, in_blocks


def blockwise(function: Callable[[Array, Array], None]) -> Callable[[Array], Array]:
    """Make `function(x, out)` on flat blocks into a kernel for arrays of any shape and strides."""
    return lambda x: in_blocks(function, x)[0]


def horner(x: Array, coefficients: Sequence[float], out: Array) -> Array:
    """Evaluate a polynomial, highest power first, in place."""
    first, second, *rest = coefficients
    np.multiply(x, x.dtype.type(first), out=out)
    out += x.dtype.type(second)
    for c in rest:
        out *= x
        out += x.dtype.type(c)
    return out


def _polynomial(x: Any, coefficients: Sequence[float]) -> Any:
    """A polynomial, lowest power first (the order FDLIBM prints them in)."""
    y: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        y = y * x + c
    return y


# x P(x^2) / Q(x^2) on [-4, 4]: the rational approximation Eigen and XLA use for float32.
_ERF_P = (
    -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
    -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
)  # fmt: skip
_ERF_Q = (
    -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
    -1.42647390514189e-02,
)  # fmt: skip


def _erf32_block(x: Array, out: Array) -> None:
    clipped = np.minimum(x, np.float32(4))
    np.maximum(clipped, np.float32(-4), out=clipped)
    square = clipped * clipped
    horner(square, _ERF_P, out)
    out *= clipped
    out /= horner(square, _ERF_Q, clipped)


# Abramowitz & Stegun 7.1.26 in x / sqrt(2), halved: |error| < 7.5e-8.
_TAIL_P = 0.3275911 * math.sqrt(0.5)
_TAIL = tuple(0.5 * a for a in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592))


def normal_tail(x: Array, tail: Array) -> Array:
    """For float32 blocks: tail = Phi(-|x|), the normal distribution; returns exp(-x^2 / 2)."""
    t = np.abs(x)
    t *= np.float32(_TAIL_P)
    t += np.float32(1)
    np.reciprocal(t, out=t)
    horner(t, _TAIL, tail)
    tail *= t
    bell = np.multiply(x, x, out=t)
    bell *= np.float32(-0.5)
    np.exp(bell, out=bell)
    tail *= bell
    return bell


# FDLIBM s_erf.c (Sun Microsystems 1993), error below 1 ulp; lowest power first.
_ERX = 8.45062911510467529297e-01
_PP = (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
       -5.77027029648944159157e-03, -2.37630166566501626084e-05)  # fmt: skip
_QQ = (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
       1.32494738004321644526e-04, -3.96022827877536812320e-06)  # fmt: skip
_PA = (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
       3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
       -2.16637559486879084300e-03)  # fmt: skip
_QA = (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
       1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02)  # fmt: skip
_RA = (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
       -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
       -8.12874355063065934246e+01, -9.81432934416914548592e+00)  # fmt: skip
_SA = (1.0, 1.96512716674392571292e+01, 1.37657754143519042600e+02, 4.34565877475229228821e+02,
       6.45387271733267880336e+02, 4.29008140027567833386e+02, 1.08635005541779435134e+02,
       6.57024977031928170135e+00, -6.04244152148580987438e-02)  # fmt: skip
_RB = (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
       -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
       -4.83519191608651397019e+02)  # fmt: skip
_SB = (1.0, 3.03380607434824582924e+01, 3.25792512996573918826e+02, 1.53672958608443695994e+03,
       3.19985821950859553908e+03, 2.55305040643316442583e+03, 4.74528541206955367215e+02,
       -2.24409524465858183362e+01)  # fmt: skip


def _erfc_parts(x: Array) -> tuple[Array, Array, Array]:
    """For float64 `x`: erf on |x| < 0.84375, and erfc(|x|) elsewhere, with the mask of the former."""
    size = np.abs(x)
    small = ~(size >= 0.84375)
    z = x * x
    near = x + x * (_polynomial(z, _PP) / _polynomial(z, _QQ))
    t = size - 1
    middle = (1 - _ERX) - _polynomial(t, _PA) / _polynomial(t, _QA)
    u = np.where(small, 1.0, size)
    w = 1 / (u * u)
    low = u < 1 / 0.35
    r = np.where(
        low,
        _polynomial(w, _RA) / _polynomial(w, _SA),
        _polynomial(w, _RB) / _polynomial(w, _SB),
    )
    # exp(-u^2) loses bits for large u: split u into a short head and a tail.
    head = (u.view(np.int64) & ~np.int64(0xFFFFFFFF)).view(np.float64)
    tail = np.exp(-head * head - 0.5625) * np.exp((head - u) * (head + u) + r) / u
    far = np.where(size < 1.25, middle, np.where(size > 28, 0.0, tail))
    return near, far, small


def _erf64_block(x: Array, out: Array) -> None:
    near, far, small = _erfc_parts(x)
    out[...] = np.where(small, near, np.copysign(1 - far, x))


def _erfc64_block(x: Array, out: Array) -> None:
    near, far, small = _erfc_parts(x)
    out[...] = np.where(small, 1 - near, np.where(x < 0, 2 - far, far))


_erf32 = blockwise(_erf32_block)
_erf64 = blockwise(_erf64_block)
_erfc64 = blockwise(_erfc64_block)


def erf(x: Array) -> Array:
    """The error function."""
    return _erf32(x) if x.dtype == np.float32 else _erf64(x)


def in_float64(kernel: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A float64 kernel made to serve float32 too."""
    return lambda x: kernel(x.astype(np.float64)).astype(x.dtype)


erfc = in_float64(_erfc64)


def _erfinv(y: Array) -> Array:
    """Rational start (|error| < 1e-3), then Newton steps; the tails step on erfc."""
    size = np.abs(y)
    z = y * y
    near = y * (((-0.140543331 * z + 0.914624893) * z - 1.645349621) * z + 0.886226899)
    near /= (((0.012229801 * z - 0.329097515) * z + 1.442710462) * z - 2.118377725) * z + 1
    t = np.sqrt(-np.log((1 - size) / 2))
    far = ((1.641345311 * t + 3.429567803) * t - 1.624906493) * t - 1.970840454
    far = np.copysign(far, y) / ((1.637067800 * t + 3.543889200) * t + 1)
    x = np.where(size <= 0.7, near, far)
    for _ in range(3):
        gap = np.where(size <= 0.7, _erf64(x) - y, np.sign(y) * ((1 - size) - _erfc64(np.abs(x))))
        x = x - gap / (2 / math.sqrt(math.pi) * np.exp(-x * x))
    x = np.where(size == 1, np.copysign(np.inf, y), x)
    return np.where(size > 1, np.nan, x)


erfinv = in_float64(_erfinv)

_SHIFT = 8  # Stirling's series is used from here on
_LGAMMA = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400)
_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_TRIGAMMA = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def _lgamma(x: Array) -> Array:
    """log|gamma(x)| (Abramowitz & Stegun 6.1.40), reflection below 1/2.

    Around the zeros at 1 and 2 the product form keeps the relative error at the size of the result's
    own conditioning: a few 1e-16 absolute.
    """
    reflect = x < 0.5
    z = np.where(reflect, 1 - x, x)
    product = np.ones_like(z)
    w = z
    for _ in range(_SHIFT):
        step = w < _SHIFT
        product = np.where(step, product * w, product)
        w = np.where(step, w + 1, w)
    r = 1 / w
    series = r * _polynomial(r * r, _LGAMMA)
    y = (w - 0.5) * np.log(w) - w + 0.5 * math.log(2 * math.pi) + series - np.log(product)
    y = np.where(z == np.inf, np.inf, y)
    fraction = x - np.floor(x)
    reflected = np.log(math.pi / np.abs(np.sin(math.pi * fraction))) - y
    y = np.where(reflect, reflected, y)
    y = np.where((x == 1) | (x == 2), 0.0, y)
    return np.where(((x <= 0) & (fraction == 0)) | np.isinf(x), np.inf, y)


def _digamma(x: Array) -> Array:
    """The derivative of lgamma (Abramowitz & Stegun 6.3.18); infinite at 0, NaN at the other poles."""
    reflect = x < 0.5
    z = np.where(reflect, 1 - x, x)
    y = np.zeros_like(z)
    for _ in range(_SHIFT):
        step = z < _SHIFT
        y = np.where(step, y - 1 / z, y)
        z = np.where(step, z + 1, z)
    r = 1 / (z * z)
    y = y + np.log(z) - 0.5 / z - r * _polynomial(r, _DIGAMMA)
    fraction = x - np.floor(x)
    y = np.where(reflect, y - math.pi / np.tan(math.pi * fraction), y)
    y = np.where((x < 0) & (fraction == 0) | (x == -np.inf), np.nan, y)
    return np.where(x == 0, np.copysign(np.inf, -x), y)


def _trigamma(x: Array) -> Any:
    """The derivative of digamma (Abramowitz & Stegun 6.4.12)."""
    reflect = x < 0.5
    z = np.where(reflect, 1 - x, x)
    y = np.zeros_like(z)
    for _ in range(_SHIFT):
        y = y + 1 / (z * z)
        z = z + 1
    r = 1 / z
    y = y + r + 0.5 * r * r + r * r * r * _polynomial(r * r, _TRIGAMMA)
    cosecant = math.pi / np.sin(math.pi * (x - np.floor(x)))
    return np.where(reflect, cosecant * cosecant - y, y)


lgamma = in_float64(_lgamma)
digamma = in_float64(_digamma)
trigamma = in_float64(_trigamma)
