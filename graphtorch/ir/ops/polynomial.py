"""Orthogonal polynomials of degree n at x, by their recurrences (Abramowitz and Stegun, table 22.7).

Negative degrees give 0; degrees are truncated to integers.  No derivatives, as in PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Op, declare
from .bessel import in_float64
from .inference import FLOATS, elementwise
from .kernels import Array
from .samples import Case, between

Step = Callable[[int, Array, Array, Array], Any]


def _kernel(first: Callable[[Array], Any], step: Step) -> Callable[[Array, Array], Array]:
    """Degree 1 is first(x); degree k + 1 is step(k, x, p_k, p_k-1)."""

    def function(x: Array, n: Array) -> Array:
        degree = np.trunc(n)
        before, here = np.ones_like(x), np.asarray(first(x))
        y = np.where(degree == 0, before, np.where(degree == 1, here, 0.0))
        top = int(np.max(degree, initial=0, where=np.isfinite(degree)))
        for k in range(1, top):
            before, here = here, step(k, x, here, before)
            y = np.where(degree == k + 1, here, y)
        return y

    return function


def _twice(k: int, x: Array, p: Array, q: Array) -> Any:
    return 2 * x * p - q


def _samples() -> list[Case]:
    return [((between(0, 1, 3, 4), np.arange(12, dtype=np.float32).reshape(3, 4) - 1), {})]


def _row(name: str, first: Callable[[Array], Any], step: Step, shifted: bool = False) -> Op:
    kernel = _kernel(first, step)
    moved = (lambda x, n: kernel(2 * x - 1, n)) if shifted else kernel
    infer = elementwise(name, "x n", FLOATS)
    return declare(name, "host", "x n", infer, in_float64(moved), samples=_samples)


# fmt: off
chebyshev_polynomial_t = _row("chebyshev_polynomial_t", lambda x: x,         _twice)
chebyshev_polynomial_u = _row("chebyshev_polynomial_u", lambda x: 2 * x,     _twice)
chebyshev_polynomial_v = _row("chebyshev_polynomial_v", lambda x: 2 * x - 1, _twice)
chebyshev_polynomial_w = _row("chebyshev_polynomial_w", lambda x: 2 * x + 1, _twice)
shifted_chebyshev_polynomial_t = _row("shifted_chebyshev_polynomial_t", lambda x: x,         _twice, True)
shifted_chebyshev_polynomial_u = _row("shifted_chebyshev_polynomial_u", lambda x: 2 * x,     _twice, True)
shifted_chebyshev_polynomial_v = _row("shifted_chebyshev_polynomial_v", lambda x: 2 * x - 1, _twice, True)
shifted_chebyshev_polynomial_w = _row("shifted_chebyshev_polynomial_w", lambda x: 2 * x + 1, _twice, True)
hermite_polynomial_h  = _row("hermite_polynomial_h",  lambda x: 2 * x, lambda k, x, p, q: 2 * (x * p - k * q))
hermite_polynomial_he = _row("hermite_polynomial_he", lambda x: x,     lambda k, x, p, q: x * p - k * q)
laguerre_polynomial_l = _row("laguerre_polynomial_l", lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1))
legendre_polynomial_p = _row("legendre_polynomial_p", lambda x: x,     lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1))
# fmt: on
