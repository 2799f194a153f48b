"""`torch.distributions.studentT`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all


def _torch() -> Any:
    import graphtorch

    return graphtorch


class StudentT(Distribution):
    """Student's t distribution of `df` degrees of freedom, moved and stretched."""

    arg_constraints = {
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ):
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df)
        super().__init__(self.df.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(StudentT, _instance)
        shape = Size(batch_shape)
        new.df, new.loc, new.scale = (x.expand(shape) for x in (self.df, self.loc, self.scale))
        new._chi2 = self._chi2.expand(shape)
        super(StudentT, new).__init__(shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def mean(self) -> Tensor:
        """`loc`; NaN for df <= 1."""
        return _torch().where(self.df <= 1, math.nan, self.loc)

    mode = property(lambda self: self.loc, doc="`loc`.")

    @property
    def variance(self) -> Tensor:
        """Infinite for df <= 2, NaN for df <= 1."""
        torch = _torch()
        found = torch.where(self.df > 2, self.scale.pow(2) * self.df / (self.df - 2), math.inf)
        return torch.where(self.df <= 1, math.nan, found)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw with gradients: a normal number over the root of a chi-squared one."""
        torch = _torch()
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype, self.df.device)
        z = self._chi2.rsample(sample_shape)
        return self.loc + self.scale * (x * torch.rsqrt(z / self.df))

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        torch = _torch()
        if self._validate_args:
            self._validate_sample(value)
        y = (value - self.loc) / self.scale
        z = (
            self.scale.log()
            + 0.5 * self.df.log()
            + 0.5 * math.log(math.pi)
            + torch.lgamma(0.5 * self.df)
            - torch.lgamma(0.5 * (self.df + 1.0))
        )
        return -0.5 * (self.df + 1.0) * torch.log1p(y**2.0 / self.df) - z

    def entropy(self) -> Tensor:
        """In nats."""
        torch = _torch()
        beta = torch.lgamma(0.5 * self.df) + math.lgamma(0.5) - torch.lgamma(0.5 * (self.df + 1))
        half = (
            0.5
            * (self.df + 1)
            * (torch.digamma(0.5 * (self.df + 1)) - torch.digamma(0.5 * self.df))
        )
        return self.scale.log() + half + 0.5 * self.df.log() + beta
