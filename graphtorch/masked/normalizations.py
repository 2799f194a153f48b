"""Normalisations along one dim over the selected elements."""

from __future__ import annotations

import math
from typing import Any

import graphtorch as torch

from ..frontend.tensor import Tensor
from ..ir.types import DType
from .reductions import every, filled, norm


def _softmax(
    function: Any, input: Tensor, dim: int, dtype: DType | None, mask: Tensor | None, value: float
) -> Tensor:
    x = input if dtype is None else input.to(dtype)  # type: ignore[attr-defined]
    every(dim, x.ndim)
    return function(filled(x, mask, value), dim)


def softmax(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`; 0 where not selected.

    >>> import graphtorch as torch
    >>> torch.masked.softmax(torch.zeros(3), 0, mask=torch.tensor([True, False, True]))
    tensor([0.5000, 0.0000, 0.5000])
    """
    return _softmax(torch.softmax, input, dim, dtype, mask, -math.inf)


def log_softmax(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """log of `softmax`."""
    return _softmax(torch.log_softmax, input, dim, dtype, mask, -math.inf)


def softmin(
    input: Tensor, dim: int, *, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:
    """softmax(-x)."""
    return _softmax(torch.nn.functional.softmin, input, dim, dtype, mask, math.inf)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: DType | None = None, mask: Tensor | None = None
) -> Tensor:  # fmt: skip
    """x / max(|x|, eps) with the norm of the selected elements along `dim`; 0 where not selected."""
    x = input if dtype is None else input.to(dtype)  # type: ignore[attr-defined]
    size = norm(x, ord, dim, keepdim=True, mask=mask)
    return filled(x, mask, 0.0) / torch.clamp(size, min=eps)
