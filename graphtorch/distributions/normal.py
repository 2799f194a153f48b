"""`torch.distributions.normal`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .exp_family import ExponentialFamily
from .utils import _standard_normal, broadcast_all


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Normal(ExponentialFamily):
    """The normal distribution of mean `loc` and standard deviation `scale`.

    >>> import graphtorch as torch
    >>> Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True
    _mean_carrier_measure = 0

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc, doc="`loc`.")
    mode = property(lambda self: self.loc, doc="`loc`.")
    stddev = property(lambda self: self.scale, doc="`scale`.")
    variance = property(lambda self: self.stddev.pow(2), doc="`scale` squared.")

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw without gradients."""
        shape = self._extended_shape(sample_shape)
        with _torch().no_grad():
            return _torch().normal(self.loc.expand(shape), self.scale.expand(shape))

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw with gradients."""
        shape = self._extended_shape(sample_shape)
        return self.loc + _standard_normal(shape, self.loc.dtype, self.loc.device) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-(x - loc)^2 / (2 scale^2) - log(scale sqrt(2 pi))."""
        if self._validate_args:
            self._validate_sample(value)
        var = self.scale**2
        return (
            -((value - self.loc) ** 2) / (2 * var)
            - self.scale.log()
            - math.log(math.sqrt(2 * math.pi))
        )

    def cdf(self, value: Tensor) -> Tensor:
        """The normal distribution function."""
        if self._validate_args:
            self._validate_sample(value)
        return 0.5 * (1 + _torch().erf((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        """Its inverse."""
        return self.loc + self.scale * _torch().erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        """log(scale sqrt(2 pi e))."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + _torch().log(self.scale)

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.loc / self.scale.pow(2), -0.5 * self.scale.pow(2).reciprocal()

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        return -0.25 * x.pow(2) / y + 0.5 * _torch().log(-math.pi / y)
