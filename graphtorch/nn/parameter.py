"""Parameters and buffers: tensors that a module registers when they are assigned to it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..frontend.tensor import Tensor


def _alias(cls: type, data: Tensor) -> Any:
    """A tensor of class `cls` over the memory of `data`, without its history."""
    self = Tensor.__new__(cls)
    self._array = data._array
    self._storage_ = data._storage
    if data._device is not None:
        self._device = data._device
    return self


class Parameter(Tensor):
    """A tensor that counts as one of a module's parameters; requires grad unless told otherwise.

    It shares the memory of `data`.

    >>> import graphtorch as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            import graphtorch

            data = graphtorch.empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter data must be a Tensor, got {type(data).__name__}")
        self = _alias(cls, data)
        if requires_grad:
            self.requires_grad_(True)
        return self

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        pass

    def __deepcopy__(self, memo: dict) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.detach().clone(), self._requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()

    __str__ = __repr__

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return (_rebuild_parameter, (self.data, self._requires_grad, OrderedDict()))


def _rebuild_parameter(data: Tensor, requires_grad: bool, hooks: Any) -> Parameter:
    """What a pickled parameter calls; the name PyTorch uses."""
    return Parameter(data, requires_grad)


class Buffer(Tensor):
    """A tensor that becomes a buffer when it is assigned to a module.

    persistent: whether it is part of the module's state dict.
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            import graphtorch

            data = graphtorch.empty(0)
        self = _alias(cls, data)
        if data._requires_grad:
            self._requires_grad = True
        self.persistent = persistent
        return self

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True):
        pass

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return (_rebuild_buffer, (self.data, self.persistent))


def _rebuild_buffer(data: Tensor, persistent: bool) -> Buffer:
    return Buffer(data, persistent=persistent)
