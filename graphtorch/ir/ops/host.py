"""Ops that run in NumPy wherever they stand: sorting, searching, and results sized by values.

The last kind (`nonzero`, `unique`, `bincount`) has no type before it has run, so it works eagerly
only: its type rule raises, and the tracer reports the line.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..op import Joint, Op, declare
from ..types import TensorType, int64
from .index import index_put, scatter_add
from .inference import operands_message, require, require_dim
from .kernels import Array, Kernel, quiet, widened
from .region import zeros
from .samples import Case, integers, normal
from .view import reshape
from .view import slice as slice_

# ---- sorting


def _sort_type(
    x: TensorType, *, dim: int, descending: bool = False
) -> tuple[TensorType, TensorType]:
    require_dim("sort", x, dim)
    return x, TensorType(int64, x.shape)


def _order(x: Array, dim: int, descending: bool) -> Array:
    """A stable order; NaN is the largest, as in PyTorch."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return np.flip(x.shape[dim] - 1 - backwards, dim)


def _sort(x: Array, *, dim: int, descending: bool = False) -> tuple[Array, Array]:
    order = np.ascontiguousarray(_order(x, dim, descending))
    return np.take_along_axis(x, order, axis=dim), order


def _topk_type(
    x: TensorType, *, k: int, dim: int, largest: bool = True, sorted: bool = True
) -> tuple[TensorType, TensorType]:
    require_dim("topk", x, dim)
    require(0 <= k <= x.shape[dim], "selected index k out of range", x=x)
    shape = (*x.shape[:dim], k, *x.shape[dim + 1 :])
    return TensorType(x.dtype, shape), TensorType(int64, shape)


def _first(x: Array, k: int, dim: int) -> Array:
    key = [slice(None)] * x.ndim
    key[dim] = slice(k)
    return x[tuple(key)]


def _topk(
    x: Array, *, k: int, dim: int, largest: bool = True, sorted: bool = True
) -> tuple[Array, Array]:
    n = x.shape[dim]
    if 0 < 8 * k < n:  # few of many: part before sorting
        kth = n - k if largest else k - 1
        parted = np.argpartition(x, kth, axis=dim)
        chosen = np.take(parted, np.arange(n - k, n) if largest else np.arange(k), axis=dim)
        order = _order(np.take_along_axis(x, chosen, axis=dim), dim, largest)
        order = np.take_along_axis(chosen, order, axis=dim)
    else:
        order = np.ascontiguousarray(_first(_order(x, dim, largest), k, dim))
    return np.take_along_axis(x, order, axis=dim), order


def _moved_rule(
    g: tuple[Any, Any], y: tuple[Any, Any], x_type: TensorType, dim: int
) -> tuple[Any, ...]:
    return (scatter_add(zeros(x_type), y[1], g[0], dim=dim),)


def _sort_samples() -> list[Case]:
    ties = np.array([[2, 1, 2, 1], [np.nan, 3, np.nan, 0]], np.float32)
    return [
        ((normal(3, 5),), {"dim": 0, "descending": False}),
        ((normal(3, 5),), {"dim": 1, "descending": True}),
        ((ties,), {"dim": 1, "descending": False}),
        ((ties,), {"dim": 1, "descending": True}),
        ((integers(0, 9, 3, 4),), {"dim": 0, "descending": True}),
    ]


def _topk_samples() -> list[Case]:
    return [
        ((normal(3, 5),), {"k": 2, "dim": 1, "largest": True, "sorted": True}),
        ((normal(40, 3),), {"k": 3, "dim": 0, "largest": False, "sorted": True}),
        ((normal(3, 40),), {"k": 2, "dim": 1, "largest": True, "sorted": True}),
        ((normal(3, 5),), {"k": 0, "dim": 1, "largest": True, "sorted": True}),
    ]


# sort(x, dim=, descending=False): (values, indices), stable
sort = declare(
    "sort", "host", "x", _sort_type, widened(_sort), vjp=Joint(_moved_rule), samples=_sort_samples,
)  # fmt: skip

