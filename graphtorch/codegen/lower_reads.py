"""Elements that come from other positions: take, gather, pad, concat, slice_update, one-hot scatters.

An op that looks an index up gives its operand a position with a `Dynamic` digit; the load that ends
there checks it and reports a bad one through the kernel's status words.  An op that has its operand's
element only in some places passes the condition on to the loads below, so that nothing outside a
buffer is touched, and selects.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..ir.graph import Node
from ..ir.passes.fuse_cores import ONE_HOT, READS
from ..ir.types import int64
from .kernel import Const, Guard, Index, Indirect, Operand, Value
from .lower_element import ALWAYS, Conditions, Elements
from .lower_position import Digit, Dynamic, Position, flat, joined
from .program import Failure

Bound = tuple[Digit, int | None, int | None]  # lower <= digit < upper
BLOCK = 16  # elements worth an axis of their own


class Reads(Elements):
    """Adds the reads to `Elements`."""

    own = Elements.own | READS | ONE_HOT | {"windows_add"}

    def _failure(self, dim: int, size: int) -> int:
        """The status code of an index outside [0, size)."""
        failure = Failure(dim, size)
        if failure not in self.failures:
            self.failures.append(failure)
        return self.failures.index(failure) + 1

    def _looked_up(
        self, x: Node, index: Node, position: Position, conditions: Conditions, dim: int
    ) -> Position:
        """The digits along `dim` of x that an index tensor's element stands for."""
        value, size = self.value(index, position, conditions), x.shape[dim]
        if isinstance(value, Const):
            self._check(value, conditions, dim, size)
            return (Digit(size, Index.of(int(value.value))),) if size != 1 else ()
        if size == 1 or not _always_loads(x):
            self._check(value, conditions, dim, size)
        if size == 1:
            return ()
        return (Digit(size, Index(), (Dynamic(value, 1, size, self._failure(dim, size)),)),)

    def _take(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        x, index = node.operands
        dim = node.attrs["dim"]
        dims = self.cutter.dims(position, node.shape)
        where = flat(dims[dim : dim + index.ndim])
        looked = self._looked_up(x, index, where, conditions, dim)
        place = flat((*dims[:dim], looked, *dims[dim + index.ndim :]))
        return self.value(x, place, conditions)

    def _gather(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        x, index = node.operands
        dim = node.attrs["dim"]
        looked = self._looked_up(x, index, position, conditions, dim)
        dims = self.cutter.dims(position, node.shape)
        for d, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)):
            if d == dim:
                dims[d] = looked
            elif n != m:
                dims[d] = (joined(dims[d], n).shifted(0, m),)
        return self.value(x, flat(dims), conditions)

    def _index(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        x, *indices = node.operands
        indexed = node.attrs["dims"]
        adjacent = list(indexed) == list(range(indexed[0], indexed[-1] + 1))
        start, width = indexed[0] if adjacent else 0, indices[0].ndim
        dims = self.cutter.dims(position, node.shape)
        where = flat(dims[start : start + width])
        rest = iter((*dims[:start], *dims[start + width :]))
        looked = {
            d: self._looked_up(x, i, where, conditions, d)
            for d, i in zip(indexed, indices, strict=True)
        }
        place = flat(looked[d] if d in looked else next(rest) for d in range(x.ndim))
        return self.value(x, place, conditions)

    def _scatter(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        return self._one_hot(node, position, conditions, lambda old, v: v)

    def _scatter_add(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        return self._one_hot(node, position, conditions, self.builder.add)

    def _one_hot(
        self, node: Node, position: Position, conditions: Conditions,
        join: Callable[[Operand, Operand], Operand],
    ) -> Operand:  # fmt: skip
        """A scatter that writes one element of every row (see `fuse_cores.writes_one`)."""
        x, index, v = node.operands
        dim = node.attrs["dim"]
        dims = self.cutter.dims(position, node.shape)
        row = flat((*dims[:dim], *dims[dim + 1 :]))
        chosen = self.value(index, row, conditions)
        self._check(chosen, conditions, dim, x.shape[dim])
        place = joined(dims[dim], x.shape[dim])
        here: Value = self._emit(
            self._depth_of(place.index, *(d.value for d in place.dynamic), chosen),
            lambda: self.builder.equal(
                self.cutter.computed(place), self.builder.cast(chosen, int64)
            ),
        )
        old, new = self.value(x, position, conditions), self.value(v, row, conditions)
        joined_up = self._emit(self._depth_of(old, new), lambda: join(old, new))
        result: Operand = self._emit(
            self._depth_of(here, joined_up, old), lambda: self.builder.select(here, joined_up, old)
        )
        return result

    def _check(self, value: Operand, conditions: Conditions, dim: int, size: int) -> None:
        """Report an index outside [0, size) although nothing is loaded with it."""
        if isinstance(value, Const):
            if not 0 <= int(value.value) < size:
                raise IndexError(Failure(dim, size).message(int(value.value)))
            return
        guards, when = conditions
        checked = Indirect(value, Index(), size, self._failure(dim, size))
        buffer = next(iter(self.buffers.values()))
        depth = self._depth_of(value, when, *guards)
        self._emit(
            depth,
            lambda: self.builder.load(buffer, 0, guards=guards, when=when, indirect=(checked,)),
        )

    def _pad(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        (x,) = node.operands
        low, value = node.attrs["low"], node.attrs.get("value", 0)
        bounds: list[Bound] = []
        place: list[Position] = []
        dims = self.cutter.dims(position, node.shape)
        for dim, n, before, size in zip(dims, node.shape, low, x.shape, strict=True):
            if n == size:
                place.append(dim)
                continue
            digits, bound = self._part(dim, n, before, size)
            bounds.append(bound)
            place.append(digits)
        return self._within(
            x, flat(place), conditions, bounds, lambda: self.builder.const(value, node.dtype)
        )

    def _slice_update(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        x, v = node.operands
        starts, steps = node.attrs["starts"], node.attrs["steps"]
        bounds: list[Bound] = []
        place: list[Position] = []
        extra: list[Value] = []
        dims = self.cutter.dims(position, node.shape)
        for dim, n, start, step, size in zip(dims, node.shape, starts, steps, v.shape, strict=True):
            if n == size:
                place.append(dim)
                continue
            if step == 1:
                digits, bound = self._part(dim, n, start, size)
            else:
                quotient, fits = self._divided(joined(dim, n).shifted(-start, n), step)
                digit = quotient.shifted(0, size)
                digits, bound = (digit,) if size != 1 else (), (digit, 0, size)
                extra.append(fits)
            bounds.append(bound)
            place.append(digits)
        return self._within(
            v, flat(place), conditions, bounds, lambda: self.value(x, position, conditions), extra
        )

    def _windows_add(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        """The sum of what the windows over an element hold there: window pos * stride + k."""
        (g,) = node.operands
        attrs = node.attrs
        walked = dict(
            zip(attrs["dims"], zip(attrs["sizes"], attrs["strides"], strict=True), strict=True)
        )
        dims = self.cutter.dims(position, node.shape)
        choices: list[list[tuple[Position, Position, list[Bound]]]] = []
        for d, (size, stride) in walked.items():
            major, minor = self._split(dims[d], node.shape[d], stride)
            found = []
            for turn in range(-(-size // stride)):
                at = major.shifted(-turn, g.shape[d])
                k = minor.shifted(turn * stride, size)
                bounds: list[Bound] = [(at, 0, g.shape[d])]
                if (turn + 1) * stride > size:
                    bounds.append((k, None, size))
                found.append((_number(at), _number(k), bounds))
            choices.append(found)
        zero = self.builder.const(0, node.dtype)
        total: Operand | None = None
        for combination in itertools.product(*choices):
            place = list(dims)
            for d, (window, _, _) in zip(walked, combination, strict=True):
                place[d] = window
            inside = [k for _, k, _ in combination]
            all_bounds = [bound for _, _, bounds in combination for bound in bounds]
            value = self._within(g, flat([*place, *inside]), conditions, all_bounds, lambda: zero)
            before = total
            total = value if before is None else self._plus(before, value)
        assert total is not None
        return total

    def _plus(self, a: Operand, b: Operand) -> Operand:
        made: Operand = self._emit(self._depth_of(a, b), lambda: self.builder.add(a, b))
        return made

    def _split(self, dim: Position, n: int, by: int) -> tuple[Digit, Digit]:
        """A dimension's number divided by a constant, and the remainder."""
        if by == 1:
            return joined(dim, n), Digit(1, Index())
        if n % by == 0:
            major, minor = self.cutter.dims(dim, (n // by, by))
            return joined(major, n // by), joined(minor, by)
        return self.cutter.quotient(joined(dim, n), by)

    def _diagonal_update(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        x, v = node.operands
        offset, one, two = node.attrs["offset"], node.attrs["dim1"], node.attrs["dim2"]
        dims = self.cutter.dims(position, node.shape)
        row, column = joined(dims[one], x.shape[one]), joined(dims[two], x.shape[two])
        back = tuple(Dynamic(d.value, -d.coefficient, d.size, d.code) for d in row.dynamic)
        apart = Digit(1, column.index - row.index - offset, (*column.dynamic, *back))
        along = row.shifted(-max(-offset, 0), v.shape[-1])
        bounds: list[Bound] = [(apart, 0, 1), (along, 0, v.shape[-1])]
        rest = [dim for d, dim in enumerate(dims) if d not in (one, two)]
        return self._within(
            v, flat([*rest, _number(along)]), conditions, bounds,
            lambda: self.value(x, position, conditions),
        )  # fmt: skip

    def _concat(self, node: Node, position: Position, conditions: Conditions) -> Operand:
        dim = node.attrs["dim"]
        n = node.shape[dim]
        dims = self.cutter.dims(position, node.shape)
        pieces = []
        start = 0
        for x in node.operands:
            pieces.append((x, start))
            start += x.shape[dim]
        pieces = [(x, start) for x, start in pieces if x.shape[dim]]
        if len(pieces) == 1:
            return self.value(pieces[0][0], position, conditions)

        def piece(k: int) -> Operand:
            x, start = pieces[k]
            size = x.shape[dim]
            digits, (digit, _, last) = self._part(dims[dim], n, start, size)
            place = flat((*dims[:dim], digits, *dims[dim + 1 :]))
            lower = None if k == 0 else 0
            upper = None if k == len(pieces) - 1 else last
            if k == len(pieces) - 1:
                return self._guarded(x, place, conditions, [(digit, lower, upper)])
            otherwise = piece(k + 1)
            inside = self._guarded(x, place, conditions, [(digit, lower, upper)])
            return self._choose([(digit, None, upper)], [], inside, otherwise)

        return piece(0)

    def _part(self, dim: Position, n: int, start: int, size: int) -> tuple[Position, Bound]:
        """Where an element of a dimension of n lies in its part [start, start + size).

        Returns the digits in the part, and the number that is in bounds if the element lies there.
        Parts that begin and end at multiples of a block keep the block's digits apart: then only
        the block's number has to be compared, which is constant in the inner loop.
        """
        block = math.gcd(n, start, size)
        if block < BLOCK:
            digit = joined(dim, n).shifted(-start, size)
            return (digit,) if size != 1 else (), (digit, 0, size)
        major, minor = self.cutter.dims(dim, (n // block, block))
        number = joined(major, n // block).shifted(-start // block, size // block)
        digits = minor if size == block else (number, *minor)
        return digits, (number, 0, size // block)

    def _divided(self, digit: Digit, step: int) -> tuple[Digit, Value]:
        """A number divided by a step, and whether it divides."""
        depth = self._depth_of(digit.index, *(d.value for d in digit.dynamic))
        b = self.builder

        def make() -> Any:
            value = self.cutter.computed(digit)
            quotient = b.call("floor_divide", value, b.const(step, int64))
            return quotient, b.equal(b.mul(quotient, b.const(step, int64)), value)

        with b.outside(depth):
            quotient, fits = make()
        for made in (quotient, fits):
            self.depths.setdefault(made.name, depth)
        return Digit(digit.extent, Index(), (Dynamic(quotient, 1, digit.extent),)), fits

    # elements that exist under conditions --------------------------------------------------------

    def _guarded(
        self, x: Node, place: Position, conditions: Conditions,
        bounds: Sequence[Bound], extra: list[Value] | None = None, fill: Any = None,
    ) -> Operand:  # fmt: skip
        """The element of x where all bounds hold; elsewhere `fill` (inputs only) or any value."""
        guards, when = list(conditions[0]), conditions[1]
        for digit, lower, upper in bounds:
            if digit.dynamic:
                when = self._both(when, self._inside(digit, lower, upper))
            else:
                low = None if lower is None else Index.of(lower)
                high = None if upper is None else Index.of(upper)
                guards.append(Guard(digit.index, low, high))
        for condition in extra or []:
            when = self._both(when, condition)
        inner = (tuple(guards), when)
        if fill is not None:
            return self.load(x, place, inner, fill)
        return self.value(x, place, inner)

    def _within(
        self, x: Node, place: Position, conditions: Conditions,
        bounds: Sequence[Bound], otherwise: Callable[[], Operand],
        extra: list[Value] | None = None,
    ) -> Operand:  # fmt: skip
        """The element of x where all bounds hold, else another one."""
        if not bounds:
            return self.value(x, place, conditions)
        if x in self.buffers and conditions == ALWAYS:
            other = otherwise()
            if isinstance(other, Const):
                return self._guarded(x, place, conditions, bounds, extra, other.value)
        inside = self._guarded(x, place, conditions, bounds, extra)
        return self._choose(bounds, extra or [], inside, otherwise())

    def _choose(
        self, bounds: Sequence[Bound], extra: list[Value],
        inside: Operand, otherwise: Operand,
    ) -> Operand:  # fmt: skip
        condition: Value | None = None
        for digit, lower, upper in bounds:
            if lower is not None or upper is not None:
                condition = self._both(condition, self._inside(digit, lower, upper))
        for value in extra:
            condition = self._both(condition, value)
        depth = self._depth_of(condition, inside, otherwise)
        chosen: Operand = self._emit(
            depth, lambda: self.builder.select(condition, inside, otherwise)
        )
        return chosen

    def _both(self, a: Value | None, b: Value) -> Value:
        if a is None:
            return b
        both: Value = self._emit(self._depth_of(a, b), lambda: self.builder.logical_and(a, b))
        return both

    def _inside(self, digit: Digit, lower: int | None, upper: int | None) -> Value:
        """lower <= digit < upper, as a scalar."""
        b = self.builder

        def make() -> Any:
            value = self.cutter.computed(digit)
            parts = []
            if lower is not None:
                parts.append(b.less_equal(b.const(lower, int64), value))
            if upper is not None:
                parts.append(b.less(value, b.const(upper, int64)))
            return b.logical_and(*parts) if len(parts) == 2 else parts[0]

        depth = self._depth_of(digit.index, *(d.value for d in digit.dynamic))
        inside: Value = self._emit(depth, make)
        return inside


def _number(digit: Digit) -> Position:
    return (digit,) if digit.extent != 1 else ()


def _always_loads(node: Node) -> bool:
    """Whether an element is loaded from an address in which all dimensions take part."""
    while node.op.name in ("reshape", "permute", "slice", "flip"):
        node = node.operands[0]
    return node.op.kind == "input"
