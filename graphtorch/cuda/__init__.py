"""`torch.cuda`: GPUs through CuPy.  Without CuPy or without a driver there are none, and it says so.

A tensor on a GPU lies in managed memory: compiled graphs run on it as CUDA kernels, eager ops and ops
without a kernel as NumPy kernels on the same bytes (see `tensors` and `codegen.cuda`).  Random
numbers come from the one default generator.  CuPy is imported when a GPU is first asked for.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ..codegen.cuda import device as _devices
from ..errors import GraphtorchError, UnsupportedError, message
from ..frontend.device import device as _device
from ..frontend.tensor import Tensor
from .streams import Event, Stream, current_stream, default_stream, stream

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


def manual_seed(seed: int) -> None:
    """Accepted: random numbers on a GPU come from the default generator."""


manual_seed_all = manual_seed


def seed_all() -> None:
    """Accepted, see `manual_seed`."""
