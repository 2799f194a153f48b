"""Reductions of the CPU printer: accumulators, how two combine, and the fixed trees.

An accumulator is one value, or (best value, its iteration number) for argmax and argmin, where the
number -1 means that there is none yet.
"""

from __future__ import annotations

from typing import Any

from ...ir.types import DType, bool_, int64
from ..kernel import Reduction
from .printer_memory import Memory
from .vector_text import Vec, literal, llvm_type


class Reductions(Memory):
    """Adds reductions."""

    def start_of(self, r: Reduction) -> list[Vec]:
        """The accumulator of no iterations: one part, or (best value, its number)."""
        dtype = r.value.dtype
        if r.combine in ("argmax", "argmin"):
            best = _identity(r.combine[3:], dtype)
            return [Vec(literal(best, dtype), dtype), Vec("-1", int64)]
        return [Vec(literal(_identity(r.combine, dtype), dtype), dtype)]

    def combine(self, r: Reduction, old: list[Vec], given: Vec, number: Vec) -> list[Vec]:
        """The accumulator after one more contribution, that of iteration `number`."""
        if r.combine not in ("argmax", "argmin"):
            return self.merge(r, old, [given])
        best, at = old
        better = self._better(r.combine, given, best, self.less(at, 0))
        return [self.select(better, given, best), self.select(better, number, at)]

    def _better(self, combine: str, new: Vec, best: Vec, first: Vec) -> Vec:
        """Whether `new` replaces `best`: strictly better, a first NaN, or nothing was there."""
        wins = self.less(best, new) if combine == "argmax" else self.less(new, best)
        if new.dtype.kind == "f":
            nan = self.logical_and(self.isnan(new), self.logical_not(self.isnan(best)))
            wins = self.logical_or(wins, nan)
        return self.logical_or(wins, first)

    def merge(self, r: Reduction, a: list[Vec], b: list[Vec]) -> list[Vec]:
        """Two accumulators combined."""
        match r.combine:
            case "add":
                return [self.add(a[0], b[0])]
            case "mul":
                return [self.mul(a[0], b[0])]
            case "max":
                return [self.max(b[0], a[0])]  # the NaN test stays out of the chain of dependences
            case "min":
                return [self.min(b[0], a[0])]
            case "and":
                return [self.logical_and(a[0], b[0])]
            case "or":
                return [self.logical_or(a[0], b[0])]
        # b replaces a where it is better, or equally good and earlier; number -1: nothing there
        none_a, none_b = self.less(a[1], 0), self.less(b[1], 0)
        wins = self._better(r.combine, b[0], a[0], none_a)
        same = self.equal(a[0], b[0])
        if a[0].dtype.kind == "f":
            both = self.logical_and(self.isnan(a[0]), self.isnan(b[0]))
            same = self.logical_or(same, both)
        wins = self.logical_or(wins, self.logical_and(same, self.less(b[1], a[1])))
        wins = self.logical_and(wins, self.logical_not(none_b))
        return [self.select(wins, y, x) for x, y in zip(a, b, strict=True)]

    def _tree(self, r: Reduction, parts: list[list[Vec]]) -> list[Vec]:
        """Combine the copies' accumulators pairwise."""
        while len(parts) > 1:
            half = (len(parts) + 1) // 2
            parts = [
                self.merge(r, parts[i], parts[i + half]) if i + half < len(parts) else parts[i]
                for i in range(half)
            ]
        return parts[0]

    def _across(self, r: Reduction, parts: list[Vec]) -> Vec:
        """Combine the lanes by halves."""
        lanes = parts[0].lanes
        while lanes > 1:
            lanes //= 2
            low = [self._half(p, 0, lanes) for p in parts]
            high = [self._half(p, lanes, lanes) for p in parts]
            parts = self.merge(r, low, high)
        result = parts[-1]
        if r.combine in ("argmax", "argmin"):
            result = self.select(self.less(result, 0), 0, result)
        return result

    def _half(self, x: Vec, start: int, lanes: int) -> Vec:
        kind = llvm_type(x.dtype, x.lanes)
        if lanes == 1:
            return self.pure(x.dtype, 1, (x,), f"extractelement {kind} {x.text}, i32 {start}")
        order = ", ".join(f"i32 {start + i}" for i in range(lanes))
        text = f"shufflevector {kind} {x.text}, {kind} poison, <{lanes} x i32> <{order}>"
        return self.pure(x.dtype, lanes, (x,), text)

    def contribution(self, r: Reduction, u: int) -> Vec:
        column = self.operand(r.value)
        return column[u % len(column)]


def _identity(combine: str, dtype: DType) -> Any:
    if combine in ("add", "or"):
        return 0
    if combine == "mul":
        return 1
    if combine == "and":
        return True if dtype is bool_ else -1
    if dtype is bool_:
        return combine == "min"
    if dtype.kind == "f":
        return float("-inf") if combine == "max" else float("inf")
    bits = 8 * dtype.itemsize
    low, high = (0, 2**bits - 1) if dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return low if combine == "max" else high
