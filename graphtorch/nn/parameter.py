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


def _refuse_unless_ours(slots: dict[str, Any]) -> None:
    """Programs copy a parameter as `type(p)(data, **p.__dict__)`; ours holds a tensor's slots."""
    for name in slots:
        if not hasattr(Tensor, name) and name != "_array":
            raise TypeError(f"Parameter.__new__() got an unexpected keyword argument '{name}'")


class Parameter(Tensor):
    """A tensor that counts as one of a module's parameters; requires grad unless told otherwise.

    It shares the memory of `data`.

    >>> import graphtorch as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __new__(
        cls, data: Tensor | None = None, requires_grad: bool = True, **slots: Any
    ) -> Parameter:
        _refuse_unless_ours(slots)
        if data is None:
            import graphtorch

            data = graphtorch.empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Parameter data must be a Tensor, got {type(data).__name__}")
        self = _alias(cls, data)
        if requires_grad:
            self.requires_grad_(True)
        return self

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True, **slots: Any):
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


class UninitializedTensorMixin:
    """A tensor whose shape is not known yet; `materialize` gives it one."""

    __slots__ = ()

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Give the tensor a shape (and memory that is to be filled)."""
        import graphtorch

        data = graphtorch.empty(tuple(shape), device=device, dtype=dtype or self.dtype)  # type: ignore[attr-defined]
        self._array = data._array
        self._storage_ = data._storage
        self.__class__ = self._ready_class  # type: ignore[attr-defined]


class UninitializedParameter(Parameter, UninitializedTensorMixin):
    """A parameter of a lazy module before its first call."""

    def __new__(
        cls, requires_grad: bool = True, device: Any = None, dtype: Any = None
    ) -> UninitializedParameter:
        import graphtorch

        self = _alias(cls, graphtorch.empty(0, device=device, dtype=dtype))
        self._requires_grad = requires_grad
        return self

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None):
        pass

    def __repr__(self) -> str:
        return "<UninitializedParameter>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict) -> UninitializedParameter:
        result = type(self)(self._requires_grad, dtype=self.dtype)
        memo[id(self)] = result
        return result


class UninitializedBuffer(Tensor, UninitializedTensorMixin):
    """A buffer of a lazy module before its first call."""

    _is_buffer = True
    persistent = True

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None
    ) -> UninitializedBuffer:
        import graphtorch

        return _alias(cls, graphtorch.empty(0, device=device, dtype=dtype))

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None):
        pass

    def __repr__(self) -> str:
        return "<UninitializedBuffer>"

    __str__ = __repr__

    def __deepcopy__(self, memo: dict) -> UninitializedBuffer:
        result = type(self)(dtype=self.dtype)
        memo[id(self)] = result
        return result


UninitializedParameter._ready_class = Parameter
UninitializedBuffer._ready_class = Tensor


def is_lazy(tensor: Any) -> bool:
    """Whether the tensor's shape is not known yet."""
    return isinstance(tensor, UninitializedTensorMixin)
