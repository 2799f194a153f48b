"""`torch.device`: where a tensor lives.

A tensor whose `_device` is None lives on the CPU.  GPU memory is the business of `cuda`.
"""

from __future__ import annotations

import threading
from typing import Any

_TYPES = ("cpu", "cuda", "meta", "mps", "xpu")


class device:
    """A device: type and index.  Also a context manager: creation functions then use it.

    >>> device("cuda:1").index
    1
    """

    __slots__ = ("_previous", "index", "type")

    type: str
    index: int | None

    def __new__(cls, type: Any = "cpu", index: int | None = None) -> device:
        if isinstance(type, device):
            return type
        self = object.__new__(cls)
        if isinstance(type, int):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(
                f"device(): argument 'type' (position 1) must be str, not {type.__class__.__name__}"
            )
        name, colon, number = type.partition(":")
        if name not in _TYPES:
            raise RuntimeError(
                "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla,"
                " lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string:"
                f" {name}"
            )
        if colon:
            if index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed explicitly: "
                    + type
                )
            if not number.isdigit():
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        self.type, self.index = name, index
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        self._previous = _default.device
        _default.device = self
        return self

    def __exit__(self, *error: Any) -> None:
        _default.device = self._previous

    def __call__(self, function: Any) -> Any:
        from functools import wraps

        @wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with device(self.type, self.index):
                return function(*args, **kwargs)

        return inside


CPU = device("cpu")


class _Default(threading.local):
    device = CPU


_default = _Default()


def get_default_device() -> device:
    """The device on which creation functions put new tensors."""
    return _default.device


def set_default_device(where: Any) -> None:
    """Choose the device of tensors made without `device=`."""
    _default.device = CPU if where is None else device(where)


def resolve(where: Any) -> device | None:
    """What `Tensor._device` holds for a user's `device=`: None for the CPU."""
    found = (
        _default.device if where is None else where if where.__class__ is device else device(where)
    )
    return None if found.type == "cpu" else found
