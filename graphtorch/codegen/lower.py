"""An optimised graph to a program: every node to launches, aliases or a call of its NumPy kernel.

    fusion, pointwise, reductions, reads    loop kernels                 lower_loops
    matmul, conv, ... with their epilogues  contraction kernels          lower_contraction
    index_add, index_put, scatter, ...      a copy, then a serial loop   lower_scatter
    attention, pooling                      kernels of their own         lower_special
    reshape, pick, views                    no step: another look at the same buffer
    everything else                         HostCall, with the reason

A value with no elements is a constant nobody reads.  A view that must exist in a row gets a copy
kernel of its own.  Structurally equal kernels are made once (`kernel.key`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import CompileError
from ..ir.builder import INPUT
from ..ir.graph import Graph, Node
from ..ir.op import OPS
from ..ir.passes.fuse_cores import (
    CONTRACTIONS,
    CREATIONS,
    REDUCTIONS,
    may_divide_by_zero,
    reads_only,
)
from ..ir.passes.fuse_index import VIEWS, Access, identity, inverse, relation, through
from ..ir.types import TensorType
from .contraction import Contraction, Convolution, Plan, plan
from .llvm.target import target
from .lower_contraction import lower_contraction
from .lower_copies import copied_values
from .lower_draft import Partial, Piece
from .lower_loops import lower_loops
from .lower_scatter import SCATTERS, SUMMED, lower_scatter
from .lower_special import SPECIAL
from .program import Array, KernelSource, Program, ProgramBuilder

LOOPS = REDUCTIONS | CREATIONS | VIEWS


def lower(graph: Graph) -> Program:
    """The program of a graph; `ir.passes.fuse` should have run, but need not have."""
    return Lowering(graph).run()


class Lowering:
    """The state of one lowering: which buffer holds which node, and the steps so far."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.builder = ProgramBuilder(graph.name)
        self.buffers: dict[Node, int] = {}  # dense values
        self.views: dict[Node, tuple[Node, Access]] = {}  # views of dense values
        self.parts: dict[Node, dict[int, Node]] = {}  # picks of nodes with several results
        self.kernels: dict[str, KernelSource] = {}
        self.keys: dict[int, tuple[KernelSource, str]] = {}
        self.bodies: dict[Any, tuple[Graph, list[Piece]]] = {}
        self.views_read: dict[tuple[Node, Access], Node] = {}  # made dense for convolutions
        self.copied = copied_values(graph, SPECIAL)
        self.returned: set[int] = set()  # buffers whose type is an output's

    def run(self) -> Program:
        graph, builder = self.graph, self.builder
        for node in graph.inputs:
            self.buffers[node] = builder.input(node.name, tensor(node))
        for node in graph.nodes:
            if node.op.name == "pick":
                self.parts.setdefault(node.operands[0], {})[node.attrs["index"]] = node
        for node in graph.nodes:
            if node not in self.buffers:  # unless another step wrote it on the way
                self.node(node)
        outputs = [self.output(n) for n in graph.outputs]
        updates = [(self.buffers[x], self.dense(v)) for x, v in graph.updates]
        return builder.finish(outputs, updates)

    def plan(self, description: Contraction | Convolution) -> Plan:
        """The launches of a contraction; `cuda.lower` plans its own."""
        return plan(description, target())

    # values --------------------------------------------------------------------------------------

    def value(self, node: Node) -> int:
        """The buffer a step writes the node's value to."""
        self.buffers[node] = self.builder.value(node.name, tensor(node))
        return self.buffers[node]

    def own(self, node: Node | None, type: TensorType) -> int:
        """The buffer a step writes a result to; one nobody reads gets one too."""
        return self.builder.value("unread", type) if node is None else self.value(node)

    def place(self, node: Node | None, shape: tuple[int, ...]) -> tuple[int, ...] | None:
        """The strides at which a result of `shape` is wanted in another value's buffer, if it is."""
        copy = None if node is None else self.copied.get(node)
        return None if copy is None else inverse(copy[1], shape)

    def placed(self, node: Node | None, type: TensorType) -> int:
        """The buffer a result goes to: its own, or with `place` the one it would be copied to."""
        copy = None if node is None else self.copied.get(node)
        strides = self.place(node, type.shape)
        if copy is None or strides is None or node is None:
            return self.own(node, type)
        digits = zip(node.shape, inverse(copy[1], node.shape) or (), strict=True)
        self.views[node] = (copy[0], Access(tuple(((n, s),) if n != 1 else () for n, s in digits)))
        return self.value(copy[0])

    def dense(self, node: Node) -> int:
        """The buffer that holds the node's elements in a row; made now if it is a view."""
        found = self.buffers.get(node)
        if found is None:
            if not tensor(node).numel:
                self.empty(node)
                return self.buffers[node]
            if node.op.name in VIEWS or node in self.views:
                source, access = self.view_of(node)
                numel = tensor(source).numel
                if relation(access, numel) == relation(identity(source.shape), numel):
                    found = self.buffers[node] = self.dense(source)
                    return found
            self.alone(node)
            found = self.buffers[node]
        return found

    def output(self, node: Node) -> int:
        """The buffer of a graph output, which states the output's shape."""
        index = self.dense(node)
        buffer = self.builder.buffers[index]
        if buffer.type == tensor(node):
            self.returned.add(index)
            return index
        if buffer.kind == "value" and index not in self.returned:
            self.builder.buffers[index] = replace(buffer, type=tensor(node))
            self.returned.add(index)
            return index
        same = Node(
            node.name, OPS["reshape"], (node,), {"shape": node.shape}, node.type, node.source
        )
        self.alone(same)
        self.returned.add(self.buffers[same])
        return self.buffers[same]

    def view_of(self, node: Node) -> tuple[Node, Access]:
        """The dense value a node shows, and how."""
        if node in self.buffers or (node.op.name not in VIEWS and node not in self.views):
            return node, identity(node.shape)
        if node not in self.views:
            source, access = self.view_of(node.operands[0])
            found = through(node, access)
            if found is None:
                source = node.operands[0]
                self.dense(source)
                found = through(node, identity(source.shape))
                assert found is not None, node
            self.views[node] = (source, found)
        return self.views[node]

    def array(self, node: Node) -> Array:
        """A node as an operand of a NumPy kernel."""
        source, access = self.view_of(node)
        if source is node or any(len(dim) > 1 for dim in access.dims):
            return Array(self.dense(node), tensor(node))
        strides = tuple(dim[0][1] if dim else 0 for dim in access.dims)
        return Array(self.dense(source), tensor(node), strides, access.offset)

    # nodes ---------------------------------------------------------------------------------------

    def node(self, node: Node) -> None:
        """Emit the steps that compute a node."""
        name = node.op.name
        types = node.type if isinstance(node.type, tuple) else (node.type,)
        if name == "pick" or name in VIEWS or (name in CREATIONS and tensor(node).numel):
            return  # picks come with their node; views and constants when somebody wants them
        if all(t.numel == 0 for t in types) and not node.op.effect:
            for part in self.results(node):
                if part is not None:
                    self.empty(part)
            return
        if name == "fusion":
            self.fusion(node)
            return
        reason = self.host_reason(node)
        if reason is not None:
            self.host(node, reason)
        elif name in CONTRACTIONS:
            lower_contraction(self, _alone(node), tuple(dict.fromkeys(node.operands)), [node])
        elif name in SPECIAL:
            SPECIAL[name](self, node)
        elif name in SCATTERS and not reads_only(node):
            lower_scatter(self, node)
        else:
            self.alone(node)

    def host_reason(self, node: Node) -> str | None:
        """Why a node runs in NumPy; None if a kernel computes it."""
        types = [
            t
            for x in (node, *node.operands)
            for t in (x.type if isinstance(x.type, tuple) else (x.type,))
        ]
        if any(t.dtype.is_complex for t in types):
            return "kernels do not compute with complex numbers"
        if any(t.numel == 0 for t in types):
            return "an operand has no elements"
        if may_divide_by_zero(node):
            return "integer division by zero must raise"
        if node.op.name in CONTRACTIONS and not node.dtype.is_floating_point:
            return f"contraction kernels do not multiply {node.dtype.short}"
        if node.op.kind == "pointwise" and node.op.body is not None and node.operands:
            return None
        if node.op.name in SCATTERS and not reads_only(node):
            return None if node.dtype in SUMMED else f"no scatter kernel for {node.dtype.short}"
        if (
            reads_only(node)
            or node.op.name in LOOPS
            or node.op.name in CONTRACTIONS
            or node.op.name in SPECIAL
        ):
            return None
        return f"no kernel computes {node.op.name}"

    def results(self, node: Node) -> list[Node | None]:
        """The nodes that hold a node's results; None for a result nobody picks."""
        if not isinstance(node.type, tuple):
            return [node]
        picks = self.parts.get(node, {})
        return [picks.get(i) for i in range(len(node.type))]

    def empty(self, node: Node) -> None:
        """A value without elements."""
        type = tensor(node)
        self.buffers[node] = self.builder.constant(
            node.name, np.empty(type.shape, type.dtype.numpy)
        )

    def host(self, node: Node, reason: str) -> None:
        arguments = [self.array(x) if isinstance(x, Node) else x for x in node.inputs]
        results = [
            None if r is None else Array(self.value(r), tensor(r)) for r in self.results(node)
        ]
        self.builder.host(
            node.op, arguments, results, attrs=dict(node.attrs), nodes=(node,), reason=reason
        )

    # bodies --------------------------------------------------------------------------------------

    def fusion(self, node: Node) -> None:
        body: Graph = node.attrs["body"]
        results = self.results(node)
        if any(n.op.name in CONTRACTIONS for n in body.nodes):
            lower_contraction(self, body, node.operands, results)
            return
        try:
            pieces = self.pieces(body)
        except CompileError:
            self.apart(body, node.operands, results)
            return
        self.launch(body, pieces, node.operands, results)

    def alone(self, node: Node) -> None:
        """A node on its own, as loop kernels."""
        body = _alone(node)
        self.launch(body, self.pieces(body), tuple(dict.fromkeys(node.operands)), [node])

    def pieces(self, body: Graph) -> list[Piece]:
        """The launches of a body; equal bodies (the layers of a network) are lowered once."""
        key = _body_key(body)
        found = self.bodies.get(key)
        if found is None:
            pieces = lower_loops(body)
            self.bodies[key] = (body, pieces)
            return pieces
        first, pieces = found
        twin: dict[Any, Any] = dict(zip((*first.inputs, *first.nodes), (*body.inputs, *body.nodes)))
        partials = {
            o: Partial(o.name, o.type) for p in pieces for o in p.operands if isinstance(o, Partial)
        }
        twin.update(partials)
        return [replace(p, operands=tuple(twin[o] for o in p.operands)) for p in pieces]

    def apart(self, body: Graph, operands: Sequence[Node], results: Sequence[Node | None]) -> None:
        """A body no single template fits, node by node."""
        for inner, outer in zip(body.inputs, operands, strict=True):
            self.buffers[inner] = self.dense(outer)
        for node in body.nodes:
            self.node(node)
        for inner, result in zip(body.outputs, results, strict=True):
            if result is not None:
                self.buffers[result] = self.dense(inner)

    def launch(
        self,
        body: Graph,
        pieces: Sequence[Piece],
        operands: Sequence[Node],
        results: Sequence[Node | None],
    ) -> None:
        """Bind the pieces' operands to buffers and add the launches."""
        bound: dict[Node | Partial, int] = {}
        for inner, outer in zip(body.inputs, operands, strict=True):
            bound[inner] = self.dense(outer)
        for inner, result in zip(body.outputs, results, strict=True):
            bound[inner] = self.own(result, tensor(inner))
        nodes = tuple(n for n in body.nodes if n.op.name not in VIEWS) or tuple(body.nodes)
        for piece in pieces:
            for operand in piece.operands:
                if isinstance(operand, Partial) and operand not in bound:
                    bound[operand] = self.builder.value(operand.name, operand.type)
            self.builder.launch(
                self.shared(piece.kernel),
                [bound[o] for o in piece.operands],
                piece.writes,
                params=piece.params,
                chunks=piece.chunks,
                grain=piece.grain,
                work=piece.work,
                inplace=piece.inplace,
                failures=piece.failures,
                nodes=nodes,
            )

    def shared(self, kernel: KernelSource) -> KernelSource:
        """A kernel that is structurally equal and wants at least as much scratch."""
        seen = self.keys.get(id(kernel))
        if seen is None:
            seen = self.keys[id(kernel)] = (
                kernel,
                kernel.key,
            )  # the kernel stays alive, its id too
        known = self.kernels.get(seen[1])
        if known is None or known.scratch_bytes < kernel.scratch_bytes:
            known = self.kernels[seen[1]] = kernel
        return known


def tensor(node: Node) -> TensorType:
    """The type of a node with one result."""
    assert isinstance(node.type, TensorType), node
    return node.type


def _alone(node: Node) -> Graph:
    """A body of one node."""
    inputs = {
        x: Node(x.name, INPUT, (), {"type": x.type}, x.type, x.source)
        for x in dict.fromkeys(node.operands)
    }
    inner = replace(
        node, inputs=tuple(inputs[x] if isinstance(x, Node) else x for x in node.inputs)
    )
    return Graph(node.op.name, tuple(inputs.values()), (inner,), (inner,))


def _body_key(body: Graph) -> Any:
    """Equal for bodies that differ in names only."""
    number = {n: i for i, n in enumerate((*body.inputs, *body.nodes))}
    lines = tuple(
        (
            n.op.name,
            tuple(number[x] if isinstance(x, Node) else repr(x) for x in n.inputs),
            tuple((k, repr(v)) for k, v in n.attrs.items()),
            n.type,
        )
        for n in body.nodes
    )
    ends = tuple(number[n] for n in body.outputs)
    return tuple(n.type for n in body.inputs), lines, ends
