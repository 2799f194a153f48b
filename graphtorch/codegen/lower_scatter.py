"""Writes to looked-up places: index_add, scatter_add, scatter, index_put.

    out = x                                    a copy, or the constant x is
    for j in order of the indices:             one work item does all j: the order of additions is fixed
        out[.., index[j], ..] (+)= v[.., j, ..]

Every place outside the indexed dimensions is independent of the others, so these are the work
items, and the contiguous one of them runs in vectors.  An index outside its dimension is reported
through the status words (see `program`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..ir.graph import Node
from ..ir.op import OPS
from ..ir.types import contiguous_strides, float32, float64, int32, int64
from .kernel import Index, Indirect, Kernel, Tiles
from .kernel_builder import KernelBuilder
from .program import Failure, work_estimate

if TYPE_CHECKING:
    from .lower import Lowering

SCATTERS = frozenset(("index_add", "scatter_add", "scatter", "index_put"))
SUMMED = frozenset((float32, float64, int32, int64))  # added in their own precision
WORK = 1 << 14  # elements a work item should add
SHORT = 4  # elements below which an axis is not worth vectors


@dataclass(frozen=True, slots=True)
class Walk:
    """One independent axis: how far a step goes in the result, the values and the indices."""

    extent: int
    out: int
    value: int
    index: int = 0


@dataclass(frozen=True, slots=True)
class Scatter:
    """What a scatter does: see the module docstring.

    looked: for every index tensor the dimension it is for, its size and its stride in the result.
    """

    axes: tuple[Walk, ...]
    count: int  # indices, one after the other
    value: int  # stride of the values along them
    index: int  # and of the index tensors
    looked: tuple[tuple[int, int, int], ...]
    accumulate: bool


def describe(node: Node) -> tuple[Scatter, Node, tuple[Node, ...]]:
    """The scatter of a node, its values and its index tensors."""
    x, *rest = node.operands
    strides = contiguous_strides(x.shape)
    if node.op.name == "index_add":
        index, v = rest
        dim = node.attrs["dim"]
        inner, count = strides[dim], index.type.numel  # type: ignore[union-attr]
        outer = math.prod(x.shape[:dim])
        axes: tuple[Walk, ...] = (
            Walk(outer, inner * x.shape[dim], inner * count),
            Walk(inner, 1, 1),
        )
        looked = ((dim, x.shape[dim], inner),)
        return Scatter(axes, count, inner, 1, looked, True), v, (index,)
    if node.op.name == "index_put":
        v, *indices = rest
        return _index_put(node, x, v, tuple(indices), strides), v, tuple(indices)
    index, v = rest
    dim = node.attrs["dim"]
    steps = contiguous_strides(index.shape)
    axes = tuple(
        Walk(n, strides[d], steps[d], steps[d]) for d, n in enumerate(index.shape) if d != dim
    )
    looked = ((dim, x.shape[dim], strides[dim]),)
    accumulate = node.op.name == "scatter_add"
    return Scatter(axes, index.shape[dim], steps[dim], steps[dim], looked, accumulate), v, (index,)


def _index_put(
    node: Node, x: Node, v: Node, indices: tuple[Node, ...], strides: tuple[int, ...]
) -> Scatter:
    dims = node.attrs["dims"]
    adjacent = list(dims) == list(range(dims[0], dims[-1] + 1))
    place, width = dims[0] if adjacent else 0, indices[0].ndim
    steps = contiguous_strides(v.shape)
    free = [d for d in range(x.ndim) if d not in dims]
    ours = [*steps[:place], *steps[place + width :]]
    axes = tuple(Walk(x.shape[d], strides[d], step) for d, step in zip(free, ours, strict=True))
    along = math.prod(v.shape[place + width :])
    looked = tuple((d, x.shape[d], strides[d]) for d in dims)
    count: int = indices[0].type.numel  # type: ignore[union-attr]
    return Scatter(axes, count, along, 1, looked, bool(node.attrs.get("accumulate", False)))


def lower_scatter(lowering: Lowering, node: Node) -> None:
    """Add the copy and the scatter."""
    scatter, v, indices = describe(node)
    x = node.operands[0]
    start = Node(node.name, OPS["reshape"], (x,), {"shape": x.shape}, x.type, node.source)
    if x.op.name == "full":
        start = Node(node.name, x.op, (), x.attrs, x.type, node.source)
    lowering.alone(start)
    out = lowering.buffers[node] = lowering.buffers[start]
    kernel, size = _kernel(scatter, node, v, indices)
    nbytes = 3 * v.type.nbytes  # type: ignore[union-attr]
    lowering.builder.launch(
        lowering.shared(kernel),
        [*(lowering.dense(i) for i in indices), lowering.dense(v), out],
        (len(indices) + 1,),
        chunks=kernel.items({}),
        grain=max(1, WORK // size),
        work=work_estimate(nbytes=nbytes, flops=4 * v.type.numel),  # type: ignore[union-attr]
        failures=tuple(Failure(dim, size) for dim, size, _ in scatter.looked),
        nodes=(node,),
    )


def _kernel(scatter: Scatter, node: Node, v: Node, indices: tuple[Node, ...]) -> tuple[Kernel, int]:
    """The kernel, and how many values one of its work items writes."""
    b = KernelBuilder(node.op.name)
    tables = [b.input(f"index{k}", i.dtype) for k, i in enumerate(indices)]
    values, out = b.input("v", v.dtype), b.inout("out", node.dtype)
    axes = [a for a in scatter.axes if a.extent != 1]
    vector = next((a for a in axes if a.out == 1 and a.extent >= SHORT), None)
    position: dict[str, Index] = {"out": Index(), "value": Index(), "index": Index()}

    def step(axis: Walk, where: Index) -> None:
        for name in position:
            position[name] = position[name] + where * getattr(axis, name)

    for k, axis in enumerate(axes):
        if axis is not vector:
            step(axis, b.grid(f"i{k}", axis.extent))
    width = 1
    if vector is not None:
        width = min(max(WORK // max(scatter.count, 1) // 16 * 16, 64), vector.extent)
        block = b.grid("block", Tiles(vector.extent, width))
    elif not axes:
        b.grid("one", 1)

    def write(j: Index) -> None:
        chosen = []
        for code, (table, (_, size, stride)) in enumerate(
            zip(tables, scatter.looked, strict=True), 1
        ):
            at = b.load(table, position["index"] + j * scatter.index)
            chosen.append(Indirect(at, Index.of(stride), size, code))
        value = b.load(values, position["value"] + j * scatter.value)
        b.store(out, position["out"], value, indirect=tuple(chosen), accumulate=scatter.accumulate)

    with b.serial("j", scatter.count) as loop:
        if vector is None:
            write(loop.index)
        else:
            with b.vector("c", b.tiled(block, width, vector.extent)) as lane:
                before = dict(position)
                step(vector, block * width + lane.index)
                write(loop.index)
                position.update(before)
    return b.finish(), scatter.count * width
