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
from .pointwise import div, mul, sub
from .reduction import _kept, mean, sum
from .wrapping import accepts_out, check_tensor, concrete, into, scalar_name

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
    if (ord < 0 or ord == _math.inf) and x._array.size == 0:
        _require_elements(ord, shape, dims, dim is None)
    return _kept(_vector_norm(x, ord, dims), shape, dims, keepdim)


def _require_elements(
    ord: float, shape: tuple[int, ...], dims: tuple[int, ...], everything: bool
) -> None:
    """Infinite and negative norms of nothing have no value."""
    where = "an empty tensor" if everything else ""
    for d in dims:
        if shape[d] == 0:
            raise RuntimeError(
                message(
                    f"linalg.vector_norm cannot compute the {ord} norm on {where or f'the dimension {d} '}because"
                    " this dimension is empty and the operation does not have an identity"
                )
            )


def _vector_norm(x: Tensor, ord: Any, dims: tuple[int, ...]) -> Tensor:
    if ord == 2:
        return _two_norm(x, dims)
    size = ops.abs(x)
    if ord == _math.inf:
        return ops.amax(size, dims=dims)
    if ord == -_math.inf:
        return ops.amin(size, dims=dims)
    if ord == 0:
        found = ops.sum(ops.cast(ops.ne(x, 0), dtype=x.dtype), dims=dims)
        if x.requires_grad:  # constant wherever it is smooth
            found = ops.add(found, ops.sum(ops.mul(ops.sign(x), 0.0), dims=dims))
        return found
    if ord == 1:
        return ops.sum(size, dims=dims)
    power, root = float(ord), 1 / float(ord)
    if not x.requires_grad:
        return ops.pow(ops.sum(ops.pow(size, power), dims=dims), root)
    # where x or the norm is 0 the subgradient 0 is taken, as PyTorch does
    zero = ops.eq(size, 0)
    of_zero = 0.0 if power > 0 else _math.inf
    terms = ops.where(zero, of_zero, ops.pow(ops.where(zero, 1.0, size), power))
    total = ops.sum(terms, dims=dims)
    nothing = ops.eq(total, of_zero)
    return ops.where(nothing, 0.0, ops.pow(ops.where(nothing, 1.0, total), root))


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


def _weights(count: int, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    """The product of both kinds of weights, or None; raises RuntimeError as PyTorch does."""
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w._array.ndim > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions")
        whole = w._array.dtype.kind in "iu"
        if whole != (name == "fweights") or w._array.dtype.kind == "b":
            kind = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(
                f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype}"
            )
        if w._array.size != count:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but"
                f" got {w._array.size} != {count}"
            )
        if w._array.size and concrete(w).min() < 0:
            raise RuntimeError(f"cov(): {name} cannot be negative")
    found = [ops.reshape(w, shape=(count,)) for w in (fweights, aweights) if w is not None]
    if not found:
        return None
    return found[0] if len(found) == 1 else mul(*found)


def cov(
    input: Tensor,
    *,
    correction: int = 1,
    fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:
    """The covariance matrix of variables (rows) observed together (columns).

    fweights: how often each observation counts (integers); aweights: how much (floats).
    """
    if check_tensor("cov", input)._array.ndim > 2:
        raise RuntimeError(
            message(
                "cov(): expected input to have two or fewer dimensions but got an input with"
                f" {input._array.ndim} dimensions",
                operands={"input": input.type_},
            )
        )
    if input._array.dtype.kind == "b":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = promotion.floating(input)
    if aweights is not None:
        x = promotion.cast(x, promotion.result_type(x, aweights))
    if x._array.ndim < 2:
        x = ops.reshape(x, shape=(1, x._array.size))
    rows, count = x._array.shape
    w = _weights(count, fweights, aweights)
    if w is None:
        total: Any = ops.full(shape=(), value=count, dtype=x.dtype)
        weighted = x
        divisor: Any = ops.sub(total, float(correction))
    else:
        total = sum(w)
        if count and not concrete(total) != 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        weighted = mul(x, w)
        divisor = sub(total, correction)
        if aweights is not None and correction != 0:
            divisor = sub(total, div(mul(sum(mul(w, aweights)), correction), total))
    average = div(ops.sum(weighted, dims=(1,)), total)
    centred = ops.sub(x, ops.expand(ops.reshape(average, shape=(rows, 1)), shape=x._array.shape))
    other = centred if w is None else mul(centred, w)
    if x._array.dtype.kind == "c":
        other = ops.conj(other)
    product = ops.matmul(centred, ops.permute(other, dims=(1, 0)))
    divisor = ops.where(
        ops.le(ops.real(divisor) if divisor.dtype.kind == "c" else divisor, 0), 0.0, divisor
    )
    result = div(product, divisor)
    return ops.reshape(result, shape=()) if rows == 1 else result


def corrcoef(input: Tensor) -> Tensor:
    """The correlation matrix of variables (rows) observed together (columns)."""
    if check_tensor("corrcoef", input)._array.ndim > 2:
        raise RuntimeError(
            message(
                "corrcoef(): expected input to have two or fewer dimensions but got an input with"
                f" {input._array.ndim} dimensions",
                operands={"input": input.type_},
            )
        )
    c = cov(input)
    if c._array.ndim == 0:
        return ops.div(c, c)
    n = c._array.shape[0]
    deviation = ops.sqrt(ops.diagonal(c, offset=0, dim1=0, dim2=1))
    rows = ops.expand(ops.reshape(deviation, shape=(n, 1)), shape=(n, n))
    result = ops.div(ops.div(c, rows), ops.expand(deviation, shape=(n, n)))
    return result if c._array.dtype.kind == "c" else ops.clamp_max(ops.clamp_min(result, -1.0), 1.0)
