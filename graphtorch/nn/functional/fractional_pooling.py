"""Fractional max pooling (Graham, 2014): windows at pseudo-random, evenly spread places."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from .convolution import _tuple


def _starts(samples: Tensor, size: int, pooled: int, window: int) -> Tensor:
    """Where the windows along one dim start: [N, C, pooled], the last at the end."""
    last = torch.full((*samples.shape, 1), size - window, dtype=torch.int64)
    if pooled <= 1:
        return last[..., :pooled]
    spread = torch.tensor((size - window) / (pooled - 1), dtype=samples.dtype)
    sample = samples.unsqueeze(-1)
    steps = torch.arange(pooled - 1, dtype=samples.dtype)
    starts = ((steps + sample) * spread).to(torch.int64) - (sample * spread).to(torch.int64)
    return torch.cat([starts, last], -1)


def _pool(
    dims: int,
    input: Tensor,
    kernel_size: Any,
    output_size: Any,
    output_ratio: Any,
    return_indices: bool,
    samples: Tensor | None,
) -> Any:
    name = f"fractional_max_pool{dims}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if input.ndim not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"{name}(): Expected {dims + 1}D or {dims + 2}D tensor, but got: {list(input.shape)}"
        )
    x = input if input.ndim == dims + 2 else input.unsqueeze(0)
    window, sizes = _tuple(kernel_size, dims, "kernel_size"), x.shape[-dims:]
    if output_size is None:
        ratios = output_ratio if isinstance(output_ratio, tuple) else (output_ratio,) * dims
        pooled = tuple(int(n * r) for n, r in zip(sizes, ratios, strict=True))
    else:
        pooled = _tuple(output_size, dims, "output_size")
    for n, k, out in zip(sizes, window, pooled, strict=True):
        if out + k - 1 > n:
            raise RuntimeError(f"{name}(): pool size {k} and output {out} too large for input {n}")
    lead = tuple(x.shape[:2])
    if samples is None:
        samples = torch.rand(*lead, dims, dtype=x.dtype, device=x.device)
    samples = samples[: lead[0]]
    numbers = (
        samples.flip(-1) if dims == 2 else samples
    )  # of the two dims PyTorch draws the last first
    places: Any = torch.zeros((*lead, *(1,) * 2 * dims), dtype=torch.int64)
    for i, (n, k, out) in enumerate(zip(sizes, window, pooled, strict=True)):
        starts = _starts(numbers[..., i], n, out, k).unsqueeze(-1) + torch.arange(k)
        shape = [1] * 2 * dims
        shape[i], shape[dims + i] = out, k
        places = places * n + starts.reshape(*lead, *shape)
    places = places.reshape(*lead, math.prod(pooled), math.prod(window))
    taps = (
        x.reshape(*lead, 1, math.prod(sizes)).expand(*lead, places.shape[2], -1).gather(-1, places)
    )
    best = taps.argmax(-1, keepdim=True)
    values = taps.gather(-1, best).reshape(*lead, *pooled)
    indices = places.gather(-1, best).reshape(*lead, *pooled)
    if x is not input:
        values, indices = values.squeeze(0), indices.squeeze(0)
    return (values, indices) if return_indices else values


def fractional_max_pool2d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows of [N, C, H, W] so placed that the result has `output_size`, or a share of the input's.

    Raises ValueError without a size or ratio, RuntimeError for windows that do not fit.
    """
    return _pool(2, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)


def fractional_max_pool3d(
    input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
    return_indices: bool = False, _random_samples: Tensor | None = None,
) -> Any:  # fmt: skip
    """Maxima of windows of [N, C, D, H, W], as `fractional_max_pool2d`."""
    return _pool(3, input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
