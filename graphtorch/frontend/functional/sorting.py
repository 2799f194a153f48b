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
from .wrapping import accepts_out, check_tensor, concrete, fresh, into, refuse


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
    shape = input._array.shape
    if shape and not shape[dim]:
        raise IndexError(
            message(
                f"kthvalue(): Expected reduction dim {dim} to have non-zero size.",
                operands={"input": input.type_},
            )
        )
    if not 1 <= k <= (shape[dim] if shape else 1):
        raise RuntimeError(
            message(
                "kthvalue(): selected number k out of range for dimension " + str(dim),
                operands={"input": input.type_},
            )
        )
    if not shape:
        return return_types.kthvalue(ops.copy(input), ops.full(shape=(), value=0, dtype=int64))
    pieces = [part(x, dim, k - 1, k) for x in sort(input, dim)]
    return return_types.kthvalue(*(pieces if keepdim else [squeeze(x, dim) for x in pieces]))


def _numbers(input: Tensor, dim: int) -> Tensor:
    """How many elements along `dim` are not NaN, with the dim kept."""
    shape = input._array.shape
    reduced = (*shape[:dim], 1, *shape[dim + 1 :])
    if input._array.dtype.kind not in "fV":
        return ops.full(shape=reduced, value=shape[dim], dtype=int64)
    good = ops.cast(ops.logical_not(ops.isnan(input)), dtype=int64)
    return ops.reshape(ops.sum(good, dims=(dim,)), shape=reduced)


def _middle(name: str, input: Tensor, dim: int, keepdim: bool, skip_nan: bool) -> Any:
    """The lower median along `dim` and where it is."""
    refuse("median_out", input, "b")
    kind = getattr(return_types, name)
    dim = wrap_dim(dim, input._array.ndim)
    shape = input._array.shape
    if not shape:
        return kind(ops.copy(input), ops.full(shape=(), value=0, dtype=int64))
    if not shape[dim]:
        raise IndexError(
            message(
                f"{name}(): Expected reduction dim {dim} to have non-zero size.",
                operands={"input": input.type_},
            )
        )
    count = _numbers(input, dim)
    place = ops.clamp_min(ops.floor_divide(ops.sub(count, 1), 2), 0)
    if not skip_nan:  # NaN is sorted last: the first one stands behind all numbers
        place = ops.where(ops.lt(count, shape[dim]), count, place)
    order = ops.sort(input.detach(), dim=dim)[1]
    index = ops.gather(order, place, dim=dim)
    values = ops.gather(input, index, dim=dim)
    if keepdim:
        return kind(values, index)
    rest = (*shape[:dim], *shape[dim + 1 :])
    return kind(ops.reshape(values, shape=rest), ops.reshape(index, shape=rest))


def _middle_of_all(name: str, input: Tensor, skip_nan: bool) -> Tensor:
    refuse("median_cpu", input, "b")
    size = input._array.size
    if not size:
        if input._array.dtype.kind not in "fV":
            lowest = int(np.iinfo(input._array.dtype).min)
            return ops.full(shape=(), value=lowest, dtype=input.dtype)
        return ops.full(shape=(), value=float("nan"), dtype=input.dtype)
    flat = ops.reshape(input, shape=(size,))
    return _middle(name, flat, 0, False, skip_nan)[0]


@accepts_out
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all elements, or along `dim` with its index; NaN if there is one."""
    if dim is None:
        return _middle_of_all("median", input, False)
    return _middle("median", input, dim, keepdim, False)


@accepts_out
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the elements that are not NaN."""
    if dim is None:
        return _middle_of_all("nanmedian", input, True)
    return _middle("nanmedian", input, dim, keepdim, True)


