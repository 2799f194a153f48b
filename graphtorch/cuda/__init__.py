"""`torch.cuda`: GPUs through CuPy.  Without CuPy or without a driver there are none, and it says so.

A tensor on a GPU lies in managed memory: compiled graphs run on it as CUDA kernels, eager ops and ops
without a kernel as NumPy kernels on the same bytes (see `tensors` and `codegen.cuda`).  Random
numbers come from the one default generator.  CuPy is imported when a GPU is first asked for.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from .. import absent
from ..codegen.cuda import device as _devices
from ..errors import GraphtorchError, UnsupportedError, message
from ..frontend.device import device as _device
from ..frontend.tensor import Tensor
from . import amp as amp
from . import nvtx as nvtx
from . import random as random
from .memory import memory_stats as memory_stats
from .memory import memory_summary as memory_summary
from .memory import reset_max_memory_allocated as reset_max_memory_allocated
from .memory import reset_max_memory_cached as reset_max_memory_cached
from .random import default_generators as default_generators
from .random import get_rng_state as get_rng_state
from .random import get_rng_state_all as get_rng_state_all
from .random import initial_seed as initial_seed
from .random import manual_seed as manual_seed
from .random import manual_seed_all as manual_seed_all
from .random import seed as seed
from .random import seed_all as seed_all
from .random import set_rng_state as set_rng_state
from .random import set_rng_state_all as set_rng_state_all
from .streams import (
    CUDAGraph,
    Event,
    Stream,
    StreamContext,
    current_stream,
    default_stream,
    graph,
    stream,
)

_current = 0


class OutOfMemoryError(GraphtorchError):
    """The GPU has no room; PyTorch's name for it."""


def _gpu(where: Any = None) -> _devices.CupyDevice:
    """The GPU meant by a device argument; raises as PyTorch does where there is none."""
    try:
        return _devices.device(_number(where))
    except UnsupportedError as error:
        raise AssertionError(
            message("Torch not compiled with CUDA enabled", hint=str(error))
        ) from None


def _number(where: Any = None) -> int:
    if where is None:
        return _current
    if isinstance(where, int):
        return where
    found = _device(where)
    if found.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return _current if found.index is None else found.index


def is_available() -> bool:
    """Whether tensors can be moved to a GPU."""
    return device_count() > 0


def device_count() -> int:
    """Number of GPUs that tensors can be moved to."""
    return _devices.device_count()


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return _devices.device.cache_info().currsize > 0


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a GPU computes in bfloat16 (kernels hold it in memory and compute in float32)."""
    return is_available()


def transfer(x: Tensor, where: _device) -> Tensor:
    """Copy a tensor to a GPU, or from one; raises where that device is not there."""
    from .tensors import moved

    if where.type == "cpu":
        return moved(x, None, None)
    if where.type == "cuda":
        number = _number(where)
        return moved(x, _device("cuda", number), _gpu(number))
    raise UnsupportedError(
        message(f"device '{where}' is not supported", operands={"x": x.type_}, hint="use 'cpu'")
    )


def init() -> None:
    """Start CUDA; raises where there is no GPU."""
    _gpu()


def current_device() -> int:
    """Number of the GPU that `device="cuda"` means."""
    _gpu()
    return _current


def set_device(device: Any) -> None:
    """Choose the GPU that `device="cuda"` means."""
    global _current
    number = _number(device)
    _gpu(number)
    _current = number


def get_device_properties(device: Any = None) -> SimpleNamespace:
    """Name, total_memory, major, minor and multi_processor_count of a GPU."""
    gpu = _gpu(device)
    found = gpu.cupy.cuda.runtime.getDeviceProperties(gpu.number)
    return SimpleNamespace(
        name=found["name"].decode(),
        total_memory=found["totalGlobalMem"],
        major=found["major"],
        minor=found["minor"],
        multi_processor_count=found["multiProcessorCount"],
    )


def get_device_name(device: Any = None) -> str:
    """A GPU's name."""
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """A GPU's compute capability, (8, 0) for example."""
    found = get_device_properties(device)
    return found.major, found.minor


def synchronize(device: Any = None) -> None:
    """Wait for a GPU."""
    _gpu(device).synchronize()


def memory_allocated(device: Any = None) -> int:
    """Bytes of tensors and arenas on a GPU; 0 if none is in use."""
    return _gpu(device).pool.used_bytes() if is_initialized() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes held on a GPU, with freed blocks that are kept; 0 if none is in use."""
    return _gpu(device).pool.total_bytes() if is_initialized() else 0


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Free and total bytes of a GPU."""
    gpu = _gpu(device)
    with gpu.cupy.cuda.Device(gpu.number):
        free, total = gpu.cupy.cuda.runtime.memGetInfo()
    return int(free), int(total)


# Freed blocks are kept until `empty_cache`, so what is held now is the most that was.
max_memory_allocated = max_memory_reserved = memory_reserved


def reset_peak_memory_stats(device: Any = None) -> None:
    """Peaks are not recorded apart from what is held."""


def empty_cache() -> None:
    """Give freed blocks back to the driver."""
    if is_initialized():
        _gpu().pool.free_all_blocks()


class device:
    """A context manager: the GPU that `device="cuda"` means.  None and negative numbers change nothing."""

    def __init__(self, device: Any):
        self.idx = -1 if device is None or device == -1 else _number(device)

    def __enter__(self) -> None:
        global _current
        self.prev_idx = _current
        if self.idx >= 0:
            _gpu(self.idx)
            _current = self.idx

    def __exit__(self, *error: Any) -> None:
        global _current
        _current = self.prev_idx


class device_of(device):
    """A context manager: the GPU of a tensor; one in main memory changes nothing."""

    def __init__(self, obj: Tensor):
        super().__init__(obj._device.index or 0 if obj._device is not None else None)


def is_current_stream_capturing() -> bool:
    """False: there are no graphs of launches to capture."""
    return False


def ipc_collect() -> None:
    """Nothing is shared between processes."""


def get_arch_list() -> list[str]:
    """The architectures kernels are compiled for ahead of time: none, they are compiled when needed."""
    return []


has_half = True
_TENSORS = (
    "FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor ByteTensor"
    " BoolTensor"
).split()


def __getattr__(name: str) -> Any:
    if name in _TENSORS:
        from ..frontend.legacy import on_gpu

        return on_gpu(name)
    if name == "_initialized":
        return is_initialized()
    raise absent.error(__name__, name)
