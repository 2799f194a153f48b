"""Questions about values, and switches that PyTorch programs set and that change nothing here."""

from __future__ import annotations

from typing import Any

from .autocasting import get_autocast_dtype as get_autocast_dtype
from .autocasting import is_autocast_enabled as is_autocast_enabled
from .tensor import Tensor
from .typed_storage import TypedStorage
from .untyped_storage import UntypedStorage


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
    """The name of a tensor's old type, of a class or function, or of any object's class."""
    if isinstance(obj, Tensor):
        return obj.type()
    room = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    name = name or type(obj).__name__
    return name if room in (None, "", "builtins") else f"{room}.{name}"


_deterministic, _warn_only = False, False
_precision = "highest"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Keep the switch: every algorithm here is deterministic either way."""
    global _deterministic, _warn_only
    _deterministic, _warn_only = bool(mode), bool(mode and warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What `use_deterministic_algorithms` set."""
    return _deterministic


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether a missing deterministic algorithm would only warn; there is none that is missing."""
    return _warn_only


def set_float32_matmul_precision(precision: str) -> None:
    """Keep the choice ("highest", "high", "medium"): float32 products are always computed in float32.

    Raises RuntimeError for another word.
    """
    global _precision
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"float32_matmul_precision must be one of 'highest', 'high' or 'medium', but got {precision}"
        )
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` set."""
    return _precision


def _assert(condition: Any, message: str) -> None:
    """`assert condition, message` as a function."""
    assert condition, message


def _check(cond: bool, message: Any = None) -> None:
    """Raise RuntimeError(message()) unless the condition holds."""
    if not cond:
        raise RuntimeError("Expected cond to be True" if message is None else message())
