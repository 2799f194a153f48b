"""The backward of a compiled forward that calls an `autograd.Function`, traced.

`transforms.vjp` differentiates rows of the op table; a user's `backward` is Python.  So, where a traced
function called one and its result can be differentiated from outside, the tape's engine runs once under
the tracer with placeholders for the cotangents.  What it does becomes the joint graph:

    y = f(x)                              traced as usual
    grad(y, x, g)                         traced too; g is an input of the joint graph

Nothing outside may change meanwhile, because the program did not ask for this run: a write, a value
read in Python or a random number drawn there ends it, and the function is left to eager.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ir import ops
from ..ir.graph import Graph, Node
from .autograd import grad
from .returned import Outputs
from .tensor import Tensor
from .trace import Tracer
from .traced import Captured


@dataclass(frozen=True)
class Pullback:
    """What was traced: nodes from `start` on belong to the backward."""

    start: int
    cotangents: tuple[Node, ...]
    edges: tuple[Captured, ...]  # the inputs differentiated by
    gradients: tuple[Node, ...]

    def split(self, whole: Graph) -> tuple[Graph, Graph]:
        """The program's own graph and the joint one, from a graph that holds both."""
        inputs = tuple(n for n in whole.inputs if n not in self.cotangents)
        later = set(whole.nodes[self.start :])
        needed = tuple(n for n in (*whole.outputs, *(v for _, v in whole.updates)) if n in later)
        if needed:
            raise UnsupportedError(f"{needed[0].op.name} belongs to the backward and to the result")
        nodes = whole.nodes[: self.start]
        own = Graph(whole.name, inputs, nodes, whole.outputs, whole.updates, whole.meta)
        joint = Graph(
            whole.name,
            (*inputs, *self.cotangents),
            whole.nodes,
            (*whole.outputs, *self.gradients),
            whole.updates,
            {
                **whole.meta,
                "stage": "joint",
                "forward_outputs": len(whole.outputs),
                "cotangents": len(self.cotangents),
            },
        )
        return own, joint


def trace_pullback(tracer: Tracer, plan: Outputs) -> Pullback:
    """Run the engine from the differentiable results under `tracer`, which must be current.

    Raises UnsupportedError where the result could not be replayed.
    """
    name, line = tracer.custom_functions[0]
    edges = tuple(c for c in tracer.captured.values() if c.tensor.requires_grad)
    if any(c.tensor._hooks for c in edges):
        raise UnsupportedError("an input with a hook, and an autograd.Function", op=name, line=line)
    for tensor in plan.produced:
        tracer.value(tensor)
    start, known = len(tracer.builder.nodes), set(tracer.captured)
    roots = [plan.produced[i] for i in plan.differentiable]
    cotangents = [_placeholder(tracer, y) for y in roots]
    tracer.pulling_back = True
    try:
        found = grad(
            roots, [c.tensor for c in edges], cotangents, retain_graph=True, allow_unused=True
        )
    except UnsupportedError as error:
        raise UnsupportedError(str(error), op=error.op or name, line=error.line or line) from error
    except Exception as error:
        raise UnsupportedError(f"its backward raised {error!r}", op=name, line=line) from error
    finally:
        tracer.pulling_back = False
    late = (tracer.captured[i] for i in tracer.captured if i not in known)
    if any(c.tensor.requires_grad for c in late):
        raise UnsupportedError("its backward reads a tensor that requires grad", op=name, line=line)
    return Pullback(
        start,
        tuple(tracer.value(g) for g in cotangents),
        edges,
        tuple(_gradient(tracer, c, g) for c, g in zip(edges, found, strict=True)),
    )


def _placeholder(tracer: Tracer, tensor: Tensor) -> Tensor:
    cotangent = Tensor.__new__(Tensor)
    cotangent._array = np.ones(tensor._array.shape, tensor._array.dtype)
    node = tracer.builder.input(tensor.type_, "g")
    tracer._remember(cotangent, node)
    return cotangent


def _gradient(tracer: Tracer, captured: Captured, found: Any) -> Node:
    if found is not None:
        return tracer.value(found)
    type = captured.tensor.type_
    attrs = {"shape": type.shape, "value": 0, "dtype": type.dtype}
    return tracer.builder.add(ops.full, (), attrs)
