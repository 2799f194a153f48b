"""Choosing how `scaled_dot_product_attention` is computed: accepted, there is one way per device."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from typing import Any

from ... import absent as absent


class SDPBackend(enum.IntEnum):
    """PyTorch's implementations of attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """Accepted: the result is the same whatever the choice."""
    for backend in backends if isinstance(backends, list | tuple) else [backends]:
        if not isinstance(backend, SDPBackend):
            raise AssertionError(
                "Backend must be an instance of SDPBackend or a list of SDPBackend instances"
            )
    yield


__all__ = ["SDPBackend", "sdpa_kernel"]

__getattr__ = absent.names_of(__name__)
