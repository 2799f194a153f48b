"""The weight gradient of a convolution: scalar products over positions.

    dw[o, c, tap] = sum over images and positions of g[image, o, position] * x[image, c, under tap]

Positions lie in the lanes.  As in `convolve`, the part of x that a box of positions needs is copied
with zeros around it and split by stride, so that "x under a tap" is the copy from a constant offset
on; g is copied with the same pitch and zeros between its rows, which cancel the positions in between.
A register tile is `rows` output channels times `columns` (channel, tap) pairs, each a vector that is
summed across lanes at the end of a piece.

A piece is one box of some images.  One work item adds up a share of the pieces for a block of output
channels and a block of input channels; a second launch (`combine`) adds the shares in order and runs
the epilogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.types import DType
from ..llvm.target import Target
from .convolve import AXES, axes, copy_row, emit_pad, emit_table
from .describe import Epilogue
from .emit import Function, Module, Value
from .epilogue import Access, emit_epilogue
from .matmul import ABI, Names, Params
from .micro import Tile, register_tile
from .skinny import across

# As in convolve; `k` counts (channel, tap) of the block of channels, `row_k` of the whole weight.
PARAMS = tuple(
    "m k row_k taps mb m_blocks cb c_blocks groups channels shares images ib image_blocks pieces "
    "iz iy ix kz ky kx sz sy sx dz dy dx pz py px oz oy ox bz by bx nz ny nx fz fy fx qz qy qx "
    "x_row x_plane pitch plane_room g_row g_plane g_room image_room table_offset g_offset share_room".split()
)
NAMES = Names(PARAMS, ("offset", "batch0", "batch1", "row", "column"))


@dataclass(frozen=True, slots=True)
class WeightGradKernel:
    """Source of the kernel that makes the shares; operands are g, x and the shares."""

    dtype: DType
    rows: int  # of the register tile
    columns: int
    scratch_bytes: int

    @property
    def name(self) -> str:
        return "conv_weight_grad"

    @property
    def key(self) -> str:
        return f"conv_weight_grad {self.dtype.short} {self.rows}x{self.columns}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        emit_pad(module, tile, NAMES)
        emit_table(module, tile, NAMES)
        _emit_spread(module, tile)
        _emit_products(module, tile, self.rows, self.columns)
        with module.function(symbol, ABI, internal=False) as f:
            _emit_items(f, tile, self)
        return module.text()


def _emit_spread(module: Module, tile: Tile) -> None:
    """Define `spread(params, g, channels, z, y, x, destination)`: g with the pitch of the copy of x.

    (z, y, x) is how many positions the box has.  Each channel is followed by a vector of zeros.
    """
    parameters = [
        ("ptr", "params"), ("ptr", "g"), ("i64", "channels"), ("i64", "z"), ("i64", "y"), ("i64", "x"),
        ("ptr", "destination"),
    ]  # fmt: skip
    with module.function("spread", parameters, "noinline") as f:
        p = Params(f, NAMES)
        g_row, g_plane, oy, qx, qy, pitch = (
            p["g_row"],
            p["g_plane"],
            p["oy"],
            p["qx"],
            p["qy"],
            p["pitch"],
        )
        with f.loop(0, f["channels"]) as channel:
            source = f.at(f["g"], f.mul(channel, g_plane), 1)
            to = f.variable("ptr", "null")
            f.set(to, f.at(f["destination"], f.mul(channel, p["g_room"]), 1))
            with f.loop(0, f["z"]) as z, f.loop(0, qy) as y:
                line = f.get(to)
                with f.loop(0, qx, tile.lanes) as q:
                    f.store(tile.vector, "zeroinitializer", f.at(line, q, tile.size), tile.size)
                with f.when(f.compare("slt", y, f["y"])):
                    row = f.at(source, f.mul(f.add(f.mul(z, oy), y), g_row), 1)
                    copy_row(f, tile, row, "1", line, f["x"])
                f.set(to, f.at(line, pitch, 1))
            f.store(tile.vector, "zeroinitializer", f.get(to), tile.size)


PRODUCTS = [
    ("ptr", "g"), ("i64", "g_step"), ("ptr", "x"), ("ptr", "offsets"), ("i64", "length"), ("i64", "images"),
    ("i64", "g_image"), ("i64", "x_image"), ("i64", "rows"), ("i64", "columns"), ("ptr", "to"),
    ("i64", "to_step"), ("i64", "accumulate"),
]  # fmt: skip


def _emit_products(module: Module, tile: Tile, rows: int, columns: int) -> None:
    """Define `products`: one register tile of scalar products, stored or added to `to`.

    g: first channel of the tile, channels g_step apart; x: the copy, columns at x + offsets[column];
    length: flat positions; images g_image and x_image apart; rows, columns: how many exist.
    """
    lanes, size = tile.lanes, tile.size
    with module.function("products", PRODUCTS, "noinline") as f:
        last_row, last_column = f.sub(f["rows"], 1), f.sub(f["columns"], 1)
        g = [f.at(f["g"], f.mul(f.min(r, last_row), f["g_step"]), 1) for r in range(rows)]
        x = []
        for c in range(columns):
            at = f.at(f["offsets"], f.min(c, last_column), 8)
            x.append(f.at(f["x"], f.load("i64", at, 8), 1))
        sums = [(tile.vector, "zeroinitializer")] * (rows * columns)
        with f.repeat(0, f["images"], 1, sums) as image:
            g_at = f.mul(image.index, f["g_image"])
            x_at = f.mul(image.index, f["x_image"])
            own_g, own_x = [f.at(p, g_at, 1) for p in g], [f.at(p, x_at, 1) for p in x]
            inner = [(tile.vector, v) for v in image.values]
            with f.repeat(0, f["length"], lanes, inner) as position:
                totals = list(position.values)
                fields = [f.load(tile.vector, f.at(p, position.index, size), size) for p in own_x]
                for r in range(rows):
                    value = f.load(tile.vector, f.at(own_g[r], position.index, size), size)
                    for c in range(columns):
                        i = r * columns + c
                        totals[i] = f.fma(
                            tile.element, lanes, value, fields[c], totals[i], tile.fused
                        )
                position.next(totals)
            image.next(position.values)
        found = f.array(tile.element, rows * columns)
        for i, total in enumerate(image.values):
            f.store(tile.element, across(f, tile, total), f.at(found, i, size), size)
        with f.loop(0, f["rows"]) as row, f.loop(0, f["columns"]) as column:
            place = f.add(f.mul(row, columns), column)
            value = f.load(tile.element, f.at(found, place, size), size)
            to = f.at(f.at(f["to"], f.mul(row, f["to_step"]), 1), column, size)
            with f.otherwise(f.compare("eq", f["accumulate"], 0)) as else_:
                f.store(tile.element, value, to, size)
                else_()
                before = f.load(tile.element, to, size)
                f.store(tile.element, f.op(f"fadd {tile.element}", before, value), to, size)


def _emit_items(f: Function, tile: Tile, kernel: WeightGradKernel) -> None:
    p = Params(f, NAMES)
    table = f.at(f["scratch"], p["table_offset"], 1)
    fields = f.at(f["scratch"], p["g_offset"], 1)
    f.call("table", ("ptr", f["params"]), ("ptr", table))
    size = tile.size
    with f.loop(f["begin"], f["end"]) as item:
        rest = f.div(item, p["m_blocks"])
        m0 = f.mul(f.rem(item, p["m_blocks"]), p["mb"])
        c0 = f.mul(f.rem(rest, p["c_blocks"]), p["cb"])
        rest = f.div(rest, p["c_blocks"])
        group, share = f.rem(rest, p["groups"]), f.div(rest, p["groups"])
        m_count = f.min(p["mb"], f.sub(p["m"], m0))
        c_count = f.min(p["cb"], f.sub(p["channels"], c0))
        k_count = f.mul(c_count, p["taps"])
        shares = f.at(f.load("ptr", f.at(f["buffers"], 2, 8), 8), f.mul(share, p["share_room"]), 1)
        row = f.mul(p["row_k"], size)
        dw = f.at(shares, f.mul(f.add(f.mul(group, p["m"]), m0), row), 1)
        dw = f.at(dw, f.mul(c0, p["taps"]), size)
        first = f.div(f.mul(share, p["pieces"]), p["shares"])
        stop = f.div(f.mul(f.add(share, 1), p["pieces"]), p["shares"])
        with f.loop(first, stop) as piece:
            image0, boxes = _images(f, p, piece)
            image_count = f.min(p["ib"], f.sub(p["images"], image0))
            starts, counts = _box(f, p, boxes)
            with f.loop(0, image_count) as i:
                index = [f.add(image0, i), group]
                x = f.at(p.pointer(1, index), f.mul(c0, p["x_plane"]), 1)
                f.call(
                    "pad", ("ptr", f["params"]), ("ptr", x), ("i64", c_count),
                    *(
                        ("i64", f.sub(f.mul(start, p["s" + a]), p["p" + a]))
                        for a, start in zip(AXES, starts, strict=True)
                    ),
                    ("ptr", f.at(f["scratch"], f.mul(i, p["image_room"]), 1)),
                )  # fmt: skip
                g = f.at(p.pointer(0, index), f.mul(m0, p["g_plane"]), 1)
                place = f.mul(f.add(f.mul(starts[0], p["oy"]), starts[1]), p["g_row"])
                g = f.at(f.at(g, place, 1), starts[2], size)
                f.call(
                    "spread", ("ptr", f["params"]), ("ptr", g), ("i64", m_count),
                    *(("i64", count) for count in counts),
                    ("ptr", f.at(fields, f.mul(i, f.mul(p["mb"], p["g_room"])), 1)),
                )  # fmt: skip
            qx = p["qx"]
            rows = f.add(f.mul(f.sub(counts[0], 1), p["qy"]), f.sub(counts[1], 1))
            length = f.add(f.mul(rows, qx), counts[2])
            with f.loop(0, m_count, kernel.rows) as o, f.loop(0, k_count, kernel.columns) as k:
                f.call(
                    "products", ("ptr", f.at(fields, f.mul(o, p["g_room"]), 1)), ("i64", p["g_room"]),
                    ("ptr", f["scratch"]), ("ptr", f.at(table, k, 8)), ("i64", length), ("i64", image_count),
                    ("i64", f.mul(p["mb"], p["g_room"])), ("i64", p["image_room"]),
                    ("i64", f.min(f.sub(m_count, o), kernel.rows)),
                    ("i64", f.min(f.sub(k_count, k), kernel.columns)),
                    ("ptr", f.at(f.at(dw, f.mul(o, row), 1), k, size)), ("i64", row),
                    ("i64", f.sub(piece, first)),
                )  # fmt: skip


def _images(f: Function, p: Params, piece: Value) -> tuple[Value, Value]:
    """First image of a piece, and its box number."""
    block = f.rem(piece, p["image_blocks"])
    return f.mul(block, p["ib"]), f.div(piece, p["image_blocks"])


def _box(f: Function, p: Params, number: Value) -> tuple[list[Value], list[Value]]:
    """First position and number of positions of a box, per axis."""
    starts: list[Value] = []
    for axis in reversed(AXES):
        starts.insert(0, f.mul(f.rem(number, p["n" + axis]), p["b" + axis]))
        number = f.div(number, p["n" + axis])
    outputs, blocks = axes(p, "o"), axes(p, "b")
    counts = [f.min(b, f.sub(o, s)) for b, o, s in zip(blocks, outputs, starts, strict=True)]
    return starts, counts


COMBINE_PARAMS = tuple("rows columns block share_room".split())
COMBINE_NAMES = Names(COMBINE_PARAMS, ("offset", "row", "column"))


@dataclass(frozen=True, slots=True)
class CombineKernel:
    """Source of the kernel that adds up shares; operands are the shares and the epilogue's.

    The number of shares is in the code: few different ones occur.
    """

    dtype: DType
    shares: int
    epilogue: Epilogue
    accesses: tuple[Access, ...]
    scratch_bytes: int = 0

    @property
    def name(self) -> str:
        return f"combine_{self.epilogue.key or 'plain'}"

    @property
    def key(self) -> str:
        accesses = " ".join(a.key for a in self.accesses)
        return f"combine {self.dtype.short} {self.shares} epilogue:{self.epilogue.key} [{accesses}]"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        rows = [COMBINE_NAMES.index(1 + i, "row") for i in range(len(self.accesses))]
        emit_epilogue(module, tile, self.epilogue, self.accesses, rows)
        with module.function(symbol, ABI, internal=False) as f:
            p = Params(f, COMBINE_NAMES)
            bases = f.array("ptr", len(self.accesses), 8)
            sums = f.array(tile.element, tile.columns)
            for i in range(len(self.accesses)):
                f.store("ptr", p.pointer(1 + i, ()), f.at(bases, i, 8), 8)
            first = f.mul(f["begin"], p["block"])
            stop = f.min(f.mul(f["end"], p["block"]), p["rows"])
            columns = p["columns"]
            with f.loop(first, stop) as r, f.loop(0, columns, tile.columns) as c:
                count = f.min(f.sub(columns, c), tile.columns)
                at = f.add(f.mul(r, columns), c)
                share = f.at(f.load("ptr", f["buffers"], 8), at, tile.size)
                _add_shares(f, tile, self.shares, share, p["share_room"], count, sums)
                f.call(
                    "epilogue", ("ptr", sums), ("i64", 0), ("i64", 1), ("i64", 0), ("i64", count),
                    ("i64", r), ("i64", c), ("ptr", bases), ("ptr", f["params"]),
                )  # fmt: skip
        return module.text()


def _add_shares(
    f: Function, tile: Tile, shares: int, share: str, room: str, count: Value, sums: str
) -> None:
    """sums[i] = the shares' elements i < count, added in order."""
    full = f.compare("eq", count, tile.columns)
    with f.otherwise(full) as else_:
        for v in range(tile.vectors):
            f.store(
                tile.vector,
                _sum(f, tile.vector, shares, f.at(share, v * tile.lanes, tile.size), room, tile.size),
                f.at(sums, v * tile.lanes, tile.size), tile.size,
            )  # fmt: skip
        else_()
        with f.loop(0, count) as i:
            value = _sum(f, tile.element, shares, f.at(share, i, tile.size), room, tile.size)
            f.store(tile.element, value, f.at(sums, i, tile.size), tile.size)


def _sum(f: Function, type: str, shares: int, pointer: str, room: str, align: int) -> str:
    total = f.load(type, pointer, align)
    for _ in range(1, shares):
        pointer = f.op("getelementptr i8, ptr", pointer, f"i64 {room}")
        total = f.op(f"fadd {type}", total, f.load(type, pointer, align))
    return total


def share_counts() -> Sequence[int]:
    """The numbers of shares plans may use, ascending."""
    return (1, 2, 4, 8, 16)
