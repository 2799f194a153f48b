"""`out=` for functions made of other functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from .wrapping import into


def takes_out(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with a keyword `out`: a tensor, or a tuple of them for several results.

    >>> import graphtorch as torch
    >>> y = torch.empty(2)
    >>> torch.special.entr(torch.ones(2), out=y) is y
    True
    """

    @wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if out is None:
            return result
        if isinstance(result, tuple):
            stored = [into(target, part) for target, part in zip(out, result, strict=True)]
            return type(result)(*stored) if hasattr(result, "_fields") else tuple(stored)
        return into(out, result)

    return call
