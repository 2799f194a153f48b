"""Special functions: erf erfc erfinv lgamma digamma hypot.

erf in f32 follows N. Juffa's two-branch scheme (1 - exp of a polynomial away from 0).  In f64 erfc is
exp(-x*x) times a polynomial in (x - 3.75) / (x + 3.75) (Shepherd and Laframboise 1981).
"""

from __future__ import annotations

import math
from typing import Any

from ...ir.types import float64
from .math import clamp_above, copy_sign, horner, program_for, two_product
from .math_exp import exp_nonpositive, exp_normal
from .math_log import log, log1p
from .math_trig import tan


@program_for("erf", dtypes="f32")
def erf_f32(s: Any, x: Any) -> Any:
    z = s.mul(x, x)
    near = s.fma(horner(s, z, _ERF_F32_NEAR), x, x)
    a = clamp_above(s, s.abs(x), 4.0)
    power = s.fma(horner(s, a, _ERF_F32_FAR), a, s.neg(a))
    far = s.sub(1.0, exp_normal(s, power))
    return s.select(s.less(0.927734375, a), copy_sign(s, far, x), near)


_ERF_F32_NEAR = (1.28379166e-1, -3.76125336e-1, 1.12819925e-1, -2.67681349e-2, 4.99119423e-3,
                 -5.96761703e-4)  # fmt: skip
_ERF_F32_FAR = (-1.28717512e-1, -6.34846687e-1, -1.06777877e-1, 2.42546219e-2, -3.88396438e-3,
                3.83197126e-4, -1.72853470e-5)  # fmt: skip

# erf(x) = x + x*P(x*x) on |x| <= 1;  erfc(x) = exp(-x*x) / (1 + 2x) * Q((x - 3.75) / (x + 3.75))
_ERF = (
    0.1283791670955126, -0.37612638903183754, 0.11283791670955126, -0.026866170645131218,
    0.005223977625441674, -0.0008548327023403001, 0.00012055332978879483, -1.4925650236967501e-05,
    1.6462110782018636e-06, -1.636576864883207e-07, 1.4806027146128752e-08,
    -1.2277734486795524e-09, 9.323723518153027e-11, -6.1967364287877e-12, 2.8067128195611264e-13,
)  # fmt: skip
_ERFC = (
    1.2375126308378275, -0.14024059858554702, 0.00358541548546364, 0.08227673849015019,
    -0.10880393014170528, 0.09230432116023692, -0.05869339859056786, 0.02836227742070259,
    -0.009746579547944527, 0.0017556258418993977, 0.00029371360319902596, -0.0002901540465910369,
    5.164932939225544e-05, 2.2384218498333587e-05, -1.1444640393752744e-05, -9.737646075941182e-07,
    1.752125884186979e-06, -5.647610552574853e-08, -2.5845097711474733e-07, 2.2080445947567413e-08,
    3.7531557172503695e-08, -2.795499173231531e-09, -4.0002456159500795e-09,
)  # fmt: skip


def _erf_near(s: Any, x: Any) -> Any:
    return s.fma(horner(s, s.mul(x, x), _ERF), x, x)


def _erfc_far(s: Any, a: Any) -> Any:
    """erfc(a) for a >= 0.5."""
    a = clamp_above(s, a, 28.0)
    t = s.div(s.sub(a, 3.75), s.add(a, 3.75))
    square, lost = two_product(s, a, a)
    e = exp_nonpositive(s, s.neg(square))
    scaled = s.div(horner(s, t, _ERFC), s.fma(a, 2.0, 1.0))
    return s.mul(e, s.fma(s.neg(lost), scaled, scaled))


@program_for("erf", dtypes="f64")
def erf(s: Any, x: Any) -> Any:
    a = s.abs(x)
    far = s.sub(1.0, _erfc_far(s, clamp_above(s, a, 6.5)))
    return s.select(s.less(0.9, a), copy_sign(s, far, x), _erf_near(s, x))


