"""`torch.compiler`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

from .. import absent as absent
from .. import config
from ..errors import UnsupportedError, message
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


class set_stance:
    """How compiled functions behave from now on, or in a `with` block, or in a decorated function.

    stance: "default", or "force_eager": functions run as if they were not compiled.
    Raises UnsupportedError for PyTorch's other stances.

    >>> import graphtorch as torch
    >>> f = torch.compile(lambda x: x + 1)
    >>> with torch.compiler.set_stance("force_eager"):
    ...     y = f(torch.ones(2))
    >>> f.cache_info().variants
    0
    """

    def __init__(
        self,
        stance: str = "default",
        *,
        skip_guard_eval_unsafe: bool = False,
        force_backend: Any = None,
    ):
        modes = {"default": config.from_environment().compile, "force_eager": "0"}
        if stance not in modes:
            raise UnsupportedError(
                message(
                    f"torch.compiler.set_stance({stance!r}) is not supported",
                    hint="the stances are 'default' and 'force_eager'",
                )
            )
        self.stance = stance
        self.before = config.flags
        config.flags = replace(config.flags, compile=modes[stance])

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        config.flags = self.before

    def __call__(self, fn: Callable) -> Callable:
        config.flags = self.before

        @wraps(fn)
        def with_stance(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self.stance):
                return fn(*args, **kwargs)

        return with_stance


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """Names for `torch.compile(backend=...)`: one."""
    return ["graphtorch"]


def cudagraph_mark_step_begin() -> None:
    """Accepted: there are no CUDA graphs here."""


__getattr__ = absent.names_of(__name__)
