"""Plans of scaled dot product attention, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...errors import UnsupportedError
from ...ir.types import float32
from ..llvm.target import Target
from .attention import PARAMS, AttentionKernel
from .attention_backward import KEYS as BACKWARD_KEYS
from .attention_backward import PARAMS as BACKWARD_PARAMS
from .attention_backward import AttentionBackwardKernel, pitch
from .describe import Attention, AttentionBackward, Layout, Plan, Step
from .micro import Tile, register_tile
from .plan_matmul import ITEM_FLOPS, ITEMS, even_blocks, round_up

QUERIES = 96  # rows that share a block of keys while it is in the second-level cache
KEYS = 256


def plan_attention(c: Attention, target: Target) -> Plan:
    """The launch of the forward pass."""
    check(c)
    heads = math.prod(c.batch)
    if heads * c.queries == 0 or c.value_width == 0:
        return Plan(())
    tile = register_tile(target, c.q.dtype)
    size = tile.size
    batch, strides = three_indices(c.batch, (c.q, c.k, c.v, c.result))
    qb = round_up(min(QUERIES, c.queries), tile.rows)
    kb = round_up(min(KEYS, max(c.keys, 1)), tile.columns)
    flops = 2 * heads * c.queries * c.keys * (c.width + c.value_width) // (2 if c.causal else 1)
    wanted = max(min(flops // ITEM_FLOPS, ITEMS), 1)
    ranges, span = even_blocks(c.queries, max(-(-c.queries * heads // wanted), qb), tile.rows)
    pack = packing_rooms(c, tile)
    s_pitch = (kb + tile.columns) * size
    o_pitch = round_up(c.value_width, tile.columns) * size
    rooms = (pack[2], pack[3], s_pitch * qb, o_pitch * qb, 2 * size * qb)
    k_offset, v_offset, s_offset, o_offset, row_offset, scratch = offsets(rooms)
    fixed = dict(
        queries=c.queries, keys=c.keys, width=c.width, value_width=c.value_width, ranges=ranges,
        range=span, batch1=batch[1], batch2=batch[2], qb=qb, kb=kb, panel_k=pack[0], panel_v=pack[1],
        s_pitch=s_pitch, o_pitch=o_pitch, k_offset=k_offset, v_offset=v_offset, s_offset=s_offset,
        o_offset=o_offset, row_offset=row_offset,
    )  # fmt: skip
    params = [fixed[name] for name in PARAMS] + [x * size for s in strides for x in s]
    kernel = AttentionKernel(c.q.dtype, c.causal, c.scale, scratch)
    work = max(flops // 40, 1)
    return Plan((Step(kernel, (0, 1, 2, 3, 4), (3, 4), tuple(params), heads * ranges, 1, work),))


def plan_attention_backward(c: AttentionBackward, target: Target) -> Plan:
    """The launch of the backward pass."""
    forward = c.forward
    check(forward, {"gradient": c.g, "dq": c.dq, "dk": c.dk, "dv": c.dv})
    heads = math.prod(forward.batch)
    if heads == 0:
        return Plan(())
    tile = register_tile(target, forward.q.dtype)
    size, line = tile.size, tile.columns * tile.size
    layouts = (c.g, forward.q, forward.k, forward.v, forward.result, c.dq, c.dk, c.dv)
    batch, strides = three_indices(forward.batch, layouts)
    strides.insert(5, (0,) * 5)  # logsumexp is dense
    qb = round_up(min(QUERIES // 2, max(forward.queries, 1)), tile.rows)
    width, value_width = forward.width, forward.value_width
    k_columns, v_columns = -(-width // tile.columns), -(-value_width // tile.columns)
    keys = -(-BACKWARD_KEYS // tile.columns)
    panels = dict(
        panel_turned_k=round_up(width, tile.lanes) * line,
        panel_turned_v=round_up(value_width, tile.lanes) * line,
        panel_k=BACKWARD_KEYS * line, panel_q=round_up(qb, tile.lanes) * line,
        panel_g=round_up(qb, tile.lanes) * line,
    )  # fmt: skip
    k_pitch, v_pitch = k_columns * line, v_columns * line
    rooms = dict(
        turned_k=panels["panel_turned_k"] * keys, turned_v=panels["panel_turned_v"] * keys,
        k=panels["panel_k"] * k_columns, q=panels["panel_q"] * k_columns, g=panels["panel_g"] * v_columns,
        p=pitch(tile) * qb, ds=pitch(tile) * qb, dq=k_pitch * (forward.queries + tile.rows),
        dk=k_pitch * (BACKWARD_KEYS + tile.rows), dv=v_pitch * (BACKWARD_KEYS + tile.rows),
        delta=forward.queries * size,
    )  # fmt: skip
    *places, scratch = offsets(tuple(rooms.values()))
    fixed = dict(
        queries=forward.queries, keys=forward.keys, width=width, value_width=value_width,
        batch1=batch[1], batch2=batch[2], qb=qb, k_pitch=k_pitch, v_pitch=v_pitch, **panels,
        **{f"{name}_offset": place for name, place in zip(rooms, places, strict=True)},
    )  # fmt: skip
    params = [fixed[name] for name in BACKWARD_PARAMS] + [x * size for s in strides for x in s]
    kernel = AttentionBackwardKernel(forward.q.dtype, forward.causal, forward.scale, scratch)
    flops = 2 * heads * forward.queries * forward.keys * (3 * width + 2 * value_width)
    work = max(flops // (80 if forward.causal else 40), 1)
    return Plan((Step(kernel, tuple(range(9)), (6, 7, 8), tuple(params), heads, 1, work),))


def check(c: Attention, more: Mapping[str, Layout] | None = None) -> None:
    """Raise UnsupportedError for what the kernels cannot do."""
    layouts = {"query": c.q, "key": c.k, "value": c.v, "result": c.result, **(more or {})}
    if any(x.dtype is not float32 for x in layouts.values()):
        raise UnsupportedError("attention kernels are for float32")
    if not c.scale > 0:
        raise UnsupportedError(f"attention kernels want a positive scale, not {c.scale}")
    if c.keys == 0 or c.width == 0:
        raise UnsupportedError(
            "attention kernels want at least one key and a width of at least one"
        )
    for name, x in layouts.items():
        if x.strides[-1] != 1:
            raise UnsupportedError(f"attention kernels want the columns of {name} contiguous")


def three_indices(
    batch: Sequence[int], layouts: Sequence[Layout]
) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
    """Three batch sizes, and for every layout offset, three batch strides and the row stride."""
    sizes = list(batch)
    strides = [list(x.strides[:-1]) for x in layouts]
    at = 0
    while at < len(sizes):
        if at + 1 < len(sizes) and all(s[at] == s[at + 1] * sizes[at + 1] for s in strides):
            sizes[at] *= sizes.pop(at + 1)
            for s in strides:
                del s[at]
        else:
            at += 1
    if len(sizes) > 3:
        raise UnsupportedError("attention with more than three batch indices that cannot be merged")
    missing = 3 - len(sizes)
    found = [(x.offset, *[0] * missing, *s) for x, s in zip(layouts, strides, strict=True)]
    return (*[1] * missing, *sizes), found


def packing_rooms(c: Attention, tile: Tile) -> tuple[int, int, int, int]:
    """Bytes of one panel of turned keys and of values, and of all panels of each."""
    line = tile.columns * tile.size
    panel_k = round_up(c.width, tile.lanes) * line
    panel_v = round_up(c.keys, tile.lanes) * line
    keys = -(-c.keys // tile.columns)
    values = -(-c.value_width // tile.columns)
    return panel_k, panel_v, panel_k * keys, panel_v * values


def offsets(rooms: Sequence[int]) -> list[int]:
    """Where areas of these sizes begin, 64-byte aligned; last the end of all."""
    found = [0]
    for room in rooms:
        found.append(round_up(found[-1] + room, 64))
    return found
