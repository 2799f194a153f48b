"""Losses that classify: cross entropy and negative log likelihood, with their backward ops.

`reduction` is "mean", "sum" or "none".  Classes are dimension 1 (dimension 0 of a single sample is
the frontend's business); targets are class numbers with the shape of x without that dimension.
Targets equal to `ignore_index` count neither in the sum nor in the mean.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ..op import Joint, declare
from ..types import TensorType
from .derived import derived
from .index import gather, require_index, scatter, take
from .inference import operands_message, require, require_kind, without
from .kernels import Array, widened
from .pointwise import cast, ne, where
from .reduction import restored, sum
from .samples import Case, between, integers, normal
from .softmax import log_softmax
from .view import reshape

REDUCTIONS = ("none", "mean", "sum")


def require_reduction(reduction: str) -> None:
    """Raise ValueError unless `reduction` is one of the three."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")


# ---- types


def _check(
    name: str, x: TensorType, target: TensorType, weight: TensorType | None, reduction: str
) -> TensorType:
    require_kind(name, x, "f")
    require_reduction(reduction)
    operands: dict[str, Any] = {"x": x, "target": target}
    if target.dtype.kind != "i":
        raise RuntimeError(
            operands_message("expected scalar type Long but found " + target.dtype.name, **operands)
        )
    require_index(name, target)
    if x.ndim < 2 or target.shape != without(x.shape, (1,)):
        raise ValueError(
            operands_message(
                f"Expected input batch_size ({x.shape[0] if x.shape else 1}) to match target"
                f" batch_size ({target.shape[0] if target.shape else 1})",
                "targets are class numbers, one for every position of x without its dimension 1",
                **operands,
            )
        )
    if weight is not None:
        require(
            weight == TensorType(x.dtype, (x.shape[1],)),
            "weight tensor should be defined either for all classes or no classes",
            weight=weight,
            **operands,
        )
    return TensorType(x.dtype, target.shape if reduction == "none" else ())


def _cross_entropy_type(
    x: TensorType, target: TensorType, weight: TensorType | None = None, *,
    reduction: str = "mean", ignore_index: int = -100, label_smoothing: float = 0.0,
) -> TensorType:  # fmt: skip
    return _check("cross_entropy", x, target, weight, reduction)


def _nll_loss_type(
    x: TensorType, target: TensorType, weight: TensorType | None = None, *,
    reduction: str = "mean", ignore_index: int = -100,
) -> TensorType:  # fmt: skip
    return _check("nll_loss", x, target, weight, reduction)


# ---- NumPy kernels: classes last, one row per target


def _class_rows(x: Array) -> Array:
    moved = x if x.ndim == 2 else np.moveaxis(x, 1, -1)
    return moved.reshape(-1, x.shape[1]) if moved.ndim != 2 else moved


def _valid_targets(target: Array, classes: int, ignore_index: int) -> tuple[Array, Array | None]:
    """Targets with ignored ones set to 0, and the mask of the others (None: all)."""
    t = target.reshape(-1)
    if not t.size or (t.min() >= 0 and t.max() < classes and not 0 <= ignore_index < classes):
        return t, None
    valid = t != ignore_index
    wrong = valid & ((t < 0) | (t >= classes))
    if wrong.any():
        raise IndexError(operands_message(f"Target {t[wrong][0]} is out of bounds."))
    return np.where(valid, t, 0), valid


def _row_weights(t: Array, valid: Array | None, weight: Array | None, dtype: Any) -> Array:
    """The weight of every row in the loss: its class's weight, 0 if ignored."""
    rows = np.ones(t.size, dtype) if weight is None else weight[t]
    return rows if valid is None else rows * valid


def _reduced(losses: Array, weights: Array, shape: tuple[int, ...], reduction: str) -> Any:
    if reduction == "none":
        return losses.reshape(shape)
    total = losses.sum(dtype=losses.dtype)
    return total if reduction == "sum" else total / weights.sum(dtype=losses.dtype)


