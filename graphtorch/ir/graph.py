"""The graph: immutable SSA, with networkx as the lens passes look through.

    Graph(inputs, nodes, outputs, updates)
        inputs   op "input"; the values bound at every call, in order
        nodes    every other node in a topological order, which is also the printing order
        outputs  what a call returns, in order
        updates  (input, value) pairs: after the call the input's buffer holds the value

Operands live in `Node.inputs`, ordered and with repeats, because an edge set would lose `x * x`.
An operand is a Node or, for pointwise ops, a Python scalar.  This module does not print, check,
build or execute graphs: see `text`, `verify`, `builder`, `interpret`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .arithmetic import Arithmetic
from .op import Op
from .types import DType, TensorType

if TYPE_CHECKING:
    import networkx

Scalar = bool | int | float
Operand = "Node | Scalar"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a node came from: the user's line and the module path (`layers.3.attn.q_proj`)."""

    file: str = ""
    line: int = 0
    module: str = ""

    def __str__(self) -> str:
        where = f"{os.path.basename(self.file)}:{self.line}" if self.file else ""
        return f"{where} in {self.module}" if self.module else where


NOWHERE = Source()


@dataclass(frozen=True, eq=False, slots=True)
class Node(Arithmetic):
    """One value (or, for ops with several outputs, a tuple of values taken apart by `pick`)."""

    name: str
    op: Op
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any]
    type: TensorType | tuple[TensorType, ...]
    source: Source = NOWHERE

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape  # type: ignore[union-attr]

    @property
    def dtype(self) -> DType:
        return self.type.dtype  # type: ignore[union-attr]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def operands(self) -> tuple[Node, ...]:
        """The inputs that are nodes, in order, with repeats."""
        return tuple([x for x in self.inputs if x.__class__ is Node])

    def with_inputs(self, inputs: tuple[Any, ...]) -> Node:
        """The same node reading other operands of the same types."""
        return Node(self.name, self.op, inputs, self.attrs, self.type, self.source)

    def __repr__(self) -> str:
        return f"%{self.name}: {self.type}"


@dataclass(frozen=True, eq=False)
class Graph:
    """See the module docstring."""

    name: str
    inputs: tuple[Node, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Node, ...]
    updates: tuple[tuple[Node, Node], ...] = ()
    meta: Mapping[str, Any] = field(
        default_factory=dict
    )  # facts for the reader: stage, device, ...

    @cached_property
    def results(self) -> tuple[Node, ...]:
        """Everything that must be computed: outputs and update values, first use first."""
        return tuple(dict.fromkeys((*self.outputs, *(value for _, value in self.updates))))

    @cached_property
    def roots(self) -> tuple[Node, ...]:
        """`results` and the nodes kept for their effect."""
        return tuple(dict.fromkeys((*self.results, *(n for n in self.nodes if n.op.effect))))

    @cached_property
    def users(self) -> dict[Node, tuple[Node, ...]]:
        """For every node its users in order (each once)."""
        users: dict[Node, dict[Node, None]] = {n: {} for n in (*self.inputs, *self.nodes)}
        for node in self.nodes:
            for operand in node.operands:
                users[operand][node] = None
        return {node: tuple(found) for node, found in users.items()}

    @cached_property
    def nx(self) -> networkx.DiGraph:
        """A frozen networkx view: an edge runs from a value to its user."""
        import networkx

        view = networkx.DiGraph()
        view.add_nodes_from((*self.inputs, *self.nodes))
        view.add_edges_from((operand, node) for node in self.nodes for operand in node.operands)
        return networkx.freeze(view)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        from .text import to_text

        return to_text(self)
