"""The machine that code is generated for: its instruction set, vector registers and caches.

`target()` describes the machine we run on, or the one that `GRAPHTORCH_TARGET` names.  Text can be
printed (and assembled, if llvmlite carries the backend) for any target; only one whose `runnable`
is true can be loaded.  LLVM is asked only for the host, and only when the host is asked for.

What the generators do with it: `lanes(dtype)` elements per vector register, `registers` of them,
`cache_bytes` for block sizes.  Everything here is part of the cache key.
"""

from __future__ import annotations

import functools
import os
import platform
from dataclasses import dataclass

from ... import config
from ...errors import UnsupportedError
from ...ir.types import DType


@dataclass(frozen=True, slots=True)
class Target:
    """One machine.

    features: LLVM's spelling, "+avx2,+fma"; with `cpu` it decides which instructions appear.
    vector_bits: width of the vectors to generate.
    registers: how many vector registers there are.
    cache_bytes: data cache sizes, nearest first (L1, L2, L3); L3 may be 0.
    """

    name: str
    triple: str
    cpu: str
    features: str
    vector_bits: int
    registers: int
    fma: bool
    cache_bytes: tuple[int, int, int]
    runnable: bool

    def lanes(self, dtype: DType) -> int:
        """Elements of `dtype` in one vector register.

        >>> AVX2.lanes(float32)
        8
        """
        return self.vector_bits // (8 * dtype.itemsize)

    @property
    def x86(self) -> bool:
        return self.triple.startswith(("x86_64", "i686"))

    @property
    def arm(self) -> bool:
        return self.triple.startswith(("aarch64", "arm64"))

    def has(self, feature: str) -> bool:
        """Whether LLVM's `feature` ("avx512f", "f16c") is switched on."""
        return f"+{feature}" in self.features.split(",")

    @property
    def key(self) -> str:
        """Everything that can change the machine code."""
        caches = ",".join(map(str, self.cache_bytes))
        return f"{self.triple}/{self.cpu}/{self.features}/{self.vector_bits}/{caches}"


_CACHES = (32 << 10, 512 << 10, 16 << 20)
_LINUX_X86 = "x86_64-unknown-linux-gnu"
_AVX2 = "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+popcnt,+movbe,+sse4.1,+sse4.2,+ssse3,+sse3,+cx16"
_AVX512 = f"{_AVX2},+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"

# fmt: off
AVX512 = Target("avx512", _LINUX_X86, "x86-64-v4", _AVX512, 512, 32, True, _CACHES, False)
AVX2   = Target("avx2",   _LINUX_X86, "x86-64-v3", _AVX2,   256, 16, True, _CACHES, False)
SSE    = Target("sse",    _LINUX_X86, "x86-64-v2", "+sse4.1,+sse4.2,+ssse3,+sse3,+popcnt,+cx16",
                128, 16, False, _CACHES, False)
NEON   = Target("neon",   "aarch64-unknown-linux-gnu", "generic", "+neon,+fp-armv8", 128, 32, True,
                _CACHES, False)
# fmt: on
NAMED = {t.name: t for t in (AVX512, AVX2, SSE, NEON)}


def target(name: str | None = None) -> Target:
    """The target called `name`; None: the one the configuration asks for.

    A named target of the host's own family whose features the host has can also be run here.
    """
    name = name or config.flags.target
    return host() if name == "host" else _resolved(name)


@functools.cache
def _resolved(name: str) -> Target:
    named = NAMED[name]
    if named.x86 != (platform.machine() in ("x86_64", "AMD64")):
        return named
    if named.arm != (platform.machine() in ("aarch64", "arm64")):
        return named
    own = host()
    runnable = all(own.has(feature[1:]) for feature in named.features.split(","))
    return Target(
        named.name, own.triple, named.cpu, named.features, named.vector_bits, named.registers,
        named.fma, own.cache_bytes, runnable,
    )  # fmt: skip


@functools.cache
def host() -> Target:
    """The machine we run on, with exactly the instructions its operating system lets us use."""
    import llvmlite.binding as llvm

    triple = llvm.get_process_triple()
    found = llvm.get_host_cpu_features()
    features = ",".join(("+" if on else "-") + name for name, on in sorted(found.items()))
    cpu = llvm.get_host_cpu_name()
    caches = cache_bytes()
    if triple.startswith(("aarch64", "arm64")):
        return Target("host", triple, cpu, features, 128, 32, True, caches, True)
    if not triple.startswith("x86_64"):
        raise UnsupportedError(
            f"graphtorch generates code for x86-64 and AArch64, not for {triple}"
        )
    if found.get("avx512f") and found.get("avx512bw") and found.get("avx512vl"):
        bits, registers = 512, 32
    elif found.get("avx2") and found.get("fma"):
        bits, registers = 256, 16
    else:
        bits, registers = 128, 16
    return Target(
        "host", triple, cpu, features, bits, registers, bool(found.get("fma")), caches, True
    )


@functools.cache
def cache_bytes() -> tuple[int, int, int]:
    """Sizes of the data caches of this machine's first core, nearest first; typical ones if unknown."""
    sizes = list(_CACHES)
    folder = "/sys/devices/system/cpu/cpu0/cache"
    found: dict[int, int] = {}
    try:
        for index in sorted(os.listdir(folder)):
            if index.startswith("index") and _read(folder, index, "type") != "Instruction":
                text = _read(folder, index, "size")
                unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 0)
                size = int(text[:-1]) * unit if unit else int(text)
                found[int(_read(folder, index, "level"))] = size
    except (OSError, ValueError):
        return _CACHES
    for level, size in found.items():
        if 1 <= level <= 3 and size > 0:
            sizes[level - 1] = size
    if found and 3 not in found:
        sizes[2] = 0
    return sizes[0], sizes[1], sizes[2]


def _read(*path: str) -> str:
    with open(os.path.join(*path), encoding="ascii") as file:
        return file.read().strip()
