"""`torch.linalg`: norms, products, solving, decompositions.

Norms and products are made of ordinary ops.  Decompositions are `host` rows (`ir/ops/linalg.py`):
they run in NumPy and are differentiated by formulas over other ops.
"""

from __future__ import annotations

import math
from typing import Any

from .errors import UnsupportedError, message
from .frontend import promotion, return_types
from .frontend.functional.arranging import diagonal as _diagonal
from .frontend.functional.linear import chain_matmul as _chain
from .frontend.functional.linear import cross as _cross
from .frontend.functional.linear import matmul as matmul
from .frontend.functional.linear import matrix_power as matrix_power
from .frontend.functional.moments import vector_norm as vector_norm
from .frontend.functional.shape import movedim as _movedim
from .frontend.functional.shape import transpose as _transpose
from .frontend.functional.shape import unsqueeze as _unsqueeze
from .frontend.functional.wrapping import concrete, fresh
from .frontend.size import wrap_dim
from .frontend.tensor import Tensor
from .ir import ops
from .ir.dispatch import _stack
from .ir.types import DType, int32, int64


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive definite, or a factorisation did not converge."""


LinAlgError.__name__ = LinAlgError.__qualname__ = "_LinAlgError"


def _solved(op: Any, text: str, *operands: Any) -> Any:
    """Run an op; a failure of the factorisation is a LinAlgError with PyTorch's words."""
    try:
        return op(*operands)
    except RuntimeError as error:
        if "Singular" in str(error) or "positive definite" in str(error):
            raise LinAlgError(message(text, operands={"A": operands[0].type_})) from None
        raise


def norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """A vector norm, or a matrix norm if `ord` is a string or two dims are given."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if (
        isinstance(ord, str)
        or (isinstance(dim, (tuple, list)) and len(dim) == 2)
        or (dim is None and A.ndim == 2)
    ):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
) -> Tensor:
    """Norms of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2."""
    if dtype is not None:
        A = promotion.cast(A, dtype)
    rows, columns = (wrap_dim(d, A.ndim) for d in dim)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in (math.inf, -math.inf, 1, -1):
        summed, kept = (columns, rows) if abs(ord) == math.inf else (rows, columns)
        sums = ops.sum(ops.abs(A), dims=(summed,))
        kept -= kept > summed
        result = (ops.amax if ord > 0 else ops.amin)(sums, dims=(kept,))
    elif ord in (2, -2, "nuc"):
        values = svdvals(_movedim(A, (rows, columns), (-2, -1)))
        last = (values.ndim - 1,)
        result = (
            ops.sum(values, dims=last)
            if ord == "nuc"
            else (ops.amax if ord > 0 else ops.amin)(values, dims=last)
        )
    else:
        raise ValueError(f"linalg.matrix_norm: Order {ord} not supported.")
    if keepdim:
        shape = tuple(1 if d in (rows, columns) else s for d, s in enumerate(A.shape))
        result = ops.reshape(result, shape=shape)
    return result


def multi_dot(tensors: Any) -> Tensor:
    """The product of several matrices (the ends may be vectors)."""
    found = list(tensors)
    first, last = found[0].ndim == 1, found[-1].ndim == 1
    if first:
        found[0] = _unsqueeze(found[0], 0)
    if last:
        found[-1] = _unsqueeze(found[-1], 1)
    result = _chain(*found)
    if first:
        result = result[0]
    return result[..., 0] if last else result


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The cross product of 3-vectors along `dim`."""
    return _cross(input, other, dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Scalar products along `dim`, with broadcasting."""
    product = ops.mul(*promotion.operands(x, y))
    return ops.sum(product, dims=(wrap_dim(dim, product.ndim),))


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices."""
    return _diagonal(A, offset, dim1, dim2)


def _square(name: str, A: Tensor) -> Tensor:
    if A.ndim < 2:
        raise RuntimeError(
            message(
                f"{name}: The input tensor A must have at least 2 dimensions.",
                operands={"A": A.type_},
            )
        )
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            message(
                f"{name}: A must be batches of square matrices, but they are {A.shape[-2]} by"
                f" {A.shape[-1]} matrices",
                operands={"A": A.type_},
            )
        )
    if A.dtype.kind != "f":
        raise RuntimeError(
            message(
                f"{name}: Expected a floating point or complex tensor as input. Got {A.dtype!r}"
            )
        )
    return A


