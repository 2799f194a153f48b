"""Products with few rows (a vector times a matrix): B is read once, in place, and limits the speed.

    stream    B contiguous along n: STREAMS rows of B at a time are added into the sums of a row of
              the result, which stays in the first-level cache
    dot       B contiguous along k: COLUMNS rows of B^T at a time are multiplied with a row of A

One work item computes all m rows of `nb` columns.  Sums wait in scratch, [m][nb], for the epilogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...ir.types import DType
from ..llvm.target import Target
from .describe import Epilogue
from .emit import Function, Module, Value
from .epilogue import Access, emit_epilogue
from .matmul import ABI, DIRECT, Names, Params
from .micro import Tile, register_tile
from .pack import Source, emit_pack_a

STREAMS = 8
COLUMNS = 4

# Parameters, in order; then matmul.OPERAND_PARAMS for a, b and every access.
PARAMS = tuple("m n k nb n_blocks batch1 batch2 t_offset a_room".split())
NAMES = Names(PARAMS)


@dataclass(frozen=True, slots=True)
class SkinnyKernel:
    """Source of one kernel for few rows."""

    algorithm: Literal["stream", "dot"]
    dtype: DType
    a_kind: str  # dot: how rows of A become contiguous; stream: DIRECT
    a_dtype: DType
    b_dtype: DType
    epilogue: Epilogue
    accesses: tuple[Access, ...]
    scratch_bytes: int

    @property
    def name(self) -> str:
        return f"skinny_{self.algorithm}_{self.epilogue.key or 'plain'}"

    @property
    def key(self) -> str:
        accesses = " ".join(a.key for a in self.accesses)
        return (
            f"skinny {self.algorithm} {self.dtype.short} a:{self.a_dtype.short}:{self.a_kind} "
            f"b:{self.b_dtype.short} epilogue:{self.epilogue.key} [{accesses}]"
        )

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        rows = [NAMES.index(2 + i, "row") for i in range(len(self.accesses))]
        epilogue = emit_epilogue(module, tile, self.epilogue, self.accesses, rows)
        pack = ""
        if self.a_kind != DIRECT:
            pack = emit_pack_a(module, tile, self.a_dtype, self.a_kind)
        sums = _emit_stream if self.algorithm == "stream" else _emit_dot
        sums(module, tile, self)
        with module.function(symbol, ABI, internal=False) as f:
            _emit_items(f, tile, self, epilogue, pack)
        return module.text()


def _emit_items(f: Function, tile: Tile, kernel: SkinnyKernel, epilogue: str, pack: str) -> None:
    p = Params(f, NAMES)
    bases = f.array("ptr", len(kernel.accesses), 8)
    sums = f.at(f["scratch"], p["t_offset"], 1)
    with f.loop(f["begin"], f["end"]) as item:
        batch = f.div(item, p["n_blocks"])
        n0 = f.mul(f.sub(item, f.mul(batch, p["n_blocks"])), p["nb"])
        n_count = f.min(p["nb"], f.sub(p["n"], n0))
        outer = f.div(batch, p["batch2"])
        index: tuple[Value, ...] = (
            f.div(outer, p["batch1"]), f.rem(outer, p["batch1"]), f.rem(batch, p["batch2"]),
        )  # fmt: skip
        a = p.pointer(0, index)
        b = f.at(p.pointer(1, index), f.mul(n0, p.of(1, "column")), 1)
        for x in range(len(kernel.accesses)):
            f.store("ptr", p.pointer(2 + x, index), f.at(bases, x, 8), 8)
        a_row, a_column = p.of(0, "row"), p.of(0, "column")
        if pack:
            f.call(
                pack, ("ptr", a), ("i64", a_row), ("i64", a_column), ("i64", p["m"]),
                ("i64", p["k"]), ("ptr", f["scratch"]), ("i64", p["a_room"]),
            )  # fmt: skip
            a, a_row = f["scratch"], p["a_room"]
        step = f.mul(p["nb"], tile.size)
        b_step = p.of(1, "row" if kernel.algorithm == "stream" else "column")
        with f.loop(0, p["m"]) as i:
            f.call(
                "sums", ("ptr", f.at(a, f.mul(i, a_row), 1)), ("i64", a_column), ("ptr", b),
                ("i64", b_step), ("i64", p["k"]), ("i64", n_count),
                ("ptr", f.at(sums, f.mul(i, step), 1)),
            )  # fmt: skip
        with f.loop(0, n_count, tile.columns) as j:
            f.call(
                epilogue, ("ptr", f.at(sums, j, tile.size)), ("i64", step), ("i64", p["m"]),
                ("i64", 0), ("i64", f.min(f.sub(n_count, j), tile.columns)), ("i64", 0),
                ("i64", f.add(n0, j)), ("ptr", bases), ("ptr", f["params"]),
            )  # fmt: skip


SUMS = [
    ("ptr", "a"), ("i64", "a_step"), ("ptr", "b"), ("i64", "b_step"), ("i64", "k"), ("i64", "n"),
    ("ptr", "sums"),
]  # fmt: skip


def _emit_stream(module: Module, tile: Tile, kernel: SkinnyKernel) -> None:
    """Define `sums(a, a_step, b, b_step, k, n, sums)` for B contiguous along n."""
    lanes = tile.lanes
    with module.function("sums", SUMS, "noinline") as f:
        a_source, b_source = Source(f, tile, kernel.a_dtype), Source(f, tile, kernel.b_dtype)
        whole_n = f.mul(f.div(f["n"], lanes), lanes)
        with f.loop(0, f["n"], lanes) as j:  # room is a multiple of lanes
            f.store(tile.vector, "zeroinitializer", f.at(f["sums"], j, tile.size), tile.size)
        whole_k = f.mul(f.div(f["k"], STREAMS), STREAMS)
        for start, stop, count in ((0, whole_k, STREAMS), (whole_k, f["k"], 1)):
            with f.loop(start, stop, count) as k:
                factors, rows = [], []
                row = f.at(f["b"], f.mul(k, f["b_step"]), 1)
                at = f.at(f["a"], f.mul(k, f["a_step"]), 1)
                for _ in range(count):
                    factors.append(f.splat(tile.element, a_source.scalar(at), lanes))
                    rows.append(row)
                    row = f.op("getelementptr i8, ptr", row, f"i64 {f['b_step']}")
                    at = f.op("getelementptr i8, ptr", at, f"i64 {f['a_step']}")

                def add(j: Value, mask: str | None) -> None:
                    to = f.at(f["sums"], j, tile.size)
                    total = f.load(tile.vector, to, tile.size)
                    for factor, row in zip(factors, rows, strict=True):  # noqa: B023
                        value = b_source.vector(f.at(row, j, b_source.size), mask)
                        total = f.fma(tile.element, lanes, factor, value, total, tile.fused)
                    f.store(tile.vector, total, to, tile.size)

                with f.loop(0, whole_n, lanes) as j:
                    add(j, None)
                with f.when(f.compare("slt", whole_n, f["n"])):
                    add(whole_n, f.lane_mask(lanes, 0, f.sub(f["n"], whole_n)))


def _emit_dot(module: Module, tile: Tile, kernel: SkinnyKernel) -> None:
    """Define `sums(a, a_step, b, b_step, k, n, sums)` for A and B contiguous along k."""
    lanes = tile.lanes
    copies = 2  # independent sums per column, to cover the latency of the addition
    with module.function("sums", SUMS, "noinline") as f:
        dense = kernel.a_dtype if kernel.a_kind == DIRECT else kernel.dtype
        a_source, b_source = Source(f, tile, dense), Source(f, tile, kernel.b_dtype)
        whole = f.mul(f.div(f["k"], lanes * copies), lanes * copies)
        middle = f.mul(f.div(f["k"], lanes), lanes)
        rest = f.lane_mask(lanes, 0, f.sub(f["k"], middle))
        last = f.sub(f["n"], 1)
        with f.loop(0, f["n"], COLUMNS) as j:
            rows = [
                f.at(f["b"], f.mul(f.min(f.add(j, c), last), f["b_step"]), 1)
                for c in range(COLUMNS)
            ]
            sums = ["zeroinitializer"] * (COLUMNS * copies)

            def add(k: Value, sums: list[str], count: int, mask: str | None) -> list[str]:
                sums = list(sums)
                for u in range(count):
                    a = a_source.vector(
                        f.at(f.at(f["a"], k, dense.itemsize), u * lanes, dense.itemsize), mask
                    )
                    for c, row in enumerate(rows):
                        at = f.at(f.at(row, k, b_source.size), u * lanes, b_source.size)
                        value = b_source.vector(at, mask)
                        slot = c * copies + u
                        sums[slot] = f.fma(tile.element, lanes, a, value, sums[slot], tile.fused)
                return sums

            for start, stop, count in ((0, whole, copies), (whole, middle, 1)):
                with f.repeat(start, stop, count * lanes, [(tile.vector, x) for x in sums]) as loop:
                    loop.next(add(loop.index, loop.values, count, None))
                sums = loop.values
            totals = f.array(tile.element, COLUMNS * lanes)
            for c in range(COLUMNS):
                both = f.op(f"fadd {tile.vector}", sums[c * copies], sums[c * copies + 1])
                f.store(tile.vector, both, f.at(totals, c * lanes, tile.size), tile.size)
            with f.when(f.compare("slt", middle, f["k"])):
                kept = []
                for c in range(COLUMNS):
                    kept += [
                        f.load(tile.vector, f.at(totals, c * lanes, tile.size), tile.size),
                        "poison",
                    ]
                added = add(middle, kept, 1, rest)
                for c in range(COLUMNS):
                    f.store(
                        tile.vector,
                        added[c * copies],
                        f.at(totals, c * lanes, tile.size),
                        tile.size,
                    )
            for c in range(COLUMNS):
                total = across(
                    f, tile, f.load(tile.vector, f.at(totals, c * lanes, tile.size), tile.size)
                )
                # The room behind the last column takes the repeats.
                f.store(
                    tile.element,
                    total,
                    f.at(f.at(f["sums"], j, tile.size), c, tile.size),
                    tile.size,
                )


def across(f: Function, tile: Tile, value: str) -> str:
    """The sum of a vector's lanes, halves first."""
    width = tile.lanes
    while width > 1:
        width //= 2
        other = f.shuffle(
            tile.element,
            tile.lanes,
            value,
            "poison",
            [*range(width, 2 * width)] * (tile.lanes // width),
        )
        value = f.op(f"fadd {tile.vector}", value, other)
    return f.op(f"extractelement {tile.vector}", value, "i32 0")
