"""`torch.special`: the functions of `torch` that have a second name here, and a few more.

Integers are converted to the default dtype.  The rows behind them are in `ir/ops/bessel.py`, `gamma.py` and
`polynomial.py`, which name their formulas.
"""

from __future__ import annotations

import math
from typing import Any

from . import absent as absent
from .errors import message
from .frontend import promotion
from .frontend.functional.pointwise import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    lgamma,
    log1p,
    logit,
    mvlgamma,
    round,
    sigmoid,
    xlogy,
)  # fmt: skip
from .frontend.functional.reduction import logsumexp
from .frontend.functional.wrapping import (
    accepts_out,
    check_operands,
    check_tensor,
    float_unary,
    named,
)
from .frontend.tensor import Tensor
from .ir import ops
from .ir.op import Op
from .ir.types import DType

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t", "chebyshev_polynomial_u",
    "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2",
    "expit", "expm1", "gammainc", "gammaincc", "gammaln", "hermite_polynomial_h", "hermite_polynomial_he", "i0", "i0e",
    "i1", "i1e", "laguerre_polynomial_l", "legendre_polynomial_p", "log1p", "log_ndtr", "log_softmax", "logit",
    "logsumexp", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1",
    "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "shifted_chebyshev_polynomial_t", "shifted_chebyshev_polynomial_u",
    "shifted_chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w", "sinc", "softmax", "spherical_bessel_j0",
    "xlog1py", "xlogy", "zeta",
]  # fmt: skip

expit, gammaln, psi, multigammaln = sigmoid, lgamma, digamma, mvlgamma


def softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`."""
    from .nn import functional

    return functional.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """log of `softmax`."""
    from .nn import functional

    return functional.log_softmax(input, dim, dtype=dtype)


# fmt: off
airy_ai = float_unary(ops.airy_ai)
bessel_j0, bessel_j1 = float_unary(ops.bessel_j0), float_unary(ops.bessel_j1)
bessel_y0, bessel_y1 = float_unary(ops.bessel_y0), float_unary(ops.bessel_y1)
i0, i0e, i1, i1e = float_unary(ops.i0), float_unary(ops.i0e), float_unary(ops.i1), float_unary(ops.i1e)
modified_bessel_i0, modified_bessel_i1 = float_unary(ops.i0, "modified_bessel_i0"), float_unary(ops.i1, "modified_bessel_i1")
modified_bessel_k0, modified_bessel_k1 = float_unary(ops.modified_bessel_k0), float_unary(ops.modified_bessel_k1)
scaled_modified_bessel_k0 = float_unary(ops.scaled_modified_bessel_k0)
scaled_modified_bessel_k1 = float_unary(ops.scaled_modified_bessel_k1)
spherical_bessel_j0 = float_unary(ops.spherical_bessel_j0)
erfcx, log_ndtr, ndtri = float_unary(ops.erfcx), float_unary(ops.log_ndtr), float_unary(ops.ndtri)
# fmt: on


def _float_operands(name: str, a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two floating tensors of one type; either may be given as a number."""
    check_operands(name, a, b)
    if not (isinstance(a, Tensor) or isinstance(b, Tensor)):
        raise TypeError(
            message(f"special_{name}(): one of the operands must be a Tensor, got {a!r} and {b!r}")
        )
    dtype = promotion.result_type(a, b)
    if dtype.kind in "iub":
        dtype = promotion.get_default_dtype()
    x, y = promotion.operands(a, b, dtype)
    shape = (x if isinstance(x, Tensor) else y)._array.shape
    return _tensor(x, shape, dtype), _tensor(y, shape, dtype)


def _tensor(x: Any, shape: tuple[int, ...], dtype: DType) -> Tensor:
    return x if isinstance(x, Tensor) else ops.full(shape=shape, value=float(x), dtype=dtype)


def _float_binary(op: Op, name: str, doc: str, scalars: bool = True) -> Any:
    def function(input: Any, other: Any) -> Tensor:
        check_operands(name, input, other, scalars)
        return op(*_float_operands(name, input, other))

    return accepts_out(named(function, name, doc))


def _polynomial(op: Op) -> Any:
    def function(x: Any, n: Any) -> Tensor:
        return op(*_float_operands(op.name, x, n))

    words = op.name.replace("_polynomial_", " polynomial ")
    return accepts_out(named(function, op.name, f"The {words} of degree n at x (0 for n < 0)."))


zeta = _float_binary(
    ops.zeta, "zeta", "Hurwitz's zeta function sum 1 / (k + other) ** input over k >= 0."
)
gammainc = _float_binary(
    ops.igamma,
    "gammainc",
    "The regularised lower incomplete gamma function P(input, other).",
    False,
)
gammaincc = _float_binary(
    ops.igammac,
    "gammaincc",
    "The regularised upper incomplete gamma function Q(input, other).",
    False,
)
igamma, igammac = gammainc, gammaincc  # their names in torch
# fmt: off
chebyshev_polynomial_t, chebyshev_polynomial_u = _polynomial(ops.chebyshev_polynomial_t), _polynomial(ops.chebyshev_polynomial_u)
chebyshev_polynomial_v, chebyshev_polynomial_w = _polynomial(ops.chebyshev_polynomial_v), _polynomial(ops.chebyshev_polynomial_w)
shifted_chebyshev_polynomial_t = _polynomial(ops.shifted_chebyshev_polynomial_t)
shifted_chebyshev_polynomial_u = _polynomial(ops.shifted_chebyshev_polynomial_u)
shifted_chebyshev_polynomial_v = _polynomial(ops.shifted_chebyshev_polynomial_v)
shifted_chebyshev_polynomial_w = _polynomial(ops.shifted_chebyshev_polynomial_w)
hermite_polynomial_h, hermite_polynomial_he = _polynomial(ops.hermite_polynomial_h), _polynomial(ops.hermite_polynomial_he)
laguerre_polynomial_l, legendre_polynomial_p = _polynomial(ops.laguerre_polynomial_l), _polynomial(ops.legendre_polynomial_p)
# fmt: on


@accepts_out
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of digamma.

    >>> import graphtorch as torch
    >>> torch.special.polygamma(1, torch.tensor([1.0]))
    tensor([1.6449])
    """
    if isinstance(n, Tensor):
        n, input = input, n
    if n < 0:
        raise RuntimeError(message("polygamma(n, x) does not support negative n."))
    x = promotion.floating(check_tensor("polygamma", input, "input", 2))
    if n < 2:
        return (ops.digamma, ops.trigamma)[n](x)
    return ops.polygamma(x, n=n)


@accepts_out
def ndtr(input: Tensor) -> Tensor:
    """The standard normal distribution function."""
    x = promotion.floating(check_tensor("ndtr", input))
    return ops.mul(ops.erfc(ops.mul(x, -math.sqrt(0.5))), 0.5)


@accepts_out
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    x = promotion.floating(check_tensor("sinc", input))
    zero = ops.eq(x, 0)
    angle = ops.mul(ops.where(zero, 1.0, x), math.pi)
    return ops.where(zero, 1.0, ops.div(ops.sin(angle), angle))


@accepts_out
def entr(input: Tensor) -> Tensor:
    """-x log(x); 0 at 0 and -inf below."""
    x = promotion.floating(check_tensor("entr", input))
    inside = ops.mul(ops.neg(x), ops.log(ops.where(ops.le(x, 0), 1.0, x)))
    found = ops.where(ops.lt(x, 0), -math.inf, inside)
    return ops.where(ops.isnan(x), x, found)


@accepts_out
def xlog1py(input: Any, other: Any) -> Tensor:
    """input * log1p(other), and 0 where input is 0 (unless other is NaN)."""
    a, b = _float_operands("xlog1py", input, other)
    zero = ops.logical_and(ops.eq(a, 0), ops.logical_not(ops.isnan(b)))
    return ops.where(zero, 0.0, ops.mul(a, ops.log1p(ops.where(zero, 0.0, b))))


__getattr__ = absent.names_of(__name__)
