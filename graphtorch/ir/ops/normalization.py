"""Layer and RMS normalisation with their backward ops.

They normalise *rows*: the elements that share a mean.  The backward ops recompute mean and
deviation from x: rereading a row that is in the cache costs less than keeping statistics around.

    x_hat = (x - mean) * rstd        y = x_hat * weight + bias
    dx    = rstd * (dh - mean(dh) - x_hat * mean(dh * x_hat)),   dh = dy * weight
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Joint, Op, declare
from ..types import TensorType
from .derived import derived
from .inference import require, require_kind
from .kernels import Array, widened
from .pointwise import rsqrt
from .reduction import mean, restored, sum
from .samples import Case, between, normal
from .view import expand


def given(*values: Any) -> tuple[Any, ...]:
    """The values that are not None."""
    return tuple(v for v in values if v is not None)


# ---- the shared arithmetic: rows as a matrix for NumPy, any dims as ops


def _standardised(rows: Array, eps: float, centre: bool = True) -> tuple[Array, Array]:
    """x_hat (new memory) and rstd as a column, for the rows of a matrix."""
    n = rows.shape[1]
    share = np.full(n, 1 / max(n, 1), rows.dtype)
    x_hat = rows - (rows @ share)[:, None] if centre else rows.copy()
    variance = np.einsum("ij,ij->i", x_hat, x_hat)[:, None] * rows.dtype.type(1 / max(n, 1))
    variance += rows.dtype.type(eps)
    rstd = np.reciprocal(np.sqrt(variance, out=variance), out=variance)
    x_hat *= rstd
    return x_hat, rstd


def _standardised_backward(dh: Array, x_hat: Array, rstd: Array, centre: bool = True) -> Array:
    """dx for the rows of a matrix, in place of dh; overwrites x_hat too."""
    n = dh.shape[1]
    along = np.einsum("ij,ij->i", dh, x_hat)[:, None] * dh.dtype.type(1 / max(n, 1))
    if centre:
        dh -= (dh @ np.full(n, 1 / max(n, 1), dh.dtype))[:, None]
    x_hat *= along
    dh -= x_hat
    dh *= rstd
    return dh


def _column_sums(rows: Array) -> Array:
    return np.ones(rows.shape[0], rows.dtype) @ rows


def standardise(x: Any, dims: tuple[int, ...], eps: float, centre: bool = True) -> tuple[Any, Any]:
    """`_standardised` as ops; rstd is repeated to x's shape."""
    shape = tuple(x.shape)
    if centre:
        x = x - restored(mean(x, dims=dims), shape, dims)
    rstd = restored(rsqrt(mean(x * x, dims=dims) + eps), shape, dims)
    return x * rstd, rstd


def standardise_backward(
    dh: Any, x_hat: Any, rstd: Any, dims: tuple[int, ...], centre: bool = True
) -> Any:
    shape = tuple(dh.shape)
    along = restored(mean(dh * x_hat, dims=dims), shape, dims)
    if centre:
        dh = dh - restored(mean(dh, dims=dims), shape, dims)
    return rstd * (dh - x_hat * along)


# ---- layer_norm and rms_norm


def _last(x: Any, ndim: int) -> tuple[int, ...]:
    return tuple(range(x.ndim - ndim, x.ndim))


def _matrix(x: Array, ndim: int) -> Array:
    outer = x.shape[: x.ndim - ndim]
    return x.reshape(math.prod(outer), math.prod(x.shape[x.ndim - ndim :]))


def _check(name: str, x: TensorType, ndim: int, *parameters: TensorType | None) -> TensorType:
    require_kind(name, x, "f")
    normalized = x.shape[x.ndim - ndim :]
    found = given(*parameters)
    require(
        1 <= ndim <= x.ndim and all(p == TensorType(x.dtype, normalized) for p in found),
        f"Given normalized_shape={list(normalized)}, expected weight and bias of that shape"
        " and of the input's dtype",
        x=x,
        **{f"parameter {i}": p for i, p in enumerate(found)},
    )
    return x


