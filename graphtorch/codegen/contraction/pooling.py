"""Maximum over sliding windows, with positions, and the backward pass that adds to these positions.

The forward kernel has the window in its code (kernel, stride and dilation: few occur) and the sizes
as parameters.  Outputs of a row whose windows lie inside the image are computed a vector at a time,
the others one by one; taps above, below, before and behind the image are left out by clipping the loops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...errors import UnsupportedError
from ...ir.types import DType, float32, float64
from ..llvm.target import Target
from .describe import MaxPool, MaxPoolBackward, Plan, Step
from .emit import Function, Module, Value, vector
from .matmul import ABI, Names, Params
from .micro import Tile, register_tile
from .plan_direct import Triple, triple

ITEM_ELEMENTS = 1 << 14  # outputs worth a work item

AXES = "zyx"
PARAMS = tuple("planes block iz iy ix oz oy ox pz py px".split())
NAMES = Names(PARAMS, ())


@dataclass(frozen=True, slots=True)
class MaxPoolKernel:
    """Source of the forward kernel; operands x, values, indices."""

    dtype: DType
    kernel: Triple
    stride: Triple
    dilation: Triple
    scratch_bytes: int = 0

    @property
    def name(self) -> str:
        return f"max_pool_{'x'.join(map(str, self.kernel))}"

    @property
    def key(self) -> str:
        return f"max_pool {self.dtype.short} {self.kernel} {self.stride} {self.dilation}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        with module.function(symbol, ABI, internal=False) as f:
            _MaxPool(f, register_tile(target, self.dtype), self).emit()
        return module.text()


class _MaxPool:
    """The forward kernel's body."""

    def __init__(self, f: Function, tile: Tile, kernel: MaxPoolKernel):
        self.f, self.tile, self.kernel = f, tile, kernel
        self.lanes_that_exist = ""  # mask of the vector of outputs at hand
        p = Params(f, NAMES)
        self.block, self.planes = p["block"], p["planes"]
        self.sizes = [p["i" + a] for a in AXES]
        self.positions = [p["o" + a] for a in AXES]
        self.padding = [p["p" + a] for a in AXES]

    def emit(self) -> None:
        f, tile = self.f, self.tile
        x, values, indices = (f.load("ptr", f.at(f["buffers"], i, 8), 8) for i in range(3))
        in_plane = f.mul(f.mul(self.sizes[0], self.sizes[1]), self.sizes[2])
        out_plane = f.mul(f.mul(self.positions[0], self.positions[1]), self.positions[2])
        first = f.mul(f["begin"], self.block)
        stop = f.min(f.mul(f["end"], self.block), self.planes)
        stride, step, width = self.kernel.stride[2], self.kernel.dilation[2], self.kernel.kernel[2]
        # Outputs [low, high) of a row have all their taps inside it.
        low = f.min(f.ceil_div(self.padding[2], stride), self.positions[2])
        reach = f.add(f.sub(self.sizes[2], (width - 1) * step + 1), self.padding[2])
        high = f.add(f.div(f.max(reach, 0), stride), 1)
        high = f.select(
            f.compare("slt", reach, 0), "i64", low, f.max(f.min(high, self.positions[2]), low)
        )
        vectors = f.mul(f.div(f.sub(high, low), tile.lanes), tile.lanes)
        middle = f.add(low, vectors)
        with f.loop(first, stop) as plane:
            image = f.at(x, f.mul(plane, in_plane), tile.size)
            with f.loop(0, self.positions[0]) as oz, f.loop(0, self.positions[1]) as oy:
                row = f.add(f.mul(oz, self.positions[1]), oy)
                at = f.add(f.mul(plane, out_plane), f.mul(row, self.positions[2]))
                value_row, index_row = f.at(values, at, tile.size), f.at(indices, at, 8)
                z, y = self.taps(0, oz), self.taps(1, oy)
                with f.loop(0, low) as ox:
                    self.output(image, z, y, ox, value_row, index_row)
                with f.loop(low, middle, tile.lanes) as ox:
                    self.outputs(image, z, y, ox, value_row, index_row, None)
                with f.when(f.compare("slt", middle, high)):
                    rest = f.sub(high, middle)
                    self.outputs(image, z, y, middle, value_row, index_row, rest)
                with f.loop(high, self.positions[2]) as ox:
                    self.output(image, z, y, ox, value_row, index_row)

    def taps(self, axis: int, position: Value) -> tuple[Value, Value, Value]:
        """Where the window starts, and its taps [first, stop) that lie inside."""
        f = self.f
        step = self.kernel.dilation[axis]
        start = f.sub(f.mul(position, self.kernel.stride[axis]), self.padding[axis])
        first = f.ceil_div(f.max(f.sub(0, start), 0), step)
        inside = f.ceil_div(f.max(f.sub(self.sizes[axis], start), 0), step)
        return start, first, f.min(inside, self.kernel.kernel[axis])

    def rows(
        self, z: tuple[Value, Value, Value], y: tuple[Value, Value, Value]
    ) -> tuple[Value, Value]:
        """First plane-flat row of the window, and the number of its rows, z * y."""
        f = self.f
        iz = f.add(z[0], f.mul(z[1], self.kernel.dilation[0]))
        iy = f.add(y[0], f.mul(y[1], self.kernel.dilation[1]))
        count = f.mul(f.sub(z[2], z[1]), f.sub(y[2], y[1]))
        return f.add(f.mul(iz, self.sizes[1]), iy), count

    def row_of(self, first: Value, number: Value, y: tuple[Value, Value, Value]) -> Value:
        """Plane-flat row number `number` of a window."""
        f, dilation = self.f, self.kernel.dilation
        if self.kernel.kernel[0] == 1:
            return f.add(first, f.mul(number, dilation[1]))
        height = f.sub(y[2], y[1])
        z = f.div(number, height)
        inner = f.mul(f.sub(number, f.mul(z, height)), dilation[1])
        return f.add(first, f.add(f.mul(z, f.mul(self.sizes[1], dilation[0])), inner))

    def outputs(
        self, image: str, z: tuple[Value, Value, Value], y: tuple[Value, Value, Value], ox: Value,
        values: str, indices: str, rest: Value | None,
    ) -> None:  # fmt: skip
        """A vector of outputs (only `rest` of them, if given) whose windows lie inside their rows."""
        f, tile = self.f, self.tile
        lanes, stride = tile.lanes, self.kernel.stride[2]
        integers, wide, bits = (vector(t, lanes) for t in ("i32", "i64", "i1"))
        start = f.sub(f.mul(ox, stride), self.padding[2])
        first, count = self.rows(z, y)
        lowest = f"splat ({tile.element} 0xFFF0000000000000)"
        lane_steps = "<" + ", ".join(f"i32 {i * stride}" for i in range(lanes)) + ">"

        def place(column: Value) -> str:
            base = (
                f.op("trunc i64", column, tail=" to i32")
                if isinstance(column, str)
                else str(column)
            )
            return f.op(f"add {integers}", f.splat("i32", base, lanes), lane_steps)

        # Of the elements from the first lane's on, those up to the last lane's may be read.
        masks: list[str | None] = [None, None]
        if rest is not None:
            reach = f.add(f.mul(f.sub(rest, 1), stride), 1)
            masks = [f.lane_mask(lanes, 0, reach), f.lane_mask(lanes, 0, f.sub(reach, lanes - 1))]
            self.lanes_that_exist = f.lane_mask(lanes, 0, rest)
        initial = place(f.add(f.mul(first, self.sizes[2]), start))
        with f.repeat(0, count, 1, [(tile.vector, lowest), (integers, initial)]) as loop:
            best, index = loop.values
            flat = f.add(f.mul(self.row_of(first, loop.index, y), self.sizes[2]), start)
            for kx in range(self.kernel.kernel[2]):
                column = f.add(flat, kx * self.kernel.dilation[2])
                found = self.spaced(f.at(image, column, tile.size), masks)
                better = f.op(
                    f"fcmp ugt {tile.vector}", found, best
                )  # unordered: found or best is NaN
                number = f.op(f"fcmp ord {tile.vector}", found, found)
                stays = f.op(f"fcmp uno {tile.vector}", best, best)
                keep = f.op(f"and {bits}", number, stays)
                better = f.op(f"and {bits}", better, f.op(f"xor {bits}", keep, "splat (i1 true)"))
                best = f.select_vector(better, tile.vector, found, best, lanes)
                index = f.select_vector(better, integers, place(column), index, lanes)
            loop.next([best, index])
        best, index = loop.values
        index = f.op(f"sext {integers}", index, tail=f" to {wide}")
        to, index_to = f.at(values, ox, tile.size), f.at(indices, ox, 8)
        if rest is None:
            f.store(tile.vector, best, to, tile.size)
            f.store(wide, index, index_to, 8)
        else:
            mask = f.lane_mask(lanes, 0, rest)
            f.masked_store(tile.vector, lanes, tile.suffix, best, to, mask)
            f.masked_store(wide, lanes, f"v{lanes}i64", index, index_to, mask)

    def spaced(self, pointer: str, masks: list[str | None]) -> str:
        """lanes elements, `stride` apart, from the pointer on; nothing behind the last is read.

        masks: of the first `lanes` elements and of those that end with the last one, or None.
        """
        f, tile = self.f, self.tile
        lanes, stride = tile.lanes, self.kernel.stride[2]

        def load(at: str, mask: str | None) -> str:
            if mask is None:
                return f.load(tile.vector, at, tile.size)
            return f.masked_load(tile.vector, lanes, tile.suffix, at, mask)

        low = load(pointer, masks[0]) if stride <= 2 else ""
        if stride == 1:
            return low
        if stride == 2:
            high = load(f.at(pointer, lanes - 1, tile.size), masks[1])
            picks = [*range(0, lanes, 2), *range(lanes + 1, 2 * lanes, 2)]
            return f.shuffle(tile.element, lanes, low, high, picks)
        value = "poison"
        for i in range(lanes):
            here = f.at(pointer, i * stride, tile.size)
            if masks[0] is not None:  # a lane that does not exist repeats the first
                exists = f.op(
                    f"extractelement {vector('i1', lanes)}", self.lanes_that_exist, f"i32 {i}"
                )
                here = f.select(exists, "ptr", here, pointer)
            one = f.load(tile.element, here, tile.size)
            value = f.op(f"insertelement {tile.vector}", value, f"{tile.element} {one}", f"i32 {i}")
        return value

    def output(
        self, image: str, z: tuple[Value, Value, Value], y: tuple[Value, Value, Value], ox: str,
        values: str, indices: str,
    ) -> None:  # fmt: skip
        """One output."""
        f, tile = self.f, self.tile
        start, kx0, kx1 = self.taps(2, ox)
        step = self.kernel.dilation[2]
        first, count = self.rows(z, y)
        initial = f.add(f.mul(first, self.sizes[2]), f.add(start, f.mul(kx0, step)))
        lowest = "0xFFF0000000000000"
        with f.repeat(0, count, 1, [(tile.element, lowest), ("i64", initial)]) as rows:
            row = f.add(f.mul(self.row_of(first, rows.index, y), self.sizes[2]), start)
            best = [(tile.element, rows.values[0]), ("i64", rows.values[1])]
            with f.repeat(kx0, kx1, 1, best) as taps:
                at = f.add(row, f.mul(taps.index, step))
                found = f.load(tile.element, f.at(image, at, tile.size), tile.size)
                larger = f.op(f"fcmp ogt {tile.element}", found, taps.values[0])
                better = f.either(larger, f.op(f"fcmp uno {tile.element}", found, found))
                taps.next(
                    [
                        f.select(better, tile.element, found, taps.values[0]),
                        f.select(better, "i64", at, taps.values[1]),
                    ]
                )
            rows.next(taps.values)
        f.store(tile.element, rows.values[0], f.at(values, ox, tile.size), tile.size)
        f.store("i64", rows.values[1], f.at(indices, ox, 8), 8)


