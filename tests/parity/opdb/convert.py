"""torch objects -> graphtorch objects: tensors with their strides, dtypes, devices, generators, ..."""

from __future__ import annotations

import dataclasses
from typing import Any

import ml_dtypes
import numpy as np
import torch

import graphtorch


class NoCounterpart(Exception):
    """graphtorch has nothing that this torch object could become."""


def own_memory(x: torch.Tensor) -> torch.Tensor:
    """`x` over memory of its own, with the same strides."""
    x = x.detach().resolve_conj().resolve_neg()
    if x.layout is not torch.strided or x.device.type != "cpu":
        return x.clone()
    copied = torch.empty(0, dtype=x.dtype)
    copied.set_(x.untyped_storage().clone(), x.storage_offset(), x.size(), x.stride())
    return copied


def array_of(x: torch.Tensor) -> np.ndarray:
    """The tensor's memory as an array with the same strides."""
    if x.layout is not torch.strided:
        raise NoCounterpart(f"a tensor with layout {x.layout}")
    if x.device.type != "cpu":
        raise NoCounterpart(f"a tensor on {x.device}")
    x = x.detach().resolve_conj().resolve_neg()
    if x._is_zerotensor():
        x = torch.zeros(x.shape, dtype=x.dtype)
    if x.ndim > 64:
        raise NoCounterpart("a tensor of more than NumPy's 64 dims")
    if x.dtype is torch.bfloat16:
        return x.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    try:
        return x.numpy()
    except TypeError as error:
        raise NoCounterpart(f"dtype {x.dtype}") from error


def _part_of(x: torch.Tensor) -> graphtorch.Tensor:
    """A view into a larger buffer, as `x` is."""
    whole = torch.empty(0, dtype=x.dtype)
    size = x.untyped_storage().nbytes() // x.element_size()
    whole.set_(x.untyped_storage(), 0, (size,), (1,))
    base = graphtorch.from_numpy(array_of(whole))
    return base.as_strided(tuple(x.shape), x.stride(), x.storage_offset())


class Converter:
    """Converts one call's arguments; a tensor that occurs twice becomes one tensor."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Any, Any]] = {}

    def __call__(self, value: Any) -> Any:
        found = self.known.get(id(value))
        if found is None:
            found = self.known[id(value)] = (value, self.convert(value))
        return found[1]

    def convert(self, value: Any) -> Any:
        """graphtorch's counterpart of any value; what is not torch's stays."""
        if isinstance(value, torch.Tensor):
            own = own_memory(value)
            array = array_of(own)
            try:
                if not value.requires_grad and own.untyped_storage().nbytes() > array.nbytes > 0:
                    made = _part_of(own)
                else:
                    made = graphtorch.from_numpy(array)
            except TypeError as error:
                raise NoCounterpart(f"dtype {value.dtype}") from error
            if value.requires_grad:
                made.requires_grad_(True)
            if isinstance(value, torch.nn.Parameter):
                return graphtorch.nn.Parameter(made, requires_grad=value.requires_grad)
            return made
        if isinstance(value, torch.Size):
            return graphtorch.Size(value)
        if isinstance(value, (torch.dtype, torch.layout, torch.memory_format)):
            name = str(value).removeprefix("torch.")
            if not hasattr(graphtorch, name):
                raise NoCounterpart(str(value))
            return getattr(graphtorch, name)
        if isinstance(value, torch.device):
            return graphtorch.device(str(value))
        if isinstance(value, torch.Generator):
            return graphtorch.Generator().manual_seed(value.initial_seed())
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(self, value))
        if isinstance(value, (tuple, list)):
            return type(value)(map(self, value))
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(self(value.start), self(value.stop), self(value.step))
        if isinstance(value, torch.nn.Module):
            made = getattr(graphtorch.nn, type(value).__name__)()
            for name in getattr(value, "__constants__", ()):
                setattr(made, name, getattr(value, name))
            return made
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith("torch.nn"):
            kind = getattr(graphtorch.nn, type(value).__name__)
            return kind(**{f.name: self(getattr(value, f.name)) for f in dataclasses.fields(value)})
        if callable(value) and not isinstance(value, type):
            from .resolve import counterpart

            return counterpart(value)
        return value


def tensors_in(value: Any) -> list[Any]:
    """Every tensor (of either library) in nested lists, tuples and dicts, in order."""
    if isinstance(value, (torch.Tensor, graphtorch.Tensor)):
        return [value]
    if isinstance(value, (tuple, list)):
        return [x for item in value for x in tensors_in(item)]
    if isinstance(value, dict):
        return [x for item in value.values() for x in tensors_in(item)]
    return []
