"""Every flag, each an environment variable and a context manager.

    flag         environment variable     default  meaning
    debug        GRAPHTORCH_DEBUG         0        how much the compiler tells, see below
    compile      GRAPHTORCH_COMPILE       1        1: compile; 0: run `compile`d functions eagerly, so that
                                                   a debugger steps through them; interpret: run the traced
                                                   graph node by node in NumPy; all: compile every call of a
                                                   module that no other compiled call contains, too
    num_threads  GRAPHTORCH_NUM_THREADS   0        threads of a compiled graph; 0: what affinity mask and
                                                   cgroup quota allow
    cache        GRAPHTORCH_CACHE         1        0: neither read nor write machine code on disk
    cache_dir    GRAPHTORCH_CACHE_DIR     ""       folder of the cache; "": $XDG_CACHE_HOME/graphtorch or
                                                   ~/.cache/graphtorch
    cache_mb     GRAPHTORCH_CACHE_MB      256      size cap of the cache; the least recently used go first
    keep_memory  GRAPHTORCH_KEEP_MEMORY   1        0: freed tensors go back to the system at once
    target       GRAPHTORCH_TARGET        host     instruction set to generate for: host, avx512, avx2, sse
                                                   or neon (only host's own family can be run)

The debug ladder (every step includes the ones before; messages go to standard error):

    1  one line per compilation: what was compiled, why, how long each stage took
    2  + the graph as traced and as optimised
    3  + the graph after every pass, the launch list and the memory plan
    4  + the kernels and their LLVM text
    5  + the assembly, and every graph is verified after every pass

>>> from graphtorch import config
>>> with config.override(debug=2):
...     config.flags.debug
2

This module knows nothing of what the flags steer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

COMPILE_MODES = ("1", "0", "interpret", "all")
TARGETS = ("host", "avx512", "avx2", "sse", "neon")


@dataclass(frozen=True, slots=True)
class Flags:
    """The values in force; see the module docstring."""

    debug: int = 0
    compile: str = "1"
    num_threads: int = 0
    cache: bool = True
    cache_dir: str = ""
    cache_mb: int = 256
    keep_memory: bool = True
    target: str = "host"

    def __post_init__(self) -> None:
        _check("debug", self.debug, 0 <= self.debug <= 5, "0 to 5")
        _check("compile", self.compile, self.compile in COMPILE_MODES, ", ".join(COMPILE_MODES))
        _check("num_threads", self.num_threads, self.num_threads >= 0, "0 or more")
        _check("cache_mb", self.cache_mb, self.cache_mb >= 0, "0 or more")
        _check("target", self.target, self.target in TARGETS, ", ".join(TARGETS))


def _check(name: str, value: object, valid: bool, allowed: str) -> None:
    if not valid:
        raise ValueError(f"GRAPHTORCH_{name.upper()} is {value!r}; it takes {allowed}")


def from_environment() -> Flags:
    """Read the flags from the environment variables; raises ValueError naming a bad one."""
    values: dict[str, int | str | bool] = {}
    for field in fields(Flags):
        variable = f"GRAPHTORCH_{field.name.upper()}"
        text = os.environ.get(variable, "").strip()
        if not text:
            continue
        try:
            values[field.name] = text if field.type == "str" else int(text)
        except ValueError:
            raise ValueError(f"{variable} is {text!r}; it takes a whole number") from None
        if field.type == "bool":
            values[field.name] = bool(int(text))
    return Flags(**values)  # type: ignore[arg-type]


flags = from_environment()  # read as `config.flags.debug`: it is replaced, not changed


@contextmanager
def override(**values: object) -> Iterator[Flags]:
    """Set flags for the `with` block, in all threads; takes the names of the table above."""
    global flags
    before = flags
    flags = replace(before, **values)  # type: ignore[arg-type]
    try:
        yield flags
    finally:
        flags = before
