"""`torch.distributions.poisson`."""

from __future__ import annotations

from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Poisson(ExponentialFamily):
    """The Poisson distribution of a rate."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: bool | None = None):
        (self.rate,) = broadcast_all(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    mean = property(lambda self: self.rate, doc="The rate.")
    mode = property(lambda self: self.rate.floor(), doc="The rate without its fraction.")
    variance = property(lambda self: self.rate, doc="The rate.")

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw."""
        with _torch().no_grad():
            return _torch().poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The probability's logarithm."""
        if self._validate_args:
            self._validate_sample(value)
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (_torch().log(self.rate),)

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return _torch().exp(x)
