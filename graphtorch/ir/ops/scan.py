"""Scans: every element is what the elements up to it add up to, multiply to, ...

Run by their NumPy kernels.  Floating sums are accumulated in float64, as PyTorch does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Joint, Op, declare
from ..types import TensorType, int64
from .creation import full
from .index import scatter_add
from .inference import require_dim, require_kind
from .kernels import Array, widened
from .pointwise import eq, exp, where
from .region import concat, pad, zeros
from .samples import Case, integers, normal
from .view import flip
from .view import slice as slice_


def _infer(name: str, kinds: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, *, dim: int) -> TensorType:
        require_dim(name, x, dim)
        require_kind(name, x, kinds)
        return x

    return infer


def _samples() -> list[Case]:
    x = normal(3, 5)
    holes = x.copy()
    holes[0, 2] = holes[1, 1] = holes[1, 3] = 0
    return [
        ((x,), {"dim": 0}),
        ((x,), {"dim": 1}),
        ((holes,), {"dim": 1}),
        ((normal(3, 0),), {"dim": 1}),
    ]


def _accumulated(ufunc: np.ufunc) -> Callable[..., Array]:
    def kernel(x: Array, *, dim: int) -> Array:
        wide = np.float64 if x.dtype.kind == "f" else x.dtype
        return ufunc.accumulate(x, axis=dim, dtype=wide).astype(x.dtype, copy=False)

    return kernel


def backwards(x: Any, scan: Callable[..., Any], dim: int) -> Any:
    """A scan from the end to the front."""
    return flip(scan(flip(x, dims=(dim,)), dim=dim), dims=(dim,))


def _part(x: Any, dim: int, start: int, stop: int) -> Any:
    shape = tuple(x.shape)
    return slice_(
        x,
        starts=tuple(start if d == dim else 0 for d in range(len(shape))),
        stops=tuple(stop if d == dim else n for d, n in enumerate(shape)),
        steps=(1,) * len(shape),
    )


def _ahead(x: Any, dim: int, k: int) -> Any:
    """x[i + k] at i, zero beyond the end."""
    n = x.shape[dim]
    high = tuple(min(k, n) if d == dim else 0 for d in range(x.ndim))
    return pad(_part(x, dim, min(k, n), n), low=(0,) * x.ndim, high=high, value=0.0)


def _recurrence(g: Any, factor: Any, dim: int) -> Any:
    """s[i] = g[i] + factor[i] * s[i + 1] from the end, by doubling (Hillis & Steele 1986)."""
    k = 1
    while k < g.shape[dim]:
        g = g + factor * _ahead(g, dim, k)
        factor = factor * _ahead(factor, dim, k)
        k *= 2
    return g


def _cumprod_rule(g: Any, y: Any, x: Any, dim: int) -> Any:
    """dx[i] = prod(x[:i]) * s[i] with s[i] = g[i] + x[i + 1] * s[i + 1]; right at zeros too."""
    n = x.shape[dim]
    if not n:
        return g
    first = list(x.shape)
    first[dim] = 1
    one = full(shape=tuple(first), value=1.0, dtype=x.dtype)
    before = concat(one, _part(y, dim, 0, n - 1), dim=dim)
    return before * _recurrence(g, _ahead(x, dim, 1), dim)


# cumsum(x, dim=)
cumsum: Op = declare(
    "cumsum", "host", "x", _infer("cumsum", "fiu"), widened(_accumulated(np.add)),
    vjp=(lambda g, dim: backwards(g, cumsum, dim),), samples=_samples,
)  # fmt: skip

# cumprod(x, dim=)
cumprod = declare(
    "cumprod", "host", "x", _infer("cumprod", "fiu"), widened(_accumulated(np.multiply)),
    vjp=(_cumprod_rule,), samples=_samples,
)  # fmt: skip


def _logcumsumexp(x: Array, *, dim: int) -> Array:
    return np.logaddexp.accumulate(x, axis=dim) if x.size else x.copy()


def _logcumsumexp_rule(g: Any, y: Any, x: Any, dim: int) -> Any:
    """dx[i] = exp(x[i] - y[i]) * s[i] with s[i] = g[i] + exp(y[i] - y[i + 1]) * s[i + 1].

    y never decreases, so no exponential is above 1.  Nothing flows to where y is still -inf.
    """
    n = x.shape[dim]
    if not n:
        return g
    now, following = _part(y, dim, 0, n - 1), _part(y, dim, 1, n)
    nothing = eq(now, -float("inf"))
    factor = where(nothing, 0, exp(where(nothing, 0, now) - where(nothing, 0, following)))
    high = tuple(1 if d == dim else 0 for d in range(x.ndim))
    factor = pad(factor, low=(0,) * x.ndim, high=high, value=0.0)
    empty = eq(y, -float("inf"))
    share = where(empty, 0, exp(x - where(empty, 0, y)))
    return share * _recurrence(g, factor, dim)


# logcumsumexp(x, dim=): log(cumsum(exp(x)))
logcumsumexp = declare(
    "logcumsumexp", "host", "x", _infer("logcumsumexp", "f"), widened(_logcumsumexp),
    vjp=(_logcumsumexp_rule,), samples=_samples,
)  # fmt: skip


# ---- cummax and cummin


def _extreme_infer(name: str) -> Callable[..., tuple[TensorType, TensorType]]:
    def infer(x: TensorType, *, dim: int) -> tuple[TensorType, TensorType]:
        require_dim(name, x, dim)
        return x, TensorType(int64, x.shape)

    return infer


def _extreme(ufunc: np.ufunc) -> Callable[..., tuple[Array, Array]]:
    """Of equal extremes the latest counts; a NaN stays."""

    def kernel(x: Array, *, dim: int) -> tuple[Array, Array]:
        values = ufunc.accumulate(x, axis=dim)
        position = np.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
        reached = np.where((x == values) | (x != x), position, 0)
        return values, np.maximum.accumulate(reached, axis=dim)

    return kernel


def _extreme_samples() -> list[Case]:
    nan = np.array([[1, np.nan, 2, np.nan, 3]], np.float32)
    ties = integers(0, 3, 3, 5)
    return [((x,), {"dim": 1}) for x in (normal(3, 5), nan, ties)] + [((normal(3, 5),), {"dim": 0})]


def _extreme_rule(
    g: tuple[Any, Any], y: tuple[Any, Any], x_type: TensorType, dim: int
) -> tuple[Any, ...]:
    return (scatter_add(zeros(x_type), y[1], g[0], dim=dim),)


# cummax(x, dim=), cummin(x, dim=): (values, indices)
cummax = declare(
    "cummax", "host", "x", _extreme_infer("cummax"), widened(_extreme(np.maximum)),
    vjp=Joint(_extreme_rule), samples=_extreme_samples,
)  # fmt: skip
cummin = declare(
    "cummin", "host", "x", _extreme_infer("cummin"), widened(_extreme(np.minimum)),
    vjp=Joint(_extreme_rule), samples=_extreme_samples,
)  # fmt: skip
