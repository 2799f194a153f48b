"""Questions about values, and switches that PyTorch programs set and that change nothing here."""

from __future__ import annotations

from typing import Any

from .autocasting import get_autocast_dtype as get_autocast_dtype
from .autocasting import is_autocast_enabled as is_autocast_enabled
from .tensor import Tensor
from .untyped_storage import TypedStorage, UntypedStorage


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """Whether `obj` is a storage."""
    return isinstance(obj, UntypedStorage | TypedStorage)


def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a floating-point one."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the dtype is a complex one."""
    return input.dtype.is_complex


def typename(obj: Any) -> str:
    """The name of a tensor's old type, or of any object's class."""
    if isinstance(obj, Tensor):
        return obj.type()
    return f"{type(obj).__module__}.{type(obj).__qualname__}"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Accepted: every algorithm here is deterministic."""


def are_deterministic_algorithms_enabled() -> bool:
    """Always True."""
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """Accepted: float32 products are always computed in float32."""


def get_float32_matmul_precision() -> str:
    """Always "highest"."""
    return "highest"


def _assert(condition: Any, message: str) -> None:
    """`assert condition, message` as a function."""
    assert condition, message


def _check(condition: bool, message: Any = None) -> None:
    """Raise RuntimeError(message()) unless the condition holds."""
    if not condition:
        raise RuntimeError("Expected cond to be True" if message is None else message())
