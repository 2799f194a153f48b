"""Symmetric indefinite systems: A = L D L^T with blocks of 1 and 2 in D, and triangular systems.

J. Bunch and L. Kaufman, "Some stable methods for calculating inertia and solving symmetric linear systems"
(1977), partial pivoting, with pivots written as LAPACK's sytrf (lower) writes them: from 1, negative and twice
for a block of 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Op, declare
from ..types import TensorType, int32
from .complex import OWN_RULES
from .contraction import matmul
from .elimination import pivot_size
from .inference import require
from .kernels import Array, quiet
from .linalg import adjoint, invertible, require_matrix
from .region import tril
from .samples import Case, normal

_ALPHA = (1 + math.sqrt(17)) / 8


def _pivot(a: Array, k: int) -> tuple[int, int]:
    """(row to bring to the pivot's place, size of the block) for the trailing matrix from k."""
    n, a = a.shape[0], pivot_size(a)
    here = a[k, k]
    if k == n - 1:
        return k, 1
    row = k + 1 + int(np.argmax(a[k + 1 :, k]))
    column_max = a[row, k]
    if max(here, column_max) == 0 or here >= _ALPHA * column_max:
        return k, 1
    row_max = float(a[row, k:row].max())
    if row < n - 1:
        row_max = max(row_max, float(a[row + 1 :, row].max()))
    if here >= _ALPHA * column_max * (column_max / row_max):
        return k, 1
    if a[row, row] >= _ALPHA * row_max:
        return row, 1
    return row, 2


def _swap(a: Array, kk: int, kp: int, k: int, size: int) -> None:
    """Exchange rows and columns kk < kp of the lower triangle."""
    a[kp + 1 :, [kk, kp]] = a[kp + 1 :, [kp, kk]]
    middle = a[kk + 1 : kp, kk].copy()
    a[kk + 1 : kp, kk] = a[kp, kk + 1 : kp]
    a[kp, kk + 1 : kp] = middle
    a[kk, kk], a[kp, kp] = a[kp, kp], a[kk, kk]
    if size == 2:
        a[k + 1, k], a[kp, k] = a[kp, k], a[k + 1, k]


def _factor(a: Array) -> tuple[Array, Array, int]:
    a = np.tril(a)
    n, k, info = a.shape[0], 0, 0
    pivots = np.zeros(n, np.int32)
    while k < n:
        kp, size = _pivot(a, k)
        last = k + size - 1
        if kp != last:
            _swap(a, last, kp, k, size)
        rest = slice(last + 1, n)
        if size == 1:
            if a[k, k] == 0:
                info = info or k + 1
            else:
                column = a[rest, k].copy()
                a[rest, rest] -= np.tril(np.outer(column, column / a[k, k]))
                a[rest, k] = column / a[k, k]
        else:
            block = np.array([[a[k, k], a[k + 1, k]], [a[k + 1, k], a[k + 1, k + 1]]])
            columns = a[rest, k : k + 2].copy()
            if len(columns):
                scaled = np.linalg.solve(block, columns.T).T
                a[rest, rest] -= np.tril(columns @ scaled.T)
                a[rest, k : k + 2] = scaled
        pivots[k : last + 1] = kp + 1 if size == 1 else -(kp + 1)
        k += size
    return a, pivots, info


def _ldl(a: Array) -> tuple[Array, Array, Array]:
    lead, n = a.shape[:-2], a.shape[-1]
    packed, pivots = np.empty(a.shape, a.dtype), np.empty((*lead, n), np.int32)
    info = np.zeros(lead, np.int32)
    for place in np.ndindex(*lead):
        packed[place], pivots[place], info[place] = _factor(a[place])
    return packed, pivots, info


def _unfactor(packed: Array, pivots: Array) -> tuple[Array, Array]:
    """M and D with A = M D M^T: M is the product of exchanges and elimination columns."""
    n = packed.shape[0]
    m, d = np.eye(n, dtype=packed.dtype), np.zeros_like(packed)
    k = 0
    while k < n:
        size = 1 if pivots[k] > 0 else 2
        last, kp = k + size - 1, abs(int(pivots[k])) - 1
        m[:, [last, kp]] = m[:, [kp, last]]
        step = np.eye(n, dtype=packed.dtype)
        step[last + 1 :, k : last + 1] = packed[last + 1 :, k : last + 1]
        m = m @ step
        d[k, k] = packed[k, k]
        if size == 2:
            d[k + 1, k] = d[k, k + 1] = packed[k + 1, k]
            d[k + 1, k + 1] = packed[k + 1, k + 1]
        k += size
    return m, d


def _ldl_solve(packed: Array, pivots: Array, b: Array) -> Array:
    found = np.empty_like(b)
    for place in np.ndindex(*b.shape[:-2]):
        m, d = _unfactor(packed[place], pivots[place])
        try:
            found[place] = np.linalg.solve(m.T, np.linalg.solve(d, np.linalg.solve(m, b[place])))
        except np.linalg.LinAlgError:
            found[place] = np.nan
    return found


def _ldl_type(a: TensorType) -> tuple[TensorType, TensorType, TensorType]:
    require_matrix("ldl_factor", a)
    return a, TensorType(int32, a.shape[:-1]), TensorType(int32, a.shape[:-2])


def _ldl_solve_type(packed: TensorType, pivots: TensorType, b: TensorType) -> TensorType:
    require_matrix("ldl_solve", packed)
    fits = b.shape[:-1] == packed.shape[:-1] and pivots.shape == packed.shape[:-1]
    require(fits, "ldl_solve: shapes do not fit", packed=packed, pivots=pivots, b=b)
    return b


def _symmetric_samples() -> list[Case]:
    a = normal(2, 5, 5)
    return [((a + np.swapaxes(a, -1, -2),), {})]


def _solve_samples() -> list[Case]:
    (((a,), _),) = _symmetric_samples()
    packed, pivots, _ = _ldl(a)
    return [((packed, pivots, normal(2, 5, 3, seed=3)), {})]


# ldl(a[..., n, n]): (L and D packed, pivots, info); the lower triangle is read
ldl = declare("ldl", "host", "a", _ldl_type, quiet(_ldl), samples=_symmetric_samples)

# ldl_solve(packed, pivots, b[..., n, k])
ldl_solve = declare(
    "ldl_solve", "host", "packed pivots b", _ldl_solve_type, quiet(_ldl_solve), samples=_solve_samples,
)  # fmt: skip


# ---- triangular systems


def _substituted(a: Array, b: Array, upper: bool) -> Array:
    """Solve by halves; small blocks row by row.  A zero on the diagonal gives infinities, as in LAPACK."""
    n = a.shape[-1]
    if n <= 16:
        x = np.array(b, copy=True)
        for i in reversed(range(n)) if upper else range(n):
            done = slice(i + 1, n) if upper else slice(0, i)
            x[..., i, :] -= (a[..., i, None, done] @ x[..., done, :])[..., 0, :]
            x[..., i, :] /= a[..., i, i, None]
        return x
    half = n // 2
    head, tail = slice(0, half), slice(half, n)
    first, second = (tail, head) if upper else (head, tail)
    x1 = _substituted(a[..., first, first], b[..., first, :], upper)
    x2 = _substituted(a[..., second, second], b[..., second, :] - a[..., second, first] @ x1, upper)
    return np.concatenate((x2, x1) if upper else (x1, x2), axis=-2)


def _triangular_type(a: TensorType, b: TensorType, *, upper: bool) -> TensorType:
    require_matrix("solve_triangular", a)
    require(
        b.dtype is a.dtype and b.shape[:-1] == a.shape[:-1],
        "solve_triangular: shapes do not fit",
        a=a,
        b=b,
    )
    return b


def _half(x: Any, upper: bool) -> Any:
    return x - tril(x, diagonal=-1) if upper else tril(x, diagonal=0)


def _triangular_samples() -> list[Case]:
    return [
        ((invertible(), normal(4, 3)), {"upper": True}),
        ((invertible(2), normal(2, 4, 2)), {"upper": False}),
        ((normal(20, 20) + 20 * np.eye(20, dtype=np.float32), normal(20, 2)), {"upper": True}),
    ]


# solve_triangular(a[..., n, n], b[..., n, k], upper=): the other triangle of a is not read
solve_triangular: Op = declare(
    "solve_triangular", "host", "a b", _triangular_type, quiet(lambda a, b, *, upper: _substituted(a, b, upper)),
    vjp=(
        lambda g, y, a, upper: -_half(matmul(solve_triangular(adjoint(a), g, upper=not upper), adjoint(y)), upper),
        lambda g, a, upper: solve_triangular(adjoint(a), g, upper=not upper),
    ),
    samples=_triangular_samples, meta=OWN_RULES,
)  # fmt: skip
