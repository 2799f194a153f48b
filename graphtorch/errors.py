"""The error classes and the one layout of a message.

A message says what went wrong, shows the operands in IR spelling (`f32[4, 8]`), names the user's
own line and ends with one hint.  Where PyTorch has a class for the case we raise that class, so
`except RuntimeError` in a user's program keeps working.

This module knows nothing of tensors or graphs: operands come in as things whose `str` is a type.
"""

from __future__ import annotations

import os
import sys
from types import FrameType

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep  # the folder whose frames are ours


class GraphtorchError(RuntimeError):
    """Base class of the errors that PyTorch has no class for."""


class UnsupportedError(GraphtorchError, NotImplementedError):
    """Something PyTorch has and graphtorch does not; the message names the nearest thing that works.

    op, line: what the compiler met, and the program's line, where they are known.
    """

    def __init__(self, *args: object, op: str = "", line: str = ""):
        super().__init__(*args)
        self.op = op
        self.line = line


class CompileError(GraphtorchError):
    """The compiler failed on a program, or `fullgraph=True` met one that must be left to eager."""


class VerificationError(GraphtorchError):
    """A graph breaks a rule of the IR; the message prints the nodes around the fault."""


def user_frame(frame: FrameType | None = None) -> FrameType:
    """The innermost stack frame outside the package (or the outermost of all), from `frame` on."""
    found = frame or sys._getframe(1)
    while found.f_code.co_filename.startswith(PACKAGE) and found.f_back is not None:
        found = found.f_back
    return found


def entered(frame: FrameType | None = None) -> str:
    """The name of the package's function that the user's program called, from `frame` on."""
    inner = frame or sys._getframe(1)
    user = user_frame(inner)
    while inner is not user and inner.f_back is not user and inner.f_back is not None:
        inner = inner.f_back
    if "function" in inner.f_code.co_freevars:  # a decorator's wrapper: what it wraps
        return getattr(inner.f_locals["function"], "__name__", inner.f_code.co_name)
    return inner.f_code.co_name


def line_of(frame: FrameType) -> str:
    """`file.py:12` of a frame."""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def user_line() -> str:
    """Return `file.py:12` for the user's own line, or `<unknown>` if the package runs by itself."""
    frame = user_frame(sys._getframe(1))
    return "<unknown>" if frame.f_code.co_filename.startswith(PACKAGE) else line_of(frame)


def message(what: str, *, operands: dict[str, object] | None = None, hint: str = "") -> str:
    """Lay out an error message.

    >>> print(message("shapes do not match", operands={"a": "f32[4, 8]"}, hint="transpose a"))
    shapes do not match
      operands: a: f32[4, 8]
      at <unknown>
      hint: transpose a
    """
    lines = [what]
    if operands:
        lines.append("  operands: " + ", ".join(f"{k}: {v}" for k, v in operands.items()))
    lines.append(f"  at {user_line()}")
    if hint:
        lines.append(f"  hint: {hint}")
    return "\n".join(lines)