BACKWARD_PARAMS = tuple("planes block size count".split())


@dataclass(frozen=True, slots=True)
class MaxPoolBackwardKernel:
    """Source of the backward kernel; operands g, indices, result."""

    dtype: DType
    scratch_bytes: int = 0

    @property
    def name(self) -> str:
        return "max_pool_backward"

    @property
    def key(self) -> str:
        return f"max_pool_backward {self.dtype.short}"

    def llvm(self, symbol: str, target: Target) -> str:
        """LLVM text of a module that defines `symbol`."""
        module = Module(target)
        tile = register_tile(target, self.dtype)
        with module.function(symbol, ABI, internal=False) as f:
            p = Params(f, Names(BACKWARD_PARAMS, ()))
            g, indices, result = (f.load("ptr", f.at(f["buffers"], i, 8), 8) for i in range(3))
            size, count = p["size"], p["count"]
            first = f.mul(f["begin"], p["block"])
            stop = f.min(f.mul(f["end"], p["block"]), p["planes"])
            begin, end = f.mul(first, size), f.mul(stop, size)
            whole = f.add(begin, f.mul(f.div(f.sub(end, begin), tile.lanes), tile.lanes))
            with f.loop(begin, whole, tile.lanes) as i:
                f.store(tile.vector, "zeroinitializer", f.at(result, i, tile.size), tile.size)
            with f.loop(whole, end) as i:
                f.store(tile.element, "zeroinitializer", f.at(result, i, tile.size), tile.size)
            with f.loop(first, stop) as plane:
                to = f.at(result, f.mul(plane, size), tile.size)
                start = f.mul(plane, count)
                with f.loop(start, f.add(start, count)) as i:
                    place = f.at(to, f.load("i64", f.at(indices, i, 8), 8), tile.size)
                    value = f.load(tile.element, f.at(g, i, tile.size), tile.size)
                    before = f.load(tile.element, place, tile.size)
                    f.store(
                        tile.element, f.op(f"fadd {tile.element}", before, value), place, tile.size
                    )
        return module.text()


