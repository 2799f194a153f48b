"""Norms of vectors and matrices, condition numbers, ranks."""

from __future__ import annotations

import math
from typing import Any

from ..errors import message
from ..frontend import promotion
from ..frontend.functional.moments import vector_norm
from ..frontend.functional.shape import movedim
from ..frontend.functional.wrapping import accepts_out, check_tensor, scalar_name
from ..frontend.size import wrap_dim
from ..frontend.tensor import Tensor
from ..ir import ops
from ..ir.types import DType
from .checks import floating, matrices, square
from .factoring import eigvalsh, svdvals

vector_norm = accepts_out(vector_norm) if not hasattr(vector_norm, "__wrapped__") else vector_norm


@accepts_out
def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:  # fmt: skip
    """A vector norm, or a matrix norm if `ord` is a string or two dims are given.

    >>> import graphtorch as torch
    >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    check_tensor("linalg.norm", A, "A")
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if ord is None:
        return vector_norm(A, 2, dims, keepdim, dtype=dtype)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(
            message(
                f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
            )
        )
    if dims is None and A._array.ndim not in (1, 2):
        raise RuntimeError(
            message(
                "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got"
                f" {A._array.ndim}D.",
                operands={"A": A.type_},
            )
        )
    if isinstance(ord, str) or len(dims or A._array.shape) == 2:
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype)
    return vector_norm(A, ord, dims, keepdim, dtype=dtype)


def _norm_dtype(A: Tensor, dtype: DType | None) -> Tensor:
    if dtype is None:
        return A
    if dtype.kind not in "fc":
        raise RuntimeError(
            message(
                f"linalg.matrix_norm: dtype should be floating point or complex, but got {scalar_name(dtype)}"
            )
        )
    if A.dtype.kind == "c" and dtype.kind != "c":
        raise RuntimeError(
            message(
                f"linalg.matrix_norm: dtype should be complex for complex inputs, but got {scalar_name(dtype)}"
            )
        )
    return promotion.cast(A, dtype)


@accepts_out
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:  # fmt: skip
    """Norms of matrices: "fro", "nuc", inf, -inf, 1, -1, 2, -2."""
    if check_tensor("linalg.matrix_norm", A, "A")._array.ndim < 2:
        raise RuntimeError(
            message(
                "linalg.matrix_norm: The input tensor A must have at least 2 dimensions.",
                operands={"A": A.type_},
            )
        )
    if A._array.dtype.kind not in "fcV":
        floating("linalg.matrix_norm", A)
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(message(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}"))
    rows, columns = (wrap_dim(d, A._array.ndim) for d in dim)
    if rows == columns:
        raise RuntimeError(
            message(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
        )
    A = _norm_dtype(A, dtype)
    if isinstance(ord, str) and ord not in ("fro", "nuc"):
        raise RuntimeError(message(f"linalg.matrix_norm: Order {ord} not supported."))
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord in (math.inf, -math.inf, 1, -1):
        summed, kept = (columns, rows) if abs(ord) == math.inf else (rows, columns)
        sums = ops.sum(ops.abs(A), dims=(summed,))
        kept -= kept > summed
        result = _extreme(sums, kept, ord > 0)
    elif ord in (2, -2, "nuc"):
        values = svdvals(movedim(A, (rows, columns), (-2, -1)))
        last = (values.ndim - 1,)
        if ord == "nuc":
            result = ops.sum(values, dims=last)
        else:
            result = _extreme(values, last[0], ord > 0)
    else:
        raise RuntimeError(message(f"linalg.matrix_norm: Order {ord} not supported."))
    if keepdim:
        shape = tuple(1 if d in (rows, columns) else s for d, s in enumerate(A.shape))
        result = ops.reshape(result, shape=shape)
    return result


def _extreme(values: Tensor, dim: int, largest: bool) -> Tensor:
    """The largest or smallest of non-negative values; the largest of none is 0."""
    shape = values._array.shape
    if shape[dim]:
        return (ops.amax if largest else ops.amin)(values, dims=(dim,))
    if largest:
        return ops.sum(values, dims=(dim,))
    raise IndexError(
        message(
            f"amin(): Expected reduction dim {dim} to have non-zero size.",
            operands={"values": values.type_},
        )
    )


@accepts_out
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number: |A| |A^-1| in a matrix norm; by default, and for 2 and -2, from singular values."""
    matrices("linalg.cond", A)
    if p is None or p in (2, -2):
        s = svdvals(A)
        largest, smallest = s[..., 0], s[..., -1]
        return ops.div(smallest, largest) if p == -2 else ops.div(largest, smallest)
    if isinstance(p, str) and p not in ("fro", "nuc"):
        raise RuntimeError(message(f"linalg.cond got an invalid norm type: {p}"))
    if not isinstance(p, str) and p not in (math.inf, -math.inf, 1, -1):
        raise RuntimeError(message(f"linalg.cond got an invalid norm type: {p}"))
    square("linalg.cond", A)
    from .solving import inv_ex

    inverse, info = inv_ex(A)
    product = ops.mul(matrix_norm(A, p), matrix_norm(inverse, p))
    return ops.where(ops.eq(info, 0), product, math.inf)


def tolerance(name: str, s: Tensor, A: Tensor, atol: Any, rtol: Any) -> Tensor:
    """max(atol, rtol * largest) per matrix, of singular values or eigenvalues s[..., k]."""
    from ..frontend.numeric_limits import finfo

    for what, value in (("atol", atol), ("rtol", rtol)):
        if isinstance(value, Tensor) and value._array.dtype.kind == "c":
            raise RuntimeError(
                message(
                    f"{name}: {what} tensor of complex type is not supported. Got {scalar_name(value.dtype)}"
                )
            )
    size = ops.abs(s.detach())  # type: ignore[attr-defined]
    lead = size._array.shape[:-1]
    k = size._array.ndim - 1
    top = (
        ops.amax(size, dims=(k,))
        if size._array.shape[-1]
        else ops.full(shape=lead, value=0.0, dtype=size.dtype)
    )
    if rtol is None:
        relative = max(A._array.shape[-2:]) * finfo(s.dtype).eps
        if isinstance(atol, Tensor):
            rtol = ops.where(
                ops.gt(atol, 0),
                ops.full(shape=atol._array.shape, value=0.0, dtype=s.dtype),
                relative,
            )
        else:
            rtol = 0.0 if atol else relative
    scaled = ops.mul(*promotion.operands(top, rtol, s.dtype))
    if atol is None:
        atol = 0.0
    if not isinstance(atol, Tensor):
        atol = ops.full(shape=(), value=float(atol), dtype=s.dtype)
    return ops.maximum(*promotion.operands(scaled, atol, s.dtype))


@accepts_out
def matrix_rank(
    A: Tensor, tol: Any = None, *, atol: Any = None, rtol: Any = None, hermitian: bool = False
) -> Tensor:  # fmt: skip
    """How many singular values (absolute eigenvalues if hermitian) exceed max(atol, rtol * largest); int64."""
    matrices("linalg.matrix_rank", A, "input")
    if tol is not None:
        atol, rtol = tol, 0.0
    s = eigvalsh(A) if hermitian else svdvals(A)
    bound = tolerance("torch.linalg.matrix_rank", s, A, atol, rtol)
    shape = promotion.common_shape((s._array.shape, (*bound._array.shape, 1)))
    above = ops.gt(
        promotion.expand(ops.abs(s), shape),
        promotion.expand(ops.reshape(bound, shape=(*bound._array.shape, 1)), shape),
    )
    return above.sum(-1)  # type: ignore[attr-defined]
