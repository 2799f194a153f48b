"""Scattering that multiplies or takes extremes where several values meet."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Joint, declare
from ..types import TensorType
from .creation import full
from .index import _grid, _scatter_type, check_bounds, gather, scatter_add
from .kernels import Array, widened
from .pointwise import cast, div, eq, mul, sub, where
from .samples import Case, integers, normal


def _ones(t: TensorType) -> Any:
    return full(shape=t.shape, value=1, dtype=t.dtype)


def _scatter_prod(x: Array, index: Array, v: Array, *, dim: int) -> Array:
    check_bounds("scatter_prod", index, x.shape[dim])
    y = x.copy()
    np.multiply.at(y, _grid(index, dim), v)
    return y


def _prod_rule(
    g: Any, x: Any, index: Any, v: Any, x_type: TensorType, v_type: TensorType, dim: int
) -> tuple[Any, ...]:
    """The product of all others: y / v, where zeros are counted instead of divided by."""
    ones = _ones(x_type)
    rest = scatter_prod(ones, index, v, dim=dim)  # of all scattered values
    zero = eq(v, 0)
    solid = where(zero, 1, v)
    count = scatter_add(
        cast(eq(x, 0), dtype=x_type.dtype), index, cast(zero, dtype=v_type.dtype), dim=dim
    )
    product = scatter_prod(where(eq(x, 0), 1, x), index, solid, dim=dim)  # of all that is not zero
    count, product = gather(count, index, dim=dim), gather(product, index, dim=dim)
    others = sub(count, cast(zero, dtype=v_type.dtype))  # zeros among the others
    part = where(eq(others, 0), div(product, solid), 0)
    return mul(g, rest), None, mul(gather(g, index, dim=dim), part)


def _extreme(x: Array, index: Array, v: Array, *, dim: int, largest: bool) -> Array:
    check_bounds("scatter_extreme", index, x.shape[dim])
    y = x.copy()
    (np.maximum if largest else np.minimum).at(y, _grid(index, dim), v)
    return y


def _extreme_rule(
    g: Any, y: Any, x: Any, index: Any, v: Any, x_type: TensorType, v_type: TensorType, dim: int
) -> tuple[Any, ...]:
    """All that equal the extreme share its cotangent."""
    mine = cast(eq(x, y), dtype=x_type.dtype)
    hit = cast(eq(v, gather(y, index, dim=dim)), dtype=v_type.dtype)
    share = div(g, scatter_add(mine, index, hit, dim=dim))
    return mul(share, mine), None, mul(gather(share, index, dim=dim), hit)


def _samples() -> list[Case]:
    return [
        ((normal(5, 3), integers(0, 5, 7, 3), normal(7, 3, seed=1)), {"dim": 0}),
        ((normal(5, 3), integers(0, 3, 2, 7), normal(2, 7, seed=1)), {"dim": 1}),
    ]


# scatter_prod(x, index, v, dim=): x multiplied by v at index
scatter_prod = declare(
    "scatter_prod", "host", "x index v", _scatter_type("scatter_prod"), widened(_scatter_prod),
    vjp=Joint(_prod_rule), samples=_samples,
)  # fmt: skip


def _extreme_type(
    x: TensorType, index: TensorType, v: TensorType, *, dim: int, largest: bool
) -> TensorType:
    return _scatter_type("scatter_extreme")(x, index, v, dim=dim)


# scatter_extreme(x, index, v, dim=, largest=): the larger (or smaller) of x and all v at index
scatter_extreme = declare(
    "scatter_extreme", "host", "x index v", _extreme_type, widened(_extreme), vjp=Joint(_extreme_rule),
    samples=lambda: [
        (inputs, {**attrs, "largest": largest}) for inputs, attrs in _samples() for largest in (True, False)
    ],
)  # fmt: skip
