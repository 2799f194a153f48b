"""Random programs: gradients and every pass keep graphs valid and numbers the same."""

import math
import random

import numpy as np
import pytest

from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.partition import partition
from graphtorch.ir.passes.pipeline import pipeline
from graphtorch.ir.passes.rematerialise import rematerialise
from graphtorch.ir.transforms import vjp
from graphtorch.ir.types import float64, int64
from graphtorch.ir.verify import verify

SHAPES = [
    (),
    (1,),
    (4,),
    (2, 3),
    (3, 2),
    (6,),
    (1, 3),
    (2, 1),
    (2, 3, 4),
    (6, 4),
    (4, 6),
    (1, 2, 3),
]
UNARY = ("neg", "abs", "tanh", "sin", "exp", "square", "relu", "sigmoid", "cos")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
LITERALS = (0, 1, -1, 0.5, 2, -0.0, 0.0, 3.0)


class Program:
    """Draws one op after another on what was drawn before."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.arrays = []

    def build(self):
        rng = np.random.default_rng(self.random.randrange(2**32))
        with GraphBuilder("f") as self.builder:
            self.values = []
            for i in range(self.random.randint(1, 3)):
                shape = self.random.choice(SHAPES)
                self.arrays.append(rng.uniform(-1, 1, shape))
                self.values.append(self.builder.input(float64[shape], f"x{i}"))
            self.values.append(
                ops.full(shape=(2, 3), value=self.random.choice((0.0, 1.0, 2.5)), dtype=float64)
            )
            for _ in range(self.random.randint(3, 25)):
                drawn = getattr(self, self.random.choice(self.KINDS))()
                if drawn is not None and drawn.type.numel <= 500:
                    self.values.append(drawn)
            count = self.random.randint(1, 3)
            outputs = [self.pick() for _ in range(count)]
            for node in self.builder.inputs:
                same = [v for v in self.values if v.type == node.type and v is not node]
                if same and self.random.random() < 0.3:
                    self.builder.update(node, self.random.choice(same))
            return self.builder.finish(outputs)

    KINDS = (
        "unary", "unary", "binary", "binary", "binary", "literal", "choice", "reduction", "reshape",
        "permute", "expand", "slice", "matmul", "concat", "cast", "take",
    )  # fmt: skip

    def pick(self):
        return self.random.choice(self.values[-12:])

    def unary(self):
        name = self.random.choice(UNARY)
        x = self.pick()
        return getattr(ops, name)(ops.tanh(x) if name in ("exp", "square") else x)

    def alike(self, x):
        """A value of the same shape: another one, or an expanded one."""
        same = [v for v in self.values if v.shape == x.shape]
        wide = [v for v in self.values if fits(v.shape, x.shape)]
        v = self.random.choice(same if self.random.random() < 0.6 else wide)
        return v if v.shape == x.shape else ops.expand(v, shape=x.shape)

    def binary(self):
        x = self.pick()
        return getattr(ops, self.random.choice(BINARY))(x, self.alike(x))

    def literal(self):
        pair = [self.pick(), self.random.choice(LITERALS)]
        self.random.shuffle(pair)
        name = self.random.choice(("add", "sub", "mul", "div", "pow"))
        if name == "div":
            return ops.div(pair[0] if pair[1] in LITERALS[1:5] else self.pick(), 4.0)
        if name == "pow":
            return ops.pow(self.pick(), self.random.choice((1, 2, 3)))
        return getattr(ops, name)(*pair)

    def choice(self):
        x = self.pick()
        y = self.alike(x)
        condition = ops.gt(x, y) if self.random.random() < 0.7 else ops.gt(x, 0)
        if self.random.random() < 0.3:
            condition = ops.logical_not(condition)
        return ops.where(condition, self.alike(x), 0.5 if self.random.random() < 0.3 else y)

    def reduction(self):
        x = self.pick()
        dims = tuple(d for d in range(x.ndim) if self.random.random() < 0.5)
        return (
            getattr(ops, self.random.choice(("sum", "sum", "mean", "amax")))(x, dims=dims)
            if dims
            else None
        )

    def reshape(self):
        x = self.pick()
        fitting = [s for s in SHAPES if math.prod(s) == x.type.numel]
        return ops.reshape(x, shape=self.random.choice([*fitting, (1, *x.shape), (*x.shape, 1)]))

    def permute(self):
        x = self.pick()
        return ops.permute(x, dims=tuple(self.random.sample(range(x.ndim), x.ndim)))

    def expand(self):
        x = self.pick()
        fitting = [s for s in SHAPES if fits(x.shape, s)]
        return ops.expand(x, shape=self.random.choice(fitting)) if fitting else None

    def slice(self):
        x = self.pick()
        starts = tuple(self.random.randrange(n) for n in x.shape)
        stops = tuple(self.random.randint(a + 1, n) for a, n in zip(starts, x.shape, strict=True))
        return ops.slice(x, starts=starts, stops=stops, steps=(1,) * x.ndim)

    def matmul(self):
        pairs = [
            (a, b) for a in self.values for b in self.values
            if a.ndim == b.ndim == 2 and a.shape[1] == b.shape[0]
        ]  # fmt: skip
        return ops.tanh(ops.matmul(*self.random.choice(pairs))) if pairs else None

    def concat(self):
        x = self.pick()
        return ops.concat(x, self.alike(x), dim=self.random.randrange(x.ndim)) if x.ndim else None

    def cast(self):
        x = self.pick()
        return ops.cast(ops.cast(ops.gt(x, 0), dtype=int64), dtype=float64)

    def take(self):
        x = self.pick()
        if not x.ndim or not x.shape[0]:
            return None
        index = ops.iota(length=x.shape[0], start=0, step=1, dtype=int64)
        return ops.take(x, index, dim=0)


def fits(small, large):
    lead = len(large) - len(small)
    return lead >= 0 and all(a in (1, b) for a, b in zip(small, large[lead:], strict=True))


def assert_same(expected, found, what):
    assert len(expected) == len(found)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9, err_msg=str(what))


@pytest.mark.parametrize("seed", range(60))
def test_random_program(seed):
    program = Program(seed)
    graph = verify(program.build())
    assert str(parse(str(graph))) == str(graph)
    joint = verify(vjp(graph))
    rng = np.random.default_rng(seed)
    cotangents = [rng.standard_normal(n.shape) for n in joint.inputs[len(graph.inputs) :]]
    arrays = [*program.arrays, *cotangents]
    expected = interpret(joint, *arrays)

    passes = dict(pipeline()) | {"rematerialise": lambda g: rematerialise(g, budget=0)}
    stage = joint
    for name, function in passes.items():
        try:
            stage = verify(function(stage))
            assert_same(expected, interpret(stage, *arrays), name)
        except Exception as error:
            raise AssertionError(f"{name}, on the program of seed {seed}:\n{joint}") from error

    split = partition(joint)
    verify(split.forward), verify(split.backward)
    ahead = interpret(split.forward, *program.arrays)
    read = {"input": program.arrays, "output": ahead, "cotangent": cotangents}
    back = interpret(split.backward, *(read[kind][i] for kind, i in split.sources))
    count = len(split.forward.outputs)
    updates = ahead[count:] + back[len(split.backward.outputs) :]
    assert_same(
        expected,
        ahead[: split.outputs] + back[: len(split.backward.outputs)] + updates,
        "partition",
    )
