"""Ops that read or write other elements than their own position: gathering and scattering.

Adjoint pairs stand side by side: take / index_add, gather / scatter_add, index / index_put.  Indices
are int64 or int32 and lie in [0, size); negative ones are made positive by the frontend.  An index
outside raises IndexError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import SAME, Joint, Op, declare
from ..types import TensorType
from .inference import operands_message, require, require_dim
from .kernels import Array, widened
from .region import zeros
from .samples import Case, flags, integers, normal
from .scatter import add_at, add_rows

Shape = tuple[int, ...]


def require_index(name: str, index: TensorType) -> None:
    """Raise IndexError unless `index` has an integer dtype."""
    if index.dtype.kind != "i" or index.dtype.itemsize < 4:
        raise IndexError(
            operands_message(f"{name}(): Expected dtype int32/int64 for index", index=index)
        )


def check_bounds(name: str, index: Array, size: int) -> None:
    """Raise IndexError if an index lies outside [0, size)."""
    if index.size and index.view(np.uint64 if index.itemsize == 8 else np.uint32).max() >= size:
        wrong = index[(index < 0) | (index >= size)].flat[0]
        raise IndexError(
            operands_message(f"{name}: index {wrong} is out of range for dimension of size {size}")
        )


# ---- take and index_add


def _taken_shape(x: TensorType, index: TensorType, dim: int) -> Shape:
    return (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :])


def _take_type(x: TensorType, index: TensorType, *, dim: int) -> TensorType:
    require_dim("take", x, dim)
    require_index("take", index)
    return TensorType(x.dtype, _taken_shape(x, index, dim))


def _take(x: Array, index: Array, *, dim: int) -> Any:
    check_bounds("take", index, x.shape[dim])
    return np.asarray(x.take(index, axis=dim))


# take(x, index, dim=): the slices of x along dim that index names; embedding is take(w, i, dim=0)
take = declare(
    "take", "index", "x index", _take_type, _take,
    vjp=(lambda g, x_type, index, dim: index_add(zeros(x_type), index, g, dim=dim), None),
    samples=lambda: [
        ((normal(5, 3), integers(0, 5, 4)), {"dim": 0}),
        ((normal(5, 3), integers(0, 5, 2, 4)), {"dim": 0}),
        ((normal(2, 5, 3), integers(0, 5, 4, dtype=np.int32)), {"dim": 1}),
        ((normal(5, 3), integers(0, 3)), {"dim": 1}),
    ],
)  # fmt: skip


def _index_add_type(x: TensorType, index: TensorType, v: TensorType, *, dim: int) -> TensorType:
    part = _take_type(x, index, dim=dim)
    require(
        v == part, f"index_add: the part written to is {part}, the value {v}", x=x, index=index, v=v
    )
    return x


def _index_add(x: Array, index: Array, v: Array, *, dim: int) -> Array:
    check_bounds("index_add", index, x.shape[dim])
    y = x.copy()
    rows = y if dim == 0 else np.moveaxis(y, dim, 0)
    if index.ndim != 1 or dim:
        v = np.moveaxis(v, range(dim, dim + index.ndim), range(index.ndim))
        v = v.reshape(index.size, *rows.shape[1:])
    add_rows(rows, index.reshape(-1), v)
    return y


# index_add(x, index, v, dim=): x with the slices of v added where index says; the adjoint of take
index_add: Op = declare(
    "index_add", "index", "x index v", _index_add_type, widened(_index_add),
    vjp=(SAME, None, lambda g, index, dim: take(g, index, dim=dim)),
    samples=lambda: [
        ((normal(5, 3), integers(0, 5, 7), normal(7, 3, seed=1)), {"dim": 0}),
        ((normal(5, 3), integers(0, 5, 2, 4), normal(2, 4, 3, seed=1)), {"dim": 0}),
        ((normal(2, 5, 3), integers(0, 5, 4), normal(2, 4, 3, seed=1)), {"dim": 1}),
        ((normal(5, 3), integers(0, 3), normal(5, seed=1)), {"dim": 1}),
    ],
)  # fmt: skip


# ---- gather, scatter_add, scatter


def _require_gatherable(name: str, x: TensorType, index: TensorType, dim: int) -> None:
    require_dim(name, x, dim)
    require_index(name, index)
    fits = index.ndim == x.ndim and all(
        i <= n for d, (i, n) in enumerate(zip(index.shape, x.shape, strict=True)) if d != dim
    )
    require(
        fits,
        f"Size does not match at dimension: index {index} must fit inside {x} apart from dimension {dim}",
        x=x,
        index=index,
    )


def _gather_type(x: TensorType, index: TensorType, *, dim: int) -> TensorType:
    _require_gatherable("gather", x, index, dim)
    return TensorType(x.dtype, index.shape)


def _grid(index: Array, dim: int) -> tuple[Array, ...]:
    """The index of every element: `index` along dim, its own position elsewhere."""
    rank = index.ndim
    return tuple(
        index if d == dim else np.arange(n).reshape((1,) * d + (n,) + (1,) * (rank - d - 1))
        for d, n in enumerate(index.shape)
    )


def _gather(x: Array, index: Array, *, dim: int) -> Any:
    check_bounds("gather", index, x.shape[dim])
    return x[_grid(index, dim)]


# gather(x, index, dim=): y[i, j] = x[index[i, j], j] for dim=0
gather = declare(
    "gather", "index", "x index", _gather_type, _gather,
    vjp=(lambda g, x_type, index, dim: scatter_add(zeros(x_type), index, g, dim=dim), None),
    samples=lambda: [
        ((normal(5, 3), integers(0, 5, 4, 3)), {"dim": 0}),
        ((normal(5, 3), integers(0, 3, 2, 7)), {"dim": 1}),
        ((normal(2, 3, 4), integers(0, 4, 2, 3, 1)), {"dim": 2}),
    ],
)  # fmt: skip


def _scatter_type(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, index: TensorType, v: TensorType, *, dim: int) -> TensorType:
        _require_gatherable(name, x, index, dim)
        fits = v.dtype is x.dtype and v.shape == index.shape
        require(
            fits,
            f"{name}: the value must be {x.dtype.short} with the index's shape",
            x=x,
            index=index,
            v=v,
        )
        return x

    return infer


def _scatter_add(x: Array, index: Array, v: Array, *, dim: int) -> Array:
    check_bounds("scatter_add", index, x.shape[dim])
    y = x.copy()
    add_at(y, _grid(index, dim), v)
    return y


def _scatter(x: Array, index: Array, v: Array, *, dim: int) -> Array:
    check_bounds("scatter", index, x.shape[dim])
    y = x.copy()
    y[_grid(index, dim)] = v
    return y


# scatter_add(x, index, v, dim=): x with v added at index; the adjoint of gather
scatter_add: Op = declare(
    "scatter_add", "index", "x index v", _scatter_type("scatter_add"), widened(_scatter_add),
    vjp=(SAME, None, lambda g, index, dim: gather(g, index, dim=dim)),
    samples=lambda: [
        ((normal(5, 3), integers(0, 5, 7, 3), normal(7, 3, seed=1)), {"dim": 0}),
        ((normal(5, 3), integers(0, 3, 2, 7), normal(2, 7, seed=1)), {"dim": 1}),
    ],
)  # fmt: skip

# scatter(x, index, v, dim=): x with v written at index; of several writes to one place the last stays
scatter: Op = declare(
    "scatter", "index", "x index v", _scatter_type("scatter"), _scatter,
    vjp=(
        lambda g, index, v_type, dim: scatter(g, index, zeros(v_type), dim=dim),
        None,
        lambda g, index, dim: gather(g, index, dim=dim),
    ),
    samples=lambda: [
        ((normal(5, 3), np.array([[0, 3, 1], [4, 1, 2]]), normal(2, 3, seed=1)), {"dim": 0}),
        ((flags(3, 4), np.array([[0, 3], [2, 1]]), flags(2, 2, seed=1)), {"dim": 1}),
    ],
)  # fmt: skip


# ---- index and index_put


def _index_place(dims: Shape) -> int:
    """Where the indices' dimensions appear: in place of adjacent dims, else at the front."""
    return dims[0] if list(dims) == list(range(dims[0], dims[-1] + 1)) else 0


