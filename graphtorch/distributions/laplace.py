"""`torch.distributions.laplace`."""

from __future__ import annotations

from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Laplace(Distribution):
    """The Laplace distribution: exponential on both sides of `loc`."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None):
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    mean = property(lambda self: self.loc, doc="`loc`.")
    mode = property(lambda self: self.loc, doc="`loc`.")
    variance = property(lambda self: 2 * self.scale.pow(2), doc="2 scale^2.")
    stddev = property(lambda self: 2**0.5 * self.scale, doc="sqrt(2) scale.")

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw with gradients."""
        shape = self._extended_shape(sample_shape)
        u = self.loc.new_empty(shape).uniform_(_torch().finfo(self.loc.dtype).eps - 1, 1)
        return self.loc - self.scale * u.sign() * _torch().log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        """-|x - loc| / scale - log(2 scale)."""
        if self._validate_args:
            self._validate_sample(value)
        return -_torch().log(2 * self.scale) - _torch().abs(value - self.loc) / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        """The distribution function."""
        if self._validate_args:
            self._validate_sample(value)
        d = value - self.loc
        return 0.5 - 0.5 * d.sign() * _torch().expm1(-d.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        """Its inverse."""
        term = value - 0.5
        return self.loc - self.scale * term.sign() * _torch().log1p(-2 * term.abs())

    def entropy(self) -> Tensor:
        """1 + log(2 scale)."""
        return 1 + _torch().log(2 * self.scale)
