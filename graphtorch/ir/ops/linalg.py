"""Inverses, solutions of linear systems and determinants, run by NumPy's LAPACK; batch dims first.

Rules follow the convention for complex values themselves (`complex.OWN_RULES`): where the real formula
has a transpose they have a conjugate transpose.  Factorisations are in `factorization`.

Derivatives: M. Giles, "An extended collection of matrix derivative results" (2008); G. Golub and V.
Pereyra (1973) for the pseudo-inverse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..op import Joint, Op, declare
from ..types import TensorType, int32, int64
from .complex import OWN_RULES, complex, conj, imag, part_of
from .contraction import matmul, transposed
from .creation import iota
from .inference import operands_message, require
from .kernels import Array, Kernel, quiet
from .pointwise import eq
from .reduction import restored
from .reduction import sum as _sum
from .samples import Case, normal
from .view import expand, reshape
from .view import slice as slice_


def require_matrix(name: str, a: TensorType, square: bool = True) -> TensorType:
    """`a` if it is a (batch of square) matrices of a dtype LAPACK knows; raises RuntimeError otherwise."""
    if a.dtype.kind not in "fc" or a.dtype.itemsize < 4:
        raise RuntimeError(
            operands_message(
                f"linalg.{name}: Expected a floating point or complex tensor of at least 32 bits",
                a=a,
            )
        )
    require(a.ndim >= 2, f"linalg.{name}: The input tensor A must have at least 2 dimensions.", a=a)
    if square:
        require(
            a.shape[-1] == a.shape[-2], f"linalg.{name}: A must be batches of square matrices", a=a
        )
    return a


def lapack(name: str, function: Callable[..., Any]) -> Kernel:
    """NumPy's failure becomes the RuntimeError PyTorch raises."""

    def kernel(*operands: Array, **attrs: Any) -> Any:
        try:
            found = function(*operands, **attrs)
        except np.linalg.LinAlgError as error:
            raise RuntimeError(f"linalg.{name}: {error}") from None
        return tuple(map(np.asarray, found)) if isinstance(found, tuple) else found

    return quiet(kernel)


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return conj(transposed(x)) if x.dtype.kind == "c" else transposed(x)


def identity_mask(like: Any) -> Any:
    """The bool identity of `like`'s shape."""
    shape = tuple(like.shape)
    rows, columns = shape[-2:]
    i = reshape(iota(length=rows, start=0, step=1, dtype=int64), shape=(rows, 1))
    j = iota(length=columns, start=0, step=1, dtype=int64)
    return eq(expand(i, shape=shape), expand(j, shape=shape))


def per_column(v: Any, like: Any) -> Any:
    """v[..., n] repeated over the rows of like[..., m, n]."""
    return restored(v, tuple(like.shape), (like.ndim - 2,))


def per_row(v: Any, like: Any) -> Any:
    """v[..., m] repeated over the columns of like[..., m, n]."""
    return restored(v, tuple(like.shape), (like.ndim - 1,))


def per_matrix(v: Any, like: Any) -> Any:
    """v[...] repeated over the matrices of like[..., m, n]."""
    return restored(v, tuple(like.shape), (like.ndim - 2, like.ndim - 1))


def block(x: Any, rows: slice, columns: slice) -> Any:
    """x[..., rows, columns]."""
    shape = tuple(x.shape)
    starts, stops, _ = zip(
        *(s.indices(n) for s, n in zip((rows, columns), shape[-2:], strict=True)), strict=True
    )
    lead = shape[:-2]
    return slice_(
        x, starts=(*(0,) * len(lead), *starts), stops=(*lead, *stops), steps=(1,) * len(shape)
    )


ALL = slice(None)


def _inverse_rule(g: Any, y: Any) -> Any:
    return -matmul(matmul(adjoint(y), g), adjoint(y))


def _solve_type(a: TensorType, b: TensorType) -> TensorType:
    require_matrix("solve", a)
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
    return -matmul(solve(adjoint(a), g), adjoint(y))


def _slogdet_type(a: TensorType) -> tuple[TensorType, TensorType]:
    require_matrix("slogdet", a)
    return TensorType(a.dtype, a.shape[:-2]), TensorType(part_of(a.dtype), a.shape[:-2])


def _slogdet_rule(g: tuple[Any, Any], y: tuple[Any, Any], a: Any) -> tuple[Any, ...]:
    factor = g[1]
    if a.dtype.kind == "c":  # log det = log|det| + i angle
        factor = complex(factor, -imag(conj(g[0]) * y[0]))
    return (per_matrix(factor, a) * adjoint(inverse(a)),)


def _cofactor(a: Array) -> Array:
    """det(a) a^-T, by the singular values, so that a may be singular (Giles 2.2.4 and its limit)."""
    u, s, vh = np.linalg.svd(a)
    n = a.shape[-1]
    others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
    turn = np.linalg.det(u) * np.linalg.det(vh)
    found = np.conj(np.swapaxes(u, -1, -2)) * turn[..., None, None]
    found = np.swapaxes((np.conj(np.swapaxes(vh, -1, -2)) * others[..., None, :]) @ found, -1, -2)
    return np.ascontiguousarray(found.astype(a.dtype, copy=False))


