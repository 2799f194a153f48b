"""`torch._C._nn`: how `.to()` reads its arguments."""

from __future__ import annotations

from typing import Any

from .. import absent
from ..frontend.device import device as Device
from ..frontend.tensor import Tensor
from ..ir.types import DType


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, Any, bool, Any]:
    """Return (device, dtype, non_blocking, memory_format) as `.to(*args, **kwargs)` means them."""
    device, dtype = kwargs.get("device"), kwargs.get("dtype")
    flags = []
    for argument in args:
        if isinstance(argument, Tensor):
            device, dtype = argument.device, argument.dtype
        elif isinstance(argument, DType):
            dtype = argument
        elif isinstance(argument, bool):
            flags.append(argument)
        elif argument is not None:
            device = argument
    if device is not None:
        device = Device(device)
    blocking = kwargs.get("non_blocking", flags[0] if flags else False)
    return device, dtype, blocking, kwargs.get("memory_format")


__getattr__ = absent.names_of(__name__)
