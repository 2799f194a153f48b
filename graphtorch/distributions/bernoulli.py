"""`torch.distributions.bernoulli`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Bernoulli(ExponentialFamily):
    """1 with probability `probs` (or the sigmoid of `logits`), else 0."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None):
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = broadcast_all(probs)
        else:
            (self.logits,) = broadcast_all(logits)
        self._param = self.probs if probs is not None else self.logits
        super().__init__(self._param.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(Bernoulli, _instance)
        name = "probs" if "probs" in self.__dict__ and self._param is self.probs else "logits"
        new._param = self._param.expand(Size(batch_shape))
        setattr(new, name, new._param)
        super(Bernoulli, new).__init__(Size(batch_shape), validate_args=False)
        new._validate_args = self._validate_args
        return new

    @lazy_property
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of 1."""
        return logits_to_probs(self.logits, is_binary=True)

    param_shape = property(lambda self: self._param.size(), doc="Shape of the parameter.")
    mean = property(lambda self: self.probs, doc="The probability.")
    variance = property(lambda self: self.probs * (1 - self.probs), doc="p (1 - p).")

    @property
    def mode(self) -> Tensor:
        """The more probable; NaN where both are."""
        mode = (self.probs >= 0.5).to(self.probs)
        mode[self.probs == 0.5] = math.nan
        return mode

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw."""
        with _torch().no_grad():
            return _torch().bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The probability's logarithm."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return -_torch().nn.functional.binary_cross_entropy_with_logits(
            logits, value, reduction="none"
        )

    def entropy(self) -> Tensor:
        """In nats."""
        return _torch().nn.functional.binary_cross_entropy_with_logits(
            self.logits, self.probs, reduction="none"
        )

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 and 1."""
        values = _torch().arange(2, dtype=self._param.dtype, device=self._param.device)
        values = values.view((-1, *(1,) * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (_torch().logit(self.probs),)

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return _torch().log1p(_torch().exp(x))
