"""What Python itself asks of a tensor: length, iteration, formatting, copying, pickling."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import message
from . import legacy, printing, promotion
from .functional import arranging as _a
from .functional import comparison as _c
from .functional import conversion as _v
from .functional import reduction as _r
from .functional import splitting as _t
from .tensor import Tensor, wrap


def _len(self: Tensor) -> int:
    shape = self._array.shape
    if not shape:
        raise TypeError("len() of a 0-d tensor")
    return shape[0]


def _iter(self: Tensor) -> Iterator[Tensor]:
    if not self._array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(_t.unbind(self, 0))


def _contains(self: Tensor, element: Any) -> bool:
    if isinstance(element, Tensor) or promotion.is_number(element):
        return bool(_r.any(_c.eq(self, element)))
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


def _format(self: Tensor, spec: str) -> str:
    if self._array.ndim == 0 and type(self) is Tensor:
        return format(_v.item(self), spec)
    return object.__format__(self, spec)


def _reversed(self: Tensor) -> Tensor:
    return _a.flip(self, 0) if self._array.ndim else self


def _deepcopy(self: Tensor, memo: dict) -> Tensor:
    known = memo.get(id(self))
    if known is not None:
        return known
    if self._node is not None:
        raise RuntimeError(
            message(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at"
                " the moment.",
                hint="use x.detach().clone()",
            )
        )
    result = Tensor.__new__(type(self))
    memo[id(self)] = result
    result._array = _shared_copy(self, memo)
    if self._device is not None:
        result._device = self._device
    result._requires_grad = self._requires_grad
    if self._grad is not None:
        result._grad = copy.deepcopy(self._grad, memo)
    for name, value in self.__dict__.items():
        if not name.startswith("_"):
            setattr(result, name, copy.deepcopy(value, memo))
    return result


def _shared_copy(self: Tensor, memo: dict) -> np.ndarray:
    """A copy of the array; tensors over one buffer stay over one buffer in the copy."""
    if self._device is not None and self._device.type == "meta":
        return self._array
    if self._view is None:
        copied = np.array(self._array, order="K")
        memo[id(self._storage)] = self._storage, self._array, copied
        return copied
    known = memo.get(id(self._storage))
    if (
        known is not None
        and known[1].shape == self._array.shape
        and known[1].strides == self._array.strides
    ):
        return known[2]
    return np.array(self._array, order="K")


def _copy(self: Tensor) -> Tensor:
    result = wrap(self._array)
    result.__class__ = type(self)
    result.__dict__.update(self.__dict__)
    result._storage_ = self._storage
    return result


def _reduce(self: Tensor, protocol: Any) -> Any:
    if self._node is not None:
        raise RuntimeError("only leaf tensors can be pickled; use x.detach()")
    return _rebuild, (type(self), self._array, self._requires_grad)


def _rebuild(cls: type, array: np.ndarray, requires_grad: bool) -> Tensor:
    """What a pickled tensor calls."""
    result = Tensor.__new__(cls)
    result._array = array
    result._requires_grad = requires_grad
    return result


PROTOCOL: dict[str, Any] = {
    "__len__": _len, "__iter__": _iter, "__contains__": _contains, "__format__": _format,
    "__reversed__": _reversed, "__deepcopy__": _deepcopy, "__copy__": _copy, "__reduce_ex__": _reduce,
    "__hash__": object.__hash__,
    "__init__": legacy.initialise, "as_subclass": legacy.as_subclass,
    "_make_subclass": staticmethod(legacy.make_subclass),
    "__repr__": lambda self: printing.tensor_text(self), "__str__": lambda self: printing.tensor_text(self),
}  # fmt: skip
