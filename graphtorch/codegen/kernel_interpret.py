"""A reference interpreter of kernels over NumPy arrays: the oracle of the printers' tests.

Vector loops are evaluated as whole arrays, everything else in Python loops; slow and simple.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ..ir.types import DType, bfloat16, float16
from .kernel import (
    AxisValue,
    Compute,
    Const,
    Guard,
    Index,
    Indirect,
    Kernel,
    Load,
    Loop,
    Operand,
    Reduction,
    Statement,
    Store,
    Tile,
    Tiles,
    Value,
    compute_dtype,
)
from .scalar import CALLS, NumpyScalar

_scalar = NumpyScalar()


def interpret(
    kernel: Kernel,
    buffers: Sequence[np.ndarray],
    params: Sequence[int] = (),
    begin: int = 0,
    end: int | None = None,
) -> tuple[int, int]:
    """Run work items [begin, end) on flat or contiguous arrays, in place; returns the status."""
    return _Interpreter(kernel, buffers, params).run(begin, end)


class _Interpreter:
    def __init__(self, kernel: Kernel, buffers: Sequence[np.ndarray], params: Sequence[int]):
        if len(buffers) != len(kernel.operands) or len(params) != len(kernel.params):
            raise ValueError(f"{kernel.name}: wrong number of buffers or parameters")
        self.kernel = kernel
        self.arrays = {b.name: a.reshape(-1) for b, a in zip(kernel.operands, buffers, strict=True)}
        for b, a in zip(kernel.operands, buffers, strict=True):
            if a.dtype != b.dtype.numpy or not np.shares_memory(a, self.arrays[b.name]) and a.size:
                raise ValueError(f"{b.name}: wants a contiguous {b.dtype.short} array")
        self.params = dict(zip(kernel.params, params, strict=True))
        self.axes: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self.status = (0, 0)

    def run(self, begin: int, end: int | None) -> tuple[int, int]:
        extents = [range(self.extent(e)) for _, e in self.kernel.grid]
        stop = self.kernel.items(self.params) if end is None else end
        for item, position in enumerate(product(*extents)):
            if begin <= item < stop:
                for buffer in self.kernel.temps:  # poisoned, so that reading before writing shows
                    poison = np.nan if buffer.dtype.kind == "f" else 77
                    self.arrays[buffer.name] = np.full(buffer.size, poison, buffer.dtype.numpy)
                self.axes = {a: i for (a, _), i in zip(self.kernel.grid, position, strict=True)}
                self.values = {}
                self.block(self.kernel.body)
        return self.status

    def size(self, size: int | str) -> int:
        return int(self.params[size]) if isinstance(size, str) else size

    def extent(self, extent: int | str | Tile | Tiles) -> int:
        if isinstance(extent, Tile):
            outer = int(self.axes[extent.axis])
            return max(0, min(extent.size, self.size(extent.total) - extent.size * outer))
        if isinstance(extent, Tiles):
            return -(-self.size(extent.total) // extent.size)
        return self.size(extent)

    def index(self, index: Index) -> Any:
        total: Any = np.int64(0)
        for symbols, coefficient in index.terms:
            term: Any = np.int64(coefficient)
            for symbol in symbols:
                term = term * (self.axes[symbol] if symbol in self.axes else self.params[symbol])
            total = total + term
        return total

    def operand(self, x: Operand) -> Any:
        return np.array(x.value, x.dtype.numpy) if isinstance(x, Const) else self.values[x.name]

    def block(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            match statement:
                case Compute(out, op, args):
                    self.values[out.name] = self.compute(out.dtype, op, args)
                case AxisValue(out, index):
                    self.values[out.name] = np.asarray(self.index(index), np.int64)
                case Load():
                    self.load(statement)
                case Store():
                    self.store(statement)
                case Loop():
                    self.loop(statement)

    def compute(self, dtype: DType, op: str, args: tuple[Operand, ...]) -> Any:
        xs = [np.asarray(self.operand(x)) for x in args]
        if op in CALLS:
            return _scalar.call(op, *xs)
        if op in ("cast", "bitcast"):
            return getattr(_scalar, op)(xs[0], dtype)
        if op == "round_bfloat16":
            return _scalar.cast(xs[0], bfloat16)
        if op == "round_float16":
            return _scalar.cast(xs[0], float16)
        return getattr(_scalar, op)(*xs)

    def mask(self, guards: tuple[Guard, ...], when: Value | None) -> Any:
        mask: Any = np.True_
        for guard in guards:
            at = self.index(guard.index)
            if guard.lower is not None:
                mask = mask & (at >= self.index(guard.lower))
            if guard.upper is not None:
                mask = mask & (at < self.index(guard.upper))
        return mask if when is None else mask & self.values[when.name]

    def address(self, index: Index, indirect: tuple[Indirect, ...], mask: Any) -> Any:
        at = self.index(index)
        for part in indirect:
            value, size = np.asarray(self.values[part.value.name], np.int64), self.size(part.size)
            given = value
            if part.wrap:
                value = np.where(value < 0, value + size, value)
            wrong = ((value < 0) | (value >= size)) & mask
            if np.any(wrong):
                if not part.code:
                    raise IndexError(f"{self.kernel.name}: unchecked index out of range")
                if self.status[0] == 0:
                    bad = np.broadcast_to(given, np.shape(wrong)).reshape(-1)
                    self.status = (part.code, int(bad[np.argmax(wrong)]))
            at = at + np.clip(value, 0, max(size - 1, 0)) * self.index(part.stride)
        return at

    def load(self, s: Load) -> None:
        array, mask = self.arrays[s.buffer.name], self.mask(s.guards, s.when)
        at = np.where(mask, self.address(s.index, s.indirect, mask), 0)
        if np.any(mask) and not (0 <= np.min(at) and np.max(at) < array.size):
            raise IndexError(f"{self.kernel.name}: {s.buffer.name} read out of bounds")
        values = array[at] if array.size else np.zeros(np.shape(at), array.dtype)
        values = np.asarray(values).astype(compute_dtype(s.buffer.dtype).numpy)
        if s.fill is not None:
            values = np.where(mask, values, self.operand(s.fill))
        self.values[s.out.name] = values

    def store(self, s: Store) -> None:
        array, mask = self.arrays[s.buffer.name], self.mask(s.guards, s.when)
        at = self.address(s.index, s.indirect, mask)
        value = np.asarray(self.operand(s.value))
        shape = np.broadcast_shapes(*(np.shape(a) for a in self.axes.values()))
        at, value, mask = (np.broadcast_to(x, shape)[...] for x in (at, value, mask))
        at, value = np.asarray(at)[mask], np.asarray(value)[mask]
        if at.size and not (0 <= at.min() and at.max() < array.size):
            raise IndexError(f"{self.kernel.name}: {s.buffer.name} written out of bounds")
        if s.accumulate:
            if np.unique(at).size != at.size:
                raise ValueError(f"{self.kernel.name}: lanes collide in {s.buffer.name}")
            value = (array[at].astype(value.dtype) + value).astype(value.dtype)
        with np.errstate(all="ignore"):
            array[at] = value.astype(array.dtype)

    def loop(self, loop: Loop) -> None:
        extent = self.extent(loop.extent)
        if loop.kind == "vector":
            if any(np.ndim(a) for a in self.axes.values()):
                raise ValueError(
                    f"{self.kernel.name}: vector loop {loop.axis} inside a vector loop"
                )
            self.axes[loop.axis] = np.arange(extent)
            if extent:
                self.block(loop.body)
            contributions = [self.operand_or_empty(r, extent) for r in loop.reductions]
        else:
            collected: list[list[Any]] = [[] for _ in loop.reductions]
            for carry in loop.carries:
                self.values[carry.value.name] = self.operand(carry.init)
            for iteration in range(extent):
                self.axes[loop.axis] = iteration
                self.block(loop.body)
                for found, reduction in zip(collected, loop.reductions, strict=True):
                    found.append(self.operand(reduction.value))
                handed = [self.operand(carry.next) for carry in loop.carries]
                for carry, value in zip(loop.carries, handed, strict=True):
                    self.values[carry.value.name] = value
            for carry in loop.carries:
                self.values[carry.out.name] = self.values[carry.value.name]
            contributions = [
                np.stack(found) if found else np.empty(0, r.value.dtype.numpy)
                for found, r in zip(collected, loop.reductions, strict=True)
            ]
        self.axes.pop(loop.axis, None)
        for reduction, values in zip(loop.reductions, contributions, strict=True):
            self.values[reduction.out.name] = _reduce(reduction, values)

    def operand_or_empty(self, reduction: Reduction, extent: int) -> Any:
        if not extent:
            return np.empty(0, reduction.value.dtype.numpy)
        return np.broadcast_to(self.operand(reduction.value), (extent,))


def _reduce(reduction: Reduction, values: Any) -> Any:
    dtype = reduction.value.dtype.numpy
    if reduction.combine in ("argmax", "argmin"):
        if not len(values):
            return np.array(0, np.int64)
        return np.asarray(getattr(np, reduction.combine)(values, axis=0), np.int64)
    wide = np.float64 if dtype.kind == "f" else dtype
    with np.errstate(all="ignore"):
        match reduction.combine:
            case "add":
                return np.sum(values, axis=0, dtype=wide).astype(dtype)
            case "mul":
                return np.prod(values, axis=0, dtype=wide).astype(dtype)
            case "and":
                return np.bitwise_and.reduce(values, axis=0)
            case "or":
                return np.bitwise_or.reduce(values, axis=0)
    return getattr(np, reduction.combine)(
        values, axis=0, initial=identity(reduction.combine, dtype)
    )


def identity(combine: str, dtype: np.dtype) -> Any:
    """The value of an empty max or min."""
    low, high = (-np.inf, np.inf) if dtype.kind == "f" else (False, True)
    if dtype.kind in "iu":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    return dtype.type(low if combine == "max" else high)
