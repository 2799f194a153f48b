"""The fixed machine code of the process: thread pool, launch-list interpreter, Python entry.

One module, the same for every graph: assembled once per machine, then read from the object cache.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from dataclasses import dataclass
from typing import Any

from ..cache import digest, object_cache
from . import driver, entry, jit, pool
from .target import host


@dataclass(frozen=True)
class Native:
    """Addresses by symbol, and the functions that Python itself calls."""

    addresses: dict[str, int]
    run: Any  # (context, first, last) -> -1 or the failing launch
    unbind: Any  # (context)
    claim: Any  # (word) -> 1 if it was 0 and is now 1
    acquire: Any  # (pool) -> 1 or 0
    release: Any  # (pool)
    stop: Any  # (pool)


def native_text() -> str:
    """The LLVM text of the module."""
    system = sys.platform
    return pool.pool_text(host().x86, system) + driver.driver_text(system) + entry.entry_text()


@functools.cache
def native() -> Native:
    """Load the module; it stays until the process ends."""
    text = native_text()
    key = digest(text, host().key)
    cache = object_cache()
    found = cache.get(key) if cache else None
    code = found[1] if found else jit.assemble(text, host())
    exports = (*pool.EXPORTS, *driver.EXPORTS, *entry.EXPORTS)
    library = jit.load([code], exports, entry.imports())
    if cache and not found:
        cache.put(key, "native", code)
    library.keep()
    word = ctypes.c_int64
    pointer = ctypes.c_void_p
    get = library.addresses.__getitem__
    return Native(
        library.addresses,
        run=ctypes.CFUNCTYPE(word, pointer, word, word)(get("graphtorch_run")),
        unbind=ctypes.PYFUNCTYPE(None, pointer)(get("graphtorch_unbind")),
        claim=ctypes.PYFUNCTYPE(word, pointer)(get("graphtorch_claim")),
        acquire=ctypes.CFUNCTYPE(word, pointer)(get("graphtorch_acquire")),
        release=ctypes.CFUNCTYPE(None, pointer)(get("graphtorch_release")),
        stop=ctypes.CFUNCTYPE(None, pointer)(get("graphtorch_stop")),
    )
