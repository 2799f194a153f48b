"""Contractions with their prologues and epilogues, as descriptions for `codegen.contraction`.

    body:   view* -> matmul | conv | ... -> (views and pointwise ops)* -> outputs

Views of a matmul's operands become layouts (a transposed operand is read transposed, an expanded one
with stride 0), those of a convolution's are copied; the pointwise ops become the epilogue's scalar program, its operands layouts over the
contraction's result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import CompileError
from ..ir.graph import Graph, Node
from ..ir.passes.fuse_cores import CONTRACTIONS
from ..ir.passes.fuse_index import VIEWS, Access, identity, recut, through
from ..ir.text import value_text
from ..ir.types import TensorType
from .contraction import Contraction, Convolution, Epilogue, Layout, Plan
from .kernel import compute_dtype

if TYPE_CHECKING:
    from .lower import Lowering


def lower_contraction(
    lowering: Lowering, body: Graph, operands: Sequence[Node], results: Sequence[Node | None]
) -> None:
    """Add the launches of a body that holds one contraction.

    operands: what the body's inputs are; results: what its outputs are, None for one nobody reads.
    """
    product = next(n for n in body.nodes if n.op.name in CONTRACTIONS)
    bound = dict(zip(body.inputs, operands, strict=True))
    places = [lowering.place(r, product.shape) for r in results]
    layouts = [
        Layout.of(product.shape, n.dtype) if p is None else Layout(p, 0, n.dtype)
        for n, p in zip(body.outputs, places, strict=True)
    ]
    epilogue = _Epilogue(body, product)
    described = epilogue.describe(tuple(layouts))
    if product.op.name == "matmul":
        sources = [_operand_layout(x) for x in product.operands]
        a, b = (layout for _, layout in sources)
        description: Contraction | Convolution = _folded(product, a, b, described)
        slots = [lowering.dense(bound[node]) for node, _ in sources]
    else:  # convolutions walk dense images
        description = _convolution(product, described)
        slots = [lowering.dense(_outer(lowering, x, bound)) for x in product.operands]
    planned = lowering.plan(description)
    slots += [lowering.dense(bound[node]) for node in epilogue.operands]
    for inner, result in zip(body.outputs, results, strict=True):
        slots.append(lowering.placed(result, tensor_type(inner)))
    nodes = tuple(n for n in body.nodes if n.op.name not in VIEWS)
    add_plan(lowering, planned, slots, nodes, _inplace_slots(product, description.epilogue, slots))


def add_plan(
    lowering: Lowering, planned: Plan, slots: list[int], nodes: tuple[Node, ...],
    pairs: Sequence[tuple[int, int]] = (),
) -> None:  # fmt: skip
    """Add a plan's launches; `slots` are the buffers of its description, `pairs` see `Launch.inplace`."""
    slots = [*slots, *(lowering.builder.value("packed", t) for t in planned.temporaries)]
    for step in planned.steps:
        position = {slot: p for p, slot in enumerate(step.operands)}
        lowering.builder.launch(
            lowering.shared(step.kernel),
            [slots[i] for i in step.operands],
            step.writes,
            params=step.params,
            chunks=step.chunks,
            grain=step.grain,
            work=step.work,
            inplace=tuple(
                (position[r], position[x]) for r, x in pairs if {r, x} <= position.keys()
            ),
            nodes=nodes,
        )


def _inplace_slots(product: Node, epilogue: Epilogue, slots: list[int]) -> list[tuple[int, int]]:
    """Pairs (result, epilogue operand) of slots that may share memory.

    An epilogue loads a vector of every operand, then stores the same elements of every result, and
    meets every element once.
    """
    if product.op.name != "matmul":
        return []
    first = len(product.operands)
    behind = first + len(epilogue.operands)
    return [
        (behind + r, first + x)
        for r, result in enumerate(epilogue.results)
        for x, operand in enumerate(epilogue.operands)
        if operand.strides == result.strides
        and operand.offset == result.offset
        and operand.dtype.itemsize == result.dtype.itemsize
        and slots.count(slots[first + x]) == 1
    ]


def _outer(lowering: Lowering, node: Node, bound: dict[Node, Node]) -> Node:
    """A view inside the body as a view of the graph's value; the same one for all that read it."""
    if node in bound:
        return bound[node]
    source, access = _access(node)
    key = (bound[source], access)
    if key not in lowering.views_read:
        inputs = tuple(_outer(lowering, x, bound) for x in node.operands)
        lowering.views_read[key] = node.with_inputs(inputs)
    return lowering.views_read[key]


def _convolution(product: Node, epilogue: Epilogue) -> Convolution:
    a, b = product.operands
    attrs = product.attrs
    kind, input, weight = {
        "conv": ("forward", a.shape, b.shape),
        "conv_input_grad": ("input_grad", attrs.get("input_shape"), b.shape),
        "conv_weight_grad": ("weight_grad", b.shape, attrs.get("weight_shape")),
    }[product.op.name]
    return Convolution(
        kind,  # type: ignore[arg-type]
        tuple(input),  # type: ignore[arg-type]
        tuple(weight),  # type: ignore[arg-type]
        tuple(attrs["stride"]),
        tuple(attrs["padding"]),
        tuple(attrs["dilation"]),
        attrs["groups"],
        product.dtype,
        epilogue,
    )


