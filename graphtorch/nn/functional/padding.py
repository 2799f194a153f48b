"""Padding, resampling and channel shuffles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from ...ir import ops


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad the last dimensions; `pad` lists (low, high) pairs from the last dimension on.

    mode: constant (negative amounts crop), reflect, replicate or circular.
    """
    amounts = [int(p) for p in pad]
    if len(amounts) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(amounts) // 2 > input.ndim:
        raise RuntimeError(
            f"Padding length too large: {len(amounts)} for an input of {input.ndim} dimensions"
        )
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))
    if mode == "constant":
        x = input
        crop = [slice(None)] * x.ndim
        low, high = [0] * x.ndim, [0] * x.ndim
        for i, (a, b) in enumerate(pairs):
            dim = x.ndim - 1 - i
            low[dim], high[dim] = max(a, 0), max(b, 0)
            if a < 0 or b < 0:
                crop[dim] = slice(max(-a, 0), x.shape[dim] - max(-b, 0))
        if any(c != slice(None) for c in crop):
            x = x[tuple(crop)]
        if not any(low) and not any(high):
            return x.clone() if x is input else x
        fill = 0 if value is None else value
        fill = (
            bool(fill)
            if x.dtype is torch.bool
            else float(fill)
            if x.dtype.is_floating_point
            else complex(fill)
            if x.dtype.is_complex
            else int(fill)
        )
        return ops.pad(x, low=tuple(low), high=tuple(high), value=fill)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    x = input
    for i, (a, b) in enumerate(pairs):
        dim = x.ndim - 1 - i
        size = x.shape[dim]
        if mode == "reflect" and (a >= size or b >= size):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got:"
                f" padding ({a}, {b}) at dimension {dim} of input {list(input.shape)}"
            )
        if mode == "circular":  # negative amounts crop before anything is repeated
            x = x.narrow(dim, max(-a, 0), size - max(-a, 0) - max(-b, 0))
            size, a, b = x.shape[dim], max(a, 0), max(b, 0)
        positions = torch.arange(-a, size + b)
        if mode == "replicate":
            positions = positions.clamp(0, size - 1)
        elif mode == "circular":
            positions = positions % size
        else:
            positions = (
                (size - 1) - ((size - 1) - positions.abs()).abs() if size > 1 else positions * 0
            )
        x = torch.index_select(x, dim, positions)
    return x


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """[*, C r^2, H, W] to [*, C, H r, W r] (Shi et al., 2016)."""
    r = upscale_factor
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor,"
            f" but input.size(-3)={c} is not divisible by {r * r}"
        )
    x = input.reshape(*lead, c // (r * r), r, r, h, w)
    n = len(lead)
    return x.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2).reshape(
        *lead, c // (r * r), h * r, w * r
    )


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`."""
    r = downscale_factor
    *lead, c, h, w = input.shape
    x = input.reshape(*lead, c, h // r, r, w // r, r)
    n = len(lead)
    return x.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3).reshape(
        *lead, c * r * r, h // r, w // r
    )


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleave groups of channels (Zhang et al., ShuffleNet, 2018)."""
    n, c, *spatial = input.shape
    return input.reshape(n, groups, c // groups, *spatial).transpose(1, 2).reshape(input.shape)


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resample [N, C, *spatial]; modes nearest, nearest-exact, linear, bilinear, trilinear, bicubic, area."""
    dims = input.ndim - 2
    if antialias and (mode not in ("bilinear", "bicubic") or input.ndim != 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "only one of size or scale_factor should be defined"
            if size is not None
            else "either size or scale_factor should be defined"
        )
    spatial = tuple(input.shape[2:])
    if size is not None:
        sizes = (int(size),) * dims if isinstance(size, int) else tuple(int(s) for s in size)
        scales: list[float | None] = [None] * dims
    else:
        factors = (
            [float(scale_factor)] * dims
            if isinstance(scale_factor, (int, float))
            else [float(f) for f in scale_factor]
        )
        sizes = tuple(int(n * f) for n, f in zip(spatial, factors, strict=True))
        scales = [None] * dims if recompute_scale_factor else list(factors)
    if antialias:
        from .antialias import resample

        return resample(input, sizes, scales, mode, bool(align_corners))
    if mode == "area":
        from .adaptive_pooling import _adaptive_average

        return _adaptive_average(dims, input, sizes)
    if mode in ("nearest", "nearest-exact"):
        x = input
        for axis in range(dims):
            n, m, f = spatial[axis], sizes[axis], scales[axis]
            step = 1 / f if f is not None else n / m
            at = torch.arange(m, dtype=torch.float32)
            at = (at + 0.5) * step if mode == "nearest-exact" else at * step
            x = torch.index_select(x, axis + 2, at.floor().to(torch.int64).clamp(0, n - 1))
        return x
    if mode in ("linear", "bilinear", "trilinear"):
        x = input
        for axis in range(dims):
            x = _linear_axis(x, axis + 2, sizes[axis], scales[axis], bool(align_corners))
        return x
    if mode == "bicubic":
        x = input
        for axis in range(dims):
            x = _cubic_axis(x, axis + 2, sizes[axis], scales[axis], bool(align_corners))
        return x
    raise NotImplementedError(
        f"interpolate: mode {mode!r} for {input.ndim}-D input is not supported"
    )


def _positions(n: int, m: int, scale: float | None, align: bool, dtype: Any) -> Tensor:
    at = torch.arange(m, dtype=dtype)
    if align:
        return at * ((n - 1) / (m - 1) if m > 1 else 0.0)
    step = 1 / scale if scale is not None else n / m
    return (at + 0.5) * step - 0.5


def _weight_type(x: Tensor) -> Any:
    return torch.float64 if x.dtype is torch.float64 else torch.float32


def _along(weights: Tensor, x: Tensor, dim: int) -> Tensor:
    return weights.to(x.dtype).reshape([-1 if i == dim else 1 for i in range(x.ndim)])


def _linear_axis(x: Tensor, dim: int, m: int, scale: float | None, align: bool) -> Tensor:
    n = x.shape[dim]
    at = _positions(n, m, scale, align, _weight_type(x)).clamp(min=0)
    low = at.floor().to(torch.int64).clamp(max=n - 1)
    high = (low + 1).clamp(max=n - 1)
    w = _along(at - low.to(at.dtype), x, dim)
    return torch.index_select(x, dim, low) * (1 - w) + torch.index_select(x, dim, high) * w


def _cubic_axis(x: Tensor, dim: int, m: int, scale: float | None, align: bool) -> Tensor:
    a = -0.75
    n = x.shape[dim]
    at = _positions(n, m, scale, align, _weight_type(x))
    base = at.floor()
    t = at - base
    near = lambda d: ((a + 2) * d - (a + 3)) * d * d + 1
    far = lambda d: ((d - 5) * d + 8) * d * a - 4 * a
    weights = (far(t + 1), near(t), near(1 - t), far(2 - t))
    total = None
    for offset, w in zip((-1, 0, 1, 2), weights, strict=True):
        index = (base.to(torch.int64) + offset).clamp(0, n - 1)
        term = torch.index_select(x, dim, index) * _along(w, x, dim)
        total = term if total is None else total + term
    return total


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "nearest"."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """Old name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)
