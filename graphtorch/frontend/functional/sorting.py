"""Sorting, searching and counting distinct values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import message
from ...ir import ops
from ...ir.types import int64
from .. import return_types
from ..size import wrap_dim
from ..tensor import Tensor
from .wrapping import accepts_out, check_tensor, concrete, fresh, into


@accepts_out
def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Sorted values along `dim`, and where they were."""
    check_tensor("sort", input)
    if not input._array.ndim:
        wrap_dim(dim, 0)
        return return_types.sort(ops.copy(input), ops.full(shape=(), value=0, dtype=int64))
    dim = wrap_dim(dim, input._array.ndim)
    found = return_types.sort(*ops.sort(input, dim=dim, descending=bool(descending)))
    return found


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """The indices that sort `input` along `dim`."""
    return sort(input, dim, descending, stable)[1]


@accepts_out
def msort(input: Tensor) -> Tensor:
    """Sorted along dim 0."""
    return sort(input, 0)[0]


@accepts_out
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (or smallest) values along `dim`, and where they are."""
    check_tensor("topk", input)
    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim] if input._array.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(
            message(
                "selected index k out of range",
                operands={"input": input.type_},
                hint=f"k is {k}, the dim has {size}",
            )
        )
    if not input._array.ndim:
        return return_types.topk(ops.copy(input), ops.full(shape=(), value=0, dtype=int64))
    found = return_types.topk(*ops.topk(input, k=int(k), dim=dim, largest=bool(largest)))
    return found


@accepts_out
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest value along `dim`, and where it is."""
    from .shape import squeeze
    from .splitting import part

    dim = wrap_dim(dim, input._array.ndim)
    size = input._array.shape[dim] if input._array.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(
            message(
                "kthvalue(): selected number k out of range for dimension " + str(dim),
                operands={"input": input.type_},
            )
        )
    pieces = [part(x, dim, k - 1, k) for x in sort(input, dim)]
    return return_types.kthvalue(*(pieces if keepdim else [squeeze(x, dim) for x in pieces]))


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all elements, or along `dim` with its index; NaN if there is one."""
    if dim is None:
        flat = ops.reshape(input, shape=(input._array.size,))
        if not input._array.size:
            return ops.full(shape=(), value=float("nan"), dtype=input.dtype)
        return ops.reshape(median(flat, 0)[0], shape=())
    dim = wrap_dim(dim, input._array.ndim)
    if not input._array.ndim:
        return return_types.median(ops.copy(input), ops.full(shape=(), value=0, dtype=int64))
    k = (input._array.shape[dim] + 1) // 2
    found = return_types.median(*kthvalue(input, k, dim, keepdim))
    if input._array.dtype.kind in "fV":
        from .reduction import any, argmax

        bad = ops.isnan(input)
        hit = any(bad, dim, keepdim)
        values = ops.where(hit, float("nan"), found.values)
        where = ops.where(hit, argmax(ops.cast(bad, dtype=int64), dim, keepdim), found.indices)
        return return_types.median(values, where)
    return found


def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the elements that are not NaN."""
    if dim is not None:
        raise message_error("nanmedian(dim=)")
    from .selection import masked_select

    return median(masked_select(input, ops.logical_not(ops.isnan(input))))


def message_error(what: str) -> Exception:
    """The error for something not there yet."""
    from ...errors import UnsupportedError

    return UnsupportedError(message(f"{what} is not supported"))


