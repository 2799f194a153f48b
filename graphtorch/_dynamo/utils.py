"""`torch._dynamo.utils`: questions that programs ask."""

from __future__ import annotations

from typing import Any

from .. import absent


def is_compile_supported(device_type: Any) -> bool:
    """Whether `torch.compile` works on a device: on every one there is."""
    return True


__getattr__ = absent.names_of(__name__)
