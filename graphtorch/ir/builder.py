"""The interpreter that builds: ops called on nodes become new nodes.

    with GraphBuilder("f") as b:
        x = b.input(f32[4, 16], "x")
        y = ops.exp(x)
        graph = b.finish((y,))

Names come from ops (`matmul`, `matmul_1`) and stay through passes, so two dumps compare well.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Any

from . import dispatch
from .graph import NOWHERE, Graph, Node, Source
from .op import OPS, Op, declare
from .types import BY_SHORT, TensorType

# what the text of a graph means by itself, so that no value may take the name
RESERVED = frozenset({*keyword.kwlist, *BY_SHORT, "ops", "update", "inf", "nan", "complex"})

INPUT = declare("input", "input", "", lambda *, type: type)


class Names:
    """Hands out names: the wish itself, or the wish with the next free number.

    A wish that is no identifier (`fc1.weight`) is spelled with underscores.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken: set[str] = {*RESERVED, *taken}
        self._next: dict[str, int] = {}

    def take(self, wish: str) -> str:
        if not wish.isidentifier():
            wish = re.sub(r"\W|^(?=\d)", "_", wish) or "_"
        name = wish
        if name in self._taken:
            number = self._next.get(wish, 1)
            while (name := f"{wish}_{number}") in self._taken:
                number += 1
            self._next[wish] = number + 1
        self._taken.add(name)
        return name


def operand_type(value: Any) -> Any:
    """What a type rule sees of an operand: a node's type, or the Python scalar itself."""
    return value.type if isinstance(value, Node) else value


class GraphBuilder:
    """Collects nodes in order.  As a context manager it is the current interpreter."""

    def __init__(self, name: str = "graph"):
        self.name = name
        self.inputs: list[Node] = []
        self.nodes: list[Node] = []
        self.updates: dict[Node, Node] = {}
        self.names = Names()
        self.source: Source = NOWHERE

    def __enter__(self) -> GraphBuilder:
        self._context = dispatch.pushed(self)
        self._context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._context.__exit__(*error)

    def input(self, type: TensorType, name: str = "x", source: Source | None = None) -> Node:
        """Add an input of the given type."""
        node = Node(self.names.take(name), INPUT, (), {"type": type}, type, source or self.source)
        self.inputs.append(node)
        return node

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Add a node; for an op with several outputs return the tuple of its picks."""
        node = self.add(op, inputs, attrs)
        if isinstance(node.type, tuple):
            pick = OPS["pick"]
            return tuple(self.add(pick, (node,), {"index": i}) for i in range(len(node.type)))
        return node

    def add(
        self,
        op: Op,
        inputs: tuple[Any, ...],
        attrs: Mapping[str, Any],
        *,
        name: str | None = None,
        source: Source | None = None,
    ) -> Node:
        """Add one node with its type inferred."""
        type = op.infer(*(operand_type(x) for x in inputs), **attrs)
        node = Node(
            self.names.take(name or op.name),
            op,
            tuple(inputs),
            dict(attrs),
            type,
            source or self.source,
        )
        self.nodes.append(node)
        return node

    def copy(self, node: Node, inputs: Iterable[Any]) -> Node:
        """Add a node like `node` with other operands, keeping its name and source."""
        return self.add(node.op, tuple(inputs), node.attrs, name=node.name, source=node.source)

    def update(self, input: Node, value: Node) -> None:
        """After the call, `input`'s buffer holds `value`; a later update of it replaces an earlier."""
        self.updates[input] = value

    def finish(self, outputs: Iterable[Node], **meta: Any) -> Graph:
        """Return the graph built so far."""
        return Graph(
            self.name,
            tuple(self.inputs),
            tuple(self.nodes),
            tuple(outputs),
            tuple(self.updates.items()),
            meta,
        )
