"""`torch.mps`: there are no Apple GPUs here, and it says so."""

from __future__ import annotations

from .frontend.other_devices import room

_NAMES = "is_available device_count empty_cache current_allocated_memory driver_allocated_memory manual_seed seed"
__getattr__ = room(__name__, _NAMES)


def __dir__() -> list[str]:
    return _NAMES.split()
