"""`torch.mtia`: there are no such devices here, and it says so."""

from __future__ import annotations

from .frontend.other_devices import room

_NAMES = (
    "is_available device_count is_initialized empty_cache memory_allocated max_memory_allocated memory_stats"
    " reset_peak_memory_stats manual_seed manual_seed_all seed seed_all"
)
__getattr__ = room(__name__, _NAMES)


def __dir__() -> list[str]:
    return _NAMES.split()
