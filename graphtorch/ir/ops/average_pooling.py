"""Average over sliding windows, its backward op, and the average over a grid of given size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import declare
from ..types import TensorType
from .creation import full
from .derived import derived
from .inference import require, require_kind
from .kernels import Array, widened
from .reduction import mean, restored, sum
from .region import concat, pad, windows_add
from .samples import Case, normal
from .view import expand, reshape, windows
from .view import slice as slice_
from .window import Shape, Window

Divisor = int | None


def _type(
    x: TensorType, *, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool = True, divisor: Divisor = None,
) -> TensorType:  # fmt: skip
    require_kind("avg_pool", x, "f")
    window = Window.over(x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    window.check("avg_pool", x)
    require(divisor != 0, "divisor must be not zero", x=x)
    return TensorType(x.dtype, (*x.shape[: x.ndim - len(kernel)], *window.out))


def _common_count(window: Window, count_include_pad: bool, divisor: Divisor) -> Divisor:
    """What every window's sum is divided by, or None if windows differ."""
    if divisor is not None:
        return divisor
    inside = all(h <= p for h, p in zip(window.high, window.padding, strict=True))
    alike = inside and (count_include_pad or not any(window.padding))
    return math.prod(window.kernel) if alike else None


def _region(window: Window, count_include_pad: bool) -> list[tuple[int, int]]:
    """The elements of the padded input that count: where they begin and how many they are."""
    dims = zip(window.size, window.padding, window.padded_size, strict=True)
    return [(0, min(s + 2 * p, n)) if count_include_pad else (p, s) for s, p, n in dims]


def _averaged(total: Array, window: Window, count_include_pad: bool, divisor: Divisor) -> Array:
    """Sums of windows divided by how many elements count, in new memory."""
    n = _common_count(window, count_include_pad, divisor)
    if n is not None:
        return np.asarray(total / total.dtype.type(n))
    for dim, (begin, length) in enumerate(_region(window, count_include_pad)):
        start = window.starts(dim) + window.padding[dim]
        stop = np.minimum(start + window.kernel[dim], begin + length)
        count = (stop - np.maximum(start, begin)).astype(total.dtype)
        total = total / count.reshape([-1 if d == dim else 1 for d in range(len(window.size))])
    return total


def _averaged_ops(total: Any, window: Window, count_include_pad: bool, divisor: Divisor) -> Any:
    """`_averaged` as ops: the counts are the windows of a box of ones."""
    n = _common_count(window, count_include_pad, divisor)
    if n is not None:
        return total / float(n)
    region = _region(window, count_include_pad)
    box = full(shape=tuple(n for _, n in region), value=1.0, dtype=total.dtype)
    low = tuple(begin for begin, _ in region)
    high = tuple(m - b - n for m, (b, n) in zip(window.padded_size, region, strict=True))
    ndim = len(window.size)
    counted = windows(
        pad(box, low=low, high=high, value=0.0),
        dims=tuple(range(ndim)), sizes=window.kernel, strides=window.stride,
    )  # fmt: skip
    counts = sum(counted, dims=tuple(range(ndim, 2 * ndim)))
    return total / expand(counts, shape=tuple(total.shape))


def _avg_pool(
    x: Array, *, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool = True, divisor: Divisor = None,
) -> Array:  # fmt: skip
    window = Window.over(x.shape, kernel, stride, padding, ceil_mode=ceil_mode)
    whole = window.padded(x)
    total = np.zeros((*x.shape[: x.ndim - len(kernel)], *window.out), x.dtype)
    for key in window.taps():
        total += whole[key]
    return _averaged(total, window, count_include_pad, divisor)


def _decomposed(
    x: Any, *, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool = True, divisor: Divisor = None,
) -> Any:  # fmt: skip
    window = Window.over(tuple(x.shape), kernel, stride, padding, ceil_mode=ceil_mode)
    ndim, lead = x.ndim, x.ndim - len(kernel)
    zeros = (0,) * lead
    whole = pad(x, low=(*zeros, *window.padding), high=(*zeros, *window.high), value=0.0)
    inner = windows(
        whole, dims=tuple(range(lead, ndim)), sizes=window.kernel, strides=window.stride
    )
    total = sum(inner, dims=tuple(range(ndim, ndim + len(kernel))))
    return _averaged_ops(total, window, count_include_pad, divisor)


def _backward_type(
    dy: TensorType, *, shape: Shape, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool, divisor: Divisor,
) -> TensorType:  # fmt: skip
    x = TensorType(dy.dtype, tuple(shape))
    y = _type(
        x, kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode,
        count_include_pad=count_include_pad, divisor=divisor,
    )  # fmt: skip
    require(dy == y, f"avg_pool_backward: an input {x} gives {y}, not {dy}", dy=dy)
    return x


def _backward(
    dy: Array, *, shape: Shape, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool, divisor: Divisor,
) -> Array:  # fmt: skip
    window = Window.over(shape, kernel, stride, padding, ceil_mode=ceil_mode)
    share = _averaged(dy, window, count_include_pad, divisor)
    whole = np.zeros((*shape[: len(shape) - len(kernel)], *window.padded_size), dy.dtype)
    for key in window.taps():
        whole[key] += share
    return np.ascontiguousarray(whole[window.inner])


