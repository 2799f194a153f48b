"""Choosing and writing elements by index: gather, scatter, index_select, nonzero, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.types import BY_NUMPY, int64
from .. import promotion
from ..size import wrap_dim
from ..tensor import Tensor
from .wrapping import accepts_out, bind, check_tensor, concrete, fresh, into, scalar_name

_RESHAPE = ops.reshape


def _check_index(function: str, index: Tensor) -> Tensor:
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            message(
                f"{function}(): Expected dtype int64 for index",
                operands={"index": index.type_},
                hint="convert it with .long()",
            )
        )
    return index


def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """y[i][j] = input[index[i][j]][j] for dim=0; index may be smaller than the input.

    >>> import graphtorch as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    check_tensor("gather", input)
    _check_index("gather", index)
    dim = wrap_dim(dim, input._array.ndim)
    if not input._array.ndim and not index._array.ndim:
        return ops.copy(input)
    _check_gatherable("gather", input, index, dim)
    result = within_bounds(ops.gather, input, index, index, dim)
    return result if out is None else into(out, result)


def within_bounds(op: Any, input: Tensor, index: Tensor, *operands: Any) -> Tensor:
    """op(input, *operands, dim=) where an index out of range is the error PyTorch raises."""
    *values, dim = operands
    try:
        return op(input, *values, dim=dim)
    except IndexError:
        array, size = index._array, input._array.shape[dim]
        wrong = array[(array < 0) | (array >= size)]
        if not wrong.size:
            raise
        raise RuntimeError(
            message(
                f"index {wrong.flat[0]} is out of bounds for dimension {dim} with size {size}",
                operands={"input": input.type_, "index": index.type_},
            )
        ) from None


def _check_gatherable(name: str, input: Tensor, index: Tensor, dim: int) -> None:
    a, b = input._array.shape, index._array.shape
    if len(a) != len(b):
        if index._array.size == 0:
            return
        raise RuntimeError(
            message(
                f"Index tensor must have the same number of dimensions as {'input' if name == 'gather' else 'self'} tensor",
                operands={"input": input.type_, "index": index.type_},
            )
        )
    for d in range(len(a)):
        if d != dim and b[d] > a[d]:
            raise RuntimeError(
                message(
                    f"Size does not match at dimension {d} expected index {list(b)} to be no larger than"
                    f" self {list(a)} apart from dimension {dim}",
                    operands={"input": input.type_, "index": index.type_},
                )
            )


def _scatter_parts(
    name: str, input: Tensor, dim: int, index: Tensor, src: Any
) -> tuple[int, Tensor]:
    dim = wrap_dim(dim, input._array.ndim)
    _check_index(name, index)
    _check_gatherable(name, input, index, dim)
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


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`input` with src[i][j] written at [index[i][j]][j] for dim=0."""
    source = value if src is None else src
    if reduce == "add":
        return scatter_add(input, dim, index, _as_source(input, index, source))
    if reduce == "multiply":
        return scatter_reduce(input, dim, index, _as_source(input, index, source), "prod")
    if index._array.size == 0:
        return ops.copy(input)
    dim, part = _scatter_parts("scatter", input, dim, index, source)
    result = within_bounds(ops.scatter, input, index, index, part, dim)
    return result if out is None else into(out, result)


def _as_source(input: Tensor, index: Tensor, source: Any) -> Tensor:
    if isinstance(source, Tensor):
        return source
    return ops.full(
        shape=index._array.shape, value=promotion.weak(source, input.dtype), dtype=input.dtype
    )


def scatter_add(
    input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """`input` with src[i][j] added at [index[i][j]][j] for dim=0; repeated places add up."""
    if index._array.size == 0:
        return ops.copy(input)
    dim, part = _scatter_parts("scatter_add", input, dim, index, src)
    result = within_bounds(ops.scatter_add, input, index, index, part, dim)
    return result if out is None else into(out, result)


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Like `scatter_add` with reduce "sum", "prod", "mean", "amax" or "amin"."""
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
    return result if out is None else into(out, result)


_UFUNC = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}
_NEUTRAL = {"prod": 1, "amax": -np.inf, "amin": np.inf}