def _row_norm(name: str, centre: bool) -> tuple[Op, Op]:
    """A normalisation of the last `ndim` dimensions, and its backward op."""
    backward_name = f"{name}_backward"

    def infer(
        x: TensorType,
        weight: TensorType | None = None,
        bias: TensorType | None = None,
        *,
        ndim: int,
        eps: float,
    ) -> TensorType:
        return _check(name, x, ndim, weight, bias)

    def numpy(
        x: Array, weight: Array | None = None, bias: Array | None = None, *, ndim: int, eps: float
    ) -> Array:
        y, _ = _standardised(_matrix(x, ndim), eps, centre)
        if weight is not None:
            y *= weight.reshape(-1)
        if bias is not None:
            y += bias.reshape(-1)
        return y.reshape(x.shape)

    def decomposed(x: Any, weight: Any = None, bias: Any = None, *, ndim: int, eps: float) -> Any:
        shape = tuple(x.shape)
        y, _ = standardise(x, _last(x, ndim), eps, centre)
        if weight is not None:
            y = y * expand(weight, shape=shape)
        if bias is not None:
            y = y + expand(bias, shape=shape)
        return y

    def rule(
        g: Any, x: Any, weight: Any, bias_type: TensorType | None, ndim: int, eps: float
    ) -> tuple[Any, ...]:
        found: tuple[Any, ...] = backward(
            g, x, *given(weight), ndim=ndim, eps=eps, bias=bias_type is not None
        )
        return found

    def infer_backward(
        dy: TensorType,
        x: TensorType,
        weight: TensorType | None = None,
        *,
        ndim: int,
        eps: float,
        bias: bool,
    ) -> tuple[TensorType, ...]:
        _check(backward_name, x, ndim, weight)
        return given(x, weight, weight if bias else None)

    def numpy_backward(
        dy: Array, x: Array, weight: Array | None = None, *, ndim: int, eps: float, bias: bool
    ) -> tuple[Array, ...]:
        x_hat, rstd = _standardised(_matrix(x, ndim), eps, centre)
        rows = _matrix(dy, ndim)
        dweight = dbias = None
        if weight is None:
            dh = rows.copy()
        else:
            dh = rows * x_hat
            dweight = _column_sums(dh).reshape(weight.shape)
            dbias = _column_sums(rows).reshape(weight.shape) if bias else None
            np.multiply(rows, weight.reshape(-1), out=dh)
        dx = _standardised_backward(dh, x_hat, rstd, centre).reshape(x.shape)
        return given(dx, dweight, dbias)

    def decomposed_backward(
        dy: Any, x: Any, weight: Any = None, *, ndim: int, eps: float, bias: bool
    ) -> tuple[Any, ...]:
        dims, outer = _last(x, ndim), tuple(range(x.ndim - ndim))
        x_hat, rstd = standardise(x, dims, eps, centre)
        dh, dweight, dbias = dy, None, None
        if weight is not None:
            dweight = sum(dy * x_hat, dims=outer)
            dbias = sum(dy, dims=outer) if bias else None
            dh = dy * expand(weight, shape=tuple(x.shape))
        return given(standardise_backward(dh, x_hat, rstd, dims, centre), dweight, dbias)

    forward = declare(
        name, "composite", "x weight bias", infer, widened(numpy), decompose=decomposed, vjp=Joint(rule),
        samples=_samples,
    )  # fmt: skip
    backward = declare(
        backward_name, "composite", "dy x weight", infer_backward, widened(numpy_backward),
        decompose=decomposed_backward, samples=_backward_samples,
        vjp=derived(backward_name, "dy x weight", infer_backward, decomposed_backward),
    )  # fmt: skip
    return forward, backward


def _samples() -> list[Case]:
    found: list[Case] = []
    for shape, ndim in (((4, 6), 1), ((2, 3, 5), 1), ((2, 3, 5), 2)):
        parameters = [between(0.5, 1.5, *shape[-ndim:], seed=3), normal(*shape[-ndim:], seed=4)]
        for count in range(3):
            found.append(((normal(*shape), *parameters[:count]), {"ndim": ndim, "eps": 1e-5}))
    return found


def _backward_samples() -> list[Case]:
    return [
        ((normal(*x.shape, seed=9), x, *rest[:1]), {**attrs, "bias": len(rest) == 2})
        for (x, *rest), attrs in _samples()
    ]


# layer_norm(x, [weight, [bias]], ndim=, eps=): over the last ndim dimensions (Ba et al. 2016)
# layer_norm_backward(dy, x, [weight], ndim=, eps=, bias=): (dx, [dweight, [dbias]])
layer_norm, layer_norm_backward = _row_norm("layer_norm", centre=True)

# rms_norm(x, [weight, [bias]], ndim=, eps=): x / sqrt(mean(x^2) + eps) * weight (Zhang & Sennrich 2019)
# rms_norm_backward(dy, x, [weight], ndim=, eps=, bias=): (dx, [dweight, [dbias]])
rms_norm, rms_norm_backward = _row_norm("rms_norm", centre=False)
