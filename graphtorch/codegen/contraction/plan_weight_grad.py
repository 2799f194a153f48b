"""Plans of convolution weight gradients; see `weight_grad` for the algorithm."""

from __future__ import annotations

import math

from ...ir.types import TensorType
from ..llvm.target import Target
from .convolve import AXES
from .describe import Convolution, Layout, Plan, Step
from .micro import register_tile
from .plan_direct import Direct, triple
from .plan_matmul import ITEM_FLOPS, ITEMS, access, even_blocks, round_up
from .plan_pointwise import even_layout
from .weight_grad import COMBINE_PARAMS, PARAMS, CombineKernel, WeightGradKernel, share_counts

LENGTH = 1024  # positions of a piece: long enough to forget the sums across lanes
SHARE_BYTES = 8 << 20  # memory for all shares


def plan_weight_grad(c: Convolution, target: Target) -> Plan:
    """Launches of a weight gradient."""
    tile = register_tile(target, c.dtype)
    size, lanes = tile.size, tile.lanes
    d = Direct(
        c.input[0], c.groups, c.weight[0] // c.groups, c.weight[1], triple(c.input[2:], 1),
        triple(c.weight[2:], 1), triple(c.stride, 1), triple(c.padding, 0), triple(c.dilation, 1),
        triple(c.positions, 1), (), (),
    )  # fmt: skip
    taps = math.prod(d.kernel)
    rows, columns = _tile_shape(d.m, target.registers)

    # The box: all positions of several images, or a part of one image along its first axis.
    axis = next((i for i, o in enumerate(d.outputs) if o > 1), 2)
    across_axis = [q for i, q in enumerate(d.copied(d.outputs)) if i > axis]
    flat = d.outputs[axis] * math.prod(across_axis)
    ib = max(min(LENGTH // max(flat, 1), d.images), 1)
    count, length = even_blocks(d.outputs[axis], max(LENGTH // math.prod(across_axis), 1), 1)
    if ib > 1:
        count, length = 1, d.outputs[axis]
    counts = tuple(count if i == axis else 1 for i in range(3))
    box = triple([length if i == axis else o for i, o in enumerate(d.outputs)], 1)
    copied = d.copied(box)
    _, ib = even_blocks(d.images, ib, 1)
    image_blocks = -(-d.images // ib)
    pieces = image_blocks * count

    # Blocks of channels whose copies fit the second-level cache.
    room = target.cache_bytes[1] // 2 // size
    plane = math.prod(d.phases) * math.prod(copied)
    g_plane = box[0] * copied[1] * copied[2] + 2 * lanes
    c_blocks, cb = even_blocks(d.channels, max(room // 2 // (plane * ib), 1), 1)
    m_blocks, mb = even_blocks(d.m, max(room // 2 // (g_plane * ib), rows), rows)
    flops = 2 * d.images * d.groups * d.m * d.k * math.prod(d.outputs)
    wanted = max(min(flops // ITEM_FLOPS, ITEMS), 1)
    weight_bytes = d.groups * d.m * d.k * size
    shares = 1
    for more in share_counts():
        enough = m_blocks * c_blocks * d.groups * shares >= wanted
        if not enough and more <= pieces and more * weight_bytes <= SHARE_BYTES:
            shares = more
    m_least = max(4 * rows, round_up(-(-d.m // 8), rows))
    if m_blocks * c_blocks * d.groups * shares < wanted and mb > m_least:
        m_blocks, mb = even_blocks(d.m, m_least, rows)

    image_room = round_up((cb * plane + 2 * lanes) * size, 64)
    table_offset = image_room * ib
    g_offset = round_up(table_offset + 8 * max(cb * taps, taps), 64)
    g_room = g_plane * size
    scratch = g_offset + g_room * mb * ib + 64
    fixed = dict(
        m=d.m, k=cb * taps, row_k=d.k, taps=taps, mb=mb, m_blocks=m_blocks, cb=cb, c_blocks=c_blocks,
        groups=d.groups, channels=d.channels, shares=shares, images=d.images, ib=ib,
        image_blocks=image_blocks, pieces=pieces, x_row=d.input[2] * size,
        x_plane=math.prod(d.input) * size, pitch=copied[2] * size, plane_room=plane * size,
        g_row=d.outputs[2] * size, g_plane=math.prod(d.outputs) * size, g_room=g_room,
        image_room=image_room, table_offset=table_offset, g_offset=g_offset, share_room=weight_bytes,
    )  # fmt: skip
    per_axis = dict(
        i=d.input, k=d.kernel, s=d.stride, p=d.padding, d=d.dilation, o=d.outputs, b=box, n=counts,
        f=d.phases, q=copied,
    )  # fmt: skip
    fixed |= {letter + a: v for letter, values in per_axis.items() for a, v in zip(AXES, values)}
    g_image, x_image = math.prod(d.outputs) * size, math.prod(d.input) * size
    params = [fixed[name] for name in PARAMS]
    params += [0, d.groups * d.m * g_image, d.m * g_image, 0, 0]
    params += [0, d.groups * d.channels * x_image, d.channels * x_image, 0, 0]

    layouts = [*c.epilogue.operands, *(c.epilogue.results or (Layout.of(c.weight, c.dtype),))]
    plain = not c.epilogue.key and len(layouts) == 1 and layouts[0] == Layout.of(c.weight, c.dtype)
    direct = plain and shares == 1  # the only share is the result
    items = shares * d.groups * c_blocks * m_blocks
    kernel = WeightGradKernel(c.dtype, rows, columns, scratch)
    work = max(flops // 40, 1)
    grain = max(min(items, items * 20_000 // work), 1)
    temporary = 2 + len(layouts)
    to = 2 if direct else temporary
    steps = [Step(kernel, (0, 1, to), (2,), tuple(params), items, grain, work)]
    if direct:
        return Plan(tuple(steps))
    steps.append(_combine(c, d, shares, layouts, temporary))
    return Plan(tuple(steps), (TensorType(c.dtype, (shares, d.groups * d.m * d.k)),))


def _tile_shape(m: int, registers: int) -> tuple[int, int]:
    """Output channels and (channel, tap) pairs of the register tile."""
    shapes = [(4, 6), (2, 10), (1, 14)] if registers >= 32 else [(4, 3), (2, 5), (1, 8)]

    def cost(shape: tuple[int, int]) -> float:
        rows, columns = shape
        return round_up(m, rows) * max(1.0, (rows + 1.5 * columns) / (rows * columns) / 0.75)

    return min(shapes, key=cost)


def _combine(c: Convolution, d: Direct, shares: int, layouts: list[Layout], temporary: int) -> Step:
    """The launch that adds the shares and runs the epilogue."""
    flat = [even_layout(layout, c.weight) for layout in layouts]
    operands = len(c.epilogue.operands)
    accesses = tuple(access(x, i >= operands, d.k) for i, x in enumerate(flat))
    rows = d.groups * d.m
    chunks, block = even_blocks(
        rows, max(-(-rows * (1 << 16) // max(rows * d.k * shares, 1)), 1), 1
    )
    params = [
        dict(rows=rows, columns=d.k, block=block, share_room=rows * d.k * c.dtype.itemsize)[n]
        for n in COMBINE_PARAMS
    ]
    params += [0, 0, 0]
    for x in flat:
        params += [v * x.dtype.itemsize for v in (x.offset, *x.strides)]
    kernel = CombineKernel(c.dtype, shares, c.epilogue, accesses)
    writes = tuple(range(1 + operands, 1 + len(flat)))
    work = max(rows * d.k * shares // 4, 1)
    slots = (temporary, *range(2, 2 + len(flat)))
    return Step(kernel, slots, writes, tuple(params), chunks, 1, work)
