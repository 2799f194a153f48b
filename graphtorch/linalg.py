"""`torch.linalg`: norms, products, solving, decompositions.

Norms and products are made of ordinary ops.  Decompositions are `host` rows (`ir/ops/linalg.py`):
they run in NumPy and are differentiated by formulas over other ops.
"""

from __future__ import annotations

import math
from typing import Any

from .errors import message
from .frontend import promotion, return_types
from .frontend.functional.linear import chain_matmul as _chain
from .frontend.functional.linear import cross as cross
from .frontend.functional.linear import matmul as matmul
from .frontend.functional.linear import matrix_power as matrix_power
from .frontend.functional.reduction import vector_norm as vector_norm
from .frontend.functional.shape import diagonal as _diagonal
from .frontend.functional.shape import movedim as _movedim
from .frontend.functional.shape import transpose as _transpose
from .frontend.functional.shape import unsqueeze as _unsqueeze
from .frontend.size import wrap_dim
from .frontend.tensor import Tensor
from .ir import ops
from .ir.types import DType, int64

LinAlgError = RuntimeError


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None  # noqa: N803
) -> Tensor:
    """A vector norm, or a matrix norm if `ord` is a string or two dims are given."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    if isinstance(ord, str) or (isinstance(dim, (tuple, list)) and len(dim) == 2) or (dim is None and A.ndim == 2):
        return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    return vector_norm(A, ord, dim, keepdim, dtype=dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: DType | None = None  # noqa: N803
) -> Tensor:
    """Norms of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2."""
    if dtype is not None:
        A = promotion.cast(A, dtype)  # noqa: N806
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
        result = ops.sum(values, dims=last) if ord == "nuc" else (ops.amax if ord > 0 else ops.amin)(values, dims=last)
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


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Scalar products along `dim`, with broadcasting."""
    product = ops.mul(*promotion.operands(x, y))
    return ops.sum(product, dims=(wrap_dim(dim, product.ndim),))


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:  # noqa: N803
    """The diagonals of matrices."""
    return _diagonal(A, offset, dim1, dim2)


def _square(name: str, A: Tensor) -> Tensor:  # noqa: N803
    if A.ndim < 2:
        raise RuntimeError(message(f"{name}: The input tensor A must have at least 2 dimensions.", operands={"A": A.type_}))
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            message(
                f"{name}: A must be batches of square matrices, but they are {A.shape[-2]} by"
                f" {A.shape[-1]} matrices",
                operands={"A": A.type_},
            )
        )
    if A.dtype.kind != "f":
        raise RuntimeError(message(f"{name}: Expected a floating point or complex tensor as input. Got {A.dtype!r}"))
    return A


def inv(A: Tensor) -> Tensor:  # noqa: N803
    """The inverse of square matrices; raises LinAlgError for a singular one."""
    return ops.inverse(_square("linalg.inv", A))


inverse = inv


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:  # noqa: N803
    """X with A X = B (or X A = B with left=False)."""
    _square("linalg.solve", A)
    if not left:
        return _transpose(solve(_transpose(A, -2, -1), _transpose(B, -2, -1)), -2, -1)
    vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1])
    right = _unsqueeze(B, -1) if vector else B
    batch = promotion.common_shape((tuple(A.shape[:-2]), tuple(right.shape[:-2])))
    a = promotion.expand(A, (*batch, *A.shape[-2:]))
    b = promotion.expand(right, (*batch, *right.shape[-2:]))
    result = ops.solve(a, b)
    return result[..., 0] if vector else result


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False  # noqa: N803
) -> Tensor:
    """`solve` for a triangular A; the other triangle is not read."""
    a = ops.triu(A, diagonal=0) if upper else ops.tril(A, diagonal=0)
    if unitriangular:
        n = A.shape[-1]
        one = ops.full(shape=tuple(a.shape[:-1]), value=1, dtype=a.dtype)
        a = ops.diagonal_update(a, one, offset=0, dim1=a.ndim - 2, dim2=a.ndim - 1) if n else a
    return solve(a, B, left=left)


