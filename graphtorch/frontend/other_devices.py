"""What `torch.xpu`, `torch.mps` and `torch.mtia` have in common: there is no such device.

Questions are answered (0 devices, nothing allocated), housekeeping has nothing to do, seeds are accepted
(random numbers come from the one default generator), and everything else says why it is not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent


def is_available() -> bool:
    """False: there is no such device."""
    return False


def device_count() -> int:
    """0: there is no such device."""
    return 0


def is_initialized() -> bool:
    """False: there is no such device."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False: there is no such device."""
    return False


def is_current_stream_capturing() -> bool:
    """False: there is no such device."""
    return False


def empty_cache() -> None:
    """Nothing is cached."""


def memory_allocated(device: Any = None) -> int:
    """0: there is no such device."""
    return 0


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Empty: there is no such device."""
    return {}


def reset_peak_memory_stats(device: Any = None) -> None:
    """There are no peaks."""


def manual_seed(seed: int) -> None:
    """Accepted: random numbers come from the default generator."""


def seed() -> None:
    """Accepted, see `manual_seed`."""


def get_rng_state_all() -> list[Any]:
    """Empty: one state a device."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """One state a device: there are none."""


_SAME = {
    "current_allocated_memory": memory_allocated, "driver_allocated_memory": memory_allocated,
    "max_memory_allocated": memory_allocated, "memory_reserved": memory_allocated,
    "max_memory_reserved": memory_allocated, "manual_seed_all": manual_seed, "seed_all": seed,
    "reset_accumulated_memory_stats": reset_peak_memory_stats,
}  # fmt: skip


def room(module: str, names: str) -> Callable[[str], Any]:
    """A `__getattr__` for the module of such a device: the answers above that it has, and reasons."""
    known = frozenset(names.split())

    def found(name: str) -> Any:
        if name in known:
            return _SAME[name] if name in _SAME else globals()[name]
        raise absent.error(module, name)

    return found
