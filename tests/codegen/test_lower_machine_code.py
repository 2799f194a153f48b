"""Lowered graphs as machine code: the interpreter's values, and the same bits for any thread count."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from graphtorch.codegen import runtime
from graphtorch.codegen.executable import compile_graph
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph
from graphtorch.ir.interpret import interpret
from graphtorch.ir.types import float32, int64
from tests.codegen.random_graphs import RandomGraph


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = runtime.get_num_threads()
    yield
    runtime.set_num_threads(before)


def run(graph: Graph, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs of the compiled graph, after the bits were compared between thread counts."""
    executable = compile_graph(graph)
    found = []
    for count in (1, 3):
        runtime.set_num_threads(count)
        outputs = [np.empty(n.shape, n.dtype.numpy) for n in graph.outputs]
        executable.run([a.copy() for a in arrays], outputs)
        found.append(outputs)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    return found[0]


def check(graph: Graph, arrays: list[np.ndarray], tolerance: float = 1e-4) -> None:
    wanted = interpret(graph, *arrays)
    for node, a, b in zip(graph.outputs, run(graph, arrays), wanted, strict=False):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=node.name)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("seed", range(300, 312))
def test_random_graphs(seed: int) -> None:
    random = RandomGraph(seed, 25)
    check(random.graph, random.arrays())


def test_reductions_in_parts() -> None:
    with GraphBuilder("sums") as b:
        x = b.input(float32[700, 300], "x")
        total = ops.sum(x * x, dims=(0, 1))
        rows, columns = ops.sum(x, dims=(1,)), ops.sum(ops.tanh(x), dims=(0,))
        graph = b.finish((total, rows, columns * 0.5, ops.argmax(x, dim=1)))
    check(graph, [normal(700, 300)], 2e-4)


def test_layer_norm_and_its_gradients() -> None:
    attrs = {"ndim": 1, "eps": 1e-5}
    with GraphBuilder("layer_norm") as b:
        x, g = b.input(float32[130, 96], "x"), b.input(float32[130, 96], "g")
        w, bias = b.input(float32[96], "w"), b.input(float32[96], "bias")
        y = ops.layer_norm(x, w, bias, **attrs)
        graph = b.finish((y, *ops.layer_norm_backward(g, x, w, **attrs, bias=True)))
    arrays = [normal(130, 96), normal(130, 96, seed=1), normal(96, seed=2), normal(96, seed=3)]
    check(graph, arrays)


def test_cross_entropy_and_its_gradient() -> None:
    attrs = {"reduction": "mean", "ignore_index": -100, "label_smoothing": 0.0}
    with GraphBuilder("cross_entropy") as b:
        x, t = b.input(float32[70, 33], "x"), b.input(int64[70], "t")
        one = ops.full(shape=(), value=1.0, dtype=float32)
        loss = ops.cross_entropy(x, t, **attrs)
        graph = b.finish((loss, ops.cross_entropy_backward(one, x, t, **attrs)))
    targets = np.random.default_rng(0).integers(0, 33, 70)
    targets[5] = -100
    check(graph, [normal(70, 33), targets])
    targets[6] = 33
    with pytest.raises(IndexError):
        run(graph, [normal(70, 33), targets])


def test_a_train_step_updates_in_place() -> None:
    with GraphBuilder("step") as b:
        x, y = b.input(float32[24, 20], "x"), b.input(float32[24, 7], "y")
        w, bias = b.input(float32[7, 20], "w"), b.input(float32[7], "bias")
        lr = b.input(float32[()], "lr")
        z = ops.matmul(x, ops.permute(w, dims=(1, 0))) + ops.expand(bias, shape=(24, 7))
        p = ops.softmax(z, dim=1)
        g = p - y
        dw = ops.matmul(ops.permute(g, dims=(1, 0)), x)
        for target, gradient in ((w, dw), (bias, ops.sum(g, dims=(0,)))):
            b.update(target, target - gradient * ops.expand(lr, shape=target.shape))
        graph = b.finish((ops.sum(g * g, dims=(0, 1)),))
    arrays = [normal(24, 20), normal(24, 7, seed=1), normal(7, 20, seed=2), normal(7, seed=3)]
    arrays.append(np.array(0.1, np.float32))
    loss, new_w, new_bias = interpret(graph, *arrays)
    found = np.empty((), np.float32)
    compile_graph(graph).run(arrays, [found])
    np.testing.assert_allclose(found, loss, rtol=1e-5)
    np.testing.assert_allclose(arrays[2], new_w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(arrays[3], new_bias, rtol=1e-5, atol=1e-6)


def test_attention_writes_heads_where_they_are_read() -> None:
    with GraphBuilder("attention") as b:
        qkv = b.input(float32[2, 16, 3, 4, 8], "qkv")

        def head(i: int) -> object:
            part = ops.slice(
                qkv, starts=(0, 0, i, 0, 0), stops=(2, 16, i + 1, 4, 8), steps=(1,) * 5
            )
            return ops.permute(ops.reshape(part, shape=(2, 16, 4, 8)), dims=(0, 2, 1, 3))

        y, _ = ops.scaled_dot_product_attention(
            head(0), head(1), head(2), is_causal=True, scale=0.35
        )
        merged = ops.reshape(ops.permute(y, dims=(0, 2, 1, 3)), shape=(2, 16, 32))
        graph = b.finish(
            (ops.matmul(ops.reshape(merged, shape=(32, 32)), b.input(float32[32, 5], "w")),)
        )
    assert len(compile_graph(graph).launches) <= 5  # head, attention, product, return: no copies
    check(graph, [normal(2, 16, 3, 4, 8), normal(32, 5, seed=1)])