def inv(A: Tensor) -> Tensor:
    """The inverse of square matrices; raises LinAlgError for a singular one."""
    _square("linalg.inv", A)
    try:
        return ops.inverse(A)
    except RuntimeError as error:
        if "Singular" not in str(error):
            raise
        raise LinAlgError(
            message(
                f"linalg.inv: {_first_element(A)}The diagonal element {_singular_at(A)} is zero, the inversion could"
                " not be completed because the input matrix is singular.",
                operands={"A": A.type_},
            )
        ) from None


def _first_element(A: Tensor) -> str:
    return "(Batch element 0): " if A.ndim > 2 else ""


def _singular_at(A: Tensor) -> int:
    """The first leading minor (from 1) that vanishes."""
    import numpy as np

    matrix = A._array.reshape(-1, *A._array.shape[-2:])[0] if A._array.size else A._array
    for k in range(1, matrix.shape[-1] + 1):
        if np.linalg.matrix_rank(matrix[:, :k]) < k:
            return k
    return matrix.shape[-1]


inverse = inv


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (or X A = B with left=False)."""
    _square("linalg.solve", A)
    if not left:
        return _transpose(solve(_transpose(A, -2, -1), _transpose(B, -2, -1)), -2, -1)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = _unsqueeze(B, -1) if vector else B
    batch = promotion.common_shape((tuple(A.shape[:-2]), tuple(right.shape[:-2])))
    a = promotion.expand(A, (*batch, *A.shape[-2:]))
    b = promotion.expand(right, (*batch, *right.shape[-2:]))
    result = _solved(
        ops.solve,
        "torch.linalg.solve: The solver failed because the input matrix is singular.",
        a,
        b,
    )
    return result[..., 0] if vector else result


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """`solve` for a triangular A; the other triangle is not read."""
    a = ops.triu(A, diagonal=0) if upper else ops.tril(A, diagonal=0)
    if unitriangular:
        n = A.shape[-1]
        one = ops.full(shape=tuple(a.shape[:-1]), value=1, dtype=a.dtype)
        a = ops.diagonal_update(a, one, offset=0, dim1=a.ndim - 2, dim2=a.ndim - 1) if n else a
    return solve(a, B, left=left)


def det(A: Tensor) -> Tensor:
    """The determinant."""
    return ops.det(_square("linalg.det", A))


def slogdet(A: Tensor) -> Any:
    """Sign and logarithm of the absolute value of the determinant."""
    return return_types.linalg_slogdet(*ops.slogdet(_square("linalg.slogdet", A)))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant."""
    sign, logabs = slogdet(input)
    return ops.where(ops.lt(sign, 0), math.nan, logabs)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """L with L L^T = A for positive definite matrices; raises LinAlgError otherwise."""
    result = _solved(
        ops.cholesky,
        f"linalg.cholesky: {_first_element(A)}The factorization could not be completed because the input is not"
        " positive-definite (the leading minor of order 1 is not positive-definite).",
        _square("linalg.cholesky", A),
    )
    return _transpose(result, -2, -1) if upper else result


def qr(A: Tensor, mode: str = "reduced") -> Any:
    """Q R = A with orthonormal columns in Q; mode "reduced", "complete" or "r"."""
    if mode == "complete" and A.shape[-2] > A.shape[-1]:
        return return_types.linalg_qr(*_full(A, "qr"))
    q, r = ops.qr(A)
    if mode == "r":
        q = ops.full(shape=(0,), value=0, dtype=A.dtype)
    return return_types.linalg_qr(q, r)


def _full(A: Tensor, name: str) -> tuple[Tensor, ...]:
    """Factors with square orthogonal parts, which have no derivative."""
    import numpy as np

    if A.requires_grad:
        raise RuntimeError(
            message(
                f"The derivative of linalg.{name} with full matrices is not defined",
                operands={"A": A.type_},
            )
        )
    array = concrete(A)
    found = (
        np.linalg.qr(array, mode="complete")
        if name == "qr"
        else np.linalg.svd(array, full_matrices=True)
    )
    return tuple(fresh(np.ascontiguousarray(x)) for x in found)


