"""`torch.distributions.binomial`."""

from __future__ import annotations

from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Binomial(Distribution):
    """Successes among `total_count` trials."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            self.total_count, self.probs = broadcast_all(total_count, probs)
            self.total_count = self.total_count.type_as(self.probs)
        else:
            self.total_count, self.logits = broadcast_all(total_count, logits)
            self.total_count = self.total_count.type_as(self.logits)
        self._param = self.probs if probs is not None else self.logits
        super().__init__(self._param.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(Binomial, _instance)
        shape = Size(batch_shape)
        new.total_count = self.total_count.expand(shape)
        for name in ("probs", "logits"):
            if name in self.__dict__:
                setattr(new, name, self.__dict__[name].expand(shape))
        new._param = self._param.expand(shape)
        super(Binomial, new).__init__(shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        """0 to total_count."""
        return constraints.integer_interval(0, self.total_count)

    mean = property(lambda self: self.total_count * self.probs, doc="n p.")
    mode = property(
        lambda self: ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count),
        doc="The most probable.",
    )
    variance = property(
        lambda self: self.total_count * self.probs * (1 - self.probs), doc="n p (1 - p)."
    )

    @lazy_property
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of success."""
        return logits_to_probs(self.logits, is_binary=True)

    param_shape = property(lambda self: self._param.size(), doc="Shape of the parameter.")

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw."""
        shape = self._extended_shape(sample_shape)
        with _torch().no_grad():
            return _torch().binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The probability's logarithm."""
        torch = _torch()
        if self._validate_args:
            self._validate_sample(value)
        n, k = torch.lgamma(self.total_count + 1), torch.lgamma(value + 1)
        rest = torch.lgamma(self.total_count - value + 1)
        # n log(1 + exp(logits)), without overflow
        logits = self.logits
        high = (logits.clamp(min=0) + logits - logits.clamp(min=0)).clamp(min=0)
        normaliser = (
            self.total_count * high
            + self.total_count * torch.log1p(torch.exp(-torch.abs(logits)))
            - n
        )
        return value * logits - k - rest - normaliser

    def entropy(self) -> Tensor:
        """In nats; raises NotImplementedError where the total counts differ."""
        total = int(self.total_count.max())
        if not self.total_count.min() == total:
            raise NotImplementedError("Inhomogeneous total count not supported by `entropy`.")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(_torch().exp(log_prob) * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to total_count; raises NotImplementedError where the total counts differ."""
        total = int(self.total_count.max())
        if not self.total_count.min() == total:
            raise NotImplementedError(
                "Inhomogeneous total count not supported by `enumerate_support`."
            )
        values = _torch().arange(1 + total, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values
