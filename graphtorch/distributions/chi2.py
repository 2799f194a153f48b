"""`torch.distributions.chi2`."""

from __future__ import annotations

from typing import Any

from . import constraints
from .gamma import Gamma


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Chi2(Gamma):
    """The chi-squared distribution of `df` degrees of freedom."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None):
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(Chi2, _instance)
        new.concentration = self.concentration.expand(batch_shape)
        new.rate = self.rate.expand(batch_shape)
        Gamma.__init__(new, new.concentration, new.rate, validate_args=False)
        new._validate_args = self._validate_args
        return new

    df = property(lambda self: self.concentration * 2, doc="Degrees of freedom.")