def _cofactor_rule(g: Any, y: Any, a: Any) -> Any:
    """d cof = tr(a^-1 da) cof - a^-T da^T cof (invertible a)."""
    turned = transposed(inverse(a))
    trace = _sum(g * y, dims=(a.ndim - 2, a.ndim - 1))
    return per_matrix(trace, a) * turned - matmul(matmul(y, transposed(g)), turned)


def _pinv_type(a: TensorType, tolerance: TensorType, *, hermitian: bool = False) -> TensorType:
    require_matrix("pinv", a, square=False)
    return TensorType(a.dtype, (*a.shape[:-2], a.shape[-1], a.shape[-2]))


def _pinv_rule(g: Any, y: Any, a: Any) -> Any:
    """Golub and Pereyra's differential, transposed; the rank is taken for constant."""
    gh, yh = adjoint(g), adjoint(y)
    inner = matmul(gh, matmul(y, yh))
    outer = matmul(matmul(yh, y), gh)
    found = inner - matmul(a, matmul(y, inner)) - matmul(matmul(yh, g), yh)
    return found + outer - matmul(matmul(outer, y), a)


def _pinv(a: Array, tolerance: Array, *, hermitian: bool = False) -> Array:
    if hermitian:
        s, u = np.linalg.eigh(a)
        vh = np.conj(np.swapaxes(u, -1, -2))
    else:
        u, s, vh = np.linalg.svd(a, full_matrices=False)
    small = np.abs(s) <= tolerance[..., None]
    inverse = np.where(small, 0, 1 / np.where(small, 1, s))
    found = np.conj(np.swapaxes(vh, -1, -2)) * inverse[..., None, :]
    return np.ascontiguousarray(found @ np.conj(np.swapaxes(u, -1, -2)))


def invertible(*lead: int) -> Array:
    """Well conditioned matrices."""
    return normal(*lead, 4, 4) + 3 * np.eye(4, dtype=np.float32)


def _square_samples() -> list[Case]:
    return [((invertible(),), {}), ((invertible(2),), {})]


def _inverse_ex_type(a: TensorType) -> tuple[TensorType, TensorType]:
    return require_matrix("inv_ex", a), TensorType(int32, a.shape[:-2])


def _inverse_ex(a: Array) -> tuple[Array, Array]:
    """Matrix by matrix where one is singular; `info` then says which pivot vanishes."""
    info = np.zeros(a.shape[:-2], np.int32)
    try:
        return np.linalg.inv(a), info
    except np.linalg.LinAlgError:
        pass
    from .elimination import lu_kernel

    found = np.empty(a.shape, a.dtype)
    for place in np.ndindex(info.shape):
        try:
            found[place] = np.linalg.inv(a[place])
        except np.linalg.LinAlgError:
            packed, _ = lu_kernel(a[place])
            info[place] = int(np.argmax(np.diagonal(packed) == 0)) + 1
            found[place] = np.inf
    return found, info


# inverse(a[..., n, n])
inverse: Op = declare(
    "inverse", "host", "a", lambda a: require_matrix("inv", a), lapack("inv", np.linalg.inv),
    vjp=(_inverse_rule,), samples=_square_samples, meta=OWN_RULES,
)  # fmt: skip

# inverse_ex(a[..., n, n]): (inverse, info), info 0 for success
inverse_ex = declare(
    "inverse_ex", "host", "a", _inverse_ex_type, quiet(_inverse_ex),
    vjp=Joint(lambda g, y: (_inverse_rule(g[0], y[0]),)), samples=_square_samples, meta=OWN_RULES,
)  # fmt: skip

# solve(a[..., n, n], b[..., n, k]): x with a @ x = b
solve: Op = declare(
    "solve", "host", "a b", _solve_type, lapack("solve", np.linalg.solve),
    vjp=(_solve_a, lambda g, a: solve(adjoint(a), g)),
    samples=lambda: [((invertible(), normal(4, 2, seed=1)), {}), ((invertible(2), normal(2, 4, 3, seed=1)), {})],
    meta=OWN_RULES,
)  # fmt: skip

# cofactor(a[..., n, n]): the derivative of det
cofactor: Op = declare(
    "cofactor", "host", "a", lambda a: require_matrix("det", a), lapack("det", _cofactor),
    vjp=(_cofactor_rule,), samples=_square_samples,
)  # fmt: skip

# det(a[..., n, n])
det = declare(
    "det", "host", "a", lambda a: TensorType(a.dtype, require_matrix("det", a).shape[:-2]),
    lapack("det", np.linalg.det), vjp=(lambda g, a: per_matrix(g, a) * cofactor(a),), samples=_square_samples,
)  # fmt: skip

# slogdet(a[..., n, n]): (sign, log|det|)
slogdet = declare(
    "slogdet", "host", "a", _slogdet_type, lapack("slogdet", lambda a: tuple(np.linalg.slogdet(a))),
    vjp=Joint(_slogdet_rule), samples=_square_samples, meta=OWN_RULES,
)  # fmt: skip

# pinv(a[..., m, n], tolerance[...], hermitian=False): singular values up to the tolerance count as 0
pinv = declare(
    "pinv", "host", "a tolerance", _pinv_type, lapack("pinv", _pinv), vjp=(_pinv_rule, None),
    samples=lambda: [
        ((normal(5, 3), np.asarray(1e-4, np.float32)), {}),
        ((normal(2, 3, 4), np.full((2,), 1e-4, np.float32)), {}),
    ],
    meta=OWN_RULES,
)  # fmt: skip
