"""`torch.distributions.utils`: parameters of one shape, and probabilities from logits and back."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from .. import absent
from ..frontend.tensor import Tensor

euler_constant = 0.57721566490153286060


def _torch() -> Any:
    import graphtorch

    return graphtorch


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers, all as tensors of their common shape.

    Numbers take the dtype and device of the first tensor.  Raises ValueError for anything else.
    """
    torch = _torch()
    if not all(isinstance(v, (Tensor, Number)) for v in values):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    options: dict[str, Any] = {"dtype": torch.get_default_dtype()}
    for v in values:
        if isinstance(v, Tensor):
            options = {"dtype": v.dtype, "device": v.device}  # type: ignore[attr-defined]
            break
    made = [v if isinstance(v, Tensor) else torch.tensor(v, **options) for v in values]
    return tuple(torch.broadcast_tensors(*made))


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    return _torch().empty(shape, dtype=dtype, device=device).normal_()


def _sum_rightmost(value: Any, dim: int) -> Any:
    """Sum the last `dim` dims."""
    if dim == 0:
        return value
    return value.reshape((*value.shape[:-dim], -1)).sum(-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities away from 0 and 1, so that their logarithms are finite."""
    eps = _torch().finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)  # type: ignore[attr-defined]


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Softmax along the last dim, or the sigmoid."""
    torch = _torch()
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, dim=-1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The logarithm, or log(p / (1 - p))."""
    torch = _torch()
    clamped = clamp_probs(probs)
    return torch.log(clamped) - torch.log1p(-clamped) if is_binary else torch.log(clamped)


class lazy_property:
    """A property computed once, with gradients on, and kept on the object."""

    def __init__(self, wrapped: Callable[[Any], Any]):
        self.wrapped = wrapped
        self.__doc__, self.__name__ = wrapped.__doc__, wrapped.__name__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return property(self.wrapped)
        with _torch().enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements on and under a diagonal, row by row: [..., n, n] to [..., m].

    Raises ValueError if the diagonal is outside the matrix.
    """
    torch = _torch()
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag)
    return mat[..., rows, columns]  # type: ignore[index]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`; raises ValueError for a length that no matrix has."""
    torch = _torch()
    n = (
        -(1 + 2 * diag)
        + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5
    ) / 2
    if not (round(n) - n) ** 2 < torch.finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as the lower triangular part of a"
            " square D x D matrix."
        )
    size = round(n)
    found = vec.new_zeros((*vec.shape[:-1], size, size))  # type: ignore[attr-defined]
    rows, columns = torch.tril_indices(size, size, diag)
    found[..., rows, columns] = vec
    return found


__getattr__ = absent.names_of(__name__)
