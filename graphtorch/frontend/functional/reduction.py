"""Functions that reduce: sums, extremes, moments, norms, logic; and scans.

`dim` may be an int, a tuple or None (all); `keepdim` keeps the dims with size 1.
"""

from __future__ import annotations

import math as _math
from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.op import Op
from ...ir.ops.inference import kept
from ...ir.types import DType, int64, uint8
from .. import promotion, return_types
from ..size import wrap_dim, wrap_dims
from ..tensor import Tensor
from .wrapping import bind, check_tensor, concrete, fresh, into, into_all, scalar_name

_SUM, _MEAN, _RESHAPE = ops.sum, ops.mean, ops.reshape


def _kept(result: Tensor, shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> Tensor:
    return bind(_RESHAPE, (result,), {"shape": kept(shape, dims)}) if keepdim and shape else result


def sum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The sum over `dim`; bool and integers are summed as int64.

    >>> import graphtorch as torch
    >>> torch.ones(2, 3).sum(1)
    tensor([3., 3.])
    """
    array = check_tensor("sum", input)._array
    if dtype is not None:
        input = promotion.cast(input, dtype)
    elif array.dtype.kind in "iub":
        input = promotion.cast(input, int64)
    shape = array.shape
    dims = wrap_dims(dim, len(shape))
    result = bind(_SUM, (input,), {"dims": dims})
    if keepdim:
        result = _kept(result, shape, dims, True)
    return result if out is None else into(out, result)


def mean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The mean over `dim`; raises RuntimeError for integers unless `dtype` is given."""
    array = check_tensor("mean", input)._array
    if dtype is not None:
        input = promotion.cast(input, dtype)
    elif array.dtype.kind in "iub":
        raise RuntimeError(
            message(
                "mean(): could not infer output dtype. Input dtype must be either a floating point or"
                f" complex dtype. Got: {scalar_name(input.dtype)}",
                operands={"input": input.type_},
                hint="convert with .float() first",
            )
        )
    shape = array.shape
    dims = wrap_dims(dim, len(shape))
    result = bind(_MEAN, (input,), {"dims": dims})
    if keepdim:
        result = _kept(result, shape, dims, True)
    return result if out is None else into(out, result)


def nansum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """`sum` that counts NaN as 0."""
    if input._array.dtype.kind in "fV":
        input = ops.where(ops.isnan(input), 0.0, input)
    return sum(input, dim, keepdim, dtype=dtype)


def nanmean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """`mean` of the elements that are not NaN."""
    count = sum(ops.logical_not(ops.isnan(input)), dim, keepdim)
    total = nansum(input, dim, keepdim, dtype=dtype)
    return ops.div(total, ops.cast(count, dtype=total.dtype))


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """The product over `dim`; bool and integers are multiplied as int64."""
    if dtype is not None:
        input = promotion.cast(input, dtype)
    elif input._array.dtype.kind in "iub":
        input = promotion.cast(input, int64)
    shape = input._array.shape
    dims = wrap_dims(dim, len(shape))
    return _kept(ops.prod(input, dims=dims), shape, dims, keepdim)


# ---- extremes


def _check_nonempty(name: str, input: Tensor, dims: tuple[int, ...], given: bool) -> None:
    if input._array.size:
        return
    if not given:
        raise RuntimeError(
            message(
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the"
                " reduction dim with the 'dim' argument.",
                operands={"input": input.type_},
            )
        )
    for d in dims:
        if input._array.shape[d] == 0:
            raise IndexError(
                message(
                    f"{name}(): Expected reduction dim {d} to have non-zero size.",
                    operands={"input": input.type_},
                )
            )


def _extreme(name: str, op: Op) -> Any:
    def function(
        input: Tensor, dim: Any = (), keepdim: bool = False, *, out: Tensor | None = None
    ) -> Tensor:
        shape = check_tensor(name, input)._array.shape
        dims = wrap_dims(dim, len(shape))
        _check_nonempty(name, input, dims, dim not in ((), None))
        result = _kept(bind(op, (input,), {"dims": dims}), shape, dims, keepdim)
        return result if out is None else into(out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` over dims; equal extremes share the gradient."
    return function


amax, amin = _extreme("amax", ops.amax), _extreme("amin", ops.amin)


def _with_index(
    name: str, arg: Op, input: Tensor, dim: int, keepdim: bool
) -> tuple[Tensor, Tensor]:
    shape = input._array.shape
    dim = wrap_dim(dim, len(shape))
    if not shape:
        return input, ops.full(shape=(), value=0, dtype=int64)
    _check_nonempty(name, input, (dim,), True)
    where = bind(arg, (input,), {"dim": dim})
    position = bind(_RESHAPE, (where,), {"shape": kept(shape, (dim,))})
    values = ops.gather(input, position, dim=dim)
    if keepdim:
        return values, position
    return bind(_RESHAPE, (values,), {"shape": where._array.shape}), where


def _minmax(name: str, arg: Op, reduce: Op, pairwise: Op) -> Any:
    kind = getattr(return_types, name)

    def function(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None
    ) -> Any:
        check_tensor(name, input)
        if isinstance(dim, Tensor):
            other = dim
        if other is not None:
            result = bind(pairwise, promotion.operands(input, other), {})
            return result if out is None else into(out, result)
        if dim is None:
            _check_nonempty(name, input, (), False)
            result = bind(reduce, (input,), {"dims": tuple(range(input._array.ndim))})
            return result if out is None else into(out, result)
        found = kind(*_with_index(name, arg, input, dim, keepdim))
        return found if out is None else kind(*into_all(out, found))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {name}imum: of all elements, along `dim` (values and indices), or of two tensors by element."
    return function


max = _minmax("max", ops.argmax, ops.amax, ops.maximum)
min = _minmax("min", ops.argmin, ops.amin, ops.minimum)


def _arg(name: str, op: Op) -> Any:
    def function(
        input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
    ) -> Tensor:
        shape = check_tensor(name, input)._array.shape
        if dim is None:
            if not input._array.size:
                raise IndexError(
                    message(
                        f"{name}(): Expected reduction dim to be specified for input.numel() == 0.",
                        operands={"input": input.type_},
                    )
                )
            flat = bind(_RESHAPE, (input,), {"shape": (input._array.size,)})
            result = bind(op, (flat,), {"dim": 0})
            if keepdim:
                result = bind(_RESHAPE, (result,), {"shape": (1,) * len(shape)})
        elif not shape:
            wrap_dim(dim, 0)
            result = ops.full(shape=(), value=0, dtype=int64)
        else:
            dim = wrap_dim(dim, len(shape))
            _check_nonempty(name, input, (dim,), True)
            result = _kept(bind(op, (input,), {"dim": dim}), shape, (dim,), keepdim)
        return result if out is None else into(out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Index of the first {name[3:]}imum: of the flattened tensor, or along `dim`."
    )
    return function


argmax, argmin = _arg("argmax", ops.argmax), _arg("argmin", ops.argmin)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """Both extremes."""
    where = () if dim is None else dim
    return return_types.aminmax(amin(input, where, keepdim), amax(input, where, keepdim))


# ---- logic


def _logic(name: str, op: Op) -> Any:
    def function(
        input: Tensor, dim: Any = None, keepdim: bool = False, *, out: Tensor | None = None
    ) -> Tensor:
        shape = check_tensor(name, input)._array.shape
        dims = wrap_dims(dim, len(shape)) if dim != () else ()
        result = bind(op, (input,), {"dims": dims})
        if input._array.dtype == np.uint8:
            result = ops.cast(result, dtype=uint8)
        result = _kept(result, shape, dims, keepdim)
        return result if out is None else into(out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Whether {name} of the elements over `dim` are true (nonzero)."
    return function


all, any = _logic("all", ops.all), _logic("any", ops.any)


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements over `dim` are not zero."""
    return sum(ops.ne(input, 0) if input._array.dtype.kind != "b" else input, dim)


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
    result = _kept(ops.var(input, dims=dims, correction=by), shape, dims, keepdim)
    return result if out is None else into(out, result)


def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The standard deviation over `dim`; see `var`."""
    result = ops.sqrt(var(input, dim, unbiased, keepdim, correction=correction))
    return result if out is None else into(out, result)


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Variance and mean."""
    where = None if isinstance(dim, bool) else dim
    return var(input, dim, unbiased, keepdim, correction=correction), mean(input, where, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Standard deviation and mean."""
    where = None if isinstance(dim, bool) else dim
    return std(input, dim, unbiased, keepdim, correction=correction), mean(input, where, keepdim)


def logsumexp(
    input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """log(sum(exp(input))) over `dim`, safe from overflow."""
    input = promotion.floating(input)
    shape = input._array.shape
    dims = wrap_dims(dim, len(shape))
    result = _kept(ops.logsumexp(input, dims=dims), shape, dims, keepdim)
    return result if out is None else into(out, result)


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


# ---- scans


def _scan(name: str, op_name: str) -> Any:
    def function(
        input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None
    ) -> Tensor:
        check_tensor(name, input)
        if dtype is not None:
            input = promotion.cast(input, dtype)
        elif input._array.dtype.kind in "iub":
            input = promotion.cast(input, int64)
        dim = wrap_dim(dim, input._array.ndim)
        result = getattr(ops, op_name)(input, dim=dim) if input._array.ndim else input
        return result if out is None else into(out, result)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The running {'sum' if name == 'cumsum' else 'product'} along `dim`."
    return function


cumsum, cumprod = _scan("cumsum", "cumsum"), _scan("cumprod", "cumprod")


def _running(name: str, op_name: str) -> Any:
    kind = getattr(return_types, name)

    def function(input: Tensor, dim: int) -> Any:
        dim = wrap_dim(dim, input._array.ndim)
        if not input._array.ndim:
            return kind(input, ops.full(shape=(), value=0, dtype=int64))
        _, indices = getattr(ops, op_name)(input, dim=dim)
        return kind(ops.gather(input, indices, dim=dim), indices)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The running {name[3:]}imum along `dim` and where it was found."
    return function


cummax, cummin = _running("cummax", "cummax"), _running("cummin", "cummin")


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of exp along `dim`."""
    dim = wrap_dim(dim, input._array.ndim)
    top = amax(input.detach(), dim, keepdim=True)
    top = ops.expand(ops.where(ops.isfinite(top), top, 0.0), shape=input._array.shape)
    return ops.add(ops.log(ops.cumsum(ops.exp(ops.sub(input, top)), dim=dim)), top)


def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along `dim`, n times."""
    from .shape import cat, part

    pieces = [x for x in (prepend, input, append) if x is not None]
    x = cat(pieces, dim) if len(pieces) > 1 else input
    dim = wrap_dim(dim, x._array.ndim)
    for _ in range(n):
        size = x._array.shape[dim]
        if size == 0:
            break
        later, earlier = part(x, dim, 1, size), part(x, dim, 0, size - 1)
        x = (
            ops.logical_xor(later, earlier)
            if x._array.dtype.kind == "b"
            else ops.sub(later, earlier)
        )
    return x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral along `dim` by the trapezoid rule."""
    from .shape import part

    dim = wrap_dim(dim, y._array.ndim)
    size = y._array.shape[dim]
    pair_sum = ops.add(part(y, dim, 1, size), part(y, dim, 0, size - 1))
    if x is None:
        return ops.mul(ops.sum(pair_sum, dims=(dim,)), dx / 2)
    steps = promotion.operands(diff(x, dim=-1 if x._array.ndim == 1 else dim), pair_sum)
    return ops.mul(ops.sum(ops.mul(*steps), dims=(dim,)), 0.5)


trapz = trapezoid


# ---- statistics that look at values


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """Counts of elements in `bins` equal bins between min and max (the data's own if equal)."""
    values = concrete(input)
    low, high = (
        (float(values.min()), float(values.max()))
        if min == max == 0 and values.size
        else (min, max)
    )
    if low == high:
        low, high = low - 1, high + 1
    counts, _ = np.histogram(values.astype(np.float64), bins=bins, range=(low, high))
    return fresh(counts.astype(input._array.dtype))


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each non-negative integer occurs."""
    values = concrete(input)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise RuntimeError(
            message(
                "bincount only supports 1-d non-negative integral inputs.",
                operands={"input": input.type_},
            )
        )
    if values.size and values.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return fresh(np.bincount(values, minlength=minlength))
    counts = np.bincount(values, concrete(weights), minlength)
    return fresh(counts.astype(np.float32) if weights.dtype.name == "float32" else counts)
