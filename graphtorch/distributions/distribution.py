"""`torch.distributions.Distribution`: the base of all."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .utils import lazy_property


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Distribution:
    """Base class: a batch of independent distributions, each over events of one shape.

    batch_shape, event_shape: the two parts of a sample's shape.
    `sample`, `rsample` (with gradients), `log_prob`, `entropy`, `mean`, `variance`, `cdf`, `icdf`.
    Parameters and values are checked against their constraints; raises ValueError (`validate_args=False` turns
    it off).
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args: bool = __debug__
    arg_constraints: ClassVar[dict[str, Any]]

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Choose whether arguments are checked where `validate_args` is not given."""
        if value not in [True, False]:
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Any = Size(),  # noqa: B008
        event_shape: Any = Size(),  # noqa: B008
        validate_args: bool | None = None,
    ):
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_arguments()
        super().__init__()

    def _check_arguments(self) -> None:
        try:
            known = self.arg_constraints
        except (NotImplementedError, AttributeError):
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or initialize"
                " the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        for param, constraint in known.items():
            if constraints.is_dependent(constraint):
                continue
            if param not in self.__dict__ and isinstance(
                getattr(type(self), param, None), (lazy_property, property)
            ):
                continue  # made of the other parameters
            value = getattr(self, param)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {param} ({type(value).__name__} of shape {tuple(value.shape)})"
                    f" of distribution {self!r} to satisfy the constraint {constraint!r}, but found invalid values:"
                    f"\n{_shown(value)}"
                )

    @property
    def batch_shape(self) -> Size:
        """Shape of the batch of distributions."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """Shape of one event."""
        return self._event_shape

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast to `batch_shape`."""
        new = self._get_checked_instance(type(self), _instance)
        shape = Size(batch_shape)
        for name in self.arg_constraints:
            if name in self.__dict__:
                value = getattr(self, name)
                rank = value.dim() - len(self.batch_shape)
                setattr(new, name, value.expand(shape + value.shape[value.dim() - rank :]))
        Distribution.__init__(new, shape, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def support(self) -> Any:
        """The constraint that samples satisfy."""
        raise NotImplementedError

    @property
    def mean(self) -> Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()  # type: ignore[attr-defined]

    def sample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw sample_shape + batch_shape + event_shape numbers, without gradients."""
        with _torch().no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw numbers that have gradients with respect to the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """Old: `sample((n,))`."""
        warnings.warn(
            "sample_n(n) will be deprecated. Use .sample((n,)) instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(Size((n,)))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability of a value."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of what is at most a value."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a new first dim."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """The entropy in nats."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()  # type: ignore[attr-defined]

    def _extended_shape(self, sample_shape: Any = Size()) -> Size:  # noqa: B008
        return Size(tuple(sample_shape) + tuple(self._batch_shape) + tuple(self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        start = value.dim() - len(self._event_shape)  # type: ignore[attr-defined]
        if value.shape[start:] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape:"
                f" {Size(value.shape)} vs {self._event_shape}."
            )
        expected = self._batch_shape + self._event_shape
        for i, j in zip(reversed(value.shape), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {Size(value.shape)} vs {expected}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the"
                " distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if support is None:
            raise ValueError("support is None")
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(value.shape)}) to be within the"
                f" support ({support!r}) of the distribution {self!r}, but found invalid values:\n{_shown(value)}"
            )

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        if _instance is None and type(self).__init__ != cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method must also"
                " define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def __repr__(self) -> str:
        names = [k for k in getattr(self, "arg_constraints", {}) if k in self.__dict__]
        shown = ", ".join(
            f"{k}: {_shown(self.__dict__[k]) if self.__dict__[k].numel() == 1 else self.__dict__[k].size()}"
            for k in names
        )
        return f"{type(self).__name__}({shown})"


def _shown(value: Tensor) -> str:
    """A tensor as errors and reprs show it: one number as a number."""
    if value.ndim == 0:
        return str(value.item())  # type: ignore[attr-defined]
    return str(value.detach())
