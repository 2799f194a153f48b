"""Determinants and decompositions."""

from __future__ import annotations

import math
from typing import Any

from ..errors import UnsupportedError, message
from ..frontend import return_types
from ..frontend.functional.arranging import tril, triu
from ..frontend.functional.wrapping import accepts_out
from ..frontend.tensor import Tensor
from ..ir import ops
from .checks import LinAlgError, expanded, first_element, matrices, solved, square


@accepts_out
def det(A: Tensor) -> Tensor:
    """The determinant; differentiable at singular matrices too."""
    return ops.det(square("linalg.det", A))


@accepts_out
def slogdet(A: Tensor) -> Any:
    """Sign and logarithm of the absolute value of the determinant."""
    return return_types.linalg_slogdet(*ops.slogdet(square("linalg.slogdet", A)))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where it is negative."""
    sign, logabs = slogdet(input)
    if sign._array.dtype.kind == "c":
        return ops.complex(logabs, ops.angle(sign))
    return ops.where(ops.lt(sign, 0), math.nan, logabs)


@accepts_out
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L with L L^H = A for positive definite matrices (U with U^H U = A); raises LinAlgError otherwise.

    Only one triangle of A is read.
    """
    source = _half(square("linalg.cholesky", A), upper)
    try:
        result = ops.cholesky(source)
    except RuntimeError as error:
        if "positive definite" not in str(error):
            raise
        _, info = ops.cholesky_ex(source.detach())  # type: ignore[attr-defined]
        batch = int(info._array.ravel().nonzero()[0][0])
        order = int(info._array.ravel()[batch])
        where = f"(Batch element {batch}): " if A._array.ndim > 2 else ""
        raise LinAlgError(
            message(
                f"linalg.cholesky: {where}The factorization could not be completed because the input is not"
                f" positive-definite (the leading minor of order {order} is not positive-definite).",
                operands={"A": A.type_},
            )
        ) from None
    return result.mH if upper else result


def _half(A: Tensor, upper: bool) -> Tensor:
    """The kernels read the lower triangle."""
    return A.mH if upper else A  # type: ignore[attr-defined]


@accepts_out
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """(`cholesky`, info): info is 0, or the order of the first minor that is not positive definite."""
    square("linalg.cholesky_ex", A)
    if check_errors:
        cholesky(A, upper=upper)
    factor, info = ops.cholesky_ex(_half(A, upper))
    return return_types.linalg_cholesky_ex(factor.mH if upper else factor, info)


@accepts_out
def qr(A: Tensor, mode: str = "reduced") -> Any:
    """Q R = A with orthonormal columns in Q; mode "reduced", "complete" or "r" (then Q is empty)."""
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            message(
                f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
            )
        )
    q, r = ops.qr(matrices("linalg.qr", A), complete=mode == "complete")
    if mode == "r":
        q = ops.full(shape=(0,), value=0, dtype=A.dtype)
    return return_types.linalg_qr(q, r)


