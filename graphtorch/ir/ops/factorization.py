"""Factorisations of matrices, run by NumPy's LAPACK; batch dims first.

Derivatives: M. Giles, "An extended collection of matrix derivative results" (2008); J. Townsend,
"Differentiating the singular value decomposition" (2016); M. Seeger et al., "Auto-differentiating
linear algebra" (2017).  Complex cases follow from
the same differentials with the gauge LAPACK chooses (real diagonal of R, unit eigenvectors).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..op import Joint, Op, declare
from ..types import TensorType, int32
from .complex import OWN_RULES, complex, conj, imag, part_of, real, whole_of
from .contraction import matmul
from .kernels import Array, quiet
from .linalg import (
    ALL,
    adjoint,
    block,
    identity_mask,
    invertible,
    lapack,
    per_column,
    per_row,
    require_matrix,
    solve,
)
from .pointwise import where
from .region import concat, tril
from .samples import Case, normal


def _symmetric(a: Any) -> Any:
    return 0.5 * (a + adjoint(a))


def _like(v: Any, like: Any) -> Any:
    """A real value as `like`'s dtype."""
    return complex(v, v - v) if like.dtype.kind == "c" and v.dtype.kind != "c" else v


def _gaps(v: Any, like: Any) -> Any:
    """1 / (v[j] - v[i]), 0 on the diagonal."""
    on_diagonal = identity_mask(like)
    difference = where(on_diagonal, 1.0, per_column(v, like) - per_row(v, like))
    return where(on_diagonal, 0, 1.0 / difference)


def _real_diagonal(m: Any) -> Any:
    """`m` without the imaginary part of its diagonal."""
    if m.dtype.kind != "c":
        return m
    return where(identity_mask(m), _like(real(m), m), m)


def _positive() -> list[Case]:
    a = invertible(2)
    return [((a @ np.swapaxes(a, -1, -2),), {})]


def _tall() -> list[Case]:
    return [((normal(5, 3),), {}), ((normal(2, 4, 4),), {})]


# ---- cholesky


def _cholesky_rule(g: Any, y: Any) -> Any:
    m = tril(matmul(adjoint(y), tril(g, diagonal=0)), diagonal=0)
    m = 0.5 * (m + adjoint(tril(m, diagonal=-1)))  # its lower triangle mirrored
    left = solve(adjoint(y), m)
    return _symmetric(adjoint(solve(adjoint(y), adjoint(left))))


def _cholesky_ex(a: Array) -> tuple[Array, Array]:
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        return np.linalg.cholesky(a), info
    except np.linalg.LinAlgError:
        pass
    found = np.tril(a)
    for place in np.ndindex(info.shape):
        try:
            found[place] = np.linalg.cholesky(a[place])
        except np.linalg.LinAlgError:
            info[place] = _first_bad_minor(a[place])
    return found, info


