"""Functions that reduce: sums, extremes, moments, norms, logic; and scans.

`dim` may be an int, a tuple or None (all); `keepdim` keeps the dims with size 1.
"""

from __future__ import annotations

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
from .wrapping import (
    accepts_out,
    accepts_out_apart,
    bind,
    check_tensor,
    concrete,
    fresh,
    into,
    into_all,
    scalar_name,
)

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
        if dtype.kind not in "fc":
            raise RuntimeError(
                message(
                    "mean(): could not infer output dtype. Optional dtype must be either a floating point or"
                    f" complex dtype. Got: {scalar_name(dtype)}"
                )
            )
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


@accepts_out
def nansum(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """`sum` that counts NaN as 0."""
    if input._array.dtype.kind in "fV":
        input = ops.where(ops.isnan(input), 0.0, input)
    return sum(input, dim, keepdim, dtype=dtype)


@accepts_out
def nanmean(
    input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """`mean` of the elements that are not NaN."""
    if input._array.dtype.kind in "iub":
        raise RuntimeError(
            message(
                "nanmean(): expected input to have floating point or complex dtype but got"
                f" {scalar_name(input.dtype)}",
                operands={"input": input.type_},
            )
        )
    count = sum(ops.logical_not(ops.isnan(input)), dim, keepdim)
    total = nansum(input, dim, keepdim, dtype=dtype)
    return ops.div(total, ops.cast(count, dtype=total.dtype))


@accepts_out
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
        if input._array.dtype.kind == "b":
            raise RuntimeError(
                message(f"{name}(): does not support bool input", operands={"input": input.type_})
            )
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


@accepts_out_apart
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


@accepts_out
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements over `dim` are not zero."""
    return sum(ops.ne(input, 0) if input._array.dtype.kind != "b" else input, dim)


def logsumexp(
    input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """log(sum(exp(input))) over `dim`, safe from overflow."""
    input = promotion.floating(input)
    shape = input._array.shape
    dims = wrap_dims(dim, len(shape))
    if not dims and input._array.dtype.kind != "c":
        return ops.copy(input) if out is None else into(out, input)
    if input._array.dtype.kind == "c":
        largest = ops.amax(ops.real(input.detach()), dims=dims)  # type: ignore[attr-defined]
        shift = ops.cast(largest, dtype=input.dtype)
        spread = promotion.expand(_kept(shift, shape, dims, True), shape)
        total = ops.sum(ops.exp(ops.sub(input, spread)), dims=dims)
        result = _kept(ops.add(ops.log(total), shift), shape, dims, keepdim)
        return result if out is None else into(out, result)
    result = _kept(ops.logsumexp(input, dims=dims), shape, dims, keepdim)
    return result if out is None else into(out, result)


@accepts_out
def hash_tensor(input: Tensor, dim: Any = (), *, keepdim: bool = False, mode: int = 0) -> Tensor:
    """The exclusive or, over `dim`, of the elements' bits (floats as float64), as uint64."""
    if mode != 0:
        raise RuntimeError(f"hash_tensor: Unknown mode {mode}")
    array = concrete(check_tensor("hash_tensor", input))
    if array.dtype.kind in "fV":
        bits = array.astype(np.float64).view(np.uint64)
    else:
        bits = array.astype(np.int64 if array.dtype.kind == "i" else np.uint64).view(np.uint64)
    dims = wrap_dims(dim, array.ndim)
    result = np.bitwise_xor.reduce(bits, axis=dims) if dims else bits
    return _kept(fresh(np.asarray(result)), array.shape, dims, keepdim)


# ---- statistics that look at values


@accepts_out
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
