"""Factorisations and solutions of linear systems, run by NumPy's LAPACK; batch dimensions first.

Derivatives: M. Giles, "An extended collection of matrix derivative results" (2008); J. Townsend,
"Differentiating the singular value decomposition" (2016); M. Seeger et al., "Auto-differentiating
linear algebra" (2017).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import UnsupportedError
from ..op import Joint, Op, declare
from ..types import TensorType, int64
from .contraction import matmul, transposed
from .creation import iota
from .inference import operands_message, require
from .kernels import Array, Kernel, quiet
from .pointwise import eq, where
from .reduction import restored
from .region import tril
from .samples import Case, normal
from .view import expand, reshape


def _require_matrix(name: str, a: TensorType, square: bool = True) -> TensorType:
    if a.dtype.kind != "f" or a.dtype.itemsize < 4:
        raise RuntimeError(
            operands_message(
                f"linalg.{name}: Expected a floating point tensor of 32 or 64 bits", a=a
            )
        )
    require(a.ndim >= 2, f"linalg.{name}: The input tensor A must have at least 2 dimensions.", a=a)
    if square:
        require(
            a.shape[-1] == a.shape[-2], f"linalg.{name}: A must be batches of square matrices", a=a
        )
    return a


def _lapack(name: str, function: Callable[..., Any]) -> Kernel:
    """NumPy's failure becomes the RuntimeError PyTorch raises."""

    def kernel(*operands: Array, **attrs: Any) -> Any:
        try:
            found = function(*operands, **attrs)
        except np.linalg.LinAlgError as error:
            raise RuntimeError(f"linalg.{name}: {error}") from None
        return tuple(found) if isinstance(found, tuple) else found

    return quiet(kernel)


def _identity(like: Any) -> Any:
    """The bool identity of `like`'s shape."""
    shape = tuple(like.shape)
    rows, columns = shape[-2:]
    i = reshape(iota(length=rows, start=0, step=1, dtype=int64), shape=(rows, 1))
    j = iota(length=columns, start=0, step=1, dtype=int64)
    return eq(expand(i, shape=shape), expand(j, shape=shape))


def _per_column(v: Any, like: Any) -> Any:
    """v[..., n] repeated over the rows of like[..., m, n]."""
    return restored(v, tuple(like.shape), (like.ndim - 2,))


def _per_row(v: Any, like: Any) -> Any:
    """v[..., m] repeated over the columns of like[..., m, n]."""
    return restored(v, tuple(like.shape), (like.ndim - 1,))


def _symmetric(a: Any) -> Any:
    return 0.5 * (a + transposed(a))


def _gaps(v: Any, like: Any) -> Any:
    """1 / (v[j] - v[i]), 0 on the diagonal."""
    on_diagonal = _identity(like)
    difference = where(on_diagonal, 1.0, _per_column(v, like) - _per_row(v, like))
    return where(on_diagonal, 0, 1.0 / difference)


# ---- inverse, solve, determinants


def _inverse_rule(g: Any, y: Any) -> Any:
    return -matmul(matmul(transposed(y), g), transposed(y))


def _solve_type(a: TensorType, b: TensorType) -> TensorType:
    _require_matrix("solve", a)
    fits = b.ndim == a.ndim and b.dtype is a.dtype and b.shape[:-1] == a.shape[:-1]
    require(
        fits,
        "linalg.solve: Incompatible shapes of A and B",
        "wanted are A[..., n, n] and B[..., n, k]",
        a=a,
        b=b,
    )
    return b


def _solve_a(g: Any, y: Any, a: Any) -> Any:
    return -matmul(solve(transposed(a), g), transposed(y))


def _scaled_inverse(factor: Any, a: Any) -> Any:
    """factor * inverse(a)^T, the gradient of log|det|, per matrix."""
    ndim = a.ndim
    return restored(factor, tuple(a.shape), (ndim - 2, ndim - 1)) * transposed(inverse(a))


def _slogdet_type(a: TensorType) -> tuple[TensorType, TensorType]:
    _require_matrix("slogdet", a)
    part = TensorType(a.dtype, a.shape[:-2])
    return part, part


def _invertible(*lead: int) -> Array:
    return normal(*lead, 4, 4) + 3 * np.eye(4, dtype=np.float32)


def _square_samples() -> list[Case]:
    return [((_invertible(),), {}), ((_invertible(2),), {})]


# inverse(a[..., n, n])
inverse = declare(
    "inverse", "host", "a", lambda a: _require_matrix("inv", a), _lapack("inv", np.linalg.inv),
    vjp=(_inverse_rule,), samples=_square_samples,
)  # fmt: skip

# solve(a[..., n, n], b[..., n, k]): x with a @ x = b
solve: Op = declare(
    "solve", "host", "a b", _solve_type, _lapack("solve", np.linalg.solve),
    vjp=(_solve_a, lambda g, a: solve(transposed(a), g)),
    samples=lambda: [((_invertible(), normal(4, 2, seed=1)), {}), ((_invertible(2), normal(2, 4, 3, seed=1)), {})],
)  # fmt: skip

