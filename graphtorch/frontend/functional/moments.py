"""Variance, standard deviation and norms."""

from __future__ import annotations

import math as _math
from typing import Any

from ...errors import message
from ...ir import ops
from ...ir.types import DType
from .. import promotion
from ..size import wrap_dims
from ..tensor import Tensor
from .reduction import _kept, mean
from .wrapping import accepts_out, check_tensor, into, scalar_name

# ---- moments


def _moments_arguments(
    dim: Any, unbiased: Any, keepdim: bool, correction: Any
) -> tuple[Any, float]:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return dim, correction


def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The variance over `dim`: squared distances from the mean over n - correction (1 by default)."""
    dim, by = _moments_arguments(dim, unbiased, keepdim, correction)
    shape = check_tensor("var", input)._array.shape
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            message(
                "std and var only support floating point and complex dtypes",
                operands={"input": input.type_},
            )
        )
    dims = wrap_dims(dim, len(shape))
    if input._array.dtype.kind == "c":
        parts = (
            ops.var(part, dims=dims, correction=by) for part in (ops.real(input), ops.imag(input))
        )
        return _kept(ops.add(*parts), shape, dims, keepdim)
    result = _kept(ops.var(input, dims=dims, correction=by), shape, dims, keepdim)
    return result if out is None else into(out, result)


def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation over `dim`; see `var`."""
    result = ops.sqrt(var(input, dim, unbiased, keepdim, correction=correction))
    return result if out is None else into(out, result)


@accepts_out
def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean."""
    where = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, where, keepdim)


@accepts_out
def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean."""
    where = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, where, keepdim)


# ---- norms


def vector_norm(
    x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The p-norm of vectors: over `dim`, or of all elements."""
    if dtype is not None:
        x = promotion.cast(x, dtype)
    if x._array.dtype.kind not in "fVc":
        raise RuntimeError(
            message(
                "linalg.vector_norm: Expected a floating point or complex tensor as input. Got"
                f" {scalar_name(x.dtype)}",
                operands={"x": x.type_},
            )
        )
    if x._array.dtype.kind == "c":
        x = ops.abs(x)
    shape = x._array.shape
    dims = wrap_dims(dim, len(shape))
    if ord == 2:
        result = _two_norm(x, dims)
    elif ord == _math.inf:
        result = ops.amax(ops.abs(x), dims=dims)
    elif ord == -_math.inf:
        result = ops.amin(ops.abs(x), dims=dims)
    elif ord == 0:
        result = ops.sum(ops.cast(ops.ne(x, 0), dtype=x.dtype), dims=dims)
    elif ord == 1:
        result = ops.sum(ops.abs(x), dims=dims)
    else:
        result = ops.pow(ops.sum(ops.pow(ops.abs(x), float(ord)), dims=dims), 1 / float(ord))
    return _kept(result, shape, dims, keepdim)


def _two_norm(x: Tensor, dims: tuple[int, ...]) -> Tensor:
    """sqrt(sum(x^2)); at 0 its gradient is 0, as PyTorch's, and not NaN."""
    if not x.requires_grad:
        return ops.sqrt(ops.sum(ops.mul(x, x), dims=dims))
    square = ops.sum(ops.mul(x, x), dims=dims)
    zero = ops.eq(square, 0)
    return ops.where(zero, 0.0, ops.sqrt(ops.where(zero, 1.0, square)))


def norm(
    input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """The p-norm over `dim` ("fro": the root of the sum of squares)."""
    if p == "nuc":
        from ...linalg import matrix_norm

        result = matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim)
    else:
        result = vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)
    return result if out is None else into(out, result)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of the difference."""
    a, b = promotion.operands(input, other)
    return vector_norm(ops.sub(a, b), p)


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance matrix of variables (rows) observed together (columns)."""
    if fweights is not None or aweights is not None:
        from ...errors import UnsupportedError

        raise UnsupportedError(
            message("cov with weights is not supported", operands={"input": input.type_})
        )
    x = promotion.floating(input)
    if x._array.ndim < 2:
        x = ops.reshape(x, shape=(1, x._array.size))
    count = x._array.shape[1]
    average = mean(x, 1, keepdim=True)
    centred = ops.sub(x, ops.expand(average, shape=x._array.shape))
    product = ops.matmul(centred, ops.permute(centred, dims=(1, 0)))
    result = ops.div(product, float(max(count - correction, 0)))
    return ops.reshape(result, shape=()) if input._array.ndim < 2 else result


def corrcoef(input: Tensor) -> Tensor:
    """The correlation matrix of variables (rows) observed together (columns)."""
    c = cov(input)
    if c._array.ndim == 0:
        return ops.div(c, c)
    n = c._array.shape[0]
    deviation = ops.sqrt(ops.diagonal(c, offset=0, dim1=0, dim2=1))
    rows = ops.expand(ops.reshape(deviation, shape=(n, 1)), shape=(n, n))
    return ops.div(ops.div(c, rows), ops.expand(deviation, shape=(n, n)))
