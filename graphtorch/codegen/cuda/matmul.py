"""The tiled matrix product with its epilogue, as CUDA C.

A block of 16 x 16 threads computes a tile of the result; a thread has `rows` x `columns` of its
elements, 16 apart, in registers.  Step by step along k the block copies a slice of a and of b into
shared memory (the next slice is on its way meanwhile) and multiplies.  Every element is summed in the
order of k with one rounding per step, so the bits do not depend on the tile.

Sizes and strides are literals of the text: a kernel serves one shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...errors import UnsupportedError
from ...ir.types import DType, float32, float64
from ..contraction.describe import Contraction, Epilogue, Layout
from ..kernel import Index, Kernel
from ..kernel_builder import KernelBuilder
from .body import Body
from .kernel import BLOCKS, use_counts
from .prelude import Printed, module_text
from .scalars import c_type, literal, load_text, stored_type

if TYPE_CHECKING:
    from ..llvm.target import Target

STEP = 16  # of k
EDGE = 16  # threads along a side of a block
FULL = 132  # blocks that keep a large GPU busy


def accumulator_dtype(*dtypes: DType) -> DType:
    """The dtype sums are kept in."""
    if all(d is float64 for d in dtypes):
        return float64
    if any(d is float64 or not d.is_floating_point for d in dtypes):
        raise UnsupportedError(
            f"no matrix product of {' and '.join(d.short for d in dtypes)}; cast the operands"
        )
    return float32


def epilogue_kernel(
    epilogue: Epilogue, results: Sequence[Layout], dtype: DType, places: Sequence[str]
) -> Kernel:
    """The epilogue of one element as statements over the axes `places`; reads "accumulator"."""
    b = KernelBuilder("epilogue")
    accumulator = b.fresh("accumulator", dtype)
    loaded = [
        b.load(b.input(f"x{i}", layout.dtype), element(layout, places))
        for i, layout in enumerate(epilogue.operands)
    ]
    values = epilogue.body(b, accumulator, *loaded)
    for i, (layout, value) in enumerate(zip(results, values, strict=True)):
        b.store(b.output(f"y{i}", layout.dtype), element(layout, places), value)
    return b.finish()


def element(layout: Layout, places: Sequence[str | Index]) -> Index:
    """Where the element with these indices lies."""
    total = Index.of(layout.offset)
    for stride, place in zip(layout.strides, places, strict=True):
        total = total + Index.of(place) * stride
    return total


@dataclass(frozen=True)
class CudaMatmul:
    """A matrix product for the CUDA executable; operands: a, b, epilogue operands, results."""

    contraction: Contraction

    @cached_property
    def dtype(self) -> DType:
        """Of the accumulator."""
        return accumulator_dtype(self.contraction.a.dtype, self.contraction.b.dtype)

    @cached_property
    def results(self) -> tuple[Layout, ...]:
        c = self.contraction
        return c.epilogue.results or (Layout.of(c.shape, self.dtype),)

    @cached_property
    def tile(self) -> tuple[int, int]:
        """Elements of a thread along m and n."""
        c = self.contraction
        most = 8 if self.dtype is float32 else 4
        blocks = math.ceil(c.m / (EDGE * most)) * math.ceil(c.n / (EDGE * most))
        while most > 2 and blocks * math.prod(c.batch) < FULL:
            most //= 2
            blocks = math.ceil(c.m / (EDGE * most)) * math.ceil(c.n / (EDGE * most))
        return tuple(  # type: ignore[return-value]
            min(most, 1 << (math.ceil(max(size, 1) / EDGE) - 1).bit_length()) for size in (c.m, c.n)
        )

    @property
    def name(self) -> str:
        c = self.contraction
        words = c.epilogue.key.rpartition("_")[0]
        return f"matmul_{c.m}x{c.n}x{c.k}" + (f"_{words}" if words else "")

    @property
    def key(self) -> str:
        c = self.contraction
        layouts = [c.a, c.b, *c.epilogue.operands, *self.results]
        sizes = (c.batch, c.m, c.n, c.k, c.epilogue.key)
        return f"cuda matmul {sizes} {[(x.strides, x.offset, x.dtype.short) for x in layouts]}"

    @property
    def scratch_bytes(self) -> int:
        return 0

    @property
    def threads(self) -> int:
        return EDGE * EDGE

    @property
    def chunks(self) -> int:
        """Tiles of the result, over all batches."""
        rows, columns = self.tile
        c = self.contraction
        tiles = math.ceil(c.m / (EDGE * rows)) * math.ceil(c.n / (EDGE * columns))
        return tiles * math.prod(c.batch)

    def grid(self, chunks: int, params: tuple[int, ...]) -> tuple[int, int]:
        """Blocks in x and y."""
        return max(min(chunks, BLOCKS), 1), 1

    def llvm(self, symbol: str, target: Target) -> str:
        raise UnsupportedError(f"{self.name} is a CUDA kernel")

    def print(self, symbol: str) -> Printed:
        """CUDA C that defines `symbol`."""
        return _Printer(self).print(symbol)

    def cuda(self, symbol: str) -> str:
        """A module of this kernel alone."""
        return module_text(self.print(symbol))


class _Printer(Body):
    def __init__(self, source: CudaMatmul):
        super().__init__(source.threads)
        self.source, self.c = source, source.contraction
        self.taken |= set(
            "a b a_tile b_tile a_next b_next sums t tx ty i j k kk k0 row column".split()
        )
        self.batch = [f"b{i}" for i in range(len(self.c.batch))]
        self.places = [*self.batch, "row_at", "column_at"]
        self.epilogue = epilogue_kernel(self.c.epilogue, source.results, source.dtype, self.places)

    def print(self, symbol: str) -> Printed:
        source, c = self.source, self.c
        kind = c_type(source.dtype)
        rows, columns = source.tile
        height, width = EDGE * rows, EDGE * columns
        arguments = [
            f"const {stored_type(c.a.dtype)}* __restrict__ a",
            f"const {stored_type(c.b.dtype)}* __restrict__ b",
        ]
        for buffer in self.epilogue.operands:
            const = "const " if buffer.role == "in" else ""
            arguments.append(f"{const}{stored_type(buffer.dtype)}* {self.buffer(buffer.name)}")
        self.line(f"__shared__ {kind} a_tile[{STEP}][{height + 1}];")
        self.line(f"__shared__ {kind} b_tile[{STEP}][{width + 1}];")
        self.line(f"const int t = threadIdx.x, tx = t % {EDGE}, ty = t / {EDGE};")
        with self.braces("for (long long item = blockIdx.x; item < items; item += gridDim.x)"):
            self._place(height, width)
            zero = literal(0, source.dtype)
            self.line(f"{kind} sums[{rows}][{columns}], a_next[{rows}], b_next[{columns}];")
            self._each([("i", rows), ("j", columns)], f"sums[i][j] = {zero};")
            self._fetch("0", zero)
            with self.braces(f"for (int k0 = 0; k0 < {c.k}; k0 += {STEP})"):
                self._each([("i", rows)], f"{self._cell('a', height, 'i')} = a_next[i];")
                self._each([("j", columns)], f"{self._cell('b', width, 'j')} = b_next[j];")
                self.line("__syncthreads();")
                with self.braces(f"if (k0 + {STEP} < {c.k})"):
                    self._fetch(f"k0 + {STEP}", zero)
                self._multiply(rows, columns, kind)
                self.line("__syncthreads();")
            self._finish(rows, columns)
        return Printed({}, self.function(symbol, arguments))

    def _place(self, height: int, width: int) -> None:
        """Which tile, which batch; pointers to the batch's matrices."""
        c = self.c
        across, down = max(math.ceil(c.n / width), 1), max(math.ceil(c.m / height), 1)
        self.line(f"const long long column = item % {across} * {width};")
        self.line(f"const long long row = item / {across} % {down} * {height};")
        rest = across * down
        for i in range(len(c.batch) - 1, -1, -1):
            name = self.symbol(self.batch[i])
            self.line(f"const long long {name} = item / {rest}LL % {c.batch[i]};")
            rest *= max(c.batch[i], 1)
        for which, layout in (("a", c.a), ("b", c.b)):
            strides = Layout((*layout.strides[:-2], 0, 0), layout.offset, layout.dtype)
            start = self.index(element(strides, self.places))
            self.line(f"const {stored_type(layout.dtype)}* {which}_batch = {which} + {start};")

    def _spot(self, which: str, number: str) -> tuple[str, str]:
        """Along k and along m or n: the element of a slice a thread copies; neighbours are contiguous."""
        layout = self.c.a if which == "a" else self.c.b
        along_k = layout.strides[-1] if which == "a" else layout.strides[-2]
        along = layout.strides[-2] if which == "a" else layout.strides[-1]
        extent = EDGE * self.source.tile[0 if which == "a" else 1]
        if abs(along_k) == 1 and abs(along) != 1:
            return f"t % {STEP}", f"(t / {STEP} + {EDGE}*{number})"
        if extent == EDGE:
            return f"t / {EDGE}", f"(t % {EDGE})"
        at = f"(t + {self.threads}*{number})"
        return f"{at} / {extent}", f"({at} % {extent})"

    def _cell(self, which: str, extent: int, number: str) -> str:
        along_k, along = self._spot(which, number)
        return f"{which}_tile[{along_k}][{along.strip('()') if along.count('(') == 1 else along[1:-1]}]"

    def _fetch(self, start: str, zero: str) -> None:
        """Load a slice into registers; zeros outside of the matrices."""
        c = self.c
        for which, layout, number, count, base, size, k_stride, stride in (
            ("a", c.a, "i", self.source.tile[0], "row", c.m, c.a.strides[-1], c.a.strides[-2]),
            ("b", c.b, "j", self.source.tile[1], "column", c.n, c.b.strides[-2], c.b.strides[-1]),
        ):
            along_k, along = self._spot(which, number)
            self.line("#pragma unroll")
            with self.braces(f"for (int {number} = 0; {number} < {count}; ++{number})"):
                self.line(f"const long long k = {start} + {along_k}, at = {base} + {along};")
                place = f"{which}_batch[k*{k_stride} + at*{stride}]"
                text = f"k < {c.k} && at < {size} ? {load_text(place, layout.dtype)} : {zero}"
                self.line(f"{which}_next[{number}] = {text};")

    def _multiply(self, rows: int, columns: int, kind: str) -> None:
        self.line("#pragma unroll")
        with self.braces(f"for (int kk = 0; kk < {STEP}; ++kk)"):
            self.line(f"{kind} a_now[{rows}], b_now[{columns}];")
            self._each([("i", rows)], f"a_now[i] = a_tile[kk][ty + {EDGE}*i];")
            self._each([("j", columns)], f"b_now[j] = b_tile[kk][tx + {EDGE}*j];")
            fma = "fma" if kind == "double" else "fmaf"
            text = f"sums[i][j] = {fma}(a_now[i], b_now[j], sums[i][j]);"
            self._each([("i", rows), ("j", columns)], text)

    def _finish(self, rows: int, columns: int) -> None:
        """The epilogue of every element of this thread."""
        row, column = self.symbol("row_at"), self.symbol("column_at")
        self.line("#pragma unroll")
        with self.braces(f"for (int i = 0; i < {rows}; ++i)"):
            self.line("#pragma unroll")
            with self.braces(f"for (int j = 0; j < {columns}; ++j)"):
                self.line(f"const long long {row} = row + ty + {EDGE}*i;")
                self.line(f"const long long {column} = column + tx + {EDGE}*j;")
                self.line(f"if ({row} >= {self.c.m} || {column} >= {self.c.n}) continue;")
                accumulator = self.name("value", "accumulator")
                self.line(f"const {c_type(self.source.dtype)} {accumulator} = sums[i][j];")
                self.find_products(self.epilogue.body, use_counts(self.epilogue.body))
                self.inside = True  # every thread stores
                self.block(self.epilogue.body)

    def _each(self, loops: Sequence[tuple[str, int]], text: str) -> None:
        for name, count in loops:
            self.line("#pragma unroll")
            self.line(f"for (int {name} = 0; {name} < {count}; ++{name})")
        self.line(f"  {text}")
