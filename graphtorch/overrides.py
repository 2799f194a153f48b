"""`torch.overrides`: asking arguments (`__torch_function__`) and modes before a function runs.

has_torch_function((a, b))                       is there anyone to ask?
handle_torch_function(f, (a, b), a, b, dim=0)    ask them
with TorchFunctionMode(): ...                    asked at every call of a public function
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable
from typing import Any

from . import absent as absent
from .frontend import overriding as _o
from .frontend.tensor import Tensor

_o.install()


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether an argument, or a mode, wants to be asked."""
    if _o.state.modes:
        return True
    return _o.state.subclasses and any(_o.asks(a.__class__) for a in relevant_args)


def has_torch_function_unary(obj: Any) -> bool:
    """`has_torch_function` of one argument."""
    return has_torch_function((obj,))


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of the arguments given."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Ask modes, then the relevant arguments, to carry out `public_api(*args, **kwargs)`.

    Raises TypeError if all of them return NotImplemented.
    """
    asked = _o.overloaded(relevant_args) if _o.state.subclasses else []
    return _o.call(public_api, asked, args, kwargs)


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """Decorator that lets a function of yours ask the arguments that `dispatcher(*args)` returns."""

    def inner(func: Callable) -> Callable:
        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return wrapped

    return inner


def is_tensor_like(inp: Any) -> bool:
    """Whether the object is a tensor or answers `__torch_function__`.

    >>> import graphtorch as torch
    >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like([1])
    (True, False)
    """
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether the function is a method of Tensor, or the getter of one of its properties."""
    if getattr(func, "__name__", None) == "__get__":
        return True
    return func in _methods()


def _methods() -> set[Any]:
    return {v for v in vars(Tensor).values() if isinstance(v, types.FunctionType)}


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """The public functions that ask, by the namespace they are in."""
    found: dict[Any, list[Callable]] = {}
    for namespace in _o.namespaces():
        functions = [f for _, f in _o._public(namespace) if f in _o.originals]
        if functions:
            found[namespace] = functions
    return found


def get_ignored_functions() -> set[Callable]:
    """The public functions that never ask."""
    import graphtorch

    return {
        value
        for value in vars(graphtorch).values()
        if isinstance(value, types.FunctionType) and value not in _o.originals
    }


def get_default_nowrap_functions() -> set[Callable]:
    """What gives plain tensors for subclasses of Tensor."""
    return _o.nowrap()


def get_testing_overrides() -> dict[Callable, Callable]:
    """For every function that asks, a lambda of the same signature that returns -1."""
    import inspect

    def dummy(function: Callable) -> Callable:
        def answer(*args: Any, **kwargs: Any) -> int:
            return -1

        answer.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
        return answer

    return {f: dummy(f) for functions in get_overridable_functions().values() for f in functions}


def resolve_name(f: Any) -> str | None:
    """The public name of a function that asks: `torch.add`, `torch.Tensor.add_`."""
    import graphtorch

    for namespace in _o.namespaces():
        name = "torch.Tensor" if namespace is Tensor else namespace.__name__.replace("graphtorch", "torch", 1)  # fmt: skip
        for key, function in _o._public(namespace):
            if function is f and getattr(graphtorch, key, None) is f:
                return f"torch.{key}"
            if function is f:
                return f"{name}.{key}"
    return None


class TorchFunctionMode:
    """A `with` block in which every public function asks this object first.

    Override `__torch_function__(self, func, types, args=(), kwargs=None)`; inside it the mode is off,
    so calling `func(*args, **kwargs)` is the function itself (or the next mode).

    >>> import graphtorch as torch
    >>> from graphtorch.overrides import TorchFunctionMode
    >>> class Names(TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Names():
    ...     y = torch.relu(torch.ones(2))
    ones
    relu
    """

    def __init__(self) -> None:
        pass

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        _o.install()
        _o.state.modes = (*_o.state.modes, self)
        return self

    def __exit__(self, *error: Any) -> None:
        _o.state.modes = _o.state.modes[:-1]

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> TorchFunctionMode:
        """An instance to be entered."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(
        self, func: Callable, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


class enable_reentrant_dispatch:
    """Accepted: calls from inside a handler are asked about like others."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass


def _get_current_function_mode_stack() -> list[Any]:
    """The active modes, outermost first."""
    return list(_o.state.modes)


def _get_current_function_mode() -> Any:
    """The innermost mode, or None."""
    return _o.state.modes[-1] if _o.state.modes else None


_disabled_torch_function_impl = classmethod(_o.disabled)

__all__ = [
    "BaseTorchFunctionMode", "TorchFunctionMode", "enable_reentrant_dispatch", "get_default_nowrap_functions",
    "get_ignored_functions", "get_overridable_functions", "get_testing_overrides", "handle_torch_function",
    "has_torch_function", "is_tensor_like", "is_tensor_method_or_property", "resolve_name",
    "wrap_torch_function",
]  # fmt: skip

__getattr__ = absent.names_of(__name__)
