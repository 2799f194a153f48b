"""Running an op's NumPy kernel between launches, on the same memory.

A host call is bound once per place of the arena: its operands become views, and what is left to do
at a call is to fill in the arrays of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import CompileError
from .program import Array, HostCall

Memory = Callable[
    [int], "np.ndarray | int"
]  # of a buffer: its bytes, or the argument that holds it


class BoundHostCall:
    """A host call with its operands bound to memory."""

    def __init__(self, step: HostCall, memory: Memory):
        if step.op.numpy is None:
            raise CompileError(f"{step.op.name} has neither a kernel nor a NumPy kernel")
        self.step = step
        self.kernel: Callable[..., Any] = step.op.numpy
        self.attrs = dict(step.attrs)
        self.arguments: list[Any] = list(step.arguments)
        self.results: list[np.ndarray | None] = [None] * len(step.results)
        self.given: list[tuple[int, int, Array]] = []  # (position, argument of the call, look)
        self.returned: list[tuple[int, int, Array]] = []
        self._bind(step.arguments, self.arguments, self.given, memory)
        self._bind(step.results, self.results, self.returned, memory)

    def _bind(
        self,
        operands: Sequence[Any],
        bound: list[Any],
        late: list[tuple[int, int, Array]],
        memory: Memory,
    ) -> None:
        for position, operand in enumerate(operands):
            if isinstance(operand, Array):
                found = memory(operand.buffer)
                if isinstance(found, int):
                    late.append((position, found, operand))
                else:
                    bound[position] = seen(found, operand)

    def run(self, arrays: tuple[np.ndarray, ...]) -> None:
        """Call the kernel and put its results where they belong; `arrays` are the call's."""
        arguments = self.arguments.copy()
        for position, number, look in self.given:
            arguments[position] = seen(arrays[number], look)
        try:
            outcome = self.kernel(*arguments, **self.attrs)
        except Exception as error:
            for node in self.step.nodes:
                error.add_note(f"in {node.name} = {self.step.name}(...) at {node.source}")
            raise
        results = self.results
        if self.returned:
            results = results.copy()
            for position, number, look in self.returned:
                results[position] = seen(arrays[number], look)
        values = outcome if isinstance(outcome, tuple) else (outcome,)
        for array, value in zip(results, values, strict=True):
            if array is not None:
                if np.shape(value) != array.shape:
                    raise CompileError(
                        f"the NumPy kernel of {self.step.name} returned shape {np.shape(value)},"
                        f" the graph states {list(array.shape)}"
                    )
                array[...] = value


def seen(memory: np.ndarray, array: Array) -> np.ndarray:
    """Contiguous memory as the array that a host call wants to see."""
    type = array.type
    flat = memory.reshape(-1).view(type.dtype.numpy)
    if array.strides is None:
        return flat[array.offset : array.offset + type.numel].reshape(type.shape)
    strides = tuple(s * type.dtype.itemsize for s in array.strides)
    return np.lib.stride_tricks.as_strided(flat[array.offset :], type.shape, strides)
