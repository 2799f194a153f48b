"""Scaled dot product attention without the score matrix (flash attention).

    p = softmax(scale * q @ k^T), row by row        result = p @ v

One work item computes a range of query rows of one head.  It packs k (turned) and v once, then for
every `qb` queries walks over blocks of `kb` keys:

    scores = q @ k^T                                   micro-kernel, tile by tile
    top' = max(top, scale * max(scores))               per row, in vectors
    p = exp(scale * scores - top'), total = total * exp(top - top') + sum(p)
    sums = sums * exp(top - top') + p @ v              micro-kernel, accumulating

and at the end stores sums / total and logsumexp = top + log(total) (Milakov and Gimelshein 2018;
Dao et al. 2022).  `causal` hides keys after the query: tiles that no query of theirs sees are skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...ir.types import DType
from ..llvm.math import clamp_below
from ..llvm.math_exp import exp_normal
from ..llvm.target import Target
from ..llvm.vector import Lanes, Vec
from .emit import Function, Module, Value
from .matmul import ABI, Names, Params
from .micro import Tile, emit_micro_kernel, register_tile
from .pack import INNER, OUTER, emit_pack_b
from .skinny import across

LOWEST = -87.0  # exp of it is the smallest normal f32; smaller probabilities count as that

PARAMS = tuple(
    "queries keys width value_width ranges range batch1 batch2 qb kb panel_k panel_v s_pitch o_pitch "
    "k_offset v_offset s_offset o_offset row_offset".split()
)
# q, k, v, result: strides of three batch indices and of rows, in bytes; columns are contiguous.
NAMES = Names(PARAMS, ("offset", "batch0", "batch1", "batch2", "row"))


@dataclass(frozen=True, slots=True)
class AttentionKernel:
    """Source of the forward kernel; operands q, k, v, result, logsumexp."""

    dtype: DType
    causal: bool
    scale: float
    scratch_bytes: int

    @property
    def name(self) -> str:
        return "attention_causal" if self.causal else "attention"

    @property
    def key(self) -> str:
        return f"attention {self.dtype.short} causal={self.causal} scale={self.scale!r}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        emit_tile_row(module, tile, "tile_row", emit_micro_kernel(module, tile, tile.size))
        emit_pack_b(module, tile, self.dtype, OUTER)
        emit_pack_b(module, tile, self.dtype, INNER)
        _emit_softmax(module, tile, self)
        _emit_store(module, tile)
        with module.function(symbol, ABI, internal=False) as f:
            _emit_items(f, tile, self)
        return module.text()


TILE_ROW = [
    ("ptr", "a"), ("i64", "a_step"), ("i64", "rows"), ("i64", "k"), ("ptr", "b"), ("i64", "panel_step"),
    ("i64", "columns"), ("ptr", "t"), ("i64", "t_step"), ("i64", "accumulate"),
]  # fmt: skip


def emit_tile_row(module: Module, tile: Tile, name: str, micro: str) -> None:
    """Define `name`: t[tile.rows, columns] (+)= a[rows, k] @ b, from packed panels, whole tiles.

    Rows of a are a_step apart; how far apart the elements of a row are is up to the micro-kernel.
    """
    with module.function(name, TILE_ROW, "noinline") as f:
        rows = f.array("ptr", tile.rows, 8)
        last = f.sub(f["rows"], 1)
        for r in range(tile.rows):
            pointer = f.at(f["a"], f.mul(f.min(r, last) if r else 0, f["a_step"]), 1)
            f.store("ptr", pointer, f.at(rows, r, 8), 8)
        with f.loop(0, f["columns"], tile.columns) as j:
            panel = f.mul(f.div(j, tile.columns), f["panel_step"])
            f.call(
                micro, ("ptr", rows), ("i64", f["k"]), ("ptr", f.at(f["b"], panel, 1)),
                ("i64", tile.columns * tile.size), ("ptr", f.at(f["t"], j, tile.size)),
                ("i64", f["t_step"]), ("i64", f["accumulate"]),
            )  # fmt: skip


SOFTMAX = [
    ("ptr", "s"), ("i64", "valid"), ("i64", "limit"), ("ptr", "state"), ("ptr", "o"), ("i64", "o_count"),
    ("i64", "first"),
]  # fmt: skip


def exponential(s: Lanes, x: Any) -> Any:
    """exp of x <= 0 in the normal range."""
    return exp_normal(s, clamp_below(s, x, LOWEST))


def _emit_softmax(module: Module, tile: Tile, kernel: AttentionKernel) -> None:
    """Define `softmax`: scores of one row to probabilities, in place.

    Columns [0, valid) are scores; those up to `limit` become 0.  state: top and total of the row so
    far, updated; o: the row's sums, rescaled if the top has changed.  first: no block came before.
    """
    lanes, size, kind = tile.lanes, tile.size, tile.vector
    lowest = "0xFFF0000000000000"
    with module.function("softmax", SOFTMAX, "noinline") as f:
        whole = f.mul(f.div(f["valid"], lanes), lanes)
        rest = f.lane_mask(lanes, 0, f.sub(f["valid"], whole))
        infinity = f"splat ({tile.element} {lowest})"

        def larger(a: str, b: str) -> str:
            return f.select_vector(f.op(f"fcmp ogt {kind}", a, b), kind, a, b, lanes)

        with f.repeat(0, whole, lanes, [(kind, infinity)]) as loop:
            found = f.load(kind, f.at(f["s"], loop.index, size), size)
            loop.next([larger(found, loop.values[0])])
        top = f.variable(kind, loop.values[0])
        with f.when(f.compare("slt", whole, f["valid"])):
            found = f.load(kind, f.at(f["s"], whole, size), size)
            found = f.select_vector(rest, kind, found, infinity, lanes)
            f.set(top, larger(found, f.get(top)))
        highest = maximum_across(f, tile, f.get(top))
        highest = f.op(f"fmul {tile.element}", highest, _literal(kernel.scale))
        before = f.load(tile.element, f["state"], size)
        grown = f.op(f"fcmp ogt {tile.element}", highest, before)
        new_top = f.select(grown, tile.element, highest, before)
        f.store(tile.element, new_top, f["state"], size)
        shift = f.splat(tile.element, f.op(f"fneg {tile.element}", new_top), lanes)
        scale = f"splat ({tile.element} {_literal(kernel.scale)})"

        def probability(at: Value) -> str:
            score = f.load(kind, f.at(f["s"], at, size), size)
            x = f.fma(tile.element, lanes, score, scale, shift, tile.fused)
            with f.scalars(Lanes) as s:
                p = exponential(s, Vec(x, tile.dtype, lanes))
            return str(p.text)

        with f.repeat(0, whole, lanes, [(kind, "zeroinitializer")]) as loop:
            p = probability(loop.index)
            f.store(kind, p, f.at(f["s"], loop.index, size), size)
            loop.next([f.op(f"fadd {kind}", loop.values[0], p)])
        total = f.variable(kind, loop.values[0])
        with f.when(f.compare("slt", whole, f["valid"])):
            p = f.select_vector(rest, kind, probability(whole), "zeroinitializer", lanes)
            f.store(kind, p, f.at(f["s"], whole, size), size)
            f.set(total, f.op(f"fadd {kind}", f.get(total), p))
        beyond = f.mul(f.ceil_div(f["valid"], lanes), lanes)
        with f.loop(beyond, f["limit"], lanes) as at:
            f.store(kind, "zeroinitializer", f.at(f["s"], at, size), size)
        block = across(f, tile, f.get(total))
        sum_at = f.at(f["state"], 1, size)
        with f.otherwise(f.compare("ne", f["first"], 0)) as else_:
            f.store(tile.element, block, sum_at, size)
            else_()
            ratio = f.splat(tile.element, f.op(f"fsub {tile.element}", before, new_top), lanes)
            with f.scalars(Lanes) as s:
                factor = exponential(s, Vec(ratio, tile.dtype, lanes)).text
            one = f.op(f"extractelement {kind}", factor, "i32 0")
            old = f.op(f"fmul {tile.element}", f.load(tile.element, sum_at, size), one)
            f.store(tile.element, f.op(f"fadd {tile.element}", old, block), sum_at, size)
            with f.when(grown), f.loop(0, f["o_count"], lanes) as at:
                place = f.at(f["o"], at, size)
                f.store(kind, f.op(f"fmul {kind}", f.load(kind, place, size), factor), place, size)


def maximum_across(f: Function, tile: Tile, value: str) -> str:
    """The largest lane."""
    width = tile.lanes
    while width > 1:
        width //= 2
        halves = [*range(width, 2 * width)] * (tile.lanes // width)
        other = f.shuffle(tile.element, tile.lanes, value, "poison", halves)
        condition = f.op(f"fcmp ogt {tile.vector}", value, other)
        value = f.select_vector(condition, tile.vector, value, other, tile.lanes)
    return f.op(f"extractelement {tile.vector}", value, "i32 0")


def _literal(value: float) -> str:
    from ...ir.types import float32
    from ..llvm.vector import literal

    return literal(value, float32)


STORE = [
    ("ptr", "o"), ("ptr", "state"), ("i64", "count"), ("ptr", "result"), ("ptr", "logsumexp"),
]  # fmt: skip


def _emit_store(module: Module, tile: Tile) -> None:
    """Define `store_row`: sums / total to the result, and the row's logsumexp."""
    lanes, size = tile.lanes, tile.size
    with module.function("store_row", STORE, "noinline") as f:
        total = f.load(tile.element, f.at(f["state"], 1, size), size)
        with f.scalars(Lanes) as s:
            log = s.call("log", Vec(total, tile.dtype)).text
        top = f.load(tile.element, f["state"], size)
        f.store(tile.element, f.op(f"fadd {tile.element}", top, log), f["logsumexp"], size)
        one = "1.0"
        inverse = f.splat(tile.element, f.op(f"fdiv {tile.element}", one, total), lanes)
        copy_scaled(f, tile, f["o"], f["result"], f["count"], inverse)


