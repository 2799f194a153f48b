"""Tensors without data: `device="meta"`, on which models are laid out before their weights are loaded.

A meta tensor's array is one element seen as many, so that it takes no memory; ops on it only infer
types.  The first one makes eager execution look for them from then on: programs without do not pay.
Nothing can be read from one, and no gradients are recorded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import message
from ..ir.op import Op
from ..ir.types import DType, TensorType
from .device import device
from .eager import Eager
from .tensor import Tensor

META = device("meta")
_watching = False


def is_meta(x: Tensor) -> bool:
    """Whether the tensor is one without data."""
    return x._device is not None and x._device.type == "meta"


def meta_tensor(shape: tuple[int, ...], dtype: DType) -> Tensor:
    """A tensor of that shape and dtype without data."""
    _watch()
    tensor = Tensor.__new__(Tensor)
    tensor._array = np.broadcast_to(np.zeros((), dtype.numpy), shape)
    tensor._device = META
    return tensor


def no_data(x: Tensor) -> NotImplementedError:
    """The error for reading a meta tensor."""
    return NotImplementedError(
        message(
            "Cannot copy out of meta tensor; no data!",
            operands={"x": x.type_},
            hint="module.to_empty(device='cpu') gives a module memory",
        )
    )


def moved(x: Tensor, where: device) -> Tensor:
    """`x.to("meta")`; raises NotImplementedError for the way back."""
    if is_meta(x):
        if where.type == "meta":
            return x
        raise no_data(x)
    return meta_tensor(x._array.shape, x.dtype)


def _watch() -> None:
    """From now on results of eager ops are without data where an operand is."""
    global _watching
    if _watching:
        return
    _watching = True
    process = Eager.process

    def process_meta(self: Eager, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        for x in inputs:
            if isinstance(x, Tensor) and x._device is not None and x._device.type == "meta":
                return _inferred(op, inputs, attrs)
        return process(self, op, inputs, attrs)

    Eager.process = process_meta  # type: ignore[method-assign]


def _inferred(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    if op.numpy is None and op.decompose is not None:
        return op.decompose(*inputs, **attrs)
    types = [x.type_ if isinstance(x, Tensor) else x for x in inputs]
    found = op.infer(*types, **attrs)
    if isinstance(found, TensorType):
        return meta_tensor(found.shape, found.dtype)
    return tuple([meta_tensor(t.shape, t.dtype) for t in found])
