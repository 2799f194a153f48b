"""Reading and writing by flat and by reducing index: put, index_reduce, unravel_index, nonzero_static."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ..size import sizes, wrap_dim
from ..tensor import Tensor
from .scattering import scatter_reduce
from .selection import _check_index, wrapped
from .wrapping import accepts_out, bind, check_tensor, concrete, fresh, scalar_name

_RESHAPE = ops.reshape


def _flat(x: Tensor) -> Tensor:
    return bind(_RESHAPE, (x,), {"shape": (x._array.size,)})


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with source's elements written (or added) at places of the flattened input."""
    check_tensor("put", input)
    if source._array.dtype != input._array.dtype:
        raise RuntimeError(
            message(
                f"put_(): self and source expected to have the same dtype, but got self.dtype ="
                f" {scalar_name(input.dtype)} and source.dtype = {scalar_name(source.dtype)}"
            )
        )
    if _check_index("put_", index)._array.size != source._array.size:
        raise RuntimeError(
            "put_(): Expected source and index to have the same number of elements, but got"
            f" source.numel() = {source._array.size}, index.numel() = {index._array.size}"
        )
    size = input._array.size
    if not index._array.size:
        return ops.copy(input)
    places = wrapped(_flat(index), size)
    result = ops.index_put(
        _flat(input), _flat(source), places, dims=(0,), accumulate=bool(accumulate)
    )
    return bind(_RESHAPE, (result,), {"shape": input._array.shape})


@accepts_out
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:  # fmt: skip
    """`input` with source's slices reduced ("prod", "mean", "amax", "amin") into the slices of `index`."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            "index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got"
            f" {reduce}."
        )
    check_tensor("index_reduce", input)
    if source._array.dtype != input._array.dtype:
        raise RuntimeError("index_reduce(): Expected self and source to have the same dtype")
    dim = wrap_dim(dim, input._array.ndim)
    _check_index("index_reduce", index)
    shape = input._array.shape
    x = input if shape else _flat(input)
    part = source if source._array.ndim else _flat(source)
    if not part._array.size:
        return ops.copy(input)
    line = [index._array.size if d == dim else 1 for d in range(x._array.ndim)]
    places = ops.expand(bind(_RESHAPE, (index,), {"shape": tuple(line)}), shape=part._array.shape)
    result = scatter_reduce(x, dim, places, part, reduce, include_self=include_self)
    return result if shape else bind(_RESHAPE, (result,), {"shape": ()})


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of `shape`, of flat indices.

    >>> import graphtorch as torch
    >>> torch.unravel_index(torch.tensor(4), (3, 2))
    (tensor(2), tensor(0))
    """
    if not isinstance(indices, Tensor):
        raise TypeError(
            f"unravel_index(): argument 'indices' must be Tensor, not {type(indices).__name__}"
        )
    if indices._array.dtype.kind not in "iu":
        raise TypeError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not hasattr(shape, "__index__") and not isinstance(shape, (tuple, list)):
        raise ValueError(f"expected shape to be int or sequence of ints, but got {shape!r}")
    extents = sizes((shape,)) if not hasattr(shape, "__index__") else (int(shape),)
    if extents and min(extents) < 0:
        raise ValueError(f"'shape' cannot have negative values, but got {extents}")
    found, rest = [], indices
    for size in reversed(extents):
        found.append(ops.remainder(rest, size))
        rest = ops.floor_divide(rest, size)
    return tuple(reversed(found))


@accepts_out
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The indices of the first `size` nonzero elements, filled up with `fill_value`."""
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    array = concrete(check_tensor("nonzero_static", input))
    found = np.argwhere(array)[:size] if array.ndim else np.zeros((min(int(array != 0), size), 0))
    result = np.full((size, array.ndim), fill_value, np.int64)
    result[: len(found)] = found
    return fresh(result)
