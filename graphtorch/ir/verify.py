"""The rules a graph keeps.  A pass that breaks one has a fault; `verify` says where.

names       every node's name is an identifier, not reserved, and stands once
order       an operand is an input or an earlier node of the same graph
inputs      have op "input"; no other node has
operands    are nodes with one output (or what `pick` takes apart), or scalars of pointwise ops
types       equal what the op's type rule infers from the operands
attributes  have a text (nested graphs are verified in turn)
outputs     are nodes of the graph with one output
updates     name an input once and a value of the input's type
"""

from __future__ import annotations

from typing import Any, NoReturn

from ..errors import VerificationError
from .builder import RESERVED
from .graph import Graph, Node
from .text import is_plain, node_text, type_text
from .types import TensorType


def verify(graph: Graph) -> Graph:
    """Return `graph` unchanged if it keeps the rules; else raise VerificationError."""
    _Verifier(graph).run()
    return graph


class _Verifier:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.known: set[Node] = set()
        self.names: set[str] = set()

    def fail(self, node: Node | None, what: str) -> NoReturn:
        raise VerificationError(f"graph {self.graph.name}: {what}\n{self._around(node)}".rstrip())

    def _around(self, fault: Node | None) -> str:
        """The lines around the fault, the fault marked."""
        nodes = (*self.graph.inputs, *self.graph.nodes)
        at = next((i for i, n in enumerate(nodes) if n is fault), None)
        if at is None:
            return ""
        shown = nodes[max(at - 3, 0) : at + 4]
        return "\n".join(f"{'->' if n is fault else '  '} {_safe_text(n)}" for n in shown)

    def run(self) -> None:
        for node in self.graph.inputs:
            if node.op.name != "input":
                self.fail(node, f"{node.name} is among the inputs but is a {node.op.name}")
            if not isinstance(node.type, TensorType):
                self.fail(node, f"input {node.name} is not one tensor")
            self._name(node)
        for node in self.graph.nodes:
            self._operands(node)
            self._attributes(node)
            self._type(node)
            self._name(node)
        for node in self.graph.outputs:
            if node not in self.known:
                self.fail(node, f"output {node.name} is not a node of the graph")
            if isinstance(node.type, tuple):
                self.fail(node, f"output {node.name} has several parts: return picks of it")
        self._updates()

    def _name(self, node: Node) -> None:
        if not node.name.isidentifier() or node.name in RESERVED:
            self.fail(node, f"{node.name!r} is not free to name a value")
        if node.name in self.names:
            self.fail(node, f"the name {node.name} stands twice")
        self.names.add(node.name)
        self.known.add(node)

    def _operands(self, node: Node) -> None:
        if node.op.name == "input":
            self.fail(node, f"input {node.name} is not declared among the inputs")
        for operand in node.inputs:
            if isinstance(operand, Node):
                if operand not in self.known:
                    self.fail(
                        node, f"{node.name} uses {operand.name}, which is not defined before it"
                    )
                if isinstance(operand.type, tuple) and node.op.name != "pick":
                    self.fail(node, f"{node.name} uses {operand.name}, which has several parts")
            elif type(operand) not in (bool, int, float, complex):
                self.fail(node, f"{node.name} has the operand {operand!r}, neither node nor scalar")
            elif node.op.kind != "pointwise":
                self.fail(
                    node, f"{node.name} has the scalar operand {operand!r}, but is not pointwise"
                )
        if node.inputs and not node.operands:
            self.fail(node, f"{node.name} has scalar operands only")

    def _attributes(self, node: Node) -> None:
        for name, value in node.attrs.items():
            if isinstance(value, Graph):
                try:
                    verify(value)
                except VerificationError as error:
                    self.fail(node, f"in {name} of {node.name}: {error}")
            elif not is_plain(value):
                self.fail(node, f"attribute {name} of {node.name} is {value!r}, which has no text")

    def _type(self, node: Node) -> None:
        types = [x.type if isinstance(x, Node) else x for x in node.inputs]
        try:
            inferred = node.op.infer(*types, **node.attrs)
        except Exception as error:  # whatever the type rule finds is the fault
            self.fail(node, f"{node.name} has no type: {type(error).__name__}: {error}")
        if inferred != node.type:
            self.fail(
                node,
                f"{node.name} is {type_text(node.type)}, its op infers {_infer_text(inferred)}",
            )

    def _updates(self) -> None:
        seen: set[Node] = set()
        for input, value in self.graph.updates:
            if input not in self.graph.inputs:
                self.fail(input, f"update of {input.name}, which is not an input")
            if input in seen:
                self.fail(input, f"two updates of {input.name}")
            seen.add(input)
            if value not in self.known:
                self.fail(value, f"update value {value.name} is not a node of the graph")
            if value.type != input.type:
                self.fail(value, f"update of {input!r} with {value!r}: the types differ")


def _infer_text(inferred: Any) -> str:
    try:
        return type_text(inferred)
    except AttributeError:
        return repr(inferred)


def _safe_text(node: Node) -> str:
    """A node's line even where an attribute has no text."""
    try:
        return node_text(node)
    except Exception:
        return f"{node!r} = {node.op.name}{node.inputs} {dict(node.attrs)}"
