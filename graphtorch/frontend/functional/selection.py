"""Choosing and writing elements by index: gather, scatter, index_select, nonzero, ..."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.types import BY_NUMPY, bool_, int64
from .. import promotion
from ..size import wrap_dim
from ..tensor import Tensor
from .wrapping import accepts_out_apart, bind, check_tensor, concrete, fresh, into, scalar_name

_RESHAPE = ops.reshape


def _check_index(function: str, index: Tensor) -> Tensor:
    if not index._array.size and index._array.dtype.kind in "fu":
        return ops.cast(index, dtype=int64)
    if index._array.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            message(
                f"{function}(): Expected dtype int64 for index",
                operands={"index": index.type_},
                hint="convert it with .long()",
            )
        )
    return index


@accepts_out_apart
def gather(
    input: Tensor,
    dim: int,
    index: Tensor,
    *,
    sparse_grad: bool = False,
) -> Tensor:
    """y[i][j] = input[index[i][j]][j] for dim=0; index may be smaller than the input.

    >>> import graphtorch as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    check_tensor("gather", input)
    index = _check_index("gather", index)
    dim = wrap_dim(dim, input._array.ndim)
    if not index._array.size:
        flat = bind(_RESHAPE, (input,), {"shape": (input._array.size,)})
        none = ops.slice(flat, starts=(0,), stops=(0,), steps=(1,))
        return bind(_RESHAPE, (none,), {"shape": index._array.shape})
    if not input._array.ndim or not index._array.ndim:
        found = gather(_line(input), 0, _line(index))
        return bind(_RESHAPE, (found,), {"shape": index._array.shape})
    _check_gatherable("gather", input, index, dim)
    result = within_bounds(ops.gather, input, index, index, dim)
    return result


def _line(x: Tensor) -> Tensor:
    """A 0-d tensor as a vector of one element."""
    return x if x._array.ndim else bind(_RESHAPE, (x,), {"shape": (1,)})


def _as_lines(function: Any, input: Tensor, dim: int, *rest: Any, **options: Any) -> Tensor:
    """function(input, dim, ...) for a 0-d input, which counts as a vector of one element."""
    wrap_dim(dim, 0)
    lines = [_line(x) if isinstance(x, Tensor) else x for x in rest]
    result = function(_line(input), 0, *lines, **options)
    return bind(_RESHAPE, (result,), {"shape": ()})


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


@accepts_out_apart
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
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
        if index._array.size != 1:
            raise RuntimeError(
                "index_select(): Index to scalar can have only 1 value, got"
                f" {index._array.size} value(s)"
            )
        return bind(_RESHAPE, (taken(_line(input), index, 0),), {"shape": ()})
    result = taken(input, index, dim)
    return result


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


@accepts_out_apart
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened input at `index`."""
    index = _check_index("take", index)
    if index._array.size and not input._array.size:
        raise IndexError("take(): tried to take from an empty tensor")
    flat = bind(_RESHAPE, (input,), {"shape": (input._array.size,)})
    return taken(flat, wrapped(index, input._array.size), 0)


def wrapped(index: Tensor, size: int) -> Tensor:
    """Negative indices counted from the end; PyTorch's error for indices out of range."""
    return ops.where(ops.lt(index, 0), ops.add(index, size), index)