def _uplo(UPLO: str) -> bool:
    if not isinstance(UPLO, str) or UPLO.upper() not in ("L", "U"):
        raise RuntimeError(message(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}"))
    return UPLO.upper() == "U"


@accepts_out
def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues (ascending) and eigenvectors of Hermitian matrices; one triangle is read."""
    upper = _uplo(UPLO)
    return return_types.linalg_eigh(*ops.eigh(_half(square("linalg.eigh", A), upper)))


@accepts_out
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of Hermitian matrices, ascending."""
    upper = _uplo(UPLO)
    return ops.eigvalsh(_half(square("linalg.eigvalsh", A), upper))


def _finite(name: str, A: Tensor) -> Tensor:
    square(name, A)
    if not bool(ops.isfinite(ops.abs(A.detach())).all()):  # type: ignore[attr-defined]
        raise RuntimeError(
            message(
                f"{name}: input tensor should not contain infs or NaNs.", operands={"A": A.type_}
            )
        )
    return A


@accepts_out
def eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors (of length 1) of any square matrix, complex."""
    text = (
        "linalg.eig: The algorithm failed to converge because the input matrix is ill-conditioned."
    )
    return return_types.linalg_eig(*solved(ops.eig, text, _finite("torch.linalg.eig", A)))


@accepts_out
def eigvals(A: Tensor) -> Tensor:
    """Eigenvalues of any square matrix, complex."""
    text = "linalg.eigvals: The algorithm failed to converge because the input matrix is ill-conditioned."
    return solved(ops.eigvals, text, _finite("torch.linalg.eigvals", A))


_SVD = "linalg.svd: The algorithm failed to converge because the input matrix is ill-conditioned or has NaNs."


def _driver(driver: str | None) -> None:
    if driver is not None:
        raise RuntimeError(
            message(
                "torch.linalg.svd: keyword argument `driver=` is only supported on CUDA inputs with cuSOLVER backend."
            )
        )


@accepts_out
def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """U, S, Vh with U diag(S) Vh = A; what completes U or Vh with full_matrices has no derivative."""
    matrices("linalg.svd", A)
    _driver(driver)
    return return_types.linalg_svd(*solved(ops.svd, _SVD, A, complete=full_matrices))


@accepts_out
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Singular values, descending."""
    matrices("linalg.svdvals", A)
    _driver(driver)
    return solved(ops.svdvals, _SVD, A)


# ---- elimination


def _lu_parts(name: str, A: Tensor, pivot: bool) -> tuple[Tensor, ...]:
    return ops.lu(matrices(name, A), pivot=pivot)


@accepts_out
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """(L and U in one matrix, row exchanges from 1), as `lu_solve` takes them."""
    packed, pivots, _ = _lu_parts("torch.linalg.lu_factor", A, pivot)
    return return_types.linalg_lu_factor(packed, pivots)


@accepts_out
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """`lu_factor` and info: 0, or which diagonal element of U (from 1) is exactly zero."""
    packed, pivots, _ = _lu_parts("torch.linalg.lu_factor_ex", A, pivot)
    info = ops.zero_pivot(packed.detach())
    if check_errors and bool(info.any()):
        raise LinAlgError(
            message(
                f"torch.linalg.lu_factor_ex: {first_element(A)}U has a zero on its diagonal",
                operands={"A": A.type_},
            )
        )
    return return_types.linalg_lu_factor_ex(packed, pivots, info)


@accepts_out
def lu(A: Tensor, *, pivot: bool = True) -> Any:
    """P, L, U with A = P L U; P is empty without pivoting."""
    packed, _, P = _lu_parts("linalg.lu", A, pivot)
    m, n = A._array.shape[-2:]
    k = min(m, n)
    lower = tril(packed[..., :, :k], -1)
    ndim = lower._array.ndim
    one = ops.full(shape=(*lower._array.shape[:-2], k), value=1, dtype=A.dtype)
    lower = ops.diagonal_update(lower, one, offset=0, dim1=ndim - 2, dim2=ndim - 1)
    if not pivot:
        P = ops.full(shape=(0,), value=0, dtype=A.dtype)
    return return_types.linalg_lu(P, lower, triu(packed[..., :k, :]))


def _symmetric(name: str, A: Tensor, hermitian: bool) -> Tensor:
    square(name, A)
    if hermitian and A._array.dtype.kind == "c":
        raise UnsupportedError(
            message(
                f"{name}: hermitian=True is not supported for complex matrices",
                operands={"A": A.type_},
                hint="use torch.linalg.cholesky or torch.linalg.lu",
            )
        )
    return A


@accepts_out
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> Any:
    """(L and D in one matrix, pivots) of a symmetric matrix: A = L D L^T, D with blocks of 1 and 2."""
    LD, pivots, _ = ops.ldl(_symmetric("torch.linalg.ldl_factor", A, hermitian))
    return return_types.linalg_ldl_factor(LD, pivots)


@accepts_out
def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """`ldl_factor` and info: 0, or which block of D (from 1) is exactly zero."""
    LD, pivots, info = ops.ldl(_symmetric("torch.linalg.ldl_factor_ex", A, hermitian))
    if check_errors and bool(info.any()):
        raise LinAlgError(
            message(
                "torch.linalg.ldl_factor_ex: D has a zero on its diagonal", operands={"A": A.type_}
            )
        )
    return return_types.linalg_ldl_factor_ex(LD, pivots, info)


@accepts_out
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """X with A X = B given `ldl_factor(A)`."""
    name = "torch.linalg.ldl_solve"
    _symmetric(name, LD, hermitian)
    if B._array.ndim < 2:
        raise RuntimeError(
            message(
                f"{name}: Expected B to have at least 2 dimensions, but it has {B._array.ndim} dimensions instead",
                operands={"B": B.type_},
            )
        )
    if pivots._array.shape != LD._array.shape[:-1]:
        raise RuntimeError(
            message(
                f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same",
                operands={"LD": LD.type_, "pivots": pivots.type_},
            )
        )
    if pivots._array.dtype.kind not in "iu":
        raise RuntimeError(message(f"{name}: Expected pivots to be integers. Got {pivots.dtype!r}"))
    if LD.dtype is not B.dtype:
        raise RuntimeError(
            message(f"{name}: LD dtype {LD.dtype!r} does not match b dtype {B.dtype!r}")
        )
    if LD._array.shape[-1] != B._array.shape[-2]:
        raise RuntimeError(
            message(
                f"{name}: Incompatible shapes of LD and B", operands={"LD": LD.type_, "B": B.type_}
            )
        )
    ld, b = expanded(LD, B)
    from ..frontend import promotion

    return ops.ldl_solve(ld, promotion.expand(pivots, ld._array.shape[:-1]), b)
