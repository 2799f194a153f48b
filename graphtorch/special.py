"""`torch.special`: the functions of `torch` that have a second name here, and a few more."""

from __future__ import annotations

import math

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
    round,
    sigmoid,
    xlogy,
)  # fmt: skip
from .frontend.functional.reduction import logsumexp
from .frontend.tensor import Tensor
from .ir import ops

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_ndtr",
    "log_softmax", "logit", "logsumexp", "ndtr", "ndtri", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

expit, gammaln, psi = sigmoid, lgamma, digamma


def softmax(input: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`."""
    from .nn import functional

    return functional.softmax(input, dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: object = None) -> Tensor:
    """log of `softmax`."""
    from .nn import functional

    return functional.log_softmax(input, dim, dtype=dtype)


def ndtr(input: Tensor) -> Tensor:
    """The standard normal distribution function."""
    x = promotion.floating(input)
    return ops.mul(ops.erfc(ops.mul(x, -math.sqrt(0.5))), 0.5)


def ndtri(input: Tensor) -> Tensor:
    """The inverse of `ndtr`."""
    x = promotion.floating(input)
    return ops.mul(ops.erfinv(ops.sub(ops.mul(x, 2.0), 1.0)), math.sqrt(2))


def log_ndtr(input: Tensor) -> Tensor:
    """log of `ndtr`; far below zero by its asymptotic series."""
    x = promotion.floating(input)
    far = ops.lt(x, -10.0)
    safe = ops.where(far, -10.0, x)
    near = ops.log(ndtr(safe))
    square = ops.mul(ops.where(far, x, -10.0), ops.where(far, x, -10.0))
    inverse = ops.reciprocal(square)
    # Abramowitz and Stegun 26.2.12
    series = ops.add(
        ops.mul(inverse, ops.add(ops.mul(inverse, ops.add(ops.mul(inverse, -15.0), 3.0)), -1.0)),
        1.0,
    )
    tail = ops.sub(
        ops.log(series),
        ops.add(
            ops.mul(square, 0.5),
            ops.add(ops.mul(ops.log(square), 0.5), 0.5 * math.log(2 * math.pi)),
        ),
    )
    return ops.where(far, tail, near)


def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), and 1 at 0."""
    x = promotion.floating(input)
    zero = ops.eq(x, 0)
    angle = ops.mul(ops.where(zero, 1.0, x), math.pi)
    return ops.where(zero, 1.0, ops.div(ops.sin(angle), angle))


def entr(input: Tensor) -> Tensor:
    """-x log(x); 0 at 0 and -inf below."""
    x = promotion.floating(input)
    inside = ops.mul(ops.neg(x), ops.log(ops.where(ops.le(x, 0), 1.0, x)))
    return ops.where(ops.lt(x, 0), -math.inf, inside)


def xlog1py(input: Tensor, other: Tensor) -> Tensor:
    """input * log1p(other), and 0 where input is 0."""
    a, b = promotion.operands(promotion.floating(input), promotion.floating(other))
    zero = ops.eq(a, 0)
    return ops.where(zero, 0.0, ops.mul(a, ops.log1p(ops.where(zero, 0.0, b))))
