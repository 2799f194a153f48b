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

_PACKAGE_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class GraphtorchError(RuntimeError):
    """Base class of the errors that PyTorch has no class for."""


class UnsupportedError(GraphtorchError, NotImplementedError):
    """Something PyTorch has and graphtorch does not; the message names the nearest thing that works."""


class CompileError(GraphtorchError):
    """The compiler could not take a program; eager mode may still run it."""


class VerificationError(GraphtorchError):
    """A graph breaks a rule of the IR; the message prints the nodes around the fault."""


def user_frame(frame: FrameType | None = None) -> FrameType | None:
    """Return the innermost stack frame that lies outside the graphtorch package."""
    frame = frame or sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE_FOLDER):
        frame = frame.f_back
    return frame


def user_line() -> str:
    """Return `file.py:12` for the user's own line, or `<unknown>`."""
    frame = user_frame(sys._getframe(1))
    if frame is None:
        return "<unknown>"
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


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
