"""Matrix multiplication.  Transposed operands are `permute` views, which code generation folds in."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import declare
from ..types import TensorType
from .inference import require, require_kind
from .kernels import widened
from .samples import integers, normal
from .view import permute


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
matmul = declare(
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
