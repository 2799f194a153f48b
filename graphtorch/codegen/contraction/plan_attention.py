"""Plans of scaled dot product attention, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...errors import UnsupportedError
from ...ir.types import float32
from ..llvm.target import Target
from .attention import PARAMS, AttentionKernel
from .describe import Attention, Layout, Plan, Step
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


def check(c: Attention) -> None:
    """Raise UnsupportedError for what the kernels cannot do."""
    layouts = {"query": c.q, "key": c.k, "value": c.v, "result": c.result}
    if any(x.dtype is not float32 for x in layouts.values()):
        raise UnsupportedError("attention kernels are for float32")
    if not c.scale > 0:
        raise UnsupportedError(f"attention kernels want a positive scale, not {c.scale}")
    if c.keys == 0 or c.width == 0:
        raise UnsupportedError("attention kernels want at least one key and a width of at least one")
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
    found = [
        (x.offset, *[0] * missing, *s) for x, s in zip(layouts, strides, strict=True)
    ]
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
