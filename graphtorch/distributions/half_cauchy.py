"""`torch.distributions.half_cauchy`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.tensor import Tensor
from . import constraints
from .cauchy import Cauchy
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform


def _torch() -> Any:
    import graphtorch

    return graphtorch


class HalfCauchy(TransformedDistribution):
    """The size of a Cauchy number of median 0."""

    arg_constraints = {"scale": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True

    def __init__(self, scale: Any, validate_args: bool | None = None):
        super().__init__(
            Cauchy(0, scale, validate_args=False), AbsTransform(), validate_args=validate_args
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        return super().expand(
            batch_shape, _instance=self._get_checked_instance(HalfCauchy, _instance)
        )

    scale = property(lambda self: self.base_dist.scale, doc="Of the Cauchy number.")
    mean = property(lambda self: _torch().full_like(self.scale, math.inf), doc="Infinite.")
    mode = property(lambda self: _torch().zeros_like(self.scale), doc="0.")
    variance = property(lambda self: self.base_dist.variance, doc="Infinite.")

    def log_prob(self, value: Tensor) -> Tensor:
        """Twice the Cauchy density, for values from 0."""
        if self._validate_args:
            self._validate_sample(value)
        value = _torch().as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        return _torch().where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        """The distribution function."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, prob: Tensor) -> Tensor:
        """Its inverse."""
        return self.base_dist.icdf((prob + 1) / 2)

    def entropy(self) -> Tensor:
        """In nats."""
        return self.base_dist.entropy() - math.log(2)
