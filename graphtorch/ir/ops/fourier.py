"""Discrete Fourier transforms over several dims, run by NumPy's FFT.

    y[k] = scale * sum_n x[n] exp(-+ 2 pi i k n / N)        minus for `forward`

The three rows are PyTorch's own: complex to complex, real to half of a Hermitian result, half of a
Hermitian operand to real.  The last dim of `dims` is the one that is halved.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType, int64
from .complex import OWN_RULES, PARTS, WHOLE, numbers, real
from .creation import iota
from .inference import require, require_dims
from .kernels import Array, quiet
from .pointwise import cast, eq, logical_or, where
from .region import pad
from .samples import normal
from .view import expand, reshape

Dims = tuple[int, ...]


def _scaled(y: Array, scale: float, like: Array) -> Array:
    """`y` times `scale` in the precision of `like`; some NumPy routes compute in float64."""
    wide = like.dtype.itemsize * (2 if like.dtype.kind == "f" else 1) == 16
    if y.dtype.kind == "c":
        target: Any = np.complex128 if wide else np.complex64
    else:
        target = np.float64 if wide else np.float32
    y = y.astype(target, copy=False)
    return y if scale == 1 else np.asarray(y * y.real.dtype.type(scale))


def _c2c_type(x: TensorType, *, dims: Dims, forward: bool, scale: float = 1.0) -> TensorType:
    require(x.dtype.kind == "c", "fft_c2c wants a complex operand", x=x)
    require_dims("fft_c2c", x, dims)
    return x


@quiet
def _c2c(x: Array, *, dims: Dims, forward: bool, scale: float = 1.0) -> Array:
    if x.size == 0 or not dims:
        return np.asarray(x * x.real.dtype.type(scale))
    y = np.fft.fftn(x, axes=dims) if forward else np.fft.ifftn(x, axes=dims, norm="forward")
    return _scaled(y, scale, x)


def _r2c_type(x: TensorType, *, dims: Dims, scale: float = 1.0) -> TensorType:
    require(x.dtype in WHOLE, "fft_r2c wants a float32 or float64 operand", x=x)
    require_dims("fft_r2c", x, dims)
    shape = list(x.shape)
    shape[dims[-1]] = shape[dims[-1]] // 2 + 1
    return TensorType(WHOLE[x.dtype], tuple(shape))


@quiet
def _r2c(x: Array, *, dims: Dims, scale: float = 1.0) -> Array:
    if x.size == 0:
        shape = _r2c_shape(x.shape, dims)
        return np.zeros(shape, np.complex128 if x.dtype == np.float64 else np.complex64)
    return _scaled(np.fft.rfftn(x, axes=dims), scale, x)


def _r2c_shape(shape: Dims, dims: Dims) -> Dims:
    last = dims[-1]
    return (*shape[:last], shape[last] // 2 + 1, *shape[last + 1 :])


def _r2c_rule(g: Any, x_type: TensorType, dims: Dims, scale: float) -> Any:
    last = dims[-1]
    missing = x_type.shape[last] - g.shape[last]
    after = tuple(missing if d == last else 0 for d in range(g.ndim))
    whole = pad(g, low=(0,) * g.ndim, high=after) if missing else g
    return real(fft_c2c(whole, dims=dims, forward=False, scale=scale))


def _c2r_type(x: TensorType, *, dims: Dims, length: int, scale: float = 1.0) -> TensorType:
    require(x.dtype.kind == "c", "fft_c2r wants a complex operand", x=x)
    require_dims("fft_c2r", x, dims)
    require(x.shape[dims[-1]] == length // 2 + 1, f"fft_c2r: length {length} does not fit", x=x)
    shape = list(x.shape)
    shape[dims[-1]] = length
    return TensorType(PARTS[x.dtype], tuple(shape))


@quiet
def _c2r(x: Array, *, dims: Dims, length: int, scale: float = 1.0) -> Array:
    last = dims[-1]
    if x.size == 0:
        shape = (*x.shape[:last], length, *x.shape[last + 1 :])
        return np.zeros(shape, np.float64 if x.dtype == np.complex128 else np.float32)
    sizes = [x.shape[d] for d in dims[:-1]] + [length]
    return _scaled(np.fft.irfftn(x, sizes, axes=dims, norm="forward"), scale, x)


def _c2r_rule(g: Any, dims: Dims, length: int, scale: float) -> Any:
    """Every inner element of the halved dim stands for two."""
    y = fft_r2c(g, dims=dims, scale=scale)
    last, half = dims[-1], length // 2 + 1
    place = iota(length=half, start=0, step=1, dtype=int64)
    place = reshape(place, shape=tuple(half if d == last else 1 for d in range(g.ndim)))
    place = expand(place, shape=tuple(y.shape))
    once = eq(place, 0)
    if length % 2 == 0:
        once = logical_or(once, eq(place, half - 1))
    return cast(where(once, y, 2 * y), dtype=y.dtype)


# fft_c2c(x, dims=, forward=, scale=1.0)
fft_c2c: Op = declare(
    "fft_c2c", "host", "x", _c2c_type, _c2c,
    vjp=(lambda g, dims, forward, scale: fft_c2c(g, dims=dims, forward=not forward, scale=scale),),
    samples=lambda: [
        ((numbers(3, 5),), {"dims": (1,), "forward": True, "scale": 1.0}),
        ((numbers(3, 4, 5),), {"dims": (2, 0), "forward": False, "scale": 0.25}),
    ],
    meta=OWN_RULES,
)  # fmt: skip

# fft_r2c(x, dims=, scale=1.0): the first n // 2 + 1 elements along the last of dims, forward
fft_r2c: Op = declare(
    "fft_r2c", "host", "x", _r2c_type, _r2c, vjp=(_r2c_rule,),
    samples=lambda: [
        ((normal(3, 5),), {"dims": (1,), "scale": 1.0}),
        ((normal(3, 4, 6),), {"dims": (0, 2), "scale": 0.5}),
    ],
    meta=OWN_RULES,
)  # fmt: skip

# fft_c2r(x, dims=, length=, scale=1.0): the backward transform of a Hermitian signal of that length
fft_c2r = declare(
    "fft_c2r", "host", "x", _c2r_type, _c2r, vjp=(_c2r_rule,),
    samples=lambda: [
        ((numbers(3, 3),), {"dims": (1,), "length": 5, "scale": 1.0}),
        ((numbers(3, 4, 3),), {"dims": (0, 2), "length": 4, "scale": 0.5}),
    ],
    meta=OWN_RULES,
)  # fmt: skip
