"""`torch.distributions.wishart`."""

from __future__ import annotations

import math
from typing import Any

from ..frontend.size import Size
from ..frontend.tensor import Tensor
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .multivariate_normal import _precision_to_scale_tril
from .utils import lazy_property


def _torch() -> Any:
    import graphtorch

    return graphtorch


class Wishart(Distribution):
    """The distribution of X X^T for `df` normal vectors, by one of covariance, precision or Cholesky factor.

    PyTorch draws most samples a second time, so a seed gives other numbers there.
    """

    arg_constraints = {
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
        "df": constraints.greater_than(0),
    }
    support = constraints.positive_definite
    has_rsample = True

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ):
        torch = _torch()
        given = {
            name: value
            for name, value in (
                ("covariance_matrix", covariance_matrix),
                ("scale_tril", scale_tril),
                ("precision_matrix", precision_matrix),
            )
            if value is not None
        }
        if len(given) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
            )
        ((name, matrix),) = given.items()
        if matrix.dim() < 2:
            raise ValueError(
                f"{name} must be at least two-dimensional, with optional leading batch dimensions"
            )
        df = torch.as_tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch_shape = torch.broadcast_shapes(matrix.shape[:-2], df.shape)
        event_shape = matrix.shape[-2:]
        if bool((df <= event_shape[-1] - 1).any()):
            raise ValueError(
                f"Value of df={df} expected to be greater than ndim - 1 = {event_shape[-1] - 1}."
            )
        self.df = df.expand(batch_shape)
        setattr(self, name, matrix.expand((*batch_shape, *event_shape)))
        super().__init__(batch_shape, event_shape, validate_args=validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = torch.linalg.cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _precision_to_scale_tril(matrix)
        self._dist_chi2 = self._diagonal_draws()

    def _diagonal_draws(self) -> Chi2:
        p = self._event_shape[-1]
        steps = _torch().arange(p, dtype=self.df.dtype, device=self.df.device)
        return Chi2(self.df.unsqueeze(-1) - steps.expand((*self._batch_shape, -1)))

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The distribution with its batch broadcast."""
        new = self._get_checked_instance(Wishart, _instance)
        shape = Size(batch_shape)
        new.df = self.df.expand(shape)
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril.expand(
            shape + self.event_shape
        )
        for name in ("covariance_matrix", "scale_tril", "precision_matrix"):
            if name in self.__dict__:
                setattr(new, name, getattr(self, name).expand(shape + self.event_shape))
        super(Wishart, new).__init__(shape, self.event_shape, validate_args=False)
        new._dist_chi2 = new._diagonal_draws()
        new._validate_args = self._validate_args
        return new

    def _matrices(self, x: Tensor) -> Tensor:
        return x.expand(self._batch_shape + self._event_shape)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return self._matrices(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance of the vectors."""
        return self._matrices(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        return self._matrices(_torch().cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        """df times the covariance."""
        return self.df.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        """The most likely matrix; NaN where df is too small for one."""
        torch = _torch()
        factor = self.df - self._event_shape[-1] - 1
        factor = torch.where(factor > 0, factor, torch.full_like(factor, math.nan))
        return factor.view((*self._batch_shape, 1, 1)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        """Of each element."""
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df.view((*self._batch_shape, 1, 1)) * (v.pow(2) + products)

    def rsample(self, sample_shape: Any = Size()) -> Tensor:  # noqa: B008
        """Draw with gradients: L A A^T L^T with A lower triangular (Bartlett)."""
        torch = _torch()
        p = self._event_shape[-1]
        shape = Size(sample_shape) + self._batch_shape
        roots = self._dist_chi2.rsample(Size(sample_shape)).sqrt()
        a = roots.clamp_min(torch.finfo(roots.dtype).eps).diag_embed()
        below = torch.randn((*shape, p * (p - 1) // 2), dtype=self.df.dtype, device=self.df.device)
        rows, columns = torch.tril_indices(p, p, offset=-1)
        factor = self._unbroadcasted_scale_tril @ a.index_put(
            (*(_every(n, i, len(shape)) for i, n in enumerate(shape)), rows, columns), below
        )
        return factor @ factor.mT

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """The density's logarithm."""
        torch = _torch()
        if self._validate_args:
            self._validate_sample(value)
        p = self._event_shape[-1]
        inside = torch.cholesky_solve(value, self._unbroadcasted_scale_tril)
        return (
            -self.df * (p * math.log(2) / 2 + self._half_log_det())
            - torch.mvlgamma(self.df / 2, p)
            + (self.df - p - 1) / 2 * torch.linalg.slogdet(value).logabsdet
            - inside.diagonal(dim1=-2, dim2=-1).sum(-1) / 2
        )

    def entropy(self) -> Tensor:
        """In nats."""
        torch = _torch()
        p = self._event_shape[-1]
        halves = self.df.unsqueeze(-1) - torch.arange(p, dtype=self.df.dtype)
        return (
            (p + 1) * (p * math.log(2) / 2 + self._half_log_det())
            + torch.mvlgamma(self.df / 2, p)
            - (self.df - p - 1) / 2 * torch.digamma(halves / 2).sum(-1)
            + self.df * p / 2
        )


def _every(size: int, dim: int, dims: int) -> Tensor:
    """Index of all positions along a batch dim, to go beside an index of the last one."""
    return _torch().arange(size).view([size if d == dim else 1 for d in range(dims + 1)])
