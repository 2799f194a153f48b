"""Gradients of attention, again without a score matrix in memory.

With p = exp(scale * q @ k^T - logsumexp) and delta = sum(g * result) for every query row,

    dv = p^T @ g        ds = p * (g @ v^T - delta) * scale        dq = ds @ k        dk = ds^T @ q

(Dao et al. 2022, algorithm 4).  One work item does one head: for every block of `kb` keys and every
`qb` queries that see it, it makes p and ds in scratch, [query][key], and adds the four products; dk
and dv of the block and dq of the head wait in scratch.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.types import DType
from ..llvm.target import Target
from ..llvm.vector import Lanes, Vec
from .attention import _literal, batch_index, copy_scaled, emit_tile_row, exponential
from .emit import Function, Module, Value
from .matmul import ABI, Names, Params
from .micro import Tile, emit_micro_kernel, register_tile
from .pack import INNER, OUTER, emit_pack_b
from .skinny import across

KEYS = 128  # of a block; in the code, because it makes the pitch of p and ds

PARAMS = tuple(
    "queries keys width value_width batch1 batch2 qb panel_turned_k panel_turned_v panel_k panel_q "
    "panel_g k_pitch v_pitch turned_k_offset turned_v_offset k_offset q_offset g_offset p_offset "
    "ds_offset dq_offset dk_offset dv_offset delta_offset".split()
)
# g, q, k, v, result, logsumexp (dense), dq, dk, dv: as in attention
NAMES = Names(PARAMS, ("offset", "batch0", "batch1", "batch2", "row"))
G, Q, K, V, RESULT, LOGSUMEXP, DQ, DK, DV = range(9)


def pitch(tile: Tile) -> int:
    """Bytes from one query's row of p to the next: a block of keys, and room for whole tiles."""
    return (KEYS + tile.columns) * tile.size


@dataclass(frozen=True, slots=True)
class AttentionBackwardKernel:
    """Source of the backward kernel."""

    dtype: DType
    causal: bool
    scale: float
    scratch_bytes: int

    @property
    def name(self) -> str:
        return "attention_backward_causal" if self.causal else "attention_backward"

    @property
    def key(self) -> str:
        return f"attention_backward {self.dtype.short} causal={self.causal} scale={self.scale!r}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        emit_tile_row(module, tile, "tile_row", emit_micro_kernel(module, tile, tile.size))
        emit_tile_row(module, tile, "turned_row", emit_micro_kernel(module, tile, pitch(tile)))
        emit_pack_b(module, tile, self.dtype, OUTER)
        emit_pack_b(module, tile, self.dtype, INNER)
        _emit_delta(module, tile)
        _emit_gradients(module, tile, self)
        _emit_clear(module, tile)
        _emit_copy(module, tile)
        with module.function(symbol, ABI, internal=False) as f:
            _Item(f, tile, self).emit()
        return module.text()


def _emit_delta(module: Module, tile: Tile) -> None:
    """Define `delta`: to = the scalar product of two rows of `count` elements."""
    parameters = [("ptr", "a"), ("ptr", "b"), ("i64", "count"), ("ptr", "to")]
    lanes, size, kind = tile.lanes, tile.size, tile.vector
    with module.function("delta", parameters, "noinline") as f:
        whole = f.mul(f.div(f["count"], lanes), lanes)
        with f.repeat(0, whole, lanes, [(kind, "zeroinitializer")]) as loop:
            a, b = (f.load(kind, f.at(f[x], loop.index, size), size) for x in "ab")
            loop.next([f.fma(tile.element, lanes, a, b, loop.values[0], tile.fused)])
        total = f.variable(kind, loop.values[0])
        with f.when(f.compare("slt", whole, f["count"])):
            mask = f.lane_mask(lanes, 0, f.sub(f["count"], whole))
            a, b = (
                f.masked_load(kind, lanes, tile.suffix, f.at(f[x], whole, size), mask) for x in "ab"
            )
            f.set(total, f.fma(tile.element, lanes, a, b, f.get(total), tile.fused))
        f.store(tile.element, across(f, tile, f.get(total)), f["to"], size)


