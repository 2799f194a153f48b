"""Sampling images on grids of positions: `grid_sample` and `affine_grid`."""

from __future__ import annotations

from collections.abc import Sequence

import graphtorch as torch

from ...errors import UnsupportedError, message
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
    return (torch.where(back, span - rest, rest) + low).clamp(0, size - 1)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Values of input[N, C, H, W] at grid[N, h, w, 2] = (x, y) in [-1, 1]; the result is [N, C, h, w].

    mode: "bilinear" or "nearest".  padding_mode: "zeros", "border" or "reflection".
    """
    if input.ndim != 4:
        raise UnsupportedError(
            message("grid_sample takes 4-D inputs only", operands={"input": input.type_})
        )
    if mode not in ("bilinear", "nearest"):
        raise UnsupportedError(
            message(f"grid_sample mode {mode!r} is not supported", hint="bilinear or nearest")
        )
    align = bool(align_corners)
    n, channels, height, width = input.shape
    x = _unnormalised(grid[..., 0], width, align)
    y = _unnormalised(grid[..., 1], height, align)
    if padding_mode == "border":
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    elif padding_mode == "reflection":
        x, y = _reflected(x, width, align), _reflected(y, height, align)
    elif padding_mode != "zeros":
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but"
            f" got: '{padding_mode}'"
        )
    flat = input.reshape(n, channels, height * width)
    out_shape = (n, channels, *grid.shape[1:3])

    def at(column: Tensor, row: Tensor) -> Tensor:
        """Values at whole positions, 0 outside."""
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        place = row.clamp(0, height - 1).long() * width + column.clamp(0, width - 1).long()
        index = place.reshape(n, 1, -1).expand(n, channels, -1)
        found = flat.gather(2, index).reshape(out_shape)
        return found * inside.unsqueeze(1).to(input.dtype)

    if mode == "nearest":
        return at(torch.round(x.detach()), torch.round(y.detach()))
    left, top = torch.floor(x.detach()), torch.floor(y.detach())
    right_share, bottom_share = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
    upper = at(left, top) * (1 - right_share) + at(left + 1, top) * right_share
    lower = at(left, top + 1) * (1 - right_share) + at(left + 1, top + 1) * right_share
    return upper * (1 - bottom_share) + lower * bottom_share
