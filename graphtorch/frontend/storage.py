"""The buffer under a tensor: identity, offset, strides."""

from __future__ import annotations

from typing import Any

from .functional import conversion as _v
from .tensor import Tensor


def base_of(self: Tensor) -> Tensor | None:
    base = self
    while base._view is not None:
        base = base._view[0]
    return None if base is self else base


def stride(self: Tensor, dim: int | None = None) -> Any:
    """Steps between neighbours, in elements."""
    array = self._array
    steps = tuple([s // array.itemsize for s in array.strides])
    if array.flags.c_contiguous:  # NumPy's strides of dims of size 1 mean nothing
        from ..ir.types import contiguous_strides

        steps = contiguous_strides(array.shape)
    return steps if dim is None else steps[dim]


def storage_offset(self: Tensor) -> int:
    """Where in its buffer the first element lies."""
    base = base_of(self)
    if base is None:
        return 0
    start = base._array.__array_interface__["data"][0]
    return (self._array.__array_interface__["data"][0] - start) // self._array.itemsize


class UntypedStorage:
    """What `x.untyped_storage()` gives: identity and size of the buffer."""

    def __init__(self, tensor: Tensor):
        base = base_of(tensor)
        self._tensor = tensor if base is None else base

    def data_ptr(self) -> int:
        """Address of the buffer."""
        return self._tensor._array.__array_interface__["data"][0]

    def nbytes(self) -> int:
        """Size of the buffer in bytes."""
        return self._tensor._array.nbytes

    def size(self) -> int:
        """Size of the buffer in bytes."""
        return self.nbytes()

    __len__ = nbytes

    @property
    def device(self) -> Any:
        """Where the buffer lies."""
        return _v.device_of(self._tensor)
