"""`torch.overrides`.  `__torch_function__` is not called: functions treat every tensor subclass as a tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .errors import UnsupportedError, message
from .frontend.tensor import Tensor


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument overrides functions: never."""
    return False


def has_torch_function_unary(obj: Any) -> bool:
    """Whether the argument overrides functions: never."""
    return False


def has_torch_function_variadic(*args: Any) -> bool:
    """Whether an argument overrides functions: never."""
    return False


def handle_torch_function(
    public_api: Callable, relevant_args: Any, *args: Any, **kwargs: Any
) -> Any:
    """Call the override, of which there are none."""
    raise UnsupportedError(message("__torch_function__ is not supported"))


def is_tensor_like(inp: Any) -> bool:
    """Whether the object is a tensor."""
    return isinstance(inp, Tensor)


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether the function is a method of Tensor."""
    return getattr(Tensor, getattr(func, "__name__", ""), None) is func
