"""Losses with a margin: hinges, rankings, triplets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import graphtorch as torch

from ...frontend.tensor import Tensor
from .activation import logsigmoid
from .loss import _reduce, _reduction
from .similarity import pairwise_distance


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """x where t = 1, max(0, margin - x) where t = -1."""
    zero = torch.zeros_like(input)
    loss = torch.where(target != 1, torch.clamp(margin - input, min=0), zero) + torch.where(
        target != -1, input, zero
    )
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-t x))."""
    return _reduce(
        torch.log1p(torch.exp(-target * input)), _reduction(reduction, size_average, reduce)
    )


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -t (x1 - x2) + margin)."""
    loss = torch.clamp(-target * (input1 - input2) + margin, min=0)
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where t = 1, max(0, cos - margin) where t = -1."""
    eps = 1e-12
    dot = (input1 * input2).sum(-1)
    cosine = dot / torch.sqrt(((input1 * input1).sum(-1) + eps) * ((input2 * input2).sum(-1) + eps))
    zero = torch.zeros_like(cosine)
    loss = torch.where(target == 1, 1 - cosine, zero) + torch.where(
        target == -1, torch.clamp(cosine - margin, min=0), zero
    )
    return _reduce(loss, _reduction(reduction, size_average, reduce))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over classes of the binary cross entropy with logits."""
    loss = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    return _reduce(loss.sum(-1) / input.shape[-1], _reduction(reduction, size_average, reduce))


def _check_scores(input: Tensor) -> None:
    """[classes] or [batch, classes], where only the batch may be empty."""
    if input.ndim > 2 or (input.ndim and input.shape[-1] == 0):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got:"
            f" {list(input.shape)}"
        )


def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """sum over i != t of max(0, margin - x[t] + x[i])^p / C."""
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    reduction = _reduction(reduction, size_average, reduce)
    _check_scores(input)
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    single = input.ndim < 2
    x, t = (input.reshape(1, -1), target.reshape(-1)) if single else (input, target)
    if weight is not None and tuple(weight.shape) != (x.shape[1],):
        raise RuntimeError(
            f"inconsistent weight size, expected {x.shape[1]} but got {list(weight.shape)}"
        )
    if t.ndim != 1 or t.shape[0] != x.shape[0]:
        raise RuntimeError(
            "inconsistent target size, expected target tensor should be 1-D with size equal to the input's"
            f" batch size. Expected target size [{x.shape[0]}], but got {list(t.shape)}"
        )
    at = x.gather(1, t.unsqueeze(1))
    hinge = torch.clamp(margin - at + x, min=0) ** p
    if weight is not None:
        hinge = hinge * weight[t].unsqueeze(1)
    others = torch.arange(x.shape[1]) != t.unsqueeze(1)
    loss = torch.where(others, hinge, torch.zeros_like(hinge)).sum(1) / x.shape[1]
    return _reduce(loss.squeeze(0) if single else loss, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over targets j and non-targets i of max(0, 1 - (x[j] - x[i])) / C; targets end at the first -1."""
    reduction = _reduction(reduction, size_average, reduce)
    _check_scores(input)
    if target.numel() != input.numel() or (input.ndim == 2 and target.shape != input.shape):
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    single = input.ndim < 2
    x, t = (input.reshape(1, -1), target.reshape(1, -1)) if single else (input, target)
    valid = torch.cumprod((t >= 0).to(torch.int64), 1) == 1
    safe = torch.where(valid, t, torch.zeros_like(t))
    is_target = (
        torch.zeros(x.shape, dtype=torch.int64).scatter_add(1, safe, valid.to(torch.int64)) > 0
    )
    gaps = torch.clamp(1 - (x.gather(1, safe).unsqueeze(2) - x.unsqueeze(1)), min=0)
    counted = valid.unsqueeze(2) & ~is_target.unsqueeze(1)
    loss = torch.where(counted, gaps, torch.zeros_like(gaps)).sum((1, 2)) / x.shape[1]
    return _reduce(loss.squeeze(0) if single else loss, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *, distance_function: Callable | None = None,
    margin: float = 1.0, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, d(a, p) - d(a, n) + margin) with any distance."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return _reduce(torch.clamp(margin + near - far, min=0), _reduction(reduction, None, None))


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, |a - p| - |a - n| + margin) (Balntas et al., 2016)."""
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap,
        reduction=_reduction(reduction, size_average, reduce),
    )  # fmt: skip
