"""What a trace consists of: the records that the tracer makes and a compiled variant is built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..ir.graph import Graph, Node
from .tensor import Tensor


@dataclass(eq=False)
class Captured:
    """A tensor from outside the traced function and the graph input that stands for it."""

    tensor: Tensor
    node: Node
    name: str
    written: bool = False
    backup: np.ndarray | None = None  # the data before the first write, to undo a failed step


@dataclass(eq=False)
class RuntimeScalar:
    """A Python number read afresh at every call: `group["lr"]`."""

    holder: Any
    key: Any
    node: Node

    def read(self) -> float:
        """The value now."""
        return self.holder[self.key]


@dataclass(frozen=True)
class ValueGuard:
    """The program read `expected` out of a traced tensor; a call with another value needs another trace."""

    node: Node
    expected: Any  # ndarray
    line: str
    op: str  # what read it: `item`, `__bool__`, `nonzero`


@dataclass(frozen=True)
class Leaving:
    """Why a function is left to eager: what stood in the way, at which of the program's lines."""

    reason: str
    line: str
    op: str = ""  # the op, function or method that the program called there

    def __str__(self) -> str:
        return f"{self.line}: {self.op + ': ' if self.op else ''}{self.reason}"


@dataclass
class Trace:
    """The finished record of one run."""

    graph: Graph
    captured: list[Captured]
    scalars: list[RuntimeScalar]
    value_guards: list[ValueGuard]
    deferred: list[Callable[[], Any]]
    grad_inputs: list[tuple[Tensor, Tensor | None]]
    detached: set[Node]
