"""Ops that read or write other elements than their own position: gathering, scattering, joining.

Adjoint pairs stand side by side: slice / slice_update, take / index_add, gather / scatter_add,
index / index_put, windows / windows_add.  Indices are int64 or int32 and lie in [0, size); negative
ones are made positive by the frontend.  An index outside raises IndexError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import SAME, Joint, Op, declare
from ..types import TensorType
from . import view
from .creation import full
from .inference import REALS, operands_message, require, require_dim, require_kind
from .kernels import Array, quiet, widened
from .samples import Case, flags, integers, normal
from .scatter import add_rows, add_at

Shape = tuple[int, ...]


def zeros(type: TensorType) -> Any:
    """A zero of the given type."""
    return full(shape=tuple(type.shape), value=0.0, dtype=type.dtype)


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


# ---- pick


def _pick_type(x: tuple[TensorType, ...], *, index: int) -> TensorType:
    if not isinstance(x, tuple):
        raise TypeError(f"pick needs a value with several outputs, got {x}")
    return x[index]


# pick(x, index=): one output of an op that has several; transforms treat it by name
pick = declare("pick", "index", "x", _pick_type, lambda x, *, index: x[index])


# ---- slice_update


def _slice_update_type(x: TensorType, v: TensorType, *, starts: Shape, stops: Shape, steps: Shape) -> TensorType:
    part = view.slice.infer(x, starts=starts, stops=stops, steps=steps)
    require(v == part, f"slice_update: the slice is {part}, the value {v}", x=x, v=v)
    return x


def _slice_update(x: Array, v: Array, *, starts: Shape, stops: Shape, steps: Shape) -> Array:
    y = x.copy()
    y[(*view.slices(starts, stops, steps), ...)] = v
    return y


def _slice_update_x(g: Any, v_type: TensorType, starts: Shape, stops: Shape, steps: Shape) -> Any:
    return slice_update(g, zeros(v_type), starts=starts, stops=stops, steps=steps)


def _slice_update_v(g: Any, starts: Shape, stops: Shape, steps: Shape) -> Any:
    return view.slice(g, starts=starts, stops=stops, steps=steps)


# slice_update(x, v, starts=, stops=, steps=): x with the slice replaced by v
slice_update = declare(
    "slice_update", "index", "x v", _slice_update_type, _slice_update, vjp=(_slice_update_x, _slice_update_v),
    samples=lambda: [
        ((normal(5, 6), normal(3, 6, seed=1)), {"starts": (1, 0), "stops": (4, 6), "steps": (1, 1)}),
        ((normal(5, 6), normal(3, 2, seed=1)), {"starts": (0, 1), "stops": (5, 6), "steps": (2, 3)}),
        ((normal(), normal(seed=1)), {"starts": (), "stops": (), "steps": ()}),
    ],
)  # fmt: skip


# ---- diagonal_update


def _diagonal_update_type(x: TensorType, v: TensorType, *, offset: int, dim1: int, dim2: int) -> TensorType:
    part = view.diagonal.infer(x, offset=offset, dim1=dim1, dim2=dim2)
    require(v == part, f"diagonal_update: the diagonal is {part}, the value {v}", x=x, v=v)
    return x


def _diagonal_update(x: Array, v: Array, **attrs: int) -> Array:
    y = x.copy()
    assert view.diagonal.numpy is not None
    view.diagonal.numpy(y, **attrs)[...] = v
    return y


# diagonal_update(x, v, offset=, dim1=, dim2=): x with the diagonal replaced by v
diagonal_update = declare(
    "diagonal_update", "index", "x v", _diagonal_update_type, _diagonal_update,
    vjp=(
        lambda g, v_type, offset, dim1, dim2: diagonal_update(g, zeros(v_type), offset=offset, dim1=dim1, dim2=dim2),
        lambda g, offset, dim1, dim2: view.diagonal(g, offset=offset, dim1=dim1, dim2=dim2),
    ),
    samples=lambda: [
        ((normal(3, 4), normal(3, seed=1)), {"offset": 0, "dim1": 0, "dim2": 1}),
        ((normal(2, 3, 4), normal(3, 2, seed=1)), {"offset": 1, "dim1": 0, "dim2": 2}),
    ],
)  # fmt: skip


# ---- pad


def _pad_type(x: TensorType, *, low: Shape, high: Shape, value: Any = 0) -> TensorType:
    valid = len(low) == len(high) == x.ndim and min((*low, *high), default=0) >= 0
    require(valid, f"pad: {low}, {high} must be {x.ndim} non-negative sizes each", x=x)
    return TensorType(x.dtype, tuple(a + n + b for a, n, b in zip(low, x.shape, high, strict=True)))


@quiet
def _pad(x: Array, *, low: Shape, high: Shape, value: Any = 0) -> Array:
    shape = [a + n + b for a, n, b in zip(low, x.shape, high, strict=True)]
    y = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
    y[(*(slice(a, a + n) for a, n in zip(low, x.shape, strict=True)), ...)] = x
    return y


def _pad_rule(g: Any, x_type: TensorType, low: Shape) -> Any:
    stops = tuple(a + n for a, n in zip(low, x_type.shape, strict=True))
    return view.slice(g, starts=tuple(low), stops=stops, steps=(1,) * len(low))


# pad(x, low=, high=, value=0): that many elements before and after in every dimension
pad = declare(
    "pad", "index", "x", _pad_type, _pad, vjp=(_pad_rule,),
    samples=lambda: [
        ((normal(2, 3),), {"low": (1, 0), "high": (0, 2), "value": 0}),
        ((normal(2, 3),), {"low": (0, 1), "high": (1, 1), "value": -1.5}),
        ((normal(0, 3),), {"low": (1, 0), "high": (0, 0), "value": 2.0}),
    ],
)  # fmt: skip


# ---- concat


def _concat_type(*xs: TensorType, dim: int) -> TensorType:
    if not xs:
        raise RuntimeError(operands_message("concat: expected a non-empty list of Tensors"))
    first = xs[0]
    require_dim("concat", first, dim)
    for i, x in enumerate(xs):
        alike = x.dtype is first.dtype and x.ndim == first.ndim
        if not alike or any(a != b for d, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if d != dim):
            raise RuntimeError(
                operands_message(
                    f"Sizes of tensors must match except in dimension {dim}."
                    f" Expected {first} but got {x} for tensor number {i} in the list.",
                    **{f"xs[{j}]": t for j, t in enumerate(xs)},
                )
            )
    shape = list(first.shape)
    shape[dim] = sum(x.shape[dim] for x in xs)
    return TensorType(first.dtype, tuple(shape))


def _concat_rule(g: Any, xs_type: tuple[TensorType, ...], dim: int) -> tuple[Any, ...]:
    shape, found, start = tuple(g.shape), [], 0
    for x in xs_type:
        stop = start + x.shape[dim]
        found.append(
            view.slice(
                g,
                starts=tuple(start if d == dim else 0 for d in range(len(shape))),
                stops=tuple(stop if d == dim else n for d, n in enumerate(shape)),
                steps=(1,) * len(shape),
            )
        )
        start = stop
    return tuple(found)


# concat(*xs, dim=): one after the other along dim
concat = declare(
    "concat", "index", "*xs", _concat_type, lambda *xs, dim: np.concatenate(xs, axis=dim), vjp=Joint(_concat_rule),
    samples=lambda: [
        ((normal(2, 3), normal(2, 1, seed=1), normal(2, 2, seed=2)), {"dim": 1}),
        ((normal(2, 3), normal(0, 3)), {"dim": 0}),
        ((normal(4),), {"dim": 0}),
    ],
)  # fmt: skip


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
    require(v == part, f"index_add: the part written to is {part}, the value {v}", x=x, index=index, v=v)
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
index_add = declare(
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
    require(fits, f"Size does not match at dimension: index {index} must fit inside {x} apart from dimension {dim}", x=x, index=index)


def _gather_type(x: TensorType, index: TensorType, *, dim: int) -> TensorType:
    _require_gatherable("gather", x, index, dim)
    return TensorType(x.dtype, index.shape)


def _grid(index: Array, dim: int) -> tuple[Array, ...]:
    """The index of every element: `index` along dim, its own position elsewhere."""
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[dim] = index
    return tuple(grid)


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
        require(fits, f"{name}: the value must be {x.dtype.short} with the index's shape", x=x, index=index, v=v)
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
scatter_add = declare(
    "scatter_add", "index", "x index v", _scatter_type("scatter_add"), widened(_scatter_add),
    vjp=(SAME, None, lambda g, index, dim: gather(g, index, dim=dim)),
    samples=lambda: [
        ((normal(5, 3), integers(0, 5, 7, 3), normal(7, 3, seed=1)), {"dim": 0}),
        ((normal(5, 3), integers(0, 3, 2, 7), normal(2, 7, seed=1)), {"dim": 1}),
    ],
)  # fmt: skip

# scatter(x, index, v, dim=): x with v written at index; of several writes to one place the last stays
scatter = declare(
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


def _index_rule(g: Any, x_type: TensorType, indices: tuple[Any, ...], dims: Shape) -> tuple[Any, ...]:
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
index = declare("index", "index", "x *indices", _index_type, _index, vjp=Joint(_index_rule), samples=_index_samples)

# index_put(x, v, *indices, dims=, accumulate=False): x with v written (or added) there
index_put = declare(
    "index_put", "index", "x v *indices", _index_put_type, widened(_index_put), vjp=Joint(_index_put_rule),
    samples=_index_put_samples,
)  # fmt: skip


# ---- windows_add


def _windows_add_type(
    g: TensorType, *, shape: Shape, dims: Shape, sizes: Shape, strides: Shape
) -> TensorType:
    x = TensorType(g.dtype, tuple(shape))
    part = view.windows.infer(x, dims=dims, sizes=sizes, strides=strides)
    require(g == part, f"windows_add: windows of {x} are {part}, got {g}", g=g)
    return x


def _windows_add(g: Array, *, shape: Shape, dims: Shape, sizes: Shape, strides: Shape) -> Array:
    y = np.zeros(shape, g.dtype)
    counts = g.shape
    for offsets in np.ndindex(*sizes):
        key: list[Any] = [slice(None)] * len(shape)
        for d, start, step in zip(dims, offsets, strides, strict=True):
            key[d] = slice(start, start + step * (counts[d] - 1) + 1, step)
        if all(counts[d] for d in dims):
            y[tuple(key)] += g[(..., *offsets)]
    return y


# windows_add(g, shape=, dims=, sizes=, strides=): overlapping windows summed; the adjoint of windows
windows_add = declare(
    "windows_add", "index", "x", _windows_add_type, widened(_windows_add),
    vjp=(lambda g, dims, sizes, strides: view.windows(g, dims=dims, sizes=sizes, strides=strides),),
    samples=lambda: [
        ((normal(2, 3, 3),), {"shape": (2, 7), "dims": (1,), "sizes": (3,), "strides": (2,)}),
        ((normal(2, 4, 2, 2, 3),), {"shape": (2, 5, 6), "dims": (1, 2), "sizes": (2, 3), "strides": (1, 2)}),
    ],
)  # fmt: skip


# ---- tril and triu


def _triangle_type(x: TensorType, *, diagonal: int = 0) -> TensorType:
    require(x.ndim >= 2, "tril and triu want at least 2 dimensions", x=x)
    require_kind("triangle", x, REALS)
    return x


def _triangle(name: str, numpy: Callable[..., Array], lower: bool) -> Op:
    def decomposed(x: Any, *, diagonal: int = 0) -> Any:
        from .creation import iota
        from .pointwise import ge, le, where
        from ..types import int64

        rows, columns = x.shape[-2:]
        i = view.expand(view.reshape(iota(length=rows, start=diagonal, step=1, dtype=int64), shape=(rows, 1)), shape=tuple(x.shape))
        j = view.expand(iota(length=columns, start=0, step=1, dtype=int64), shape=tuple(x.shape))
        return where(le(j, i) if lower else ge(j, i), x, 0)

    return declare(
        name, "composite", "x", _triangle_type, lambda x, *, diagonal=0: numpy(x, diagonal), decompose=decomposed,
        vjp=(lambda g, diagonal=0: (tril if lower else triu)(g, diagonal=diagonal),),
        samples=lambda: [((normal(4, 3),), {"diagonal": k}) for k in (-1, 0, 1)] + [((normal(2, 3, 3),), {"diagonal": 0})],
    )  # fmt: skip


# tril(x, diagonal=0), triu(x, diagonal=0): one triangle of the last two dimensions, zeros elsewhere
tril = _triangle("tril", np.tril, True)
triu = _triangle("triu", np.triu, False)
