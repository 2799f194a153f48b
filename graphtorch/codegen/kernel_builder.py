"""Builds kernels: a scalar target whose values are kernel statements.

    b = KernelBuilder("softmax")
    x, y = b.input("x", float32), b.output("y", float32)
    r = b.grid("r", 8192)
    with b.vector("j", 1024) as j:
        m = j.reduce("max", b.load(x, r * 1024 + j.index))
    ...
    kernel = b.finish()

Equal computations in scope are shared and constants are folded; nothing else is simplified (that is
the graph passes' work).  Loads are shared only for buffers of role "in".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ir.types import DType, bfloat16, bool_, float16, float32, int64
from .kernel import (
    AxisValue,
    Buffer,
    Carry,
    Combine,
    Compute,
    Const,
    Extent,
    Guard,
    Index,
    Indirect,
    Kernel,
    Load,
    Loop,
    Operand,
    Reduction,
    Size,
    Statement,
    Store,
    Tile,
    Tiles,
    Value,
    compute_dtype,
)
from .scalar import BINARY, CALLS, COMPARISONS, PREDICATES, UNARY, NumpyScalar

_numpy = NumpyScalar()


class Weak:
    """A Python number that has no dtype yet; it takes the one of the operand it meets."""

    __slots__ = ("value",)

    def __init__(self, value: bool | float):
        self.value = value


class LoopBuilder:
    """An open loop: its axis as an index, and what it hands out of the loop."""

    def __init__(self, builder: KernelBuilder, axis: str):
        self._builder = builder
        self.axis = axis
        self.index = Index.of(axis)
        self.reductions: list[Reduction] = []
        self.carries: list[Carry] = []
        self._pending: dict[str, tuple[Value, Operand]] = {}

    def reduce(self, combine: Combine, value: Operand, name: str = "") -> Value:
        """Combine `value` over the iterations; the result may be used after the loop."""
        dtype = int64 if combine in ("argmax", "argmin") else value.dtype
        out = self._builder.fresh(name or {"add": "sum"}.get(combine, combine), dtype)
        self.reductions.append(Reduction(out, combine, value))
        return out

    def carry(self, init: Operand) -> Value:
        """A value handed between the iterations of a serial loop; close it with `hand_on`."""
        value = self._builder.fresh("carry", init.dtype)
        self._pending[value.name] = (value, init)
        return value

    def hand_on(self, carried: Value, next: Operand) -> Value:
        """Say what the next iteration sees; returns the value after the loop."""
        value, init = self._pending.pop(carried.name)
        out = self._builder.fresh("last", value.dtype)
        self.carries.append(Carry(value, init, next, out))
        return out


class KernelBuilder:
    """See the module docstring; the scalar operations are documented in `codegen.scalar`."""

    def __init__(self, name: str):
        self.name = name
        self._buffers: list[Buffer] = []
        self._params: list[str] = []
        self._grid: list[tuple[str, int | str | Tiles]] = []
        self._blocks: list[list[Statement]] = [[]]
        self._known: list[dict[Any, Value]] = [{}]
        self._axes: list[str] = []
        self._taken: dict[str, int] = {}

    # names and declarations ----------------------------------------------------------------------

    def fresh(self, wish: str, dtype: DType) -> Value:
        """A new value of a compute dtype."""
        return Value(self._name(wish), dtype)

    def _name(self, wish: str) -> str:
        count = self._taken.get(wish, 0)
        self._taken[wish] = count + 1
        name = f"{wish}_{count}" if count else wish
        if count and name in self._taken:
            return self._name(wish)
        self._taken.setdefault(name, 1)
        return name

    def buffer(self, name: str, dtype: DType, role: str, size: int = 0) -> Buffer:
        if dtype.is_complex:
            raise UnsupportedError(f"kernels cannot hold {dtype}: complex numbers run in NumPy")
        buffer = Buffer(self._name(name), dtype, role, size)  # type: ignore[arg-type]
        self._buffers.append(buffer)
        return buffer

    def input(self, name: str, dtype: DType) -> Buffer:
        return self.buffer(name, dtype, "in")

    def output(self, name: str, dtype: DType) -> Buffer:
        return self.buffer(name, dtype, "out")

    def inout(self, name: str, dtype: DType) -> Buffer:
        return self.buffer(name, dtype, "inout")

    def temp(self, name: str, dtype: DType, size: int) -> Buffer:
        """A local array of the work item; uninitialised."""
        return self.buffer(name, dtype, "temp", size)

    def param(self, name: str) -> str:
        """A runtime i64; use it as a size, or `Index.of(it)` in indices."""
        name = self._name(name)
        self._params.append(name)
        return name

    def grid(self, axis: str, extent: int | str | Tiles) -> Index:
        """Add a grid axis (outermost first)."""
        axis = self._open(axis)
        self._grid.append((axis, extent))
        return Index.of(axis)

    def _open(self, wish: str) -> str:
        """An axis name that no open loop, grid axis or parameter has."""
        axis, number = wish, 1
        while axis in self._axes or axis in self._params:
            axis, number = f"{wish}_{number}", number + 1
        self._axes.append(axis)
        return axis

    # loops ---------------------------------------------------------------------------------------

    @contextmanager
    def loop(self, axis: str, extent: Extent, kind: str, unroll: int = 0) -> Iterator[LoopBuilder]:
        """Open a loop; the statements made inside the `with` block are its body."""
        axis = self._open(axis)
        loop = LoopBuilder(self, axis)
        self._blocks.append([])
        self._known.append({})
        yield loop
        if loop._pending:
            raise ValueError(f"loop {axis}: carry without hand_on: {sorted(loop._pending)}")
        body = tuple(self._blocks.pop())
        self._known.pop()
        self._axes.remove(axis)
        self._append(
            Loop(axis, extent, kind, body, tuple(loop.reductions), tuple(loop.carries), unroll)  # type: ignore[arg-type]
        )

    @contextmanager
    def outside(self, depth: int) -> Iterator[None]:
        """Inside this block statements go before the loop that is open at `depth` (0: outermost)."""
        blocks, known = self._blocks, self._known
        self._blocks, self._known = blocks[: depth + 1], known[: depth + 1]
        yield
        self._blocks, self._known = blocks, known

    def vector(self, axis: str, extent: Extent, unroll: int = 0) -> Any:
        return self.loop(axis, extent, "vector", unroll)

    def serial(self, axis: str, extent: Extent, unroll: int = 0) -> Any:
        return self.loop(axis, extent, "serial", unroll)

    def tiled(self, axis: Index, size: int, total: Size) -> Extent:
        """The inner extent of a tiled axis whose outer axis is `axis` (a constant where it can be)."""
        if isinstance(total, int) and total % size == 0:
            return size
        (outer,) = axis.symbols
        return Tile(outer, size, total)

    # memory --------------------------------------------------------------------------------------

    def load(
        self,
        buffer: Buffer,
        index: Index | int = 0,
        *,
        guards: tuple[Guard, ...] = (),
        when: Value | None = None,
        fill: Operand | Weak | None = None,
        indirect: tuple[Indirect, ...] = (),
    ) -> Value:
        """Read one element; `fill` (default 0) is given where a guard or `when` is false."""
        dtype = compute_dtype(buffer.dtype)
        filled: Operand | None = None
        if guards or when is not None:
            filled = self._typed(Weak(0) if fill is None else fill, dtype)
        index = Index.of(index)
        key = ("load", buffer, index, guards, when, filled, indirect)
        if buffer.role == "in" and (found := self._find(key)) is not None:
            return found
        out = self.fresh(f"{buffer.name}_at", dtype)
        self._append(Load(out, buffer, index, guards, when, filled, indirect))
        self._known[-1][key] = out
        return out

    def store(
        self,
        buffer: Buffer,
        index: Index | int,
        value: Operand | Weak,
        *,
        guards: tuple[Guard, ...] = (),
        when: Value | None = None,
        indirect: tuple[Indirect, ...] = (),
        accumulate: bool = False,
        streaming: bool = False,
    ) -> None:
        """Write one element; the value has the buffer's compute dtype."""
        dtype = compute_dtype(buffer.dtype)
        operand = self._typed(value, dtype)
        if operand.dtype is not dtype:
            raise TypeError(
                f"{buffer.name} holds {buffer.dtype.short}, value is {operand.dtype.short}"
            )
        self._append(
            Store(buffer, Index.of(index), operand, guards, when, indirect, accumulate, streaming)
        )

    def position(self, index: Index | int) -> Operand:
        """The value of an index as an i64 scalar."""
        index = Index.of(index)
        if index.constant is not None:
            return Const(index.constant, int64)
        key = ("index", index)
        if (found := self._find(key)) is not None:
            return found
        out = self.fresh("position", int64)
        self._append(AxisValue(out, index))
        self._known[-1][key] = out
        return out

    # scalar target -------------------------------------------------------------------------------

    def const(self, value: bool | float, dtype: DType | None = None) -> Any:
        if dtype is None:
            return Weak(value)
        return self._typed(Weak(value), compute_dtype(dtype))

    def dtype(self, x: Any) -> DType:
        if isinstance(x, Weak):
            return _numpy.dtype(x.value) if isinstance(x.value, (bool, int)) else float32
        dtype: DType = x.dtype
        return dtype

    def _typed(self, x: Any, dtype: DType) -> Operand:
        if isinstance(x, (Value, Const)):
            return x
        value = x.value if isinstance(x, Weak) else x
        python: Callable[[Any], Any] = {"b": bool, "f": float}.get(dtype.kind, int)
        converted = python(value)
        if dtype.kind in "iu":  # wrap like the machine
            converted = int(
                np.array(converted & ((1 << 8 * dtype.itemsize) - 1), np.uint64).astype(dtype.numpy)
            )
        return Const(converted, dtype)

    def _operands(self, op: str, xs: tuple[Any, ...]) -> list[Operand]:
        dtypes = {x.dtype.short: x.dtype for x in xs if isinstance(x, (Value, Const))}
        if len(dtypes) > 1:
            raise TypeError(f"{op} wants operands of one dtype, got {sorted(dtypes)}")
        if dtypes:
            (dtype,) = dtypes.values()
        else:
            dtype = self.dtype(xs[0])
        return [self._typed(x, dtype) for x in xs]

    def _find(self, key: Any) -> Value | None:
        for known in reversed(self._known):
            found: Value | None = known.get(key)
            if found is not None:
                return found
        return None

    def _append(self, statement: Statement) -> None:
        self._blocks[-1].append(statement)

    def _compute(self, op: str, args: list[Operand], dtype: DType) -> Operand:
        if all(isinstance(x, Const) for x in args) and op in _FOLDABLE:
            folded = getattr(_numpy, op)(*(np.array(x.value, x.dtype.numpy) for x in args))  # type: ignore[union-attr]
            return Const(folded.item(), dtype)
        key = (op, tuple(_identity(x) for x in args), dtype)
        if (found := self._find(key)) is not None:
            return found
        out = self.fresh(op, dtype)
        self._append(Compute(out, op, tuple(args)))
        self._known[-1][key] = out
        return out

    def _same(self, op: str, *xs: Any) -> Operand:
        args = self._operands(op, xs)
        return self._compute(op, args, bool_ if op in COMPARISONS else args[0].dtype)

    # fmt: off
    def add(self, a: Any, b: Any) -> Any:         return self._same("add", a, b)
    def sub(self, a: Any, b: Any) -> Any:         return self._same("sub", a, b)
    def mul(self, a: Any, b: Any) -> Any:         return self._same("mul", a, b)
    def div(self, a: Any, b: Any) -> Any:         return self._same("div", a, b)
    def neg(self, a: Any) -> Any:                 return self._same("neg", a)
    def abs(self, a: Any) -> Any:                 return self._same("abs", a)
    def min(self, a: Any, b: Any) -> Any:         return self._same("min", a, b)
    def max(self, a: Any, b: Any) -> Any:         return self._same("max", a, b)
    def fma(self, a: Any, b: Any, c: Any) -> Any: return self._same("fma", a, b, c)
    def less(self, a: Any, b: Any) -> Any:        return self._same("less", a, b)
    def less_equal(self, a: Any, b: Any) -> Any:  return self._same("less_equal", a, b)
    def equal(self, a: Any, b: Any) -> Any:       return self._same("equal", a, b)
    def not_equal(self, a: Any, b: Any) -> Any:   return self._same("not_equal", a, b)
    def logical_and(self, a: Any, b: Any) -> Any: return self._same("logical_and", a, b)
    def logical_or(self, a: Any, b: Any) -> Any:  return self._same("logical_or", a, b)
    def logical_xor(self, a: Any, b: Any) -> Any: return self._same("logical_xor", a, b)
    def logical_not(self, a: Any) -> Any:         return self._same("logical_not", a)
    def shift_left(self, a: Any, b: Any) -> Any:  return self._same("shift_left", a, b)
    def shift_right(self, a: Any, b: Any) -> Any: return self._same("shift_right", a, b)
    # fmt: on

    def select(self, c: Any, a: Any, b: Any) -> Any:
        condition = self._typed(c, bool_)
        if isinstance(condition, Const):
            return a if condition.value else b
        args = self._operands("select", (a, b))
        return self._compute("select", [condition, *args], args[0].dtype)

    def cast(self, x: Any, dtype: DType) -> Any:
        if isinstance(x, Weak):
            return self.const(x.value, dtype)
        if dtype is bfloat16 or dtype is float16:
            x = self.cast(x, float32)
            return self._compute(f"round_{dtype.name}", [x], float32)
        if x.dtype is dtype:
            return x
        if isinstance(x, Const):
            return Const(_numpy.cast(np.array(x.value, x.dtype.numpy), dtype).item(), dtype)
        return self._compute("cast", [x], dtype)

    def bitcast(self, x: Any, dtype: DType) -> Any:
        return self._compute("bitcast", [self._typed(x, dtype)], dtype)

    def call(self, name: str, *xs: Any) -> Any:
        if CALLS.get(name) != len(xs):
            raise UnsupportedError(f"no scalar function {name!r} of {len(xs)} operands")
        args = self._operands(name, xs)
        return self._compute(name, args, bool_ if name in PREDICATES else args[0].dtype)

    # the result ----------------------------------------------------------------------------------

    def finish(self) -> Kernel:
        """Return the kernel; temps move behind the operands."""
        if len(self._blocks) != 1:
            raise ValueError("finish inside an open loop")
        buffers = sorted(self._buffers, key=lambda b: b.role == "temp")
        return Kernel(
            self.name,
            tuple(buffers),
            tuple(self._params),
            tuple(self._grid),
            tuple(self._blocks[0]),
        )


_FOLDABLE = (UNARY | BINARY | COMPARISONS) - {"div"}


def _identity(x: Operand) -> Any:
    """A key that keeps 0.0 and -0.0, and NaNs, apart."""
    if isinstance(x, Const):
        return (repr(x.value), x.dtype.short)
    return x.name
