"""`torch._subclasses.functional_tensor`: tensors of PyTorch's functionalisation; here no tensor is one."""

from __future__ import annotations

from typing import Any

from .. import absent


class FunctionalTensor:
    """For isinstance checks, which answer no."""


def mb_unwrap_functional_tensor(tensor: Any) -> Any:
    """Return the tensor itself."""
    return tensor


__getattr__ = absent.names_of(__name__)
