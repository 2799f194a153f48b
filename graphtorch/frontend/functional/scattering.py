"""Writing elements by index: scatter, scatter_add, scatter_reduce."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.types import BY_NUMPY, DType
from .. import promotion
from ..size import wrap_dim
from ..tensor import Tensor
from .selection import _as_lines, _check_gatherable, _check_index, within_bounds
from .wrapping import accepts_out_apart


def _scatter_parts(
    name: str, input: Tensor, dim: int, index: Tensor, src: Any
) -> tuple[int, Tensor]:
    dim = wrap_dim(dim, input._array.ndim)
    index = _check_index(name, index)
    _check_gatherable(name, input, index, dim)
    if isinstance(src, Tensor) and src._array.ndim != index._array.ndim:
        raise RuntimeError(
            message(
                "Index tensor must have the same number of dimensions as src tensor",
                operands={"index": index.type_, "src": src.type_},
            )
        )
    dtype = BY_NUMPY[input._array.dtype]
    shape = index._array.shape
    if not isinstance(src, Tensor):
        return dim, ops.full(shape=shape, value=promotion.weak(src, dtype), dtype=dtype)
    if src._array.dtype != input._array.dtype:
        raise RuntimeError(
            message(
                f"{name}(): Expected self.dtype to be equal to src.dtype",
                operands={"self": input.type_, "src": src.type_},
            )
        )
    if src._array.shape != shape:
        if any(i > s for i, s in zip(shape, src._array.shape, strict=True)):
            raise RuntimeError(
                message(
                    f"Expected index {list(shape)} to be no larger than self {list(input._array.shape)} apart"
                    f" from dimension {dim} and to be no larger size than src {list(src._array.shape)}",
                    operands={"index": index.type_, "src": src.type_},
                )
            )
        src = ops.slice(src, starts=(0,) * len(shape), stops=shape, steps=(1,) * len(shape))
    return dim, src


@accepts_out_apart
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """`input` with src[i][j] written at [index[i][j]][j] for dim=0."""
    source = value if src is None else src
    if not input._array.ndim:
        return _as_lines(scatter, input, dim, index, source, reduce=reduce)
    if reduce is not None and reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if reduce == "add":
        return scatter_add(input, dim, index, _as_source(input, index, source))
    if reduce == "multiply":
        return scatter_reduce(input, dim, index, _as_source(input, index, source), "prod")
    if index._array.size == 0:
        return ops.copy(input)
    dim, part = _scatter_parts("scatter", input, dim, index, source)
    result = within_bounds(ops.scatter, input, index, index, part, dim)
    return result


def _as_source(input: Tensor, index: Tensor, source: Any) -> Tensor:
    if isinstance(source, Tensor):
        return source
    return ops.full(
        shape=index._array.shape, value=promotion.weak(source, input.dtype), dtype=input.dtype
    )


@accepts_out_apart
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """`input` with src[i][j] added at [index[i][j]][j] for dim=0; repeated places add up."""
    if not input._array.ndim:
        return _as_lines(scatter_add, input, dim, index, src)
    if index._array.size == 0:
        return ops.copy(input)
    dim, part = _scatter_parts("scatter_add", input, dim, index, src)
    result = within_bounds(ops.scatter_add, input, index, index, part, dim)
    return result


@accepts_out_apart
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True,
) -> Tensor:  # fmt: skip
    """Like `scatter_add` with reduce "sum", "prod", "mean", "amax" or "amin"."""
    if not input._array.ndim:
        return _as_lines(scatter_reduce, input, dim, index, src, reduce, include_self=include_self)
    if index._array.size == 0:
        return ops.copy(input)
    dim, part = _scatter_parts("scatter_reduce", input, dim, index, src)
    if reduce == "sum" or reduce == "mean":
        zero = ops.full(shape=part._array.shape, value=0, dtype=part.dtype)
        start = input if include_self else ops.scatter(input, index, zero, dim=dim)
        result = ops.scatter_add(start, index, part, dim=dim)
        if reduce == "mean":
            ones = ops.full(shape=part._array.shape, value=1, dtype=part.dtype)
            count = ops.full(
                shape=input._array.shape, value=1 if include_self else 0, dtype=part.dtype
            )
            count = ops.scatter_add(count, index, ones, dim=dim)
            if not include_self:
                count = ops.clamp_min(count, 1)
            divide = ops.div if part.dtype.kind == "f" else ops.floor_divide
            result = divide(result, count)
    elif reduce in ("prod", "amax", "amin"):
        result = _scatter_by(input, dim, index, part, reduce, include_self)
    else:
        raise RuntimeError(
            message(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
        )
    return result


def _scatter_by(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    """prod, amax and amin; equal extremes share the gradient."""
    if not include_self:
        dtype = BY_NUMPY[src._array.dtype]
        neutral = ops.full(shape=src._array.shape, value=_neutral(reduce, dtype), dtype=dtype)
        start = ops.scatter(input, index, neutral, dim=dim)
    else:
        start = input
    if reduce == "prod":
        return ops.scatter_prod(start, index, src, dim=dim)
    return ops.scatter_extreme(start, index, src, dim=dim, largest=reduce == "amax")


def _neutral(reduce: str, dtype: DType) -> Any:
    if reduce == "prod":
        return 1
    if dtype.kind == "b":
        return reduce == "amin"
    if dtype.kind == "f":
        return -math.inf if reduce == "amax" else math.inf
    limits = np.iinfo(dtype.numpy)
    return int(limits.min if reduce == "amax" else limits.max)
