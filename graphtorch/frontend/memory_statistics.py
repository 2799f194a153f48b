"""What the process holds in main memory: the bytes of tensors and arenas, and what the system counts.

Nothing is counted while a program runs: a question walks over all live objects, and peaks are the
system's (resident memory of the whole process, Python and its libraries included).
"""

from __future__ import annotations

import gc
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from .allocator import release_memory
from .tensor import Tensor

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def _owner(array: np.ndarray) -> Any:
    """The array, or other object, whose memory an array looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def memory_allocated(device: Any = None) -> int:
    """Bytes of all live tensors on the CPU, memory shared by several counted once, and of compiled graphs' arenas.

    >>> import graphtorch as torch
    >>> before = torch.cpu.memory_allocated()
    >>> x = torch.zeros(1000); y = x[:10]
    >>> torch.cpu.memory_allocated() - before
    4000
    """
    context = sys.modules.get("graphtorch.codegen.context")
    arena = getattr(context, "Arena", ())
    total, seen = 0, set()
    for x in gc.get_objects():
        if isinstance(x, Tensor):
            array = x.__dict__.get("_array")
            if array is None or x._device is not None:
                continue
        elif arena and isinstance(x, arena):
            array = x.memory
        else:
            continue
        if isinstance(array, np.ndarray):
            owner = _owner(array)
            if id(owner) not in seen:
                seen.add(id(owner))
                total += owner.nbytes
    return total


def _status(name: str) -> int:
    """A line of the process's status in bytes; -1 where the system has none."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return -1


def memory_reserved(device: Any = None) -> int:
    """Bytes the process holds, kept freed blocks included: its resident memory."""
    found = _status("VmRSS")
    return found if found >= 0 else max_memory_reserved()


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes the process held since it began or since `reset_peak_memory_stats`."""
    found = _status("VmHWM")
    if found >= 0:
        return found
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def max_memory_allocated(device: Any = None) -> int:
    """A bound of the most bytes tensors had: what the whole process had at most (`max_memory_reserved`)."""
    return max_memory_reserved(device)


def reset_peak_memory_stats(device: Any = None) -> None:
    """Let peaks begin at what is held now; where the system cannot (not Linux) they go on."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        pass


def empty_cache() -> None:
    """Give kept freed blocks back to the system."""
    gc.collect()
    release_memory()


def memory_stats(device: Any = None) -> dict[str, int]:
    """The four figures under the names that `torch.cuda.memory_stats` has."""
    return {
        "allocated_bytes.all.current": memory_allocated(),
        "allocated_bytes.all.peak": max_memory_allocated(),
        "reserved_bytes.all.current": memory_reserved(),
        "reserved_bytes.all.peak": max_memory_reserved(),
    }


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """`memory_stats` as text."""
    found = memory_stats()
    width = max(map(len, found))
    return "\n".join(f"{name:<{width}}  {value / 2**20:10.1f} MiB" for name, value in found.items())
