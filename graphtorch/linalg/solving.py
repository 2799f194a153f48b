"""Inverses, pseudo-inverses and systems of linear equations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import message
from ..frontend import promotion, return_types
from ..frontend.functional.shape import movedim, transpose
from ..frontend.functional.wrapping import accepts_out, check_tensor, scalar_name
from ..frontend.size import wrap_dim
from ..frontend.tensor import Tensor
from ..ir import ops
from ..ir.types import int32, int64
from .checks import LinAlgError, expanded, first_element, matrices, same_dtype, solved, square
from .factoring import eigvalsh, svdvals
from .norms import tolerance


@accepts_out
def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices; raises LinAlgError for a singular one."""
    square("linalg.inv", A)
    try:
        return ops.inverse(A)
    except RuntimeError as error:
        if "Singular" not in str(error):
            raise
        raise LinAlgError(
            message(
                f"linalg.inv: {first_element(A)}The diagonal element {_singular_at(A)} is zero, the inversion could"
                " not be completed because the input matrix is singular.",
                operands={"A": A.type_},
            )
        ) from None


inverse = inv


def _singular_at(A: Tensor) -> int:
    """The first leading minor (from 1) that vanishes."""
    matrix = A._array.reshape(-1, *A._array.shape[-2:])[0] if A._array.size else A._array
    for k in range(1, matrix.shape[-1] + 1):
        if np.linalg.matrix_rank(matrix[:, :k]) < k:
            return k
    return matrix.shape[-1]


@accepts_out
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """(`inv`, info): info is 0, or the pivot (from 1) that vanishes; nothing is raised unless check_errors."""
    square("linalg.inv_ex", A)
    if check_errors:
        inv(A)
    return return_types.linalg_inv_ex(*ops.inverse_ex(A))


def _is_vector(A: Tensor, B: Tensor) -> bool:
    a, b = A._array.shape, B._array.shape
    return len(b) == 1 or (len(b) == len(a) - 1 and b == a[:-1])


def _checked(name: str, A: Tensor, B: Any, left: bool) -> bool:
    square(name, A)
    check_tensor(name, B, "B", 2)
    same_dtype(name, A, B)
    vector = _is_vector(A, B)
    if vector and not left:
        raise RuntimeError(
            message(f"{name}: Vector broadcasting of the left hand side is not supported for left=False."
                    " In this case linalg.solve is equivalent to B / A.squeeze(-1)", operands={"A": A.type_, "B": B.type_})
        )  # fmt: skip
    if not vector:
        matrices(name, B, "B")
    rows = B._array.shape[-1 if vector or not left else -2]
    if rows != A._array.shape[-1]:
        raise RuntimeError(
            message(
                f"{name}: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'}"
                f" ({'x'.join(map(str, A.shape[-2:]))} and {'x'.join(map(str, B.shape[-2:]))})",
                operands={"A": A.type_, "B": B.type_},
            )
        )
    return vector


def _column(B: Tensor) -> Tensor:
    return ops.reshape(B, shape=(*B._array.shape, 1))


def _uncolumn(X: Tensor) -> Tensor:
    return ops.reshape(X, shape=X._array.shape[:-1])