@program_for("erfc", dtypes="f64")
def erfc(s: Any, x: Any) -> Any:
    a = s.abs(x)
    far = _erfc_far(s, a)
    far = s.select(s.less(x, 0.0), s.sub(2.0, far), far)
    return s.select(s.less(a, 0.5), s.sub(1.0, _erf_near(s, x)), far)


# first guesses, error 1e-6: x * P(w - 2.5), and P(sqrt w) for w > 5; w = -log(1 - x*x)
_ERFINV_NEAR = (
    1.5014093632908099, 0.24664028875237923, -0.0041774100051286634, -0.001252751051476638,
    0.00021836498363031324, -4.956108305965694e-06, -3.4684209947663495e-06, 4.6423804514697317e-07,
    2.3723148351277928e-08, -8.628043252812316e-09,
)  # fmt: skip
_ERFINV_FAR = (
    -0.16775314282727669, 1.4084887016470617, -0.697843906853881, 0.5325313168343593,
    -0.23998069647679127, 0.07050699181376521, -0.013969861234550891, 0.001860962452624277,
    -0.00016030020326889046, 8.084802899758344e-06, -1.816052400520111e-07,
)  # fmt: skip


@program_for("erfinv", dtypes="f64")
def erfinv(s: Any, x: Any) -> Any:
    """A guess and one step of Halley's method, on erf or, where erf is close to 1, on erfc."""
    a = s.abs(x)
    w = s.neg(log(s, s.mul(s.sub(1.0, a), s.add(a, 1.0))))
    w = s.select(s.less(a, 0.5), s.neg(log1p(s, s.neg(s.mul(a, a)))), w)
    far = horner(s, s.integer("sqrt", w), _ERFINV_FAR)
    guess = s.select(s.less(w, 5.0), s.mul(a, horner(s, s.sub(w, 2.5), _ERFINV_NEAR)), far)
    tail = s.sub(s.sub(1.0, a), _erfc_far(s, guess))
    gap = s.select(s.less(guess, 0.7), s.sub(_erf_near(s, guess), a), tail)
    e = exp_nonpositive(s, s.neg(s.mul(guess, guess)))
    step = s.div(s.mul(gap, math.sqrt(math.pi) / 2), e)
    y = s.sub(guess, s.div(step, s.fma(guess, step, 1.0)))
    y = s.select(s.equal(a, 1.0), math.inf, s.select(s.less(1.0, a), math.nan, y))
    tiny = s.less(a, 1e-150)  # the step's products would underflow
    y = s.select(tiny, s.mul(a, math.sqrt(math.pi) / 2), y)
    return copy_sign(s, s.select(s.isnan(x), x, y), x)


# lgamma(1 + z) = z * G(z) on |z| <= 1/2
_LGAMMA = (
    -0.5772156649015329, 0.8224670334241132, -0.40068563438653143, 0.2705808084277805,
    -0.20738555102867004, 0.16955717699817474, -0.14404989676959207, 0.12550966945679506,
    -0.11133426580344366, 0.1000994609278955, -0.0909540204690803, 0.08335373243821222,
    -0.07693241121304217, 0.07143524203437863, -0.06667093978988506, 0.062466952204530614,
    -0.05879089238051795, 0.055915126213946904, -0.05298133871594109, 0.047262865873375186,
    -0.04495588106711661, 0.0604480395430051, -0.058065603982138676, -0.016423321859004927,
    0.01651198209887316, 0.19164667247429906, -0.1860437432140865, -0.21784522721159488,
    0.2121143276249345, 0.24887978656777288, -0.24180563401438954,
)  # fmt: skip
_STIRLING = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)


