"""Transforms of vectors and matrices, and of pieces of a tensor; public through `transforms`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..frontend.tensor import Tensor
from . import constraints
from .transforms import Transform
from .utils import _sum_rightmost, vec_to_tril_matrix


def _torch() -> Any:
    import graphtorch

    return graphtorch


class _Same(Transform):
    """Equal to every other of its class."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    __hash__ = object.__hash__


class ReshapeTransform(Transform):
    """Another shape of the last dims."""

    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0):
        torch = _torch()
        self.in_shape, self.out_shape = torch.Size(in_shape), torch.Size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")
        super().__init__(cache_size=cache_size)

    domain = property(
        lambda self: constraints.independent(constraints.real, len(self.in_shape)), doc="Real."
    )
    codomain = property(
        lambda self: constraints.independent(constraints.real, len(self.out_shape)), doc="Real."
    )

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return ReshapeTransform(self.in_shape, self.out_shape, cache_size=cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[: x.dim() - len(self.in_shape)] + self.out_shape)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(y.shape[: y.dim() - len(self.out_shape)] + self.in_shape)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.size()[: x.dim() - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return shape[: len(shape) - len(self.in_shape)] + self.out_shape

    def inverse_shape(self, shape: Any) -> Any:
        return shape[: len(shape) - len(self.out_shape)] + self.in_shape


class SoftmaxTransform(_Same):
    """y = exp(x) normalised along the last dim; not invertible."""

    domain, codomain = constraints.real_vector, constraints.simplex

    def _call(self, x: Tensor) -> Tensor:
        found = (x - x.max(-1, True)[0]).exp()
        return found / found.sum(-1, True)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class StickBreakingTransform(_Same):
    """n numbers to n + 1 shares, each a part of what is left."""

    domain, codomain = constraints.real_vector, constraints.simplex
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        torch, pad = _torch(), _torch().nn.functional.pad
        offset = x.shape[-1] + 1 - x.new_ones(x.shape[-1]).cumsum(-1)
        z = torch.clamp(
            torch.sigmoid(x - offset.log()),
            max=1 - torch.finfo(x.dtype).eps,
            min=torch.finfo(x.dtype).tiny,
        )
        left = (1 - z).cumprod(-1)
        return pad(z, [0, 1], value=1) * pad(left, [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        crop = y[..., :-1]
        offset = y.shape[-1] - crop.new_ones(crop.shape[-1]).cumsum(-1)
        left = _torch().clamp(1 - crop.cumsum(-1), min=_torch().finfo(y.dtype).tiny)
        return crop.log() - left.log() + offset.log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        offset = x.shape[-1] + 1 - x.new_ones(x.shape[-1]).cumsum(-1)
        x = x - offset.log()
        return (-x + _torch().nn.functional.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape: Any) -> Any:
        return shape[:-1] + (shape[-1] - 1,)


class LowerCholeskyTransform(_Same):
    """Any matrix to a lower triangular one with a positive diagonal."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.lower_cholesky

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(_Same):
    """Any matrix to a positive definite one."""

    domain, codomain = constraints.independent(constraints.real, 2), constraints.positive_definite

    def _call(self, x: Tensor) -> Tensor:
        x = LowerCholeskyTransform()(x)
        return x @ x.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(_torch().linalg.cholesky(y))


class CorrCholeskyTransform(Transform):
    """n (n - 1) / 2 numbers to the Cholesky factor of an n x n correlation matrix.

    Each row is a point of the sphere, from partial correlations tanh(x) by breaking its squared length.
    """

    domain, codomain = constraints.real_vector, constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        torch = _torch()
        eps = torch.finfo(x.dtype).eps
        r = vec_to_tril_matrix(torch.tanh(x).clamp(min=-1 + eps, max=1 - eps), diag=-1)
        left = (1 - r**2).sqrt().cumprod(-1)
        r = r + torch.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * torch.nn.functional.pad(left[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Tensor) -> Tensor:
        torch = _torch()
        left = 1 - torch.cumsum(y * y, dim=-1)
        shifted = torch.nn.functional.pad(left[..., :-1], [1, 0], value=1)
        rows, columns = torch.tril_indices(y.shape[-1], y.shape[-1], -1)
        t = y[..., rows, columns] / shifted[..., rows, columns].sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        torch = _torch()
        left = 1 - (y * y).cumsum(dim=-1)
        rows, columns = torch.tril_indices(y.shape[-1], y.shape[-1], -2)
        of_rest = 0.5 * left[..., rows, columns].log().sum(-1)
        of_tanh = -2 * (x + torch.nn.functional.softplus(-2 * x) - math.log(2.0)).sum(dim=-1)
        return of_rest + of_tanh

    def forward_shape(self, shape: Any) -> Any:
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return shape[:-1] + (n, n)

    def inverse_shape(self, shape: Any) -> Any:
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class CatTransform(Transform):
    """Transforms of pieces along a dim."""

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Any = None, cache_size: int = 0
    ):
        super().__init__(cache_size=cache_size)
        self.transforms = [t.with_cache(cache_size) for t in tseq]
        self.lengths = list(lengths) if lengths is not None else [1] * len(self.transforms)
        self.dim = dim

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    event_dim = property(lambda self: max(t.event_dim for t in self.transforms), doc="The largest.")

    def _pieces(self, x: Tensor) -> Any:
        return x.split(self.lengths, self.dim)

    def _call(self, x: Tensor) -> Tensor:
        found = [t(v) for t, v in zip(self.transforms, self._pieces(x), strict=True)]
        return _torch().cat(found, dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        found = [t.inv(v) for t, v in zip(self.transforms, self._pieces(y), strict=True)]
        return _torch().cat(found, dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        terms = []
        for t, a, b in zip(self.transforms, self._pieces(x), self._pieces(y), strict=True):
            found = t.log_abs_det_jacobian(a, b)
            terms.append(_sum_rightmost(found, self.event_dim - t.event_dim))
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return _torch().cat(terms, dim=dim) if dim < 0 else sum(terms)  # type: ignore[return-value]

    bijective = property(
        lambda self: all(t.bijective for t in self.transforms), doc="Whether all are."
    )  # type: ignore[assignment]
    domain = property(
        lambda self: constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths),
        doc="Theirs.",
    )
    codomain = property(
        lambda self: constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths),
        doc="Theirs.",
    )


class StackTransform(Transform):
    """Transforms of positions along a dim."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0):
        super().__init__(cache_size=cache_size)
        self.transforms, self.dim = [t.with_cache(cache_size) for t in tseq], dim

    def with_cache(self, cache_size: int = 1) -> Transform:
        return (
            self
            if self._cache_size == cache_size
            else StackTransform(self.transforms, self.dim, cache_size)
        )

    def _pieces(self, x: Tensor) -> list[Tensor]:
        return [x.select(self.dim, i) for i in range(x.size(self.dim))]

    def _call(self, x: Tensor) -> Tensor:
        found = [t(v) for t, v in zip(self.transforms, self._pieces(x), strict=True)]
        return _torch().stack(found, dim=self.dim)

    def _inverse(self, y: Tensor) -> Tensor:
        found = [t.inv(v) for t, v in zip(self.transforms, self._pieces(y), strict=True)]
        return _torch().stack(found, dim=self.dim)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        pairs = zip(self.transforms, self._pieces(x), self._pieces(y), strict=True)
        return _torch().stack([t.log_abs_det_jacobian(a, b) for t, a, b in pairs], dim=self.dim)

    bijective = property(
        lambda self: all(t.bijective for t in self.transforms), doc="Whether all are."
    )  # type: ignore[assignment]
    domain = property(
        lambda self: constraints.stack([t.domain for t in self.transforms], self.dim), doc="Theirs."
    )
    codomain = property(
        lambda self: constraints.stack([t.codomain for t in self.transforms], self.dim),
        doc="Theirs.",
    )


class CumulativeDistributionTransform(Transform):
    """y = the distribution function of x."""

    bijective = True
    codomain = constraints.unit_interval
    sign = +1

    def __init__(self, distribution: Any, cache_size: int = 0):
        super().__init__(cache_size=cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support, doc="The distribution's support.")

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return CumulativeDistributionTransform(self.distribution, cache_size=cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)


__all__ = [
    "CatTransform", "CorrCholeskyTransform", "CumulativeDistributionTransform", "LowerCholeskyTransform",
    "PositiveDefiniteTransform", "ReshapeTransform", "SoftmaxTransform", "StackTransform", "StickBreakingTransform",
]  # fmt: skip
