"""Checking derivatives against float64 finite differences along random directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph
from graphtorch.ir.interpret import interpret
from graphtorch.ir.transforms import vjp
from graphtorch.ir.types import BY_NUMPY, TensorType, float64
from graphtorch.ir.verify import verify


def graph_of(function: Callable[..., Any], inputs: Sequence[Any], name: str = "f") -> Graph:
    """The graph of `function` called with these arrays; Python scalars are baked in as operands."""
    with GraphBuilder(name) as builder:
        values = [
            builder.input(TensorType(BY_NUMPY[x.dtype], x.shape))
            if isinstance(x, np.ndarray)
            else x
            for x in inputs
        ]
        result = function(*values)
        return builder.finish(result if isinstance(result, tuple) else (result,))


def in_float64(arrays: Sequence[Any]) -> list[Any]:
    """Floating arrays as float64, the others as they are."""
    return [
        a.astype(np.float64) if isinstance(a, np.ndarray) and a.dtype.kind not in "iubc" else a
        for a in arrays
    ]


def check_graph_gradients(
    graph: Graph,
    arrays: Sequence[np.ndarray],
    order: int = 1,
    *,
    step: float = 1e-6,
    rtol: float = 1e-5,
) -> None:
    """Compare <gradient, direction> with the slope of <outputs, g> along a random direction.

    All floating inputs must be float64; outputs of other dtypes are left out.  order=2 checks the gradient graph in turn.
    """
    floating = [i for i, n in enumerate(graph.inputs) if n.dtype.kind == "f"]
    outputs = [i for i, n in enumerate(graph.outputs) if n.dtype is float64]
    if not floating or not outputs:
        return
    random = np.random.default_rng(len(graph))
    joint = verify(vjp(graph, outputs=outputs))
    cotangents = [random.standard_normal(graph.outputs[i].shape) for i in outputs]
    directions = {i: random.standard_normal(graph.inputs[i].shape) for i in floating}
    found = interpret(joint, *arrays, *cotangents)
    gradients = found[len(graph.outputs) : len(joint.outputs)]
    analytic = sum(
        float(np.sum(a * directions[i])) for i, a in zip(floating, gradients, strict=True)
    )

    def along(t: float) -> float:
        moved = [a + t * directions[i] if i in directions else a for i, a in enumerate(arrays)]
        results = interpret(graph, *moved)
        return sum(float(np.sum(g * results[i])) for g, i in zip(cotangents, outputs, strict=True))

    numeric = (along(step) - along(-step)) / (2 * step)
    scale = max(abs(numeric), abs(analytic), 1.0)
    assert np.isfinite(numeric), "the function is not finite there"
    assert abs(numeric - analytic) <= rtol * scale, (
        f"slope {numeric}, gradient says {analytic}\n{joint}"
    )
    if order > 1:
        check_graph_gradients(joint, [*arrays, *cotangents], order - 1, step=step, rtol=rtol)


def check_gradients(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    order: int = 1,
    *,
    step: float = 1e-6,
    rtol: float = 1e-5,
) -> None:
    """Check the derivatives of `function`, ops called on values, at `inputs`, to the given order."""
    arrays = in_float64(inputs)
    graph = verify(graph_of(function, arrays))
    check_graph_gradients(
        graph, [a for a in arrays if isinstance(a, np.ndarray)], order, step=step, rtol=rtol
    )
