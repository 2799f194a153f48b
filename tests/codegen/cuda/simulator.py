"""Compiles generated CUDA C with g++ and runs it on the CPU; see simulator.h.

    kernel = load(text, "row_sum")
    kernel((rows, 1), 256, [x, y, 1000, rows], order=RANDOM)

Arrays are copied between guard bytes and checked afterwards.  `needs_compiler` marks tests that are
skipped, and say so, where g++ is missing.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

COMPILER = shutil.which("g++")
HEADER = Path(__file__).with_name("simulator.h")
FORWARD, REVERSE, RANDOM = 0, 1, 2
ORDERS = (FORWARD, REVERSE, RANDOM)
GUARD = 256

needs_compiler = pytest.mark.skipif(
    COMPILER is None, reason="CUDA C NOT RUN: the simulator of CUDA kernels needs g++"
)


class SimulationError(RuntimeError):
    """The kernel broke a rule of CUDA, or wrote outside of its arrays."""


class Kernel:
    """A function of a simulated module."""

    def __init__(self, library: ctypes.CDLL, name: str):
        self.launch = getattr(library, f"sim_launch_{name}")
        self.message = library.sim_message
        self.message.restype = ctypes.c_char_p
        self.name = name

    def __call__(
        self,
        grid: tuple[int, int],
        threads: int,
        arguments: Sequence[np.ndarray | int],
        order: int = FORWARD,
    ) -> None:
        held = [
            _Guarded(a) if isinstance(a, np.ndarray) else ctypes.c_longlong(a) for a in arguments
        ]
        cells = [ctypes.c_void_p(h.address) if isinstance(h, _Guarded) else h for h in held]
        pointers = (ctypes.c_void_p * (len(cells) + 1))(*(ctypes.addressof(c) for c in cells))
        code = self.launch((ctypes.c_uint * 2)(*grid), threads, order, pointers)
        if code:
            raise SimulationError(f"{self.name}: {self.message().decode()}")
        for h in held:
            if isinstance(h, _Guarded):
                h.give_back(self.name)

    def raw(self, grid: tuple[int, int], threads: int, cells: Sequence[int], order: int) -> None:
        """Run on 8-byte arguments as they are (pointers and integers)."""
        words = (ctypes.c_longlong * (len(cells) + 1))(*cells)
        start = ctypes.addressof(words)
        pointers = (ctypes.c_void_p * (len(cells) + 1))(*(start + 8 * i for i in range(len(cells))))
        if self.launch((ctypes.c_uint * 2)(*grid), threads, order, pointers):
            raise SimulationError(f"{self.name}: {self.message().decode()}")


class _Guarded:
    """A copy of an array between guard bytes."""

    def __init__(self, array: np.ndarray):
        self.array = array
        self.memory = np.full(array.nbytes + 2 * GUARD, 0xA5, np.uint8)
        self.memory[GUARD : GUARD + array.nbytes] = array.reshape(-1).view(np.uint8)
        self.address = self.memory.ctypes.data + GUARD

    def give_back(self, name: str) -> None:
        end = GUARD + self.array.nbytes
        if not (self.memory[:GUARD] == 0xA5).all() or not (self.memory[end:] == 0xA5).all():
            raise SimulationError(f"{name} wrote outside of an array")
        self.array.reshape(-1).view(np.uint8)[...] = self.memory[GUARD:end]


def load(text: str, *names: str) -> Kernel:
    """Compile a module and return its only, or first named, kernel."""
    return module(text, *names)[names[0]]


def module(text: str, *names: str) -> dict[str, Kernel]:
    """Compile a module and return the named kernels."""
    exports = "\n".join(f"GT_EXPORT({name})" for name in names)
    text = f'#include "{HEADER}"\n#line 1 "kernel.cu"\n{text}\n{exports}\n'
    flags = [
        "-std=c++17", "-O1", "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-shared",
        "-fPIC", "-fno-stack-protector", "-fcf-protection=none", "-w", "-x", "c++",
    ]  # fmt: skip
    key = hashlib.sha256((text + HEADER.read_text() + repr(flags)).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"graphtorch_simulator_{os.getuid()}"
    folder.mkdir(exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        source, made = folder / f"{key}.{os.getpid()}.cpp", folder / f"{key}.{os.getpid()}.so"
        source.write_text(text)
        command = [str(COMPILER), *flags, str(source), "-o", str(made)]
        done = subprocess.run(command, capture_output=True, text=True)
        source.unlink()
        if done.returncode:
            raise SimulationError(done.stderr[:4000])
        made.replace(library)
    loaded = ctypes.CDLL(str(library))
    return {name: Kernel(loaded, name) for name in names}


def kernel_names(text: str) -> list[str]:
    """The kernels a text defines."""
    return re.findall(r'extern "C" __global__ void __launch_bounds__\(\d+\) (\w+)\(', text)
