"""The buffer under a tensor: identity, offset, strides, and tensors that change places."""

from __future__ import annotations

from typing import Any

from ..ir.dispatch import _stack
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
    base, memory = base_of(self), self._storage.memory
    if memory is None:
        if base is None:
            return 0
        memory = base._array
    start = memory.__array_interface__["data"][0]
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
