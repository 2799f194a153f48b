"""The graph's text: Python that runs.

    # stage: joint
    def step(x: f32[64, 784], w: f32[128, 784]):
        permute: f32[784, 128] = ops.permute(w, dims=(1, 0))  # train.py:12 in fc1
        matmul: f32[64, 128] = ops.matmul(x, permute)  # train.py:12 in fc1
        scale: f32[128, 784] = ops.mul(w, 0.5)
        update(w, scale)
        return matmul

Grammar (Python's, of which this much is used):

    graph     = fact* "def" NAME "(" [input ("," input)*] ")" ":" line*
    fact      = "#" NAME ":" value                      what `Graph.meta` says, plain values only
    input     = NAME ":" tensor                         one to a line if it has a source
    line      = node | body | update | return           each may end in a source
    node      = NAME ":" type "=" "ops." NAME "(" [operand ("," operand)*] ("," NAME "=" value)* ")"
    body      = graph                                   a nested graph, named as an attribute value
    update    = "update" "(" NAME "," NAME ")"          after the call the input holds the value
    return    = "return" (NAME | "(" [NAME ("," NAME)* [","]] ")")
    type      = tensor | "(" tensor ("," tensor)* [","] ")"
    tensor    = DTYPE "[" (INT ("," INT)* | "()") "]"   f32[4, 16]; a scalar is f32[()]
    operand   = NAME | scalar
    value     = scalar | STRING | "None" | DTYPE | tensor | NAME (a body) | "(" [value ("," value)* [","]] ")"
    scalar    = BOOL | INT | FLOAT | ["-"] "inf" | "nan" | "complex(" FLOAT "," FLOAT ")"
    source    = "#" [FILE ":" INT] ["in" MODULE]

`parse` reads this back.  To run the text as Python give it the names `ops`, `update`, `inf`, `nan`
and the dtypes.  This module only prints; it trusts the graph it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..errors import UnsupportedError
from .graph import Graph, Node, Source
from .types import DType, TensorType

WIDTH = 100


def to_text(graph: Graph, *, sources: bool = True, facts: bool = True) -> str:
    """The graph's text; without a line break at the end.

    sources=False leaves out the comments, facts=False what `graph.meta` says.
    """
    return "\n".join(_lines(graph, sources, facts))


def _lines(graph: Graph, sources: bool, facts: bool) -> Iterator[str]:
    if facts:
        for name, fact in graph.meta.items():
            if is_plain(fact):
                yield f"# {name}: {value_text(fact)}"
    yield from _signature(graph, sources)
    for node in graph.nodes:
        for attribute in node.attrs.values():
            if isinstance(attribute, Graph):
                yield from (f"    {line}" for line in _lines(attribute, sources, facts))
        yield f"    {node_text(node, sources=sources)}"
    for input, value in graph.updates:
        yield f"    update({input.name}, {value.name})"
    names = ", ".join(n.name for n in graph.outputs)
    yield f"    return {names}" if len(graph.outputs) == 1 else f"    return ({names})"


def _signature(graph: Graph, sources: bool) -> Iterator[str]:
    inputs = [f"{n.name}: {type_text(n.type)}" for n in graph.inputs]
    line = f"def {graph.name}({', '.join(inputs)}):"
    if len(line) <= WIDTH and not (sources and any(str(n.source) for n in graph.inputs)):
        yield line
        return
    yield f"def {graph.name}("
    for text, node in zip(inputs, graph.inputs, strict=True):
        yield f"    {text},{_comment(node.source) if sources else ''}"
    yield "):"


def node_text(node: Node, *, sources: bool = True) -> str:
    """One node's line."""
    arguments = [x.name if isinstance(x, Node) else value_text(x) for x in node.inputs]
    arguments += [f"{name}={value_text(value)}" for name, value in node.attrs.items()]
    line = f"{node.name}: {type_text(node.type)} = ops.{node.op.name}({', '.join(arguments)})"
    return line + _comment(node.source) if sources else line


def _comment(source: Source) -> str:
    text = str(source).strip()
    return f"  # {text}" if text else ""


def type_text(type: TensorType | tuple[TensorType, ...]) -> str:
    """`f32[4, 16]`, `f32[()]`, or for several outputs `(f32[3], i64[3])`."""
    if isinstance(type, tuple):
        return _tuple_text([type_text(t) for t in type])
    return f"{type.dtype.short}[{', '.join(map(str, type.shape)) or '()'}]"


def value_text(value: Any) -> str:
    """An attribute or a scalar operand as Python; raises UnsupportedError for other objects."""
    if isinstance(value, bool) or value is None:
        return repr(value)
    if type(value) is float:
        return "nan" if math.isnan(value) else repr(value)  # repr of infinity is inf
    if type(value) in (int, str):
        return repr(value)
    if type(value) is complex:
        return f"complex({value_text(value.real)}, {value_text(value.imag)})"
    if isinstance(value, tuple):
        return _tuple_text([value_text(v) for v in value])
    if isinstance(value, DType):
        return value.short
    if isinstance(value, TensorType):
        return type_text(value)
    if isinstance(value, Graph):
        return value.name
    raise UnsupportedError(f"the IR has no text for {value!r}, a {type(value).__name__}")


def is_plain(value: Any) -> bool:
    """Whether `value` has a text that is read back as the same value."""
    if isinstance(value, tuple):
        return all(map(is_plain, value))
    return value is None or type(value) in (bool, int, float, complex, str, DType, TensorType)


def _tuple_text(parts: list[str]) -> str:
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"
