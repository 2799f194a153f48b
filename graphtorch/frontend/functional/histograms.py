"""Histograms over one and several dimensions, with weights; computed in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import message
from .. import return_types
from ..tensor import Tensor
from .wrapping import accepts_out, check_tensor, concrete, fresh, scalar_name


def _check(name: str, input: Tensor, weight: Tensor | None) -> None:
    if check_tensor(name, input)._array.dtype.kind != "f":
        raise NotImplementedError(f"\"{name}\" not implemented for '{scalar_name(input.dtype)}'")
    if weight is not None and weight._array.dtype != input._array.dtype:
        raise RuntimeError(
            message(
                f"torch.{name}(): if weight tensor is provided, it should have the same dtype as input",
                operands={"input": input.type_, "weight": weight.type_},
            )
        )


def _edges(values: np.ndarray, count: int, limits: Sequence[float] | None) -> np.ndarray:
    """count + 1 edges between the limits, or between the smallest and the largest value."""
    if count <= 0:
        raise RuntimeError(f"torch.histogramdd(): bins must be > 0, but got {count}")
    if limits is not None:
        low, high = map(float, limits)
    elif values.size:
        low, high = float(values.min()), float(values.max())
    else:
        low, high = 0.0, 1.0
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"torch.histogramdd(): dimension's range [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("torch.histogramdd(): min should not exceed max")
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, count + 1).astype(values.dtype)


def _count(
    points: np.ndarray, edges: list[np.ndarray], weight: np.ndarray | None, density: bool
) -> np.ndarray:
    shape = tuple([len(e) - 1 for e in edges])
    inside = np.ones(len(points), bool)
    places = np.zeros(len(points), np.int64)
    for d, e in enumerate(edges):
        column = points[:, d]
        place = np.searchsorted(e, column, "right") - 1
        place[column == e[-1]] = shape[d] - 1  # the last bin holds its right edge
        inside &= (column >= e[0]) & (column <= e[-1])
        places = places * shape[d] + np.clip(place, 0, max(shape[d] - 1, 0))
    kept = None if weight is None else weight.reshape(-1)[inside].astype(np.float64)
    total = int(np.prod(shape))
    counts = np.bincount(places[inside], kept, total)[:total].reshape(shape).astype(np.float64)
    if density:
        volume = np.ones(shape)
        for d, e in enumerate(edges):
            widths = np.diff(e.astype(np.float64))
            volume *= widths.reshape([-1 if i == d else 1 for i in range(len(shape))])
        with np.errstate(all="ignore"):
            counts = counts / counts.sum() / volume
    return counts.astype(points.dtype)


@accepts_out
def histogram(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None, density: bool = False
) -> Any:  # fmt: skip
    """(hist, bin_edges) of all elements; bins is a number or a vector of edges."""
    _check("histogram", input, weight)
    values = concrete(input).reshape(-1)
    if isinstance(bins, Tensor):
        if bins._array.ndim != 1:
            raise RuntimeError("torch.histogramdd(): bins tensor should have one dimension")
        if bins._array.dtype != values.dtype:
            raise RuntimeError(
                "torch.histogram(): input tensor and bins tensors should have the same dtype"
            )
        edges = concrete(bins)
    else:
        edges = _edges(values, bins, range)
    if weight is not None and weight._array.shape != input._array.shape:
        raise RuntimeError(
            "torch.histogramdd(): if weight tensor is provided it should have the same shape as the"
            " input tensor excluding its innermost dimension"
        )
    hist = _count(values[:, None], [edges], None if weight is None else concrete(weight), density)
    return return_types.histogram(fresh(hist), fresh(np.array(edges)))


def histogramdd(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """(hist, edges of every dim) of points: the last dim of `input` holds the coordinates."""
    _check("histogramdd", input, weight)
    array = concrete(input)
    if array.ndim < 2:
        raise RuntimeError(
            message("torch.histogramdd(): input tensor should have at least 2 dimensions",
                    operands={"input": input.type_})
        )  # fmt: skip
    points = array.reshape(-1, array.shape[-1])
    n = points.shape[1]
    counts = [bins] * n if isinstance(bins, (int, Tensor)) else list(bins)
    if len(counts) != n:
        raise RuntimeError(
            f"torch.histogramdd(): expected {n} sequences of bins for a tensor with {n} coordinates,"
            f" but got {len(counts)}"
        )
    edges = []
    for d, b in enumerate(counts):
        limits = None if range is None else range[2 * d : 2 * d + 2]
        edges.append(concrete(b) if isinstance(b, Tensor) else _edges(points[:, d], int(b), limits))
    hist = _count(points, edges, None if weight is None else concrete(weight), density)
    return return_types.histogramdd(fresh(hist), tuple([fresh(np.array(e)) for e in edges]))