def _backward_decomposed(
    dy: Any, *, shape: Shape, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool, divisor: Divisor,
) -> Any:  # fmt: skip
    window = Window.over(shape, kernel, stride, padding, ceil_mode=ceil_mode)
    ndim, lead = len(shape), len(shape) - len(kernel)
    share = _averaged_ops(dy, window, count_include_pad, divisor)
    wide = restored(share, (*dy.shape, *kernel), tuple(range(ndim, ndim + len(kernel))))
    whole = (*shape[:lead], *window.padded_size)
    total = windows_add(
        wide, shape=whole, dims=tuple(range(lead, ndim)), sizes=window.kernel, strides=window.stride
    )
    starts = (*(0,) * lead, *window.padding)
    stops = tuple(a + n for a, n in zip(starts, shape, strict=True))
    return slice_(total, starts=starts, stops=stops, steps=(1,) * ndim)


def _rule(
    g: Any, x_type: TensorType, kernel: Shape, stride: Shape, padding: Shape, ceil_mode: bool,
    count_include_pad: bool, divisor: Divisor,
) -> Any:  # fmt: skip
    return avg_pool_backward(
        g, shape=x_type.shape, kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode,
        count_include_pad=count_include_pad, divisor=divisor,
    )  # fmt: skip


def _backward_rule(
    g: Any,
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: Divisor,
) -> Any:
    return avg_pool(
        g, kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode,
        count_include_pad=count_include_pad, divisor=divisor,
    )  # fmt: skip


def _samples() -> list[Case]:
    def window(
        kernel: Shape,
        stride: Shape,
        padding: Shape,
        ceil_mode: bool = False,
        count: bool = True,
        divisor: Divisor = None,
    ) -> dict[str, Any]:
        return dict(
            kernel=kernel,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count,
            divisor=divisor,
        )

    return [
        ((normal(2, 3, 6, 8),), window((2, 2), (2, 2), (0, 0))),
        ((normal(2, 3, 7, 6),), window((3, 2), (2, 1), (1, 1))),
        ((normal(2, 3, 7, 6),), window((3, 2), (2, 1), (1, 1), count=False)),
        ((normal(2, 3, 8, 7),), window((3, 2), (2, 3), (1, 1), ceil_mode=True)),
        ((normal(2, 3, 8, 7),), window((3, 2), (2, 3), (1, 0), ceil_mode=True, count=False)),
        ((normal(2, 9),), window((3,), (2,), (1,), divisor=2)),
    ]


def _backward_samples() -> list[Case]:
    return [
        ((normal(*_avg_pool(x, **attrs).shape, seed=3),), {"shape": x.shape, **attrs})
        for (x,), attrs in _samples()
    ]


# avg_pool(x, kernel=, stride=, padding=, ceil_mode=, count_include_pad=True, divisor=None)
avg_pool = declare(
    "avg_pool", "composite", "x", _type, widened(_avg_pool), decompose=_decomposed, vjp=(_rule,),
    samples=_samples,
)  # fmt: skip

# avg_pool_backward(dy, shape=, and the attributes of avg_pool)
avg_pool_backward = declare(
    "avg_pool_backward", "composite", "dy", _backward_type, widened(_backward),
    decompose=_backward_decomposed, vjp=(_backward_rule,), samples=_backward_samples,
)  # fmt: skip


# ---- adaptive


def _adaptive_type(x: TensorType, *, output: Shape) -> TensorType:
    require_kind("adaptive_avg_pool", x, "f")
    require(
        len(output) <= x.ndim and min(output) >= 0,
        f"adaptive_avg_pool: output size {output} does not fit",
        x=x,
    )
    return TensorType(x.dtype, (*x.shape[: x.ndim - len(output)], *output))


def _cells(size: int, n: int) -> list[tuple[int, int]]:
    """Where the n cells of a dimension begin and end; neighbours may overlap by one element."""
    return [(i * size // n, -(-(i + 1) * size // n)) for i in range(n)]


def _adaptive(x: Array, *, output: Shape) -> Array:
    for dim, n in enumerate(output, x.ndim - len(output)):
        lead = (slice(None),) * dim
        parts = [
            x[(*lead, slice(a, b))].mean(axis=dim, dtype=x.dtype)
            for a, b in _cells(x.shape[dim], n)
        ]
        shape = (*x.shape[:dim], 0, *x.shape[dim + 1 :])
        x = np.stack(parts, axis=dim) if parts else np.empty(shape, x.dtype)
    return x


def _adaptive_decomposed(x: Any, *, output: Shape) -> Any:
    for dim, n in enumerate(output, x.ndim - len(output)):
        shape = tuple(x.shape)
        kept = (*shape[:dim], 1, *shape[dim + 1 :])
        if not n:
            x = full(shape=(*shape[:dim], 0, *shape[dim + 1 :]), value=0.0, dtype=x.dtype)
            continue
        if shape[dim] % n == 0:
            split = reshape(x, shape=(*shape[:dim], n, shape[dim] // n, *shape[dim + 1 :]))
            x = mean(split, dims=(dim + 1,))
            continue
        parts = []
        for a, b in _cells(shape[dim], n):
            starts = tuple(a if d == dim else 0 for d in range(len(shape)))
            stops = tuple(b if d == dim else size for d, size in enumerate(shape))
            cell = slice_(x, starts=starts, stops=stops, steps=(1,) * len(shape))
            parts.append(reshape(mean(cell, dims=(dim,)), shape=kept))
        x = concat(*parts, dim=dim)
    return x


# adaptive_avg_pool(x, output=): the trailing dimensions averaged down to a grid of that size
adaptive_avg_pool = declare(
    "adaptive_avg_pool", "composite", "x", _adaptive_type, widened(_adaptive), decompose=_adaptive_decomposed,
    vjp=derived("adaptive_avg_pool", "x", _adaptive_type, _adaptive_decomposed),
    samples=lambda: [((normal(2, 3, 6, 7),), {"output": o}) for o in ((1, 1), (3, 3), (4, 7), (8, 2))],
)  # fmt: skip