def _folded(product: Node, a: Layout, b: Layout, epilogue: Epilogue) -> Contraction:
    """A matmul; trailing batch dimensions over which b does not change become rows of a."""
    *batch, m, n = product.shape
    k = product.operands[0].shape[-1]
    operands, results = list(epilogue.operands), list(epilogue.results)
    while batch:
        size = batch[-1]
        if size != 1:
            if b.strides[-3] != 0:
                break
            if any(x.strides[-3] != x.strides[-2] * m for x in (a, *operands, *results)):
                break
        a = _without_batch(a, m if size != 1 else 1)
        b = _without_batch(b, 1)
        operands = [_without_batch(x, m) for x in operands]
        results = [_without_batch(x, m) for x in results]
        m *= batch.pop()
    folded = Epilogue(epilogue.body, epilogue.key, tuple(operands), tuple(results))
    return Contraction(m, n, k, a, b, tuple(batch), folded)


def _without_batch(layout: Layout, m: int) -> Layout:
    """The layout without its last batch dimension, which continues the rows (or has one entry)."""
    strides = (*layout.strides[:-3], *layout.strides[-2:])
    return Layout(strides, layout.offset, layout.dtype)


def _access(node: Node) -> tuple[Node, Access]:
    """The body's input behind a chain of views, and how the chain walks it."""
    if node.op.name not in VIEWS:
        return node, identity(node.shape)
    source, access = _access(node.operands[0])
    found = through(node, access)
    if found is None:
        raise CompileError(f"{node!r} is no strided view of {source!r}")
    return source, found


def _operand_layout(node: Node) -> tuple[Node, Layout]:
    """The body's input that a contraction's operand shows, and its layout."""
    source, access = _access(node)
    if source.op.kind != "input":
        raise CompileError(f"a contraction reads {source!r} before it is in memory")
    return source, layout_of(source, access)


def layout_of(source: Node, access: Access) -> Layout:
    """The layout of a view of a dense value; raises CompileError if a dimension has two strides."""
    if any(len(dim) > 1 for dim in access.dims):
        raise CompileError(f"{source!r} is not read with one stride per dimension")
    strides: list[int] = []
    # A dimension of size 1 continues its neighbour, so that what is evenly spaced looks so.
    step = next((dim[0][1] for dim in reversed(access.dims) if dim), 1)
    for dim in reversed(access.dims):
        strides.append(dim[0][1] if dim else step)
        step = strides[-1] * (dim[0][0] if dim else 1)
    return Layout(tuple(reversed(strides)), access.offset, source.dtype)


def tensor_type(node: Node) -> TensorType:
    assert isinstance(node.type, TensorType), node
    return node.type


class _Epilogue:
    """The scalar program behind a contraction, and what it reads."""

    def __init__(self, body: Graph, product: Node):
        self.body, self.product = body, product
        self.operands: list[Node] = []  # inputs of the body
        self.layouts: list[Layout] = []
        self.places: dict[tuple[Node, Layout], int] = {}
        self.lines: list[tuple[Node, list[Any]]] = []  # pointwise nodes and their arguments
        self.numbers: dict[Node, Any] = {product: ("accumulator",)}

    def describe(self, results: tuple[Layout, ...]) -> Epilogue:
        """The epilogue that leaves its results in the given layouts."""
        for node in self.body.nodes:
            if node is not self.product and node.op.kind == "pointwise":
                arguments = [self._argument(node, x) for x in node.inputs]
                self.numbers[node] = ("line", len(self.lines))
                self.lines.append((node, arguments))
        outputs = [self.numbers[n] for n in self.body.outputs]
        if not self.lines and len(outputs) == 1:
            return Epilogue(results=results)
        key = ";".join(
            f"{n.op.name}{sorted((k, value_text(v)) for k, v in n.attrs.items())}:{n.dtype.short}{arguments}"
            for n, arguments in self.lines
        )
        lines = list(self.lines)

        def body(s: Any, accumulator: Any, *operands: Any) -> tuple[Any, ...]:
            values: list[Any] = []

            def value(argument: Any, dtype: Any) -> Any:
                match argument:
                    case ("accumulator",):
                        return accumulator
                    case ("line", number):
                        return values[number]
                    case ("operand", number):
                        return operands[number]
                    case ("number", constant):
                        return s.const(constant, dtype)
                raise AssertionError(argument)

            for node, arguments in lines:
                typed = node.operands[-1] if node.op.name == "where" else node.operands[0]
                dtype = compute_dtype(node.dtype if node.op.name == "where" else typed.dtype)
                assert node.op.body is not None
                values.append(node.op.body(s, *(value(a, dtype) for a in arguments), **node.attrs))
            return tuple(
                value(o, compute_dtype(n.dtype)) for o, n in zip(outputs, self.body.outputs)
            )

        digest = hashlib.sha256(f"{key}>{outputs}".encode()).hexdigest()[:16]
        names = "_".join(n.op.name for n, _ in lines[:6])
        return Epilogue(body, f"{names}_{digest}", tuple(self.layouts), results)

    def _argument(self, user: Node, operand: Any) -> tuple[Any, ...]:
        """How the program gets an operand: a literal, an earlier line, or a load."""
        if not isinstance(operand, Node):
            return ("number", operand)
        source, access = _access(operand)
        if source.op.name == "full":
            return ("number", source.attrs["value"])
        if source in self.numbers:
            return self.numbers[source]  # type: ignore[no-any-return]
        if user.type.numel == 1 and self.product.type.numel != 1:  # type: ignore[union-attr]
            layout = Layout((0,) * self.product.ndim, access.offset, source.dtype)
        else:
            found = recut(access, self.product.shape)
            if found is None:
                raise CompileError(f"an epilogue cannot read {operand!r}")
            layout = layout_of(source, found)
        if (source, layout) not in self.places:
            self.places[source, layout] = len(self.operands)
            self.operands.append(source)
            self.layouts.append(layout)
        return ("operand", self.places[source, layout])