def eigh(A: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues (ascending) and eigenvectors of symmetric matrices."""
    _square("linalg.eigh", A)
    return return_types.linalg_eigh(*ops.eigh(A if UPLO.upper() == "L" else _transpose(A, -2, -1)))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices, ascending."""
    return eigh(A, UPLO)[0]


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """U, S, Vh with U diag(S) Vh = A."""
    if full_matrices and A.shape[-1] != A.shape[-2]:
        return return_types.linalg_svd(*_full(A, "svd"))
    return return_types.linalg_svd(*ops.svd(A))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """Singular values, descending."""
    return ops.svd(A)[1]


def pinv(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:
    """The Moore-Penrose inverse."""
    from .frontend.numeric_limits import finfo

    u, s, vh = ops.svd(A)
    if rtol is None:
        rtol = 0.0 if atol else max(A.shape[-2:]) * finfo(A.dtype).eps
    top = ops.expand(
        ops.reshape(ops.amax(s, dims=(s.ndim - 1,)), shape=(*s.shape[:-1], 1)), shape=tuple(s.shape)
    )
    small = ops.le(
        s,
        ops.maximum(
            ops.mul(top, rtol), ops.full(shape=tuple(s.shape), value=atol or 0.0, dtype=s.dtype)
        ),
    )
    inverse = ops.where(small, 0.0, ops.reciprocal(ops.where(small, 1.0, s)))
    scaled = _transpose(vh, -2, -1) * _unsqueeze(inverse, -2)
    return scaled @ _transpose(u, -2, -1)


def matrix_rank(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False
) -> Tensor:
    """How many singular values are not negligible."""
    from .frontend.numeric_limits import finfo

    s = svdvals(A)
    if rtol is None:
        rtol = 0.0 if atol else max(A.shape[-2:]) * finfo(A.dtype).eps
    return (s > s.amax(-1, keepdim=True) * rtol + (atol or 0.0)).sum(-1)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """X that minimises |A X - B|."""
    solution = pinv(A, rtol=rcond) @ B
    empty = ops.full(shape=(0,), value=0, dtype=A.dtype)
    return return_types.linalg_lstsq(
        solution, empty, ops.full(shape=(), value=0, dtype=int64), empty
    )


def matrix_exp(A: Tensor) -> Tensor:
    """exp(A) by scaling and squaring of its Taylor series (degree 18)."""
    _square("linalg.matrix_exp", A)
    size = float(abs(concrete(A.detach())).sum(-1).max()) if A.numel() else 0.0
    squarings = max(0, math.ceil(math.log2(size)) + 1) if size > 0 else 0
    x = ops.mul(A, 0.5**squarings)
    from .frontend.creation import eye

    result = term = promotion.expand(eye(A.shape[-1], dtype=A.dtype), tuple(A.shape))
    for k in range(1, 19):
        term = ops.mul(matmul(term, x), 1.0 / k)
        result = ops.add(result, term)
    for _ in range(squarings):
        result = matmul(result, result)
    return result


def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number."""
    if p is None or p == 2:
        s = svdvals(A)
        return s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)


def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """`cholesky`, and 0 for success; a failure raises, where PyTorch returns a positive info."""
    zero = ops.full(shape=tuple(A.shape[:-2]), value=0, dtype=int32)
    return return_types.linalg_cholesky_ex(cholesky(A, upper=upper), zero)


def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """`inv`, and 0 for success; a failure raises, where PyTorch returns a positive info."""
    return return_types.linalg_inv_ex(inv(A), ops.full(shape=tuple(A.shape[:-2]), value=0, dtype=int32))


def eig(A: Tensor) -> Any:
    """Eigenvalues and eigenvectors of any square matrix, complex; without derivative."""
    import numpy as np

    _square("linalg.eig", A)
    if A.requires_grad:
        raise UnsupportedError(message("linalg.eig cannot be differentiated", operands={"A": A.type_}))
    if _stack.top is not None:
        _stack.top.leave("linalg.eig: complex tensors are computed eagerly")  # type: ignore[attr-defined]
    values, vectors = np.linalg.eig(concrete(A))
    wanted = np.complex128 if A.dtype.itemsize == 8 else np.complex64
    return return_types.linalg_eig(fresh(values.astype(wanted)), fresh(vectors.astype(wanted)))


def eigvals(A: Tensor) -> Tensor:
    """Eigenvalues of any square matrix, complex; without derivative."""
    return eig(A)[0]


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Ascending powers of the elements, one a column."""
    from .frontend.creation import vander as powers

    return powers(x, N, increasing=True)
