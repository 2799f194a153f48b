"""Maximum over sliding windows of the trailing dimensions, and its backward op.

Indices are positions in the flattened input plane, as PyTorch's.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Joint, declare
from ..types import BY_NUMPY, TensorType, int64
from .index import gather, require_index
from .inference import require, require_kind
from .kernels import Array, widened
from .reduction import lowest
from .samples import Case, normal
from .scatter import add_at
from .view import reshape
from .window import Shape, Window


def _type(
    x: TensorType, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[TensorType, TensorType]:
    require_kind("max_pool", x, "fiu")
    window = Window.over(x.shape, kernel, stride, padding, dilation, ceil_mode)
    window.check("max_pool", x)
    shape = (*x.shape[: x.ndim - len(kernel)], *window.out)
    return TensorType(x.dtype, shape), TensorType(int64, shape)


def _max_pool(
    x: Array, *, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool
) -> tuple[Array, Array]:
    window = Window.over(x.shape, kernel, stride, padding, dilation, ceil_mode)
    low = lowest(BY_NUMPY[x.dtype])
    whole = window.padded(x, low)
    first, *others = window.taps()
    values = whole[first].copy()
    winner = np.zeros(values.shape, np.int32)
    for number, key in enumerate(others, 1):
        v = whole[key]
        better = v > values
        better |= v != v  # of several NaN the last wins, as in PyTorch
        np.copyto(values, v, where=better)
        np.copyto(winner, number, where=better)
    positions = _positions(winner, window)
    if any(padding):  # nothing beats -inf, so there the first tap won, which may lie in the padding
        positions = np.where(values == low, _first_positions(window), positions)
    return values, positions


def _plane_strides(window: Window) -> list[int]:
    return [math.prod(window.size[d + 1 :]) for d in range(len(window.size))]


def _along(values: Array, dim: int, ndim: int) -> Array:
    return values.reshape([-1 if d == dim else 1 for d in range(ndim)])


def _positions(winner: Array, window: Window) -> Array:
    """Positions in the flattened plane, from the number of the tap that won."""
    n = len(window.size)
    offsets, starts = np.zeros((1,) * n, np.int64), np.zeros((1,) * n, np.int64)
    for dim, step in enumerate(_plane_strides(window)):
        taps = np.arange(window.kernel[dim]) * window.dilation[dim]
        offsets = offsets + _along(taps * step, dim, n)
        starts = starts + _along(window.starts(dim) * step, dim, n)
    found: Array = offsets.reshape(-1)[winner]
    found += starts
    return found


def _first_positions(window: Window) -> Array:
    """The position of every window's first tap inside the input."""
    n = len(window.size)
    found = np.zeros((1,) * n, np.int64)
    for dim, step in enumerate(_plane_strides(window)):
        start, d = window.starts(dim), window.dilation[dim]
        inside = np.where(start < 0, start + -(start // d) * d, start)
        found = found + _along(inside * step, dim, n)
    return found


def _backward_type(dy: TensorType, indices: TensorType, *, shape: Shape, pooled: int) -> TensorType:
    require_kind("max_pool_backward", dy, "f")
    require_index("max_pool_backward", indices)
    lead = len(shape) - pooled
    require(
        dy.shape == indices.shape and dy.shape[:lead] == tuple(shape[:lead]),
        f"max_pool_backward: {dy} and {indices} are not a pooled {list(shape)}",
        dy=dy,
        indices=indices,
    )
    return TensorType(dy.dtype, tuple(shape))


def _backward(dy: Array, indices: Array, *, shape: Shape, pooled: int) -> Array:
    lead = shape[: len(shape) - pooled]
    planes = math.prod(lead)
    y = np.zeros((planes, math.prod(shape[len(lead) :])), dy.dtype)
    if y.size:
        flat = indices.reshape(planes, -1) + (np.arange(planes) * y.shape[1])[:, None]
        add_at(y.reshape(-1), (flat.reshape(-1),), dy.reshape(-1))
    return y.reshape(shape)


def _rule(
    g: tuple[Any, Any], y: tuple[Any, Any], x_type: TensorType, kernel: Shape
) -> tuple[Any, ...]:
    return (max_pool_backward(g[0], y[1], shape=x_type.shape, pooled=len(kernel)),)


def _backward_rule(g: Any, indices: Any, pooled: int) -> Any:
    """The elements of g that the maxima came from."""
    shape = tuple(indices.shape)
    lead = shape[: len(shape) - pooled]
    planes = reshape(g, shape=(*lead, math.prod(g.shape[len(lead) :])))
    index = reshape(indices, shape=(*lead, math.prod(shape[len(lead) :])))
    return reshape(gather(planes, index, dim=len(lead)), shape=shape)


def _samples() -> list[Case]:
    def window(
        kernel: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil_mode: bool = False
    ) -> dict[str, Any]:
        return dict(
            kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode
        )

    return [
        ((normal(2, 3, 6, 8),), window((2, 2), (2, 2), (0, 0), (1, 1))),
        ((normal(2, 3, 7, 6),), window((3, 2), (2, 1), (1, 1), (1, 2))),
        ((normal(2, 3, 7, 6),), window((3, 2), (2, 2), (1, 0), (1, 1), ceil_mode=True)),
        ((normal(2, 9),), window((3,), (2,), (1,), (1,))),
        ((normal(1, 2, 4, 4, 5),), window((2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1))),
    ]


def _backward_samples() -> list[Case]:
    found: list[Case] = []
    for (x,), attrs in _samples():
        values, indices = _max_pool(x, **attrs)
        attributes = {"shape": x.shape, "pooled": len(attrs["kernel"])}
        found.append(((normal(*values.shape, seed=3), indices), attributes))
    return found


# max_pool(x, kernel=, stride=, padding=, dilation=, ceil_mode=): (values, indices)
max_pool = declare(
    "max_pool", "index", "x", _type, widened(_max_pool), vjp=Joint(_rule), samples=_samples,
)  # fmt: skip

# max_pool_backward(dy, indices, shape=, pooled=): dy added at the maxima; pooled: how many dimensions
max_pool_backward = declare(
    "max_pool_backward", "index", "dy indices", _backward_type, widened(_backward),
    vjp=(_backward_rule, None), samples=_backward_samples,
)  # fmt: skip
