"""`torch.cuda.nvtx`: ranges for NVIDIA's profilers, through CuPy where there is a GPU; counted otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_depth = 0


def _marks() -> Any:
    from . import _gpu, is_available

    return _gpu().cupy.cuda.nvtx if is_available() else None


def range_push(msg: str) -> int:
    """Begin a range inside the present one; returns how deep it lies."""
    global _depth
    marks = _marks()
    if marks is not None:
        marks.RangePush(msg)
    _depth += 1
    return _depth - 1


def range_pop() -> int:
    """End the innermost range; returns how deep it lay."""
    global _depth
    marks = _marks()
    if marks is not None:
        marks.RangePop()
    _depth -= 1
    return _depth


def mark(msg: str) -> None:
    """Mark a moment."""
    marks = _marks()
    if marks is not None:
        marks.Mark(msg)


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A range as a context manager and decorator; the message is formatted with the arguments."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
