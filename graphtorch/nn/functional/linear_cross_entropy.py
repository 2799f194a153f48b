"""Cross entropy of a linear layer's outputs, all rows at once or some rows at a time."""

from __future__ import annotations

import math
import warnings
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from .linear import linear
from .loss import cross_entropy


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    input [N, D] or [D]; linear_weight [C, D], or [C, d1, ..., D] for targets [N, d1, ...].
    options: a `LinearCrossEntropyOptions`: so many rows at a time, their products made again for the
    gradient, so that the product of all rows is never in memory.  Raises RuntimeError for shapes that do not fit.
    """
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if linear_weight.dim() < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {linear_weight.dim()}"
        )
    classes, *inner, features = linear_weight.shape
    if input.shape[-1] != features:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got"
            f" {input.shape[-1]} and {features}, respectively"
        )
    if linear_bias is not None and tuple(linear_bias.shape) != (classes, *inner):
        raise RuntimeError(
            f"expected linear_bias shape {(classes, *inner)}, got {tuple(linear_bias.shape)}"
        )
    if inner and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(linear_weight.shape)} requires batched"
            f" input, (N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    shape = (*input.shape[:-1], classes, *inner)
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignored = -100 if ignore_index is None else ignore_index
    rows = None
    if options is not None:
        by_rows = not inner and label_smoothing == 0.0 and target.dtype is torch.int64
        if by_rows and input.dim() == 2:
            rows = options.rows(input.shape[0], features, classes)
        elif not by_rows:
            warnings.warn(
                "linear_cross_entropy: ``options`` ignored; some rows at a time needs label_smoothing == 0,"
                " class indices and out_features == ()",
                stacklevel=2,
            )
    if rows is not None and rows < input.shape[0]:
        return _by_rows(input, linear_weight, target, linear_bias, weight, reduction, ignored, rows)
    if inner:
        linear_weight = linear_weight.reshape(classes * math.prod(inner), features)
        linear_bias = None if linear_bias is None else linear_bias.reshape(-1)
    logits = linear(input, linear_weight, linear_bias).reshape(shape)
    return cross_entropy(
        logits, target, weight, ignore_index=ignored, reduction=reduction, label_smoothing=label_smoothing
    )  # fmt: skip


def _by_rows(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    linear_bias: Tensor | None,
    weight: Tensor | None,
    reduction: str,
    ignored: int,
    rows: int,
) -> Tensor:
    from ...utils.checkpoint import checkpoint

    def part(x: Tensor, t: Tensor) -> Tensor:
        logits = linear(x, linear_weight, linear_bias)
        each = "none" if reduction == "none" else "sum"
        return cross_entropy(logits, t, weight, ignore_index=ignored, reduction=each)

    pairs = zip(input.split(rows), target.split(rows), strict=True)
    parts = [checkpoint(part, x, t, use_reentrant=False) for x, t in pairs]
    if reduction == "none":
        return torch.cat(parts)
    total = torch.stack(parts).sum()
    if reduction == "sum":
        return total
    counted = target != ignored
    if weight is None:
        return total / counted.sum()
    known = torch.where(counted, target, torch.zeros_like(target))
    return total / (weight[known] * counted.to(weight.dtype)).sum()
