"""Matrices kept orthogonal (Lezcano-Casado, 2019): from a free matrix by a map onto the orthogonal ones.

matrix_exp   exp(A), A skew            cayley   (I + A/2) (I - A/2)^-1            householder   a product of reflections
"""

from __future__ import annotations

import graphtorch as torch

from ...frontend.grad_mode import no_grad
from ...frontend.tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization

MAPS = ("matrix_exp", "cayley", "householder")


def _made_orthogonal(a: Tensor) -> Tensor:
    """Q of the QR decomposition with a positive diagonal of R."""
    reflectors, factors = torch.geqrf(a)
    q = torch.linalg.householder_product(reflectors, factors)
    return q * torch.sgn(reflectors.diagonal(dim1=-2, dim2=-1)).unsqueeze(-2)


def _is_orthogonal(q: Tensor) -> bool:
    k = q.shape[-1]
    eps = 10 * q.shape[-2] * torch.finfo(q.dtype).eps
    return bool(torch.allclose(q.mT @ q, torch.eye(k, dtype=q.dtype), atol=eps))


class _Orthogonal(Module):
    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True):
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        n, k = X.shape[-2:]
        is_wide = n < k
        if is_wide:
            X, n, k = X.mT, k, n
        if self.orthogonal_map == "householder":
            a = X.tril(diagonal=-1)
            q = torch.linalg.householder_product(a, 2.0 / (1.0 + (a * a).sum(dim=-2)))
            q = q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            x = X.tril()
            if n != k:
                x = torch.cat([x, x.new_zeros(*x.shape[:-2], n, n - k)], dim=-1)
            a = x - x.mT
            if self.orthogonal_map == "matrix_exp":
                q = torch.matrix_exp(a)
            else:
                one = torch.eye(n, dtype=a.dtype)
                q = torch.linalg.solve(one - a * 0.5, one + a * 0.5)
            q = q[..., :k]
        if "base" in self._buffers:
            q = self.base @ q
        return q.mT if is_wide else q

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        """What the map takes to Q, or to the nearest orthogonal matrix that a QR decomposition finds."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        start, is_wide = Q, Q.shape[-2] < Q.shape[-1]
        if is_wide:
            Q = Q.mT
        n, k = Q.shape[-2:]
        if "base" not in self._buffers:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when"
                    " use_trivialization=False."
                )
            reflectors, factors = torch.geqrf(Q)
            signs = reflectors.diagonal(dim1=-2, dim2=-1).sign()
            signs = torch.where(factors == 0, -signs, signs)
            diagonal = torch.eye(n, k, dtype=Q.dtype)
            kept = reflectors * (1 - diagonal) + diagonal * signs.unsqueeze(-2)
            return kept.mT if is_wide else kept
        if n == k:
            q = Q.clone() if _is_orthogonal(Q) else _made_orthogonal(Q)
        else:
            more = torch.randn(*Q.shape[:-2], n, n - k, dtype=Q.dtype)
            q = _made_orthogonal(torch.cat([Q, more], dim=-1))
        self.base = q
        return -torch.eye(*start.shape[-2:], dtype=start.dtype).expand(start.shape).clone()


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Keep a matrix [..., m, n] orthogonal, or its rows or columns if it is not square; returns the module.

    orthogonal_map: "matrix_exp" (square matrices' default), "cayley" or "householder" (the others').
    use_trivialization: start from the present value, by a fixed factor.  Raises ValueError for a vector.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        is_square = weight.shape[-2] == weight.shape[-1] or weight.is_complex()
        orthogonal_map = "matrix_exp" if is_square else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    if orthogonal_map == "householder" and weight.is_complex():
        raise ValueError("The householder parametrization does not support complex tensors.")
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    register_parametrization(module, name, made, unsafe=True)
    return module
