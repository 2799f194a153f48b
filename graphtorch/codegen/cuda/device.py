"""The GPU as the executable sees it: memory, modules and launches, through CuPy.

Memory is managed memory (`cudaMallocManaged`): NumPy and kernels look at the same addresses, and the
driver moves pages to where they are used.  So eager NumPy kernels and host calls work on it as they
are, and compiled graphs run on it without copies; `synchronize` stands between the two.

CuPy is imported when a GPU is first asked for.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Protocol

import numpy as np

from ...errors import UnsupportedError

NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed a"
    " driver from http://www.nvidia.com/Download/index.aspx"
)
Launcher = Callable[[tuple[int, int], int, Sequence[int]], None]


class Device(Protocol):
    """Where a CUDA program runs; tests have one that simulates.

    memory(nbytes): fresh bytes that NumPy and kernels can both address.
    holds(array): whether kernels can address an array's memory.
    load(text, names): the named kernels of a module; called with grid, threads and 8-byte arguments.
    """

    def memory(self, nbytes: int) -> np.ndarray: ...

    def holds(self, array: np.ndarray) -> bool: ...

    def load(self, text: str, names: Sequence[str]) -> Mapping[str, Launcher]: ...

    def copy(self, to: int, source: int, nbytes: int) -> None: ...

    def synchronize(self) -> None: ...


class CupyDevice:
    """A GPU, through CuPy; work goes to CuPy's current stream."""

    def __init__(self, cupy: Any, number: int):
        self.cupy = cupy
        self.number = number
        self.architecture = f"sm_{cupy.cuda.Device(number).compute_capability}"
        self.pool = cupy.cuda.MemoryPool(cupy.cuda.malloc_managed)

    def memory(self, nbytes: int) -> np.ndarray:
        with self.cupy.cuda.Device(self.number):
            piece = self.pool.malloc(max(nbytes, 1))
        cells = (ctypes.c_uint8 * max(nbytes, 1)).from_address(piece.ptr)
        cells.piece = piece  # type: ignore[attr-defined]  # lives as long as a view of it
        whole: np.ndarray = np.ctypeslib.as_array(cells)
        return whole[:nbytes]

    def holds(self, array: np.ndarray) -> bool:
        runtime = self.cupy.cuda.runtime
        found = runtime.pointerGetAttributes(array.ctypes.data)
        return bool(found.type == runtime.memoryTypeManaged) or array.size == 0

    def load(self, text: str, names: Sequence[str]) -> Mapping[str, Launcher]:
        from .nvrtc import image_of

        image = image_of(text, self.architecture, names[0])
        with self.cupy.cuda.Device(self.number):
            module = self.cupy.cuda.function.Module()
            module.load(image)
            return {name: self._launcher(module.get_function(name)) for name in names}

    def _launcher(self, function: Any) -> Launcher:
        device = self.cupy.cuda.Device(self.number)

        def launch(grid: tuple[int, int], threads: int, arguments: Sequence[int]) -> None:
            with device:
                words = tuple(np.int64(argument) for argument in arguments)
                function((*grid, 1), (threads, 1, 1), words)

        return launch

    def copy(self, to: int, source: int, nbytes: int) -> None:
        runtime = self.cupy.cuda.runtime
        stream = self.cupy.cuda.get_current_stream().ptr
        runtime.memcpyAsync(to, source, nbytes, runtime.memcpyDefault, stream)

    def synchronize(self) -> None:
        with self.cupy.cuda.Device(self.number):
            self.cupy.cuda.get_current_stream().synchronize()


@cache
def _cupy() -> Any:
    """CuPy; raises UnsupportedError where it is not installed."""
    try:
        import cupy
    except ImportError as error:
        raise UnsupportedError(
            f"tensors on a GPU need CuPy, which is missing here ({error}): pip install 'graphtorch[cuda]'"
        ) from None
    return cupy


def device_count() -> int:
    """Number of GPUs that work; 0 without CuPy or a driver."""
    try:
        return int(_cupy().cuda.runtime.getDeviceCount())
    except UnsupportedError:
        return 0
    except _cupy().cuda.runtime.CUDARuntimeError:
        return 0


@cache
def device(number: int = 0) -> CupyDevice:
    """A GPU; raises RuntimeError with PyTorch's words where there is none."""
    cupy = _cupy()
    count = device_count()
    if not count:
        raise RuntimeError(NO_DRIVER)
    if not 0 <= number < count:
        raise RuntimeError(f"CUDA error: invalid device ordinal ({number} of {count})")
    return CupyDevice(cupy, number)
