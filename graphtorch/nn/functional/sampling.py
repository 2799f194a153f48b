"""Sampling images and volumes on grids of positions: `grid_sample` and `affine_grid`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import graphtorch as torch

from ...errors import message
from ...frontend.tensor import Tensor


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Positions [N, H, W, 2] (or [N, D, H, W, 3]) that affine maps theta[N, 2, 3] give for an output grid."""
    n, _, *spatial = size
    axes = []
    for count in spatial:
        if align_corners:
            axis = (
                torch.linspace(-1, 1, count, dtype=theta.dtype)
                if count > 1
                else torch.zeros(1, dtype=theta.dtype)
            )
        else:
            axis = (torch.arange(count, dtype=theta.dtype) * 2 + 1) / count - 1
        axes.append(axis)
    grids = torch.meshgrid(*axes, indexing="ij")
    ones = torch.ones(tuple(spatial), dtype=theta.dtype)
    base = torch.stack([*reversed(grids), ones], -1).reshape(1, -1, len(spatial) + 1)
    found = base.expand(n, -1, -1) @ theta.transpose(1, 2)
    return found.reshape(n, *spatial, len(spatial))


def _unnormalised(x: Tensor, size: int, align_corners: bool) -> Tensor:
    return (x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2


def _reflected(x: Tensor, size: int, align_corners: bool) -> Tensor:
    low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
    if span <= 0:
        return torch.zeros_like(x)
    x = (x - low).abs()
    turns = torch.floor(x.detach() / span)
    rest = x - turns * span
    back = turns.remainder(2) == 1
    return _clipped(torch.where(back, span - rest, rest) + low, size)


def _clipped(x: Tensor, size: int) -> Tensor:
    """Within the image; at its very border the gradient is already 0, as in PyTorch."""
    inside = (x > 0) & (x < size - 1)
    return torch.where(inside, x, x.detach().clamp(0, size - 1))


def _check(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> int:
    """The number of spatial dims; raises what PyTorch raises."""
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got:"
            f" '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but"
            f" got: '{padding_mode}'"
        )
    operands = {"input": input.type_, "grid": grid.type_}
    dims = input.ndim - 2
    if dims not in (2, 3) or grid.ndim != input.ndim:
        raise RuntimeError(
            message(
                "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with"
                f" sizes {list(input.shape)} and grid with sizes {list(grid.shape)}",
                operands=operands,
            )
        )
    if input.shape[0] != grid.shape[0] or grid.shape[-1] != dims:
        raise RuntimeError(
            message(
                "grid_sampler(): expected grid and input to have same batch size, and grid to have size"
                f" {dims} in last dimension, but got input with sizes {list(input.shape)} and grid with sizes"
                f" {list(grid.shape)}",
                operands=operands,
            )
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(
            message(
                "grid_sampler(): expected input to have non-empty spatial dimensions",
                operands=operands,
            )
        )
    if mode == "bicubic" and dims != 2:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    return dims


def _cubic(t: Tensor) -> list[Tensor]:
    """Weights of the neighbours at -1, 0, 1, 2 (Keys, 1981, with A = -0.75)."""
    a = -0.75

    def near(d: Tensor) -> Tensor:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Tensor) -> Tensor:
        return ((d - 5) * d + 8) * d * a - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of input[N, C, H, W] at grid[N, h, w, 2] = (x, y) in [-1, 1]: [N, C, h, w]; the same for volumes.

    mode: "bilinear", "nearest" or (images only) "bicubic".  padding_mode: "zeros", "border" or "reflection".
    """
    dims = _check(input, grid, mode, padding_mode)
    align = bool(align_corners)
    n, channels, *sizes = input.shape
    flat = input.reshape(n, channels, math.prod(sizes))
    out_shape = (n, channels, *grid.shape[1:-1])

    def within(x: Tensor, size: int) -> Tensor:
        if padding_mode == "border":
            return _clipped(x, size)
        return _reflected(x, size, align) if padding_mode == "reflection" else x

    # from the slowest dim on, where the grid's last entry speaks of
    places = [_unnormalised(grid[..., dims - 1 - i], size, align) for i, size in enumerate(sizes)]

    def at(positions: Sequence[Tensor]) -> Tensor:
        """Values at whole positions, 0 outside."""
        inside: Any = None
        index: Any = None
        for x, size in zip(positions, sizes, strict=True):
            held = (x >= 0) & (x < size)
            inside = held if inside is None else inside & held
            place = torch.where(held, x, torch.zeros_like(x)).long()
            index = place if index is None else index * size + place
        wanted = index.reshape(n, 1, -1).expand(n, channels, index[0].numel())
        found = flat.gather(2, wanted).reshape(out_shape)
        return torch.where(inside.unsqueeze(1), found, torch.zeros_like(found))

    if mode == "bicubic":
        return _bicubic(places, sizes, at, within)
    places = [within(x, size) for x, size in zip(places, sizes, strict=True)]
    if mode == "nearest":
        return at([torch.round(x.detach()) for x in places])
    low = [torch.floor(x.detach()) for x in places]
    share = [(x - floor).unsqueeze(1) for x, floor in zip(places, low, strict=True)]
    total: Any = None
    for corner in itertools.product((0, 1), repeat=dims):
        term = at([floor + step for floor, step in zip(low, corner, strict=True)])
        for part, step in zip(share, corner, strict=True):
            term = term * (part if step else 1 - part)
        total = term if total is None else total + term
    return total


def _bicubic(places: list[Tensor], sizes: Sequence[int], at: Callable, within: Callable) -> Tensor:
    low = [torch.floor(x.detach()) for x in places]
    rows, columns = (_cubic((x - floor).unsqueeze(1)) for x, floor in zip(places, low, strict=True))
    total: Any = None
    for i, row in enumerate(rows):
        y = within(low[0] + (i - 1), sizes[0])
        for j, column in enumerate(columns):
            x = within(low[1] + (j - 1), sizes[1])
            # reflection without aligned corners lands between elements only by rounding
            term = at([torch.round(y), torch.round(x)]) * row * column
            total = term if total is None else total + term
    return total
