"""Ops on rectangular parts: replacing, padding, joining, triangles.

Adjoint pairs: slice / slice_update, diagonal / diagonal_update, windows / windows_add, pad / slice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Joint, Op, declare
from ..types import TensorType, int64
from . import view
from .creation import full, iota
from .inference import REALS, operands_message, require, require_dim, require_kind
from .kernels import Array, quiet, widened
from .pointwise import ge, le, where
from .samples import normal

Shape = tuple[int, ...]


def zeros(type: TensorType) -> Any:
    """A zero of the given type."""
    return full(shape=tuple(type.shape), value=0.0, dtype=type.dtype)


# ---- pick


def _pick_type(x: tuple[TensorType, ...], *, index: int) -> TensorType:
    if not isinstance(x, tuple):
        raise TypeError(f"pick needs a value with several outputs, got {x}")
    return x[index]


# pick(x, index=): one output of an op that has several; transforms treat it by name
pick = declare("pick", "index", "x", _pick_type, lambda x, *, index: x[index])


# ---- slice_update


def _slice_update_type(
    x: TensorType, v: TensorType, *, starts: Shape, stops: Shape, steps: Shape
) -> TensorType:
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


def _diagonal_update_type(
    x: TensorType, v: TensorType, *, offset: int, dim1: int, dim2: int
) -> TensorType:
    part = view.diagonal.infer(x, offset=offset, dim1=dim1, dim2=dim2)
    require(v == part, f"diagonal_update: the diagonal is {part}, the value {v}", x=x, v=v)
    return x


def _diagonal_update(x: Array, v: Array, **attrs: int) -> Array:
    y = x.copy()
    assert view.diagonal.numpy is not None
    view.diagonal.numpy(y, **attrs)[...] = v
    return y


# diagonal_update(x, v, offset=, dim1=, dim2=): x with the diagonal replaced by v
diagonal_update: Op = declare(
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
def _pad(x: Array, *, low: Shape, high: Shape, value: Any = 0) -> Any:
    shape = [a + n + b for a, n, b in zip(low, x.shape, high, strict=True)]
    y: Any = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
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
        if not alike or any(
            a != b for d, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if d != dim
        ):
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
def _concatenated(*xs: np.ndarray, dim: int) -> np.ndarray:
    first = xs[0]
    shape = list(first.shape)
    shape[dim] = sum([x.shape[dim] for x in xs])
    # row-major whatever the operands' order: NumPy alone would keep theirs
    return np.concatenate(xs, axis=dim, out=np.empty(shape, first.dtype))


concat = declare(
    "concat", "index", "*xs", _concat_type, _concatenated, vjp=Joint(_concat_rule),
    samples=lambda: [
        ((normal(2, 3), normal(2, 1, seed=1), normal(2, 2, seed=2)), {"dim": 1}),
        ((normal(2, 3), normal(0, 3)), {"dim": 0}),
        ((normal(4),), {"dim": 0}),
    ],
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

        rows, columns = x.shape[-2:]
        i = view.expand(
            view.reshape(iota(length=rows, start=diagonal, step=1, dtype=int64), shape=(rows, 1)),
            shape=tuple(x.shape),
        )
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
