"""Rows that a kernel reads more than once ask for the next row."""

import numpy as np
import pytest

from graphtorch.codegen.kernel import Kernel, Load, statements
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph
from graphtorch.ir.passes.decompose import decompose
from graphtorch.ir.types import float32
from tests.codegen.test_lower import check


def softmax(*shape: int, dim: int) -> Graph:
    with GraphBuilder("softmax") as b:
        return decompose(b.finish((ops.softmax(b.input(float32[shape], "x"), dim=dim),)))


def hints(kernel: object) -> list[int]:
    assert isinstance(kernel, Kernel)
    return [
        s.ahead for s in statements(kernel.body) if isinstance(s, Load) and s.buffer.role == "in"
    ]


@pytest.mark.parametrize(
    ("shape", "dim", "expected"),
    [
        ((9, 1000), 1, [0, 1000]),  # the last sweep over x asks for what lies one row behind
        ((2, 6, 300), 2, [0, 300]),
        ((3, 9000), 1, [0, 0]),  # a row of more than 16 KB would push itself out
    ],
)
def test_last_sweep_of_a_row_fetches_the_next(
    shape: tuple[int, ...], dim: int, expected: list[int]
) -> None:
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    (launch,) = check(softmax(*shape, dim=dim), [x]).launches
    assert hints(launch.kernel) == expected
    assert str(launch.kernel).count("# prefetch") == len([h for h in expected if h])


def test_one_sweep_needs_no_hint() -> None:
    with GraphBuilder("total") as b:
        graph = b.finish((ops.sum(b.input(float32[9, 1000], "x"), dims=(1,)),))
    (launch,) = check(graph, [np.ones((9, 1000), np.float32)]).launches
    assert hints(launch.kernel) == [0]
