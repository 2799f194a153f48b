"""Dropout and its relatives; masks come from the default generator in PyTorch's order."""

from __future__ import annotations

import graphtorch as torch

from ...frontend.tensor import Tensor


def _check(p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _scaled_mask(input: Tensor, shape: tuple[int, ...], p: float) -> Tensor:
    mask = torch.empty(shape, dtype=input.dtype).bernoulli_(1 - p)
    return mask if p == 1 else mask / (1 - p)


def _dropped(
    input: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> Tensor:
    _check(p)
    if not training or p == 0 or input.numel() == 0:
        return input
    result = input * 0 if p == 1 else input * _scaled_mask(input, shape, p)
    return input._write(result) if inplace else result


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p and scale the rest by 1 / (1 - p)."""
    return _dropped(input, tuple(input.shape), p, training, inplace)


def _channels(input: Tensor, dims: int, p: float, training: bool, inplace: bool) -> Tensor:
    batched = input.ndim == dims + 2
    kept = tuple(input.shape[:2]) if batched else (input.shape[0],)
    return _dropped(input, kept + (1,) * dims, p, training, inplace)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of [N, C, L] or [C, L]."""
    return _channels(input, 1, p, training, inplace)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of [N, C, H, W]."""
    if input.ndim == 3:  # PyTorch reads [C, H, W] as [N, C, L] here
        return _channels(input, 1, p, training, inplace)
    return _channels(input, 2, p, training, inplace)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Zero whole channels of [N, C, D, H, W] or [C, D, H, W]."""
    return _channels(input, 3, p, training, inplace)


def _alpha(
    input: Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> Tensor:
    _check(p)
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input * 0
    alpha = 1.7580993408473766
    a = ((alpha * alpha * p + 1) * (1 - p)) ** -0.5
    keep = torch.empty(shape, dtype=input.dtype).bernoulli_(1 - p)
    b = (keep - 1) * (alpha * a) + alpha * a * p
    result = input * (keep * a) + b
    return input._write(result) if inplace else result


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations (Klambauer et al., 2017)."""
    return _alpha(input, tuple(input.shape), p, training, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2)
    return _alpha(input, shape, p, training, inplace)
