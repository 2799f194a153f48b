"""`torch.cuda.memory`: what a GPU's memory holds."""

from __future__ import annotations

from typing import Any

from .. import absent


def memory_stats(device: Any = None) -> dict[str, int]:
    """Bytes of tensors and arenas, and bytes held with freed blocks; empty where no GPU is in use."""
    from . import is_initialized, max_memory_allocated, memory_allocated, memory_reserved

    if not is_initialized():
        return {}
    return {
        "allocated_bytes.all.current": memory_allocated(device),
        "allocated_bytes.all.peak": max_memory_allocated(device),
        "reserved_bytes.all.current": memory_reserved(device),
        "reserved_bytes.all.peak": memory_reserved(device),
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """`memory_stats` as text."""
    found = memory_stats(device)
    if not found:
        return "no GPU memory is in use"
    width = max(map(len, found))
    return "\n".join(f"{name:<{width}}  {value / 2**20:10.1f} MiB" for name, value in found.items())


def reset_max_memory_allocated(device: Any = None) -> None:
    """See `reset_peak_memory_stats`."""
    from . import reset_peak_memory_stats

    reset_peak_memory_stats(device)


reset_max_memory_cached = reset_max_memory_allocated


def __getattr__(name: str) -> Any:
    from graphtorch import cuda

    if name in (
        "empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info", "memory_allocated",
        "memory_reserved", "reset_peak_memory_stats",
    ):  # fmt: skip
        return getattr(cuda, name)
    raise absent.error(__name__, name)
