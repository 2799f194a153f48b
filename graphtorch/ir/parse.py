"""From text to graph: the inverse of `text`, whose docstring has the grammar.

The text is Python, so Python's own parser reads it; nothing is ever executed.  Types are inferred
again and must equal those written.
"""

from __future__ import annotations

import ast
import re
from typing import Any, NoReturn

from ..errors import GraphtorchError
from .builder import INPUT, RESERVED
from .graph import NOWHERE, Graph, Node, Source
from .op import OPS
from .text import type_text
from .types import BY_SHORT, DType, TensorType

_SOURCE = re.compile(r"(?:(?P<file>.+?):(?P<line>\d+))?(?:(?:^| )in (?P<module>.+))?")
_STRING = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
_COMMENT = re.compile(rf"(?:[^#'\"]|{_STRING})*(?P<comment>#.*)")
_FACT = re.compile(r"#\s*(?P<name>\w+): (?P<value>.+)")


class ParseError(GraphtorchError, ValueError):
    """A text is not the text of a graph; the message names the line."""


def parse(text: str) -> Graph:
    """Return the graph that `text` describes; raises ParseError.

    >>> print(parse("def f(x: f32[2]):\\n    neg: f32[2] = ops.neg(x)\\n    return neg"))
    def f(x: f32[2]):
        neg: f32[2] = ops.neg(x)
        return neg
    """
    from . import ops  # noqa: F401  (fills the op table)

    try:
        module = ast.parse(text)
    except SyntaxError as error:
        raise ParseError(f"line {error.lineno}: {error.msg}") from None
    reader = _Reader(text)
    functions = [s for s in module.body if isinstance(s, ast.FunctionDef)]
    if len(functions) != 1 or len(module.body) != 1:
        raise ParseError("the text of a graph is one function")
    return reader.graph(functions[0])


