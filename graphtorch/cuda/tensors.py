"""Tensors on a GPU: NumPy arrays over managed memory, with `Tensor._device` set.

The first one makes eager execution look at devices from then on: a result lives on a GPU if an operand
does (not every op complains about operands on different devices: the memory is the same to it).  Programs that never use a GPU do not pay for that.  What eager ops allocate is host memory until
a compiled graph needs it; parameters and data that were moved lie in managed memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..codegen.cuda.device import Device
from ..frontend import pytree
from ..frontend.device import device
from ..frontend.eager import Eager
from ..frontend.tensor import Tensor
from ..ir.op import Op

_process = Eager.process


def moved(x: Tensor, where: device | None, gpu: Device | None) -> Tensor:
    """A copy on another device; itself if it is there already.  Gradients flow through."""
    if x._device == where:
        return x
    look_at_devices()
    if x._device is not None:
        from . import _gpu

        _gpu(x._device).synchronize()
    copy: Tensor = x.clone()  # type: ignore[attr-defined]
    if gpu is not None:
        source = np.ascontiguousarray(copy._array)
        memory = gpu.memory(source.nbytes).view(source.dtype).reshape(source.shape)
        memory[...] = source
        copy._array = memory
    copy._device = where
    return copy


def look_at_devices() -> None:
    """From now on results of eager ops live where their operands do."""
    Eager.process = _process_on_device  # type: ignore[method-assign]


def _process_on_device(self: Eager, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    output = _process(self, op, inputs, attrs)
    for x in inputs:
        if isinstance(x, Tensor) and x._device is not None:
            for result in output if isinstance(output, tuple) else (output,):
                if isinstance(result, Tensor):
                    result._device = x._device
            break
    return output


def on_device(run: Callable[..., Any], where: device, written: list[Tensor]) -> Callable[..., Any]:
    """A compiled call whose results, and the gradients of `written`, live on a device."""

    def tagged(args: tuple, kwargs: dict) -> Any:
        result = run(args, kwargs)
        for leaf in pytree.flatten(result)[0]:
            if isinstance(leaf, Tensor):
                leaf._device = where
        for tensor in written:
            if tensor._grad is not None:
                tensor._grad._device = where
        return result

    return tagged
