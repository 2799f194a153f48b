"""Freed blocks are kept for the next tensor instead of going back to the system.

A fresh page costs the system far more to hand out than a kernel takes to fill it, so a program that
makes and frees large tensors every step would wait for pages most of the time.  glibc can keep the
blocks; other C libraries are left as they are.  `config` flag `keep_memory` (GRAPHTORCH_KEEP_MEMORY=0)
turns this off.
"""

from __future__ import annotations

import ctypes
import sys

from .. import config

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # <malloc.h>


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed blocks; returns whether it agreed."""
    if not config.flags.keep_memory or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # not glibc
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))


def release_memory() -> bool:
    """Give kept blocks back to the system (PyTorch's `empty_cache` for the CPU)."""
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (OSError, AttributeError):
        return False
