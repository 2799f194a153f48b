"""The CUDA C of a whole program, for execution and for people who look."""

from __future__ import annotations

from typing import Protocol

from ...ir.graph import Graph
from ..program import Program
from .lower import lower_cuda, symbols
from .prelude import module_text


class Staged(Protocol):
    """What is needed of an executable, of any device: its stages, the first as it was traced."""

    @property
    def stages(self) -> list[tuple[str, Graph]]: ...


def source_of(program: Program) -> str:
    """The module of a program that `lower.lower_cuda` made: every distinct kernel once."""
    return module_text(*(source.print(symbol) for source, symbol in symbols(program).values()))


def program_text(executable: Staged) -> str:
    """The CUDA C of a compiled graph: its launches as a comment, then the module."""
    _, program = lower_cuda(executable.stages[0][1])
    head = "\n".join(f"// {line}" for line in str(program).splitlines())
    return f"{head}\n\n{source_of(program)}"
