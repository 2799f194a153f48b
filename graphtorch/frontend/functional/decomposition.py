"""Matrix functions under their old names and signatures: torch.svd, torch.qr, Tensor.det, ..."""

from __future__ import annotations

from typing import Any

from .. import return_types
from ..tensor import Tensor
from .wrapping import accepts_out


def det(input: Tensor) -> Tensor:
    """The determinant of square matrices."""
    from ... import linalg

    return linalg.det(input)


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where it is negative."""
    from ... import linalg

    return linalg.logdet(input)


def slogdet(input: Tensor) -> Any:
    """Sign and logarithm of the absolute value of the determinant."""
    from ... import linalg

    return return_types.slogdet(*linalg.slogdet(input))


@accepts_out
def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices."""
    from ... import linalg

    return linalg.inv(input)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """The Moore-Penrose inverse."""
    from ... import linalg

    return linalg.pinv(input, rtol=rcond)


@accepts_out
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """The Cholesky factor of positive definite matrices."""
    from ... import linalg

    return linalg.cholesky(input, upper=upper)


@accepts_out
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = input, given the Cholesky factor of A."""
    from ... import linalg

    factor = L.mT if upper else L  # type: ignore[attr-defined]
    half = linalg.solve_triangular(factor, input, upper=False)
    return linalg.solve_triangular(factor.mT, half, upper=True)


@accepts_out
def qr(input: Tensor, some: bool = True) -> Any:
    """Q R = input."""
    from ... import linalg

    return return_types.qr(*linalg.qr(input, "reduced" if some else "complete"))


@accepts_out
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """U, S, V with U diag(S) V^T = input."""
    from ... import linalg
    from .shape import transpose

    u, s, vh = linalg.svd(input, full_matrices=not some)
    return return_types.svd(u, s, transpose(vh, -2, -1))


def matrix_exp(input: Tensor) -> Tensor:
    """The exponential of square matrices."""
    from ... import linalg

    return linalg.matrix_exp(input)
