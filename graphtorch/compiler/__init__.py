"""`torch.compiler`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import absent as absent
from ..frontend.compile import compile as compile
from ..frontend.trace import is_tracing


def is_compiling() -> bool:
    """Whether the code runs under the tracer."""
    return is_tracing()


def is_dynamo_compiling() -> bool:
    """Whether the code runs under the tracer."""
    return is_tracing()


def is_exporting() -> bool:
    """Always False."""
    return False


def disable(
    fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None
) -> Any:
    """Leave a function, and what calls it, to eager execution."""
    if fn is None:
        return lambda function: disable(function, recursive, reason=reason)

    from functools import wraps

    from ..frontend.trace import active

    @wraps(fn)
    def left_to_eager(*args: Any, **kwargs: Any) -> Any:
        tracer = active()
        if tracer is not None:
            tracer.leave(
                f"{fn.__name__} is marked with torch.compiler.disable"
                + (f": {reason}" if reason else ""),
                fn.__name__,
            )
        return fn(*args, **kwargs)

    return left_to_eager


def allow_in_graph(fn: Any) -> Any:
    """Return `fn`: everything is traced through."""
    return fn


assume_constant_result = allow_in_graph


def reset() -> None:
    """Accepted: compiled functions forget through their own `reset()`."""


def cudagraph_mark_step_begin() -> None:
    """Accepted: there are no CUDA graphs here."""


__getattr__ = absent.names_of(__name__)
