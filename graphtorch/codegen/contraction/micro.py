"""The micro-kernel: a register tile of the product, C[rows, columns] (+)= A[rows, k] @ B[k, columns].

A is read through one pointer per row of the tile, one element broadcast at a time, elements of a row
`a_step` bytes apart: one element where A is read in place (matrix rows, packed rows, pixels of an
image; a missing row repeats a valid one), `rows` elements in packed panels [k][rows].  B is a panel of `columns` contiguous elements per k,
`b_step` bytes apart (packed panels, or the matrix itself), or at `b + offsets[k]` (windows of an
image).  All tiles are computed whole; edges are the
business of whoever stores the tile.

The shape of the tile follows the registers: rows x vectors accumulators, the vectors of one B row
and one broadcast must fit.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.types import DType, float64
from ..llvm.target import Target
from .emit import Module, vector

UNROLL = 4


@dataclass(frozen=True, slots=True)
class Tile:
    """The register tile: `rows` x (`vectors` x `lanes`) elements of `dtype`."""

    rows: int
    vectors: int
    lanes: int
    dtype: DType  # float32 or float64
    fused: bool  # the target has fused multiply-add

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes

    @property
    def element(self) -> str:
        return "double" if self.dtype is float64 else "float"

    @property
    def suffix(self) -> str:
        """LLVM's name of the vector type in intrinsics: "v8f32"."""
        return f"v{self.lanes}{self.dtype.short}"

    @property
    def vector(self) -> str:
        return vector(self.element, self.lanes)

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    @property
    def key(self) -> str:
        return f"{self.dtype.short} {self.rows}x{self.vectors}x{self.lanes}"


def register_tile(target: Target, dtype: DType) -> Tile:
    """The tile for a target: 6 x 2 vectors with 16 registers, 8 x 2 (8 x 3 if narrow) with 32."""
    lanes = target.lanes(dtype)
    if target.registers < 32:
        return Tile(6, 2, lanes, dtype, target.fma)
    return Tile(8, 3 if target.vector_bits == 128 else 2, lanes, dtype, target.fma)


def emit_micro_kernel(module: Module, tile: Tile, a_step: int, scattered: bool = False) -> str:
    """Define `micro_<a_step>(rows, k, b, b_step, t, t_step, accumulate)` and return its name.

    rows: `tile.rows` pointers; k >= 0; b_step, t_step in bytes; t[rows, columns] is overwritten, or
    added to if `accumulate` is not 0.  `scattered`: the name is `micro_scattered`, and a pointer to the
    offsets of B's rows, in bytes, takes the place of b_step.
    """
    name = "micro_scattered" if scattered else f"micro_{a_step}"
    if name in module.emitted:
        return name
    parameters = [
        ("ptr", "rows"), ("i64", "k"), ("ptr", "b"),
        ("ptr", "offsets") if scattered else ("i64", "b_step"), ("ptr", "t"), ("i64", "t_step"),
        ("i64", "accumulate"),
    ]  # fmt: skip
    with module.function(name, parameters, "noinline") as f:
        # Pointers fetched from memory are opaque to LLVM's loop strength reduction, which would
        # otherwise turn the rows into one chain of additions.
        rows = [f.load("ptr", f.at(f["rows"], i, 8), 8) for i in range(tile.rows)]
        accumulators = [(tile.vector, "zeroinitializer")] * (tile.rows * tile.vectors)
        length = f.mul(f["k"], a_step)
        whole = f.mul(f.div(f["k"], UNROLL), UNROLL * a_step)
        carried = [("ptr", f["b"]), *accumulators]
        for start, stop, unroll in ((0, whole, UNROLL), (whole, length, 1)):
            with f.repeat(start, stop, unroll * a_step, carried) as loop:
                b, *sums = loop.values
                if scattered:
                    offsets = f.at(f["offsets"], f.mul(f.div(loop.index, a_step), 8), 1)
                for u in range(unroll):
                    line = b
                    if scattered:
                        offset = f.load("i64", f.at(offsets, u, 8), 8)
                        line = f.at(b, offset, 1)
                    panel = [
                        f.load(tile.vector, f.at(line, v * tile.lanes, tile.size), tile.size)
                        for v in range(tile.vectors)
                    ]
                    for i, row in enumerate(rows):
                        address = f.at(f.at(row, loop.index, 1), u, a_step)
                        a = f.splat(
                            tile.element, f.load(tile.element, address, tile.size), tile.lanes
                        )
                        for v in range(tile.vectors):
                            at = i * tile.vectors + v
                            sums[at] = f.fma(
                                tile.element, tile.lanes, a, panel[v], sums[at], tile.fused
                            )
                    if not scattered:
                        b = f.op("getelementptr i8, ptr", b, f"i64 {f['b_step']}")
                loop.next([b, *sums])
            carried = [(type, value) for (type, _), value in zip(carried, loop.values, strict=True)]
        sums = [value for _, value in carried[1:]]

        def each_vector(action) -> None:  # type: ignore[no-untyped-def]
            row = f["t"]
            for i in range(tile.rows):
                for v in range(tile.vectors):
                    action(sums[i * tile.vectors + v], f.at(row, v * tile.lanes, tile.size))
                row = f.op("getelementptr i8, ptr", row, f"i64 {f['t_step']}")

        def store(value: str, address: str) -> None:
            f.store(tile.vector, value, address, tile.size)

        def add_and_store(value: str, address: str) -> None:
            before = f.load(tile.vector, address, tile.size)
            store(f.op(f"fadd {tile.vector}", before, value), address)

        with f.otherwise(f.compare("eq", f["accumulate"], 0)) as else_:
            each_vector(store)
            else_()
            each_vector(add_and_store)
    return name