@accepts_out
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (or X A = B with left=False); raises LinAlgError for a singular A."""
    vector = _checked("linalg.solve", A, B, left)
    if not left:
        return transpose(solve(transpose(A, -2, -1), transpose(B, -2, -1)), -2, -1)
    a, b = expanded(A, _column(B) if vector else B)
    text = "torch.linalg.solve: The solver failed because the input matrix is singular."
    result = solved(ops.solve, text, a, b)
    return _uncolumn(result) if vector else result


@accepts_out
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """(`solve`, info): info is 0, or the pivot (from 1) that vanishes, and then the result is NaN."""
    vector = _checked("linalg.solve_ex", A, B, left)
    shape = promotion.common_shape((A._array.shape[:-2], B._array.shape[: -1 if vector else -2]))
    try:
        result = solve(A, B, left=left)
        info = ops.full(shape=shape, value=0, dtype=int32)
    except LinAlgError:
        if check_errors:
            raise
        _, found = ops.inverse_ex(A.detach())  # type: ignore[attr-defined]
        info = promotion.expand(found, shape)
        result = ops.mul(
            promotion.expand(B, (*shape, *B._array.shape[-1 if vector else -2 :])), math.nan
        )
    return return_types.linalg_solve_ex(result, info)


@accepts_out
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """`solve` for a triangular A; the other triangle (and with unitriangular the diagonal) is not read."""
    square("linalg.solve_triangular", A)
    matrices("linalg.solve_triangular", B, "B")
    same_dtype("linalg.solve_triangular", A, B)
    if B._array.shape[-2 if left else -1] != A._array.shape[-1]:
        raise RuntimeError(
            message(
                f"linalg.solve_triangular: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'}"
                f" ({'x'.join(map(str, A.shape[-2:]))} and {'x'.join(map(str, B.shape[-2:]))})",
                operands={"A": A.type_, "B": B.type_},
            )
        )
    if not left:
        turned = solve_triangular(
            transpose(A, -2, -1), transpose(B, -2, -1), upper=not upper, unitriangular=unitriangular
        )
        return transpose(turned, -2, -1)
    a, b = expanded(A, B)
    if unitriangular and a._array.size:
        n, ndim = a._array.shape[-1], a._array.ndim
        one = ops.full(shape=a._array.shape[:-1], value=1, dtype=a.dtype)
        a = ops.diagonal_update(a, one, offset=0, dim1=ndim - 2, dim2=ndim - 1) if n else a
    return ops.solve_triangular(a, b, upper=upper)


@accepts_out
def lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """X with A X = B (X A = B, A^H X = B, ...) given `lu_factor(A)`."""
    square("torch.linalg.lu_solve", LU, "LU")
    matrices("torch.linalg.lu_solve", B, "B")
    if LU.dtype is not B.dtype:
        raise RuntimeError(
            message(
                f"linalg.lu_solve: Expected LU and B to have the same dtype, but found LU of type {scalar_name(LU.dtype)}"
                f" and B of type {scalar_name(B.dtype)} instead",
                operands={"LU": LU.type_, "B": B.type_},
            )
        )
    if pivots.dtype is not int32:
        raise RuntimeError(
            message(
                "linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32",
                operands={"pivots": pivots.type_},
            )
        )
    if pivots._array.shape != LU._array.shape[:-1]:
        raise RuntimeError(
            message(
                "linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix",
                operands={"pivots": pivots.type_, "LU": LU.type_},
            )
        )
    if B._array.shape[-2 if left else -1] != LU._array.shape[-1]:
        raise RuntimeError(
            message(
                f"linalg.lu_solve: Incompatible shapes of LU and B for the equation {'AX = B' if left else 'XA = B'}",
                operands={"LU": LU.type_, "B": B.type_},
            )
        )
    if not left:
        return lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH  # type: ignore[attr-defined]
    P = ops.permutation_matrix(pivots, rows=LU._array.shape[-2], dtype=LU.dtype)
    P, _ = expanded(P, B)
    if adjoint:
        half = solve_triangular(LU.mH, B, upper=False)  # type: ignore[attr-defined]
        return ops.matmul(P, solve_triangular(LU.mH, half, upper=True, unitriangular=True))  # type: ignore[attr-defined]
    _, b = expanded(P, B)
    half = solve_triangular(
        LU, ops.matmul(transpose(P, -2, -1), b), upper=False, unitriangular=True
    )
    return solve_triangular(LU, half, upper=True)


@accepts_out
def pinv(
    A: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:  # fmt: skip
    """The Moore-Penrose inverse; singular values up to max(atol, rtol * largest) count as zero."""
    matrices("linalg.pinv", A)
    if hermitian:
        square("linalg.pinv", A)
    rtol = rcond if rtol is None else rtol
    if not A._array.size:
        return ops.full(
            shape=(*A._array.shape[:-2], A._array.shape[-1], A._array.shape[-2]),
            value=0,
            dtype=A.dtype,
        ) + transpose(A, -2, -1)
    plain = A.detach()  # type: ignore[attr-defined]
    s = eigvalsh(plain) if hermitian else svdvals(plain)
    bound = tolerance("torch.linalg.pinv", s, A, atol, rtol)
    shape = promotion.common_shape((bound._array.shape, A._array.shape[:-2]))
    return ops.pinv(
        promotion.expand(A, (*shape, *A._array.shape[-2:])),
        promotion.expand(bound, shape),
        hermitian=hermitian,
    )


def _nothing_of(A: Tensor) -> Tensor:
    """No elements, but of A: the result of a differentiable function."""
    flat = ops.reshape(A, shape=(A._array.size,))
    return ops.slice(flat, starts=(0,), stops=(0,), steps=(1,))


_DRIVERS = ("gels", "gelsy", "gelsd", "gelss")


@accepts_out
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """X that minimises |A X - B|, with residuals, rank and singular values as far as the driver gives them.

    Residuals are there for full rank, more rows than columns and drivers other than "gelsy" (the default), ranks for all drivers but "gels", singular values
    for "gelsd" and "gelss".
    """
    matrices("torch.linalg.lstsq", A, "input")
    if B._array.ndim < 1:
        raise RuntimeError(
            message(
                "torch.linalg.lstsq: other must have at least 1 dimension.",
                operands={"other": B.type_},
            )
        )
    if A.dtype is not B.dtype:
        raise RuntimeError(message("torch.linalg.lstsq: Expected input and other to have the same dtype, but got"
                                   f" {scalar_name(A.dtype)} and {scalar_name(B.dtype)}"))  # fmt: skip
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(
            message(
                f"torch.linalg.lstsq: parameter `driver` should be one of {_DRIVERS}, but got {driver}"
            )
        )
    m, n = A._array.shape[-2:]
    vector = B._array.ndim == A._array.ndim - 1 and B._array.shape == A._array.shape[:-1]
    if not vector and B._array.ndim != A._array.ndim:
        if not (B._array.ndim == 1 or B._array.ndim > A._array.ndim - 1):
            raise RuntimeError(
                message(
                    "torch.linalg.lstsq: input.dim() must be greater or equal to other.dim() and (input.dim() - other.dim()) <= 1",
                    operands={"input": A.type_, "other": B.type_},
                )
            )
    b = _column(B) if vector else B
    if b._array.ndim < 2 or b._array.shape[-2] != m:
        raise RuntimeError(
            message(
                "torch.linalg.lstsq: input.size(-2) should match other.size(-2)",
                operands={"input": A.type_, "other": B.type_},
            )
        )
    a, b = expanded(A, b)
    if rcond is None:
        rcond = float(np.finfo(A._array.dtype).eps) * max(m, n)
    solution = ops.matmul(pinv(a, rtol=rcond), b)
    real = ops.abs(_nothing_of(a))
    driver = driver or "gelsy"
    s = svdvals(a.detach())  # type: ignore[attr-defined]
    above = ops.gt(
        s,
        promotion.expand(
            _column(tolerance("torch.linalg.lstsq", s, a, None, rcond)), s._array.shape
        ),
    )
    rank = above.sum(-1)  # type: ignore[attr-defined]
    residuals = real
    if m > n and driver != "gelsy" and (driver == "gels" or bool((rank == n).all())):
        gap = ops.abs(ops.sub(ops.matmul(a, solution), b))
        residuals = ops.sum(ops.mul(gap, gap), dims=(gap._array.ndim - 2,))
    return return_types.linalg_lstsq(
        _uncolumn(solution) if vector else solution,
        residuals,
        ops.full(shape=(0,), value=0, dtype=int64) if driver == "gels" else rank,
        s if driver in ("gelsd", "gelss") else real,
    )


@accepts_out
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of the map from the dims after `ind` to those before."""
    if ind <= 0:
        raise RuntimeError(message("Expected a strictly positive integer for 'ind'"))
    shape = A._array.shape
    first, last = shape[ind:], shape[:ind]
    n, m = math.prod(first), math.prod(last)
    if n != m:
        raise RuntimeError(
            message(
                "Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got"
                f" {n} != {m}",
                operands={"self": A.type_},
            )
        )
    return ops.reshape(inv(ops.reshape(A, shape=(m, n))), shape=(*first, *last))


@accepts_out
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B; `dims` of A are first moved to its end."""
    if dims is not None:
        ndim = A._array.ndim
        moved = [wrap_dim(d, ndim) for d in dims]
        A = movedim(A, tuple(moved), tuple(range(ndim - len(moved), ndim)))
    shape = A._array.shape[B._array.ndim :]
    n = math.prod(shape)
    if n != B._array.size or n * n != A._array.size:
        raise RuntimeError(
            message(
                "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) =="
                f" prod(self.shape[:other.ndim]), but got {n} != {B._array.size}",
                operands={"self": A.type_, "other": B.type_},
            )
        )
    flat = solve(ops.reshape(A, shape=(n, n)), ops.reshape(B, shape=(n,)))
    return ops.reshape(flat, shape=shape)
