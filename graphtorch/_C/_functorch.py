"""`torch._C._functorch`: what a tensor inside `torch.func` is made of."""

from __future__ import annotations

from typing import Any

from .. import absent
from ..errors import UnsupportedError, message
from ..frontend.tensor import Tensor


def is_batchedtensor(x: Tensor) -> bool:
    """Whether the tensor stands for a batch inside `vmap`."""
    level = getattr(x, "_level", None)
    return level is not None and level.name == "vmap"


is_legacy_batchedtensor = is_batchedtensor


def is_gradtrackingtensor(x: Tensor) -> bool:
    """Whether the tensor belongs to a `grad` or `jvp`."""
    level = getattr(x, "_level", None)
    return level is not None and level.name in ("grad", "jvp")


def is_functorch_wrapped_tensor(x: Tensor) -> bool:
    """Whether the tensor belongs to a transformed function."""
    return getattr(x, "_level", None) is not None


def get_unwrapped(x: Tensor) -> Any:
    """The tensor one level further out."""
    return getattr(x, "_inner", None)


def _lifted(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            message(f"torch._C._functorch.{name} is not supported", hint="use torch.vmap")
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__doc__ = "Raises UnsupportedError: batches are made by `vmap` alone."
    return refuse


_add_batch_dim, _remove_batch_dim = _lifted("_add_batch_dim"), _lifted("_remove_batch_dim")
maybe_get_bdim = _lifted("maybe_get_bdim")

__getattr__ = absent.names_of(__name__)