class _Reader:
    def __init__(self, text: str):
        self.lines = text.splitlines()
        self.comments = {
            number: match["comment"]
            for number, line in enumerate(self.lines, 1)
            if "#" in line and (match := _COMMENT.fullmatch(line))
        }

    def fail(self, where: ast.AST, what: str) -> NoReturn:
        line = getattr(where, "lineno", 0)
        shown = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        raise ParseError(f"line {line}: {what}\n  {shown}")

    def graph(self, function: ast.FunctionDef) -> Graph:
        scope = _Scope()
        for argument in function.args.args:
            type = self.type(argument.annotation, argument)
            if isinstance(type, tuple):
                self.fail(argument, "an input is one tensor")
            node = Node(argument.arg, INPUT, (), {"type": type}, type, self.source(argument.lineno))
            self.define(scope, node, argument)
        inputs = tuple(scope.values.values())
        outputs: tuple[Node, ...] | None = None
        for statement in function.body:
            if outputs is not None:
                self.fail(statement, "nothing follows the return")
            match statement:
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call() as call):
                    node = self.node(scope, name, statement, call)
                    self.define(scope, node, statement)
                    scope.nodes.append(node)
                case ast.FunctionDef():
                    scope.bodies[statement.name] = self.graph(statement)
                case ast.Expr(
                    value=ast.Call(func=ast.Name(id="update"), args=[target, value], keywords=[])
                ):
                    scope.updates.append((self.name(scope, target), self.name(scope, value)))
                case ast.Return(value=ast.Tuple(elts=elements)):
                    outputs = tuple(self.name(scope, e) for e in elements)
                case ast.Return(value=ast.Name() as only):
                    outputs = (self.name(scope, only),)
                case _:
                    self.fail(statement, "not a line of a graph")
        if outputs is None:
            self.fail(function, f"{function.name} does not return")
        facts = self.facts(function)
        return Graph(
            function.name, inputs, tuple(scope.nodes), outputs, tuple(scope.updates), facts
        )

    def define(self, scope: _Scope, node: Node, where: ast.AST) -> None:
        if node.name in scope.values:
            self.fail(where, f"the name {node.name} stands twice")
        if node.name in RESERVED:
            self.fail(where, f"{node.name} is not free to name a value")
        scope.values[node.name] = node

    def node(self, scope: _Scope, name: str, statement: ast.AnnAssign, call: ast.Call) -> Node:
        match call.func:
            case ast.Attribute(value=ast.Name(id="ops"), attr=op_name) if op_name in OPS:
                op = OPS[op_name]
            case _:
                self.fail(statement, f"unknown op {ast.unparse(call.func)}")
        operands = tuple(
            self.name(scope, a) if self.names_value(scope, a) else self.value(scope, a)
            for a in call.args
        )
        attrs = {str(k.arg): self.value(scope, k.value) for k in call.keywords}
        types = (x.type if isinstance(x, Node) else x for x in operands)
        try:
            inferred = op.infer(*types, **attrs)
        except Exception as error:
            self.fail(statement, f"{type(error).__name__}: {error}")
        written = self.type(statement.annotation, statement)
        if written != inferred:
            self.fail(
                statement, f"{name} is written {type_text(written)}, is {type_text(inferred)}"
            )
        return Node(name, op, operands, attrs, inferred, self.source(statement.lineno))

    def names_value(self, scope: _Scope, tree: ast.expr) -> bool:
        return isinstance(tree, ast.Name) and tree.id not in RESERVED

    def name(self, scope: _Scope, tree: ast.expr) -> Node:
        if not isinstance(tree, ast.Name) or tree.id not in scope.values:
            self.fail(tree, f"{ast.unparse(tree)} is not a value")
        return scope.values[tree.id]

    def value(self, scope: _Scope, tree: ast.expr) -> Any:
        match tree:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                value = self.value(scope, inner)
                if type(value) in (int, float):
                    return -value
            case ast.Name(id="inf" | "nan" as name):
                return float(name)
            case ast.Name(id=name) if name in BY_SHORT:
                return BY_SHORT[name]
            case ast.Name(id=name) if name in scope.bodies:
                return scope.bodies[name]
            case ast.Tuple(elts=elements):
                return tuple(self.value(scope, e) for e in elements)
            case ast.Subscript():
                return self.type(tree, tree)
            case ast.Call(func=ast.Name(id="complex"), args=[real, imaginary], keywords=[]):
                return complex(self.value(scope, real), self.value(scope, imaginary))
        self.fail(tree, f"{ast.unparse(tree)} is not a value of the IR")

    def type(self, tree: ast.expr | None, where: ast.AST) -> TensorType | tuple[TensorType, ...]:
        match tree:
            case ast.Tuple(elts=elements):
                parts = [self.type(e, where) for e in elements]
                if all(isinstance(p, TensorType) for p in parts):
                    return tuple(p for p in parts if isinstance(p, TensorType))
            case ast.Subscript(value=ast.Name(id=short), slice=index) if short in BY_SHORT:
                dtype: DType = BY_SHORT[short]
                sizes = index.elts if isinstance(index, ast.Tuple) else [index]
                if all(isinstance(s, ast.Constant) and type(s.value) is int for s in sizes):
                    return TensorType(dtype, tuple(s.value for s in sizes))  # type: ignore[attr-defined]
        self.fail(where, f"{ast.unparse(tree) if tree else 'nothing'} is not a type")

    def source(self, line: int) -> Source:
        comment = self.comments.get(line)
        if comment is None:
            return NOWHERE
        match = _SOURCE.fullmatch(comment.lstrip("#").strip())
        if match is None:
            return NOWHERE
        return Source(match["file"] or "", int(match["line"] or 0), match["module"] or "")

    def facts(self, function: ast.FunctionDef) -> dict[str, Any]:
        """The comments right above the function."""
        found: dict[str, Any] = {}
        line = function.lineno - 1
        while line >= 1 and (match := _FACT.fullmatch(self.lines[line - 1].strip())):
            tree = ast.parse(match["value"], mode="eval").body
            found[match["name"]] = self.value(_Scope(), tree)
            line -= 1
        return dict(reversed(found.items()))


class _Scope:
    """The names one function has defined so far."""

    def __init__(self) -> None:
        self.values: dict[str, Node] = {}
        self.nodes: list[Node] = []
        self.updates: list[tuple[Node, Node]] = []
        self.bodies: dict[str, Graph] = {}
