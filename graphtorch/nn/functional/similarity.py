"""Distances and norms between vectors."""

from __future__ import annotations

import graphtorch as torch

from ...frontend.tensor import Tensor


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) * max(|x2|, eps)) along `dim`, after broadcasting."""
    x1, x2 = torch.broadcast_tensors(x1, x2)
    n1 = torch.clamp(torch.sqrt((x1 * x1).sum(dim)), min=eps)
    n2 = torch.clamp(torch.sqrt((x2 * x2).sum(dim)), min=eps)
    return (x1 * x2).sum(dim) / (n1 * n2)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps along the last dimension."""
    return torch.norm(x1 - x2 + eps, p=p, dim=-1, keepdim=keepdim)


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """input / max(|input|_p, eps) along `dim`."""
    denominator = torch.norm(input, p=p, dim=dim, keepdim=True).clamp(min=eps)
    result = input / denominator
    return result if out is None else out.copy_(result)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norm distances between all pairs of rows, as a vector."""
    rows = input.shape[0]
    first, second = torch.triu_indices(rows, rows, 1)
    return (input[first] - input[second]).norm(p=p, dim=1)
