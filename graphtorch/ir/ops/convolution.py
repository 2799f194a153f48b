"""Convolution in any number of spatial dimensions, and its two adjoints.

    conv              x[n, c, *s], w[o, c / groups, *k]  ->  y[n, o, *out]
    conv_input_grad   the adjoint in x (also the transposed convolution)
    conv_weight_grad  the adjoint in w

Each of the three is linear in both operands and its derivatives are the other two.  `stride`,
`padding` and `dilation` have one entry per spatial dimension; out = (s + 2p - d(k - 1) - 1) // t + 1.

NumPy: the windows of some images are copied into a matrix (im2col) that stays in the cache, and one
matrix product per group does the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..op import declare
from ..types import TensorType
from .inference import require, require_kind
from .kernels import Array, widened
from .samples import Case, normal

Shape = tuple[int, ...]

_COLUMNS = 1 << 20  # elements of the column matrix made at a time


def output_size(
    size: Shape, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape
) -> Shape:
    """Spatial sizes of the result."""
    return tuple(
        (s + 2 * p - d * (k - 1) - 1) // t + 1
        for s, k, t, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


# ---- types


def _check(
    name: str,
    x: TensorType,
    w: TensorType,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int,
) -> Shape:
    """Check input and weight; returns the spatial sizes of the output."""
    require_kind(name, x, "f")
    spatial = x.ndim - 2
    operands: dict[str, Any] = {"input": x, "weight": w}
    require(
        x.dtype is w.dtype,
        f"Input type ({x.dtype!r}) and weight type ({w.dtype!r}) should be the same",
        **operands,
    )
    require(
        spatial >= 1
        and w.ndim == x.ndim
        and len(stride) == len(padding) == len(dilation) == spatial,
        f"{name}: expected input[n, c, *sizes] and weight[o, c / groups, *sizes]",
        **operands,
    )
    require(
        groups >= 1 and x.shape[1] == w.shape[1] * groups and w.shape[0] % groups == 0,
        f"Given groups={groups}, weight of size {list(w.shape)}, expected input{list(x.shape)} to have"
        f" {w.shape[1] * groups} channels, but got {x.shape[1]} channels instead",
        **operands,
    )
    require(
        min(stride) >= 1 and min(dilation) >= 1 and min(padding) >= 0,
        f"{name}: non-positive stride is not supported",
        **operands,
    )
    out = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    require(
        min(out) >= 1,
        f"Calculated padded input size per channel is smaller than the kernel: {x.shape[2:]} against {w.shape[2:]}",
        **operands,
    )
    return out


def _conv_type(
    x: TensorType, w: TensorType, *, stride: Shape, padding: Shape, dilation: Shape, groups: int = 1
) -> TensorType:
    out = _check("conv", x, w, stride, padding, dilation, groups)
    return TensorType(x.dtype, (x.shape[0], w.shape[0], *out))


def _input_grad_type(
    g: TensorType,
    w: TensorType,
    *,
    input_shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int = 1,
) -> TensorType:
    x = TensorType(g.dtype, tuple(input_shape))
    y = _conv_type(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    require(g == y, f"conv_input_grad: an input {x} gives {y}, not {g}", g=g, weight=w)
    return x


def _weight_grad_type(
    g: TensorType,
    x: TensorType,
    *,
    weight_shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int = 1,
) -> TensorType:
    w = TensorType(g.dtype, tuple(weight_shape))
    y = _conv_type(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)
    require(g == y, f"conv_weight_grad: a weight {w} gives {y}, not {g}", g=g, input=x)
    return w


# ---- NumPy


def padded(x: Array, low: Shape, high: Shape, value: float = 0) -> Any:
    """x with its trailing dimensions padded; x itself if there is nothing to add."""
    if not any(low) and not any(high):
        return x
    lead = x.ndim - len(low)
    inner = x.shape[lead:]
    shape = (*x.shape[:lead], *(a + n + b for a, n, b in zip(low, inner, high, strict=True)))
    y: Any = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    y[(..., *(slice(a, a + n) for a, n in zip(low, inner, strict=True)))] = x
    return y


def _parts(images: int, columns: int) -> Iterator[slice]:
    """Runs of images whose column matrix is of a size that fits the cache."""
    step = max(1, _COLUMNS // max(columns, 1))
    return (slice(i, min(i + step, images)) for i in range(0, images, step))


def _pitch(x: Array, kernel: Shape, out: Shape, stride: Shape) -> Shape:
    """How far apart output positions lie in a column matrix, in elements.

    Dense, or for steps of one as far as in the padded image, if that wastes little: a tap's positions
    are then one piece of the image, which is copied many times faster than row by row.
    """
    across, dense = _dense(x.shape[2:]), _dense(out)
    in_rows = x.strides[2:] == tuple(p * x.itemsize for p in across)
    spacious = set(stride) == {1} and _span(out, across) <= 1.6 * math.prod(out)
    return across if in_rows and spacious and math.prod(kernel) > 1 else dense


def _dense(shape: Shape) -> Shape:
    """The pitches of a row-major array."""
    return tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))


def _span(out: Shape, pitch: Shape) -> int:
    """Elements from the first output position to the last."""
    return 1 + sum((m - 1) * p for m, p in zip(out, pitch, strict=True))


def _columns(
    x: Array, kernel: Shape, out: Shape, stride: Shape, dilation: Shape, groups: int
) -> Array:
    """Padded images as [groups, c / groups * taps, images * span], positions at their `_pitch`."""
    n, c = x.shape[:2]
    across = x.strides[2:]
    pitch = _pitch(x, kernel, out, stride)
    if _span(out, pitch) == math.prod(out):
        along = tuple(s * t for s, t in zip(across, stride, strict=True))
        shape = out
    else:
        shape, along = (_span(out, pitch),), (x.itemsize,)
    view = np.lib.stride_tricks.as_strided(
        x,
        (c, *kernel, n, *shape),
        (
            x.strides[1],
            *(s * d for s, d in zip(across, dilation, strict=True)),
            x.strides[0],
            *along,
        ),
        writeable=False,
    )
    return view.reshape(groups, c // groups * math.prod(kernel), n * math.prod(shape))


def _positions(wide: Array, out: Shape, pitch: Shape) -> Array:
    """[..., span] as [..., *out]: a view."""
    steps = tuple(p * wide.itemsize for p in pitch)
    shape = (*wide.shape[:-1], *out)
    return np.lib.stride_tricks.as_strided(wide, shape, (*wide.strides[:-1], *steps))


def _grouped(w: Array, groups: int) -> Array:
    return w.reshape(groups, w.shape[0] // groups, -1)


def _channels_first(g: Array, groups: int, pitch: Shape) -> Array:
    """[n, o, *out] as [groups, o / groups, n * span], zero between the positions."""
    n, o, *out = g.shape
    wide = np.zeros((o, n, _span(tuple(out), pitch)), g.dtype)
    _positions(wide, tuple(out), pitch)[...] = g.swapaxes(0, 1)
    return wide.reshape(groups, o // groups, -1)


def _mirrored(w: Array, groups: int) -> Array:
    """The weight with its taps reversed, and input and output channels exchanged."""
    o, c = w.shape[:2]
    taps = w[(slice(None), slice(None), *(slice(None, None, -1),) * (w.ndim - 2))]
    split = taps.reshape(groups, o // groups, c, *w.shape[2:])
    return np.swapaxes(split, 1, 2).reshape(groups * c, o // groups, *w.shape[2:])


def _conv(
    x: Array, w: Array, *, stride: Shape, padding: Shape, dilation: Shape, groups: int = 1
) -> Array:
    kernel = w.shape[2:]
    out = output_size(x.shape[2:], kernel, stride, padding, dilation)
    n, o, positions = x.shape[0], w.shape[0], math.prod(out)
    if set(kernel) | set(stride) == {1} and not any(padding) and groups == 1:
        pointwise: Array = np.matmul(w.reshape(o, -1), x.reshape(n, x.shape[1], -1))
        return pointwise.reshape(n, o, *out)
    x = padded(x, padding, padding)
    weights = _grouped(w, groups)
    y = np.empty((n, o, *out), x.dtype)
    pitch = _pitch(x, kernel, out, stride)
    for part in _parts(n, x.shape[1] * math.prod(kernel) * positions):
        columns = _columns(x[part], kernel, out, stride, dilation, groups)
        found = np.matmul(weights, columns).reshape(o, -1, _span(out, pitch))
        y[part] = _positions(found, out, pitch).swapaxes(0, 1)
    return y


def _input_grad(
    g: Array,
    w: Array,
    *,
    input_shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int = 1,
) -> Array:
    n, c = input_shape[:2]
    size, kernel, out = input_shape[2:], w.shape[2:], g.shape[2:]
    if set(kernel) | set(stride) == {1} and not any(padding) and groups == 1:
        pointwise: Array = np.matmul(w.reshape(w.shape[0], c).T, g.reshape(n, w.shape[0], -1))
        return pointwise.reshape(input_shape)
    reach = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding, strict=True))
    if set(stride) == {1} and min(reach) >= 0:  # a convolution of g with the mirrored weight
        return _conv(
            g, _mirrored(w, groups), stride=stride, padding=reach, dilation=dilation, groups=groups
        )
    weights = np.swapaxes(_grouped(w, groups), 1, 2)
    whole = np.zeros((n, c, *(s + 2 * p for s, p in zip(size, padding, strict=True))), g.dtype)
    for part in _parts(n, c * math.prod(kernel) * math.prod(out)):
        target = whole[part]
        columns = np.matmul(weights, _channels_first(g[part], groups, _dense(out)))
        columns = columns.reshape(c, *kernel, target.shape[0], *out)
        for tap in np.ndindex(*kernel):
            key = tuple(
                slice(k * d, k * d + t * (m - 1) + 1, t)
                for k, d, t, m in zip(tap, dilation, stride, out, strict=True)
            )
            target[(slice(None), slice(None), *key)] += columns[(slice(None), *tap)].swapaxes(0, 1)
    inner = tuple(slice(p, p + s) for p, s in zip(padding, size, strict=True))
    return np.ascontiguousarray(whole[(slice(None), slice(None), *inner)])


def _weight_grad(
    g: Array,
    x: Array,
    *,
    weight_shape: Shape,
    stride: Shape,
    padding: Shape,
    dilation: Shape,
    groups: int = 1,
) -> Array:
    kernel, out = weight_shape[2:], g.shape[2:]
    x = padded(x, padding, padding)
    pitch = _pitch(x, kernel, out, stride)
    total = np.zeros((groups, weight_shape[0] // groups, math.prod(weight_shape[1:])), g.dtype)
    for part in _parts(x.shape[0], x.shape[1] * math.prod(kernel) * math.prod(out)):
        columns = _columns(x[part], kernel, out, stride, dilation, groups)
        total += np.matmul(_channels_first(g[part], groups, pitch), np.swapaxes(columns, 1, 2))
    return total.reshape(weight_shape)


# ---- rows


def _cases() -> list[tuple[Shape, Shape, dict[str, Any]]]:
    def attrs(stride: Shape, padding: Shape, dilation: Shape, groups: int = 1) -> dict[str, Any]:
        return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    return [
        ((2, 3, 6, 5), (4, 3, 3, 2), attrs((1, 1), (1, 0), (1, 1))),
        ((2, 4, 7, 6), (4, 2, 3, 3), attrs((2, 1), (1, 2), (2, 1), groups=2)),
        ((2, 3, 4, 4), (5, 3, 1, 1), attrs((1, 1), (0, 0), (1, 1))),
        ((2, 4, 9), (4, 1, 3), attrs((3,), (1,), (1,), groups=4)),
        ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), attrs((1, 2, 1), (0, 1, 0), (1, 1, 1))),
    ]


def _conv_samples() -> list[Case]:
    return [((normal(*x), normal(*w, seed=1)), attrs) for x, w, attrs in _cases()]


def _output_shape(x: Shape, w: Shape, attrs: dict[str, Any]) -> Shape:
    out = output_size(x[2:], w[2:], attrs["stride"], attrs["padding"], attrs["dilation"])
    return (x[0], w[0], *out)


def _input_grad_samples() -> list[Case]:
    return [
        ((normal(*_output_shape(x, w, attrs)), normal(*w, seed=1)), {"input_shape": x, **attrs})
        for x, w, attrs in _cases()
    ]


def _weight_grad_samples() -> list[Case]:
    return [
        ((normal(*_output_shape(x, w, attrs)), normal(*x, seed=1)), {"weight_shape": w, **attrs})
        for x, w, attrs in _cases()
    ]


Window = dict[str, Any]


def _window(stride: Shape, padding: Shape, dilation: Shape, groups: int) -> Window:
    return {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


def _conv_x(
    g: Any, w: Any, x_type: TensorType, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Any:
    return conv_input_grad(
        g, w, input_shape=x_type.shape, **_window(stride, padding, dilation, groups)
    )


def _conv_w(
    g: Any, x: Any, w_type: TensorType, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Any:
    return conv_weight_grad(
        g, x, weight_shape=w_type.shape, **_window(stride, padding, dilation, groups)
    )


def _input_grad_g(
    g: Any, w: Any, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Any:
    return conv(g, w, **_window(stride, padding, dilation, groups))


def _input_grad_w(
    g: Any, dy: Any, w_type: TensorType, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Any:
    return conv_weight_grad(
        dy, g, weight_shape=w_type.shape, **_window(stride, padding, dilation, groups)
    )


def _weight_grad_g(
    g: Any, x: Any, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Any:
    return conv(x, g, **_window(stride, padding, dilation, groups))


def _weight_grad_x(
    g: Any, dy: Any, x_type: TensorType, stride: Shape, padding: Shape, dilation: Shape, groups: int
) -> Any:
    return conv_input_grad(
        dy, g, input_shape=x_type.shape, **_window(stride, padding, dilation, groups)
    )


# conv(x, w, stride=, padding=, dilation=, groups=1): correlation, as PyTorch's conv1d, 2d, 3d
conv = declare(
    "conv", "contraction", "x w", _conv_type, widened(_conv), vjp=(_conv_x, _conv_w), samples=_conv_samples,
)  # fmt: skip

# conv_input_grad(dy, w, input_shape=, stride=, padding=, dilation=, groups=1)
conv_input_grad = declare(
    "conv_input_grad", "contraction", "dy w", _input_grad_type, widened(_input_grad),
    vjp=(_input_grad_g, _input_grad_w), samples=_input_grad_samples,
)  # fmt: skip

# conv_weight_grad(dy, x, weight_shape=, stride=, padding=, dilation=, groups=1)
conv_weight_grad = declare(
    "conv_weight_grad", "contraction", "dy x", _weight_grad_type, widened(_weight_grad),
    vjp=(_weight_grad_g, _weight_grad_x), samples=_weight_grad_samples,
)  # fmt: skip