@accepts_out_apart
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` that broadcasts; without `dim` on the flattened input."""
    _check_index("torch.take_along_dim", indices)
    if dim is None:
        indices = wrapped(indices, input._array.size)
        flat = bind(_RESHAPE, (input,), {"shape": (input._array.size,)})
        return gather(flat, 0, bind(_RESHAPE, (indices,), {"shape": (indices._array.size,)}))
    n = input._array.ndim
    if indices._array.ndim != n:
        raise RuntimeError(
            message(
                "torch.take_along_dim(): input and indices should have the same number of dimensions, but"
                f" got {n} dimensions for input, and {indices._array.ndim} dimensions for indices",
                operands={"input": input.type_, "indices": indices.type_},
            )
        )
    dim = wrap_dim(dim, n)
    indices = wrapped(indices, input._array.shape[dim] if n else 1)
    a, b = list(input._array.shape), list(indices._array.shape)
    a[dim], b[dim] = 1, 1
    common = list(promotion.common_shape((tuple(a), tuple(b))))
    a, b = common.copy(), common.copy()
    a[dim], b[dim] = input._array.shape[dim], indices._array.shape[dim]
    return gather(promotion.expand(input, tuple(a)), dim, promotion.expand(indices, tuple(b)))


def _check_rows(name: str, input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """The index as a vector, after PyTorch's checks of index and source."""
    if index._array.ndim > 1:
        raise IndexError(
            message(
                f"{name}(): Index is supposed to be a vector, but got dim: {index._array.ndim}",
                operands={"index": index.type_},
            )
        )
    index = _check_index(name, index)
    a, b = input._array.shape, source._array.shape
    count = b[dim] if b else 1
    if index._array.size != count:
        raise IndexError(
            message(
                f"{name}(): Number of indices ({index._array.size}) should be equal to source.size(dim):"
                f" ({count})",
                operands={"index": index.type_, "source": source.type_},
            )
        )
    if (
        b
        and (len(a) != len(b) or a[:dim] != b[:dim] or a[dim + 1 :] != b[dim + 1 :])
        and (len(a) or b != (1,))
    ):
        raise RuntimeError(
            message(
                "source tensor shape must match self tensor shape, excluding the specified dimension. Got"
                f" self.shape = {list(a)} source.shape = {list(b)}",
                operands={"self": input.type_, "source": source.type_},
            )
        )
    return _vector(index)


def _rows(input: Tensor, index: Tensor, dim: int) -> tuple[int, ...]:
    shape = input._array.shape
    return (*shape[:dim], index._array.size, *shape[dim + 1 :])


def _vector(index: Tensor) -> Tensor:
    return (
        bind(_RESHAPE, (index,), {"shape": (index._array.size,)})
        if index._array.ndim != 1
        else index
    )


@accepts_out_apart
def index_add(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    *,
    alpha: Any = 1,
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
    index = _check_rows("index_add_", input, dim, index, source)
    if not input._array.ndim:
        total = ops.sum(_line(source), dims=(0,))
        return ops.add(input, ops.cast(total, dtype=input.dtype))
    source = (
        bind(_RESHAPE, (source,), {"shape": _rows(input, index, dim)})
        if source._array.ndim != input._array.ndim
        else source
    )
    result = ops.index_add(input, index, source, dim=dim)
    return result


@accepts_out_apart
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
    if not input._array.ndim:
        return _as_lines(index_copy, input, dim, index, source)
    index = _vector(_check_index("index_copy_", index))
    index = wrapped(index, input._array.shape[dim])
    source = promotion.expand(source, _rows(input, index, dim))
    return ops.index_put(input, source, index, dims=(dim,), accumulate=False)


@accepts_out_apart
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with the slices that `index` names filled with `value`."""
    dim = wrap_dim(dim, input._array.ndim)
    if index._array.dtype.kind != "i":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if isinstance(value, Tensor) and value._array.ndim:
        raise RuntimeError(
            message(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with"
                f" {value._array.ndim} dimension(s)."
            )
        )
    if not input._array.ndim:
        filled = index_fill(_line(input), 0, index, value)
        return bind(_RESHAPE, (filled,), {"shape": ()})
    index = _vector(index)
    dtype = BY_NUMPY[input._array.dtype]
    shape = input._array.shape
    index = wrapped(index, shape[dim])
    no = ops.full(shape=(shape[dim],), value=False, dtype=bool_)
    yes = ops.full(shape=index._array.shape, value=True, dtype=bool_)
    mask = ops.index_put(no, yes, index, dims=(0,), accumulate=False)
    mask = bind(_RESHAPE, (mask,), {"shape": (shape[dim], *(1 for _ in shape[dim + 1 :]))})
    mask = ops.expand(mask, shape=shape)
    if isinstance(value, Tensor):
        return ops.where(mask, promotion.expand(promotion.cast(value, dtype), shape), input)
    return ops.where(mask, promotion.weak(value, dtype), input)


def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` written (or added) at input[indices]."""
    from ..indexing import with_items

    return with_items(input, tuple(indices), values, accumulate)


@accepts_out_apart
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements under a bool mask, as a vector."""
    from ..indexing import get_item

    if mask._array.dtype.kind != "b":
        raise RuntimeError(
            message("masked_select: expected BoolTensor for mask", operands={"mask": mask.type_})
        )
    a, b = promotion.broadcast(input, mask)
    result = get_item(_line(a), _line(b))
    return result


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
