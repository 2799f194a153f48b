"""`torch._C`: the private names of PyTorch's C++ library that programs use all the same."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .. import absent
from ..frontend.random import Generator as Generator
from ..frontend.tensor import Tensor

_TensorMeta = type(Tensor)
TensorBase = _TensorBase = Tensor


def _log_api_usage_once(event: str) -> None:
    """Accepted; nobody is told."""


def _get_tracing_state() -> None:
    """None: `torch.jit.trace` does not run programs symbolically."""


def _are_functorch_transforms_active() -> bool:
    """Whether the program runs inside `torch.func.grad`, `vmap` or `jvp`."""
    from ..frontend.level import levels

    return bool(levels())


def _get_default_device() -> str:
    from ..frontend.device import get_default_device

    return get_default_device().type


def _get_accelerator(check: bool = False) -> Any:
    """The device kind that programs would use."""
    from .. import cuda
    from ..frontend.device import device

    return device("cuda" if cuda.is_available() else "cpu")


def _is_alias_of(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors share a buffer."""
    return a._storage is b._storage


def _cuda_isInBadFork() -> bool:
    """Always False: a child starts its own context."""
    return False


def _jit_set(*args: Any) -> bool:
    """Accepted: switches of a compiler that is not here."""
    return False


_jit_set_profiling_executor = _jit_set_profiling_mode = _jit_override_can_fuse_on_cpu = _jit_set
_jit_override_can_fuse_on_gpu = _jit_set_texpr_fuser_enabled = _jit_set_nvfuser_enabled = _jit_set


class DispatchKey(Enum):
    """Names of PyTorch's dispatcher; here they only name."""

    CPU = "CPU"
    CUDA = "CUDA"
    Meta = "Meta"
    Autograd = "Autograd"
    AutogradCPU = "AutogradCPU"
    AutogradCUDA = "AutogradCUDA"
    AutocastCPU = "AutocastCPU"
    AutocastCUDA = "AutocastCUDA"
    AutocastXPU = "AutocastXPU"
    CompositeExplicitAutograd = "CompositeExplicitAutograd"
    CompositeImplicitAutograd = "CompositeImplicitAutograd"


class DispatchKeySet:
    """A set of such names."""

    def __init__(self, *keys: DispatchKey):
        self.keys = frozenset(keys)

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*(self.keys | other.keys))

    def has(self, key: DispatchKey) -> bool:
        """Whether the key is in the set."""
        return key in self.keys


_OVERRIDING = {
    "DisableTorchFunctionSubclass": "without_subclasses",
    "DisableTorchFunction": "without_any",
    "_disabled_torch_function_impl": "disabled",
}
_missing = absent.names_of(__name__)


def _is_torch_function_mode_enabled() -> bool:
    """Whether a TorchFunctionMode is active."""
    from ..frontend.overriding import state

    return bool(state.modes)


class _ExcludeDispatchKeyGuard:
    """Accepted: there is no dispatcher to pass by."""

    def __init__(self, keys: DispatchKeySet):
        self.keys = keys

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: Any) -> None:
        pass


def __getattr__(name: str) -> Any:
    if name in ("_functorch", "_nn"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    if name in _OVERRIDING:
        from ..frontend import overriding

        return getattr(overriding, _OVERRIDING[name])
    return _missing(name)
