"""Direct convolution: output positions in the lanes, output channels in the rows of the tile.

One work item computes a block of output channels over a box of positions (bz, by, bx) of one group
of `ib` images.  It first copies what the box needs of each image into scratch, padded with zeros and
split by stride:

    [image][channel][phase z, y, x][qz][qy][qx]     phase p holds every stride-th element from p on

In this copy the elements under one tap of the kernel, for successive positions of a row, are
contiguous, and rows follow each other at the pitch qx.  So a "row of B" for (channel, tap) is the
copy itself from a constant offset on, over *flat* positions y * qx + x, and the micro-kernel reads it
in place through a table of offsets: nothing is unfolded.  Positions with x >= bx are computed in
vain and dropped when a tile is placed into the dense rows that the epilogue runs over.

Both forward and input gradient (a convolution of g with turned weights) are of this form.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.types import DType
from ..llvm.target import Target
from .describe import Epilogue
from .emit import Function, Module, Value
from .epilogue import Access, emit_epilogue
from .matmul import ABI, Names, Params
from .micro import Tile, emit_micro_kernel, register_tile

AXES = "zyx"

# Parameters in order; then OPERAND_PARAMS for weights, image and every access.
# Per axis: input size i, kernel k, stride s, padding p, dilation d, outputs o, block b, number of
# blocks n, phases f, copied size q.
PARAMS = tuple(
    "m k kb mb m_blocks images ib groups channels "
    "iz iy ix kz ky kx sz sy sx pz py px dz dy dx oz oy ox bz by bx nz ny nx fz fy fx qz qy qx "
    "x_row x_plane whole pitch plane_room image_room table_offset rows_offset panel_room t_offset "
    "t_image t_z t_panel t_tile d_offset".split()
)
# batch indices: image, group, and a position's z and y
OPERAND_PARAMS = ("offset", "batch0", "batch1", "batch2", "batch3", "row", "column")
NAMES = Names(PARAMS, OPERAND_PARAMS)


def axes(p: Params, letter: str) -> list[str]:
    """The parameter of all three axes."""
    return [p[letter + a] for a in AXES]


@dataclass(frozen=True, slots=True)
class ConvolutionKernel:
    """Source of one direct convolution kernel; sizes come as parameters."""

    dtype: DType
    rows: int  # of the register tile
    vectors: int
    epilogue: Epilogue
    accesses: tuple[Access, ...]
    scratch_bytes: int

    @property
    def name(self) -> str:
        return f"convolve_{self.epilogue.key or 'plain'}"

    @property
    def key(self) -> str:
        accesses = " ".join(a.key for a in self.accesses)
        return f"convolve {self.dtype.short} {self.rows}x{self.vectors} epilogue:{self.epilogue.key} [{accesses}]"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        base = register_tile(target, self.dtype)
        tile = Tile(self.rows, self.vectors, base.lanes, base.dtype, base.fused)
        emit_micro_kernel(module, tile, tile.size, scattered=True)
        rows = [NAMES.index(2 + i, "row") for i in range(len(self.accesses))]
        emit_epilogue(module, tile, self.epilogue, self.accesses, rows)
        emit_pad(module, tile, NAMES)
        emit_table(module, tile, NAMES)
        _emit_place(module, tile)
        _emit_finish(module, tile)
        with module.function(symbol, ABI, internal=False) as f:
            _emit_items(f, tile, self)
        return module.text()


def emit_pad(module: Module, tile: Tile, names: Names) -> None:
    """Define `pad(params, x, channels, z0, y0, x0, destination)`: the copy of the module docstring.

    x: the first of the channels; (z0, y0, x0): input position of the copy's first element (negative in
    the padding).  Two vectors of zeros are left behind the copy.
    """
    parameters = [
        ("ptr", "params"), ("ptr", "x"), ("i64", "channels"), ("i64", "z0"), ("i64", "y0"), ("i64", "x0"),
        ("ptr", "destination"),
    ]  # fmt: skip
    with module.function("pad", parameters, "noinline") as f:
        p = Params(f, names)
        strides, sizes, copied, phases = (axes(p, x) for x in "siqf")
        x_row, x_plane, pitch, qx = p["x_row"], p["x_plane"], p["pitch"], copied[2]
        to = f.variable("ptr", f["destination"])
        with f.loop(0, f["channels"]) as channel:
            image = f.at(f["x"], f.mul(channel, x_plane), 1)
            with f.loop(0, phases[0]) as fz, f.loop(0, phases[1]) as fy, f.loop(0, phases[2]) as fx:
                first = f.add(f["x0"], fx)
                # Copied elements [low, high) of a row lie inside the image.
                low = f.min(f.ceil_div(f.max(f.sub(0, first), 0), strides[2]), qx)
                high = f.min(f.ceil_div(f.max(f.sub(sizes[2], first), 0), strides[2]), qx)
                high = f.max(low, high)
                with f.loop(0, copied[0]) as z:
                    iz = f.add(f.add(f["z0"], fz), f.mul(z, strides[0]))
                    z_inside = f.op("icmp ult i64", iz, sizes[0])
                    with f.loop(0, copied[1]) as y:
                        iy = f.add(f.add(f["y0"], fy), f.mul(y, strides[1]))
                        inside = f.both(z_inside, f.op("icmp ult i64", iy, sizes[1]))
                        line = f.get(to)
                        with f.loop(0, qx, tile.lanes) as q:
                            f.store(
                                tile.vector, "zeroinitializer", f.at(line, q, tile.size), tile.size
                            )
                        with f.when(inside):
                            row = f.at(image, f.mul(f.add(f.mul(iz, sizes[1]), iy), x_row), 1)
                            source = f.at(row, f.add(first, f.mul(low, strides[2])), tile.size)
                            copy_row(
                                f,
                                tile,
                                source,
                                strides[2],
                                f.at(line, low, tile.size),
                                f.sub(high, low),
                            )
                        f.set(to, f.at(line, pitch, 1))
        for v in range(2):
            f.store(
                tile.vector,
                "zeroinitializer",
                f.at(f.get(to), v * tile.lanes, tile.size),
                tile.size,
            )


def copy_row(f: Function, tile: Tile, source: str, stride: str, to: str, count: Value) -> None:
    """to[i] = source[i * stride] for i < count; strides 1 and 2 in vectors."""
    lanes, size = tile.lanes, tile.size

    def elements(at: Value, spaced: bool) -> str:
        """`lanes` elements; nothing behind the last is read."""
        if not spaced:
            return f.load(tile.vector, f.at(source, at, size), size)
        first = f.at(source, f.mul(at, 2), size)
        low = f.load(tile.vector, first, size)
        high = f.load(tile.vector, f.at(first, lanes - 1, size), size)
        picks = [*range(0, lanes, 2), *range(lanes + 1, 2 * lanes, 2)]
        return f.shuffle(tile.element, lanes, low, high, picks)

    def vectors(spaced: bool) -> None:
        last = f.sub(count, lanes)
        with f.loop(0, last, lanes) as i:
            f.store(tile.vector, elements(i, spaced), f.at(to, i, size), size)
        # May overlap the one before.
        f.store(tile.vector, elements(last, spaced), f.at(to, last, size), size)

    wide = f.compare("sge", count, lanes)
    with f.otherwise(f.both(f.compare("eq", stride, 1), wide)) as else_:
        vectors(spaced=False)
        else_()
        with f.otherwise(f.both(f.compare("eq", stride, 2), wide)) as else_inner:
            vectors(spaced=True)
            else_inner()
            with f.loop(0, count) as i:
                value = f.load(tile.element, f.at(source, f.mul(i, stride), size), size)
                f.store(tile.element, value, f.at(to, i, size), size)


def emit_table(module: Module, tile: Tile, names: Names) -> None:
    """Define `table(params, destination)`: byte offset of every (channel, tap) in the copy."""
    with module.function("table", [("ptr", "params"), ("ptr", "destination")], "noinline") as f:
        p = Params(f, names)
        kernel, stride, dilation, copied, phases = (axes(p, x) for x in "ksdqf")
        number = f.variable("i64", 0)
        with f.loop(0, kernel[0]) as z, f.loop(0, kernel[1]) as y, f.loop(0, kernel[2]) as x:
            phase: Value = 0
            place: Value = 0
            for tap, s, d, q, count in zip(
                (z, y, x), stride, dilation, copied, phases, strict=True
            ):
                at = f.mul(tap, d)
                phase = f.add(f.mul(phase, count), f.rem(at, s))
                place = f.add(f.mul(place, q), f.div(at, s))
            plane = f.mul(phase, f.mul(f.mul(copied[0], copied[1]), copied[2]))
            i = f.get(number)
            offset = f.mul(f.add(plane, place), tile.size)
            f.store("i64", offset, f.at(f["destination"], i, 8), 8)
            f.set(number, f.add(i, 1))
        taps, room = f.get(number), p["plane_room"]
        with f.loop(taps, p["k"]) as i:
            before = f.load("i64", f.at(f["destination"], f.sub(i, taps), 8), 8)
            f.store("i64", f.add(before, room), f.at(f["destination"], i, 8), 8)


PLACE = [
    ("ptr", "t"), ("i64", "rows"), ("i64", "j"), ("i64", "limit"), ("i64", "qx"), ("i64", "bx"),
    ("ptr", "dense"), ("i64", "dense_step"),
]  # fmt: skip


def _emit_place(module: Module, tile: Tile) -> None:
    """Define `place`: the valid positions among flat positions [j, j + columns) of a tile.

    Flat position y * qx + x (below `limit`) goes to dense position y * bx + x if x < bx.  Whole
    vectors are moved: what they drag along is overwritten by the positions that come later.
    """
    with module.function("place", PLACE, "noinline") as f:
        y0 = f.div(f["j"], f["qx"])
        x = f.variable("i64", f.sub(f["j"], f.mul(y0, f["qx"])))
        y = f.variable("i64", y0)
        lane = f.variable("i64", 0)
        stop = f.min(f.sub(f["limit"], f["j"]), tile.columns)
        with f.until(lane, stop) as at:
            column = f.get(x)
            with f.when(f.compare("slt", column, f["bx"])):
                to = f.at(f["dense"], f.add(f.mul(f.get(y), f["bx"]), column), tile.size)
                source = f.at(f["t"], at, tile.size)
                with f.loop(0, f["rows"]) as r:
                    here = f.at(source, r, tile.columns * tile.size)
                    there = f.at(to, f.mul(r, f["dense_step"]), 1)
                    for v in range(tile.vectors):
                        value = f.load(
                            tile.vector, f.at(here, v * tile.lanes, tile.size), tile.size
                        )
                        f.store(
                            tile.vector, value, f.at(there, v * tile.lanes, tile.size), tile.size
                        )
            f.set(lane, f.add(at, f.sub(f["qx"], column)))
            f.set(x, 0)
            f.set(y, f.add(f.get(y), 1))


FINISH = [
    ("ptr", "dense"), ("i64", "dense_step"), ("i64", "rows"), ("i64", "count"), ("i64", "i"), ("i64", "j"),
    ("ptr", "bases"), ("ptr", "params"),
]  # fmt: skip


def _emit_finish(module: Module, tile: Tile) -> None:
    """Define `finish`: the epilogue over `count` dense positions of `rows` rows."""
    with module.function("finish", FINISH, "noinline") as f:
        with f.loop(0, f["count"], tile.columns) as c:
            f.call(
                "epilogue", ("ptr", f.at(f["dense"], c, tile.size)), ("i64", f["dense_step"]),
                ("i64", f["rows"]), ("i64", 0), ("i64", f.min(f.sub(f["count"], c), tile.columns)),
                ("i64", f["i"]), ("i64", f.add(f["j"], c)), ("ptr", f["bases"]), ("ptr", f["params"]),
            )  # fmt: skip


def _emit_items(f: Function, tile: Tile, kernel: ConvolutionKernel) -> None:
    p = Params(f, NAMES)
    table = f.at(f["scratch"], p["table_offset"], 1)
    dense = f.at(f["scratch"], p["d_offset"], 1)
    bases = f.array("ptr", len(kernel.accesses), 8)
    in_scratch = f.variable("i64", -1)
    f.call("table", ("ptr", f["params"]), ("ptr", table))
    w_row = p.of(0, "row")

    with f.loop(f["begin"], f["end"]) as item:
        box = f.div(item, p["m_blocks"])
        m0 = f.mul(f.sub(item, f.mul(box, p["m_blocks"])), p["mb"])
        m_count = f.min(p["mb"], f.sub(p["m"], m0))
        rest: Value = box
        starts: list[Value] = []
        for axis in reversed(AXES):
            count = p["n" + axis]
            starts.insert(0, f.mul(f.rem(rest, count), p["b" + axis]))
            rest = f.div(rest, count)
        counts = [
            f.min(p["b" + a], f.sub(p["o" + a], s)) for a, s in zip(AXES, starts, strict=True)
        ]
        group, image0 = f.rem(rest, p["groups"]), f.mul(f.div(rest, p["groups"]), p["ib"])
        images = f.min(p["ib"], f.sub(p["images"], image0))
        weights = f.at(p.pointer(0, [0, group]), f.mul(m0, w_row), 1)
        with f.when(f.compare("ne", f.get(in_scratch), box)), f.loop(0, images) as image:
            f.set(in_scratch, box)
            f.call(
                "pad", ("ptr", f["params"]), ("ptr", p.pointer(1, [f.add(image0, image), group])),
                ("i64", p["channels"]),
                *(
                    ("i64", f.sub(f.mul(start, p["s" + a]), p["p" + a]))
                    for a, start in zip(AXES, starts, strict=True)
                ),
                ("ptr", f.at(f["scratch"], f.mul(image, p["image_room"]), 1)),
            )  # fmt: skip
        positions = f.mul(f.mul(counts[0], counts[1]), counts[2])
        with f.loop(0, f.max(p["k"], 1), p["kb"]) as k0:
            _emit_rows(f, tile, p, f.at(weights, k0, tile.size), w_row, m_count)
            k_count = f.min(p["kb"], f.sub(p["k"], k0))
            last = f.compare("sge", f.add(k0, k_count), p["k"])
            offsets = f.at(table, k0, 8)
            with f.loop(0, images) as image, f.loop(0, counts[0]) as z:
                where = f.add(f.mul(image, positions), f.mul(z, f.mul(counts[1], counts[2])))
                _emit_plane(
                    f, tile, p, (k0, k_count, last, offsets), (image, z), m_count, counts,
                    f.at(dense, where, tile.size),
                )  # fmt: skip
        with f.loop(0, images) as image, f.loop(0, m_count, tile.rows) as i:
            place = f.at(dense, f.mul(i, p["panel_room"]), 1)
            _finish(
                f, p, bases, len(kernel.accesses), f.at(place, f.mul(image, positions), tile.size),
                f.min(f.sub(m_count, i), tile.rows), f.add(m0, i), [f.add(image0, image), group],
                starts, counts, tile.size,
            )  # fmt: skip


def _emit_rows(
    f: Function, tile: Tile, p: Params, weights: str, w_row: str, m_count: Value
) -> None:
    """The pointers to all rows of weights, a missing one repeating the last."""
    rows = f.at(f["scratch"], p["rows_offset"], 1)
    whole = f.mul(f.ceil_div(m_count, tile.rows), tile.rows)
    with f.loop(0, whole) as i:
        number = f.min(i, f.sub(m_count, 1))
        f.store("ptr", f.at(weights, f.mul(number, w_row), 1), f.at(rows, i, 8), 8)


def _emit_plane(
    f: Function, tile: Tile, p: Params, block: tuple[Value, Value, str, str],
    plane: tuple[Value, Value], m_count: Value, counts: list[Value], dense: str,
) -> None:  # fmt: skip
    """All tiles of one z of one image: block is k0, its length, whether it is the last, its offsets."""
    k0, k_count, last, offsets = block
    image, z = plane
    rows = f.at(f["scratch"], p["rows_offset"], 1)
    qx = p["qx"]
    copy = f.at(f["scratch"], f.mul(image, p["image_room"]), 1)
    copy = f.at(copy, f.mul(z, f.mul(p["qy"], qx)), tile.size)
    tiles = f.at(f["scratch"], p["t_offset"], 1)
    tiles = f.at(tiles, f.add(f.mul(image, p["t_image"]), f.mul(z, p["t_z"])), 1)
    # The last row of flat positions ends where its last position is.
    flat = f.sub(f.mul(counts[1], qx), f.sub(qx, counts[2]))
    with f.loop(0, flat, tile.columns) as j:
        panel = f.at(copy, j, tile.size)
        tiles_panel = f.at(tiles, f.mul(f.div(j, tile.columns), p["t_panel"]), 1)
        with f.loop(0, m_count, tile.rows) as i:
            own = f.at(tiles_panel, f.mul(f.div(i, tile.rows), p["t_tile"]), 1)
            f.call(
                "micro_scattered", ("ptr", f.at(rows, i, 8)), ("i64", k_count), ("ptr", panel),
                ("ptr", offsets), ("ptr", own), ("i64", tile.columns * tile.size), ("i64", k0),
            )  # fmt: skip
            with f.when(last):
                step = p["panel_room"]
                f.call(
                    "place", ("ptr", own), ("i64", f.min(f.sub(m_count, i), tile.rows)), ("i64", j),
                    ("i64", flat), ("i64", qx), ("i64", counts[2]),
                    ("ptr", f.at(dense, f.mul(i, step), 1)), ("i64", step),
                )  # fmt: skip


def _finish(
    f: Function, p: Params, bases: str, accesses: int, dense: str, rows: Value, i: Value,
    index: list[Value], starts: list[Value], counts: list[Value], size: int,
) -> None:  # fmt: skip
    """Run the epilogue over the box: as one run of positions, or row by row."""
    whole = f.compare("ne", p["whole"], 0)
    everything = f.mul(f.mul(counts[0], counts[1]), counts[2])
    z_runs = f.select(whole, "i64", 1, counts[0])
    y_runs = f.select(whole, "i64", 1, counts[1])
    run = f.select(whole, "i64", everything, counts[2])
    with f.loop(0, z_runs) as z, f.loop(0, y_runs) as y:
        at = [*index, f.add(starts[0], z), f.add(starts[1], y)]
        for x in range(accesses):
            f.store("ptr", p.pointer(2 + x, at), f.at(bases, x, 8), 8)
        number = f.add(f.mul(z, y_runs), y)
        f.call(
            "finish", ("ptr", f.at(dense, f.mul(number, run), size)), ("i64", p["panel_room"]),
            ("i64", rows), ("i64", run), ("i64", i), ("i64", starts[2]), ("ptr", bases),
            ("ptr", f["params"]),
        )  # fmt: skip
