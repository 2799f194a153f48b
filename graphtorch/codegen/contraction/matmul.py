"""The blocked matrix product: packing, register tiles, fused epilogue.

One work item computes one block of the result, `mb` x `nb`, over all of k:

    for each kb of k (of each `outer`):    pack B[kb, nb] as panels (and A[mb, kb] as rows)
        for each `sub` rows of mb:         stays in the second-level cache
            for each panel of nb:          stays in the first-level cache
                for each tile of rows:     micro-kernel, accumulators in registers
                    after the last kb:     epilogue, store

Every element is summed in the order of k, block after block, whatever the number of threads.
B (and A, unless it is read in place) is packed again by every item that needs it: with blocks of a few
hundred rows that costs a few percent and saves a launch, a barrier and a temporary.  An item that
finds what it needs in scratch from the item before keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...ir.types import DType
from ..llvm.target import Target
from .describe import Epilogue
from .emit import Function, Module, Value
from .epilogue import Access, emit_epilogue
from .micro import Tile, emit_micro_kernel, register_tile
from .pack import INNER, OUTER, emit_pack_a, emit_pack_b

DIRECT = "direct"  # read in place, not packed

ABI = [("ptr", "buffers"), ("ptr", "params"), ("ptr", "scratch"), ("i64", "begin"), ("i64", "end")]

# Parameters of the blocked kernel, in order; then OPERAND_PARAMS for a, b and every access.
PARAMS = tuple(
    "m n k outer a_outer b_outer mb nb kb sub m_blocks n_blocks batch1 batch2 "
    "a_offset b_offset t_offset a_room panel_room t_panel t_row".split()
)
# Byte offset and strides: three batch indices, row, column.
OPERAND_PARAMS = ("offset", "batch0", "batch1", "batch2", "row", "column")


@dataclass(frozen=True, slots=True)
class Names:
    """Names of a kernel's parameters: `fixed` ones, then `operand` ones for every operand."""

    fixed: tuple[str, ...]
    operand: tuple[str, ...] = OPERAND_PARAMS

    def index(self, operand: int, name: str) -> int:
        """Position of an operand's parameter."""
        return len(self.fixed) + operand * len(self.operand) + self.operand.index(name)


class Params:
    """Reads parameters where they are used, so that they do not crowd the registers."""

    def __init__(self, f: Function, names: Names):
        self.f, self.names = f, names

    def __getitem__(self, name: str) -> str:
        return self._load(self.names.fixed.index(name))

    def of(self, operand: int, name: str) -> str:
        """An operand's parameter."""
        return self._load(self.names.index(operand, name))

    def _load(self, index: int) -> str:
        return self.f.load("i64", self.f.at(self.f["params"], index, 8), 8)

    def pointer(self, operand: int, batch: Sequence[Value]) -> str:
        """Pointer to the operand's element of these batch indices, in row 0 and column 0."""
        f = self.f
        offset: Value = self.of(operand, "offset")
        for i, index in enumerate(batch):
            if index != 0:
                offset = f.add(offset, f.mul(index, self.of(operand, f"batch{i}")))
        return f.at(f.load("ptr", f.at(f["buffers"], operand, 8), 8), offset, 1)


NAMES = Names(PARAMS)


@dataclass(frozen=True, slots=True)
class MatmulKernel:
    """Source of one blocked product kernel; sizes come as parameters."""

    dtype: DType  # of the accumulator
    rows: int  # of the register tile
    vectors: int
    a_kind: str
    b_kind: str
    a_dtype: DType
    b_dtype: DType
    epilogue: Epilogue
    accesses: tuple[Access, ...]  # of the epilogue's operands, then results
    scratch_bytes: int

    @property
    def name(self) -> str:
        return f"matmul_{self.epilogue.key or 'plain'}"

    @property
    def key(self) -> str:
        accesses = " ".join(a.key for a in self.accesses)
        return (
            f"matmul {self.dtype.short} {self.rows}x{self.vectors} a:{self.a_dtype.short}:{self.a_kind} "
            f"b:{self.b_dtype.short}:{self.b_kind} epilogue:{self.epilogue.key} [{accesses}]"
        )

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        base = register_tile(target, self.dtype)
        _emit(module, symbol, self, replace(base, rows=self.rows, vectors=self.vectors))
        return module.text()


