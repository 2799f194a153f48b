"""The tape node of a compiled forward: its backward program, and gradients of gradients.

y = f(x)                      attach: one CompiledBackward node for the whole call
y.sum().backward()            runs the compiled backward graph
grad(..., create_graph=True)  runs the traced graph again, op by op on the tape, and differentiates
                              that: its gradients have a history of their own
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnsupportedError, message
from ..ir import ops
from ..ir.graph import Graph, Node
from .autograd import grad
from .grad_mode import state as grad_state
from .returned import Outputs
from .tape import TapeNode, zero_of
from .tensor import Tensor
from .traced import Captured

if TYPE_CHECKING:
    from .variant import Variant

FREED = TapeNode(ops.mul, (), {})
FREED.position = None
FREED.outputs = None
FREED.freed = True
FREED.saved = FREED.output = ()


def contiguous(array: np.ndarray) -> np.ndarray:
    """`array` in C order; np.ascontiguousarray would lift 0-d to 1-d."""
    return array if array.flags.c_contiguous else array.copy()


class CompiledBackward(TapeNode):
    """The tape node of one call of a compiled forward."""

    __slots__ = ("arrays", "attacher", "inputs", "input_versions")

    def name(self) -> str:
        return "CompiledFunctionBackward"

    def cotangents(self, grads: list[Tensor | None]) -> Sequence[Tensor | None]:
        filled = [
            zero_of(t.shape, t.dtype) if g is None else g
            for g, t in zip(grads, self.output, strict=True)
        ]
        attacher = self.attacher
        if grad_state.enabled:
            self._check(range(len(self.inputs)))
            return attacher.differentiable_gradients(self.inputs, filled)
        self._check(attacher.kept)
        return attacher.variant.run_backward(self.arrays, [g._array for g in filled])

    def _check(self, positions: Sequence[int]) -> None:
        for i in positions:
            tensor, version = self.inputs[i], self.input_versions[i]
            if tensor._version != version:
                self._raise_version(tensor._storage, version, tensor._array)

    def release(self) -> None:
        self.freed = True
        self.arrays = self.inputs = ()

    def gone(self) -> bool:
        return self.freed


class Attacher:
    """Puts a CompiledBackward on the tape after each call of a compiled forward.

    `inputs` are the captured tensors a node holds on to: those that the backward program reads
    (`kept`, positions among them), and those from which the forward can be computed again.
    """

    def __init__(self, variant: Variant, plan: Outputs):
        trace = variant.trace
        self.variant = variant
        self.types = tuple(plan.produced[i].type_ for i in plan.differentiable)
        by_node = {c.node: c for c in trace.captured}
        captured = [by_node.get(n) for n in trace.graph.inputs]  # None: a runtime scalar
        assert variant.partition is not None
        found: dict[Node, Captured] = {}
        for kind, position in variant.partition.sources:
            if kind == "input":
                known = captured[position]
                if known is None:
                    raise UnsupportedError(
                        "a learning rate is needed by the backward of a compiled forward"
                    )
                found[known.node] = known
        self.kept = range(len(found))
        again = _computable(variant, plan)
        self.obstacle = again if isinstance(again, str) else ""
        self.again: Graph | None = None
        if isinstance(again, Graph):
            self.again = again
            for node in again.inputs:
                found.setdefault(node, by_node[node])
        self.inputs = list(found.values())
        places = {node: i for i, node in enumerate(found)}
        self.sources: list[tuple[bool, int]] = [  # (from the outputs, position)
            (True, position) if kind == "output" else (False, places[trace.graph.inputs[position]])
            for kind, position in variant.partition.sources
            if kind != "cotangent"
        ]
        self._edges = [places.get(c.node) for c in variant.edges]
        self._again_inputs = [places[n] for n in self.again.inputs] if self.again else []

    def __call__(self, tensors: tuple, edges: tuple, inputs: tuple, outputs: tuple) -> None:
        node = CompiledBackward(
            ops.mul,
            tuple(
                [
                    (e._node, e._index)
                    if e._history() is not None
                    else (e if e._requires_grad else None)
                    for e in edges
                ]
            ),
            {},
        )
        node.attacher = self
        node.arrays = [
            outputs[i] if from_outputs else contiguous(inputs[i]._array)
            for from_outputs, i in self.sources
        ]
        node.inputs = inputs
        node.input_versions = [
            0 if (storage := t._storage_) is None else storage.version for t in inputs
        ]
        node.position = None
        node.output = node.outputs = self.types
        for index, tensor in enumerate(tensors):
            tensor._node, tensor._index = node, index

    def differentiable_gradients(
        self, inputs: tuple[Tensor, ...], cotangents: list[Tensor]
    ) -> Sequence[Tensor | None]:
        """The gradients of one call by op-by-op execution, recorded on the tape."""
        if self.again is None:
            raise UnsupportedError(
                message(
                    f"double backward through the compiled {self.variant.name}: {self.obstacle}",
                    hint="compile the whole step, or set GRAPHTORCH_COMPILE=0",
                )
            )
        from ..ir.interpret import evaluate

        # partial derivatives: by an alias of each input, so that one input's history does not count
        aliases: dict[int, Tensor] = {
            i: ops.reshape(inputs[i], shape=inputs[i]._array.shape)
            for i in self._edges
            if i is not None and inputs[i].requires_grad
        }
        outputs = evaluate(self.again, *[aliases.get(i, inputs[i]) for i in self._again_inputs])
        pairs = [(y, g) for y, g in zip(outputs, cotangents, strict=True) if y.requires_grad]
        found = grad(
            [y for y, _ in pairs],
            list(aliases.values()),
            [g for _, g in pairs],
            create_graph=True,
            allow_unused=True,
        )
        by_input = dict(zip(aliases, found, strict=True))
        return [None if i is None else by_input.get(i) for i in self._edges]


def _computable(variant: Variant, plan: Outputs) -> Graph | str:
    """The graph from inputs to differentiable outputs, to be run again later; or why that cannot be."""
    from ..ir.passes.dce import ancestors

    graph = variant.stopped
    if graph is None:
        return "it calls an autograd.Function"
    if variant.where is not None:
        return "it runs on a GPU"
    outputs = tuple(graph.outputs[i] for i in plan.differentiable)
    live = ancestors(outputs)
    random = next((n for n in graph.nodes if n in live and n.op.effect), None)
    if random is not None:
        return f"{random.op.name} at {random.source} would draw other numbers"
    captured = {
        node: original
        for node, original in zip(graph.inputs, variant.trace.graph.inputs, strict=True)
        if node in live
    }
    by_node = {c.node: c for c in variant.trace.captured}
    for original in captured.values():
        known = by_node.get(original)
        if known is None:
            return f"{original.name} is read at every call"
        if known.written:
            return f"{known.name} is written in place"
    return _renamed(
        replace(
            graph,
            inputs=tuple(captured),
            nodes=tuple(n for n in graph.nodes if n in live),
            outputs=outputs,
            updates=(),
        ),
        captured,
    )


def _renamed(graph: Graph, originals: dict[Node, Node]) -> Graph:
    """`graph` over the trace's own input nodes."""
    now: dict[Node, Node] = dict(originals)
    for node in graph.nodes:
        operands = tuple(now.get(x, x) if isinstance(x, Node) else x for x in node.inputs)
        now[node] = node.with_inputs(operands)
    return replace(
        graph,
        inputs=tuple(now[n] for n in graph.inputs),
        nodes=tuple(now[n] for n in graph.nodes),
        outputs=tuple(now[n] for n in graph.outputs),
    )