def _scatter_by(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, include_self: bool
) -> Tensor:
    """prod, amax and amin through NumPy; the gradient goes to the extreme elements (not for prod)."""
    array = concrete(input).copy()
    places = concrete(index)
    grid = list(np.ogrid[tuple(slice(n) for n in places.shape)])
    grid[dim] = places
    key = tuple(grid)
    if not include_self:
        neutral = _NEUTRAL[reduce]
        if array.dtype.kind in "iu" and reduce != "prod":
            limits = np.iinfo(array.dtype)
            neutral = limits.min if reduce == "amax" else limits.max
        array[key] = neutral
    _UFUNC[reduce].at(array, key, concrete(src))
    reached = fresh(array)
    if not (input.requires_grad or src.requires_grad):
        return reached
    if reduce == "prod":
        raise RuntimeError(
            "scatter_reduce(reduce='prod') is not differentiable here; detach the input"
        )
    # the value is chosen by comparison, so that gradients flow to the chosen elements
    hit = ops.cast(ops.eq(src, ops.gather(reached, index, dim=dim)), dtype=src.dtype)
    ones = ops.cast(ops.eq(input, reached), dtype=src.dtype)
    total = ops.scatter_add(ones if include_self else ops.mul(ones, 0.0), index, hit, dim=dim)
    total = ops.where(ops.eq(total, 0), 1.0, total)
    chosen = ops.mul(src, hit)
    kept = ops.mul(input, ones if include_self else ops.mul(ones, 0.0))
    return ops.div(ops.scatter_add(kept, index, chosen, dim=dim), total)


def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of `input` along `dim` that `index` (a vector) names, as a copy."""
    dim = wrap_dim(dim, input._array.ndim)
    if index._array.ndim > 1:
        raise IndexError(
            message(
                "index_select(): Index is supposed to be a vector", operands={"index": index.type_}
            )
        )
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            message(
                "index_select(): Expected dtype int32 or int64 for index",
                operands={"index": index.type_},
            )
        )
    if index._array.ndim == 0:
        index = bind(_RESHAPE, (index,), {"shape": (1,)})
    if not input._array.ndim:
        return ops.copy(input)
    result = taken(input, index, dim)
    return result if out is None else into(out, result)


def taken(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """The op `take` with PyTorch's words for an index out of range."""
    try:
        return ops.take(input, index, dim=dim)
    except IndexError:
        raise IndexError(
            message(
                "index out of range in self", operands={"self": input.type_, "index": index.type_}
            )
        ) from None


@accepts_out
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened input at `index`."""
    flat = bind(_RESHAPE, (input,), {"shape": (input._array.size,)})
    return ops.take(flat, wrapped(_check_index("take", index), input._array.size), dim=0)


def wrapped(index: Tensor, size: int) -> Tensor:
    """Negative indices counted from the end; PyTorch's error for indices out of range."""
    return ops.where(ops.lt(index, 0), ops.add(index, size), index)


def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`gather` that broadcasts; without `dim` on the flattened input."""
    if dim is None:
        flat = bind(_RESHAPE, (input,), {"shape": (input._array.size,)})
        return gather(flat, 0, bind(_RESHAPE, (indices,), {"shape": (indices._array.size,)}))
    n = input._array.ndim
    dim = wrap_dim(dim, n)
    a, b = list(input._array.shape), list(indices._array.shape)
    a[dim], b[dim] = 1, 1
    common = list(promotion.common_shape((tuple(a), tuple(b))))
    a, b = common.copy(), common.copy()
    a[dim], b[dim] = input._array.shape[dim], indices._array.shape[dim]
    return gather(
        promotion.expand(input, tuple(a)), dim, promotion.expand(indices, tuple(b)), out=out
    )


def _rows(input: Tensor, index: Tensor, dim: int) -> tuple[int, ...]:
    shape = input._array.shape
    return (*shape[:dim], index._array.size, *shape[dim + 1 :])


def _vector(index: Tensor) -> Tensor:
    return (
        bind(_RESHAPE, (index,), {"shape": (index._array.size,)})
        if index._array.ndim != 1
        else index
    )


def index_add(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: Any = 1,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with alpha * source's slices added where `index` says; repeated places add up."""
    dim = wrap_dim(dim, input._array.ndim)
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            message(
                f"index_add_(): self ({scalar_name(input.dtype)}) and source ({scalar_name(source.dtype)}) must"
                " have the same scalar type",
                operands={"self": input.type_, "source": source.type_},
            )
        )
    if alpha != 1:
        source = ops.mul(source, promotion.weak(alpha, source.dtype))
    index = _vector(index)
    if not input._array.ndim:
        return ops.add(input, bind(_RESHAPE, (source,), {"shape": ()}))
    source = (
        bind(_RESHAPE, (source,), {"shape": _rows(input, index, dim)})
        if source._array.ndim != input._array.ndim
        else source
    )
    result = ops.index_add(input, index, source, dim=dim)
    return result if out is None else into(out, result)