# topk(x, k=, dim=, largest=True, sorted=True): (values, indices), always sorted
topk = declare(
    "topk", "host", "x", _topk_type, widened(_topk), vjp=Joint(_moved_rule), samples=_topk_samples,
)  # fmt: skip


# ---- searching


def _searchsorted_type(
    boundaries: TensorType, values: TensorType, *, right: bool = False
) -> TensorType:
    fits = boundaries.ndim == 1 or boundaries.shape[:-1] == values.shape[:-1]
    require(
        fits and boundaries.ndim >= 1 and boundaries.dtype is values.dtype,
        "torch.searchsorted(): boundaries must be 1-dimensional, or agree with the values in all but"
        " the last dimension, and have their dtype",
        boundaries=boundaries,
        values=values,
    )
    return TensorType(int64, values.shape)


def _searchsorted(boundaries: Array, values: Array, *, right: bool = False) -> Array:
    side: Any = "right" if right else "left"
    if boundaries.ndim == 1:
        return np.asarray(np.searchsorted(boundaries, values, side), np.int64)
    found = np.empty(values.shape, np.int64)
    for row in np.ndindex(*boundaries.shape[:-1]):
        found[row] = np.searchsorted(boundaries[row], values[row], side)
    return found


# searchsorted(boundaries, values, right=False): where values would be inserted
searchsorted = declare(
    "searchsorted", "host", "boundaries values", _searchsorted_type, widened(_searchsorted),
    samples=lambda: [
        ((np.sort(normal(7)), normal(3, 5, seed=1)), {"right": False}),
        ((np.sort(integers(0, 5, 2, 7)), integers(0, 5, 2, 3, seed=1)), {"right": True}),
    ],
)  # fmt: skip


# ---- sized by values


def _by_value(name: str, inputs: str, numpy: Kernel, vjp: Joint | None = None) -> Op:
    def infer(*types: TensorType, **attrs: Any) -> TensorType:
        raise UnsupportedError(
            operands_message(
                f"the shape of {name}'s result depends on the values of its operand",
                "compute it outside the compiled function, or use a mask of fixed shape",
                **{f"operand {i}": t for i, t in enumerate(types)},
            )
        )

    return declare(name, "host", inputs, infer, numpy, vjp=vjp, meta={"sized_by_value": True})


def _nonzero(x: Array) -> Array:
    return np.argwhere(x)


def _unique(x: Array, *, dim: int | None = None) -> tuple[Array, Array, Array]:
    values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True, axis=dim)
    shape = x.shape if dim is None else (x.shape[dim],)
    return values, inverse.reshape(shape).astype(np.int64), counts.astype(np.int64)


def _bincount(x: Array, weights: Array | None = None, *, minlength: int = 0) -> Array:
    if x.ndim != 1 or (x.size and x.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    counts = np.bincount(x, weights, minlength)
    wide = weights is not None and weights.dtype == np.float32
    return counts.astype(np.float32) if wide else counts


def _masked_select(x: Array, mask: Array) -> Array:
    return x[mask]


def _masked_select_rule(g: Any, x_type: TensorType, mask: Any) -> tuple[Any, ...]:
    positions = nonzero(mask)
    count, ndim = positions.shape
    columns = [
        reshape(
            slice_(positions, starts=(0, d), stops=(count, d + 1), steps=(1, 1)), shape=(count,)
        )
        for d in range(ndim)
    ]
    return (index_put(zeros(x_type), g, *columns, dims=tuple(range(ndim)), accumulate=False),)


# nonzero(x): the positions of the elements that are not 0, i64[n, ndim]
nonzero = _by_value("nonzero", "x", quiet(_nonzero))
# unique(x, dim=None): (sorted values, where each element went, how often each occurs)
unique = _by_value("unique", "x", quiet(_unique))
# bincount(x, [weights], minlength=0): how often (with what weight) each integer occurs
bincount = _by_value("bincount", "x weights", quiet(_bincount))
# masked_select(x, mask): the elements where mask holds, in order
masked_select = _by_value(
    "masked_select", "x mask", quiet(_masked_select), Joint(_masked_select_rule)
)
