"""Plans of convolutions.

    forward        direct convolution of x with w
    input_grad     for every residue of the input position modulo the stride: a direct convolution of g,
                   stride 1, with the taps that reach it, turned; its results lie `stride` apart
    weight_grad    see plan_weight_grad

A 1 x 1 kernel with stride 1 and no padding is a matrix product and planned as one.
Spatial shapes are extended to three axes (z, y, x) at the front.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...errors import UnsupportedError
from ...ir.types import DType, TensorType, contiguous_strides, float32, float64
from ..llvm.target import Target
from .convolve import AXES, OPERAND_PARAMS, PARAMS, ConvolutionKernel
from .describe import Contraction, Convolution, Epilogue, Layout, Plan, Step
from .epilogue import Access
from .micro import Tile, register_tile
from .plan_matmul import ITEM_FLOPS, ITEMS, access, even_blocks, plan_contraction, round_up
from .turn import CHANNELS, TurnKernel
from .turn import PARAMS as TURN_PARAMS

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
    assert dtype is float32 or dtype is float64
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


def plan_convolution(c: Convolution, target: Target) -> Plan:
    """Launches of a convolution or one of its gradients."""
    if c.dtype is not float32 and c.dtype is not float64:
        raise UnsupportedError(f"no convolution kernel for {c.dtype.short}; cast to float32")
    if math.prod(c.shape) == 0:
        return Plan(())
    pointwise = set(c.weight[2:]) | set(c.stride) == {1} and not any(c.padding) and c.groups == 1
    if c.kind == "weight_grad" and (pointwise or c.input[0] == 0):
        return _plan_outer_product(c, target)
    if c.kind == "weight_grad":
        from .plan_weight_grad import plan_weight_grad

        return plan_weight_grad(c, target)
    if pointwise:
        return _plan_product(c, target)
    return _plan_forward(c, target) if c.kind == "forward" else _plan_input_grad(c, target)


def _plan_product(c: Convolution, target: Target) -> Plan:
    """A 1 x 1 convolution: w[o, c] @ x[image, c, position], or its transpose for the gradient."""
    images, channels = c.input[:2]
    outputs, positions = c.weight[0], math.prod(c.positions)
    operands, results = output_layouts(c)
    spatial = c.shape[2:]

    def flat(layout: Layout) -> Layout:
        strides = layout.strides[5 - len(spatial) :]
        if any(a != b * n for a, b, n in zip(strides, strides[1:], spatial[1:], strict=False)):
            raise UnsupportedError(
                f"the positions of {layout} are not evenly spaced; make it contiguous"
            )
        return replace(layout, strides=(*layout.strides[:2], strides[-1]))

    epilogue = replace(
        c.epilogue, operands=tuple(map(flat, operands)), results=tuple(map(flat, results))
    )
    forward = c.kind == "forward"
    m, k = (outputs, channels) if forward else (channels, outputs)
    a = Layout((0, channels, 1) if forward else (0, 1, channels), 0, c.dtype)
    b = Layout((k * positions, positions, 1), 0, c.dtype)
    plan = plan_contraction(Contraction(m, positions, k, a, b, (images,), epilogue), target)

    def swapped(step: Step) -> Step:  # the product's slots are (w, x)
        order = {0: 1, 1: 0}
        return replace(step, operands=tuple(order.get(i, i) for i in step.operands))

    return replace(plan, steps=tuple(map(swapped, plan.steps)))


def _plan_outer_product(c: Convolution, target: Target) -> Plan:
    """The weight gradient of a 1 x 1 convolution, g[image, o, position] @ x[image, c, position]^T
    summed over images; or zeros, if there are none."""
    images, channels = c.input[:2]
    outputs, positions = c.weight[0], math.prod(c.positions)
    columns = math.prod(c.weight[1:])
    operands, results = (
        tuple(map(even_layout, x, [c.weight] * len(x))) for x in _weight_layouts(c)
    )
    a, b = Layout((positions, 1), 0, c.dtype), Layout((1, positions), 0, c.dtype)
    product = Contraction(
        outputs, columns, positions if images else 0, a, b, (),
        replace(c.epilogue, operands=operands, results=results),
        (images, outputs * positions, channels * positions),
    )  # fmt: skip
    return plan_contraction(product, target)


def _weight_layouts(c: Convolution) -> tuple[tuple[Layout, ...], tuple[Layout, ...]]:
    """The layouts of a weight gradient's epilogue."""
    return c.epilogue.operands, c.epilogue.results or (Layout.of(c.weight, c.dtype),)


def even_layout(layout: Layout, shape: tuple[int, ...]) -> Layout:
    """A weight's layout by (output channel, everything else)."""
    strides = layout.strides
    if any(a != b * n for a, b, n in zip(strides[1:], strides[2:], shape[2:], strict=False)):
        raise UnsupportedError(
            f"the elements of {layout} are not evenly spaced; make it contiguous"
        )
    return replace(layout, strides=(strides[0], strides[-1]))


