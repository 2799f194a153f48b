"""The interpreter stack: who answers when an op is called.

    ops.mul(a, b)  ->  bind(mul, (a, b), {})  ->  top of the stack .process(...)

The bottom of the stack is eager execution (registered by the frontend); the tracer and the graph
builder push themselves on top.  A rule written with ops therefore computes, or extends a graph,
depending only on who is on top.  The stack is per thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .op import Op


class Interpreter(Protocol):
    """Something that can carry out an op on its own kind of value."""

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any: ...


class _Stack(threading.local):
    top: Interpreter | None = None


_stack = _Stack()
_base: Interpreter | None = None


def set_base(interpreter: Interpreter) -> None:
    """Register the interpreter that answers when nothing is pushed (eager execution)."""
    global _base
    _base = interpreter


def current() -> Interpreter:
    """Return the interpreter on top of this thread's stack."""
    top = _stack.top or _base
    if top is None:
        raise RuntimeError(
            "no interpreter: import graphtorch, or build inside ir.builder.GraphBuilder"
        )
    return top


def bind(op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Carry out `op` with the current interpreter."""
    return (_stack.top or _base).process(op, inputs, attrs)  # type: ignore[union-attr]


@contextmanager
def pushed(interpreter: Interpreter | None) -> Iterator[None]:
    """Put `interpreter` on top for the `with` block; None means: back to the base."""
    previous, _stack.top = _stack.top, interpreter
    try:
        yield
    finally:
        _stack.top = previous
