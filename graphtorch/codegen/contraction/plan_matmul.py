"""Plans of matrix products: normal form, block sizes, parameters.

normal form    results contiguous along n (else the transposed product is planned),
               batch indices merged with each other or into the rows where strides allow
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import UnsupportedError
from ...ir.types import DType, float32, float64
from ..llvm.target import Target
from ..program import KernelSource
from .describe import Contraction, Layout, Plan, Step
from .epilogue import Access
from .matmul import DIRECT, PARAMS, MatmulKernel
from .micro import Tile, register_tile
from .pack import APART, INNER, OUTER
from .skinny import PARAMS as SKINNY_PARAMS
from .skinny import SkinnyKernel

ITEM_FLOPS = 4_000_000  # a work item should be worth some 40 microseconds
ITEMS = 32  # enough work items to keep many cores evenly busy
FEW_ROWS = 4  # up to which B is not packed
WORTH = 1.07  # saving that pays for another kernel
LOW = 8  # tiles of rows up to which reading B costs more than computing
DEPTH = 1536  # longest block of k


def accumulator_dtype(*dtypes: DType) -> DType:
    """The dtype sums are kept in."""
    if all(d is float64 for d in dtypes):
        return float64
    if any(d is float64 or not d.is_floating_point for d in dtypes):
        raise UnsupportedError(
            f"no matrix product of {' and '.join(d.short for d in dtypes)}; cast the operands"
        )
    return float32


@dataclass(frozen=True, slots=True)
class Problem:
    """A contraction in normal form: exactly three batch indices, every layout (b0, b1, b2, row, column)."""

    m: int
    n: int
    k: int
    batch: tuple[int, int, int]
    a: Layout
    b: Layout
    operands: tuple[Layout, ...]
    results: tuple[Layout, ...]
    swapped: bool  # a and b changed places
    outer: tuple[int, int, int]


def normal_form(c: Contraction) -> Problem:
    """See the module docstring."""
    results = c.epilogue.results or (
        replace(Layout.of(c.shape), dtype=accumulator_dtype(c.a.dtype, c.b.dtype)),
    )
    layouts = [c.a, c.b, *c.epilogue.operands, *results]
    for layout in layouts:
        if len(layout.strides) != len(c.shape):
            raise ValueError(f"layout {layout} does not fit the product's indices {c.shape}")
    swapped = c.n <= FEW_ROWS < c.m or (c.n == 1 and c.m > 1)
    if not swapped and c.n > 1:
        first = results[0].strides
        swapped = first[-1] != 1 and first[-2] == 1 and c.m > 1
    m, n = c.m, c.n
    if swapped:
        m, n = n, m
        layouts = [
            replace(x, strides=(*x.strides[:-2], x.strides[-1], x.strides[-2])) for x in layouts
        ]
        layouts[0], layouts[1] = layouts[1], layouts[0]
    batch = list(c.batch)
    strides = [list(x.strides) for x in layouts]
    # Drop batch indices of size 1 and merge neighbours that every operand walks as one.
    outer = c.outer if c.k else (1, 0, 0)
    if swapped:
        outer = (outer[0], outer[2], outer[1])
    at = 0
    while at < len(batch):
        if batch[at] == 1:
            del batch[at]
            for s in strides:
                del s[at]
        elif at + 1 < len(batch) and all(s[at] == s[at + 1] * batch[at + 1] for s in strides):
            batch[at] *= batch.pop(at + 1)
            for s in strides:
                del s[at]
        else:
            at += 1
    # Merge the last batch index into the rows where b is the same for all of it.
    if batch and strides[1][-3] == 0:
        others = [s for i, s in enumerate(strides) if i != 1]
        if m == 1:
            for s in others:
                s[-2] = s[-3]
        if m == 1 or all(s[-3] == s[-2] * m for s in others):
            m *= batch.pop()
            for s in strides:
                del s[-3]
    if len(batch) > 3:
        raise UnsupportedError(
            f"a matrix product with {len(batch)} batch indices that cannot be merged; make an operand contiguous"
        )
    missing = 3 - len(batch)
    layouts = [
        replace(x, strides=(*[0] * missing, *s)) for x, s in zip(layouts, strides, strict=True)
    ]
    b0, b1, b2 = (*[1] * missing, *batch)
    count = len(c.epilogue.operands)
    return Problem(
        m, n, c.k, (b0, b1, b2), layouts[0], layouts[1], tuple(layouts[2 : 2 + count]),
        tuple(layouts[2 + count :]), swapped, outer,
    )  # fmt: skip


def access(layout: Layout, result: bool, n: int) -> Access:
    """How the epilogue walks along a row of this layout."""
    column = layout.strides[-1]
    if n == 1 or column == 1:
        return Access(layout.dtype, "unit", result)
    if column == 0 and not result:
        return Access(layout.dtype, "zero", result)
    return Access(layout.dtype, "any", result)


def packing(inner: int, outer: int, inner_size: int, outer_size: int) -> str:
    """Which index of a block to pack is contiguous."""
    if inner == 1 or inner_size == 1:
        return INNER
    if outer == 1 or outer_size == 1:
        return OUTER
    return APART


def operand_params(layout: Layout) -> tuple[int, ...]:
    """OPERAND_PARAMS of a layout, in bytes."""
    return tuple(x * layout.dtype.itemsize for x in (layout.offset, *layout.strides))


def round_up(x: int, to: int) -> int:
    return -(-x // to) * to


def even_blocks(size: int, most: int, unit: int) -> tuple[int, int]:
    """Split `size` into equal blocks of at most `most`, multiples of `unit`: (count, block).

    >>> even_blocks(1000, 512, 16)
    (2, 512)
    """
    count = max(-(-size // max(most, unit)), 1)
    block = max(round_up(-(-size // count), unit), unit)
    return max(-(-size // block), 1), block


def choose_tile(p: Problem, base: Tile) -> Tile:
    """The usual register tile, or one of fewer rows where much less is computed in vain."""
    flat = replace(base, rows=4, vectors=base.rows * base.vectors // 4)

    def computed(tile: Tile) -> int:
        return round_up(p.m, tile.rows) * round_up(p.n, tile.columns)

    return flat if computed(flat) * WORTH < computed(base) else base


@dataclass(frozen=True, slots=True)
class Blocks:
    """Block sizes of the blocked kernel; `m_blocks` x `n_blocks` work items for each batch index."""

    mb: int
    nb: int
    kb: int
    sub: int
    m_blocks: int
    n_blocks: int


def block_sizes(p: Problem, tile: Tile, target: Target) -> Blocks:
    """Blocks that fit the caches, and enough work items for many cores."""
    l2 = target.cache_bytes[1]
    # Panels of B take up to three quarters of the second-level cache, rows of A a quarter.
    panels = 3 * l2 // 4 // tile.size
    if p.m <= LOW * tile.rows and p.b.strides[-1] == 1:
        # Reading B costs most: long pieces of its rows, few rows at a time.
        _, n_most = even_blocks(p.n, 32 * tile.columns, tile.columns)
        _, kb = even_blocks(p.k, max(panels // n_most, 64), 4)
        n_least = n_most
    else:
        n_least = 4 * tile.columns
        _, kb = even_blocks(p.k, DEPTH, 4)
        n_most = max(panels // kb // tile.columns, 1) * tile.columns
        n_most = min(n_most, 16 * tile.columns)
    sub = max(l2 // 4 // (kb * tile.size) // tile.rows, 4) * tile.rows
    batches = p.batch[0] * p.batch[1] * p.batch[2]
    flops = 2 * p.m * p.n * p.k * p.outer[0]
    wanted = max(min(flops * batches // ITEM_FLOPS, ITEMS), 1)
    n_blocks, nb = even_blocks(p.n, n_most, tile.columns)
    per_matrix = max(wanted // max(batches, 1), 1)
    # First more blocks of rows, as long as packing B for each stays cheap; then of columns.
    m_most = max(round_up(-(-p.m // max(-(-per_matrix // n_blocks), 1)), tile.rows), 128)
    m_blocks, mb = even_blocks(p.m, m_most, tile.rows)
    if m_blocks * n_blocks < per_matrix:
        n_most = max(round_up(-(-p.n * m_blocks // per_matrix), tile.columns), n_least)
        n_blocks, nb = even_blocks(p.n, min(nb, n_most), tile.columns)
    return Blocks(mb, nb, kb, sub, m_blocks, n_blocks)


def plan_contraction(c: Contraction, target: Target) -> Plan:
    """Launches of a matrix product."""
    p = normal_form(c)
    batches = p.batch[0] * p.batch[1] * p.batch[2]
    if p.m == 0 or p.n == 0 or batches == 0:
        return Plan(())
    dtype = accumulator_dtype(p.a.dtype, p.b.dtype)
    tile = register_tile(target, dtype)
    b_contiguous = packing(p.b.strides[-1], p.b.strides[-2], p.n, p.k)
    if p.outer[0] == 0:
        return plan_contraction(replace(c, k=0, outer=(1, 0, 0)), target)
    if p.m <= FEW_ROWS and b_contiguous != APART and p.outer[0] == 1:
        return _plan_skinny(c, p, tile, b_contiguous == INNER)
    return _plan_blocked(c, p, tile, target)


def _plan_skinny(c: Contraction, p: Problem, tile: Tile, stream: bool) -> Plan:
    """Launches of a product with few rows."""
    batches = p.batch[0] * p.batch[1] * p.batch[2]
    a_kind = DIRECT
    if not stream:
        a_kind = packing(p.a.strides[-1], p.a.strides[-2], p.k, p.m)
        a_kind = DIRECT if a_kind == INNER else APART
    size = tile.size
    item_bytes = 1 << 18  # of B, some ten microseconds
    most = max(item_bytes // max(p.k * p.b.dtype.itemsize, 1), 2048 if stream else tile.columns)
    n_blocks, nb = even_blocks(p.n, most, tile.columns)
    a_room = 0 if a_kind == DIRECT else round_up((p.k + tile.lanes) * size, 64)
    t_offset = a_room * p.m
    scratch = t_offset + (p.m * nb + tile.columns) * size
    fixed = dict(
        m=p.m, n=p.n, k=p.k, nb=nb, n_blocks=n_blocks, batch1=p.batch[1], batch2=p.batch[2],
        t_offset=t_offset, a_room=a_room,
    )  # fmt: skip
    kernel = SkinnyKernel(
        "stream" if stream else "dot", tile.dtype, a_kind, p.a.dtype, p.b.dtype, c.epilogue,
        accesses_of(p), scratch,
    )  # fmt: skip
    params = tuple(fixed[name] for name in SKINNY_PARAMS)
    work = max(p.n * p.k * p.b.dtype.itemsize // 16 * batches, 1)
    return Plan((_step(kernel, p, params, n_blocks * batches, work),))


def accesses_of(p: Problem) -> tuple[Access, ...]:
    """How the epilogue walks along its operands and results."""
    return (
        *(access(x, False, p.n) for x in p.operands),
        *(access(x, True, p.n) for x in p.results),
    )


def _step(kernel: KernelSource, p: Problem, params: tuple[int, ...], items: int, work: int) -> Step:
    layouts = (p.a, p.b, *p.operands, *p.results)
    slots = (1, 0) if p.swapped else (0, 1)
    operands = (*slots, *range(2, len(layouts)))
    writes = tuple(range(2 + len(p.operands), len(layouts)))
    params += tuple(x for layout in layouts for x in operand_params(layout))
    return Step(kernel, operands, writes, params, items, 1, work)


def _plan_blocked(c: Contraction, p: Problem, tile: Tile, target: Target) -> Plan:
    """Launches of a product of the usual kind."""
    batches = p.batch[0] * p.batch[1] * p.batch[2]
    dtype = tile.dtype
    tile = choose_tile(p, tile)
    blocks = block_sizes(p, tile, target)
    a_kind = packing(p.a.strides[-1], p.a.strides[-2], p.k, p.m)
    if a_kind == INNER and p.a.dtype is dtype:
        a_kind = DIRECT
    b_kind = packing(p.b.strides[-1], p.b.strides[-2], p.n, p.k)
    if b_kind == INNER and p.b.dtype is dtype and p.m <= tile.rows:
        b_kind = DIRECT
    size = tile.size
    a_room = b_panel = 0
    k_padded = round_up(blocks.kb, tile.lanes)
    rows = -(-blocks.mb // tile.rows)
    a_bytes = 0
    if a_kind == OUTER:
        a_room = (blocks.kb * tile.rows + tile.columns) * size
        a_bytes = a_room * rows
    elif a_kind != DIRECT:
        a_room = (k_padded + 16) * size  # not a power of two: rows fall into different cache sets
        a_bytes = a_room * blocks.mb
    a_bytes = round_up(a_bytes, 64)
    b_panel = k_padded * tile.columns * size + 64
    panels = blocks.nb // tile.columns
    b_bytes = b_panel * (1 if b_kind == DIRECT else panels)
    tile_bytes = tile.rows * tile.columns * size
    many = blocks.kb < p.k or p.outer[0] > 1  # partial sums wait for the next block of k
    scratch = a_bytes + b_bytes + (tile_bytes * rows * panels if many else tile_bytes)
    fixed = dict(
        m=p.m, n=p.n, k=p.k, outer=p.outer[0], a_outer=p.outer[1] * p.a.dtype.itemsize,
        b_outer=p.outer[2] * p.b.dtype.itemsize, mb=blocks.mb, nb=blocks.nb, kb=blocks.kb, sub=blocks.sub,
        m_blocks=blocks.m_blocks, n_blocks=blocks.n_blocks, batch1=p.batch[1], batch2=p.batch[2],
        a_offset=0, b_offset=a_bytes, t_offset=a_bytes + b_bytes, a_room=a_room, panel_room=b_panel,
        t_panel=tile_bytes * rows if many else 0, t_row=tile_bytes if many else 0,
    )  # fmt: skip
    kernel = MatmulKernel(
        dtype,
        tile.rows,
        tile.vectors,
        a_kind,
        b_kind,
        p.a.dtype,
        p.b.dtype,
        c.epilogue,
        accesses_of(p),
        scratch,
    )
    params = tuple(fixed[name] for name in PARAMS)
    items = blocks.m_blocks * blocks.n_blocks * batches
    work = max(2 * p.m * p.n * p.k * p.outer[0] * batches // 60, p.m * p.n * batches // 4, 1)
    step = _step(kernel, p, params, items, work)
    if a_kind != DIRECT and not many:  # A stays packed from one column of blocks to the next
        step = replace(step, grain=blocks.n_blocks)
    return Plan((step,))
