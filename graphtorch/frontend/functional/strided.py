"""`as_strided`: a view of a buffer by explicit sizes and strides."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import UnsupportedError, message
from ...ir import ops
from ...ir.dispatch import _stack
from ..size import sizes
from ..tensor import Tensor, wrap
from .wrapping import fresh


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Elements of the tensor's buffer at offset + sum(index * stride), strides counted in elements.

    Shares memory where no gradients or tracer look on; else it is a gather of the base's elements.
    """
    from ..storage import base_of
    from ..storage import storage_offset as offset_of

    shape, steps = sizes((size,)), sizes((stride,))
    base = base_of(input)
    if base is None:
        base = _whole_storage(input)
    offset = offset_of(input) if storage_offset is None else storage_offset
    flat = base._array.reshape(-1)
    last = (
        offset + sum((n - 1) * s for n, s in zip(shape, steps, strict=True))
        if 0 not in shape
        else 0
    )
    if offset < 0 or last >= max(flat.size, 1):
        raise RuntimeError(
            message(
                f"setStorage: sizes {list(shape)}, strides {list(steps)}, storage offset {offset} requiring"
                f" {last + 1} elements are out of bounds for storage of {flat.size} elements",
                operands={"input": input.type_},
            )
        )
    if _stack.top is None and not input.requires_grad and base._array.flags.c_contiguous:
        itemsize = flat.itemsize
        array = np.lib.stride_tricks.as_strided(flat[offset:], shape, [s * itemsize for s in steps])
        result = wrap(array)
        storage = input._storage
        if storage.memory is None:
            storage.memory = flat.view(np.uint8)
        result._storage_ = storage
        return result
    places = np.full(shape, offset, np.int64)
    for dim, (n, step) in enumerate(zip(shape, steps, strict=True)):
        places += (np.arange(n) * step).reshape([n if d == dim else 1 for d in range(len(shape))])
    return ops.take(ops.reshape(base, shape=(flat.size,)), fresh(places), dim=0)


def _whole_storage(input: Tensor) -> Tensor:
    """All of the storage under a tensor that was made over a part of one, as a vector."""
    memory = input._storage.memory
    if memory is None or memory.nbytes == input._array.nbytes:
        return input
    whole = Tensor.__new__(Tensor)
    array = input._array
    whole._array = memory[: memory.nbytes // array.itemsize * array.itemsize].view(array.dtype)
    whole._storage_ = input._storage
    if input.requires_grad or _stack.top is not None:
        raise UnsupportedError(
            message(
                "as_strided of a part of a loaded storage, with gradients or under the compiler",
                operands={"input": input.type_},
                hint="call .clone() first",
            )
        )
    return whole
