"""Optimiser steps as epilogues: parameters are written where they are read, to the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen import runtime
from graphtorch.codegen.executable import compile_graph
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.types import float32


def momentum_graph(m, n, k, transposed):
    """w, v <- w - 0.1 v', v' with v' = 0.9 v + a @ b."""
    with GraphBuilder("momentum") as g:
        w, v = g.input(float32[m, n], "w"), g.input(float32[m, n], "v")
        a = g.input(float32[(k, m) if transposed else (m, k)], "a")
        b = g.input(float32[k, n], "b")
        left = ops.permute(a, dims=(1, 0)) if transposed else a
        velocity = v * 0.9 + ops.matmul(left, b)
        g.update(v, velocity)
        g.update(w, w - velocity * 0.1)
        return g.finish(())


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    "m, n, k", [(1, 1, 1), (7, 5, 3), (64, 96, 32), (37, 131, 300), (256, 784, 128), (1, 300, 64)]
)
def test_updates_in_the_epilogue(m, n, k, transposed):
    exe = compile_graph(momentum_graph(m, n, k, transposed))
    generator = np.random.default_rng(0)
    w, v, b = (generator.standard_normal(s).astype(np.float32) for s in ((m, n), (m, n), (k, n)))
    a = generator.standard_normal((k, m) if transposed else (m, k)).astype(np.float32)
    wanted_v, wanted_w = v.astype(np.float64), w.astype(np.float64)
    product = (a.T if transposed else a).astype(np.float64) @ b
    for _ in range(3):
        wanted_v = wanted_v * 0.9 + product
        wanted_w = wanted_w - wanted_v * 0.1
        exe.run([w, v, a, b], [])
    scale = np.abs(wanted_v).max()
    np.testing.assert_allclose(v, wanted_v, atol=1e-5 * scale)
    np.testing.assert_allclose(w, wanted_w, atol=1e-5 * scale)


def test_no_copy_is_left():
    exe = compile_graph(momentum_graph(64, 96, 32, False))
    assert not exe.memory.copies
    assert exe.memory.arena_bytes <= 64  # packed operands at most


def test_same_bits_for_any_number_of_threads():
    graph = momentum_graph(301, 517, 200, True)
    exe = compile_graph(graph)
    before = runtime.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            runtime.set_num_threads(threads)
            generator = np.random.default_rng(0)
            arrays = [generator.standard_normal(n.shape).astype(np.float32) for n in graph.inputs]
            for _ in range(3):
                exe.run(arrays, [])
            found.append([x.tobytes() for x in arrays])
    finally:
        runtime.set_num_threads(before)
    assert found[0] == found[1] == found[2]
