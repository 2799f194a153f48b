"""Losses that compare two equally shaped values element by element.

One row each: the loss of an element, its derivative in x and in target.  `reduction` is "mean",
"sum" or "none".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..derivative import type_of
from ..op import Op, declare
from ..types import TensorType
from .derived import with_parameters
from .inference import require, require_kind
from .kernels import Array, widened
from .loss import REDUCTIONS, require_reduction
from .pointwise import abs, clamp_min, exp, log, log1p, relu, sigmoid, sign, square, where
from .reduction import mean, restored, sum
from .samples import Case, between, normal

Element = Callable[..., Any]


def reduced(losses: Any, reduction: str) -> Any:
    """Losses as ops, reduced."""
    dims = tuple(range(losses.ndim))
    return (
        losses if reduction == "none" else (mean if reduction == "mean" else sum)(losses, dims=dims)
    )


def _reduced(losses: Array, reduction: str) -> Any:
    if reduction == "none":
        return losses
    return (
        losses.mean(dtype=losses.dtype) if reduction == "mean" else losses.sum(dtype=losses.dtype)
    )


def _spread(g: Any, x_type: TensorType, reduction: str) -> Any:
    """The cotangent of every element's loss."""
    if reduction == "none":
        return g
    scaled = g / float(max(x_type.numel, 1)) if reduction == "mean" else g
    return restored(scaled, x_type.shape, tuple(range(x_type.ndim)))


def _loss(
    name: str,
    numpy: Element,
    element: Element,
    slope: Element,
    target_slope: Element | None = None,
    samples: Callable[[], tuple[Array, Array]] | None = None,
    **defaults: float | bool,
) -> Op:
    """Declare loss(x, target, reduction="mean", **attributes).

    numpy, element: an element's loss, on arrays and as ops.  slope, target_slope: its derivative in
    x and in target as ops; without target_slope it is the opposite of slope.
    """

    def infer(
        x: TensorType, target: TensorType, *, reduction: str = "mean", **attrs: Any
    ) -> TensorType:
        require_kind(name, x, "f")
        require_reduction(reduction)
        if attrs.keys() - defaults.keys():
            raise TypeError(f"{name} has no attribute {', '.join(attrs.keys() - defaults.keys())}")
        require(
            x == target, f"{name}: x and target must have one shape and dtype", x=x, target=target
        )
        return x if reduction == "none" else TensorType(x.dtype, ())

    def kernel(x: Array, target: Array, *, reduction: str = "mean", **attrs: Any) -> Any:
        return _reduced(np.asarray(numpy(x, target, **attrs)), reduction)

    def decomposed(x: Any, target: Any, *, reduction: str = "mean", **attrs: Any) -> Any:
        return reduced(element(x, target, **attrs), reduction)

    def x_rule(g: Any, x: Any, target: Any, reduction: str, *values: Any) -> Any:
        attrs = dict(zip(defaults, values, strict=True))
        return _spread(g, type_of(x), reduction) * slope(x, target, **attrs)

    def target_rule(g: Any, x: Any, target: Any, reduction: str, *values: Any) -> Any:
        attrs = dict(zip(defaults, values, strict=True))
        spread = _spread(g, type_of(x), reduction)
        if target_slope is None:
            return -spread * slope(x, target, **attrs)
        return spread * target_slope(x, target, **attrs)

    def cases() -> list[Case]:
        x, target = samples() if samples else (2 * normal(3, 5), 2 * normal(3, 5, seed=1))
        return [((x, target), {"reduction": r, **defaults}) for r in REDUCTIONS]

    return declare(
        name, "composite", "x target", infer, widened(kernel), decompose=decomposed,
        vjp=tuple(
            with_parameters(rule, "g", "x", "target", reduction="mean", **defaults)
            for rule in (x_rule, target_rule)
        ),
        samples=cases,
    )  # fmt: skip


def _smooth_l1(x: Array, target: Array, *, beta: float = 1.0) -> Any:
    size = np.abs(x - target)
    if beta == 0:
        return size
    return np.where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)


