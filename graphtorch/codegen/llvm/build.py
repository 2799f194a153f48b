"""Kernels -> addresses: each distinct kernel is compiled once per machine and loaded once per process.

    the process has it loaded     take its address
    the object cache has it       load the object; its text is not even printed
    else                          print, assemble (on all cores), keep, load

This module does not know what a kernel computes.
"""

from __future__ import annotations

import os
import re
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ...errors import CompileError
from ..cache import ObjectCache, digest, object_cache
from ..program import KernelSource
from ..runtime import available_cpus
from ..saved import SavedKernel
from . import jit
from .native import native
from .target import Target


@dataclass(frozen=True, eq=False)
class LoadedKernel:
    """Machine code in this process; good while this object lives."""

    symbol: str
    address: int
    library: jit.Library


_loaded: weakref.WeakValueDictionary[str, LoadedKernel] = weakref.WeakValueDictionary()
_lock = threading.RLock()

if hasattr(
    os, "register_at_fork"
):  # a fork waits for a compilation, so the child finds LLVM at rest
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def symbol_of(kernel: KernelSource, key: str) -> str:
    """The symbol a kernel is compiled under: readable, and distinct for distinct code."""
    return re.sub(r"\W", "_", kernel.name)[:60] + "_" + key[:12]


def cache_entry(kernel: KernelSource, target: Target) -> str:
    """The key of a kernel's machine code in the object cache."""
    return kernel.entry if isinstance(kernel, SavedKernel) else digest(kernel.key, target.key)


def load_kernels(kernels: Sequence[KernelSource], target: Target) -> list[LoadedKernel]:
    """Compile what has to be compiled and return the loaded kernels in order.

    Raises CompileError if a kernel's text is faulty, if a saved kernel is no longer in the cache, or if
    `target` is another kind of machine.
    """
    if not target.runnable:
        raise CompileError(f"code for {target.name} cannot run on this machine")
    keys = [cache_entry(kernel, target) for kernel in kernels]
    with _lock:
        found = {key: loaded for key in keys if (loaded := _loaded.get(key)) is not None}
        missing = {k: kernel for k, kernel in zip(keys, kernels) if k not in found}
        if missing:
            cache = object_cache()
            try:
                new = _load(missing, target, cache, cache)
            except CompileError:
                if cache is None:
                    raise
                new = _load(missing, target, None, cache)  # what was cached may be at fault
            found.update(new)
            _loaded.update(new)
    return [found[key] for key in keys]


def _load(
    kernels: dict[str, KernelSource],
    target: Target,
    read: ObjectCache | None,
    write: ObjectCache | None,
) -> dict[str, LoadedKernel]:
    objects = {k: entry for k in kernels if read is not None and (entry := read.get(k))}
    fresh = {k: kernel for k, kernel in kernels.items() if k not in objects}
    for key, symbol, code in _assemble(fresh, target):
        objects[key] = (symbol, code)
        if write is not None:
            write.put(key, symbol, code)
    library = jit.load([code for _, code in objects.values()], [s for s, _ in objects.values()])
    return {
        key: LoadedKernel(symbol, library[symbol], library) for key, (symbol, _) in objects.items()
    }


def _assemble(kernels: dict[str, KernelSource], target: Target) -> list[tuple[str, str, bytes]]:
    def one(key: str) -> tuple[str, str, bytes]:
        symbol = symbol_of(kernels[key], key)
        return key, symbol, jit.assemble(kernels[key].llvm(symbol, target), target)

    threads = min(available_cpus(), len(kernels))
    if threads <= 1:
        return [one(key) for key in kernels]
    # The longest first, so that no thread is left with a long one at the end.
    order = sorted(kernels, key=lambda k: -len(kernels[k].key))
    with ThreadPoolExecutor(threads, "graphtorch-compile") as pool:
        pool.submit(native)  # wanted next; on a new machine it has to be assembled too
        return list(pool.map(one, order))
