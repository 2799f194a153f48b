"""Running a graph: an environment, read, write, and a loop.

`interpret` runs it on NumPy arrays with the rows' NumPy kernels: the reference every code generator
is compared with.  `evaluate` binds every node again through `dispatch`: on tensors it computes, in a
`GraphBuilder` it inlines the graph.  That is the base of the transforms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError, VerificationError
from . import dispatch
from .graph import Graph, Node
from .types import TensorType

Process = Callable[[Node, tuple[Any, ...]], Any]


def run(graph: Graph, values: tuple[Any, ...], process: Process) -> list[Any]:
    """Bind `values` to the inputs, `process` every node, return outputs and update values.

    A node with several outputs stands for a tuple; its `pick` nodes are taken apart here.
    """
    if len(values) != len(graph.inputs):
        raise TypeError(f"{graph.name} takes {len(graph.inputs)} inputs, got {len(values)}")
    environment: dict[Node, Any] = dict(zip(graph.inputs, values, strict=True))

    def read(operand: Any) -> Any:
        return environment[operand] if isinstance(operand, Node) else operand

    for node in graph.nodes:
        operands = tuple(map(read, node.inputs))
        if node.op.name == "pick":
            environment[node] = operands[0][node.attrs["index"]]
        else:
            environment[node] = process(node, operands)
    return [environment[n] for n in (*graph.outputs, *(value for _, value in graph.updates))]


def evaluate(graph: Graph, *values: Any) -> list[Any]:
    """Bind every op of `graph` again with the current interpreter, on values of its kind.

    Returns the outputs, then the update values.  Inside a `GraphBuilder` the nodes made keep the
    sources of the nodes they come from.
    """
    interpreter: Any = dispatch.current()
    if not hasattr(interpreter, "source"):
        return run(graph, values, lambda n, xs: interpreter.process(n.op, xs, dict(n.attrs)))

    def process(node: Node, operands: tuple[Any, ...]) -> Any:
        interpreter.source = node.source
        return interpreter.process(node.op, operands, dict(node.attrs))

    before = interpreter.source
    try:
        return run(graph, values, process)
    finally:
        interpreter.source = before


def interpret(graph: Graph, *arrays: Any) -> list[np.ndarray[Any, Any]]:
    """Run `graph` on arrays with the NumPy kernels; returns the outputs, then the update values.

    The arrays given are not written to.  Raises VerificationError if an array or a kernel's result
    is not of the type the graph states.
    """
    bound = tuple(
        check(array, node, "the array given")
        for node, array in zip(graph.inputs, arrays, strict=True)
    )
    return run(graph, bound, compute)


def compute(node: Node, operands: tuple[Any, ...]) -> Any:
    """One node's value by its NumPy kernel."""
    if node.op.numpy is None:
        raise UnsupportedError(f"op {node.op.name} has no NumPy kernel ({node!r}, {node.source})")
    result = node.op.numpy(*operands, **node.attrs)
    if isinstance(node.type, tuple):
        return tuple(
            _check(part, type, node, "its kernel's result")
            for part, type in zip(result, node.type, strict=True)
        )
    return check(result, node, "its kernel's result")


def check(array: Any, node: Node, what: str) -> np.ndarray[Any, Any]:
    """`array` as an ndarray of the node's type; raises VerificationError if it is not."""
    assert isinstance(node.type, TensorType)
    return _check(array, node.type, node, what)


def _check(array: Any, type: TensorType, node: Node, what: str) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = np.asarray(array)
    if found.dtype != type.dtype.numpy or found.shape != type.shape:
        raise VerificationError(
            f"{node.name} ({node.op.name}) is {type}, {what} is {found.dtype}{list(found.shape)}"
        )
    return found
