"""`torch.cuda`.  Tensors live in main memory only, so there are no devices to find here."""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError, message
from ..frontend.device import device as _device
from ..frontend.tensor import Tensor


def is_available() -> bool:
    """Whether tensors can be moved to a GPU."""
    return False


def device_count() -> int:
    """Number of GPUs that tensors can be moved to."""
    return 0


def is_initialized() -> bool:
    """Whether a GPU is in use."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a GPU computes in bfloat16."""
    return False


def transfer(x: Tensor, where: _device) -> Tensor:
    """Copy a tensor to another device; raises where that device is not there."""
    if where.type == "cuda":
        raise AssertionError(
            message(
                "Torch not compiled with CUDA enabled",
                operands={"x": x.type_},
                hint="tensors live on the CPU",
            )
        )
    raise UnsupportedError(
        message(f"device '{where}' is not supported", operands={"x": x.type_}, hint="use 'cpu'")
    )


def _missing(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError(message("Torch not compiled with CUDA enabled"))


current_device = get_device_name = get_device_capability = get_device_properties = set_device = (
    _missing
)
Stream = Event = current_stream = mem_get_info = _missing


def manual_seed(seed: int) -> None:
    """Accepted: there is no GPU generator to seed."""


manual_seed_all = manual_seed


def seed_all() -> None:
    """Accepted: there is no GPU generator to seed."""


def synchronize(device: Any = None) -> None:
    """Nothing runs asynchronously."""


def empty_cache() -> None:
    """Nothing is cached on a GPU."""


def memory_allocated(device: Any = None) -> int:
    """Bytes of GPU memory in use: 0."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset."""


def init() -> None:
    """Nothing to start."""