def _first_bad_minor(a: Array) -> int:
    """The order of the first leading minor that is not positive definite."""
    for k in range(1, a.shape[-1] + 1):
        try:
            np.linalg.cholesky(a[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return int(a.shape[-1])


def _with_info(name: str) -> Any:
    def infer(a: TensorType) -> tuple[TensorType, TensorType]:
        return require_matrix(name, a), TensorType(int32, a.shape[:-2])

    return infer


# ---- qr


def _qr_type(a: TensorType, *, complete: bool = False) -> tuple[TensorType, TensorType]:
    require_matrix("qr", a, square=False)
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    k = m if complete else min(m, n)
    return TensorType(a.dtype, (*lead, m, k)), TensorType(a.dtype, (*lead, k, n))


def _qr(a: Array, *, complete: bool = False) -> tuple[Array, Array]:
    m = a.shape[-2]
    if 0 in a.shape:
        k = m if complete else min(a.shape[-2:])
        q = np.broadcast_to(np.eye(m, k, dtype=a.dtype), (*a.shape[:-1], k)).copy()
        return q, np.zeros((*a.shape[:-2], k, a.shape[-1]), a.dtype)
    return tuple(np.linalg.qr(a, mode="complete" if complete else "reduced"))  # type: ignore[return-value]


def _geqrf(a: Array) -> tuple[Array, Array]:
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    if 0 in a.shape:
        return a.copy(), np.zeros((*lead, min(m, n)), a.dtype)
    turned, tau = np.linalg.qr(a, mode="raw")
    return np.ascontiguousarray(np.swapaxes(turned, -1, -2)).astype(a.dtype), tau.astype(a.dtype)


def _qr_rule(g: tuple[Any, Any], y: tuple[Any, Any], complete: bool) -> tuple[Any, ...]:
    (q, r), (gq, gr) = y, g
    m, n = q.shape[-2], r.shape[-1]
    if complete and m > n:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols"
        )
    if m >= n:
        return (_tall_qr_rule(q, r, gq, gr),)
    # a = [x | z] with x square: r = [u | v], q from x alone, v = q^H z
    u, gu = block(r, ALL, slice(0, m)), block(gr, ALL, slice(0, m))
    v, gv = block(r, ALL, slice(m, n)), block(gr, ALL, slice(m, n))
    gz = matmul(q, gv)
    gx = _tall_qr_rule(q, u, gq + matmul(matmul(q, v), adjoint(gv)), gu)
    return (concat(gx, gz, dim=r.ndim - 1),)


def _tall_qr_rule(q: Any, r: Any, gq: Any, gr: Any) -> Any:
    m = matmul(r, adjoint(gr)) - matmul(adjoint(gq), q)
    mirrored = _real_diagonal(tril(m, diagonal=0)) + adjoint(tril(m, diagonal=-1))
    right = adjoint(gq + matmul(q, mirrored))  # x r^H = right^H  <=>  r x^H = right
    return adjoint(solve(r, right))


# ---- eigenvalues


def _eigh_type(a: TensorType) -> tuple[TensorType, TensorType]:
    require_matrix("eigh", a)
    return TensorType(part_of(a.dtype), a.shape[:-1]), a


def _eigh_rule(g: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, ...]:
    w, v = y
    turned = matmul(adjoint(v), g[1])
    inner = where(identity_mask(v), _like(per_column(g[0], v), v), turned * _like(_gaps(w, v), v))
    return (_symmetric(matmul(matmul(v, inner), adjoint(v))),)


def _eigvalsh_rule(g: Any, a: Any) -> Any:
    _, v = eigh(a)
    return matmul(v * _like(per_column(g, v), v), adjoint(v))


def _eig_type(a: TensorType) -> tuple[TensorType, TensorType]:
    require_matrix("eig", a)
    dtype = whole_of(a.dtype)
    return TensorType(dtype, a.shape[:-1]), TensorType(dtype, a.shape)


def _eig(a: Array) -> tuple[Array, Array]:
    whole: Any = np.complex128 if a.dtype in (np.float64, np.complex128) else np.complex64
    w, v = np.linalg.eig(a)
    return w.astype(whole), v.astype(whole)


def _eig_rule(g: tuple[Any, Any], y: tuple[Any, Any], a_type: TensorType) -> tuple[Any, ...]:
    """The eigenvectors are kept at unit length: dv has no component along v that would change it."""
    (gw, gv), (w, v) = g, y
    turned = matmul(adjoint(v), gv)
    on_diagonal = identity_mask(v)
    lengths = where(on_diagonal, turned, 0)
    lengths = complex(real(lengths), imag(lengths) - imag(lengths))
    inner = turned - matmul(matmul(adjoint(v), v), lengths)
    inner = where(on_diagonal, per_column(gw, v), inner * conj(_gaps(w, v)))
    ga = solve(adjoint(v), matmul(inner, adjoint(v)))
    return (ga if a_type.dtype.kind == "c" else real(ga),)


def _eigvals_rule(g: Any, a: Any) -> Any:
    _, v = eig(a)
    ga = solve(adjoint(v), per_row(g, v) * adjoint(v))
    return ga if a.dtype.kind == "c" else real(ga)


# ---- singular values


def _svd_type(
    a: TensorType, *, complete: bool = False
) -> tuple[TensorType, TensorType, TensorType]:
    require_matrix("svd", a, square=False)
    lead, (m, n) = a.shape[:-2], a.shape[-2:]
    k = min(m, n)
    return (
        TensorType(a.dtype, (*lead, m, m if complete else k)),
        TensorType(part_of(a.dtype), (*lead, k)),
        TensorType(a.dtype, (*lead, n if complete else k, n)),
    )


def _svd(a: Array, *, complete: bool = False) -> tuple[Array, Array, Array]:
    return tuple(np.linalg.svd(a, full_matrices=complete))  # type: ignore[return-value]


def _svd_rule(g: tuple[Any, ...], y: tuple[Any, ...], complete: bool) -> tuple[Any, ...]:
    u, s, vh = y
    gu, gs, gv = g[0], g[1], adjoint(g[2])
    v = adjoint(vh)
    if complete:  # what completes the bases is arbitrary: it has no derivative
        first = slice(0, s.shape[-1])
        u, v, gu, gv = (block(x, ALL, first) for x in (u, v, gu, gv))
        vh = adjoint(v)
    left, right = matmul(adjoint(u), gu), matmul(vh, gv)
    gaps = _like(_gaps(s * s, left), left)
    column, row = _like(per_column(s, left), left), _like(per_row(s, left), left)
    inner = column * (gaps * (left - adjoint(left)))
    inner = inner + row * (gaps * (right - adjoint(right)))
    diagonal = _like(per_column(gs, left), left)
    if left.dtype.kind == "c":  # one phase per pair of singular vectors is free; U's is turned
        turn = imag(left) / per_column(s, left)
        diagonal = complex(per_column(gs, left), turn)
    inner = where(identity_mask(left), diagonal, inner)
    total = matmul(matmul(u, inner), vh)
    if u.shape[-2] > u.shape[-1]:
        rest = gu - matmul(u, left)
        total = total + matmul(rest / _like(per_column(s, rest), rest), vh)
    if v.shape[-2] > v.shape[-1]:
        rest = adjoint(gv - matmul(v, right))
        total = total + matmul(u, rest / _like(per_row(s, rest), rest))
    return (total,)


def _svdvals_rule(g: Any, a: Any) -> Any:
    u, _, vh = svd(a, complete=False)
    return matmul(u * _like(per_column(g, u), u), vh)


# ---- the rows

# fmt: off
# cholesky(a[..., n, n]): lower triangular y with y @ y^H = a;  cholesky_ex: (y, info), info 0 for success
cholesky = declare(
    "cholesky", "host", "a", lambda a: require_matrix("cholesky", a), lapack("cholesky", np.linalg.cholesky),
    vjp=(_cholesky_rule,), samples=_positive, meta=OWN_RULES,
)
cholesky_ex = declare(
    "cholesky_ex", "host", "a", _with_info("cholesky_ex"), quiet(_cholesky_ex),
    vjp=Joint(lambda g, y: (_cholesky_rule(g[0], y[0]),)), samples=_positive, meta=OWN_RULES,
)

# qr(a[..., m, n], complete=False): (q, r), reduced or with a square q
qr = declare(
    "qr", "host", "a", _qr_type, lapack("qr", _qr), vjp=Joint(_qr_rule),
    samples=lambda: [*_tall(), ((normal(3, 5),), {})], meta=OWN_RULES,
)

# geqrf(a[..., m, n]): (reflections below R, their factors)
geqrf = declare(
    "geqrf", "host", "a", lambda a: (require_matrix("geqrf", a, square=False), TensorType(a.dtype, (*a.shape[:-2], min(a.shape[-2:])))),
    lapack("geqrf", _geqrf), samples=_tall,
)

# eigh(a[..., n, n]): (ascending eigenvalues, eigenvectors as columns) of a Hermitian matrix
eigh: Op = declare(
    "eigh", "host", "a", _eigh_type, lapack("eigh", lambda a: tuple(np.linalg.eigh(a))), vjp=Joint(_eigh_rule),
    samples=_positive, meta=OWN_RULES,
)
eigvalsh = declare(
    "eigvalsh", "host", "a", lambda a: _eigh_type(a)[0], lapack("eigvalsh", np.linalg.eigvalsh), vjp=(_eigvalsh_rule,),
    samples=_positive, meta=OWN_RULES,
)

# eig(a[..., n, n]): (eigenvalues, eigenvectors as columns) of any square matrix, complex
eig: Op = declare(
    "eig", "host", "a", _eig_type, lapack("eig", _eig), vjp=Joint(_eig_rule),
    samples=lambda: [((invertible(),), {})], meta=OWN_RULES,
)
eigvals = declare(
    "eigvals", "host", "a", lambda a: _eig_type(a)[0], lapack("eigvals", lambda a: _eig(a)[0]), vjp=(_eigvals_rule,),
    samples=lambda: [((invertible(),), {})], meta=OWN_RULES,
)

# svd(a[..., m, n], complete=False): (u, s, vh), reduced or with square u and vh
svd: Op = declare(
    "svd", "host", "a", _svd_type, lapack("svd", _svd),
    vjp=Joint(_svd_rule), samples=lambda: [*_tall(), ((normal(3, 5),), {})], meta=OWN_RULES,
)
svdvals = declare(
    "svdvals", "host", "a", lambda a: _svd_type(a)[1],
    lapack("svdvals", lambda a: np.linalg.svd(a, compute_uv=False)), vjp=(_svdvals_rule,), samples=_tall, meta=OWN_RULES,
)
# fmt: on
