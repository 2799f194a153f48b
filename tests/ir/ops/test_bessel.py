"""Bessel functions, their relatives and zeta: exact series, Wronskians and known values."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest

from graphtorch.ir import ops

getcontext().prec = 60


def series(order, sign, x):
    """sum sign^k (x/2)^(2k + order) / (k! (k + order)!) to fifty digits."""
    x = Decimal(x)
    term = (x / 2) ** order / math.factorial(order)
    total, k = term, 1
    while abs(term) > Decimal(10) ** -50 * max(abs(total), Decimal(10) ** -50):
        term *= sign * (x * x / 4) / (k * (k + order))
        total += term
        k += 1
    return float(total)


POINTS = [1e-8, 0.3, 2.0, 5.2, 7.5, 11.85, 24.9, 25.1, 40.0]


@pytest.mark.parametrize("order", [0, 1])
def test_series(order):
    x = np.array(POINTS)
    ordinary = (ops.bessel_j0, ops.bessel_j1)[order].numpy
    modified = (ops.i0, ops.i1)[order].numpy
    np.testing.assert_allclose(
        ordinary(x), [series(order, -1, p) for p in POINTS], rtol=1e-12, atol=3e-15
    )
    np.testing.assert_allclose(modified(x), [series(order, 1, p) for p in POINTS], rtol=2e-13)
    np.testing.assert_array_equal(ordinary(-x), (-1) ** order * ordinary(x))
    np.testing.assert_array_equal(modified(-x), (-1) ** order * modified(x))


def test_wronskians():
    x = np.concatenate([np.linspace(0.01, 30, 400), [1e-6, 60.0, 300.0]])
    j0, j1, y0, y1 = (ops.OPS[f"bessel_{n}"].numpy(x) for n in ("j0", "j1", "y0", "y1"))
    np.testing.assert_allclose(j1 * y0 - j0 * y1, 2 / (math.pi * x), rtol=1e-11)
    i0, i1 = ops.i0e.numpy(x), ops.i1e.numpy(x)
    k0, k1 = ops.scaled_modified_bessel_k0.numpy(x), ops.scaled_modified_bessel_k1.numpy(x)
    np.testing.assert_allclose(i0 * k1 + i1 * k0, 1 / x, rtol=1e-12)


def test_known_values():
    def at(op, *x, **attrs):
        return op.numpy(*(np.array([v], np.float64) for v in x), **attrs)[0]

    assert at(ops.zeta, 2.0, 1.0) == pytest.approx(math.pi**2 / 6, rel=1e-14)
    assert at(ops.zeta, 4.0, 0.5) == pytest.approx(15 * math.pi**4 / 90, rel=1e-14)
    assert at(ops.polygamma, 1.0, n=3) == pytest.approx(math.pi**4 / 15, rel=1e-13)
    assert at(ops.airy_ai, 0.0) == pytest.approx(0.355028053887817239, rel=1e-14)
    assert at(ops.airy_ai, -2.338107410459767) == pytest.approx(0, abs=1e-14)
    assert at(ops.airy_ai, 10.0) == pytest.approx(1.1047532552898687e-10, rel=1e-12)
    assert at(ops.igamma, 1.0, 2.0) == pytest.approx(1 - math.exp(-2), rel=1e-14)
    assert at(ops.igammac, 0.5, 9.0) == pytest.approx(math.erfc(3), rel=1e-12)
    assert at(ops.erfcx, 30.0) == pytest.approx(0.018795888861416751, rel=1e-13)
    assert at(ops.ndtri, 0.975) == pytest.approx(1.959963984540054, rel=1e-13)
    assert at(ops.log_ndtr, -40.0) == pytest.approx(-804.608442013754, rel=1e-13)


def test_edges():
    edges = np.array([0.0, np.inf, -np.inf, np.nan])
    expected = {
        "bessel_j0": [1, 0, 0, np.nan], "bessel_j1": [0, 0, 0, np.nan], "bessel_y0": [-np.inf, 0, np.nan, np.nan],
        "i0e": [1, 0, 0, np.nan], "modified_bessel_k0": [np.inf, 0, np.nan, np.nan],
        "spherical_bessel_j0": [1, 0, 0, np.nan], "erfcx": [1, 0, np.inf, np.nan],
        "log_ndtr": [math.log(0.5), 0, -np.inf, np.nan],
    }  # fmt: skip
    for name, values in expected.items():
        found = ops.OPS[name].numpy(edges)
        np.testing.assert_allclose(found, values, atol=1e-15, err_msg=name)


def test_polynomials_at_whole_degrees():
    x = np.linspace(-1.5, 1.5, 7)
    four = np.full_like(x, 4)
    np.testing.assert_allclose(
        ops.chebyshev_polynomial_t.numpy(x, four), 8 * x**4 - 8 * x**2 + 1, atol=1e-13
    )
    np.testing.assert_allclose(
        ops.hermite_polynomial_he.numpy(x, four), x**4 - 6 * x**2 + 3, atol=1e-13
    )
    np.testing.assert_allclose(
        ops.legendre_polynomial_p.numpy(x, four), (35 * x**4 - 30 * x**2 + 3) / 8, atol=1e-13
    )
    np.testing.assert_array_equal(ops.laguerre_polynomial_l.numpy(x, -four), 0 * x)
