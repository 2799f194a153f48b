"""`torch.xpu`: there are no Intel GPUs here, and it says so."""

from __future__ import annotations

from .frontend.other_devices import room

_NAMES = (
    "is_available device_count is_initialized is_bf16_supported is_current_stream_capturing empty_cache"
    " memory_allocated max_memory_allocated memory_reserved max_memory_reserved memory_stats"
    " reset_peak_memory_stats reset_accumulated_memory_stats manual_seed manual_seed_all seed seed_all"
    " get_rng_state_all set_rng_state_all"
)
__getattr__ = room(__name__, _NAMES)


def __dir__() -> list[str]:
    return _NAMES.split()
