"""Plans of one direct convolution (`convolve`): tile, boxes, blocks and parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import UnsupportedError
from ...ir.types import DType
from ..llvm.target import Target
from .convolve import AXES, OPERAND_PARAMS, PARAMS, ConvolutionKernel
from .describe import Convolution, Epilogue, Layout, Step
from .epilogue import Access
from .micro import Tile, register_tile
from .plan_matmul import ITEM_FLOPS, ITEMS, access, even_blocks, round_up

Triple = tuple[int, int, int]


def triple(sizes: Sequence[int], missing: int) -> Triple:
    """Sizes of up to three axes with `missing` in front.

    >>> triple((5, 7), 1)
    (1, 5, 7)
    """
    if len(sizes) > 3:
        raise UnsupportedError(f"no kernel for convolution in {len(sizes)} dimensions")
    z, y, x = (*[missing] * (3 - len(sizes)), *sizes)
    return z, y, x


@dataclass(frozen=True, slots=True)
class Direct:
    """One direct convolution: m output channels and `channels` input channels per group.

    weights: [groups][m][channels * taps] at `w_offset` elements.  padding may be negative (cropping).
    Layouts have strides (image, channel, z, y, x) of this convolution's own outputs.
    """

    images: int
    groups: int
    m: int
    channels: int
    input: Triple
    kernel: Triple
    stride: Triple
    padding: Triple
    dilation: Triple
    outputs: Triple
    operands: tuple[Layout, ...]
    results: tuple[Layout, ...]
    w_offset: int = 0

    @property
    def k(self) -> int:
        return self.channels * math.prod(self.kernel)

    @property
    def phases(self) -> Triple:
        """Residues modulo the stride that some tap needs."""
        z, y, x = (
            max(min(s, (k - 1) * d + 1), 1)
            for s, k, d in zip(self.stride, self.kernel, self.dilation, strict=True)
        )
        return z, y, x

    def copied(self, box: Triple) -> Triple:
        """Size of one phase of the copy that a box of outputs needs."""
        z, y, x = (
            b + max(k - 1, 0) * d // s
            for b, k, d, s in zip(box, self.kernel, self.dilation, self.stride, strict=True)
        )
        return z, y, x

    def copy_elements(self, box: Triple) -> int:
        """Elements of the copy of one box."""
        return self.channels * math.prod(self.phases) * math.prod(self.copied(box))


def output_layouts(c: Convolution) -> tuple[tuple[Layout, ...], tuple[Layout, ...]]:
    """The epilogue's operands and results, with strides (image, channel, z, y, x)."""
    results = c.epilogue.results or (replace(Layout.of(c.shape), dtype=c.dtype),)

    def extended(layout: Layout) -> Layout:
        if len(layout.strides) != len(c.shape):
            raise ValueError(f"layout {layout} does not fit the indices of {c.shape}")
        return replace(layout, strides=(*layout.strides[:2], *triple(layout.strides[2:], 0)))

    return tuple(map(extended, c.epilogue.operands)), tuple(map(extended, results))


def choose_tile(d: Direct, target: Target, base: Tile) -> Tile:
    """The register tile that computes least in vain."""
    if base.lanes * base.size == target.vector_bits // 8 and target.registers >= 32:
        shapes = [(base.rows, base.vectors), (4, 4), (2, 8), (1, 12)]
    else:
        shapes = [(6, 2), (4, 3), (2, 5), (1, 8)]
    flat = d.outputs[1] * d.copied(d.outputs)[2]

    def area(shape: tuple[int, int]) -> float:
        rows, columns = shape[0], shape[1] * base.lanes
        computed = round_up(d.m, rows) * round_up(flat, columns)
        # Loads per multiply-add; those of the image are unaligned, and every other one counts twice.
        loads = (rows + 1.5 * shape[1]) / (rows * shape[1])
        return computed * max(1.0, loads / 0.75)

    rows, vectors = min(shapes, key=area)
    return replace(base, rows=rows, vectors=vectors)