def _log_probabilities(rows: Array) -> tuple[Array, Array]:
    """Rows minus their maximum (new memory), and the logarithm of the sum of their exponentials."""
    low = rows - np.maximum.reduce(rows, axis=1, keepdims=True)
    return low, np.log(np.add.reduce(np.exp(low), axis=1))


def _cross_entropy(
    x: Array, target: Array, weight: Array | None = None, *,
    reduction: str = "mean", ignore_index: int = -100, label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    rows = _class_rows(x)
    t, valid = _valid_targets(target, x.shape[1], ignore_index)
    low, lse = _log_probabilities(rows)
    weights = _row_weights(t, valid, weight, x.dtype)
    losses = (lse - low[np.arange(t.size), t]) * weights
    if label_smoothing:
        spread = lse[:, None] - low
        smooth = spread.sum(axis=1) if weight is None else spread @ weight
        if valid is not None:
            smooth *= valid
        losses = losses * x.dtype.type(1 - label_smoothing)
        losses += smooth * x.dtype.type(label_smoothing / x.shape[1])
    if valid is not None:
        losses = np.where(valid, losses, x.dtype.type(0))
    return _reduced(losses, weights, target.shape, reduction)


def _row_cotangents(dy: Array, weights: Array, reduction: str) -> Array:
    if reduction == "mean":
        return np.broadcast_to(dy / weights.sum(dtype=dy.dtype), weights.shape)
    return np.broadcast_to(dy.reshape(-1) if dy.ndim else dy, weights.shape)


def _cross_entropy_backward(
    dy: Array, x: Array, target: Array, weight: Array | None = None, *,
    reduction: str, ignore_index: int, label_smoothing: float,
) -> Array:  # fmt: skip
    rows = _class_rows(x)
    t, valid = _valid_targets(target, x.shape[1], ignore_index)
    weights = _row_weights(t, valid, weight, x.dtype)
    g = _row_cotangents(dy, weights, reduction)
    p: Array = np.exp(rows - np.maximum.reduce(rows, axis=1, keepdims=True))
    sums = np.add.reduce(p, axis=1)
    hit = g * weights
    everywhere = np.arange(t.size)
    if not label_smoothing:
        p *= (hit / sums)[:, None]
        p[everywhere, t] -= hit
    else:
        # loss = sum over classes of q_c * (lse - x_c): the gradient is softmax * sum(q) - q
        spread = g if valid is None else g * valid
        q = np.repeat((spread * x.dtype.type(label_smoothing / x.shape[1]))[:, None], x.shape[1], 1)
        if weight is not None:
            q *= weight
        q[everywhere, t] += hit * x.dtype.type(1 - label_smoothing)
        p *= (q.sum(axis=1) / sums)[:, None]
        p -= q
    if valid is not None:
        p[~valid] = 0
    if x.ndim == 2:
        return p
    moved = p.reshape(x.shape[0], *x.shape[2:], x.shape[1])
    return np.ascontiguousarray(np.moveaxis(moved, -1, 1))


def _nll_loss(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    reduction: str = "mean",
    ignore_index: int = -100,
) -> Any:
    t, valid = _valid_targets(target, x.shape[1], ignore_index)
    weights = _row_weights(t, valid, weight, x.dtype)
    losses = -_class_rows(x)[np.arange(t.size), t] * weights
    if valid is not None:
        losses = np.where(valid, losses, x.dtype.type(0))
    return _reduced(losses, weights, target.shape, reduction)


# ---- decompositions


def _targets(x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any]:
    """Targets safe to gather with, which are valid, and the weight of each in the loss."""
    valid = ne(target, ignore_index)
    safe = where(valid, target, 0)
    ones = cast(valid, dtype=x.dtype)
    return safe, valid, ones if weight is None else take(weight, safe, dim=0) * ones


def _at_target(x: Any, safe: Any) -> Any:
    shape = tuple(safe.shape)
    index = reshape(safe, shape=(shape[0], 1, *shape[1:]))
    return reshape(gather(x, index, dim=1), shape=shape)


def _reduced_decomposed(losses: Any, weights: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    dims = tuple(range(losses.ndim))
    total = sum(losses, dims=dims)
    return total if reduction == "sum" else total / sum(weights, dims=dims)


def _nll_loss_decomposed(
    x: Any, target: Any, weight: Any = None, *, reduction: str = "mean", ignore_index: int = -100
) -> Any:
    safe, valid, weights = _targets(x, target, weight, ignore_index)
    losses = where(valid, -_at_target(x, safe) * weights, 0)
    return _reduced_decomposed(losses, weights, reduction)


def _cross_entropy_decomposed(
    x: Any, target: Any, weight: Any = None, *,
    reduction: str = "mean", ignore_index: int = -100, label_smoothing: float = 0.0,
) -> Any:  # fmt: skip
    low = log_softmax(x, dim=1)
    if not label_smoothing:
        return _nll_loss_decomposed(
            low, target, weight, reduction=reduction, ignore_index=ignore_index
        )
    safe, valid, weights = _targets(x, target, weight, ignore_index)
    losses = -_at_target(low, safe) * weights
    scaled = low if weight is None else low * _along_classes(weight, x)
    smooth = -sum(scaled, dims=(1,))
    losses = losses * (1 - label_smoothing) + smooth * (label_smoothing / x.shape[1])
    return _reduced_decomposed(where(valid, losses, 0), weights, reduction)


def _along_classes(weight: Any, x: Any) -> Any:
    others = (0, *range(2, x.ndim))
    return restored(weight, tuple(x.shape), others)


def _over_rows(dy: Any, weights: Any, reduction: str) -> Any:
    shape, dims = tuple(weights.shape), tuple(range(weights.ndim))
    if reduction == "mean":
        dy = dy / sum(weights, dims=dims)
    return dy if reduction == "none" else restored(dy, shape, dims)


def _one_hot(safe: Any, v: Any, x: Any) -> Any:
    """v at the target's class, 0 at the others."""
    from .creation import full

    shape = tuple(safe.shape)
    wide = (shape[0], 1, *shape[1:])
    zeros = full(shape=tuple(x.shape), value=0.0, dtype=x.dtype)
    return scatter(zeros, reshape(safe, shape=wide), reshape(v, shape=wide), dim=1)


def _cross_entropy_backward_decomposed(
    dy: Any, x: Any, target: Any, weight: Any = None, *,
    reduction: str, ignore_index: int, label_smoothing: float,
) -> Any:  # fmt: skip
    from .softmax import softmax

    shape = tuple(x.shape)
    safe, valid, weights = _targets(x, target, weight, ignore_index)
    g = _over_rows(dy, weights, reduction)
    g = where(valid, g, 0)
    p = softmax(x, dim=1)
    if not label_smoothing:
        hit = g * weights
        q = _one_hot(safe, hit, x)
        return p * restored(hit, shape, (1,)) - q
    spread = restored(g * (label_smoothing / shape[1]), shape, (1,))
    if weight is not None:
        spread = spread * _along_classes(weight, x)
    q = spread + _one_hot(safe, g * weights * (1 - label_smoothing), x)
    return p * restored(sum(q, dims=(1,)), shape, (1,)) - q


# ---- rules


def _cross_entropy_x(
    g: Any,
    x: Any,
    target: Any,
    weight: Any,
    reduction: str,
    ignore_index: int,
    label_smoothing: float,
) -> Any:
    operands = (g, x, target) if weight is None else (g, x, target, weight)
    return cross_entropy_backward(
        *operands, reduction=reduction, ignore_index=ignore_index, label_smoothing=label_smoothing
    )


def _no_rule(g: Any) -> None:
    """Class numbers have no derivative."""


def _only(joint: Joint, position: int) -> Any:
    """One input's part of a joint rule, for an input that is rarely differentiated."""

    def rule(*values: Any) -> Any:
        return joint.rule(*values)[position]

    rule.__signature__ = inspect.signature(joint.rule)  # type: ignore[attr-defined]
    return rule


def _cross_entropy_backward_type(
    dy: TensorType, x: TensorType, target: TensorType, weight: TensorType | None = None, *,
    reduction: str, ignore_index: int, label_smoothing: float,
) -> TensorType:  # fmt: skip
    _check("cross_entropy_backward", x, target, weight, reduction)
    return x


def _nll_loss_x(
    g: Any, x_type: TensorType, target: Any, weight: Any, reduction: str, ignore_index: int
) -> Any:
    safe, valid, weights = _targets(x_type, target, weight, ignore_index)
    row = where(valid, -_over_rows(g, weights, reduction) * weights, 0)
    return _one_hot(safe, row, x_type)


# ---- samples and rows


def _samples(*, smoothing: bool) -> list[Case]:
    x, t, w = normal(6, 4), integers(0, 4, 6), between(0.5, 1.5, 4)
    ignored = t.copy()
    ignored[[1, 4]] = -100
    image, labels = normal(2, 3, 4), integers(0, 3, 2, 4)
    found: list[Case] = []
    for reduction in REDUCTIONS:
        plain = {"reduction": reduction, "ignore_index": -100}
        for s in (0.0, 0.1) if smoothing else (None,):
            attrs = plain if s is None else {**plain, "label_smoothing": s}
            found += [
                ((x, t), attrs),
                ((x, ignored, w), attrs),
                ((x, t), {**attrs, "ignore_index": int(t[0])}),
                ((image, labels), attrs),
            ]
    return found


def _backward_samples() -> list[Case]:
    found: list[Case] = []
    for (x, target, *rest), attrs in _samples(smoothing=True):
        dy = normal(*(target.shape if attrs["reduction"] == "none" else ()), seed=8)
        found.append(((dy, x, target, *rest), attrs))
    return found


# cross_entropy(x[n, c, ...], target[n, ...], [weight[c]], reduction="mean", ignore_index=-100,
#               label_smoothing=0.0)
cross_entropy = declare(
    "cross_entropy", "composite", "x target weight", _cross_entropy_type, widened(_cross_entropy),
    decompose=_cross_entropy_decomposed, samples=lambda: _samples(smoothing=True),
    vjp=(
        _cross_entropy_x,
        _no_rule,
        _only(derived("cross_entropy", "x target weight", _cross_entropy_type, _cross_entropy_decomposed), 2),
    ),
)  # fmt: skip

# cross_entropy_backward(dy, x, target, [weight], reduction=, ignore_index=, label_smoothing=)
cross_entropy_backward = declare(
    "cross_entropy_backward", "composite", "dy x target weight", _cross_entropy_backward_type,
    widened(_cross_entropy_backward), decompose=_cross_entropy_backward_decomposed, samples=_backward_samples,
    vjp=derived(
        "cross_entropy_backward", "dy x target weight",
        _cross_entropy_backward_type, _cross_entropy_backward_decomposed,
    ),
)  # fmt: skip

# nll_loss(x[n, c, ...], target[n, ...], [weight[c]], reduction="mean", ignore_index=-100); x holds
# log-probabilities
nll_loss = declare(
    "nll_loss", "composite", "x target weight", _nll_loss_type, widened(_nll_loss),
    decompose=_nll_loss_decomposed, samples=lambda: _samples(smoothing=False),
    vjp=(
        _nll_loss_x,
        _no_rule,
        _only(derived("nll_loss", "x target weight", _nll_loss_type, _nll_loss_decomposed), 2),
    ),
)  # fmt: skip
