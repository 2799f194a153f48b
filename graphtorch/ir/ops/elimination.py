"""Elimination with row exchanges: PA = LU, and its derivative; batch dims first.

NumPy has no LU of its own: the kernel is the textbook's outer-product form, all matrices of a batch at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..op import Joint, declare
from ..types import TensorType, float32, int32
from .complex import OWN_RULES
from .contraction import matmul
from .kernels import Array, quiet
from .linalg import ALL, adjoint, block, identity_mask, invertible, require_matrix, solve
from .pointwise import where
from .region import concat, tril
from .samples import normal


def pivot_size(x: Array) -> Array:
    """What LAPACK compares pivots by: |re| + |im|."""
    return np.asarray(np.abs(x.real) + np.abs(x.imag) if x.dtype.kind == "c" else np.abs(x))


def lu_kernel(a: Array, *, pivot: bool = True) -> tuple[Array, Array]:
    """Gaussian elimination with row exchanges (Golub and Van Loan, 3.4.1): L and U packed, pivots from 1.

    A column without a pivot is left alone, as LAPACK's getrf leaves it.
    """
    y = np.array(a, copy=True)
    lead, (m, n) = y.shape[:-2], y.shape[-2:]
    flat = y.reshape(math.prod(lead), m, n)
    pivots = np.empty((flat.shape[0], min(m, n)), np.int32)
    everyone = np.arange(flat.shape[0])
    for k in range(min(m, n)):
        at = k + np.argmax(pivot_size(flat[:, k:, k]), axis=1) if pivot else np.full(len(flat), k)
        pivots[:, k] = at + 1
        upper, lower = flat[everyone, k].copy(), flat[everyone, at].copy()
        flat[everyone, at], flat[everyone, k] = upper, lower
        head = flat[:, k, k]
        safe = np.where(head == 0, 1, head)
        flat[:, k + 1 :, k] = np.where(
            (head == 0)[:, None] & pivot,
            flat[:, k + 1 :, k],
            flat[:, k + 1 :, k] / (safe if pivot else head)[:, None],
        )
        flat[:, k + 1 :, k + 1 :] -= flat[:, k + 1 :, k, None] * flat[:, k, None, k + 1 :]
    return y, pivots.reshape(*lead, min(m, n))


def permutation_of(pivots: Array, rows: int) -> Array:
    """Which row of A each row of L U is: the exchanges carried out on 0 .. rows - 1."""
    flat = pivots.reshape(math.prod(pivots.shape[:-1]), pivots.shape[-1])
    order = np.tile(np.arange(rows), (flat.shape[0], 1))
    everyone = np.arange(flat.shape[0])
    for k in range(flat.shape[1]):
        at = flat[:, k].astype(np.int64) - 1
        first, second = order[everyone, k].copy(), order[everyone, at].copy()
        order[everyone, k], order[everyone, at] = second, first
    return order.reshape(*pivots.shape[:-1], rows)


def _lu_type(a: TensorType, *, pivot: bool = True) -> tuple[TensorType, TensorType, TensorType]:
    require_matrix("lu_factor", a, square=False)
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    return a, TensorType(int32, (*lead, min(m, n))), TensorType(a.dtype, (*lead, m, m))


def _lu(a: Array, *, pivot: bool = True) -> tuple[Array, Array, Array]:
    packed, pivots = lu_kernel(a, pivot=pivot)
    return packed, pivots, _permutation(pivots, a.shape[-2], a.dtype)


def _permutation(pivots: Array, rows: int, dtype: Any) -> Array:
    """P with A = P L U."""
    order = permutation_of(pivots, rows)
    found = np.zeros((*order.shape, rows), dtype)
    np.put_along_axis(found, order[..., None], np.asarray(1, dtype), axis=-1)
    return np.ascontiguousarray(np.swapaxes(found, -1, -2))


def _zero_pivot(packed: Array) -> Array:
    zero = np.diagonal(packed, axis1=-2, axis2=-1) == 0
    if not zero.shape[-1]:
        return np.zeros(packed.shape[:-2], np.int32)
    return np.asarray(np.where(zero.any(-1), np.argmax(zero, -1) + 1, 0), np.int32)


def _unit_lower(packed: Any, columns: int) -> Any:
    low = tril(block(packed, ALL, slice(0, columns)), diagonal=-1)
    return where(identity_mask(low), 1.0, low)


def _upper(x: Any) -> Any:
    return x - tril(x, diagonal=-1)


def _lu_rule(g: tuple[Any, ...], y: tuple[Any, ...], pivot: bool) -> tuple[Any, ...]:
    """Of the packed factors; the exchanges are taken for constant."""
    packed, _, p = y
    g = g[0]
    m, n = packed.shape[-2:]
    k = min(m, n)
    top, left = slice(0, k), slice(0, k)
    lower, upper = _unit_lower(packed, k), _upper(block(packed, top, ALL))
    gl, gu = tril(block(g, ALL, left), diagonal=-1), _upper(block(g, top, ALL))
    l1, u1 = block(lower, top, ALL), block(upper, ALL, left)
    gl1, gu1 = block(gl, top, ALL), block(gu, ALL, left)
    of_lower, of_upper = matmul(adjoint(l1), gl1), matmul(gu1, adjoint(u1))
    if n > k:
        u2, gu2 = block(upper, ALL, slice(k, n)), block(gu, ALL, slice(k, n))
        of_lower = of_lower - matmul(gu2, adjoint(u2))
    if m > k:
        l2, gl2 = block(lower, slice(k, m), ALL), block(gl, slice(k, m), ALL)
        of_upper = of_upper - matmul(adjoint(l2), gl2)
    inner = tril(of_lower, diagonal=-1) + _upper(of_upper)
    found = adjoint(solve(u1, adjoint(solve(adjoint(l1), inner))))
    if n > k:
        found = concat(found, solve(adjoint(l1), gu2), dim=found.ndim - 1)
    if m > k:
        found = concat(found, adjoint(solve(u1, adjoint(gl2))), dim=found.ndim - 2)
    return (matmul(p, found),)


# fmt: off
# lu(a[..., m, n], pivot=True): (L and U in one matrix, row exchanges from 1, P with a = P L U)
lu = declare(
    "lu", "host", "a", _lu_type, quiet(_lu), vjp=Joint(_lu_rule),
    samples=lambda: [((normal(5, 3),), {}), ((normal(2, 4, 4),), {}), ((normal(3, 5),), {}), ((invertible(),), {"pivot": False})], meta=OWN_RULES,
)

# permutation_matrix(pivots[..., k], rows=, dtype=): P with A = P L U
permutation_matrix = declare(
    "permutation_matrix", "host", "pivots", lambda pivots, *, rows, dtype: TensorType(dtype, (*pivots.shape[:-1], rows, rows)),
    quiet(lambda pivots, *, rows, dtype: _permutation(pivots, rows, dtype.numpy)),
    samples=lambda: [((np.array([[2, 2, 3], [3, 2, 3]], np.int32),), {"rows": 4, "dtype": float32})],
)

# zero_pivot(packed[..., m, n]): which diagonal element (from 1) is the first to be zero, or 0
zero_pivot = declare(
    "zero_pivot", "host", "packed", lambda packed: TensorType(int32, packed.shape[:-2]), quiet(_zero_pivot),
    samples=lambda: [((np.diag([1, 0, 3]).astype(np.float32),), {}), ((normal(2, 3, 4),), {})],
)
# fmt: on