def choose_box(d: Direct, target: Target, size: int) -> tuple[Triple, Triple]:
    """Number and size of boxes: along the first axis that is not trivial, so that results are runs."""
    axis = next((i for i, o in enumerate(d.outputs) if o > 1), 2)
    room = target.cache_bytes[1] // 2 // size

    def box(length: int) -> Triple:
        z, y, x = (length if i == axis else o for i, o in enumerate(d.outputs))
        return z, y, x

    length = d.outputs[axis]
    while length > 1 and d.copy_elements(box(length)) > room:
        length = -(-length // 2)
    flops = 2 * d.images * d.groups * d.m * d.k * math.prod(d.outputs)
    wanted = min(flops // ITEM_FLOPS, ITEMS) // max(d.images * d.groups, 1)
    most = max(min(length, d.outputs[axis] // max(wanted, 1)), min(length, 4))
    count, length = even_blocks(d.outputs[axis], most, 1)
    counts = [1, 1, 1]
    counts[axis] = count
    return (counts[0], counts[1], counts[2]), box(length)


def choose_depth(d: Direct, tile: Tile, target: Target, flat: int, boxes: int) -> tuple[int, int]:
    """Elements of a block of k, and images of a work item.

    A panel of the copy, walked over by all rows, should stay in the first-level cache beside a tile's
    weights; if all weights together are too much for the second-level one, several small images
    share the reading of them.
    """
    size, taps = tile.size, math.prod(d.kernel)
    reach = tile.columns + (d.kernel[2] - 1) * d.dilation[2] // d.stride[2] + 64 // size
    panel = d.kernel[0] * d.kernel[1] * min(d.kernel[2], d.stride[2]) * reach
    per_channel = (tile.rows * taps + panel) * size
    channels = max(target.cache_bytes[0] // max(per_channel, 1), 1)
    _, kb = even_blocks(d.k, max(channels * taps, 64), 4)
    ib = 1
    if boxes == 1 and d.m * d.k * size > target.cache_bytes[1] // 2:
        ib = max(min(256 // max(flat, 1), d.images), 1)
    return kb, ib


def plan_direct(
    d: Direct, epilogue: Epilogue, slots: Sequence[int], target: Target, dtype: DType
) -> Step:
    """The launch of a direct convolution; slots: weights, image, operands, results."""
    base = register_tile(target, dtype)
    tile = choose_tile(d, target, base)
    size = tile.size
    counts, box = choose_box(d, target, size)
    copied = d.copied(box)
    flat = (box[1] - 1) * copied[2] + box[2]
    kb, ib = choose_depth(d, tile, target, flat, math.prod(counts))
    image_blocks, ib = even_blocks(d.images, ib, 1)
    boxes = image_blocks * d.groups * math.prod(counts)
    flops = 2 * d.images * d.groups * d.m * d.k * math.prod(d.outputs)
    wanted = max(min(flops // ITEM_FLOPS, ITEMS), 1)
    # Results of all channels of an item wait in scratch, in a quarter of the second-level cache.
    waiting = target.cache_bytes[1] // 4 // (math.prod(box) * ib * size)
    m_most = max(min(d.m * boxes // wanted, waiting), 4 * tile.rows)
    m_blocks, mb = even_blocks(d.m, m_most, tile.rows)
    panels = -(-flat // tile.columns)
    tile_bytes = tile.rows * tile.columns * size
    many = kb < d.k
    row_tiles = mb // tile.rows
    panel_room = (math.prod(box) * ib + 2 * tile.columns) * size
    image_room = round_up((d.copy_elements(box) + 2 * tile.columns) * size, 64)
    table_offset = image_room * ib
    rows_offset = round_up(table_offset + 8 * max(d.k, math.prod(d.kernel)), 64)
    t_offset = round_up(rows_offset + 8 * mb, 64)
    t_panel = tile_bytes * row_tiles if many else 0
    d_offset = t_offset + (t_panel * panels * box[0] * ib if many else tile_bytes)
    d_offset += tile.columns * size  # a tile is read beyond its last row when it is placed
    scratch = d_offset + panel_room * mb
    fixed = dict(
        m=d.m, k=d.k, kb=kb, mb=mb, m_blocks=m_blocks, images=d.images, ib=ib, groups=d.groups,
        channels=d.channels, x_row=d.input[2] * size, x_plane=math.prod(d.input) * size,
        whole=int(_runs(d, box)), pitch=copied[2] * size,
        plane_room=d.copy_elements(box) // max(d.channels, 1) * size, image_room=image_room,
        table_offset=table_offset, rows_offset=rows_offset, panel_room=panel_room, t_offset=t_offset,
        t_image=t_panel * panels * box[0], t_z=t_panel * panels, t_panel=t_panel,
        t_tile=tile_bytes if many else 0, d_offset=d_offset,
    )  # fmt: skip
    per_axis = dict(
        i=d.input, k=d.kernel, s=d.stride, p=d.padding, d=d.dilation, o=d.outputs, b=box, n=counts,
        f=d.phases, q=copied,
    )  # fmt: skip
    fixed |= {letter + a: v for letter, values in per_axis.items() for a, v in zip(AXES, values)}
    weights = (d.w_offset * size, 0, d.m * d.k * size, 0, 0, d.k * size, size)
    plane = math.prod(d.input) * size
    image = (0, d.groups * d.channels * plane, d.channels * plane, 0, 0, plane, size)
    params = [fixed[name] for name in PARAMS]
    params += [*weights, *image]
    for layout in (*d.operands, *d.results):
        n, c, z, y, x = (s * layout.dtype.itemsize for s in layout.strides)
        params += [layout.offset * layout.dtype.itemsize, n, c * d.m, z, y, c, x]
    assert len(params) == len(PARAMS) + (2 + len(d.operands) + len(d.results)) * len(OPERAND_PARAMS)
    accesses = tuple(
        _access(layout, i >= len(d.operands), d)
        for i, layout in enumerate((*d.operands, *d.results))
    )
    kernel = ConvolutionKernel(dtype, tile.rows, tile.vectors, epilogue, accesses, scratch)
    items = boxes * m_blocks
    work = max(flops // 50, 1)
    writes = tuple(range(2 + len(d.operands), 2 + len(accesses)))
    grain = max(min(items, items * 20_000 // work), 1)
    return Step(kernel, tuple(slots), writes, tuple(params), items, grain, work)


def _access(layout: Layout, result: bool, d: Direct) -> Access:
    positions = math.prod(d.outputs)
    return access(
        replace(layout, strides=layout.strides[1:2] + layout.strides[-1:]), result, positions
    )


def _runs(d: Direct, box: Triple) -> bool:
    """Whether successive positions of a box are evenly spaced in every operand and result."""
    for layout in (*d.operands, *d.results):
        z, y, x = layout.strides[2:]
        if box[1] > 1 and y != x * d.outputs[2]:
            return False
        if box[0] > 1 and (z != y * d.outputs[1] if d.outputs[1] > 1 else z != x * d.outputs[2]):
            return False
    axis = next((i for i, o in enumerate(d.outputs) if o > 1), 2)
    return all(b == o for b, o in list(zip(box, d.outputs, strict=True))[axis + 1 :])
