"""`torch.accelerator`: the GPU, if there is one, under a name that does not say whose.

>>> import graphtorch as torch
>>> torch.accelerator.current_accelerator(check_available=True) is None or torch.cuda.is_available()
True
"""

from __future__ import annotations

from typing import Any

from . import absent, cuda
from .frontend.device import device


def is_available() -> bool:
    """Whether there is a GPU."""
    return cuda.is_available()


def device_count() -> int:
    """How many there are."""
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of device; None where there is none."""
    return device("cuda") if cuda.is_available() else None


def current_device_index() -> int:
    """Number of the GPU in use; raises where there is none."""
    return cuda.current_device()


current_device_idx = current_device_index


def set_device_index(device: Any, /) -> None:
    """Choose the GPU; raises where there is none."""
    cuda.set_device(device)


set_device_idx = set_device_index


def synchronize(device: Any = None, /) -> None:
    """Wait for the GPU; raises where there is none."""
    cuda.synchronize(device)


def empty_cache() -> None:
    """Give freed blocks back to the driver."""
    cuda.empty_cache()


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes of tensors and arenas."""
    return cuda.memory_allocated(device_index)


def memory_reserved(device_index: Any = None, /) -> int:
    """Bytes held, with freed blocks that are kept."""
    return cuda.memory_reserved(device_index)


def max_memory_allocated(device_index: Any = None, /) -> int:
    """The most bytes of tensors and arenas there were."""
    return cuda.max_memory_allocated(device_index)


def max_memory_reserved(device_index: Any = None, /) -> int:
    """The most bytes held."""
    return cuda.max_memory_reserved(device_index)


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """Free and total bytes."""
    return cuda.mem_get_info(device_index)


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """Forget the peaks."""
    cuda.reset_peak_memory_stats(device_index)


__getattr__ = absent.names_of(__name__)