@accepts_out
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """`input` with source's slices written where `index` says."""
    dim = wrap_dim(dim, input._array.ndim)
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            message(
                "index_copy_(): self and source expected to have the same dtype, but got (self)"
                f" {scalar_name(input.dtype)} and (source) {scalar_name(source.dtype)}"
            )
        )
    index = _vector(index)
    source = promotion.expand(source, _rows(input, index, dim))
    return ops.index_put(input, source, index, dims=(dim,), accumulate=False)


@accepts_out
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with the slices that `index` names filled with `value`."""
    dim = wrap_dim(dim, input._array.ndim)
    index = _vector(index)
    dtype = BY_NUMPY[input._array.dtype]
    if isinstance(value, Tensor):
        source = promotion.expand(promotion.cast(value, dtype), _rows(input, index, dim))
    else:
        source = ops.full(
            shape=_rows(input, index, dim), value=promotion.weak(value, dtype), dtype=dtype
        )
    index = wrapped(index, input._array.shape[dim])
    return ops.index_put(input, source, index, dims=(dim,), accumulate=False)


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` written (or added) at input[indices]."""
    from ..indexing import with_items

    return with_items(input, tuple(indices), values, accumulate)


def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements under a bool mask, as a vector."""
    from ..indexing import get_item

    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            message("masked_select: expected BoolTensor for mask", operands={"mask": mask.type_})
        )
    a, b = promotion.broadcast(input, mask)
    result = get_item(a, b)
    return result if out is None else into(out, result)


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """Indices of the nonzero elements: one row each, or one vector per dim."""
    array = concrete(check_tensor("nonzero", input))
    if as_tuple:
        if array.ndim == 0:
            return (fresh(np.flatnonzero(array)),)
        return tuple([fresh(np.ascontiguousarray(i)) for i in np.nonzero(array)])
    result = fresh(np.ascontiguousarray(np.argwhere(array)))
    return result if out is None else into(out, result)


argwhere = nonzero


def index_of_counts(counts: Tensor) -> Tensor:
    """[0] * counts[0] + [1] * counts[1] + ...: the index that `repeat_interleave` takes by."""
    array = concrete(counts)
    if array.ndim > 1:
        raise RuntimeError("repeats must be 0-dim or 1-dim tensor")
    return fresh(np.repeat(np.arange(array.size), array.reshape(-1)))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 vectors with a one at each class index; raises RuntimeError for a bad class."""
    if tensor._array.dtype != np.int64:
        raise RuntimeError(
            message(
                "one_hot is only applicable to index tensor of type LongTensor.",
                operands={"tensor": tensor.type_},
            )
        )
    if num_classes == -1:
        array = concrete(tensor)
        if not array.size:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(array.max()) + 1
    shape = (*tensor._array.shape, num_classes)
    if tensor._array.size and _untraced(tensor):
        if tensor._array.min() < 0:
            raise RuntimeError(
                message("Class values must be non-negative.", operands={"tensor": tensor.type_})
            )
        if tensor._array.max() >= num_classes:
            raise RuntimeError(
                message(
                    "Class values must be smaller than num_classes.",
                    operands={"tensor": tensor.type_},
                )
            )
    column = bind(_RESHAPE, (tensor,), {"shape": (*tensor._array.shape, 1)})
    classes = ops.iota(length=num_classes, start=0, step=1, dtype=int64)
    same = ops.eq(ops.expand(column, shape=shape), ops.expand(classes, shape=shape))
    return ops.cast(same, dtype=int64)


def _untraced(x: Tensor) -> bool:
    from ...ir.dispatch import _stack

    return _stack.top is None
