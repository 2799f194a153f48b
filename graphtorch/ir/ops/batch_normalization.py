"""Batch and group normalisation.

In batch normalisation a channel (dimension 1) is normalised over all other dimensions; in group
normalisation the channels of one sample are normalised in groups (instance normalisation: every
channel for itself).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Joint, declare
from ..types import TensorType
from .derived import derived
from .inference import kept, require, require_kind
from .kernels import Array, widened
from .normalization import given, standardise, standardise_backward
from .pointwise import rsqrt
from .reduction import mean, restored, sum, var
from .samples import Case, between, normal
from .view import reshape, stop_gradient


def _others(ndim: int) -> tuple[int, ...]:
    return tuple(d for d in range(ndim) if d != 1)


def _channelwise(parameter: Any, like: Any) -> Any:
    """A value per channel, repeated to the shape of `like`."""
    return restored(parameter, tuple(like.shape), _others(like.ndim))


def _check(name: str, x: TensorType, *parameters: TensorType | None) -> TensorType:
    require_kind(name, x, "f")
    require(x.ndim >= 2, f"{name}: expected at least 2 dimensions (samples, channels)", x=x)
    found = given(*parameters)
    require(
        all(p == TensorType(x.dtype, (x.shape[1],)) for p in found),
        f"{name}: parameters and statistics must hold {x.shape[1]} elements of {x.dtype.short}",
        x=x,
        **{f"parameter {i}": p for i, p in enumerate(found)},
    )
    return TensorType(x.dtype, (x.shape[1],))


# ---- training


def _type(
    x: TensorType, weight: TensorType | None = None, bias: TensorType | None = None, *, eps: float
) -> tuple[TensorType, ...]:
    statistic = _check("batch_norm", x, weight, bias)
    if x.numel == x.shape[1] and x.numel:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {x.shape}"
        )
    return x, statistic, statistic


def _statistics(x: Array) -> tuple[Array, Array]:
    """Mean and (biased) variance of every channel, shaped to broadcast."""
    dims, n = _others(x.ndim), max(x.size // max(x.shape[1], 1), 1)
    centre = np.add.reduce(x, axis=dims, keepdims=True) / x.dtype.type(n)
    spread = np.square(x - centre)
    return centre, np.add.reduce(spread, axis=dims, keepdims=True) / x.dtype.type(n)


def _batch_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, eps: float
) -> tuple[Array, ...]:
    centre, spread = _statistics(x)
    shape = centre.shape
    factor = np.reciprocal(np.sqrt(spread + x.dtype.type(eps)))
    if weight is not None:
        factor *= weight.reshape(shape)
    y = x - centre
    y *= factor
    if bias is not None:
        y += bias.reshape(shape)
    return y, centre.reshape(-1), spread.reshape(-1)


def _decomposed(x: Any, weight: Any = None, bias: Any = None, *, eps: float) -> tuple[Any, ...]:
    dims = _others(x.ndim)
    y, _ = standardise(x, dims, eps)
    if weight is not None:
        y = y * _channelwise(weight, x)
    if bias is not None:
        y = y + _channelwise(bias, x)
    fixed = stop_gradient(x)
    return y, mean(fixed, dims=dims), var(fixed, dims=dims, correction=0)


def _rule(
    g: tuple[Any, ...], x: Any, weight: Any, bias_type: TensorType | None, eps: float
) -> tuple[Any, ...]:
    found: tuple[Any, ...] = batch_norm_backward(
        g[0], x, *given(weight), eps=eps, bias=bias_type is not None
    )
    return found


def _backward_type(
    dy: TensorType, x: TensorType, weight: TensorType | None = None, *, eps: float, bias: bool
) -> tuple[TensorType, ...]:
    _check("batch_norm_backward", x, weight)
    return given(x, weight, weight if bias else None)


def _backward(
    dy: Array, x: Array, weight: Array | None = None, *, eps: float, bias: bool
) -> tuple[Array, ...]:
    dims, n = _others(x.ndim), x.dtype.type(max(x.size // max(x.shape[1], 1), 1))
    centre, spread = _statistics(x)
    rstd = np.reciprocal(np.sqrt(spread + x.dtype.type(eps)))
    x_hat = x - centre
    x_hat *= rstd
    total = np.add.reduce(dy, axis=dims, keepdims=True)
    along = np.add.reduce(dy * x_hat, axis=dims, keepdims=True)
    factor = rstd if weight is None else rstd * weight.reshape(rstd.shape)
    x_hat *= -along / n
    x_hat += dy
    x_hat -= total / n
    x_hat *= factor
    dweight = None if weight is None else along.reshape(-1)
    return given(x_hat, dweight, total.reshape(-1) if bias else None)


def _backward_decomposed(
    dy: Any, x: Any, weight: Any = None, *, eps: float, bias: bool
) -> tuple[Any, ...]:
    dims = _others(x.ndim)
    x_hat, rstd = standardise(x, dims, eps)
    dh = dy if weight is None else dy * _channelwise(weight, x)
    dx = standardise_backward(dh, x_hat, rstd, dims)
    dweight = None if weight is None else sum(dy * x_hat, dims=dims)
    return given(dx, dweight, sum(dy, dims=dims) if bias else None)


def _samples() -> list[Case]:
    found: list[Case] = []
    for shape in ((6, 3), (4, 3, 5), (2, 3, 4, 2)):
        parameters = between(0.5, 1.5, 3, seed=3), normal(3, seed=4)
        for count in range(3):
            found.append(((normal(*shape), *parameters[:count]), {"eps": 1e-5}))
    return found


def _backward_samples() -> list[Case]:
    return [
        ((normal(*x.shape, seed=9), x, *rest[:1]), {**attrs, "bias": len(rest) == 2})
        for (x, *rest), attrs in _samples()
    ]


# batch_norm(x, [weight, [bias]], eps=): (y, mean, biased variance) of a training batch (Ioffe &
# Szegedy 2015).  The statistics, meant for running averages, carry no derivative.
batch_norm = declare(
    "batch_norm", "composite", "x weight bias", _type, widened(_batch_norm), decompose=_decomposed,
    vjp=Joint(_rule), samples=_samples,
)  # fmt: skip

# batch_norm_backward(dy, x, [weight], eps=, bias=): (dx, [dweight, [dbias]])
batch_norm_backward = declare(
    "batch_norm_backward", "composite", "dy x weight", _backward_type, widened(_backward),
    decompose=_backward_decomposed, samples=_backward_samples,
    vjp=derived("batch_norm_backward", "dy x weight", _backward_type, _backward_decomposed),
)  # fmt: skip


# ---- evaluation


def _inference_type(
    x: TensorType, mean: TensorType, var: TensorType,
    weight: TensorType | None = None, bias: TensorType | None = None, *, eps: float,
) -> TensorType:  # fmt: skip
    _check("batch_norm_inference", x, mean, var, weight, bias)
    return x


def _inference(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float,
) -> Array:
    shape = kept(x.shape, _others(x.ndim))
    factor = np.reciprocal(np.sqrt(var + x.dtype.type(eps)))
    if weight is not None:
        factor *= weight
    shift = -mean * factor
    if bias is not None:
        shift += bias
    y: Array = x * factor.reshape(shape)
    y += shift.reshape(shape)
    return y


def _inference_decomposed(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, *, eps: float
) -> Any:
    factor = rsqrt(var + eps)
    if weight is not None:
        factor = factor * weight
    shift = -mean * factor
    if bias is not None:
        shift = shift + bias
    return x * _channelwise(factor, x) + _channelwise(shift, x)


def _inference_samples() -> list[Case]:
    return [
        ((x, normal(3, seed=6), between(0.5, 2, 3, seed=7), *rest), attrs)
        for (x, *rest), attrs in _samples()
    ]


# batch_norm_inference(x, mean, var, [weight, [bias]], eps=): with statistics that are given
batch_norm_inference = declare(
    "batch_norm_inference", "composite", "x mean var weight bias", _inference_type, widened(_inference),
    decompose=_inference_decomposed, samples=_inference_samples,
    vjp=derived("batch_norm_inference", "x mean var weight bias", _inference_type, _inference_decomposed),
)  # fmt: skip


# ---- group norm


def _group_type(
    x: TensorType,
    weight: TensorType | None = None,
    bias: TensorType | None = None,
    *,
    groups: int,
    eps: float,
) -> TensorType:
    _check("group_norm", x, weight, bias)
    require(
        groups >= 1 and x.shape[1] % groups == 0,
        f"Expected number of channels in input to be divisible by num_groups, but got {x} and num_groups={groups}",
        x=x,
    )
    return x


def _group_norm(
    x: Array, weight: Array | None = None, bias: Array | None = None, *, groups: int, eps: float
) -> Array:
    n, c = x.shape[:2]
    rows = x.reshape(n * groups, math.prod(x.shape[1:]) // groups)
    size = x.dtype.type(max(rows.shape[1], 1))
    y: Array = rows - np.add.reduce(rows, axis=1, keepdims=True) / size
    spread = np.add.reduce(np.square(y), axis=1, keepdims=True) / size
    y *= np.reciprocal(np.sqrt(spread + x.dtype.type(eps)))
    y = y.reshape(n, c, math.prod(x.shape[2:]))
    if weight is not None:
        y *= weight[:, None]
    if bias is not None:
        y += bias[:, None]
    return y.reshape(x.shape)


def _group_decomposed(
    x: Any, weight: Any = None, bias: Any = None, *, groups: int, eps: float
) -> Any:
    shape = tuple(x.shape)
    rows = reshape(x, shape=(shape[0], groups, math.prod(shape[1:]) // groups))
    y, _ = standardise(rows, (2,), eps)
    y = reshape(y, shape=shape)
    if weight is not None:
        y = y * _channelwise(weight, y)
    if bias is not None:
        y = y + _channelwise(bias, y)
    return y


def _group_samples() -> list[Case]:
    x, parameters = normal(2, 6, 3, 2), (between(0.5, 1.5, 6, seed=3), normal(6, seed=4))
    return [
        ((x, *parameters[:count]), {"groups": g, "eps": 1e-5})
        for count in range(3)
        for g in (1, 2, 6)
    ]


# group_norm(x, [weight, [bias]], groups=, eps=) (Wu & He 2018)
group_norm = declare(
    "group_norm", "composite", "x weight bias", _group_type, widened(_group_norm), decompose=_group_decomposed,
    vjp=derived("group_norm", "x weight bias", _group_type, _group_decomposed), samples=_group_samples,
)  # fmt: skip
