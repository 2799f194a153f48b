"""Fused and lowered graphs give what the interpreter gives, through the kernels' NumPy interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen import lower_columns, lower_loops, lower_map, lower_reads, lower_rows
from graphtorch.codegen.kernel import Kernel
from graphtorch.codegen.lower import lower
from graphtorch.codegen.program import HostCall, Program
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph
from graphtorch.ir.interpret import interpret
from graphtorch.ir.op import OPS
from graphtorch.ir.passes import fuse as fusion
from graphtorch.ir.passes.decompose import decompose
from graphtorch.ir.passes.fuse import fuse
from graphtorch.ir.types import bfloat16, bool_, float32, float64, int32, int64
from tests.codegen.program_reference import IndexFailure, run_program
from tests.codegen.random_graphs import RandomGraph

SMALL = {  # sizes at which even tiny graphs are cut into blocks, tiles and partial sums
    (lower_columns, "PIECE"): 8, (lower_columns, "PORTION"): 6, (lower_columns, "COLUMNS"): 4,
    (lower_columns, "MERGED"): 2, (lower_rows, "MERGED"): 2, (lower_rows, "PIECE"): 8, (lower_rows, "PORTION"): 6, (lower_map, "BLOCK"): 16,
    (lower_map, "ITEM"): 4, (lower_map, "TILE"): 4, (lower_map, "SHORT"): 2,
    (lower_loops, "FEW_ROWS"): 8, (lower_loops, "LONG_ROW"): 6, (lower_loops, "SHORT_ROW"): 2,
    (lower_loops, "MANY_ROWS"): 2, (lower_reads, "BLOCK"): 1, (fusion, "SHARED"): 1,
}  # fmt: skip


def check(graph: Graph, arrays: list[np.ndarray], tolerance: float = 2e-5) -> Program:
    """Compare the program of the fused graph with the interpreter; returns the program."""
    program = lower(fuse(graph))
    wanted = interpret(graph, *arrays)
    nodes = [*graph.outputs, *(v for _, v in graph.updates)]
    for node, a, b in zip(nodes, run_program(program, arrays), wanted, strict=True):
        a = a.reshape(b.shape)
        if b.dtype.itemsize == 2:
            a, b = a.astype(np.float32), b.astype(np.float32)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=node.name)
    return program


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


# random graphs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs(seed: int) -> None:
    random = RandomGraph(seed, 12 + seed)
    check(random.graph, random.arrays(), 1e-4)


@pytest.mark.parametrize("seed", range(100, 150))
def test_random_graphs_in_small_blocks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for (module, name), value in SMALL.items():
        monkeypatch.setattr(module, name, value)
    random = RandomGraph(seed, seed // 4)
    check(random.graph, random.arrays(), 1e-4)


def test_unfused_graphs_lower_too() -> None:
    random = RandomGraph(7, 30)
    arrays = random.arrays()
    wanted = interpret(random.graph, *arrays)
    for a, b in zip(run_program(lower(random.graph), arrays), wanted, strict=True):
        np.testing.assert_allclose(a.reshape(b.shape), b, rtol=1e-4, atol=1e-4)


# templates -----------------------------------------------------------------------------------------


def reduced(shape: tuple[int, ...], dims: tuple[int, ...], op: str = "sum") -> Graph:
    with GraphBuilder(op) as b:
        x = b.input(float32[shape], "x")
        return b.finish((OPS[op](ops.tanh(x), dims=dims),))


@pytest.mark.parametrize(
    ("shape", "dims", "names"),
    [
        ((70_000,), (0,), ["sum", "finish"]),  # pieces of one long row
        ((3, 5, 9_000), (0, 1, 2), ["sum", "finish"]),
        ((40, 300), (1,), ["sum"]),  # rows
        ((500, 300), (0,), ["sum", "finish"]),  # columns in blocks of rows
        ((20, 300), (0,), ["sum"]),
        ((5, 20_000), (0,), ["sum"]),  # tiles of columns
        ((7, 30, 40), (1,), ["sum"]),
        ((6, 5, 40), (0, 2), ["sum"]),
        ((4, 5, 6, 7), (1, 2), ["sum"]),
        ((100, 7), (1,), ["sum"]),  # short rows side by side
        ((3, 1, 5), (0, 1, 2), ["sum"]),
    ],
)
@pytest.mark.parametrize("op", ["sum", "amax"])
def test_reductions_over_any_dims(
    shape: tuple[int, ...], dims: tuple[int, ...], names: list[str], op: str
) -> None:
    program = check(reduced(shape, dims, op), [normal(*shape)], 2e-4)
    assert len(program.steps) == len(names)


def test_values_of_a_round_are_kept_for_the_next_only_if_dear() -> None:
    with GraphBuilder("softmax") as b:
        x = b.input(float32[8, 40], "x")
        graph = b.finish((ops.softmax(x, dim=1),))
    (launch,) = check(decompose(graph), [normal(8, 40)]).launches
    assert isinstance(launch.kernel, Kernel)
    assert [t.name for t in launch.kernel.temps] == ["exp_nonpositive_row"]
    text = str(launch.kernel)
    assert text.count("exp_nonpositive(") == 1 and text.count(" = x[") == 2


def test_nothing_is_kept_of_very_long_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower_loops, "KEPT_ROW", 30)
    with GraphBuilder("softmax") as b:
        graph = b.finish((ops.softmax(b.input(float32[8, 40], "x"), dim=1),))
    (launch,) = check(decompose(graph), [normal(8, 40)]).launches
    assert launch.kernel.scratch_bytes == 0


def test_flat_kernels_serve_all_sizes() -> None:
    with GraphBuilder("two") as b:
        x, y = b.input(float32[50], "x"), b.input(float32[3, 7], "y")
        graph = b.finish((ops.exp(x) * 2.0, ops.exp(y) * 2.0))
    one, other = check(graph, [normal(50), normal(3, 7)]).launches
    assert one.kernel is other.kernel and (one.params, other.params) == ((50,), (21,))


def test_transposed_operands_go_through_tiles() -> None:
    with GraphBuilder("turn") as b:
        x, y = b.input(float32[70, 40], "x"), b.input(float32[40, 70], "y")
        graph = b.finish((ops.permute(x, dims=(1, 0)) + y,))
    (launch,) = check(graph, [normal(70, 40), normal(40, 70, seed=1)]).launches
    assert isinstance(launch.kernel, Kernel)
    assert [t.size for t in launch.kernel.temps] == [lower_map.TILE**2]


def test_slices_at_block_boundaries_compare_blocks_only() -> None:
    with GraphBuilder("heads") as b:
        x, y = b.input(float32[4, 64], "x"), b.input(float32[4, 64], "y")
        zeros = ops.full(shape=(4, 128), value=0.0, dtype=float32)
        steps = {"steps": (1, 1)}
        a = ops.slice_update(zeros, x, starts=(0, 0), stops=(4, 64), **steps)
        c = ops.slice_update(zeros, y, starts=(0, 64), stops=(4, 128), **steps)
        graph = b.finish((a + c,))
    (launch,) = check(graph, [normal(4, 64), normal(4, 64, seed=1)]).launches
    assert "floor_divide" not in str(launch.kernel)


# in place ------------------------------------------------------------------------------------------


def test_in_place_pairs_of_pointwise_kernels() -> None:
    with GraphBuilder("step") as b:
        p, g, t = b.input(float32[64], "p"), b.input(float32[64], "g"), b.input(float32[8, 8], "t")
        b.update(p, p - g * 0.1)
        graph = b.finish((ops.permute(t, dims=(1, 0)) * 2.0,))
    step, turn = check(graph, [normal(64), normal(64, seed=1), normal(8, 8)]).launches
    assert set(step.inplace) == {(2, 0), (2, 1)}
    assert turn.inplace == ()  # other elements are read after the first is written


def test_rows_may_overwrite_what_no_later_round_reads() -> None:
    with GraphBuilder("centre") as b:
        x, y = b.input(float32[32, 40], "x"), b.input(float32[32, 40], "y")
        total = ops.expand(ops.reshape(ops.sum(x, dims=(1,)), shape=(32, 1)), shape=(32, 40))
        graph = b.finish((ops.neg(x) * y, x - total))
    (launch,) = check(graph, [normal(32, 40), normal(32, 40, seed=1)]).launches
    names = [b.name for b in launch.kernel.operands]  # type: ignore[attr-defined]
    pairs = {(names[w], names[r]) for w, r in launch.inplace}
    assert pairs == {("mul", "y"), ("sub", "x"), ("sub", "y")}


# dtypes and edges ----------------------------------------------------------------------------------


def test_dtypes() -> None:
    with GraphBuilder("types") as b:
        d, i = b.input(float64[5, 6], "d"), b.input(int32[5, 6], "i")
        h, m = b.input(bfloat16[5, 6], "h"), b.input(bool_[5, 6], "m")
        graph = b.finish(
            (
                ops.sum(ops.exp(d), dims=(1,)),
                ops.sum(i * i, dims=(0,)),
                ops.any(m, dims=(1,)),
                ops.all(ops.gt(i, 0), dims=(0, 1)),
                ops.amax(h * 2.0, dims=(0,)),
                ops.where(m, ops.cast(h, dtype=float64), d),
                ops.prod(ops.cast(i, dtype=int64), dims=(1,)),
            )
        )
    random = np.random.default_rng(0)
    arrays = [
        random.normal(size=(5, 6)),
        random.integers(-3, 4, (5, 6)).astype(np.int32),
        random.normal(size=(5, 6)).astype(bfloat16.numpy),
        random.random((5, 6)) < 0.5,
    ]
    program = check(graph, arrays)
    assert not any(isinstance(s, HostCall) for s in program.steps)


def test_empty_zero_dimensional_and_constant_values() -> None:
    with GraphBuilder("edges") as b:
        x, e = b.input(float32[()], "x"), b.input(float32[0, 3], "e")
        filled = ops.full(shape=(4,), value=2.5, dtype=float32)
        graph = b.finish(
            (
                ops.exp(x) + ops.sum(e, dims=(0, 1)),
                ops.neg(e),
                filled,
                ops.permute(e, dims=(1, 0)),
                ops.iota(length=3, start=1, step=2, dtype=int64),
                ops.sum(e, dims=(0,)),
            )
        )
    check(graph, [normal(), np.zeros((0, 3), np.float32)])


def test_nan_and_infinities_survive_reductions() -> None:
    x = normal(4, 33)
    x[0, 5], x[1, 6], x[2, 7] = np.nan, np.inf, -np.inf
    check(reduced((4, 33), (1,), "amax"), [x])
    with GraphBuilder("argmax") as b:
        graph = b.finish((ops.argmax(b.input(float32[4, 33], "x"), dim=1),))
    check(graph, [x])


def test_the_same_value_may_be_returned_in_several_shapes() -> None:
    with GraphBuilder("shapes") as b:
        y = ops.exp(b.input(float32[4, 6], "x"))
        graph = b.finish((y, ops.reshape(y, shape=(24,)), y, ops.reshape(y, shape=(6, 4))))
    program = check(graph, [normal(4, 6)])
    shapes = [program.buffers[i].type for i in program.outputs]
    assert shapes == [n.type for n in graph.outputs]


# what runs in NumPy, what fails --------------------------------------------------------------------


def test_ops_without_kernel_are_host_calls_with_a_reason() -> None:
    with GraphBuilder("sorted") as b:
        x = b.input(float32[4, 6], "x")
        turned = ops.permute(ops.exp(x), dims=(1, 0))
        graph = b.finish((ops.cumsum(turned, dim=1) * 2.0,))
    program = check(graph, [normal(4, 6)])
    (call,) = [s for s in program.steps if isinstance(s, HostCall)]
    assert call.reason == "no kernel computes cumsum"
    assert call.arguments[0].strides == (1, 6)  # type: ignore[union-attr]  # no copy for the view


def taken() -> Graph:
    with GraphBuilder("taken") as b:
        w, i = b.input(float32[5, 8], "w"), b.input(int64[3], "i")
        return b.finish((ops.exp(ops.take(w, i, dim=0)),))


def test_indices_are_checked() -> None:
    w = normal(5, 8)
    program = check(taken(), [w, np.array([0, 4, 2])])
    (launch,) = program.launches
    assert launch.fallible
    for bad in (5, -1):
        with pytest.raises(
            IndexFailure, match=f"index {bad} is out of bounds for dimension 0 with size 5"
        ):
            run_program(program, [w, np.array([0, bad, 2])])


def test_an_index_is_checked_even_if_nothing_is_loaded_with_it() -> None:
    with GraphBuilder("one_hot") as b:
        i, v = b.input(int64[3, 1], "i"), b.input(float32[3, 1], "v")
        zeros = ops.full(shape=(3, 4), value=0.0, dtype=float32)
        graph = b.finish((ops.scatter(zeros, i, v, dim=1),))
    program = check(graph, [np.array([[0], [3], [1]]), normal(3, 1)])
    with pytest.raises(IndexFailure, match="index 4 is out of bounds"):
        run_program(program, [np.array([[0], [4], [1]]), normal(3, 1)])


@pytest.mark.parametrize("name", ["index_add", "scatter_add", "scatter", "index_put"])
def test_scatters_add_in_order(name: str) -> None:
    with GraphBuilder(name) as b:
        x, i = b.input(float32[5, 70], "x"), b.input(int64[9], "i")
        if name == "index_add":
            v = b.input(float32[9, 70], "v")
            y = ops.index_add(x, i, v, dim=0)
        elif name == "index_put":
            v = b.input(float32[9, 70], "v")
            y = ops.index_put(x, v, i, dims=(0,), accumulate=True)
        else:
            v = b.input(float32[9, 66], "v")
            wide = ops.expand(ops.reshape(i, shape=(9, 1)), shape=(9, 66))
            y = OPS[name](x, wide, v, dim=0)
        graph = b.finish((y * 2.0,))
    index = np.array([0, 4, 2, 4, 4, 0, 1, 2, 4])
    program = check(graph, [normal(5, 70), index, normal(*graph.inputs[2].shape, seed=2)])
    assert not any(isinstance(s, HostCall) for s in program.steps)
    index[3] = 5
    with pytest.raises(IndexFailure):
        run_program(program, [normal(5, 70), index, normal(*graph.inputs[2].shape)])


def test_equal_layers_share_their_kernels() -> None:
    with GraphBuilder("layers") as b:
        x = b.input(float32[16, 40], "x")
        for _ in range(5):
            x = ops.cumsum(ops.tanh(x) * ops.exp(ops.neg(x)), dim=0)
        graph = b.finish((x,))
    program = lower(fuse(graph))
    assert len({id(launch.kernel) for launch in program.launches}) == 1