@program_for("lgamma", dtypes="f64")
def lgamma(s: Any, x: Any) -> Any:
    """log |gamma(x)|; below 0 by reflection (relative accuracy is lost next to its zeros there)."""
    a = s.abs(x)
    y = _lgamma_positive(s, a)
    turn = s.sub(a, s.integer("roundeven", a))
    sine = s.abs(_sine_of_turns(s, turn))
    mirrored = s.sub(log(s, s.div(s.const(math.pi, float64), s.mul(sine, a))), y)
    pole = s.logical_or(
        s.equal(a, math.inf), s.logical_and(s.equal(turn, 0.0), s.less_equal(x, 0.0))
    )
    y = s.select(s.less(x, 0.0), mirrored, y)
    y = s.select(s.logical_and(s.less(a, 1e-17), s.less(0.0, a)), s.neg(log(s, a)), y)
    return s.select(s.isnan(x), x, s.select(pole, math.inf, y))


def _lgamma_positive(s: Any, a: Any) -> Any:
    log_a = log(s, a)
    z = s.div(s.const(1.0, float64), a)
    series = s.mul(z, horner(s, s.mul(z, z), _STIRLING))
    large = s.add(
        s.mul(s.sub(a, 0.5), s.sub(log_a, 1.0)), s.add(series, 0.5 * math.log(2 * math.pi) - 0.5)
    )
    b, product = a, s.const(1.0, float64)
    for _ in range(8):  # down to [1.5, 2.5)
        above = s.less_equal(2.5, b)
        b = s.select(above, s.sub(b, 1.0), b)
        product = s.select(above, s.mul(product, b), product)
    low, mid = s.less(b, 0.5), s.less(b, 1.5)
    z = s.select(low, b, s.select(mid, s.sub(b, 1.0), s.sub(b, 2.0)))
    extra = s.select(low, s.neg(log_a), s.select(mid, 0.0, s.add(log1p(s, z), log(s, product))))
    return s.select(s.less(a, 10.0), s.fma(z, horner(s, z, _LGAMMA), extra), large)


def _sine_of_turns(s: Any, r: Any) -> Any:
    """sin(pi r) for |r| <= 1/2."""
    from .math_trig import sin

    return sin(s, s.mul(r, math.pi))


_DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)


@program_for("digamma", dtypes="f64")
def digamma(s: Any, x: Any) -> Any:
    """Recurrence up to 10, asymptotic series (Abramowitz and Stegun 6.3.18), reflection below 0."""
    negative = s.less(x, 0.0)
    b = s.select(negative, s.sub(1.0, x), x)
    total = s.select(negative, s.const(0.0, float64), 0.0)
    for _ in range(10):
        below = s.less(b, 10.0)
        total = s.select(below, s.sub(total, s.div(s.const(1.0, float64), b)), total)
        b = s.select(below, s.add(b, 1.0), b)
    z = s.div(s.const(1.0, float64), s.mul(b, b))
    tail = s.fma(z, horner(s, z, _DIGAMMA), s.div(s.const(0.5, float64), b))
    y = s.add(total, s.sub(log(s, b), tail))
    turn = s.sub(x, s.integer("floor", x))
    reflected = s.sub(y, s.div(s.const(math.pi, float64), tan(s, s.mul(turn, math.pi))))
    pole = s.logical_or(s.equal(turn, 0.0), s.equal(x, -math.inf))
    reflected = s.select(pole, math.nan, reflected)
    at_zero = copy_sign(s, s.const(math.inf, float64), s.neg(x))
    y = s.select(negative, reflected, s.select(s.equal(x, math.inf), x, y))
    return s.select(s.equal(x, 0.0), at_zero, y)


@program_for("hypot", dtypes="f64")
def hypot(s: Any, x: Any, y: Any) -> Any:
    a, b = s.abs(x), s.abs(y)
    large, small = s.select(s.less(a, b), b, a), s.select(s.less(a, b), a, b)
    ratio = s.div(small, s.select(s.equal(large, 0.0), 1.0, large))
    found = s.mul(large, s.integer("sqrt", s.fma(ratio, ratio, 1.0)))
    missing = s.logical_or(s.isnan(x), s.isnan(y))
    endless = s.logical_or(s.equal(a, math.inf), s.equal(b, math.inf))
    return s.select(endless, math.inf, s.select(missing, math.nan, found))