def _emit(module: Module, symbol: str, kernel: MatmulKernel, tile: Tile) -> None:
    panels, packs_a = kernel.a_kind == OUTER, kernel.a_kind != DIRECT
    micro = emit_micro_kernel(module, tile, tile.size * (tile.rows if panels else 1))
    pack_a = (
        "" if kernel.a_kind == DIRECT else emit_pack_a(module, tile, kernel.a_dtype, kernel.a_kind)
    )
    pack_b = emit_pack_b(
        module, tile, kernel.b_dtype, INNER if kernel.b_kind == DIRECT else kernel.b_kind
    )
    results = [a for a in kernel.accesses if a.result]
    plain = not kernel.epilogue.key and results[0].unit and results[0].dtype is tile.dtype
    epilogue = emit_epilogue(
        module, tile, kernel.epilogue, kernel.accesses,
        [NAMES.index(2 + i, "row") for i in range(len(kernel.accesses))],
    )  # fmt: skip
    row_bytes = tile.columns * tile.size

    with module.function(symbol, ABI, internal=False) as f:
        p = Params(f, NAMES)

        a_row, a_column, b_row, b_column = (
            p.of(0, "row"), p.of(0, "column"), p.of(1, "row"), p.of(1, "column"),
        )  # fmt: skip
        a_scratch = f.at(f["scratch"], p["a_offset"], 1)
        b_scratch = f.at(f["scratch"], p["b_offset"], 1)
        tiles = f.at(f["scratch"], p["t_offset"], 1)
        bases = f.array("ptr", max(len(kernel.accesses), 1), 8)
        rows = f.array("ptr", tile.rows, 8)
        a_in_scratch, b_in_scratch = f.variable("i64", -1), f.variable("i64", -1)  # block numbers

        with f.loop(f["begin"], f["end"]) as item:
            # Neighbouring items share the operand that is dearer to pack.
            fast, slow = ("n_blocks", "m_blocks") if packs_a else ("m_blocks", "n_blocks")
            shared = f.div(item, p[fast])
            batch = f.div(shared, p[slow])
            numbers = {fast: f.rem(item, p[fast]), slow: f.rem(shared, p[slow])}
            m0, n0 = f.mul(numbers["m_blocks"], p["mb"]), f.mul(numbers["n_blocks"], p["nb"])
            a_number = f.add(f.mul(batch, p["m_blocks"]), numbers["m_blocks"])
            b_number = f.add(f.mul(batch, p["n_blocks"]), numbers["n_blocks"])
            m_count = f.min(p["mb"], f.sub(p["m"], m0))
            n_count = f.min(p["nb"], f.sub(p["n"], n0))
            outer = f.div(batch, p["batch2"])
            index = [
                f.div(outer, p["batch1"]),
                f.rem(outer, p["batch1"]),
                f.rem(batch, p["batch2"]),
            ]
            a_item = f.at(p.pointer(0, index), f.mul(m0, a_row), 1)
            b_item = f.at(p.pointer(1, index), f.mul(n0, b_column), 1)
            for x in range(len(kernel.accesses)):
                f.store("ptr", p.pointer(2 + x, index), f.at(bases, x, 8), 8)

            with f.loop(0, p["outer"]) as o, f.loop(0, f.max(p["k"], 1), p["kb"]) as k0:
                k_count = f.min(p["kb"], f.sub(p["k"], k0))
                last = f.both(
                    f.compare("sge", f.add(k0, k_count), p["k"]),
                    f.compare("eq", f.add(o, 1), p["outer"]),
                )
                b_block = f.at(f.at(b_item, f.mul(o, p["b_outer"]), 1), f.mul(k0, b_row), 1)
                a_block = f.at(f.at(a_item, f.mul(o, p["a_outer"]), 1), f.mul(k0, a_column), 1)
                # What was packed before is still good if all of k is one block.
                several = f.either(
                    f.compare("slt", p["kb"], p["k"]), f.compare("ne", p["outer"], 1)
                )
                a_first, a_step = (a_scratch, p["a_room"]) if packs_a else (a_block, a_row)
                if packs_a:
                    stale = f.either(f.compare("ne", f.get(a_in_scratch), a_number), several)
                    with f.when(stale):
                        f.set(a_in_scratch, a_number)
                        f.call(
                            pack_a, ("ptr", a_block), ("i64", a_row), ("i64", a_column),
                            ("i64", m_count), ("i64", k_count), ("ptr", a_first), ("i64", a_step),
                        )  # fmt: skip
                stale = f.either(f.compare("ne", f.get(b_in_scratch), b_number), several)
                with f.when(stale):
                    f.set(b_in_scratch, b_number)
                    start: Value = 0
                    if kernel.b_kind == DIRECT:  # only the edge needs room to read beyond
                        start = f.mul(f.div(n_count, tile.columns), tile.columns)
                    f.call(
                        pack_b, ("ptr", f.at(b_block, f.mul(start, b_column), 1)), ("i64", b_row),
                        ("i64", b_column), ("i64", k_count), ("i64", f.sub(n_count, start)),
                        ("ptr", b_scratch), ("i64", p["panel_room"]),
                    )  # fmt: skip
                with f.loop(0, m_count, p["sub"]) as sub:
                    sub_end = f.min(f.add(sub, p["sub"]), m_count)
                    with f.loop(0, n_count, tile.columns) as j:
                        columns = f.min(f.sub(n_count, j), tile.columns)
                        panel_number = f.div(j, tile.columns)
                        if kernel.b_kind == DIRECT:
                            whole = f.compare("eq", columns, tile.columns)
                            panel = f.select(
                                whole, "ptr", f.at(b_block, f.mul(j, b_column), 1), b_scratch
                            )
                            b_step: Value = f.select(whole, "i64", b_row, row_bytes)
                        else:
                            panel = f.at(b_scratch, f.mul(panel_number, p["panel_room"]), 1)
                            b_step = row_bytes
                        tiles_panel = f.at(tiles, f.mul(panel_number, p["t_panel"]), 1)
                        with f.loop(sub, sub_end, tile.rows) as i:
                            count = f.min(f.sub(m_count, i), tile.rows)
                            number = f.div(i, tile.rows)
                            for r in range(tile.rows):
                                if panels:
                                    pointer = f.at(a_first, f.mul(number, a_step), 1)
                                    pointer = f.at(pointer, r, tile.size)
                                else:
                                    at = f.add(i, r)
                                    at = f.min(at, f.sub(m_count, 1)) if r else at
                                    pointer = f.at(a_first, f.mul(at, a_step), 1)
                                f.store("ptr", pointer, f.at(rows, r, 8), 8)
                            own = f.at(tiles_panel, f.mul(number, p["t_row"]), 1)
                            own_step: Value = row_bytes
                            finish = last
                            if plain:
                                base = f.load("ptr", f.at(bases, 0, 8), 8)
                                c_row = p.of(2, "row")
                                c = f.at(base, f.mul(f.add(m0, i), c_row), 1)
                                c = f.at(c, f.add(n0, j), tile.size)
                                full = f.both(
                                    f.compare("eq", columns, tile.columns),
                                    f.compare("eq", count, tile.rows),
                                )
                                own = f.select(full, "ptr", c, own)
                                own_step = f.select(full, "i64", c_row, row_bytes)
                                finish = f.both(last, f.negate(full))
                            f.call(
                                micro, ("ptr", rows), ("i64", k_count), ("ptr", panel), ("i64", b_step),
                                ("ptr", own), ("i64", own_step), ("i64", f.op("or i64", o, k0)),
                            )  # fmt: skip
                            with f.when(finish):
                                f.call(
                                    epilogue, ("ptr", own), ("i64", row_bytes), ("i64", count), ("i64", 0),
                                    ("i64", columns), ("i64", f.add(m0, i)), ("i64", f.add(n0, j)),
                                    ("ptr", bases), ("ptr", f["params"]),
                                )  # fmt: skip