# det(a[..., n, n])
det = declare(
    "det", "host", "a", lambda a: TensorType(a.dtype, _require_matrix("det", a).shape[:-2]),
    _lapack("det", np.linalg.det), vjp=(lambda g, y, a: _scaled_inverse(g * y, a),), samples=_square_samples,
)  # fmt: skip

# slogdet(a[..., n, n]): (sign, log|det|)
slogdet = declare(
    "slogdet", "host", "a", _slogdet_type, _lapack("slogdet", lambda a: tuple(map(np.asarray, np.linalg.slogdet(a)))),
    vjp=Joint(lambda g, a: (_scaled_inverse(g[1], a),)), samples=_square_samples,
)  # fmt: skip


# ---- factorisations


def _positive() -> list[Case]:
    a = _invertible(2)
    return [((a @ np.swapaxes(a, -1, -2),), {})]


def _half_triangle(m: Any) -> Any:
    """The lower triangle with half the diagonal."""
    return where(_identity(m), 0.5 * m, tril(m, diagonal=0))


def _cholesky_rule(g: Any, y: Any) -> Any:
    inner = _half_triangle(matmul(transposed(y), tril(g, diagonal=0)))
    back = inverse(y)
    return _symmetric(matmul(matmul(transposed(back), inner), back))


def _qr_type(a: TensorType) -> tuple[TensorType, TensorType]:
    _require_matrix("qr", a, square=False)
    k = min(a.shape[-2:])
    return TensorType(a.dtype, (*a.shape[:-1], k)), TensorType(
        a.dtype, (*a.shape[:-2], k, a.shape[-1])
    )


def _qr_rule(g: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, ...]:
    q, r = y
    if r.shape[-1] > r.shape[-2]:
        raise UnsupportedError(
            "the derivative of linalg.qr is implemented for matrices with at least as many rows as columns"
        )
    m = matmul(r, transposed(g[1])) - matmul(transposed(g[0]), q)
    mirrored = tril(m, diagonal=0) + transposed(tril(m, diagonal=-1))
    right = transposed(g[0] + matmul(q, mirrored))  # x r^T = right^T  <=>  r x^T = right
    return (transposed(solve(r, right)),)


def _eigh_type(a: TensorType) -> tuple[TensorType, TensorType]:
    _require_matrix("eigh", a)
    return TensorType(a.dtype, a.shape[:-1]), a


def _eigh_rule(g: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, ...]:
    w, v = y
    turned = matmul(transposed(v), g[1])
    inner = where(_identity(v), _per_column(g[0], v), turned * _gaps(w, v))
    return (_symmetric(matmul(matmul(v, inner), transposed(v))),)


def _svd_type(a: TensorType) -> tuple[TensorType, TensorType, TensorType]:
    _require_matrix("svd", a, square=False)
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    return (
        TensorType(a.dtype, (*lead, m, k)),
        TensorType(a.dtype, (*lead, k)),
        TensorType(a.dtype, (*lead, k, n)),
    )


def _svd_rule(g: tuple[Any, ...], y: tuple[Any, ...]) -> tuple[Any, ...]:
    u, s, vh = y
    gu, gs, gv = g[0], g[1], transposed(g[2])
    v = transposed(vh)
    left, right = matmul(transposed(u), gu), matmul(vh, gv)
    gaps = _gaps(s * s, left)
    inner = _per_column(s, left) * (gaps * (left - transposed(left)))
    inner = inner + _per_row(s, left) * (gaps * (right - transposed(right)))
    inner = where(_identity(left), _per_column(gs, left), inner)
    total = matmul(matmul(u, inner), vh)
    if u.shape[-2] > u.shape[-1]:
        rest = gu - matmul(u, left)
        total = total + matmul(rest / _per_column(s, rest), vh)
    if v.shape[-2] > v.shape[-1]:
        rest = transposed(gv - matmul(v, right))
        total = total + matmul(u, rest / _per_row(s, rest))
    return (total,)


def _tall() -> list[Case]:
    return [((normal(5, 3),), {}), ((normal(2, 4, 4),), {})]


# cholesky(a[..., n, n]): lower triangular y with y @ y^T = a
cholesky = declare(
    "cholesky", "host", "a", lambda a: _require_matrix("cholesky", a), _lapack("cholesky", np.linalg.cholesky),
    vjp=(_cholesky_rule,), samples=_positive,
)  # fmt: skip

# qr(a[..., m, n]): reduced (q, r)
qr = declare(
    "qr", "host", "a", _qr_type, _lapack("qr", lambda a: tuple(np.linalg.qr(a))), vjp=Joint(_qr_rule), samples=_tall,
)  # fmt: skip

# eigh(a[..., n, n]): (ascending eigenvalues, eigenvectors as columns) of a symmetric matrix
eigh = declare(
    "eigh", "host", "a", _eigh_type, _lapack("eigh", lambda a: tuple(np.linalg.eigh(a))), vjp=Joint(_eigh_rule),
    samples=_positive,
)  # fmt: skip

# svd(a[..., m, n]): reduced (u, s, vh)
svd = declare(
    "svd", "host", "a", _svd_type, _lapack("svd", lambda a: tuple(np.linalg.svd(a, full_matrices=False))),
    vjp=Joint(_svd_rule), samples=lambda: [*_tall(), ((normal(3, 5),), {})],
)  # fmt: skip