def _index_type(x: TensorType, *indices: TensorType, dims: Shape) -> TensorType:
    for d, i in zip(dims, indices, strict=True):
        require_dim("index", x, d)
        require_index("index", i)
    require(
        all(i.shape == indices[0].shape for i in indices) and list(dims) == sorted(set(dims)),
        "index: indices must have one shape and dims must increase",
        x=x,
        **{f"indices[{j}]": t for j, t in enumerate(indices)},
    )
    rest = [n for d, n in enumerate(x.shape) if d not in dims]
    place = _index_place(dims)
    return TensorType(x.dtype, (*rest[:place], *indices[0].shape, *rest[place:]))


def _key(name: str, x: Array, indices: tuple[Array, ...], dims: Shape) -> tuple[Any, ...]:
    for d, i in zip(dims, indices, strict=True):
        check_bounds(name, i, x.shape[d])
    key: list[Any] = [slice(None)] * (dims[-1] + 1)
    for d, i in zip(dims, indices, strict=True):
        key[d] = i
    return tuple(key)


def _index(x: Array, *indices: Array, dims: Shape) -> Any:
    return np.asarray(x[_key("index", x, indices, dims)])


def _index_put_type(
    x: TensorType, v: TensorType, *indices: TensorType, dims: Shape, accumulate: bool = False
) -> TensorType:
    part = _index_type(x, *indices, dims=dims)
    require(v == part, f"index_put: the part written to is {part}, the value {v}", x=x, v=v)
    return x


