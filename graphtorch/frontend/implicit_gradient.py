"""Derivatives of drawn numbers with respect to what they were drawn from, where drawing was by rejection.

For a sample x of a distribution function F(x; a):  dx/da = -(dF/da) / (dF/dx)
(M. Figurnov, S. Mohamed, A. Mnih, "Implicit reparameterization gradients", 2018).  Both derivatives
are power series of the incomplete gamma and beta functions, summed in float64.
"""

from __future__ import annotations

import numpy as np

from ..ir.ops.special import digamma

_LAST = 200_000


def standard_gamma_grad(alpha: np.ndarray, x: np.ndarray) -> np.ndarray:
    """dx/dalpha of a gamma number x of rate 1."""
    a, x = (np.asarray(v, np.float64) for v in np.broadcast_arrays(alpha, x))
    with np.errstate(all="ignore"):
        term = x / a  # x^(n+1) Gamma(a) / Gamma(a+n+1)
        log_x, psi = np.log(x), np.asarray(digamma(a + 1))
        total = np.zeros_like(term)
        for n in range(_LAST):
            step = term * (log_x - psi)
            total -= step
            # terms rise until n passes x - a, then fall
            if (
                n > 10
                and (np.abs(step) <= 1e-17 * np.abs(total) + 1e-300).all()
                and (n > x - a).all()
            ):
                break
            psi = psi + 1 / (a + n + 1)
            term = term * (x / (a + n + 1))
    return total


def dirichlet_grad(x: np.ndarray, alpha: np.ndarray, total: np.ndarray) -> np.ndarray:
    """dx/dalpha / (1 - x) of a beta number x of alpha and total - alpha."""
    x, a, total = (np.asarray(v, np.float64) for v in np.broadcast_arrays(x, alpha, total))
    b = total - a
    left = x < (a + 1) / (total + 2)
    # the series of I_x(a, b) left of the mean; of 1 - I_(1-x)(b, a) right of it
    y, first = np.where(left, x, 1 - x), np.where(left, a, b)
    with np.errstate(all="ignore"):
        log_x = np.log(x)
        psi_n = np.asarray(digamma(total))
        psi_other = np.where(left, digamma(a + 1), digamma(a))
        term, found = np.ones_like(x), np.zeros_like(x)
        for n in range(_LAST):
            step = term * (log_x + psi_n - psi_other)
            found += step
            if n > 10 and (np.abs(step) <= 1e-16 * np.abs(found) + 1e-300).all():
                break
            term = term * (total + n) / (first + 1 + n) * y
            psi_n = psi_n + 1 / (total + n)
            psi_other = np.where(left, psi_other + 1 / (a + 1 + n), psi_other)
    return np.where(left, -x / a, x / b) * found
