"""`torch.poisson`, `binomial` and the gamma and Dirichlet draws under `torch.distributions`.

They are drawn when called, outside a graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import rejection
from .function import Function
from .functional.wrapping import concrete, scalar_name
from .generator import Generator, draws_of
from .implicit_gradient import dirichlet_grad, standard_gamma_grad
from .tensor import Tensor, wrap


def _float(name: str, x: Tensor) -> None:
    if x._array.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"\"{name}\" not implemented for '{scalar_name(x.dtype)}'")


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """A Poisson number for every rate of `input`, in its dtype; raises RuntimeError for negative rates."""
    _float("poisson_cpu", input)
    rates = concrete(input)
    if (rates < 0).any():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    return wrap(
        rejection.each(rejection.poisson, draws_of(generator, "a Poisson number").stream, rates)
    )


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Successes among `count` trials of probability `prob`, for every element."""
    _float("binomial_cpu", count)
    counts, p = concrete(count), concrete(prob)
    if counts.dtype != p.dtype:
        raise RuntimeError(
            f"Found dtype {scalar_name(prob.dtype)} but expected {scalar_name(count.dtype)}"
        )
    stream = draws_of(generator, "a binomial number").stream
    return wrap(rejection.each(rejection.binomial, stream, counts, p))


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor, generator: Generator | None) -> Tensor:
        stream = draws_of(generator, "a gamma number").stream
        drawn = wrap(rejection.each(rejection.standard_gamma, stream, alpha._array, smallest=True))
        ctx.save_for_backward(alpha, drawn)
        return drawn

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        alpha, drawn = ctx.saved_tensors
        slope = standard_gamma_grad(alpha._array, drawn._array).astype(drawn._array.dtype)
        return g * wrap(slope), None


def _standard_gamma(self: Tensor, generator: Generator | None = None) -> Tensor:
    """A gamma number of rate 1 for every concentration; differentiable."""
    _float("gamma_cpu", self)
    return _StandardGamma.apply(self, generator)


def _standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """d output / d self of `output = _standard_gamma(self)`."""
    return wrap(standard_gamma_grad(concrete(self), concrete(output)).astype(self._array.dtype))


class _Dirichlet(Function):
    @staticmethod
    def forward(ctx: Any, alpha: Tensor, generator: Generator | None) -> Tensor:
        stream = draws_of(generator, "a Dirichlet number").stream
        gammas = rejection.each(
            rejection.standard_gamma, stream, alpha._array.astype(np.float64), smallest=True
        )
        shares = (gammas / gammas.sum(-1, keepdims=True)).astype(alpha._array.dtype)
        limits = np.finfo(shares.dtype)
        below_one = np.nextafter(np.asarray(1, shares.dtype), np.asarray(0, shares.dtype))
        drawn = wrap(np.clip(shares, limits.tiny, below_one))
        ctx.save_for_backward(alpha, drawn)
        return drawn

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        alpha, drawn = ctx.saved_tensors
        slope = _dirichlet_grad(drawn, alpha, alpha.sum(-1, True).expand_as(alpha))
        return slope * (g - (drawn * g).sum(-1, True)), None


def _sample_dirichlet(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Shares that sum to 1 along the last dim, one draw for each row of concentrations; differentiable."""
    _float("dirichlet", self)
    return _Dirichlet.apply(self, generator)


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """What the gradient of a Dirichlet draw is made of."""
    found = dirichlet_grad(concrete(x), concrete(alpha), concrete(total))
    return wrap(found.astype(x._array.dtype))