def _index_put(x: Array, v: Array, *indices: Array, dims: Shape, accumulate: bool = False) -> Array:
    key = _key("index_put", x, indices, dims)
    y = x.copy()
    if accumulate:
        add_at(y, key, v)
    else:
        y[key] = v
    return y


def _index_rule(
    g: Any, x_type: TensorType, indices: tuple[Any, ...], dims: Shape
) -> tuple[Any, ...]:
    return (index_put(zeros(x_type), g, *indices, dims=dims, accumulate=True),)


def _index_put_rule(
    g: Any, v_type: TensorType, indices: tuple[Any, ...], dims: Shape, accumulate: bool = False
) -> tuple[Any, ...]:
    rest = g if accumulate else index_put(g, zeros(v_type), *indices, dims=dims, accumulate=False)
    return rest, index(g, *indices, dims=dims)


def _index_samples() -> list[Case]:
    x, i, j = normal(4, 5, 3), integers(0, 3, 6), integers(0, 3, 6, seed=1)
    return [
        ((x, i), {"dims": (0,)}),
        ((x, i), {"dims": (1,)}),
        ((x, i, j), {"dims": (0, 1)}),
        ((x, i, j), {"dims": (0, 2)}),
        ((x, i.reshape(2, 3), j.reshape(2, 3)), {"dims": (1, 2)}),
    ]


def _index_put_samples() -> list[Case]:
    found: list[Case] = []
    for (x, *indices), attrs in _index_samples():
        v = normal(*_index(x, *indices, **attrs).shape, seed=5)
        found.append(((x, v, *indices), {**attrs, "accumulate": True}))
    x, i, j = normal(4, 5), np.array([0, 2, 3]), np.array([4, 0, 1])
    found.append(((x, normal(3, seed=5), i, j), {"dims": (0, 1), "accumulate": False}))
    found.append(((x, normal(3, 5, seed=5), i), {"dims": (0,), "accumulate": False}))
    return found


# index(x, *indices, dims=): x[i, :, j] for dims=(0, 2); all indices have one shape
index = declare(
    "index",
    "index",
    "x *indices",
    _index_type,
    _index,
    vjp=Joint(_index_rule),
    samples=_index_samples,
)

# index_put(x, v, *indices, dims=, accumulate=False): x with v written (or added) there
index_put = declare(
    "index_put", "index", "x v *indices", _index_put_type, widened(_index_put), vjp=Joint(_index_put_rule),
    samples=_index_put_samples,
)  # fmt: skip
