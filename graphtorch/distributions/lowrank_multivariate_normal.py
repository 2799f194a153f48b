"""`torch.distributions.lowrank_multivariate_normal`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .multivariate_normal import _batch_mahalanobis, _batch_mv
from .utils import _standard_normal, lazy_property


def _torch() -> Any:
    import graphtorch

    return graphtorch


def _capacitance_tril(factor: Tensor, diagonal: Tensor) -> Tensor:
    """Cholesky factor of I + W^T D^-1 W."""
    torch = _torch()
    k = torch.matmul(factor.mT / diagonal.unsqueeze(-2), factor).contiguous()
    return torch.linalg.cholesky(k + torch.eye(factor.size(-1), dtype=factor.dtype))


class LowRankMultivariateNormal(Distribution):
    """The normal distribution of vectors with covariance W W^T + diag(d)."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ):
        torch = _torch()
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        event_shape = loc.shape[-1:]
        if cov_factor.dim() < 2:
            raise ValueError(
                "cov_factor must be at least two-dimensional, with optional leading batch dimensions"
            )
        if cov_factor.shape[-2:-1] != event_shape:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {event_shape[0]} x m"
            )
        if cov_diag.shape[-1:] != event_shape:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {event_shape}")
        shape = torch.broadcast_shapes(loc.shape, cov_diag.shape, cov_factor.shape[:-1])
        self.loc, self.cov_diag = loc.expand(shape), cov_diag.expand(shape)
        self.cov_factor = cov_factor.expand(shape + cov_factor.shape[-1:])
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = _capacitance_tril(cov_factor, cov_diag)
        super().__init__(shape[:-1], event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(LowRankMultivariateNormal, _instance)
        shape = Size(batch_shape) + self.event_shape
        new.loc, new.cov_diag = self.loc.expand(shape), self.cov_diag.expand(shape)
        new.cov_factor = self.cov_factor.expand(shape + self.cov_factor.shape[-1:])
        for name in ("_unbroadcasted_cov_factor", "_unbroadcasted_cov_diag", "_capacitance_tril"):
            setattr(new, name, getattr(self, name))
        super(LowRankMultivariateNormal, new).__init__(
            Size(batch_shape), self.event_shape, validate_args=False
        )
        new._validate_args = self._validate_args
        return new

    mean = property(lambda self: self.loc, doc="`loc`.")
    mode = property(lambda self: self.loc, doc="`loc`.")

    @lazy_property
    def variance(self) -> Tensor:
        """Of each element."""
        found = self._unbroadcasted_cov_factor.pow(2).sum(-1) + self._unbroadcasted_cov_diag
        return found.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + diag(d)."""
        w = self._unbroadcasted_cov_factor
        found = w @ w.mT + _torch().diag_embed(self._unbroadcasted_cov_diag)
        return found.expand(self._batch_shape + self._event_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's Cholesky factor."""
        return _torch().linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return _torch().linalg.inv(self.covariance_matrix)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw with gradients."""
        shape = self._extended_shape(sample_shape)
        rank = self.cov_factor.shape[-1:]
        w = _standard_normal(shape[:-1] + rank, dtype=self.loc.dtype, device=self.loc.device)
        d = _standard_normal(shape, dtype=self.loc.dtype, device=self.loc.device)
        return (
            self.loc
            + _batch_mv(self._unbroadcasted_cov_factor, w)
            + self._unbroadcasted_cov_diag.sqrt() * d
        )

    def _log_det(self) -> Tensor:
        c = self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return 2 * c + self._unbroadcasted_cov_diag.log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        if self._validate_args:
            self._validate_sample(value)
        diff = value - self.loc
        scaled = self._unbroadcasted_cov_factor.mT / self._unbroadcasted_cov_diag.unsqueeze(-2)
        m = (diff.pow(2) / self._unbroadcasted_cov_diag).sum(-1)
        m = m - _batch_mahalanobis(self._capacitance_tril, _batch_mv(scaled, diff))
        return -0.5 * (self._event_shape[0] * math.log(2 * math.pi) + self._log_det() + m)

    def entropy(self) -> Tensor:
        """In nats."""
        found = 0.5 * (self._event_shape[0] * (1.0 + math.log(2 * math.pi)) + self._log_det())
        return found.expand(self._batch_shape) if self._batch_shape else found
