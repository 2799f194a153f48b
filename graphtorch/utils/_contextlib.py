"""`torch.utils._contextlib`: context managers that are decorators, too; generators are entered at every step."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any


def context_decorator(ctx: Any, func: Any) -> Any:
    """Run `func` inside `ctx` (a context manager, or a function that makes one)."""
    if callable(ctx) and hasattr(ctx, "__enter__"):
        raise ValueError(
            f"Passed in {ctx} is both callable and also a valid context manager (has __enter__),"
            " making it ambiguous which interface to use."
        )
    make = ctx if callable(ctx) else lambda: ctx
    if inspect.isclass(func):
        raise RuntimeError("Cannot decorate classes; it is ambiguous what to decorate")
    if inspect.isgeneratorfunction(func):
        return _generator(make, func)

    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        with make():
            return func(*args, **kwargs)

    return inside


def _generator(make: Callable[[], Any], func: Callable[..., Iterator]) -> Callable[..., Iterator]:
    @functools.wraps(func)
    def inside(*args: Any, **kwargs: Any) -> Any:
        steps = func(*args, **kwargs)
        sent, action = None, steps.send
        while True:
            try:
                with make():
                    value = action(sent)
            except StopIteration as end:
                return end.value
            try:
                sent, action = (yield value), steps.send
            except GeneratorExit:
                with make():
                    steps.close()
                raise
            except BaseException as error:
                sent, action = error, steps.throw

    return inside


class _DecoratorContextManager:
    """Base of context managers that may decorate a function."""

    def __call__(self, orig_func: Any) -> Any:
        return context_decorator(self.clone, orig_func)

    def __enter__(self) -> Any:
        raise NotImplementedError

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> Any:
        raise NotImplementedError

    def clone(self) -> Any:
        """Another one with the same settings."""
        return self.__class__()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """Base of those without settings: `@manager` works without parentheses."""

    def __new__(cls, orig_func: Any = None) -> Any:
        if orig_func is None:
            return super().__new__(cls)
        return cls()(orig_func)
