"""Old spellings: `torch.FloatTensor(2, 3)`, `isinstance(x, torch.LongTensor)`, `torch.Tensor([1.0])`."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..ir.types import BY_NAME, DType
from . import creation, from_data, promotion
from .functional.conversion import LEGACY
from .size import Size
from .tensor import Tensor


def build(dtype: DType, args: tuple[Any, ...], device: Any = None) -> Tensor:
    """What the old constructors make: from sizes, or from data in their dtype."""
    if len(args) == 1:
        only = args[0]
        if isinstance(only, Tensor):
            return only if only.dtype is dtype else promotion.cast(only, dtype)
        if isinstance(only, Size):
            return creation.empty(*only, dtype=dtype, device=device)
        if isinstance(only, (list, tuple, np.ndarray)):
            return from_data.tensor(only, dtype=dtype, device=device)
    if not args:
        return creation.empty(0, dtype=dtype, device=device)
    return creation.empty(*args, dtype=dtype, device=device)


class _LegacyType(type):
    dtype: DType
    on_gpu = False

    def __instancecheck__(cls, value: Any) -> bool:
        return (
            isinstance(value, Tensor)
            and value.dtype is cls.dtype
            and (value._device is not None) is cls.on_gpu
        )

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        if cls.on_gpu:
            from .. import cuda

            if not cuda.is_available():
                raise TypeError(
                    f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled."
                )
            device = device or "cuda"
        return build(cls.dtype, args, device)


def _legacy(name: str, dtype: str, on_gpu: bool = False) -> Any:
    room = "graphtorch.cuda" if on_gpu else "graphtorch"
    made = _LegacyType(name, (), {"__module__": room, "__doc__": f"Tensors of dtype {dtype}."})
    made.dtype, made.on_gpu = BY_NAME[dtype], on_gpu
    return made


TYPES = {name: _legacy(name, dtype) for name, dtype in LEGACY.items()}


@cache
def on_gpu(name: str) -> Any:
    """`torch.cuda.FloatTensor` and the others: tensors of a dtype on a GPU."""
    return _legacy(name, LEGACY[name], on_gpu=True)


def initialise(self: Tensor, *args: Any, device: Any = None) -> None:
    """`torch.Tensor(...)`: sizes or data, in the default dtype."""
    if "_array" in self.__dict__:
        return
    if len(args) == 1 and isinstance(args[0], Tensor):
        made = args[0]
    else:
        made = build(promotion.get_default_dtype(), args, device)
    self._array = made._array
    self._storage_ = made._storage
    if made._traced is not None:
        self._traced = made._traced


def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """`x.new(...)`: from sizes or data, in this tensor's dtype and on its device."""
    return build(self.dtype, args, self._device if device is None else device)


def as_subclass(self: Tensor, cls: type) -> Any:
    """The same tensor as an instance of a subclass."""
    from .functional.conversion import view_of

    result = view_of(self)
    result.__class__ = cls
    return result


def make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
    """`Tensor._make_subclass`: an instance of `cls` over the memory of `data`."""
    result = Tensor.__new__(cls)
    result._array, result._storage_ = data._array, data._storage
    if require_grad:
        result.requires_grad_(True)
    return result
