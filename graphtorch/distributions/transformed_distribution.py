"""`torch.distributions.transformed_distribution`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import _sum_rightmost


def _torch() -> Any:
    import graphtorch

    return graphtorch


class TransformedDistribution(Distribution):
    """What transforms make of a base distribution's samples."""

    arg_constraints: dict[str, Any] = {}

    def __init__(
        self, base_distribution: Distribution, transforms: Any, validate_args: bool | None = None
    ):
        if isinstance(transforms, Transform):
            self.transforms = [transforms]
        elif isinstance(transforms, list):
            if not all(isinstance(t, Transform) for t in transforms):
                raise ValueError("transforms must be a Transform or a list of Transforms")
            self.transforms = transforms
        else:
            raise ValueError(f"transforms must be a Transform or list, but was {transforms}")
        shape = base_distribution.batch_shape + base_distribution.event_shape
        base_event = len(base_distribution.event_shape)
        transform = ComposeTransform(self.transforms)
        if len(shape) < transform.domain.event_dim:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {transform.domain.event_dim}, but got {shape}."
            )
        out_shape = transform.forward_shape(shape)
        expanded = transform.inverse_shape(out_shape)
        if shape != expanded:
            base_batch = expanded[: len(expanded) - base_event]
            base_distribution = base_distribution.expand(base_batch)
        more = transform.domain.event_dim - base_event
        self.base_dist = Independent(base_distribution, more) if more > 0 else base_distribution
        event_dim = transform.codomain.event_dim + max(base_event - transform.domain.event_dim, 0)
        cut = len(out_shape) - event_dim
        super().__init__(out_shape[:cut], out_shape[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(TransformedDistribution, _instance)
        shape = Size(batch_shape)
        full = shape + self.event_shape
        for t in reversed(self.transforms):
            full = t.inverse_shape(full)
        base_batch = full[: len(full) - len(self.base_dist.event_shape)]
        new.base_dist, new.transforms = self.base_dist.expand(base_batch), self.transforms
        super(TransformedDistribution, new).__init__(shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def has_rsample(self) -> bool:  # type: ignore[override]
        """As the base."""
        return self.base_dist.has_rsample

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> Any:
        """What the last transform gives."""
        if not self.transforms:
            return self.base_dist.support
        support, n = self.transforms[-1].codomain, len(self.event_shape)
        return (
            constraints.independent(support, n - support.event_dim)
            if n > support.event_dim
            else support
        )

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw from the base and transform, without gradients."""
        with _torch().no_grad():
            x = self.base_dist.sample(sample_shape)
            for t in self.transforms:
                x = t(x)
            return x

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw from the base and transform, with gradients."""
        x = self.base_dist.rsample(sample_shape)
        for t in self.transforms:
            x = t(x)
        return x

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's, less the logarithms of the Jacobians."""
        if self._validate_args:
            self._validate_sample(value)
        event_dim, found, y = len(self.event_shape), 0.0, value
        for t in reversed(self.transforms):
            x = t.inv(y)
            event_dim += t.domain.event_dim - t.codomain.event_dim
            found = found - _sum_rightmost(
                t.log_abs_det_jacobian(x, y), event_dim - t.domain.event_dim
            )
            y = x
        more = event_dim - len(self.base_dist.event_shape)
        return found + _sum_rightmost(self.base_dist.log_prob(y), more)

    def _sign(self) -> Any:
        return math.prod(t.sign for t in self.transforms)

    def cdf(self, value: Tensor) -> Tensor:
        """The base's, of the value before the transforms; they must be monotone."""
        if self._validate_args:
            self._validate_sample(value)
        for t in reversed(self.transforms):
            value = t.inv(value)
        return self._flipped(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """Its inverse."""
        value = self.base_dist.icdf(self._flipped(value))
        for t in self.transforms:
            value = t(value)
        return value

    def _flipped(self, value: Tensor) -> Tensor:
        sign = self._sign()
        return value if isinstance(sign, int) and sign == 1 else sign * (value - 0.5) + 0.5
