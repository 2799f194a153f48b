"""LLVM text: the values, types and literals of a printed function, and the module it goes into.

Knows no operations (see `vector`) and no kernels (see `printer`).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...ir.types import DType, bool_, float32
from .target import Target

Lines = list[Any]  # of str and Lines: nested, so that code can be added before an open loop

_TYPES = {"bool": "i1", "f32": "float", "f64": "double", "u8": "i8"}


@dataclass(frozen=True, slots=True)
class Vec:
    """One value of the printed function; see the module docstring."""

    text: str
    dtype: DType
    lanes: int = 1
    level: int = 0

    @property
    def literal(self) -> bool:
        return self.text[0] != "%"


@functools.cache
def llvm_type(dtype: DType, lanes: int = 1) -> str:
    """LLVM's spelling of a register type.

    >>> llvm_type(float32, 8)
    '<8 x float>'
    """
    name = _TYPES.get(dtype.short, dtype.short)
    return name if lanes == 1 else f"<{lanes} x {name}>"


def suffix(dtype: DType, lanes: int) -> str:
    """The type suffix of intrinsic names: v8f32."""
    name = f"f{8 * dtype.itemsize}" if dtype.kind == "f" else llvm_type(dtype)
    return name if lanes == 1 else f"v{lanes}{name}"


def literal(value: bool | float, dtype: DType) -> str:
    """The literal of a scalar."""
    if dtype.kind == "f":
        number = float(value)
        if dtype is float32:
            try:
                number = struct.unpack("f", struct.pack("f", number))[0]
            except OverflowError:
                number = float("inf") if number > 0 else float("-inf")
        return f"0x{struct.unpack('Q', struct.pack('d', number))[0]:016X}"
    if dtype is bool_:
        return "true" if value else "false"
    return str(int(value))


@dataclass
class Text:
    """A module under construction."""

    target: Target
    declarations: dict[str, None] = field(default_factory=dict)
    definitions: dict[str, str] = field(default_factory=dict)

    def declare(self, result: str, name: str, arguments: Sequence[str]) -> None:
        self.declarations[f"declare {result} @{name}({', '.join(arguments)})"] = None

    def define(self, name: str, make: Callable[[Text], str]) -> None:
        """Add a helper (function or constant) once."""
        if name not in self.definitions:
            self.definitions[name] = ""
            self.definitions[name] = make(self)

    def __str__(self) -> str:
        parts = [
            f'target triple = "{self.target.triple}"',
            *self.declarations,
            *self.definitions.values(),
        ]
        return "\n".join(parts) + "\n"


class Level:
    """A loop level: where code for it goes while deeper loops are open, and what it already has."""

    def __init__(self) -> None:
        self.before: Lines | None = None
        self.known: dict[Any, Vec] = {}


def lane_loop(name: str, helper: str, dtype: DType, lanes: int, arity: int) -> str:
    """Call a scalar helper for the lanes of a mask."""
    kind, scalar, mask = llvm_type(dtype, lanes), llvm_type(dtype), f"i{lanes}"
    index = f"{mask} %m, {kind} %usual"
    operands = ", ".join(f"{kind} %x{i}" for i in range(arity))
    lines = [f"define internal {kind} @{name}({index}, {operands}) cold noinline nounwind {{"]
    for i in range(arity):
        lines.append(f"  %p{i} = alloca {kind}\n  store {kind} %x{i}, ptr %p{i}")
    lines.append(f"  %r = alloca {kind}\n  store {kind} %usual, ptr %r\n  br label %loop\nloop:")
    lines.append("  %i = phi i32 [0, %0], [%i1, %next]")
    lines.append(f"  %b = trunc i32 %i to {mask}" if lanes < 32 else f"  %b = add {mask} %i, 0")
    lines.append(f"  %s = lshr {mask} %m, %b\n  %c = trunc {mask} %s to i1")
    lines.append("  br i1 %c, label %call, label %next\ncall:")
    for i in range(arity):
        lines.append(f"  %q{i} = getelementptr {scalar}, ptr %p{i}, i32 %i")
        lines.append(f"  %y{i} = load {scalar}, ptr %q{i}")
    given = ", ".join(f"{scalar} %y{i}" for i in range(arity))
    lines.append(f"  %f = call {scalar} @{helper}({given})")
    lines.append(f"  %o = getelementptr {scalar}, ptr %r, i32 %i\n  store {scalar} %f, ptr %o")
    lines.append(
        f"  br label %next\nnext:\n  %i1 = add i32 %i, 1\n  %more = icmp ult i32 %i1, {lanes}"
    )
    lines.append(f"  br i1 %more, label %loop, label %done\ndone:\n  %v = load {kind}, ptr %r")
    lines.append(f"  ret {kind} %v\n}}")
    return "\n".join(lines)