def _smooth_l1_element(x: Any, target: Any, *, beta: float = 1.0) -> Any:
    size = abs(x - target)
    if beta == 0:
        return size
    return where(size < beta, size * size * (0.5 / beta), size - 0.5 * beta)


def _smooth_l1_slope(x: Any, target: Any, *, beta: float = 1.0) -> Any:
    d = x - target
    return sign(d) if beta == 0 else where(abs(d) < beta, d / beta, sign(d))


def _huber(x: Array, target: Array, *, delta: float = 1.0) -> Any:
    size = np.abs(x - target)
    return np.where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))


def _huber_element(x: Any, target: Any, *, delta: float = 1.0) -> Any:
    size = abs(x - target)
    return where(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))


def _huber_slope(x: Any, target: Any, *, delta: float = 1.0) -> Any:
    d = x - target
    return where(abs(d) < delta, d, delta * sign(d))


_FLOOR = -100.0  # PyTorch keeps the logarithms of binary cross entropy above this


def _bce(x: Array, target: Array) -> Any:
    if x.size and not (0 <= x.min() and x.max() <= 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    return (target - 1) * np.maximum(np.log1p(-x), _FLOOR) - target * np.maximum(np.log(x), _FLOOR)


def _bce_element(x: Any, target: Any) -> Any:
    return (target - 1.0) * clamp_min(log1p(-x), _FLOOR) - target * clamp_min(log(x), _FLOOR)


def _bce_slope(x: Any, target: Any) -> Any:
    return (x - target) / clamp_min(x * (1.0 - x), 1e-12)


def _bce_target_slope(x: Any, target: Any) -> Any:
    return clamp_min(log1p(-x), _FLOOR) - clamp_min(log(x), _FLOOR)


def _logits(x: Array, target: Array) -> Any:
    return np.maximum(x, 0) - x * target + np.log1p(np.exp(-np.abs(x)))


def _logits_element(x: Any, target: Any) -> Any:
    return relu(x) - x * target + log1p(exp(-abs(x)))


def _kl(x: Array, target: Array, *, log_target: bool = False) -> Any:
    if log_target:
        return np.exp(target) * (target - x)
    return np.where(target == 0, target.dtype.type(0), target * np.log(target)) - target * x


def _kl_element(x: Any, target: Any, *, log_target: bool = False) -> Any:
    if log_target:
        return exp(target) * (target - x)
    return where(target > 0, target * log(target), 0) - target * x


def _kl_slope(x: Any, target: Any, *, log_target: bool = False) -> Any:
    return -exp(target) if log_target else -target


def _kl_target_slope(x: Any, target: Any, *, log_target: bool = False) -> Any:
    if log_target:
        return exp(target) * (target - x + 1.0)
    return where(target > 0, log(target) + 1.0, 0) - x


def _probabilities() -> tuple[Array, Array]:
    return between(0.05, 0.95, 3, 5), between(0.05, 0.95, 3, 5, seed=1)


def _log_probabilities() -> tuple[Array, Array]:
    return -between(0.1, 3, 3, 5), between(0.05, 0.95, 3, 5, seed=1)


# fmt: off
mse_loss       = _loss("mse_loss",       lambda x, t: np.square(x - t), lambda x, t: square(x - t), lambda x, t: 2 * (x - t))
l1_loss        = _loss("l1_loss",        lambda x, t: np.abs(x - t),    lambda x, t: abs(x - t),    lambda x, t: sign(x - t))
smooth_l1_loss = _loss("smooth_l1_loss", _smooth_l1, _smooth_l1_element, _smooth_l1_slope, beta=1.0)
huber_loss     = _loss("huber_loss",     _huber,     _huber_element,     _huber_slope,     delta=1.0)
binary_cross_entropy             = _loss("binary_cross_entropy",             _bce,    _bce_element,    _bce_slope, _bce_target_slope, _probabilities)
binary_cross_entropy_with_logits = _loss("binary_cross_entropy_with_logits", _logits, _logits_element, lambda x, t: sigmoid(x) - t, lambda x, t: -x)
kl_div         = _loss("kl_div",         _kl,        _kl_element,        _kl_slope, _kl_target_slope, _log_probabilities, log_target=False)
# fmt: on