def _plan_forward(c: Convolution, target: Target) -> Plan:
    operands, results = output_layouts(c)
    d = Direct(
        c.input[0], c.groups, c.weight[0] // c.groups, c.weight[1], triple(c.input[2:], 1),
        triple(c.weight[2:], 1), triple(c.stride, 1), triple(c.padding, 0), triple(c.dilation, 1),
        triple(c.positions, 1), operands, results,
    )  # fmt: skip
    slots = (1, 0, *range(2, 2 + len(operands) + len(results)))
    return Plan((plan_direct(d, c.epilogue, slots, target, c.dtype),))


@dataclass(frozen=True, slots=True)
class Taps:
    """Of one axis: the taps that reach input positions of one residue, `first + step * u`, u < count.

    Tap u finds the output at position q + at - u * apart for input position stride * q + residue.
    """

    first: int
    step: int
    count: int
    at: int
    apart: int


def reaching_taps(residue: int, kernel: int, stride: int, padding: int, dilation: int) -> Taps:
    """See `Taps`.

    >>> reaching_taps(0, kernel=3, stride=2, padding=1, dilation=1)
    Taps(first=1, step=2, count=1, at=0, apart=1)
    """
    found = [k for k in range(kernel) if (residue + padding - k * dilation) % stride == 0]
    if not found:
        return Taps(0, 1, 0, 0, 1)
    step = stride // math.gcd(stride, dilation)
    at = (residue + padding - found[0] * dilation) // stride
    return Taps(found[0], step, len(found), at, step * dilation // stride)


def _turn(d: Direct, taps: Sequence[Taps], w_strides: Sequence[int], to: int, dtype: DType) -> Step:
    """The launch that turns the weights of one direct convolution, to `to` elements into its result."""
    last = [t.first + t.step * (t.count - 1) for t in taps]
    offset = sum(a * s for a, s in zip(last, w_strides[3:], strict=True))
    sizes = [t.count for t in taps]
    steps = [-t.step * s for t, s in zip(taps, w_strides[3:], strict=True)]
    for axis in (1, 0):  # taps that follow each other evenly are one axis
        if sizes[axis] == 1 or steps[axis] == steps[2] * sizes[2]:
            sizes[2] *= sizes[axis]
            sizes[axis] = 1
        else:
            break
    blocks = -(-d.m // CHANNELS)
    in_bytes = (to, offset, w_strides[0], w_strides[1], w_strides[2], *steps)
    params = (d.channels, d.m, blocks, *sizes, *(x * dtype.itemsize for x in in_bytes))
    assert len(params) == len(TURN_PARAMS)
    work = d.groups * d.m * d.k // 2 + 1
    return Step(TurnKernel(dtype), (0, 1), (1,), params, d.groups * blocks, 1, work)


def _plan_input_grad(c: Convolution, target: Target) -> Plan:
    operands, results = output_layouts(c)
    kernel, stride = triple(c.weight[2:], 1), triple(c.stride, 1)
    padding, dilation = triple(c.padding, 0), triple(c.dilation, 1)
    size_in, positions = triple(c.input[2:], 1), triple(c.positions, 1)
    outputs, channels = c.weight[0] // c.groups, c.weight[1]  # per group
    w_strides = contiguous_strides((c.groups, outputs, channels, *kernel))
    count = 2 + len(operands) + len(results)
    steps: list[Step] = []
    used = 0
    for residues in itertools.product(*(range(s) for s in stride)):
        sizes = [-(-(i - r) // s) for i, r, s in zip(size_in, residues, stride, strict=True)]
        if min(sizes) <= 0:
            continue
        taps = [
            reaching_taps(*each)
            for each in zip(residues, kernel, stride, padding, dilation, strict=True)
        ]
        if min(t.count for t in taps) == 0:
            taps = [Taps(0, 1, 0, 0, 1)] * 3
        counts = [t.count for t in taps]

        def moved(layout: Layout, residues: tuple[int, ...] = residues) -> Layout:
            spatial = layout.strides[2:]
            offset = layout.offset + sum(r * s for r, s in zip(residues, spatial, strict=True))
            scaled = (s * t for s, t in zip(spatial, stride, strict=True))
            return replace(layout, offset=offset, strides=(*layout.strides[:2], *scaled))

        d = Direct(
            c.input[0], c.groups, channels, outputs, positions, (counts[0], counts[1], counts[2]), (1, 1, 1),
            tuple((t.count - 1) * t.apart - t.at for t in taps), tuple(t.apart for t in taps),  # type: ignore[arg-type]
            (sizes[0], sizes[1], sizes[2]), tuple(map(moved, operands)), tuple(map(moved, results)), used,
        )  # fmt: skip
        if d.k:
            turn = _turn(d, taps, w_strides, used, c.dtype)
            steps.append(replace(turn, operands=(1, count)))
        slots = (count if d.k else 1, 0, *range(2, count))  # without taps no weight is read
        steps.append(plan_direct(d, c.epilogue, slots, target, c.dtype))
        used += c.groups * channels * d.k
    # One temporary; every residue's weights have a place of their own in it.
    return Plan(tuple(steps), (TensorType(c.dtype, (max(used, 1),)),))