def det(A: Tensor) -> Tensor:  # noqa: N803
    """The determinant."""
    return ops.determinant(_square("linalg.det", A))


def slogdet(A: Tensor) -> Any:  # noqa: N803
    """Sign and logarithm of the absolute value of the determinant."""
    return return_types.linalg_slogdet(*ops.slogdet(_square("linalg.slogdet", A)))


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant."""
    sign, logabs = slogdet(input)
    return ops.where(ops.lt(sign, 0), math.nan, logabs)


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:  # noqa: N803
    """L with L L^T = A for positive definite matrices; raises LinAlgError otherwise."""
    result = ops.cholesky(_square("linalg.cholesky", A))
    return _transpose(result, -2, -1) if upper else result


def qr(A: Tensor, mode: str = "reduced") -> Any:  # noqa: N803
    """Q R = A with orthonormal columns in Q; mode "reduced", "complete" or "r"."""
    return return_types.linalg_qr(*ops.qr(A, mode=mode))


def eigh(A: Tensor, UPLO: str = "L") -> Any:  # noqa: N803
    """Eigenvalues (ascending) and eigenvectors of symmetric matrices."""
    return return_types.linalg_eigh(*ops.eigh(_square("linalg.eigh", A), lower=UPLO.upper() == "L"))


def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:  # noqa: N803
    """Eigenvalues of symmetric matrices, ascending."""
    return eigh(A, UPLO)[0]


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:  # noqa: N803
    """U, S, Vh with U diag(S) Vh = A."""
    return return_types.linalg_svd(*ops.svd(A, full_matrices=full_matrices))


def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:  # noqa: N803
    """Singular values, descending."""
    return ops.svd(A, full_matrices=False)[1]


def pinv(A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False) -> Tensor:  # noqa: N803
    """The Moore-Penrose inverse."""
    from .frontend.numeric_limits import finfo

    u, s, vh = ops.svd(A, full_matrices=False)
    if rtol is None:
        rtol = 0.0 if atol else max(A.shape[-2:]) * finfo(A.dtype).eps
    top = ops.expand(ops.reshape(ops.amax(s, dims=(s.ndim - 1,)), shape=(*s.shape[:-1], 1)), shape=tuple(s.shape))
    small = ops.le(s, ops.maximum(ops.mul(top, rtol), ops.full(shape=tuple(s.shape), value=atol or 0.0, dtype=s.dtype)))
    inverse = ops.where(small, 0.0, ops.reciprocal(ops.where(small, 1.0, s)))
    scaled = _transpose(vh, -2, -1) * _unsqueeze(inverse, -2)
    return scaled @ _transpose(u, -2, -1)


def matrix_rank(A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False) -> Tensor:  # noqa: N803
    """How many singular values are not negligible."""
    from .frontend.numeric_limits import finfo

    s = svdvals(A)
    if rtol is None:
        rtol = 0.0 if atol else max(A.shape[-2:]) * finfo(A.dtype).eps
    return (s > s.amax(-1, keepdim=True) * rtol + (atol or 0.0)).sum(-1)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:  # noqa: N803
    """X that minimises |A X - B|."""
    solution = pinv(A, rtol=rcond) @ B
    empty = ops.full(shape=(0,), value=0, dtype=A.dtype)
    return return_types.linalg_lstsq(solution, empty, ops.full(shape=(), value=0, dtype=int64), empty)


def matrix_exp(A: Tensor) -> Tensor:  # noqa: N803
    """exp(A) by scaling and squaring of its Taylor series (degree 18)."""
    from .frontend.functional.wrapping import concrete

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


def cond(A: Tensor, p: Any = None) -> Tensor:  # noqa: N803
    """The condition number."""
    if p is None or p == 2:
        s = svdvals(A)
        return s[..., 0] / s[..., -1]
    return matrix_norm(A, p) * matrix_norm(inv(A), p)
