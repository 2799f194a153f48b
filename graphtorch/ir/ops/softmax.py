"""softmax and log_softmax with their backward ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType
from .inference import require_dim, require_kind
from .kernels import Array, widened
from .pointwise import exp, exp_nonpositive, log, reciprocal
from .reduction import amax, restored, sum
from .samples import Case, normal
from .view import stop_gradient


def _softmax_type(x: TensorType, *, dim: int) -> TensorType:
    if x.ndim or dim:
        require_dim("softmax", x, dim)
    require_kind("softmax", x, "f")
    return x


def shifted(x: Array, dim: int) -> Array:
    """x minus its maximum along dim, in new memory; exponentials of it do not overflow."""
    if not x.size:
        return x.copy()
    return np.subtract(x, np.maximum.reduce(x, axis=dim, keepdims=True))


def _total(x: Any, dim: int) -> Any:
    """The sum along dim, repeated to x's shape (a 0-d value is its own sum)."""
    if not x.ndim:
        return x
    return restored(sum(x, dims=(dim,)), tuple(x.shape), (dim,))


def _softmax(x: Array, *, dim: int) -> Array:
    if not x.ndim:
        return np.ones_like(x)
    y = shifted(x, dim)
    np.exp(y, out=y)
    y /= np.add.reduce(y, axis=dim, keepdims=True)
    return y


def _centred(x: Any, dim: int) -> Any:
    """`shifted` as ops; the maximum is a constant to the derivative."""
    top = stop_gradient(amax(x, dims=(dim,)))
    return x - restored(top, tuple(x.shape), (dim,))


def _softmax_decomposed(x: Any, *, dim: int) -> Any:
    if not x.ndim or 0 in x.shape:
        return exp(x - x)
    e = exp_nonpositive(_centred(x, dim))
    total = sum(e, dims=(dim,))  # at least 1: one division a row, not one an element
    return e * restored(reciprocal(total), tuple(x.shape), (dim,))


def _log_softmax(x: Array, *, dim: int) -> Array:
    if not x.ndim:
        return np.subtract(x, x, out=np.empty_like(x))
    y = shifted(x, dim)
    y -= np.log(np.add.reduce(np.exp(y), axis=dim, keepdims=True))
    return y


def _log_softmax_decomposed(x: Any, *, dim: int) -> Any:
    if not x.ndim or 0 in x.shape:
        return x - x
    low = _centred(x, dim)
    return low - restored(log(sum(exp_nonpositive(low), dims=(dim,))), tuple(x.shape), (dim,))


def _backward_type(dy: TensorType, output: TensorType, *, dim: int) -> TensorType:
    return _softmax_type(output, dim=dim)


def _softmax_backward(dy: Array, y: Array, *, dim: int) -> Array:
    product = np.asarray(dy * y)
    if not y.ndim:
        return np.asarray(product - y * product)
    product -= y * np.add.reduce(product, axis=dim, keepdims=True)
    return product


def _softmax_backward_decomposed(dy: Any, y: Any, *, dim: int) -> Any:
    product = dy * y
    return product - y * _total(product, dim)


def _log_softmax_backward(dy: Array, y: Array, *, dim: int) -> Array:
    if not y.ndim:
        return np.asarray(dy - np.exp(y) * dy)
    e = np.exp(y)
    e *= np.add.reduce(dy, axis=dim, keepdims=True)
    return np.subtract(dy, e, out=e)


def _log_softmax_backward_decomposed(dy: Any, y: Any, *, dim: int) -> Any:
    return dy - exp(y) * _total(dy, dim)


def _samples() -> list[Case]:
    return [
        ((normal(3, 5),), {"dim": 1}),
        ((normal(3, 5),), {"dim": 0}),
        ((100 * normal(2, 3, 4),), {"dim": 1}),
        ((normal(),), {"dim": 0}),
        ((normal(3, 0),), {"dim": 1}),
    ]


def _backward_samples() -> list[Case]:
    found: list[Case] = []
    for (x,), attrs in _samples():
        y = _softmax(x, **attrs) if x.ndim else np.ones_like(x)
        found.append(((normal(*x.shape, seed=7), y), attrs))
    return found


def _y_of_softmax(g: Any, dy: Any, y: Any, dim: int) -> Any:
    return g * (dy - _total(dy * y, dim)) - dy * _total(g * y, dim)


# softmax(x, dim=): exp(x) / sum(exp(x))
softmax = declare(
    "softmax", "composite", "x", _softmax_type, widened(_softmax), decompose=_softmax_decomposed,
    vjp=(lambda g, y, dim: softmax_backward(g, y, dim=dim),), samples=_samples,
)  # fmt: skip

# log_softmax(x, dim=): x - log(sum(exp(x)))
log_softmax = declare(
    "log_softmax", "composite", "x", _softmax_type, widened(_log_softmax), decompose=_log_softmax_decomposed,
    vjp=(lambda g, y, dim: log_softmax_backward(g, y, dim=dim),), samples=_samples,
)  # fmt: skip

# softmax_backward(dy, output, dim=): output * (dy - sum(dy * output))
softmax_backward: Op = declare(
    "softmax_backward", "composite", "dy output", _backward_type, widened(_softmax_backward),
    decompose=_softmax_backward_decomposed,
    vjp=(
        lambda g, output, dim: softmax_backward(g, output, dim=dim),
        lambda g, dy, output, dim: _y_of_softmax(g, dy, output, dim),
    ),
    samples=_backward_samples,
)  # fmt: skip

# log_softmax_backward(dy, output, dim=): dy - exp(output) * sum(dy)
log_softmax_backward: Op = declare(
    "log_softmax_backward", "composite", "dy output", _backward_type, widened(_log_softmax_backward),
    decompose=_log_softmax_backward_decomposed,
    vjp=(
        lambda g, output, dim: g - _total(g * exp(output), dim),
        lambda g, dy, output, dim: -(g * exp(output)) * _total(dy, dim),
    ),
    samples=_backward_samples,
)  # fmt: skip
