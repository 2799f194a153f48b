"""`torch.distributions.gumbel`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.tensor import Tensor
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, ExpTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Gumbel(TransformedDistribution):
    """The Gumbel distribution: the largest of many exponential numbers."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        torch = _torch()
        self.loc, self.scale = broadcast_all(loc, scale)
        limits = torch.finfo(self.loc.dtype)
        low, high = (
            torch.full_like(self.loc, limits.tiny),
            torch.full_like(self.loc, 1 - limits.eps),
        )
        transforms = [
            ExpTransform().inv,
            AffineTransform(0, -torch.ones_like(self.scale)),
            ExpTransform().inv,
            AffineTransform(self.loc, -self.scale),
        ]
        super().__init__(
            Uniform(low, high, validate_args=validate_args), transforms, validate_args=validate_args
        )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(Gumbel, _instance)
        new.loc, new.scale = self.loc.expand(batch_shape), self.scale.expand(batch_shape)
        return super().expand(batch_shape, _instance=new)

    mean = property(lambda self: self.loc + self.scale * euler_constant, doc="The mean.")
    mode = property(lambda self: self.loc, doc="`loc`.")
    stddev = property(
        lambda self: math.pi / math.sqrt(6) * self.scale, doc="The standard deviation."
    )
    variance = property(lambda self: self.stddev.pow(2), doc="The variance.")

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        if self._validate_args:
            self._validate_sample(value)
        y = (self.loc - value) / self.scale
        return (y - y.exp()) - self.scale.log()

    def entropy(self) -> Tensor:
        """In nats."""
        return self.scale.log() + (1 + euler_constant)
