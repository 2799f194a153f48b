"""Kernels stay inside their buffers, write all of them, and give the same bits however they are cut."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.executable import compile_graph
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.types import bfloat16, bool_, float32, float64, int64
from tests.codegen.guarded import run_guarded
from tests.codegen.random_graphs import RandomGraph


def arrays_for(graph, high=3):
    generator = np.random.default_rng(0)
    found = []
    for node in graph.inputs:
        if node.dtype.kind == "f":
            found.append(generator.standard_normal(node.shape).astype(node.dtype.numpy))
        else:
            found.append(generator.integers(0, high, node.shape).astype(node.dtype.numpy))
    return found


def check(graph, high=3):
    exe = compile_graph(graph)
    inputs = arrays_for(graph, high)
    zeros = run_guarded(exe.program, inputs, fill=0x00)
    ones = run_guarded(exe.program, inputs, fill=0xFF)  # NaN, -1, and no bool
    cut = run_guarded(exe.program, inputs, fill=0x7F, split=True)
    outputs = [np.empty(n.shape, n.dtype.numpy) for n in graph.outputs]
    copies = [x.copy() for x in inputs]
    exe.run(copies, outputs)
    updated = [copies[graph.inputs.index(target)] for target, _ in graph.updates]
    for a, b, c, d in zip(zeros, ones, cut, [*outputs, *updated], strict=True):
        assert a.tobytes() == b.tobytes() == c.tobytes() == d.tobytes()


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed):
    check(RandomGraph(seed, 25).graph)


@pytest.mark.parametrize("size", [1, 7, 8, 33, 255, 4097])
@pytest.mark.parametrize("dtype", [float32, float64, bfloat16, int64])
def test_pointwise_tails(size, dtype):
    with GraphBuilder("tails") as g:
        x, y = g.input(dtype[size], "x"), g.input(dtype[size], "y")
        check(g.finish((ops.add(ops.mul(x, y), x), ops.lt(x, y), ops.sum(x, dims=(0,)))))


@pytest.mark.parametrize("rows, columns", [(1, 1), (3, 5), (17, 33), (64, 1000), (1000, 3)])
def test_rows_and_columns(rows, columns):
    with GraphBuilder("rows") as g:
        x = g.input(float32[rows, columns], "x")
        check(
            g.finish(
                (
                    ops.softmax(x, dim=1),
                    ops.softmax(x, dim=0),
                    ops.sum(ops.permute(x, dims=(1, 0)), dims=(0,)),
                    ops.argmax(x, dim=1),
                    ops.cumsum(x, dim=0),
                )
            )
        )


@pytest.mark.parametrize(
    "m, n, k", [(1, 1, 1), (5, 7, 3), (33, 65, 17), (130, 70, 259), (3, 300, 1)]
)
@pytest.mark.parametrize("transposed", [False, True])
def test_products_with_epilogues(m, n, k, transposed):
    with GraphBuilder("product") as g:
        a = g.input(float32[(k, m) if transposed else (m, k)], "a")
        b, bias = g.input(float32[k, n], "b"), g.input(float32[n], "bias")
        w = g.input(float32[m, n], "w")
        left = ops.permute(a, dims=(1, 0)) if transposed else a
        product = ops.matmul(left, b)
        y = ops.tanh(ops.add(product, ops.expand(ops.reshape(bias, shape=(1, n)), shape=(m, n))))
        g.update(w, ops.sub(w, ops.mul(y, 0.5)))
        check(g.finish((y, ops.sum(y, dims=(0, 1)))))


def test_batched_products():
    with GraphBuilder("batched") as g:
        a, b = g.input(float32[2, 3, 17, 9], "a"), g.input(float32[2, 3, 9, 21], "b")
        transposed = ops.permute(b, dims=(0, 1, 3, 2))
        check(
            g.finish((ops.matmul(a, b), ops.matmul(transposed, ops.permute(a, dims=(0, 1, 3, 2)))))
        )


@pytest.mark.parametrize(
    "size, stride, padding", [(8, (1, 1), (1, 1)), (13, (2, 2), (0, 0)), (9, (1, 2), (2, 1))]
)
def test_convolutions(size, stride, padding):
    attrs = {"stride": stride, "padding": padding, "dilation": (1, 1), "groups": 1}
    with GraphBuilder("conv") as g:
        x, w = g.input(float32[3, 5, size, size], "x"), g.input(float32[7, 5, 3, 3], "w")
        y = ops.conv(x, w, **attrs)
        check(
            g.finish(
                (
                    y,
                    ops.conv_input_grad(y, w, input_shape=x.shape, **attrs),
                    ops.conv_weight_grad(y, x, weight_shape=w.shape, **attrs),
                )
            )
        )


def test_reads_and_scatters():
    with GraphBuilder("reads") as g:
        x, i = g.input(float32[6, 11], "x"), g.input(int64[9], "i")
        v, condition = g.input(float32[9, 11], "v"), g.input(bool_[6, 11], "condition")
        check(
            g.finish(
                (
                    ops.take(x, i, dim=0),
                    ops.index_add(x, i, v, dim=0),
                    ops.concat(x, v, dim=0),
                    ops.pad(x, low=(1, 2), high=(3, 0), value=-1.0),
                    ops.slice(x, starts=(1, 3), stops=(6, 10), steps=(2, 3)),
                    ops.flip(x, dims=(1,)),
                    ops.where(condition, x, ops.neg(x)),
                )
            ),
            high=2,
        )