def _emit_gradients(module: Module, tile: Tile, kernel: AttentionBackwardKernel) -> None:
    """Define `gradients`: one query's scores and g @ v^T, in place, to p and ds.

    Columns [0, valid) count; those up to `limit` become 0.
    """
    parameters = [
        ("ptr", "p"), ("ptr", "ds"), ("i64", "valid"), ("i64", "limit"), ("ptr", "logsumexp"), ("ptr", "delta"),
    ]  # fmt: skip
    lanes, size, kind, element = tile.lanes, tile.size, tile.vector, tile.element
    with module.function("gradients", parameters, "noinline") as f:
        logsumexp = f.load(element, f["logsumexp"], size)
        shift = f.splat(element, f.op(f"fneg {element}", logsumexp), lanes)
        delta = f.splat(element, f.load(element, f["delta"], size), lanes)
        scale = f"splat ({element} {_literal(kernel.scale)})"
        whole = f.mul(f.div(f["valid"], lanes), lanes)

        def step(at: Value, mask: str | None) -> None:
            p_at, ds_at = f.at(f["p"], at, size), f.at(f["ds"], at, size)
            x = f.fma(element, lanes, f.load(kind, p_at, size), scale, shift, tile.fused)
            with f.scalars(Lanes) as s:
                p = str(exponential(s, Vec(x, tile.dtype, lanes)).text)
            ds = f.op(f"fsub {kind}", f.load(kind, ds_at, size), delta)
            ds = f.op(f"fmul {kind}", f.op(f"fmul {kind}", ds, p), scale)
            if mask is not None:
                p, ds = (f.select_vector(mask, kind, y, "zeroinitializer", lanes) for y in (p, ds))
            f.store(kind, p, p_at, size)
            f.store(kind, ds, ds_at, size)

        with f.loop(0, whole, lanes) as at:
            step(at, None)
        with f.when(f.compare("slt", whole, f["valid"])):
            step(whole, f.lane_mask(lanes, 0, f.sub(f["valid"], whole)))
        beyond = f.mul(f.ceil_div(f["valid"], lanes), lanes)
        with f.loop(beyond, f["limit"], lanes) as at:
            for name in ("p", "ds"):
                f.store(kind, "zeroinitializer", f.at(f[name], at, size), size)


def _emit_clear(module: Module, tile: Tile) -> None:
    """Define `clear`: zeros over `bytes`, a multiple of a vector."""
    with module.function("clear", [("ptr", "to"), ("i64", "bytes")], "noinline") as f:
        with f.loop(0, f["bytes"], tile.lanes * tile.size) as at:
            f.store(tile.vector, "zeroinitializer", f.at(f["to"], at, 1), tile.size)


def _emit_copy(module: Module, tile: Tile) -> None:
    """Define `copy`: `rows` rows of `count` elements."""
    parameters = [
        ("ptr", "source"), ("i64", "step"), ("i64", "rows"), ("i64", "count"), ("ptr", "to"), ("i64", "to_step"),
    ]  # fmt: skip
    with module.function("copy", parameters, "noinline") as f, f.loop(0, f["rows"]) as r:
        source = f.at(f["source"], f.mul(r, f["step"]), 1)
        to = f.at(f["to"], f.mul(r, f["to_step"]), 1)
        copy_scaled(f, tile, source, to, f["count"], f"splat ({tile.element} 1.0)")


