"""Ops that get a contraction kernel of their own although they are no contractions: attention, pooling.

    claimed(node)   whether `decompose` leaves the composite whole for the code generator
    SPECIAL         name -> function that adds the launches of such a node

What no kernel can do runs in NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import UnsupportedError
from ..ir.graph import Node
from ..ir.passes.fuse_index import Access
from ..ir.types import TensorType, float32, float64
from .contraction import Attention, AttentionBackward, Layout, MaxPool, MaxPoolBackward, Plan, plan
from .llvm.target import target
from .lower_contraction import add_plan

if TYPE_CHECKING:
    from .lower import Lowering


def claimed(node: Node) -> bool:
    """Whether a composite has a kernel of its own; the rest is taken apart."""
    name = node.op.name
    if name not in ("scaled_dot_product_attention", "scaled_dot_product_attention_backward"):
        return False
    count = 3 if name == "scaled_dot_product_attention" else 6
    types = [_type(x) for x in node.operands]
    if len(types) != count or any(t.dtype is not float32 or t.numel == 0 for t in types):
        return False
    return bool(node.attrs["scale"] > 0)


def lower_attention(lowering: Lowering, node: Node) -> None:
    """Add the launch of scaled dot product attention."""
    slots, layouts = _operands(lowering, node.operands)
    types = node.type
    assert isinstance(types, tuple)
    y, logsumexp = lowering.results(node)
    place = lowering.place(y, types[0].shape)  # heads side by side, if that is how y is read
    if place is not None and place[-1] == 1:
        result = Layout(place, 0, types[0].dtype)
    else:
        place, result = None, Layout.of(types[0].shape, types[0].dtype)
    planned = _plan(_attention(node, layouts, result))
    if planned is None:
        lowering.host(node, "no attention kernel for these layouts")
        return
    to = lowering.own(y, types[0]) if place is None else lowering.placed(y, types[0])
    add_plan(lowering, planned, [*slots, to, lowering.own(logsumexp, types[1])], (node,))


def lower_attention_backward(lowering: Lowering, node: Node) -> None:
    """Add the launch of its backward op; operands dy, q, k, v, result, logsumexp."""
    slots, layouts = _operands(lowering, node.operands[:5])
    slots.append(lowering.dense(node.operands[5]))
    types = node.type
    assert isinstance(types, tuple)
    dq, dk, dv = (Layout.of(t.shape) for t in types)
    forward = _attention(node, layouts[1:4], layouts[4])
    planned = _plan(AttentionBackward(forward, layouts[0], dq, dk, dv))
    if planned is None:
        lowering.host(node, "no attention kernel for these layouts")
        return
    add_plan(lowering, planned, slots + _results(lowering, node), (node,))


def _attention(node: Node, layouts: Sequence[Layout], result: Layout) -> Attention:
    q, k, v = (_type(x) for x in (node.operands if len(node.operands) == 3 else node.operands[1:4]))
    return Attention(
        q.shape[:-2], q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1], node.attrs["scale"],
        node.attrs["is_causal"], layouts[0], layouts[1], layouts[2], result,
    )  # fmt: skip


def lower_max_pool(lowering: Lowering, node: Node) -> None:
    """Add the launch of max pooling."""
    x, attrs = node.operands[0], node.attrs
    types = node.type
    assert isinstance(types, tuple)
    pooled = len(attrs["kernel"])
    x_type = _type(x)
    window = {name: tuple(attrs[name]) for name in ("kernel", "stride", "padding", "dilation")}
    lead = math.prod(x_type.shape[: x_type.ndim - pooled])
    sizes = x_type.shape[x_type.ndim - pooled :]
    positions = types[0].shape[x_type.ndim - pooled :]
    planned = _plan(MaxPool(lead, sizes, positions, dtype=x_type.dtype, **window))
    if planned is None:
        lowering.host(node, f"no max pooling kernel for {x_type}")
        return
    add_plan(lowering, planned, [lowering.dense(x), *_results(lowering, node)], (node,))


def lower_max_pool_backward(lowering: Lowering, node: Node) -> None:
    """Add the launch of its backward op; operands dy, indices."""
    type, pooled = _type(node), node.attrs["pooled"]
    lead = math.prod(type.shape[: type.ndim - pooled])
    count = _type(node.operands[0]).numel // max(lead, 1)
    planned = None
    if _trusted(node.operands[1]):
        planned = _plan(MaxPoolBackward(lead, type.numel // max(lead, 1), count, type.dtype))
    if planned is None:
        lowering.host(node, "its indices may come from anywhere")
        return
    slots = [lowering.dense(x) for x in node.operands]
    slots.append(lowering.value(node))
    add_plan(lowering, planned, slots, (node,))


def _trusted(indices: Node) -> bool:
    """Whether the positions come from our own max pooling; the kernel does not check them."""
    while indices.op.name in ("reshape", "pick"):
        indices = indices.operands[0]
    return indices.op.name == "max_pool"


def _operands(lowering: Lowering, nodes: Sequence[Node]) -> tuple[list[int], list[Layout]]:
    """Buffers and layouts of operands; what is no view with contiguous columns is made dense."""
    slots, layouts = [], []
    for node in nodes:
        source, access = lowering.view_of(node)
        layout = _layout(access, _type(node))
        if layout is None or (layout.strides[-1] != 1 and node.shape[-1] != 1):
            slots.append(lowering.dense(node))
            layout = Layout.of(node.shape, node.dtype)
        else:
            slots.append(lowering.dense(source))
            layout = replace(layout, strides=(*layout.strides[:-1], 1))
        layouts.append(layout)
    return slots, layouts


def _layout(access: Access, type: TensorType) -> Any:
    """The layout of an access; None if a dimension needs more than one stride."""
    if any(len(dim) > 1 for dim in access.dims):
        return None
    return Layout(tuple(dim[0][1] if dim else 0 for dim in access.dims), access.offset, type.dtype)


def _type(node: Node) -> TensorType:
    assert not isinstance(node.type, tuple)
    return node.type


def _results(lowering: Lowering, node: Node) -> list[int]:
    """Buffers of a node's results, wanted or not."""
    assert isinstance(node.type, tuple)
    parts = zip(lowering.results(node), node.type, strict=True)
    return [lowering.own(part, type) for part, type in parts]


def _plan(description: Any) -> Plan | None:
    dtype = getattr(description, "dtype", float32)
    if dtype is not float32 and dtype is not float64:
        return None
    try:
        return plan(description, target())
    except UnsupportedError:
        return None


SPECIAL: dict[str, Callable[[Lowering, Node], None]] = {
    "scaled_dot_product_attention": lower_attention,
    "scaled_dot_product_attention_backward": lower_attention_backward,
    "max_pool": lower_max_pool,
    "max_pool_backward": lower_max_pool_backward,
}
