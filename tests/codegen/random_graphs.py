"""Random graphs of pointwise ops, reductions, views and reads, for comparing ways to run a graph."""

from __future__ import annotations

import math

import numpy as np

from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph, Node
from graphtorch.ir.op import OPS
from graphtorch.ir.types import DType, bool_, float32, int64

UNARY = ("neg", "abs", "exp", "tanh", "sigmoid", "square", "relu", "sin")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
REDUCTIONS = ("sum", "amax", "amin")
SHAPES = ((6,), (4, 6), (2, 3, 4), (3, 8), (12,), (2, 1, 5), (1,), (), (40, 3), (5, 70))


class RandomGraph:
    """`RandomGraph(seed, size).graph` has about `size` nodes; values stay of moderate size."""

    def __init__(self, seed: int, size: int):
        self.random = np.random.default_rng(seed)
        self.values: list[Node] = []
        with GraphBuilder(f"random_{seed}") as builder:
            self.builder = builder
            shape = self.pick(SHAPES)
            for number in range(int(self.random.integers(1, 4))):
                wanted = shape if self.random.random() < 0.7 else self.pick(SHAPES)
                self.values.append(builder.input(float32[wanted], f"x{number}"))
            while len(builder.nodes) < size:
                self.step()
            self.graph: Graph = builder.finish(self.outputs())

    def pick(self, among):
        return among[int(self.random.integers(len(among)))]

    def value(self, dtype: DType = float32) -> Node:
        """A value, the newer the likelier."""
        found = [v for v in self.values if v.dtype is dtype]
        place = int(len(found) * math.sqrt(self.random.random()))
        return found[min(place, len(found) - 1)]

    def outputs(self) -> tuple[Node, ...]:
        read = {x for n in self.builder.nodes for x in n.operands}
        ends = [n for n in self.builder.nodes if n not in read]
        extra = [v for v in self.values if v not in ends and self.random.random() < 0.15]
        return tuple([*ends, *extra])

    def add(self, node: Node) -> Node:
        if node.dtype is float32 and node.op.name in ("square", "mul", "sum", "exp"):
            node = ops.minimum(ops.maximum(node, -3.0), 3.0)
        self.values.append(node)
        return node

    def step(self) -> None:
        kinds = (self.unary, self.binary, self.reduction, self.view, self.read, self.keep)
        chances = np.array([0.24, 0.26, 0.16, 0.16, 0.06, 0.12])
        kinds[int(self.random.choice(len(kinds), p=chances))]()

    def unary(self) -> None:
        self.add(OPS[self.pick(UNARY)](self.value()))

    def binary(self) -> None:
        a = self.value()
        same = [v for v in self.values if v.type == a.type]
        b = self.pick(same) if self.random.random() < 0.8 else float(self.random.normal())
        if self.random.random() < 0.1:
            condition = ops.lt(a, b)
            self.add(ops.where(condition, a, 0.5))
        else:
            self.add(OPS[self.pick(BINARY)](a, b))

    def dims(self, x: Node) -> tuple[int, ...]:
        return tuple(d for d in range(x.ndim) if self.random.random() < 0.5)

    def reduction(self) -> None:
        x = self.value()
        if not x.ndim:
            return
        if self.random.random() < 0.12:
            at = ops.argmax(x, dim=int(self.random.integers(x.ndim)))
            self.values.append(at)
            self.add(ops.cast(at, dtype=float32) * 0.1)
            return
        dims = self.dims(x) or (int(self.random.integers(x.ndim)),)
        self.add(OPS[self.pick(REDUCTIONS)](x, dims=dims))

    def keep(self) -> None:
        """x combined with a reduction of itself, as norms and softmax do."""
        x = self.value()
        dims = self.dims(x)
        if not dims:
            return
        small = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
        r = OPS[self.pick(REDUCTIONS)](x, dims=dims)
        back = ops.expand(ops.reshape(r, shape=small), shape=x.shape)
        self.add(OPS[self.pick(("sub", "maximum"))](x, back))

    def view(self) -> None:
        x = self.value()
        kind = self.pick(("permute", "reshape", "expand", "slice", "flip"))
        if kind == "permute" and x.ndim > 1:
            self.add(ops.permute(x, dims=tuple(int(d) for d in self.random.permutation(x.ndim))))
        elif kind == "reshape":
            shapes = [s for s in SHAPES if math.prod(s) == x.type.numel]
            options = [*shapes, (x.type.numel,), (*x.shape, 1), (1, *x.shape)]
            if x.type.numel % 2 == 0:
                options.append((2, x.type.numel // 2))
            self.add(ops.reshape(x, shape=self.pick(options)))
        elif kind == "expand" and x.type.numel < 500:
            shape = tuple(3 if n == 1 and self.random.random() < 0.5 else n for n in x.shape)
            lead = (2,) if self.random.random() < 0.5 else ()
            self.add(ops.expand(x, shape=(*lead, *shape)))
        elif kind == "slice" and x.ndim:
            starts = tuple(int(self.random.integers(0, max(n // 2, 1))) for n in x.shape)
            steps = tuple(int(self.random.integers(1, 3)) for _ in x.shape)
            self.add(ops.slice(x, starts=starts, stops=x.shape, steps=steps))
        elif kind == "flip" and x.ndim:
            self.add(ops.flip(x, dims=self.dims(x) or (0,)))

    def read(self) -> None:
        x = self.value()
        if not x.ndim or x.type.numel > 2000:
            return
        dim = int(self.random.integers(x.ndim))
        kind = self.pick(("pad", "concat", "slice_update", "take", "gather", "one_hot"))
        if kind == "pad":
            low = tuple(int(self.random.integers(0, 3)) for _ in x.shape)
            self.add(ops.pad(x, low=low, high=low[::-1], value=self.pick((0, 0.5))))
        elif kind == "concat":
            same = [v for v in self.values if v.type == x.type]
            self.add(ops.concat(x, self.pick(same), dim=dim))
        elif kind == "slice_update":
            starts = tuple(int(self.random.integers(0, n)) for n in x.shape)
            part = ops.slice(x, starts=starts, stops=x.shape, steps=(1,) * x.ndim)
            self.add(
                ops.slice_update(x, part * 2.0, starts=starts, stops=x.shape, steps=(1,) * x.ndim)
            )
        elif kind == "take":
            count = int(self.random.integers(1, 5))
            start = int(self.random.integers(0, x.shape[dim]))
            index = ops.minimum(
                ops.iota(length=count, start=start, step=1, dtype=int64), x.shape[dim] - 1
            )
            self.add(ops.take(x, index, dim=dim))
        else:
            first = ops.amax(x, dims=(dim,))
            small = tuple(1 if d == dim else n for d, n in enumerate(x.shape))
            index = ops.reshape(ops.argmax(x, dim=dim), shape=small)
            if kind == "gather":
                self.add(ops.gather(x, index, dim=dim))
            else:
                self.add(ops.scatter_add(x, index, ops.reshape(first, shape=small), dim=dim))

    def arrays(self) -> list[np.ndarray]:
        return [
            self.random.normal(size=n.shape).astype(np.float32)
            if n.dtype is not bool_
            else self.random.random(n.shape) < 0.5
            for n in self.graph.inputs
        ]
