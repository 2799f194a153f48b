"""Convolutions as loop kernels: the same three loops around a product, whatever the gradient.

forward        threads side by side along the last position
input_grad     the same over positions of the input; a window counts where the stride divides
weight_grad    a block per weight, its threads along the largest of images and positions

Sums run in a fixed order; the epilogue follows where the sum is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ...ir.types import contiguous_strides
from ..contraction.describe import Convolution, Layout
from ..kernel import Guard, Index, Indirect, Kernel, Operand
from ..kernel_builder import KernelBuilder
from .matmul import element


def convolution_kernel(c: Convolution) -> Kernel:
    """The kernel; operands as the description's slots."""
    return _Builder(c).build()


def _at(strides: Sequence[int], indices: Sequence[Index]) -> Index:
    return element(Layout(tuple(strides)), indices)


class _Builder:
    def __init__(self, c: Convolution):
        self.c = c
        self.b = KernelBuilder(f"convolution_{c.kind}")
        self.first = self.b.input("x" if c.kind == "forward" else "g", c.dtype)
        self.second = self.b.input("x" if c.kind == "weight_grad" else "w", c.dtype)
        self.extras = [self.b.input(f"e{i}", e.dtype) for i, e in enumerate(c.epilogue.operands)]
        self.results = c.epilogue.results or (Layout.of(c.shape, c.dtype),)
        self.outs = [self.b.output(f"y{i}", r.dtype) for i, r in enumerate(self.results)]
        self.spatial = range(len(c.stride))
        self.channels = c.weight[1]  # of a group
        self.filters = c.weight[0] // c.groups

    def build(self) -> Kernel:
        {"forward": self._forward, "input_grad": self._input, "weight_grad": self._weight}[
            self.c.kind
        ]()
        return self.b.finish()

    def _sum(
        self, loops: Sequence[tuple[str, int]], body: Callable[[list[Index]], Operand]
    ) -> Operand:
        """Nested serial sums of `body` over loops."""

        def nest(rest: Sequence[tuple[str, int]], found: list[Index]) -> Operand:
            if not rest:
                return body(found)
            (name, extent), *inner = rest
            with self.b.serial(name, extent) as loop:
                value = nest(inner, [*found, loop.index])
                total: Operand = loop.reduce("add", value)
            return total

        return nest(loops, [])

    def _store(self, total: Operand, indices: list[Index]) -> None:
        c, b = self.c, self.b
        loaded = [
            b.load(buffer, element(layout, indices))
            for buffer, layout in zip(self.extras, c.epilogue.operands, strict=True)
        ]
        values = c.epilogue.body(b, total, *loaded)
        for buffer, layout, value in zip(self.outs, self.results, values, strict=True):
            b.store(buffer, element(layout, indices), value)

    def _kernel_loops(self) -> list[tuple[str, int]]:
        return [(f"k{d}", self.c.weight[2 + d]) for d in self.spatial]

    def _grid_positions(self, sizes: Sequence[int]) -> list[Index]:
        return [self.b.grid(f"p{d}", size) for d, size in enumerate(sizes[:-1])]

    def _forward(self) -> None:
        c, b = self.c, self.b
        n, g, f = b.grid("n", c.input[0]), b.grid("g", c.groups), b.grid("f", self.filters)
        outer = self._grid_positions(c.positions)
        with b.vector("p", c.positions[-1]) as last:
            place = [*outer, last.index]

            def product(found: list[Index]) -> Operand:
                channel, *window = found
                x = self._image(self.first, n, g * self.channels + channel, place, window)
                w = b.load(
                    self.second,
                    _at(contiguous_strides(c.weight), [g * self.filters + f, channel, *window]),
                )
                product: Operand = b.mul(x, w)
                return product

            total = self._sum([("c", self.channels), *self._kernel_loops()], product)
            self._store(total, [n, g * self.filters + f, *place])

    def _image(
        self, buffer: object, n: Index, channel: Index, place: list[Index], window: list[Index]
    ) -> Operand:
        """The element of the input under a window's position; 0 in the padding."""
        c = self.c
        at = [
            place[d] * c.stride[d] + window[d] * c.dilation[d] - c.padding[d] for d in self.spatial
        ]
        guards = tuple(
            Guard(at[d], Index(), Index.of(c.input[2 + d]))
            for d in self.spatial
            if c.padding[d] or not self._always_inside(d)
        )
        index = _at(contiguous_strides(c.input), [n, channel, *at])
        return self.b.load(buffer, index, guards=guards)  # type: ignore[arg-type]

    def _always_inside(self, d: int) -> bool:
        c = self.c
        reach = (c.positions[d] - 1) * c.stride[d] + (c.weight[2 + d] - 1) * c.dilation[d]
        return reach - c.padding[d] < c.input[2 + d]

    def _input(self) -> None:
        c, b = self.c, self.b
        n, g, ch = b.grid("n", c.input[0]), b.grid("g", c.groups), b.grid("c", self.channels)
        outer = self._grid_positions(c.input[2:])
        with b.vector("p", c.input[-1]) as last:
            place = [*outer, last.index]

            def product(found: list[Index]) -> Operand:
                f, *window = found
                grad = self._window(n, g * self.filters + f, place, window)
                w = b.load(
                    self.second,
                    _at(contiguous_strides(c.weight), [g * self.filters + f, ch, *window]),
                )
                product: Operand = b.mul(grad, w)
                return product

            total = self._sum([("f", self.filters), *self._kernel_loops()], product)
            self._store(total, [n, g * self.channels + ch, *place])

    def _window(self, n: Index, f: Index, place: list[Index], window: list[Index]) -> Operand:
        """The gradient of the position whose window's element lies at `place`, or 0."""
        c, b = self.c, self.b
        strides = contiguous_strides(c.output)
        index = n * strides[0] + f * strides[1]
        guards: list[Guard] = []
        indirect: list[Indirect] = []
        fits = None
        for d in self.spatial:
            at = place[d] + c.padding[d] - window[d] * c.dilation[d]
            if c.stride[d] == 1:
                guards.append(Guard(at, Index(), Index.of(c.positions[d])))
                index = index + at * strides[2 + d]
                continue
            number = b.position(at)
            q = b.call("floor_divide", number, c.stride[d])
            whole = b.equal(b.mul(q, c.stride[d]), number)
            inside = b.logical_and(b.less_equal(0, q), b.less(q, c.positions[d]))
            here = b.logical_and(whole, inside)
            fits = here if fits is None else b.logical_and(fits, here)
            indirect.append(Indirect(q, Index.of(strides[2 + d]), c.positions[d], 0))
        return b.load(self.first, index, guards=tuple(guards), when=fits, indirect=tuple(indirect))

    def _weight(self) -> None:
        c, b = self.c, self.b
        g, f, ch = b.grid("g", c.groups), b.grid("f", self.filters), b.grid("c", self.channels)
        window = [b.grid(f"k{d}", size) for d, size in enumerate(c.weight[2:])]
        sizes = [("n", c.input[0]), *((f"p{d}", size) for d, size in enumerate(c.positions))]
        widest = max(range(len(sizes)), key=lambda i: sizes[i][1])
        rest = [size for i, size in enumerate(sizes) if i != widest]
        name, extent = sizes[widest]
        with b.vector(name, extent) as loop:

            def product(found: list[Index]) -> Operand:
                indices = [*found[:widest], loop.index, *found[widest:]]
                n, place = indices[0], indices[1:]
                grad = b.load(
                    self.first, _at(contiguous_strides(c.output), [n, g * self.filters + f, *place])
                )
                x = self._image(self.second, n, g * self.channels + ch, place, window)
                product: Operand = b.mul(grad, x)
                return product

            total = loop.reduce("add", self._sum(rest, product))
        self._store(total, [g * self.filters + f, ch, *window])


def flops(c: Convolution) -> int:
    """Multiplications and additions of a convolution."""
    return 2 * math.prod(c.output) * math.prod(c.weight[1:])
