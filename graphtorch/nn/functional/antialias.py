"""Resampling images smoothly: every result is a weighted mean of the pixels its own area covers.

A dim at a time, as the product with a matrix of weights; the filter grows with the reduction, so that
shrinking leaves out no pixel (what `interpolate(antialias=True)` and Pillow do).
"""

from __future__ import annotations

import numpy as np

import graphtorch as torch

from ...frontend.tensor import Tensor


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.clip(1 - np.abs(x), 0, None)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys's cubic convolution with a = -0.5."""
    a, x = -0.5, np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


FILTERS = {"bilinear": (_triangle, 1.0), "bicubic": (_cubic, 2.0)}  # and their half widths


def weights(mode: str, n: int, m: int, scale: float | None, align: bool) -> np.ndarray:
    """The [m, n] matrix that resamples n pixels to m."""
    filter, half = FILTERS[mode]
    if align:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
    else:
        step = 1 / scale if scale is not None else n / m
    stretch = max(step, 1.0)
    found = np.zeros((m, n))
    for i in range(m):
        center = step * (i + 0.5)
        start = max(int(center - half * stretch + 0.5), 0)
        stop = min(int(center + half * stretch + 0.5), n)
        row = filter((np.arange(start, stop) - center + 0.5) / stretch)
        found[i, start:stop] = row / row.sum()
    return found


def resample(
    x: Tensor, sizes: tuple[int, ...], scales: list[float | None], mode: str, align: bool
) -> Tensor:
    """Resample an [N, C, H, W] image to `sizes`, width first."""
    for dim in (3, 2):
        n, m = x.shape[dim], sizes[dim - 2]
        matrix = weights(mode, n, m, scales[dim - 2], align)
        w = torch.from_numpy(matrix).to(x.dtype).to(x.device)
        x = x @ w.t() if dim == 3 else w @ x
    return x