def plan_max_pool(c: MaxPool, target: Target) -> Plan:
    """The launch of the forward pass."""
    _check(c.dtype, math.prod(c.input))
    outputs = math.prod(c.positions)
    if c.planes * outputs == 0:
        return Plan(())
    sizes, positions, padding = triple(c.input, 1), triple(c.positions, 1), triple(c.padding, 0)
    kernel = MaxPoolKernel(c.dtype, triple(c.kernel, 1), triple(c.stride, 1), triple(c.dilation, 1))
    block = max(ITEM_ELEMENTS // outputs, 1)
    params = (c.planes, block, *sizes, *positions, *padding)
    work = c.planes * outputs * max(math.prod(c.kernel) // 4, 1)
    return Plan((Step(kernel, (0, 1, 2), (1, 2), params, -(-c.planes // block), 1, work),))


def plan_max_pool_backward(c: MaxPoolBackward, target: Target) -> Plan:
    """The launch of the backward pass."""
    _check(c.dtype, c.size)
    if c.planes * c.size == 0:
        return Plan(())
    block = max(ITEM_ELEMENTS // max(c.size, 1), 1)
    kernel = MaxPoolBackwardKernel(c.dtype)
    work = c.planes * (c.size // 8 + 2 * c.count)
    params = (c.planes, block, c.size, c.count)
    return Plan((Step(kernel, (0, 1, 2), (2,), params, -(-c.planes // block), 1, work),))


def _check(dtype: DType, plane: int) -> None:
    if dtype is not float32 and dtype is not float64:
        raise UnsupportedError(f"no pooling kernel for {dtype.short}; cast to float32")
    if plane >= 1 << 31:
        raise UnsupportedError("no pooling kernel for planes of 2**31 elements or more")
