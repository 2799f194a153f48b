"""Matrix functions under their old names and signatures: torch.svd, torch.qr, Tensor.det, ..."""

from __future__ import annotations

from typing import Any

from ...errors import message
from ...ir import ops
from .. import promotion, return_types
from ..tensor import Tensor
from .wrapping import accepts_out, into_all


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
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X with A X = input, given the Cholesky factor of A."""
    from ... import linalg

    factor = input2.mH if upper else input2  # type: ignore[attr-defined]
    half = linalg.solve_triangular(factor, input, upper=False)
    return linalg.solve_triangular(factor.mH, half, upper=True)


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


@accepts_out
def cholesky_inverse(L: Tensor, upper: bool = False) -> Tensor:
    """The inverse of a matrix, given its Cholesky factor."""
    from ... import linalg
    from ...linalg.checks import square
    from ..creation import eye

    square("cholesky_inverse", L)
    n = L._array.shape[-1]
    one = promotion.expand(eye(n, dtype=L.dtype), L._array.shape)
    factor = L.mH if upper else L  # type: ignore[attr-defined]
    half = linalg.solve_triangular(factor, one, upper=False)
    return linalg.solve_triangular(factor.mH, half, upper=True)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """(L and U in one matrix, row exchanges from 1[, infos])."""
    from ... import linalg

    found = linalg.lu_factor_ex(A, pivot=pivot)
    result = tuple(found) if get_infos else tuple(found)[:2]
    return result if out is None else tuple(into_all(out, result))


@accepts_out
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = b, given the result of `lu`."""
    from ... import linalg

    return linalg.lu_solve(LU_data, LU_pivots, b)


@accepts_out
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L, U of the result of `lu`; what is not asked for is empty."""
    from ...ir.types import int32
    from .arranging import tril, triu

    m, n = LU_data._array.shape[-2:]
    k = min(m, n)
    empty = ops.full(shape=(0,), value=0, dtype=LU_data.dtype)
    P = L = U = empty
    if unpack_pivots:
        if LU_pivots.dtype is not int32:
            raise RuntimeError(
                message(
                    "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.",
                    operands={"LU_pivots": LU_pivots.type_},
                )
            )
        P = ops.permutation_matrix(LU_pivots, rows=m, dtype=LU_data.dtype)
    if unpack_data:
        lower = tril(LU_data[..., :, :k], -1)  # type: ignore[index]
        ndim = lower._array.ndim
        one = ops.full(shape=(*lower._array.shape[:-2], k), value=1, dtype=LU_data.dtype)
        L = ops.diagonal_update(lower, one, offset=0, dim1=ndim - 2, dim2=ndim - 1)
        U = triu(LU_data[..., :k, :])  # type: ignore[index]
    return return_types.lu_unpack(P, L, U)


@accepts_out
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> Any:
    """(X with A X = b for a triangular A, A)."""
    from ... import linalg
    from .shape import transpose as turned

    matrix = turned(A, -2, -1) if transpose else A
    x = linalg.solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return return_types.triangular_solve(
        x, promotion.expand(A, (*x._array.shape[:-2], *A._array.shape[-2:]))
    )


@accepts_out
def geqrf(input: Tensor) -> Any:
    """(Householder vectors below R, their factors), as `ormqr` and `linalg.householder_product` take them."""
    from ...linalg.checks import matrices

    return return_types.geqrf(*ops.geqrf(matrices("geqrf", input, "input").detach()))  # type: ignore[attr-defined]


@accepts_out
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """Q other (Q^H other, other Q, ...) for the orthogonal Q that `geqrf` gives as reflections."""
    from ..creation import eye
    from .linear import matmul

    m = input._array.shape[-2] if input._array.ndim >= 2 else -1
    if (
        input._array.ndim < 2
        or other._array.ndim < 2
        or other._array.shape[-2 if left else -1] != m
    ):
        raise RuntimeError(
            message(
                "torch.ormqr: other.shape[-2] must be equal to input.shape[-2]",
                operands={"input": input.type_, "other": other.type_},
            )
        )
    k = min(other._array.shape[-2 if left else -1], input._array.shape[-1])
    if tau._array.ndim < 1 or tau._array.shape[-1] != k:
        raise RuntimeError(
            message(
                "torch.ormqr: tau.shape[-1] must be equal to min(other.shape[-2], input.shape[-1])",
                operands={"input": input.type_, "tau": tau.type_, "other": other.type_},
            )
        )
    if not left:
        return ormqr(input, tau, other.mH, True, not transpose).mH  # type: ignore[attr-defined]
    k = tau._array.shape[-1]
    lower = ops.tril(input, diagonal=-1)
    result = other
    for i in range(k) if transpose else reversed(range(k)):
        v = lower[..., i : i + 1] + eye(m, dtype=input.dtype)[:, i : i + 1]
        factor = ops.reshape(tau[..., i], shape=(*tau._array.shape[:-1], 1, 1))  # type: ignore[index]
        factor = factor.conj() if transpose else factor
        result = result - factor * matmul(v, matmul(v.mH, result))
    return result


def _approximate_basis(A: Tensor, q: int, niter: int) -> Tensor:
    """N. Halko, P. Martinsson, J. Tropp, "Finding structure with randomness" (2009), algorithm 4.4."""
    from ... import linalg
    from ..random import randn

    samples = randn(A._array.shape[-1], q, dtype=A.dtype)
    Q = linalg.qr(A @ samples)[0]
    for _ in range(niter):
        Q = linalg.qr(A.mH @ Q)[0]  # type: ignore[attr-defined]
        Q = linalg.qr(A @ Q)[0]
    return Q


def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> Any:
    """U, S, V of rank q with U diag(S) V^H near A (or A - M), by random projections."""
    from ... import linalg

    q, niter = 6 if q is None else q, 2 if niter is None else niter
    A = A if M is None else A - promotion.expand(M, A._array.shape)
    if A._array.shape[-2] < A._array.shape[-1]:
        Q = _approximate_basis(A.mH, q, niter)  # type: ignore[attr-defined]
        U, S, Vh = linalg.svd(A @ Q, full_matrices=False)
        return U, S, Q @ Vh.mH
    Q = _approximate_basis(A, q, niter)
    U, S, Vh = linalg.svd(Q.mH @ A, full_matrices=False)  # type: ignore[attr-defined]
    return Q @ U, S, Vh.mH


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> Any:
    """`svd_lowrank` of A with its columns' means taken away."""
    m, n = A._array.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    centre = A.mean(-2, keepdim=True) if center else None  # type: ignore[attr-defined]
    return svd_lowrank(A, q, niter, centre)
