"""Positions: which element of a value is meant, in terms of loop axes.

A position is a list of digits in row-major order, major to minor.  An element of f32[12, 5] whose
rows two loops walk is at

    (Digit(3, i), Digit(4, j), Digit(5, k))         element 20 i + 5 j + k, i < 3, j < 4, k < 5

so that a reshape changes nothing, and the address is the number the digits stand for.  `Cutter.dims`
groups the digits by dimension where an op asks for dimensions.  `behind` takes the position of a
view's element to the position of the operand's element it shows, the other way round than
`ir.passes.fuse_index`, because here the loops walk the results.

Where a dimension ends inside a digit, the loop that makes the digit has to be cut: `CutAxis` says
where, and lowering starts again with finer axes.  Where that does not help (a digit with an offset,
an uneven cut), the digit is computed with integer division instead: slow, and always right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..ir.graph import Node
from ..ir.types import int64
from .kernel import Index, Indirect, Operand, Value
from .kernel_builder import KernelBuilder


class CutAxis(Exception):
    """Axis `axis` has to become two loops, the inner one of `inner` iterations."""

    def __init__(self, axis: str, inner: int):
        super().__init__(f"cut {axis} at {inner}")
        self.axis, self.inner = axis, inner


@dataclass(frozen=True, slots=True)
class Dynamic:
    """A computed part of a position: value * coefficient, value in [0, size), checked with `code`."""

    value: Value
    coefficient: int
    size: int
    code: int = 0


@dataclass(frozen=True, slots=True)
class Digit:
    """A number in [0, extent): an index over axes, plus computed parts."""

    extent: int
    index: Index
    dynamic: tuple[Dynamic, ...] = ()

    def __mul__(self, factor: int) -> Digit:
        parts = tuple(
            Dynamic(d.value, d.coefficient * factor, d.size, d.code) for d in self.dynamic
        )
        return Digit(self.extent, self.index * factor, parts)

    def shifted(self, by: int, extent: int) -> Digit:
        """This number plus `by`, known to lie in [0, extent)."""
        return Digit(extent, self.index + by, self.dynamic)


Position = tuple[Digit, ...]


def joined(digits: Iterable[Digit], extent: int) -> Digit:
    """One digit for several, major to minor."""
    step, index = 1, Index()
    dynamic: tuple[Dynamic, ...] = ()
    for digit in reversed(list(digits)):
        scaled = digit * step
        index, dynamic = index + scaled.index, (*dynamic, *scaled.dynamic)
        step *= digit.extent
    return Digit(extent, index, dynamic)


def flat(dims: Iterable[Position]) -> Position:
    """The position whose digits per dimension are given."""
    return tuple(digit for dim in dims for digit in dim)


def address(position: Position) -> tuple[Index, tuple[Indirect, ...]]:
    """Where an element lies in a dense buffer."""
    digit = joined(position, 1)
    indirect = (Indirect(d.value, Index.of(d.coefficient), d.size, d.code) for d in digit.dynamic)
    return digit.index, tuple(indirect)


@dataclass(slots=True)
class Cutter:
    """How positions are taken apart: which axes may still be cut, and a builder for divisions."""

    builder: KernelBuilder
    axes: dict[str, int] = field(default_factory=dict)  # extents of the axes that may be cut

    def dims(self, position: Position, shape: Sequence[int]) -> list[Position]:
        """The digits of every dimension of a shape."""
        rest = list(position)
        dims: list[Position] = []
        for size in reversed(shape):
            taken: list[Digit] = []
            while size > 1:
                digit = rest.pop()
                if size % digit.extent == 0:
                    taken.append(digit)
                    size //= digit.extent
                elif digit.extent % size == 0:
                    major, minor = self._cut(digit, size)
                    taken.append(minor)
                    rest.append(major)
                    size = 1
                else:
                    return self._divided(position, shape)
            dims.append(tuple(reversed(taken)))
        return dims[::-1]

    def _cut(self, digit: Digit, inner: int) -> tuple[Digit, Digit]:
        """A digit as two, the minor one below `inner`."""
        terms = digit.index.terms
        if not digit.dynamic and len(terms) == 1:
            ((symbols, coefficient),) = terms
            if coefficient == 1 and len(symbols) == 1 and self.axes.get(symbols[0]) == digit.extent:
                raise CutAxis(symbols[0], inner)
        return self.quotient(digit, inner)

    def quotient(self, digit: Digit, by: int) -> tuple[Digit, Digit]:
        """A number divided by a constant, and the remainder, by integer division."""
        value, divisor = self.computed(digit), self.builder.const(by, int64)
        major = self.builder.call("floor_divide", value, divisor)
        minor = self.builder.sub(value, self.builder.mul(major, divisor))
        return self._number(major, -(-digit.extent // by)), self._number(minor, by)

    def _divided(self, digits: Position, shape: Sequence[int]) -> list[Position]:
        """The same as `dims` by integer division."""
        total = math.prod(shape)
        rest: Digit = joined(digits, total)
        dims: list[Position] = []
        for size in reversed(shape):
            if size == 1:
                dims.append(())
                continue
            if rest.extent == size:
                dims.append((rest,))
                break
            rest, minor = self.quotient(rest, size)
            dims.append((minor,))
        dims += [()] * (len(shape) - len(dims))
        return dims[::-1]

    def _number(self, value: object, extent: int) -> Digit:
        if not isinstance(value, Value):
            return Digit(extent, Index.of(int(value.value)))  # type: ignore[attr-defined]
        return Digit(extent, Index(), (Dynamic(value, 1, extent),))

    def computed(self, digit: Digit) -> Operand:
        """A digit as an i64 scalar."""
        value: Operand = self.builder.position(digit.index)
        for part in digit.dynamic:
            wide = self.builder.cast(part.value, int64)
            scaled = self.builder.mul(wide, self.builder.const(part.coefficient, int64))
            value = self.builder.add(value, scaled)
        return value

    # views ---------------------------------------------------------------------------------------

    def behind(self, view: Node, position: Position) -> Position:
        """The operand's element that the view's element at `position` shows."""
        operand, attrs = view.operands[0], view.attrs
        name = view.op.name
        if name in ("reshape", "stop_gradient"):
            return position
        if name == "expand" and operand.type.numel == 1:  # type: ignore[union-attr]
            return ()  # one element for all: no reason to cut the axes at the view's dimensions
        dims = self.dims(position, view.shape)
        match name:
            case "permute":
                back: list[Position] = [()] * operand.ndim
                for place, dim in enumerate(attrs["dims"]):
                    back[dim] = dims[place]
                return flat(back)
            case "expand":
                lead = len(dims) - operand.ndim
                pairs = zip(dims[lead:], operand.shape, strict=True)
                return flat(dim if size != 1 else () for dim, size in pairs)
            case "flip":
                return flat(
                    _affine(dim, size, -1, size - 1, size) if d in attrs["dims"] else dim
                    for d, (dim, size) in enumerate(zip(dims, operand.shape, strict=True))
                )
            case "slice":
                bounds = zip(attrs["starts"], attrs["steps"], operand.shape, strict=True)
                return flat(
                    _affine(dim, n, step, start, size)
                    for dim, n, (start, step, size) in zip(dims, view.shape, bounds, strict=True)
                )
            case "windows":
                return self._windows(view, operand, dims)
            case "diagonal":
                return self._diagonal(view, operand, dims)
        raise AssertionError(f"{name} is no view")

    def _windows(self, view: Node, operand: Node, dims: list[Position]) -> Position:
        back = dims[: operand.ndim]
        inside = dims[operand.ndim :]
        for d, stride, dim in zip(view.attrs["dims"], view.attrs["strides"], inside, strict=True):
            size = operand.shape[d]
            base, offset = joined(back[d], size) * stride, joined(dim, size)
            both = Digit(size, base.index + offset.index, (*base.dynamic, *offset.dynamic))
            back[d] = (both,) if size != 1 else ()
        return flat(back)

    def _diagonal(self, view: Node, operand: Node, dims: list[Position]) -> Position:
        offset, one, two = view.attrs["offset"], view.attrs["dim1"], view.attrs["dim2"]
        along = joined(dims[-1], view.shape[-1])
        rest = iter(dims[:-1])
        starts = {one: max(-offset, 0), two: max(offset, 0)}
        return flat(
            () if size == 1 else (along.shifted(starts[d], size),) if d in starts else next(rest)
            for d, size in enumerate(operand.shape)
        )


def _affine(dim: Position, n: int, step: int, start: int, size: int) -> Position:
    """Element start + step * i of a dimension of `size`, i the number `dim` below n."""
    if step == 1 and start == 0 and n == size:
        return dim
    scaled = joined(dim, n) * step
    return (scaled.shifted(start, size),) if size != 1 else ()
