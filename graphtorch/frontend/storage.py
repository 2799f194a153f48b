"""The buffer under a tensor: identity, offset, strides, and tensors that change places."""

from __future__ import annotations

from typing import Any

from ..ir.dispatch import _stack
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


def alias_of(self: Tensor) -> Tensor:
    """Another tensor object for the same value: data, history and what a tracer knows of it."""
    alias = Tensor.__new__(Tensor)
    alias._array, alias._storage_ = self._array, self._storage
    for name in (
        "_view",
        "_view_epoch",
        "_node",
        "_index",
        "_requires_grad",
        "_traced",
        "_device",
        "_level",
        "_inner",
        "_tangent",
    ):
        if name in self.__dict__:
            setattr(alias, name, self.__dict__[name])
    return alias


def become(self: Tensor, other: Tensor) -> None:
    """Let `self` show what `other` shows, history included."""
    self._array, self._storage_ = other._array, other._storage
    self._view, self._view_epoch = other._view, other._view_epoch
    self._node, self._index, self._traced = other._node, other._index, other._traced
    if other._level is not None or self._level is not None:
        self._level, self._inner = other._level, other._inner
        self._tangent = other._tangent


def left_if_from_outside(self: Tensor, reason: str) -> None:
    """Leave a compiled function to eager if it changes a tensor that it did not make itself."""
    tracer: Any = _stack.top
    if tracer is not None and tracer._outside(self):
        tracer.leave(reason)


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
