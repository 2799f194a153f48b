"""`replace_pattern`: finding a small graph in a large one, and writing another in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import UnsupportedError, message
from ..nn.module import Module
from ._symbolic_trace import symbolic_trace
from .graph import Graph
from .graph_module import GraphModule
from .node import Node, map_arg


class Match(NamedTuple):
    """Where a pattern was found: the pattern's output node, and pattern node -> node."""

    anchor: Node
    nodes_map: dict[Node, Node]


@dataclass
class ReplacedPatterns:
    """A match, and the nodes written in its place."""

    anchor: Node
    nodes_map: dict[Node, Node]
    replacements: list[Node] = field(default_factory=list)


def _graph_of(pattern: Callable | Module | Graph) -> Graph:
    if isinstance(pattern, GraphModule):
        return pattern.graph
    if isinstance(pattern, Graph):
        return pattern
    return symbolic_trace(pattern).graph


class _Matcher:
    """Compares the pattern with the nodes that end at one anchor."""

    def __init__(self, pattern: Graph, module: GraphModule, pattern_root: Any):
        self.module = module
        self.pattern_root = pattern_root
        result = pattern.output_node().args[0]
        if not isinstance(result, Node):
            raise UnsupportedError(
                message(
                    "replace_pattern: the pattern must return one value",
                    hint="match its parts one by one",
                )
            )
        self.result = result
        self.inputs = [n for n in pattern.nodes if n.op == "placeholder"]

    def at(self, anchor: Node) -> dict[Node, Node] | None:
        """Pattern node -> node for a match that ends at `anchor`."""
        found: dict[Node, Any] = {}
        if not self._same(self.result, anchor, found):
            return None
        inside = {n for p, n in found.items() if p.op != "placeholder"}
        for pattern_node, node in found.items():
            if pattern_node.op in ("placeholder", "get_attr") or pattern_node is self.result:
                continue
            if any(user not in inside for user in node.users):
                return None
        return found

    def _same(self, p: Any, n: Any, found: dict[Node, Any]) -> bool:
        if isinstance(p, Node):
            if p in found:
                return found[p] is n or (not isinstance(n, Node) and found[p] == n)
            if p.op == "placeholder":
                found[p] = n
                return True
            if not isinstance(n, Node) or p.op != n.op or not self._same_target(p, n):
                return False
            found[p] = n
            return self._same(tuple(p.args), tuple(n.args), found) and self._same(
                dict(p.kwargs), dict(n.kwargs), found
            )
        if isinstance(p, (tuple, list)):
            return isinstance(n, (tuple, list)) and len(p) == len(n) and all(
                self._same(a, b, found) for a, b in zip(p, n, strict=True)
            )  # fmt: skip
        if isinstance(p, dict):
            return (
                isinstance(n, dict)
                and set(p) == set(n)
                and all(self._same(p[k], n[k], found) for k in p)
            )
        return not isinstance(n, Node) and type(p) is type(n) and p == n

    def _same_target(self, p: Node, n: Node) -> bool:
        if p.op == "call_module":
            ours, theirs = _find(self.pattern_root, p.target), _find(self.module, n.target)
            return type(ours) is type(theirs) if ours is not None else p.target == n.target
        return p.target == n.target


def _find(root: Any, path: str) -> Any:
    for part in path.split("."):
        root = getattr(root, part, None)
        if root is None:
            return None
    return root


def replace_pattern(
    gm: GraphModule, pattern: Callable | GraphModule, replacement: Callable | GraphModule
) -> list[Match]:
    """Replace every place of `gm` that computes like `pattern` by `replacement`, in place.

    Both are traced; their arguments match anything, and correspond by position.  Places whose inner
    values are used elsewhere, or that overlap an earlier match, stay.

    >>> import graphtorch as torch
    >>> gm = torch.fx.symbolic_trace(lambda x: torch.relu(x).neg())
    >>> _ = torch.fx.replace_pattern(gm, lambda x: x.neg(), lambda x: x * 2)
    >>> gm(torch.tensor([1.0]))
    tensor([2.])
    """
    found = _replace(gm, pattern, replacement, None)
    return [Match(r.anchor, r.nodes_map) for r in found]


def replace_pattern_with_filters(
    gm: GraphModule,
    pattern: Any,
    replacement: Any = None,
    match_filters: list[Callable] | None = None,
    ignore_literals: bool = False,
    replacement_callback: Callable | None = None,
    **_: Any,
) -> list[ReplacedPatterns]:
    """`replace_pattern` for matches that all filters (match, gm graph, pattern graph) allow."""
    if ignore_literals or replacement_callback is not None:
        raise UnsupportedError(
            message(
                "replace_pattern_with_filters: ignore_literals and replacement_callback are not supported"
            )
        )
    return _replace(gm, pattern, replacement, match_filters)


def _replace(
    gm: GraphModule, pattern: Any, replacement: Any, filters: list[Callable] | None
) -> list[ReplacedPatterns]:
    graph, pattern_graph, new_graph = gm.graph, _graph_of(pattern), _graph_of(replacement)
    matcher = _Matcher(pattern_graph, gm, pattern)
    inputs = [n for n in new_graph.nodes if n.op == "placeholder"]
    if len(inputs) != len(matcher.inputs):
        raise RuntimeError(
            f"pattern takes {len(matcher.inputs)} arguments, its replacement {len(inputs)}"
        )
    done: list[ReplacedPatterns] = []
    used: set[Node] = set()
    changed: dict[Node, Node] = {}
    for anchor in list(graph.nodes):
        found = matcher.at(anchor)
        if found is None:
            continue
        inside = {n for p, n in found.items() if p.op != "placeholder"}
        if inside & used:
            continue
        match = Match(anchor, found)
        if filters and not all(f(match, graph, pattern_graph) for f in filters):
            continue
        used |= inside
        known: dict[Node, Any] = {}
        for new_input, old_input in zip(inputs, matcher.inputs, strict=True):
            value = found.get(old_input)
            known[new_input] = (
                map_arg(value, lambda n: changed.get(n, n)) if value is not None else None
            )
        before = set(graph.nodes)
        with graph.inserting_before(anchor):
            result = graph.graph_copy(new_graph, known)
        written = [n for n in graph.nodes if n not in before]
        if isinstance(result, Node):
            anchor.replace_all_uses_with(result)
            changed[anchor] = result
        for node in reversed(graph.nodes):
            if node in inside and not node.users:
                graph.erase_node(node)
        done.append(ReplacedPatterns(matcher.result, found, written))
    if isinstance(replacement, Module):
        _take_over(gm, replacement, new_graph)
    gm.recompile()
    return done


def _take_over(gm: GraphModule, source: Module, graph: Graph) -> None:
    """Copy the submodules and parameters that the replacement names."""
    from .graph_module import _copy_attr

    for node in graph.nodes:
        if node.op in ("get_attr", "call_module") and _find(gm, node.target) is None:
            _copy_attr(source, gm, node.target)
