"""Rewrite rules, written in the program's own operators, and the engine that applies them.

    x, a, b = variables("x a b")
    rules = table(lambda: [
        (x * 1, x),
        (-(-x), x),
        (ops.permute(ops.permute(x, dims=a), dims=b),
         lambda x, a, b: ops.permute(x, dims=tuple(a[i] for i in b))),
        (ops.cast(x, dtype=a), x, lambda x, a: x.dtype is a),
    ])

A rule is (pattern, replacement[, condition]).  A variable stands for any operand, node or scalar, or
for any attribute; where it appears twice both must be the same.  A replacement is a pattern over the
same variables or a function of them by name, which may also return None: no change.  Replacement
functions run with the rewriter as interpreter, so calling ops in them makes nodes.

`Rewriter` walks a graph once, in order.  Every node it makes is offered to the rules in turn, so the
operands a rule sees are already in normal form.  A rule must keep value and type.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import cache
from typing import Any

from ..errors import VerificationError
from . import dispatch
from .arithmetic import Arithmetic
from .builder import GraphBuilder
from .graph import Graph, Node, Source
from .op import OPS, Op

COMMUTATIVE = frozenset(
    "add mul maximum minimum eq ne logical_and logical_or logical_xor "
    "bitwise_and bitwise_or bitwise_xor".split()
)

DEEPEST = 50  # replacements within replacements before we call it a loop

Bindings = dict[str, Any]
Function = Callable[[Node], Any]  # a rule as a plain function: a value, or None for no change


@dataclass(frozen=True, eq=False, slots=True)
class Variable(Arithmetic):
    """Stands for any operand or attribute."""

    name: str


@dataclass(frozen=True, eq=False, slots=True)
class Pattern(Arithmetic):
    """A call of an op on patterns, variables and scalars."""

    op: Op
    inputs: tuple[Any, ...]
    attrs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    pattern: Pattern
    replacement: Any  # a Pattern, Variable, scalar, or a function of the bindings by name
    condition: Callable[..., bool] | None = None

    @property
    def operands(self) -> set[Any]:
        """What a node must read for the rule to be worth trying: these ops, None for a scalar."""
        return {
            p.op if isinstance(p, Pattern) else None
            for p in self.pattern.inputs
            if not isinstance(p, Variable)
        }


class _PatternMaker:
    """The interpreter under which calling an op makes a pattern."""

    def process(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Pattern:
        return Pattern(op, inputs, attrs)


def variables(names: str) -> tuple[Variable, ...]:
    """One variable for each word."""
    return tuple(map(Variable, names.split()))


def table(rows: Callable[[], Iterable[tuple[Any, ...]]]) -> list[Rule]:
    """Read a table of rules; `rows` is a function because its ops are called as patterns."""
    with dispatch.pushed(_PatternMaker()):
        return [Rule(*row) for row in rows()]


def same_scalar(a: Any, b: Any) -> bool:
    """Whether two scalars stand for the same literal; -0.0 is not 0, True is not 1.

    >>> same_scalar(1, 1.0), same_scalar(0, -0.0), same_scalar(1, True)
    (True, False, False)
    """
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if not isinstance(a, (int, float)) or not isinstance(b, (int, float)):
        return bool(a == b)
    return a == b and (a != 0 or math.copysign(1, a) == math.copysign(1, b))


def match(pattern: Any, value: Any, bindings: Bindings) -> bool:
    """Match `value` (operand or attribute) with `pattern`, adding to `bindings`."""
    if isinstance(pattern, Variable):
        if pattern.name in bindings:
            known = bindings[pattern.name]
            if isinstance(known, Node) or isinstance(value, Node):
                return known is value
            return bool(known == value)
        bindings[pattern.name] = value
        return True
    if isinstance(pattern, Pattern):
        return isinstance(value, Node) and match_node(pattern, value, bindings)
    if isinstance(value, Node):
        return False
    return same_scalar(pattern, value)


def match_node(pattern: Pattern, node: Node, bindings: Bindings) -> bool:
    """Match a node; the operands of a commutative op in either order."""
    if node.op is not pattern.op or len(node.inputs) != len(pattern.inputs):
        return False
    for name, wanted in pattern.attrs.items():
        if name not in node.attrs or not match(wanted, node.attrs[name], bindings):
            return False
    orders = [node.inputs]
    if node.op.name in COMMUTATIVE:
        orders.append(node.inputs[::-1])
    for inputs in orders:
        attempt = dict(bindings)
        if all(match(p, v, attempt) for p, v in zip(pattern.inputs, inputs, strict=True)):
            bindings.update(attempt)
            return True
    return False


class Rewriter(GraphBuilder):
    """Applies rules to a graph; while it runs it is the current interpreter.

    rules: the table.  functions: rules as functions, by op name ("*" for every op), tried first.
    A node made for a replaced one takes over its name and source.
    """

    def __init__(
        self,
        graph: Graph,
        rules: Iterable[Rule],
        functions: Mapping[str, list[Function]] | None = None,
    ):
        super().__init__(graph.name)
        self.graph = graph
        self.inputs = list(graph.inputs)
        for node in (*graph.inputs, *graph.nodes):
            self.names.take(node.name)
        self._functions = functions or {}
        self._everywhere = self._functions.get("*", [])
        self._rules: dict[str, list[tuple[Rule, set[Any]]]] = {}
        for rule in rules:
            self._rules.setdefault(rule.pattern.op.name, []).append((rule, rule.operands))
        self._depth = 0

    def run(self) -> Graph:
        """The rewritten graph; nodes no longer used are still in it."""
        mapping: dict[Node, Any] = {}
        with self:
            for node in self.graph.nodes:
                inputs = tuple(mapping.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
                moved = inputs != node.inputs
                value = self.simplified(node.with_inputs(inputs) if moved else node)
                if value is not node:
                    mapping[node] = value
        outputs = tuple(mapping.get(n, n) for n in self.graph.outputs)
        updates = tuple((i, mapping.get(v, v)) for i, v in self.graph.updates)
        return Graph(
            self.name, self.graph.inputs, tuple(self.nodes), outputs, updates, self.graph.meta
        )

    def simplified(self, node: Node) -> Node:
        """What stands for `node` after the rules; `node` itself, now in the graph, if none applies."""
        made, before = len(self.nodes), self.source
        self.source = node.source
        self._depth += 1
        if self._depth > DEEPEST:
            raise VerificationError(f"the rules do not end; they were last at {node!r}")
        try:
            for rule in (*self._functions.get(node.op.name, ()), *self._everywhere):
                value = rule(node)
                if value is not None:
                    return self._accept(node, value, made, getattr(rule, "__name__", "a rule"))
            rows = self._rules.get(node.op.name, ())
            operands = (
                {x.op if isinstance(x, Node) else None for x in node.inputs} if rows else set()
            )
            for row, wanted in rows:
                value = self._apply(row, node) if wanted <= operands else None
                if value is not None:
                    return self._accept(node, value, made, f"a rule of {node.op.name}")
        finally:
            self.source = before
            self._depth -= 1
        self.nodes.append(node)
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
        """Add a node, offered to the rules first."""
        type = op.infer(*(x.type if isinstance(x, Node) else x for x in inputs), **attrs)
        name = self.names.take(name or op.name)
        return self.simplified(
            Node(name, op, tuple(inputs), dict(attrs), type, source or self.source)
        )

    def _apply(self, rule: Rule, node: Node) -> Any:
        bindings: Bindings = {}
        if not match_node(rule.pattern, node, bindings):
            return None
        if rule.condition is not None and not _call(rule.condition, bindings):
            return None
        if isinstance(rule.replacement, (Pattern, Variable)):
            return _instantiate(rule.replacement, bindings)
        if callable(rule.replacement):
            return _call(rule.replacement, bindings)
        return rule.replacement

    def _accept(self, node: Node, value: Any, made_before: int, rule: str) -> Node:
        """The replacement of `node`; if it was made for it, it gets the name."""
        if type(value) in (bool, int, float):
            made_before = len(self.nodes)
            value = OPS["full"](shape=node.shape, value=value, dtype=node.dtype)
        if not isinstance(value, Node) or value.type != node.type:
            raise VerificationError(f"{rule} replaced {node!r} by {value!r}: the types differ")
        if len(self.nodes) > made_before and value is self.nodes[-1]:
            self.nodes[-1] = changed(value, name=node.name)
            return self.nodes[-1]
        result: Node = value
        return result


def _instantiate(pattern: Any, bindings: Bindings) -> Any:
    if isinstance(pattern, Variable):
        return bindings[pattern.name]
    if isinstance(pattern, Pattern):
        inputs = tuple(_instantiate(p, bindings) for p in pattern.inputs)
        attrs = {name: _instantiate(p, bindings) for name, p in pattern.attrs.items()}
        return pattern.op(*inputs, **attrs)
    return pattern


def _call(function: Callable[..., Any], bindings: Bindings) -> Any:
    return function(*(bindings[name] for name in _parameters(function)))


@cache
def _parameters(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(function).parameters)


def rewrite(
    graph: Graph, rules: Iterable[Rule], functions: Mapping[str, list[Function]] | None = None
) -> Graph:
    """Apply the rules to `graph`, once, in order."""
    return Rewriter(graph, rules, functions).run()