class _Item:
    """The kernel itself."""

    def __init__(self, f: Function, tile: Tile, kernel: AttentionBackwardKernel):
        self.f, self.tile, self.kernel = f, tile, kernel
        self.p = Params(f, NAMES)
        self.line = tile.columns * tile.size  # bytes of one k of a panel
        self.pitch = pitch(tile)

    def area(self, name: str) -> str:
        return self.f.at(self.f["scratch"], self.p[f"{name}_offset"], 1)

    def row(self, operand: int, pointer: str, number: Value) -> str:
        """Pointer to a row of an operand."""
        return self.f.at(pointer, self.f.mul(number, self.p.of(operand, "row")), 1)

    def pack(
        self, kind: str, source: str, operand: int, rows: Value, width: str, to: str, panel: str
    ) -> None:
        """Panels of rows of an operand: [row][16 columns] (INNER), or turned, [column][16 rows]."""
        f, p, size = self.f, self.p, self.tile.size
        row = p.of(operand, "row")
        steps = (row, size) if kind == INNER else (size, row)
        sizes = (rows, p[width]) if kind == INNER else (p[width], rows)
        f.call(
            f"pack_b_{kind}", ("ptr", source), ("i64", steps[0]), ("i64", steps[1]), ("i64", sizes[0]),
            ("i64", sizes[1]), ("ptr", to), ("i64", p[panel]),
        )  # fmt: skip

    def emit(self) -> None:
        f, p, tile = self.f, self.p, self.tile
        with f.loop(f["begin"], f["end"]) as head:
            index = batch_index(f, p, head)
            at = {x: p.pointer(x, index) for x in (G, Q, K, V, RESULT, DQ, DK, DV)}
            logsumexp = f.at(
                f.load("ptr", f.at(f["buffers"], LOGSUMEXP, 8), 8),
                f.mul(head, p["queries"]),
                tile.size,
            )
            with f.loop(0, p["queries"]) as i:
                f.call(
                    "delta", ("ptr", self.row(G, at[G], i)), ("ptr", self.row(RESULT, at[RESULT], i)),
                    ("i64", p["value_width"]), ("ptr", f.at(self.area("delta"), i, tile.size)),
                )  # fmt: skip
            rows = f.add(p["queries"], tile.rows)  # whole tiles are added to
            f.call("clear", ("ptr", self.area("dq")), ("i64", f.mul(rows, p["k_pitch"])))
            with f.loop(0, p["keys"], KEYS) as k0:
                self.key_block(at, k0, logsumexp)
            f.call(
                "copy", ("ptr", self.area("dq")), ("i64", p["k_pitch"]), ("i64", p["queries"]),
                ("i64", p["width"]), ("ptr", at[DQ]), ("i64", p.of(DQ, "row")),
            )  # fmt: skip

    def key_block(self, at: dict[int, str], k0: Value, logsumexp: str) -> None:
        f, p = self.f, self.p
        count = f.min(f.sub(p["keys"], k0), KEYS)
        k, v = self.row(K, at[K], k0), self.row(V, at[V], k0)
        self.pack(OUTER, k, K, count, "width", self.area("turned_k"), "panel_turned_k")
        self.pack(OUTER, v, V, count, "value_width", self.area("turned_v"), "panel_turned_v")
        self.pack(INNER, k, K, count, "width", self.area("k"), "panel_k")
        rows = KEYS + self.tile.rows
        f.call("clear", ("ptr", self.area("dk")), ("i64", f.mul(p["k_pitch"], rows)))
        f.call("clear", ("ptr", self.area("dv")), ("i64", f.mul(p["v_pitch"], rows)))
        start: Value = 0
        if self.kernel.causal:  # the first queries that see the block
            start = f.mul(f.div(k0, p["qb"]), p["qb"])
        with f.loop(start, p["queries"], p["qb"]) as q0:
            self.pair(at, k0, count, q0, logsumexp)
        for name, operand, pitch_name, width in (
            ("dk", DK, "k_pitch", "width"), ("dv", DV, "v_pitch", "value_width"),
        ):  # fmt: skip
            f.call(
                "copy", ("ptr", self.area(name)), ("i64", p[pitch_name]), ("i64", count), ("i64", p[width]),
                ("ptr", self.row(operand, at[operand], k0)), ("i64", p.of(operand, "row")),
            )  # fmt: skip

    def pair(self, at: dict[int, str], k0: Value, count: Value, q0: str, logsumexp: str) -> None:
        """One block of keys and one of queries."""
        f, p, tile = self.f, self.p, self.tile
        size = tile.size
        q_count = f.min(p["qb"], f.sub(p["queries"], q0))
        q, g = self.row(Q, at[Q], q0), self.row(G, at[G], q0)
        self.pack(INNER, q, Q, q_count, "width", self.area("q"), "panel_q")
        self.pack(INNER, g, G, q_count, "value_width", self.area("g"), "panel_g")
        with f.loop(0, q_count, tile.rows) as i:
            rows = f.min(f.sub(q_count, i), tile.rows)
            columns = count
            if self.kernel.causal:
                last = f.add(f.add(q0, i), rows)
                columns = f.min(f.max(f.sub(last, k0), 0), count)
            p_rows = f.at(self.area("p"), i, self.pitch)
            ds_rows = f.at(self.area("ds"), i, self.pitch)
            self.product("tile_row", self.row(Q, q, i), p.of(Q, "row"), rows, p["width"],
                         self.area("turned_k"), "panel_turned_k", columns, p_rows, self.pitch, 0)  # fmt: skip
            self.product("tile_row", self.row(G, g, i), p.of(G, "row"), rows, p["value_width"],
                         self.area("turned_v"), "panel_turned_v", columns, ds_rows, self.pitch, 0)  # fmt: skip
            limit = f.add(columns, tile.rows)  # the next keys share tiles with these
            with f.loop(0, rows) as r:
                row = f.add(i, r)
                valid: Value = columns
                if self.kernel.causal:
                    sees = f.sub(f.add(f.add(q0, row), 1), k0)
                    valid = f.min(f.max(sees, 0), columns)
                number = f.add(q0, row)
                f.call(
                    "gradients", ("ptr", f.at(p_rows, r, self.pitch)), ("ptr", f.at(ds_rows, r, self.pitch)),
                    ("i64", valid), ("i64", limit), ("ptr", f.at(logsumexp, number, size)),
                    ("ptr", f.at(self.area("delta"), number, size)),
                )  # fmt: skip
            dq = f.at(self.area("dq"), f.mul(f.add(q0, i), p["k_pitch"]), 1)
            self.product("tile_row", ds_rows, self.pitch, rows, columns, self.area("k"), "panel_k",
                         p["width"], dq, p["k_pitch"], 1)  # fmt: skip
        with f.loop(0, count, tile.rows) as i:
            rows = f.min(f.sub(count, i), tile.rows)
            start: Value = 0
            if self.kernel.causal:  # the first query of the block that sees the tile's first key
                start = f.min(f.max(f.sub(f.add(k0, i), q0), 0), q_count)
            length = f.sub(q_count, start)
            for weights, panels, panel, width, name, pitch_name in (
                ("p", "g", "panel_g", "value_width", "dv", "v_pitch"),
                ("ds", "q", "panel_q", "width", "dk", "k_pitch"),
            ):
                a = f.at(f.at(self.area(weights), start, self.pitch), i, size)
                b = f.at(self.area(panels), start, self.line)
                t = f.at(self.area(name), f.mul(i, p[pitch_name]), 1)
                self.product(
                    "turned_row", a, size, rows, length, b, panel, p[width], t, p[pitch_name], 1
                )

    def product(
        self, function: str, a: str, a_step: Value, rows: Value, k: Value, b: str, panel: str,
        columns: Value, t: str, t_step: Value, accumulate: int,
    ) -> None:  # fmt: skip
        self.f.call(
            function, ("ptr", a), ("i64", a_step), ("i64", rows), ("i64", k), ("ptr", b),
            ("i64", self.p[panel]), ("i64", columns), ("ptr", t), ("i64", t_step),
            ("i64", accumulate),
        )  # fmt: skip