@accepts_out
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent value along `dim` (the smallest of several) and its last place."""
    dim = wrap_dim(dim, input._array.ndim)
    shape = input._array.shape
    if not shape:
        return return_types.mode(ops.copy(input), ops.full(shape=(), value=0, dtype=int64))
    if not shape[dim]:
        raise IndexError(
            message(
                f"mode(): Expected reduction dim {dim} to have non-zero size.",
                operands={"input": input.type_},
            )
        )
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


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantiles(
    name: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    """Quantiles along `dim`: neighbours of rank q * (n - 1) among the n numbers, interpolated."""
    from .shape import movedim

    if input._array.dtype.kind != "f" or input._array.itemsize < 4:
        raise RuntimeError(
            message(
                f"{name}() input tensor must be either float or double dtype",
                operands={"input": input.type_},
            )
        )
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got"
            f" {interpolation}"
        )
    if isinstance(q, Tensor):
        if q._array.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        if q._array.dtype != input._array.dtype:
            raise RuntimeError(
                message(
                    f"{name}() q tensor must be same dtype as the input tensor",
                    operands={"input": input.type_, "q": q.type_},
                )
            )
        if any_outside(concrete(q).reshape(-1).tolist()):
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
        levels = q
    else:
        if any_outside([float(q)]):
            raise RuntimeError(
                message(f"{name}() q must be in the range [0, 1] but got {float(q):g}")
            )
        levels = ops.full(shape=(), value=float(q), dtype=input.dtype)
    shape = input._array.shape
    if not input._array.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if dim is None:
        rows, rest = ops.reshape(input, shape=(1, input._array.size)), (1,) * len(shape)
    elif not shape:
        wrap_dim(dim, 0)
        rows, rest = ops.reshape(input, shape=(1, 1)), ()
    else:
        dim = wrap_dim(dim, len(shape))
        turned = movedim(input, dim, -1)
        rows = ops.reshape(turned, shape=(input._array.size // shape[dim], shape[dim]))
        rest = (*shape[:dim], 1, *shape[dim + 1 :])
    if not keepdim:
        rest = () if dim is None or not shape else (*shape[:dim], *shape[dim + 1 :])
    m, n = rows._array.shape
    ordered = ops.sort(rows, dim=1)[0]
    count = _numbers(rows, 1)
    if name == "quantile":  # one NaN makes the result NaN: it is the last of the sorted
        last = ops.full(shape=(m, 1), value=n - 1, dtype=int64)
        bad = ops.lt(count, n)
    else:
        last = ops.clamp_min(ops.sub(count, 1), 0)
        bad = None
    k = levels._array.size
    line = ops.expand(ops.reshape(levels, shape=(1, k)), shape=(m, k))
    last = ops.expand(last, shape=(m, k))
    rank = ops.mul(line, ops.cast(last, dtype=input.dtype))
    if bad is not None:
        rank = ops.where(ops.expand(bad, shape=(m, k)), float(n - 1), rank)
    low = ops.floor(rank.detach())
    if interpolation == "higher":
        low = ops.ceil(rank.detach())
    elif interpolation == "nearest":
        low = ops.round(rank.detach())
    found = ops.gather(ordered, ops.cast(low, dtype=int64), dim=1)
    if interpolation in ("linear", "midpoint"):
        high = ops.gather(ordered, ops.cast(ops.ceil(rank.detach()), dtype=int64), dim=1)
        gap = ops.sub(high, found)
        if interpolation == "midpoint":
            found = ops.add(found, ops.mul(gap, 0.5))
        else:
            weight = ops.sub(rank, low)
            near = ops.add(found, ops.mul(weight, gap))
            far = ops.sub(high, ops.mul(ops.sub(1.0, weight), gap))
            found = ops.where(ops.lt(weight, 0.5), near, far)
    if levels._array.ndim == 0:
        return ops.reshape(found, shape=rest)
    return ops.reshape(ops.permute(found, dims=(1, 0)), shape=(k, *rest))


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
    return _quantiles("quantile", input, q, dim, keepdim, interpolation)


def any_outside(levels: list[float]) -> bool:
    """Whether a level lies outside [0, 1]."""
    return not all(0 <= level <= 1 for level in levels)


@accepts_out
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
) -> Tensor:
    """`quantile` of the elements that are not NaN."""
    return _quantiles("nanquantile", input, q, dim, keepdim, interpolation)


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
        around = tuple(range(1, rows.ndim))
        changed[1:] = different.any(axis=around) if around else different
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
    sorted_sequence: Tensor, values: Any = None, *, input: Any = None, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where values would be inserted to keep the (last dim of the) sequence sorted."""
    values = input if values is None else values
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
        places = np.empty(wanted.shape, np.int64)
        for row in np.ndindex(*edges.shape[:-1]):
            places[row] = np.searchsorted(edges[row], wanted[row], which)
    result = fresh(np.asarray(places, np.int32 if out_int32 else np.int64))
    return result if out is None else into(out, result)


@accepts_out
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The bucket, between boundaries, of every element."""
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)
