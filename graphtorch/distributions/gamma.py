"""`torch.distributions.gamma`."""

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


class Gamma(ExponentialFamily):
    """The gamma distribution of a concentration and a rate."""

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None):
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    mean = property(lambda self: self.concentration / self.rate, doc="concentration / rate.")
    mode = property(
        lambda self: ((self.concentration - 1) / self.rate).clamp(min=0), doc="The peak."
    )
    variance = property(
        lambda self: self.concentration / self.rate.pow(2), doc="concentration / rate^2."
    )

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw with gradients (implicit ones, for the concentration)."""
        shape = self._extended_shape(sample_shape)
        value = _torch()._standard_gamma(self.concentration.expand(shape)) / self.rate.expand(shape)
        return value.clamp(min=_torch().finfo(value.dtype).tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        torch = _torch()
        value = torch.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        if self._validate_args:
            self._validate_sample(value)
        return (
            torch.xlogy(self.concentration, self.rate)
            + torch.xlogy(self.concentration - 1, value)
            - self.rate * value
            - torch.lgamma(self.concentration)
        )

    def cdf(self, value: Tensor) -> Tensor:
        """The regularised incomplete gamma function."""
        if self._validate_args:
            self._validate_sample(value)
        return _torch().special.gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        """In nats."""
        torch = _torch()
        return (
            self.concentration
            - torch.log(self.rate)
            + torch.lgamma(self.concentration)
            + (1.0 - self.concentration) * torch.digamma(self.concentration)
        )

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        return _torch().lgamma(x + 1) + (x + 1) * _torch().log(-y.reciprocal())
