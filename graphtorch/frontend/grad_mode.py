"""Whether operations are put on the tape: `no_grad`, `enable_grad`, `inference_mode`.

The switch is per thread, as in PyTorch.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any


class _GradMode(threading.local):
    enabled = True
    inference = False
    watching = False  # saved-tensor hooks or anomaly detection are on, see watching.py


state = _GradMode()


def is_grad_enabled() -> bool:
    """Return whether new operations are recorded for `backward`."""
    return state.enabled


def is_inference_mode_enabled() -> bool:
    """Return whether `inference_mode` is active."""
    return state.inference


class _Switch:
    """A context manager that is also a decorator, as PyTorch's grad modes are."""

    enabled = True
    inference = False

    def __enter__(self) -> None:
        self._previous = (state.enabled, state.inference)
        state.enabled = self.enabled
        state.inference = self.inference or state.inference

    def __exit__(self, *error: Any) -> None:
        state.enabled, state.inference = self._previous

    def __call__(self, function: Callable) -> Callable:
        switch = self
        if inspect.isclass(function):
            function.__init__ = switch(function.__init__)
            return function
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def generator(*args: Any, **kwargs: Any) -> Any:
                with switch._clone():
                    iterator = function(*args, **kwargs)
                while True:
                    with switch._clone():
                        try:
                            item = next(iterator)
                        except StopIteration as stop:
                            return stop.value
                    yield item

            return generator

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with switch._clone():
                return function(*args, **kwargs)

        return wrapper

    def _clone(self) -> _Switch:
        clone = object.__new__(type(self))
        clone.__dict__.update(self.__dict__)
        return clone


class no_grad(_Switch):
    """Do not record operations for `backward`; a context manager or decorator.

    >>> import graphtorch as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    enabled = False

    def __new__(cls, function: Callable | None = None) -> Any:
        self = super().__new__(cls)
        return self(function) if function is not None else self


class enable_grad(_Switch):
    """Record operations for `backward` again, inside a `no_grad` block."""

    enabled = True

    def __new__(cls, function: Callable | None = None) -> Any:
        self = super().__new__(cls)
        return self(function) if function is not None else self


class inference_mode(_Switch):
    """`no_grad` for code whose results will never be differentiated."""

    enabled = False
    inference = True

    def __new__(cls, mode: bool | Callable = True) -> Any:
        self = super().__new__(cls)
        return self(mode) if callable(mode) else self

    def __init__(self, mode: bool = True):
        self.enabled = not mode if isinstance(mode, bool) else False
        self.inference = bool(mode)


class set_grad_enabled(_Switch):
    """Switch recording on or off, at once and for a `with` block."""

    def __init__(self, mode: bool):
        self._before = (state.enabled, state.inference)
        self.enabled = bool(mode)
        state.enabled = self.enabled

    def __enter__(self) -> None:
        self._previous = self._before
        state.enabled = self.enabled

    def __call__(self, function: Callable) -> Callable:
        state.enabled = self._before[0]
        return super().__call__(function)
