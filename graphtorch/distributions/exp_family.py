"""`torch.distributions.ExponentialFamily`: entropy from the log-normaliser's gradient."""

from __future__ import annotations

from typing import Any

from ..frontend.tensor import Tensor
from .distribution import Distribution


class ExponentialFamily(Distribution):
    """Base of distributions with density exp(<t(x), n> - F(n) + k(x)).

    Subclasses give the natural parameters n, the log-normaliser F and the mean of k.
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """F(n) - <n, grad F(n)> - E k(x)."""
        import graphtorch as torch

        found = -self._mean_carrier_measure
        params = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*params)
        gradients = torch.autograd.grad(normalizer.sum(), params, create_graph=True)
        found = found + normalizer
        for p, g in zip(params, gradients, strict=True):
            found = found - (p * g).reshape((*self._batch_shape, -1)).sum(-1)
        return found
