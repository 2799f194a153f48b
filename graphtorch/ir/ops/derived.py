"""Derivative rules that a composite's decomposition gives by itself.

    vjp=derived("layer_norm_backward", "g x weight", _infer, _decomposed)

Used where speed does not ask for a formula of its own, above all for derivatives of backward ops.
The decomposition is built as a graph, reversed by `ir.transforms.vjp`, kept, and evaluated on
whatever values the rule is called with: tensors, or nodes of another graph.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..builder import GraphBuilder
from ..derivative import type_of
from ..graph import Graph
from ..op import Joint
from ..types import TensorType

_reversed: dict[Any, tuple[Graph, tuple[int, ...], tuple[int, ...]]] = {}


def derived(
    name: str, inputs: str, infer: Callable[..., Any], decompose: Callable[..., Any]
) -> Joint:
    """The rule for an op with these inputs, whose attributes are the keywords of `infer`."""
    operands = inputs.split()
    if operands and operands[-1].startswith("*"):
        raise ValueError(f"op {name}: a derived rule takes a fixed number of operands")
    parameters = inspect.signature(infer).parameters.values()
    attributes = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]

    def rule(g: Any, *rest: Any) -> tuple[Any, ...]:
        count = len(operands)
        values = [x for x in rest[:count] if x is not None]
        attrs = dict(zip(attributes, rest[count:], strict=True))
        graph, wrt, outputs = _reverse(name, decompose, values, attrs)
        cotangents = g if isinstance(g, tuple) else (g,)
        found = _evaluate(graph, *values, *(cotangents[i] for i in outputs))
        result: list[Any] = [None] * len(values)
        for position, cotangent in zip(wrt, found, strict=True):
            result[position] = cotangent
        return tuple(result)

    # the plan finds operands and attributes by these names; "g" is the cotangent, so the operand of
    # a backward op that is itself a cotangent is called "dy"
    return Joint(with_parameters(rule, "g", *operands, *attributes))


def with_parameters(rule: Callable[..., Any], *names: str, **defaults: Any) -> Callable[..., Any]:
    """Say what a rule that takes `*values` needs: these names, then those with a default."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(n, kind) for n in names]
    parameters += [inspect.Parameter(n, kind, default=value) for n, value in defaults.items()]
    rule.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return rule


def _evaluate(graph: Graph, *values: Any) -> list[Any]:
    from ..interpret import evaluate

    return evaluate(graph, *values)


def _reverse(
    name: str, decompose: Callable[..., Any], values: list[Any], attrs: dict[str, Any]
) -> tuple[Graph, tuple[int, ...], tuple[int, ...]]:
    """The graph from operands and cotangents to gradients; which operands, which outputs."""
    types: tuple[TensorType, ...] = tuple(map(type_of, values))
    key = name, types, tuple(sorted(attrs.items()))
    known = _reversed.get(key)
    if known is not None:
        return known
    from ..passes.dce import dce
    from ..transforms.vjp import vjp

    with GraphBuilder(name) as builder:
        operands = [builder.input(t, f"x{i}") for i, t in enumerate(types)]
        result = decompose(*operands, **attrs)
        results = result if isinstance(result, tuple) else (result,)
        forward = builder.finish(results)
    wrt = tuple(i for i, t in enumerate(types) if t.dtype.kind == "f")
    outputs = tuple(i for i, n in enumerate(forward.outputs) if n.dtype.kind == "f")
    joint = vjp(forward, wrt, outputs)
    graph = dce(replace(joint, outputs=joint.outputs[len(forward.outputs) :]))
    _reversed[key] = graph, wrt, outputs
    return _reversed[key]
