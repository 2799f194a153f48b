"""Index maps of views agree with NumPy's strides, and relations say how a view is walked."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Node
from graphtorch.ir.interpret import interpret
from graphtorch.ir.passes.fuse_index import (
    VIEWS,
    Access,
    identity,
    inverse,
    recut,
    reduced_runs,
    relation,
    through,
)
from graphtorch.ir.types import float32


def access_of(node: Node) -> Access | None:
    if node.op.name not in VIEWS:
        return identity(node.shape)
    below = access_of(node.operands[0])
    return None if below is None else through(node, below)


def offsets(access: Access) -> np.ndarray:
    """The source's element that every element of the view is, by brute force."""
    found = np.array(access.offset)
    for dim in access.dims:
        along = np.zeros(1, int)
        for extent, stride in dim:
            along = (along[:, None] + stride * np.arange(extent)).reshape(-1)
        found = found[..., None] + along
    return found


CHAINS = {
    "permute": lambda x: ops.permute(x, dims=(2, 0, 1)),
    "merged permute": lambda x: ops.reshape(ops.permute(x, dims=(1, 0, 2)), shape=(4, 18)),
    "expand": lambda x: ops.expand(ops.reshape(x, shape=(3, 1, 4, 6)), shape=(2, 3, 5, 4, 6)),
    "slice": lambda x: ops.slice(x, starts=(1, 0, 1), stops=(3, 4, 6), steps=(1, 1, 2)),
    "slice of a merge": lambda x: ops.slice(
        ops.reshape(ops.permute(x, dims=(1, 0, 2)), shape=(4, 18)),
        starts=(0, 6),
        stops=(4, 18),
        steps=(1, 1),
    ),  # fmt: skip
    "flip": lambda x: ops.flip(x, dims=(0, 2)),
    "flip of a merge": lambda x: ops.flip(
        ops.reshape(ops.permute(x, dims=(1, 0, 2)), shape=(4, 18)), dims=(1,)
    ),
    "windows": lambda x: ops.windows(x, dims=(1, 2), sizes=(2, 3), strides=(1, 2)),
    "diagonal": lambda x: ops.diagonal(x, offset=1, dim1=0, dim2=2),
    "uneven reshape": lambda x: ops.reshape(x, shape=(8, 9)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_maps_are_numpys(name: str) -> None:
    with GraphBuilder() as builder:
        x = builder.input(float32[3, 4, 6], "x")
        view = CHAINS[name](x)
        graph = builder.finish((view,))
    access = access_of(view)
    assert access is not None
    array = np.arange(72, dtype=np.float32).reshape(3, 4, 6)
    (wanted,) = interpret(graph, array)
    assert tuple(np.prod([e for e, _ in d] or [1]) for d in access.dims) == view.shape
    np.testing.assert_array_equal(array.reshape(-1)[offsets(access)].reshape(view.shape), wanted)


def test_an_uneven_cut_of_a_transposed_value_is_no_map() -> None:
    with GraphBuilder() as builder:
        x = builder.input(float32[4, 6], "x")
        turned = ops.permute(x, dims=(1, 0))
        assert access_of(ops.reshape(turned, shape=(8, 3))) is None
        assert access_of(ops.reshape(turned, shape=(3, 2, 4))) is not None


def test_relations() -> None:
    with GraphBuilder() as builder:
        x = builder.input(float32[4, 6], "x")
        row = builder.input(float32[6], "row")
        kept = ops.expand(ops.reshape(ops.sum(x, dims=(1,)), shape=(4, 1)), shape=(4, 6))
        bias = ops.expand(row, shape=(4, 6))
        turned = ops.permute(x, dims=(1, 0))
    assert relation(access_of(ops_reshape(x, (2, 12))), 24) == ((24, False),)
    assert relation(access_of(kept), 4) == ((4, False), (6, True)) == reduced_runs((4, 6), (1,))
    assert relation(access_of(bias), 6) == ((4, True), (6, False))
    assert relation(access_of(turned), 24) is None


def ops_reshape(x: Node, shape: tuple[int, ...]) -> Node:
    with GraphBuilder():
        return ops.reshape(x, shape=shape)


def test_inverse() -> None:
    heads = Access((((2, 24),), ((4, 2), (3, 8), (2, 1))))  # [2, 3, 4, 2], heads inside
    assert inverse(heads, (2, 3, 4, 2)) == (24, 2, 6, 1)
    assert inverse(identity((4, 6)), (4, 6)) == (6, 1)
    assert inverse(Access((((4, 0),), ((6, 1),))), (6,)) is None
    assert recut(identity((4, 6)), (2, 2, 6)) == identity((2, 2, 6))
