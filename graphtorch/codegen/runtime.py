"""The thread pool as Python sees it: how many threads, fork, the end of the process.

The pool itself is native (`codegen.llvm.pool`): pthreads that never hold the GIL, spin for a moment
after a job and then sleep in the kernel.  They are started by the first launch that wants them.

    set_num_threads(n)   threads of a compiled graph from now on (the caller is one of them)
    get_num_threads()    what is set; at first GRAPHTORCH_NUM_THREADS, else what the process may use

The number of threads never changes a result.  Calls from several Python threads at once are safe:
one of them has the pool, the others run on their own thread.  After `os.fork` the child has a pool
of its own with the same number of threads.
"""

from __future__ import annotations

import atexit
import functools
import os
import threading
import time

import numpy as np

from .. import config

MAX_THREADS = 1024
SPINS = 2000  # turns an idle worker waits before it sleeps; a turn is about 10 to 40 ns

_lock = threading.Lock()


def available_cpus() -> int:
    """How many CPUs this process may use: its affinity mask, cut by the cgroup's quota."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        count = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, int(quota + 0.5)) if quota else count)


def _cgroup_quota(root: str = "/sys/fs/cgroup", membership: str = "/proc/self/cgroup") -> float:
    """CPUs granted by the control groups (version 2 or 1) of this process; 0.0 means no limit."""
    limits = []
    for hierarchy, controllers, path in _cgroups(membership):
        if hierarchy == "0":
            folder, read = root, _quota_v2
        elif "cpu" in controllers.split(","):
            folder, read = os.path.join(root, "cpu"), _quota_v1
        else:
            continue
        parts = [p for p in path.split("/") if p and p != ".."]
        for depth in range(len(parts) + 1):  # a limit may stand at any level above us
            limit = read(os.path.join(folder, *parts[:depth]))
            if limit > 0:
                limits.append(limit)
    return min(limits, default=0.0)


def _cgroups(membership: str) -> list[tuple[str, str, str]]:
    try:
        with open(membership, encoding="utf-8") as file:
            rows = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    return [(row[0], row[1], row[2]) for row in rows if len(row) == 3]


def _quota_v2(folder: str) -> float:
    try:
        with open(os.path.join(folder, "cpu.max"), encoding="ascii") as file:
            quota, period = file.read().split()
        return 0.0 if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return 0.0


def _quota_v1(folder: str) -> float:
    try:
        with open(os.path.join(folder, "cpu.cfs_quota_us"), encoding="ascii") as file:
            quota = int(file.read())
        with open(os.path.join(folder, "cpu.cfs_period_us"), encoding="ascii") as file:
            return max(quota, 0) / int(file.read())
    except (OSError, ValueError, ZeroDivisionError):
        return 0.0


class Pool:
    """The block of memory that the native pool lives in; see `codegen.llvm.pool`."""

    def __init__(self, threads: int) -> None:
        from .llvm.native import native
        from .llvm.pool import POOL, POOL_BYTES

        self._native = native()
        self._offsets = POOL
        memory = np.zeros(POOL_BYTES // 8 + 8, np.int64)
        self.words = memory[-memory.ctypes.data % 64 // 8 :][: POOL_BYTES // 8]
        self.address = self.words.ctypes.data
        self._set(threads=threads, spins=SPINS)
        atexit.register(self.stop)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    @property
    def threads(self) -> int:
        return int(self.words[self._offsets.threads // 8])

    @property
    def started(self) -> int:
        """Workers that exist now."""
        return int(self.words[self._offsets.started // 8])

    def resize(self, threads: int) -> None:
        """Let `threads` threads work; running graphs finish first."""
        with _lock:
            self._acquire()
            try:
                if threads - 1 < self.started:
                    self._native.stop(self.address)
                self._set(threads=threads)
            finally:
                self._native.release(self.address)

    def stop(self) -> None:
        """End the workers; the next parallel launch starts new ones."""
        with _lock:
            if self._acquire(patience=1.0):
                self._native.stop(self.address)
                self._native.release(self.address)

    def _acquire(self, patience: float = float("inf")) -> bool:
        began = time.monotonic()
        while not self._native.acquire(self.address):
            if time.monotonic() - began > patience:
                return False
            time.sleep(0.0005)
        return True

    def _set(self, **values: int) -> None:
        for name, value in values.items():
            self.words[getattr(self._offsets, name) // 8] = value

    def _after_fork(self) -> None:
        """In the child: the workers were not copied, nobody is inside, start from nothing."""
        threads = self.threads
        self.words[:] = 0
        self._set(threads=threads, spins=SPINS)
        global _lock
        _lock = threading.Lock()


@functools.cache
def pool() -> Pool:
    """The one pool of the process, made when first asked for."""
    return Pool(get_num_threads())


_wanted: int | None = None  # what was set before there is a pool


def get_num_threads() -> int:
    """Threads that a compiled graph may use."""
    if pool.cache_info().currsize:
        return pool().threads
    return _wanted or min(config.flags.num_threads or available_cpus(), MAX_THREADS)


def set_num_threads(threads: int) -> None:
    """Use `threads` threads in compiled graphs from now on; at least 1.

    Results do not depend on it.  Raises ValueError for less than 1.
    """
    global _wanted
    if threads < 1:
        raise ValueError(f"set_num_threads expects a positive number of threads, got {threads}")
    _wanted = min(int(threads), MAX_THREADS)
    if pool.cache_info().currsize:
        pool().resize(_wanted)
