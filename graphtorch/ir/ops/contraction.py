"""Matrix multiplication, and the linear layer on top of it.

Transposed operands are `permute` views, which code generation folds in.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType
from .inference import require, require_kind
from .kernels import Array, widened
from .samples import integers, normal
from .view import expand, permute, reshape


def _matmul_type(a: TensorType, b: TensorType) -> TensorType:
    if a.dtype is not b.dtype:
        require(
            False,
            f"expected m1 and m2 to have the same dtype, but got: {a.dtype!r} != {b.dtype!r}",
            a=a,
            b=b,
        )
    require_kind("matmul", a, "fiu")
    fits = a.ndim == b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
    if not fits:
        require(
            False,
            "mat1 and mat2 shapes cannot be multiplied"
            f" ({'x'.join(map(str, a.shape))} and {'x'.join(map(str, b.shape))})",
            "the last size of a must be the last but one of b, and batch sizes equal",
            a=a,
            b=b,
        )
    return TensorType(a.dtype, (*a.shape[:-1], b.shape[-1]))


def transposed(x: Any) -> Any:
    """A view with the last two dimensions exchanged."""
    n = x.ndim
    return permute(x, dims=(*range(n - 2), n - 1, n - 2))


# matmul(a[..., m, k], b[..., k, n]): equal batch sizes, at least 2 dimensions
matmul: Op = declare(
    "matmul", "contraction", "a b", _matmul_type, widened(np.matmul),
    vjp=(lambda g, b: matmul(g, transposed(b)), lambda g, a: matmul(transposed(a), g)),
    samples=lambda: [
        ((normal(3, 4), normal(4, 5, seed=1)), {}),
        ((normal(2, 3, 4), normal(2, 4, 5, seed=1)), {}),
        ((normal(4, 3).T, normal(5, 4, seed=1).T), {}),
        ((normal(3, 0), normal(0, 5)), {}),
        ((integers(-3, 3, 3, 4), integers(-3, 3, 4, 2, seed=1)), {}),
    ],
)  # fmt: skip


# ---- linear


def _linear_type(x: TensorType, weight: TensorType, bias: TensorType | None = None) -> TensorType:
    operands = (
        {"x": x, "weight": weight} if bias is None else {"x": x, "weight": weight, "bias": bias}
    )
    if not (x.dtype is weight.dtype and (bias is None or bias.dtype is x.dtype)):
        require(
            False,
            f"mat1 and mat2 must have the same dtype, but got {x.dtype!r} and {weight.dtype!r}",
            **operands,
        )
    require_kind("linear", x, "f")
    fits = x.ndim >= 1 and weight.ndim == 2 and x.shape[-1] == weight.shape[1]
    if not fits or (bias is not None and bias.shape != weight.shape[:1]):
        rows = math.prod(x.shape[:-1])
        require(
            False,
            "mat1 and mat2 shapes cannot be multiplied"
            f" ({rows}x{x.shape[-1] if x.ndim else 1} and {'x'.join(map(str, weight.shape[::-1]))})",
            "linear wants x[..., in], weight[out, in] and bias[out]",
            **operands,
        )
    return TensorType(x.dtype, (*x.shape[:-1], weight.shape[0]))


def _linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    y: Array = np.matmul(rows, weight.T)
    if bias is not None:
        y += bias
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], weight.shape[0])


def _rows(x: Any) -> Any:
    """x[..., n] as a matrix."""
    if x.ndim == 2:
        return x
    return reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_decomposed(x: Any, weight: Any, bias: Any = None) -> Any:
    y = matmul(_rows(x), transposed(weight))
    if bias is not None:
        y = y + expand(bias, shape=tuple(y.shape))
    return y if x.ndim == 2 else reshape(y, shape=(*x.shape[:-1], weight.shape[0]))


def _linear_x(g: Any, weight: Any, x_type: TensorType) -> Any:
    gx = matmul(_rows(g), weight)
    return gx if x_type.ndim == 2 else reshape(gx, shape=x_type.shape)


def _linear_bias(g: Any) -> Any:
    from .reduction import sum

    return sum(g, dims=tuple(range(g.ndim - 1)))


# linear(x[..., in], weight[out, in], [bias[out]]): x @ weight.T + bias
linear = declare(
    "linear", "composite", "x weight bias", _linear_type, widened(_linear), decompose=_linear_decomposed,
    vjp=(_linear_x, lambda g, x: matmul(transposed(_rows(g)), _rows(x)), _linear_bias),
    samples=lambda: [
        ((normal(3, 4), normal(5, 4, seed=1), normal(5, seed=2)), {}),
        ((normal(2, 3, 4), normal(5, 4, seed=1), normal(5, seed=2)), {}),
        ((normal(4), normal(5, 4, seed=1)), {}),
        ((normal(0, 4), normal(5, 4, seed=1), normal(5, seed=2)), {}),
    ],
)  # fmt: skip