def copy_scaled(f: Function, tile: Tile, source: str, to: str, count: Value, factor: str) -> None:
    """to[i] = source[i] * factor for i < count; the source has room for whole vectors."""
    lanes, size, kind = tile.lanes, tile.size, tile.vector

    def scaled(at: Value) -> str:
        return f.op(f"fmul {kind}", f.load(kind, f.at(source, at, size), size), factor)

    whole = f.mul(f.div(count, lanes), lanes)
    with f.loop(0, whole, lanes) as at:
        f.store(kind, scaled(at), f.at(to, at, size), size)
    with f.when(f.compare("slt", whole, count)):
        mask = f.lane_mask(lanes, 0, f.sub(count, whole))
        f.masked_store(kind, lanes, tile.suffix, scaled(whole), f.at(to, whole, size), mask)


def batch_index(f: Function, p: Params, head: Value) -> list[Value]:
    """The three batch indices of a head."""
    outer = f.div(head, p["batch2"])
    return [f.div(outer, p["batch1"]), f.rem(outer, p["batch1"]), f.rem(head, p["batch2"])]


def _emit_items(f: Function, tile: Tile, kernel: AttentionKernel) -> None:
    p = Params(f, NAMES)
    size, element = tile.size, tile.element
    k_panels = f.at(f["scratch"], p["k_offset"], 1)
    v_panels = f.at(f["scratch"], p["v_offset"], 1)
    scores = f.at(f["scratch"], p["s_offset"], 1)
    sums = f.at(f["scratch"], p["o_offset"], 1)
    states = f.at(f["scratch"], p["row_offset"], 1)
    row_bytes = tile.columns * size
    with f.loop(f["begin"], f["end"]) as item:
        head = f.div(item, p["ranges"])
        q_first = f.mul(f.rem(item, p["ranges"]), p["range"])
        q_stop = f.min(f.add(q_first, p["range"]), p["queries"])
        index = batch_index(f, p, head)
        q, k, v, result = (p.pointer(i, index) for i in range(4))
        q_row, k_row, v_row, result_row = (p.of(i, "row") for i in range(4))
        logsumexp = f.at(
            f.load("ptr", f.at(f["buffers"], 4, 8), 8), f.mul(head, p["queries"]), size
        )
        seen: Value = f.min(p["keys"], q_stop) if kernel.causal else p["keys"]
        f.call(
            f"pack_b_{OUTER}", ("ptr", k), ("i64", size), ("i64", k_row), ("i64", p["width"]), ("i64", seen),
            ("ptr", k_panels), ("i64", p["panel_k"]),
        )  # fmt: skip
        f.call(
            f"pack_b_{INNER}", ("ptr", v), ("i64", v_row), ("i64", size), ("i64", seen),
            ("i64", p["value_width"]), ("ptr", v_panels), ("i64", p["panel_v"]),
        )  # fmt: skip
        with f.loop(q_first, q_stop, p["qb"]) as q0:
            q_count = f.min(p["qb"], f.sub(q_stop, q0))
            with f.loop(0, q_count) as r:
                f.store(element, "0xFFF0000000000000", f.at(states, f.mul(r, 2), size), size)
            k_stop: Value = f.min(p["keys"], f.add(q0, q_count)) if kernel.causal else p["keys"]
            with f.loop(0, k_stop, p["kb"]) as k0:
                k_count = f.min(p["kb"], f.sub(k_stop, k0))
                panels = f.at(k_panels, f.mul(f.div(k0, tile.columns), p["panel_k"]), 1)
                values = f.at(v_panels, k0, row_bytes)
                first = f.op("zext i1", f.compare("eq", k0, 0), tail=" to i64")
                with f.loop(0, q_count, tile.rows) as i:
                    rows = f.min(f.sub(q_count, i), tile.rows)
                    columns: Value = k_count
                    if kernel.causal:  # up to the key that the tile's last query sees
                        last = f.add(f.add(q0, i), rows)
                        columns = f.min(f.max(f.sub(last, k0), 0), k_count)
                    s_rows = f.at(scores, f.mul(i, p["s_pitch"]), 1)
                    o_rows = f.at(sums, f.mul(i, p["o_pitch"]), 1)
                    f.call(
                        "tile_row", ("ptr", f.at(q, f.mul(f.add(q0, i), q_row), 1)), ("i64", q_row),
                        ("i64", rows), ("i64", p["width"]), ("ptr", panels), ("i64", p["panel_k"]),
                        ("i64", columns), ("ptr", s_rows), ("i64", p["s_pitch"]), ("i64", 0),
                    )  # fmt: skip
                    with f.loop(0, rows) as r:
                        row = f.add(i, r)
                        valid: Value = columns
                        if kernel.causal:
                            sees = f.sub(f.add(f.add(q0, row), 1), k0)
                            valid = f.min(f.max(sees, 0), columns)
                        f.call(
                            "softmax", ("ptr", f.at(scores, f.mul(row, p["s_pitch"]), 1)), ("i64", valid),
                            ("i64", columns), ("ptr", f.at(states, f.mul(row, 2), size)),
                            ("ptr", f.at(sums, f.mul(row, p["o_pitch"]), 1)), ("i64", p["value_width"]),
                            ("i64", first),
                        )  # fmt: skip
                    f.call(
                        "tile_row", ("ptr", s_rows), ("i64", p["s_pitch"]), ("i64", rows),
                        ("i64", columns), ("ptr", values), ("i64", p["panel_v"]),
                        ("i64", p["value_width"]), ("ptr", o_rows), ("i64", p["o_pitch"]), ("i64", k0),
                    )  # fmt: skip
            with f.loop(0, q_count) as r:
                row = f.add(q0, r)
                f.call(
                    "store_row", ("ptr", f.at(sums, f.mul(r, p["o_pitch"]), 1)),
                    ("ptr", f.at(states, f.mul(r, 2), size)), ("i64", p["value_width"]),
                    ("ptr", f.at(result, f.mul(row, result_row), 1)), ("ptr", f.at(logsumexp, row, size)),
                )  # fmt: skip
