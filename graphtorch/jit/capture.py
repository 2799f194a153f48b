"""Saving what a program computes: its traced graph and its tensors, as data.

    save(module, file)      the IR graph's text, the structure of arguments and results, the tensors
    load(file)              a module that runs the graph; nothing of the file is executed as code

The graph is that of the examples: sizes, control flow and Python values are fixed, as in any trace.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..errors import UnsupportedError, message
from ..frontend.grad_mode import no_grad
from ..frontend.tensor import Tensor
from ..frontend.trace import Tracer
from ..ir import dispatch
from ..ir.graph import Graph
from ..ir.interpret import evaluate
from ..nn.module import Module
from ..nn.parameter import Parameter
from ..utils._pytree import tree_flatten, tree_unflatten

FORMAT = "graphtorch.jit/1"


class TracerWarning(Warning):
    """A trace fixed something that may change from call to call."""


class Captured:
    """A traced graph, what its inputs are, and the structure of its results."""

    def __init__(self, graph: Graph, inputs: list[tuple[str, Any]], results: Any, arguments: int):
        self.graph = graph
        self.inputs = inputs  # per graph input: ("argument", i), ("state", name) or ("constant", i)
        self.results = results  # leaves are ("tensor", i) or ("value", v)
        self.arguments = arguments


def capture(
    function: Callable, args: tuple[Any, ...], owner: Module | None
) -> tuple[Captured, dict]:
    """Run `function` once and write down its graph; returns it and its constants.

    Raises UnsupportedError where the program leaves the graph.
    """
    leaves, _ = tree_flatten(args)
    tensors = [x for x in leaves if isinstance(x, Tensor)]
    state: dict[int, str] = {}
    if owner is not None:
        for name, member in (*owner.named_parameters(), *owner.named_buffers()):
            state.setdefault(id(member), name)
    tracer = Tracer("forward")
    for name, member in () if owner is None else owner.named_parameters():
        tracer.name_input(member, name)
    try:
        with dispatch.pushed(tracer), no_grad():
            found, spec = tree_flatten(function(*args))
            outputs = [y for y in found if isinstance(y, Tensor)]
            trace = tracer.finish(outputs)
        tracer.undo()
    finally:
        tracer.close()
    if tracer.left is not None:
        raise UnsupportedError(
            message(
                f"this program cannot be captured: {tracer.left}",
                hint="save its state_dict and keep its Python code",
            )
        )
    if trace.value_guards:
        warnings.warn(
            f"the graph holds for the values that {trace.value_guards[0].line} read from a tensor; the trace"
            " might not generalize to other inputs",
            TracerWarning,
            stacklevel=3,
        )
    positions = {id(x): i for i, x in enumerate(tensors)}
    inputs: list[tuple[str, Any]] = []
    constants: dict[str, Tensor] = {}
    known = {captured.node: captured.tensor for captured in trace.captured}
    for node in trace.graph.inputs:
        tensor = known[node]
        if id(tensor) in positions:
            inputs.append(("argument", positions[id(tensor)]))
        elif id(tensor) in state:
            inputs.append(("state", state[id(tensor)]))
        else:
            name = f"constant_{len(constants)}"
            constants[name] = tensor.detach()
            inputs.append(("constant", name))
    numbers = iter(range(len(outputs)))
    marked = [("tensor", next(numbers)) if isinstance(y, Tensor) else ("value", y) for y in found]
    results = _plain(tree_unflatten([_Leaf(m) for m in marked], spec))
    return Captured(trace.graph, inputs, results, len(tensors)), constants


class _Leaf:
    def __init__(self, mark: tuple[str, Any]):
        self.mark = mark


def _plain(tree: Any) -> Any:
    """The structure of results as tuples that a file can hold."""
    if isinstance(tree, _Leaf):
        return tree.mark
    if isinstance(tree, (tuple, list)):
        return ("tuple" if isinstance(tree, tuple) else "list", [_plain(t) for t in tree])
    if isinstance(tree, dict):
        return ("dict", [(k, _plain(v)) for k, v in tree.items()])
    raise UnsupportedError(message(f"a result of type {type(tree).__name__} cannot be saved"))


def _built(tree: Any, outputs: list[Any]) -> Any:
    kind, inside = tree
    if kind == "tensor":
        return outputs[inside]
    if kind == "value":
        return inside
    if kind == "dict":
        return {k: _built(v, outputs) for k, v in inside}
    parts = [_built(t, outputs) for t in inside]
    return tuple(parts) if kind == "tuple" else parts


class GraphCode(Module):
    """A module that runs a captured graph; its parameters and buffers have the names they had."""

    def __init__(
        self, captured: Captured, tensors: dict[str, Tensor], parameters: set[str], name: str
    ):
        super().__init__()
        self.captured = captured
        self.original_name = name
        for key, value in tensors.items():
            *prefix, field = key.split(".")
            place: Module = self
            for part in prefix:
                if part not in place._modules:
                    place.add_module(part, Module())
                place = place._modules[part]  # type: ignore[assignment]
            if key in parameters:
                place.register_parameter(field, Parameter(value, value.dtype.kind in "fc"))
            else:
                place.register_buffer(field, value, persistent=not key.startswith("constant_"))

    @property
    def graph(self) -> Graph:
        """The graph that runs."""
        return self.captured.graph

    @property
    def code(self) -> str:
        """The graph as text."""
        return str(self.captured.graph)

    def forward(self, *args: Any) -> Any:
        """Run the graph on arguments of the examples' shapes and dtypes; RuntimeError for others."""
        given = [x for x in tree_flatten(args)[0] if isinstance(x, Tensor)]
        if len(given) != self.captured.arguments:
            raise RuntimeError(
                f"forward() was captured with {self.captured.arguments} tensors, got {len(given)}"
            )
        values = []
        for node, (kind, which) in zip(self.graph.inputs, self.captured.inputs, strict=True):
            value = given[which] if kind == "argument" else self._member(which)
            if value.type_ != node.type:
                raise RuntimeError(
                    message(
                        f"this graph was captured for {node.name}: {node.type}",
                        operands={node.name: value.type_},
                        hint="capture it again with examples of these sizes",
                    )
                )
            values.append(value)
        found = evaluate(self.graph, *values)
        count = len(self.graph.outputs)
        with no_grad():
            for (target, _), value in zip(self.graph.updates, found[count:], strict=True):
                values[self.graph.inputs.index(target)]._write(value)
        return _built(self.captured.results, found[:count])

    def _member(self, path: str) -> Tensor:
        place: Any = self
        for part in path.split("."):
            place = getattr(place, part)
        return place


def to_data(
    captured: Captured, tensors: dict[str, Tensor], parameters: list[str], name: str
) -> dict:
    """What the file holds."""
    return {
        "format": FORMAT,
        "name": name,
        "graph": captured.graph.__str__(),
        "inputs": captured.inputs,
        "results": captured.results,
        "arguments": captured.arguments,
        "tensors": tensors,
        "parameters": parameters,
    }


def from_data(data: dict) -> GraphCode:
    """The module a file holds."""
    from ..ir.parse import parse

    captured = Captured(
        parse(data["graph"]), [tuple(i) for i in data["inputs"]], data["results"], data["arguments"]
    )
    return GraphCode(captured, data["tensors"], set(data["parameters"]), data["name"])
