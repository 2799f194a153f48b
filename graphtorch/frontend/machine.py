"""Switches and questions about this machine and process: `torch.get_device_module`, `torch.from_file`, ..."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from ..ir.types import DType, int64
from . import promotion, settings
from .device import device as Device
from .functional.wrapping import concrete, fresh
from .tensor import Tensor, wrap

_warn_always = False
_MODES = {0: "default", 1: "warn", 2: "error"}


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 or "default", 1 or "warn", 2 or "error"; every algorithm here is deterministic."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    mode = _MODES.get(debug_mode, debug_mode) if isinstance(debug_mode, int) else debug_mode
    if mode not in _MODES.values():
        raise RuntimeError(
            f"invalid value of debug_mode, expected `default`, `warn`, `error` or 0, 1, 2, but got {debug_mode}"
        )
    settings.use_deterministic_algorithms(mode != "default", warn_only=mode == "warn")


def get_deterministic_debug_mode() -> int:
    """The mode's number."""
    if not settings.are_deterministic_algorithms_enabled():
        return 0
    return 1 if settings.is_deterministic_algorithms_warn_only_enabled() else 2


def set_warn_always(b: bool, /) -> None:
    """Accepted: a warning is given as often as Python's filters let it."""
    global _warn_always
    _warn_always = b


def is_warn_always_enabled() -> bool:
    """What `set_warn_always` set."""
    return _warn_always


def set_flush_denormal(mode: bool) -> bool:
    """False: the processor's floating-point modes are never touched."""
    return False


def get_num_interop_threads() -> int:
    """1: ops run one after the other, each on all threads."""
    return 1


def set_num_interop_threads(num: int, /) -> None:
    """Accepted for 1 and more; raises RuntimeError otherwise."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")


def compiled_with_cxx11_abi() -> bool:
    """True, as PyTorch's wheels answer; there is no C++ library."""
    return True


def is_vulkan_available() -> bool:
    """Always False."""
    return False


def is_distributed(input: Tensor) -> bool:
    """Always False."""
    return False


def get_device(input: Tensor) -> int:
    """The number of the tensor's device; -1 in main memory."""
    return input.get_device()  # type: ignore[attr-defined]


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have one shape."""
    return input._array.shape == other._array.shape


def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


def is_conj(input: Tensor) -> bool:
    """False: conjugates are computed at once."""
    return False


def is_neg(input: Tensor) -> bool:
    """False: negatives are computed at once."""
    return False


def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return input.is_inference()  # type: ignore[attr-defined]


def get_device_module(device: Any = None) -> Any:
    """The module of a device: `torch.cuda` for "cuda"; raises RuntimeError for a device without one."""
    import graphtorch

    if device is None:
        kind = "cuda" if graphtorch.cuda.is_available() else "cpu"
    else:
        kind = (device if isinstance(device, Device) else Device(device)).type
    module = getattr(graphtorch, kind, None)
    if module is None:
        raise RuntimeError(
            f"Device '{kind}' does not have a corresponding module registered as 'torch.{kind}'."
        )
    return module


def from_file(
    filename: str | os.PathLike,
    shared: bool | None = None,
    size: int | None = 0,
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor over the first `size` elements of a file.

    shared: writes go to the file, which is made or grown as needed; otherwise they stay in memory.
    """
    dtype = dtype or promotion.get_default_dtype()
    count = int(size or 0)
    if shared:
        needed = count * dtype.itemsize
        with open(filename, "ab") as file:
            if file.tell() < needed:
                file.truncate(needed)
    if not count:
        array = np.empty(0, dtype.numpy)
    else:
        array = np.memmap(filename, dtype.numpy, "r+" if shared else "c", shape=(count,))
    return wrap(np.asarray(array)).requires_grad_(requires_grad)


def set_default_tensor_type(t: Any, /) -> None:
    """Choose the dtype of new floating-point tensors by an old type's name; raises TypeError for integers."""
    from .legacy import TYPES

    name = t.rpartition(".")[2] if isinstance(t, str) else t.__name__
    if name not in TYPES:
        raise TypeError(f"invalid type object: {t!r}")
    promotion.set_default_dtype(TYPES[name].dtype)


def _assert_async(input: Tensor, assert_msg: str | None = None) -> None:
    """Raise RuntimeError unless the one element is true."""
    values = concrete(input)
    if values.size != 1:
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous" if values.size
                           else "Boolean value of Tensor with no values is ambiguous")  # fmt: skip
    if not values.reshape(-1)[0]:
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


def _shape_as_tensor(input: Tensor) -> Tensor:
    """The shape as int64[ndim]."""
    return fresh(np.array(input._array.shape, int64.numpy))


def _is_all_true(input: Tensor) -> Tensor:
    """Whether every element of a bool tensor is true."""
    return input.all()  # type: ignore[attr-defined]


def _is_any_true(input: Tensor) -> Tensor:
    """Whether some element of a bool tensor is true."""
    return input.any()  # type: ignore[attr-defined]


def get_autocast_cpu_dtype() -> DType:
    """What `autocast("cpu")` casts to."""
    return _autocast_dtype("cpu")


def get_autocast_gpu_dtype() -> DType:
    """What `autocast("cuda")` casts to."""
    return _autocast_dtype("cuda")


def is_autocast_cpu_enabled() -> bool:
    """Whether `autocast("cpu")` is on."""
    import graphtorch

    return graphtorch.is_autocast_enabled("cpu")


def _autocast_dtype(kind: str) -> DType:
    import graphtorch

    warnings.warn(
        f"torch.get_autocast_{'gpu' if kind == 'cuda' else kind}_dtype() is deprecated. Please use"
        f" torch.get_autocast_dtype('{kind}') instead.",
        DeprecationWarning,
        stacklevel=3,
    )
    return graphtorch.get_autocast_dtype(kind)
