"""Attention and max pooling from graph to machine code, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.executable import compile_graph
from graphtorch.codegen.program import HostCall
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.interpret import interpret
from graphtorch.ir.types import bool_, float32, float64


def check(graph, tolerance=2e-6):
    """Run a graph both ways; returns the executable."""
    rng = np.random.default_rng(0)
    arrays = [
        (rng.standard_normal(x.shape) > 0) if x.dtype is bool_ else rng.standard_normal(x.shape).astype(x.dtype.numpy)
        for x in graph.inputs
    ]  # fmt: skip
    expected = interpret(graph, *arrays)
    executable = compile_graph(graph)
    found = [np.empty(x.shape, x.dtype) for x in expected]
    executable.run(arrays, found)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return executable


def host_calls(executable):
    return [step.name for step in executable.program.steps if isinstance(step, HostCall)]


def heads(x, part):
    """q, k or v out of [batch, position, 3 * heads * width], as a transformer takes them apart."""
    batch, length, wide = x.shape
    width = wide // 3
    x = ops.slice(
        x, starts=(0, 0, width * part), stops=(batch, length, width * (part + 1)), steps=(1, 1, 1)
    )
    return ops.permute(ops.reshape(x, shape=(batch, length, 4, width // 4)), dims=(0, 2, 1, 3))


def joined(x):
    batch, count, length, width = x.shape
    return ops.reshape(ops.permute(x, dims=(0, 2, 1, 3)), shape=(batch, length, count * width))


@pytest.mark.parametrize("causal", [False, True])
def test_attention_reads_heads_in_place(causal):
    with GraphBuilder("attention") as b:
        x, g = b.input(float32[2, 10, 96], "x"), b.input(float32[2, 10, 32], "g")
        q, k, v = (heads(x, i) for i in range(3))
        y, logsumexp = ops.scaled_dot_product_attention(q, k, v, is_causal=causal, scale=0.3)
        dy = ops.permute(ops.reshape(g, shape=(2, 10, 4, 8)), dims=(0, 2, 1, 3))
        grads = ops.scaled_dot_product_attention_backward(
            dy, q, k, v, y, logsumexp, is_causal=causal, scale=0.3
        )
        graph = b.finish((joined(y), ops.concat(*map(joined, grads), dim=2)))
    executable = check(graph)
    assert host_calls(executable) == []
    names = [launch.name for launch in executable.program.launches]
    assert sum(name.startswith("attention") for name in names) == 2
    assert len(names) <= 4  # operands are not copied


def test_attention_over_turned_keys_and_unwanted_results():
    with GraphBuilder("attention") as b:
        q, k = b.input(float32[3, 7, 5], "q"), b.input(float32[3, 5, 9], "k")
        v = b.input(float32[3, 9, 4], "v")
        y, _ = ops.scaled_dot_product_attention(
            q, ops.permute(k, dims=(0, 2, 1)), v, is_causal=False, scale=1.0
        )
        graph = b.finish((y,))
    assert host_calls(check(graph)) == []


@pytest.mark.parametrize("dtype", [bool_, float32])
def test_attention_with_a_mask_is_taken_apart(dtype):
    with GraphBuilder("attention") as b:
        q, k, v = (b.input(float32[2, 6, 8], n) for n in "qkv")
        mask = b.input(dtype[2, 6, 6], "mask")
        y, _ = ops.scaled_dot_product_attention(q, k, v, mask, is_causal=False, scale=0.3)
        graph = b.finish((y,))
    executable = check(graph)
    assert host_calls(executable) == []
    assert not any(launch.name.startswith("attention") for launch in executable.program.launches)


@pytest.mark.parametrize("type", [float32[2, 3, 9, 8], float64[2, 3, 9, 8], float32[2, 3, 20]])
def test_max_pooling(type):
    pooled = type.ndim - 2
    window = dict(
        kernel=(3,) * pooled, stride=(2,) * pooled, padding=(1,) * pooled, dilation=(1,) * pooled
    )
    with GraphBuilder("pool") as b:
        x = b.input(type, "x")
        values, indices = ops.max_pool(x, ceil_mode=False, **window)
        back = ops.max_pool_backward(values * 2.0, indices, shape=type.shape, pooled=pooled)
        graph = b.finish((values, back))
    assert host_calls(check(graph)) == []


def test_positions_from_elsewhere_are_not_trusted():
    from graphtorch.ir.types import int64

    with GraphBuilder("pool") as b:
        g, indices = b.input(float32[2, 3, 4], "g"), b.input(int64[2, 3, 4], "indices")
        graph = b.finish((ops.max_pool_backward(g, indices, shape=(2, 3, 8), pooled=1),))
    executable = compile_graph(graph)
    assert host_calls(executable) == ["max_pool_backward"]
    out = np.empty((2, 3, 8), "f")
    with pytest.raises(IndexError):
        executable.run([np.ones((2, 3, 4), "f"), np.full((2, 3, 4), 99)], [out])