@accepts_out
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along `dim` (the smallest of several) and its last place."""
    dim = wrap_dim(dim, input._array.ndim)
    array = np.moveaxis(concrete(input), dim, -1)
    flat = array.reshape(-1, array.shape[-1])
    places = np.empty(flat.shape[0], np.int64)
    for i, row in enumerate(flat):
        values, counts = np.unique(row, return_counts=True)
        places[i] = np.flatnonzero(row == values[counts.argmax()])[-1]
    index = fresh(np.expand_dims(places.reshape(array.shape[:-1]), dim))
    values = ops.gather(input, index, dim=dim)
    if keepdim:
        return return_types.mode(values, index)
    from .shape import squeeze

    return return_types.mode(squeeze(values, dim), squeeze(index, dim))


@accepts_out
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """Quantiles of all elements or along `dim`; q is a number or a vector in [0, 1]."""
    from .joining import stack
    from .shape import movedim, squeeze
    from .splitting import part

    number = not isinstance(q, Tensor) or q._array.ndim == 0
    levels = [float(q)] if number else [float(v) for v in concrete(q)]
    if any_outside(levels):
        said = "q" if number else "q values"
        which = f" but got {levels[0]:g}" if number else ""
        raise RuntimeError(message(f"quantile() {said} must be in the range [0, 1]{which}"))
    shape = input._array.shape
    if dim is None:
        x, axis = ops.reshape(input, shape=(input._array.size,)), 0
    else:
        x, axis = input, wrap_dim(dim, len(shape))
    ordered = sort(x, axis)[0]
    n = x._array.shape[axis]
    if not n:
        raise RuntimeError("quantile() input tensor must be non-empty")
    found = []
    for level in levels:
        rank = level * (n - 1)
        below = int(rank)
        above = min(below + 1, n - 1)
        if interpolation == "lower":
            value = part(ordered, axis, below, below + 1)
        elif interpolation == "higher":
            index = below if rank == below else above
            value = part(ordered, axis, index, index + 1)
        elif interpolation == "nearest":
            index = int(np.rint(rank))
            value = part(ordered, axis, index, index + 1)
        else:
            weight = 0.5 if interpolation == "midpoint" and rank != below else rank - below
            low, high = part(ordered, axis, below, below + 1), part(ordered, axis, above, above + 1)
            value = ops.add(low, ops.mul(ops.sub(high, low), weight))
        found.append(value)
    if input._array.dtype.kind in "fV":
        bad = ops.any(ops.isnan(x), dims=(axis,))
        bad = ops.reshape(bad, shape=found[0]._array.shape)
        found = [ops.where(bad, float("nan"), v) for v in found]
    if dim is None:
        whole = (1,) * len(shape) if keepdim else ()
        found = [ops.reshape(v, shape=whole) for v in found]
    elif not keepdim:
        found = [squeeze(v, axis) for v in found]
    return found[0] if number else movedim(stack(found), 0, 0)


def any_outside(levels: list[float]) -> bool:
    """Whether a level lies outside [0, 1]."""
    return not all(0 <= level <= 1 for level in levels)


@accepts_out
def nanquantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """`quantile` of the elements that are not NaN (all elements only)."""
    if dim is not None:
        raise message_error("nanquantile(dim=)")
    from .selection import masked_select

    return quantile(masked_select(input, ops.logical_not(ops.isnan(input))), q, None, keepdim)


# ---- distinct values


def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct elements (or slices along `dim`) in order; optionally where each went, and counts."""
    array = concrete(input)
    if dim is not None:
        dim = wrap_dim(dim, array.ndim)
    values, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=dim)
    found: list[Any] = [fresh(values)]
    if return_inverse:
        shape = array.shape if dim is None else (array.shape[dim],)
        found.append(fresh(inverse.reshape(shape).astype(np.int64)))
    if return_counts:
        found.append(fresh(counts.astype(np.int64)))
    return found[0] if len(found) == 1 else tuple(found)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements (or slices) that differ from the one before."""
    array = concrete(input)
    rows = array.reshape(-1) if dim is None else np.moveaxis(array, wrap_dim(dim, array.ndim), 0)
    n = rows.shape[0]
    changed = np.ones(n, bool)
    if n:
        different = rows[1:] != rows[:-1]
        changed[1:] = different.reshape(n - 1, -1).any(1) if rows.ndim > 1 else different
    kept = rows[changed]
    found: list[Any] = [
        fresh(np.ascontiguousarray(kept if dim is None else np.moveaxis(kept, 0, dim)))
    ]
    if return_inverse:
        inverse = np.cumsum(changed) - 1
        found.append(fresh(inverse.reshape(array.shape) if dim is None else inverse))
    if return_counts:
        starts = np.flatnonzero(changed)
        found.append(fresh(np.diff(np.append(starts, n)).astype(np.int64)))
    return found[0] if len(found) == 1 else tuple(found)


# ---- searching


def searchsorted(
    sorted_sequence: Tensor, values: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where values would be inserted to keep the (last dim of the) sequence sorted."""
    which = "right" if right or side == "right" else "left"
    edges = concrete(sorted_sequence)
    if sorter is not None:
        edges = np.take_along_axis(edges, concrete(sorter), -1)
    wanted = concrete(values) if isinstance(values, Tensor) else np.asarray(values)
    if edges.ndim == 1:
        places = np.searchsorted(edges, wanted, which)
    else:
        if wanted.shape[:-1] != edges.shape[:-1]:
            raise RuntimeError(
                message(
                    "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1"
                    " dimensions of boundaries tensor and input value tensor must match",
                    operands={"sorted_sequence": sorted_sequence.type_},
                )
            )
        flat = wanted.reshape(-1, wanted.shape[-1])
        rows = edges.reshape(-1, edges.shape[-1])
        places = np.stack([np.searchsorted(e, v, which) for e, v in zip(rows, flat, strict=True)])
        places = places.reshape(wanted.shape)
    result = fresh(np.asarray(places, np.int32 if out_int32 else np.int64))
    return result if out is None else into(out, result)


@accepts_out
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The bucket, between boundaries, of every element."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
