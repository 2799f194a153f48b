"""`torch.distributions.logistic_normal`."""

from __future__ import annotations

from typing import Any

from . import constraints
from .normal import Normal
from .transformed_distribution import TransformedDistribution
from .transforms import StickBreakingTransform


def _torch() -> Any:
    import graphtorch

    return graphtorch


class LogisticNormal(TransformedDistribution):
    """Shares made by breaking a stick at normal numbers."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.simplex
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        base = Normal(loc, scale, validate_args=validate_args)
        if not base.batch_shape:
            base = base.expand([1])
        super().__init__(base, StickBreakingTransform(), validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        return super().expand(
            batch_shape, _instance=self._get_checked_instance(LogisticNormal, _instance)
        )

    loc = property(lambda self: self.base_dist.base_dist.loc, doc="Means of the normal numbers.")
    scale = property(lambda self: self.base_dist.base_dist.scale, doc="Their standard deviations.")
