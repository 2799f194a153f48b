"""Pooling over a grid of cells of given size, of one to three spatial dimensions."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor


def _adaptive_sizes(input: Tensor, output_size: Any, dims: int) -> tuple[int, ...]:
    if isinstance(output_size, int):
        output_size = (output_size,) * dims
    if len(output_size) != dims:
        numbers = ("one int", "two ints", "three ints")[dims - 1]
        raise RuntimeError(f"'output_size' should contain {numbers}")
    if input.ndim <= dims:
        raise ValueError(f"Input dimension should be at least {dims + 1}")
    if input.ndim > dims + 2:
        raise RuntimeError(
            f"Expected {dims + 1}D or {dims + 2}D tensor, but got {list(input.shape)}"
        )
    if any(size is not None and size < 0 for size in output_size):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(output_size)}")
    for size in input.shape[1:]:
        if size == 0 and input.ndim == dims + 2:
            raise RuntimeError(
                "Expected input to have non-zero size for non-batch dimensions, but input has sizes"
                f" {list(input.shape)}"
            )
    return tuple(
        n if o is None else int(o) for o, n in zip(output_size, input.shape[-dims:], strict=True)
    )


def _cells(size: int, count: int) -> list[tuple[int, int]]:
    return [(i * size // count, -(-((i + 1) * size) // count)) for i in range(count)]


def _adaptive_average(dims: int, input: Tensor, output_size: Any) -> Tensor:
    sizes = _adaptive_sizes(input, output_size, dims)
    y = input
    for axis, count in zip(range(-dims, 0), sizes, strict=True):
        size = y.shape[axis]
        if count == 1:
            y = y.mean(axis, keepdim=True)
        elif count == size:
            continue
        elif size % count == 0:
            axis_positive = axis + y.ndim
            shape = (*y.shape[:axis_positive], count, size // count, *y.shape[axis_positive + 1 :])
            y = y.reshape(shape).mean(axis_positive + 1)
        else:
            y = torch.cat(
                [y.narrow(axis, a, b - a).mean(axis, keepdim=True) for a, b in _cells(size, count)],
                axis,
            )
    return y


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over `output_size` cells of the last dimension."""
    return _adaptive_average(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over a grid of cells of the last two dimensions."""
    return _adaptive_average(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over a grid of cells of the last three dimensions."""
    return _adaptive_average(3, input, output_size)


def _adaptive_max(dims: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    sizes = _adaptive_sizes(input, output_size, dims)
    spatial = tuple(input.shape[-dims:])
    if not return_indices:
        y = input
        for axis, count in zip(range(-dims, 0), sizes, strict=True):
            y = torch.cat(
                [
                    y.narrow(axis, a, b - a).amax(axis, keepdim=True)
                    for a, b in _cells(y.shape[axis], count)
                ],
                axis,
            )
        return y
    lead = tuple(input.shape[:-dims])
    positions = torch.arange(math.prod(spatial)).reshape(spatial)
    values, indices = [], []
    grid = [_cells(n, c) for n, c in zip(spatial, sizes, strict=True)]
    for index in range(math.prod(sizes)):
        cell, rest = [], index
        for cells in reversed(grid):
            cell.append(slice(*cells[rest % len(cells)]))
            rest //= len(cells)
        window = (..., *reversed(cell))
        value, at = input[window].reshape(*lead, -1).max(-1)
        values.append(value)
        indices.append(positions[window[1:]].reshape(-1)[at])
    return torch.stack(values, -1).reshape(*lead, *sizes), torch.stack(indices, -1).reshape(
        *lead, *sizes
    )


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over `output_size` cells of the last dimension."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over a grid of cells of the last two dimensions."""
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over a grid of cells of the last three dimensions."""
    return _adaptive_max(3, input, output_size, return_indices)
