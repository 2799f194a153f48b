"""The functions NumPy lacks, against Python's own and against identities."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphtorch.ir.ops import special

# the op table's kernels silence NumPy around these
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

GRID = np.concatenate([np.linspace(-6, 6, 20001), np.logspace(-300, 1.4, 500)])


def relative_error(found, function, x):
    expected = np.array([function(v) for v in x])
    return np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1e-300))


def test_erf_and_erfc_in_float64():
    assert relative_error(special.erf(GRID), math.erf, GRID) < 4e-16
    assert relative_error(special.erfc(GRID), math.erfc, GRID) < 2e-15


def test_erf_in_float32():
    x = GRID[np.abs(GRID) > 1e-37].astype(np.float32)
    assert relative_error(special.erf(x), math.erf, x.astype(float)) < 4.8e-7  # 4 ulp


def test_normal_tail():
    x = np.linspace(-12, 12, 4001, dtype=np.float32)
    tail = np.empty_like(x)
    with np.errstate(under="ignore"):
        bell = special.normal_tail(x, tail)
    exact = np.array([0.5 * math.erfc(abs(v) * math.sqrt(0.5)) for v in x.astype(float)])
    assert np.max(np.abs(tail - exact)) < 3e-7
    assert np.max(np.abs(bell - np.exp(-0.5 * x.astype(float) ** 2))) < 1e-6


def test_erfinv_undoes_erf():
    y = np.concatenate([np.linspace(-0.9999, 0.9999, 2001), [1e-12, -1e-300]])
    back = np.array([math.erf(v) for v in special.erfinv(y)])
    assert np.max(np.abs(back - y)) < 4e-16
    with np.errstate(all="ignore"):
        edges = special.erfinv(np.array([1.0, -1.0, 1.5, np.nan]))
    np.testing.assert_array_equal(edges, [np.inf, -np.inf, np.nan, np.nan])


def test_lgamma():
    x = np.concatenate([np.linspace(-20.3, 50, 3001), np.logspace(-5, 8, 200)])
    expected = np.array([math.lgamma(v) for v in x])
    error = np.abs(special.lgamma(x) - expected) / np.maximum(np.abs(expected), 1)
    assert np.max(error) < 2e-13
    np.testing.assert_array_equal(special.lgamma(np.array([1.0, 2.0])), [0, 0])


def test_digamma_and_trigamma_recurrences():
    x = np.linspace(0.05, 20, 500)
    np.testing.assert_allclose(special.digamma(x + 1), special.digamma(x) + 1 / x, atol=1e-13)
    np.testing.assert_allclose(special.trigamma(x + 1), special.trigamma(x) - 1 / x**2, atol=1e-11)
    assert abs(special.digamma(np.array([1.0]))[0] + 0.57721566490153286) < 4e-15
    assert abs(special.trigamma(np.array([1.0]))[0] - math.pi**2 / 6) < 1e-14
    y = np.linspace(-3.9, -0.1, 20)  # reflection: psi(1 - x) - psi(x) = pi cot(pi x)
    np.testing.assert_allclose(
        special.digamma(1 - y) - special.digamma(y),
        math.pi / np.tan(math.pi * y),
        rtol=1e-10,
        atol=1e-10,
    )
