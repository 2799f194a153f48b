"""`torch.cpu`: the processor under the names that the other devices have."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from . import absent
from .frontend.memory_statistics import (
    empty_cache as empty_cache,
)
from .frontend.memory_statistics import max_memory_allocated as max_memory_allocated
from .frontend.memory_statistics import max_memory_reserved as max_memory_reserved
from .frontend.memory_statistics import memory_allocated as memory_allocated
from .frontend.memory_statistics import memory_reserved as memory_reserved
from .frontend.memory_statistics import memory_stats as memory_stats
from .frontend.memory_statistics import memory_summary as memory_summary
from .frontend.memory_statistics import reset_peak_memory_stats as reset_peak_memory_stats


def is_available() -> bool:
    """Always True."""
    return True


def is_initialized() -> bool:
    """Always True."""
    return True


def device_count() -> int:
    """Always 1."""
    return 1


def current_device() -> str:
    """Always "cpu"."""
    return "cpu"


def set_device(device: Any) -> None:
    """There is one."""


def synchronize(device: Any = None) -> None:
    """Ops are done when they return."""


class Stream:
    """The one queue of work, which is always empty."""

    def __init__(self, priority: int = -1):
        pass

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""

    def record_event(self) -> None:
        """Nothing to record."""

    def wait_event(self, event: Any) -> None:
        """Nothing to wait for."""


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return Stream()


def stream(stream: Stream | None) -> Any:
    """A context manager that changes nothing."""
    return nullcontext()


__getattr__ = absent.names_of(__name__)
