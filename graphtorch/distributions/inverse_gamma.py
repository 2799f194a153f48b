"""`torch.distributions.inverse_gamma`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.tensor import Tensor
from . import constraints
from .gamma import Gamma
from .transformed_distribution import TransformedDistribution
from .transforms import PowerTransform


def _torch() -> Any:
    import graphtorch

    return graphtorch


class InverseGamma(TransformedDistribution):
    """One over a gamma number."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.positive
    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        base = Gamma(concentration, rate, validate_args=validate_args)
        exponent = -base.rate.new_ones(())
        super().__init__(base, PowerTransform(exponent), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        return super().expand(
            batch_shape, _instance=self._get_checked_instance(InverseGamma, _instance)
        )

    concentration = property(lambda self: self.base_dist.concentration, doc="Of the gamma number.")
    rate = property(lambda self: self.base_dist.rate, doc="Of the gamma number.")

    @property
    def mean(self) -> Tensor:
        """Infinite for concentration <= 1."""
        found = self.rate / (self.concentration - 1)
        return _torch().where(self.concentration > 1, found, math.inf)

    mode = property(lambda self: self.rate / (self.concentration + 1), doc="The peak.")

    @property
    def variance(self) -> Tensor:
        """Infinite for concentration <= 2."""
        less = self.concentration - 1
        found = self.rate.square() / (less.square() * (self.concentration - 2))
        return _torch().where(self.concentration > 2, found, math.inf)

    def entropy(self) -> Tensor:
        """In nats."""
        c = self.concentration
        return c + self.rate.log() + c.lgamma() - (1 + c) * c.digamma()
