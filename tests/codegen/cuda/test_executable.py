"""CUDA programs through the executable, on a device that simulates; and what is said without a GPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from graphtorch.codegen.cuda.device import device, device_count
from graphtorch.codegen.cuda.executable import compile_cuda
from graphtorch.codegen.executable import compile_graph
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.types import float32, int64
from tests.codegen.cuda.simulated import SimulatedDevice
from tests.codegen.cuda.simulator import ORDERS, needs_compiler


def build(function, *types):
    with GraphBuilder("f") as b:
        outputs, updates = function(*(b.input(t, f"x{i}") for i, t in enumerate(types)))
        graph = b.finish(outputs)
    return replace(graph, updates=updates)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@needs_compiler
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reachable", [True, False])
def test_a_training_step_updates_its_weights(rng, order, reachable):
    def step(x, w):
        y = ops.matmul(x, w)
        gradient = ops.matmul(ops.permute(x, dims=(1, 0)), y)
        return (ops.sum(ops.square(y), dims=(0, 1)),), ((w, ops.sub(w, ops.mul(gradient, 0.01))),)

    graph = build(step, float32[20, 30], float32[30, 10])
    simulated, cpu = (
        compile_cuda(graph, where=SimulatedDevice(order, reachable)),
        compile_graph(graph),
    )
    x = rng.standard_normal((20, 30)).astype(np.float32)
    w = rng.standard_normal((30, 10)).astype(np.float32) / 10
    results = []
    for exe in (simulated, cpu):
        weights, losses = w.copy(), []
        for _ in range(3):
            loss = np.empty((), np.float32)
            exe.run([x, weights], [loss])
            losses.append(float(loss))
        results.append((weights, losses))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)
    assert results[0][1][0] > results[0][1][-1]


@needs_compiler
def test_host_calls_run_between_launches(rng):
    def f(x):
        values, places = ops.sort(ops.mul(x, 2.0), dim=0, descending=False)
        return (ops.add(values, 1.0), places), ()

    graph = build(f, float32[(50,)])
    exe = compile_cuda(graph, where=SimulatedDevice())
    assert [step.name for step in exe.host_calls] == ["sort"]
    x = rng.standard_normal(50).astype(np.float32)
    values, places = np.empty(50, np.float32), np.empty(50, np.int64)
    exe.run([x], [values, places])
    np.testing.assert_allclose(values, np.sort(2 * x) + 1, rtol=1e-6)
    np.testing.assert_array_equal(places, np.argsort(x))
    timings = exe.profile([x], [values, places], 2)
    assert [t.kind for t in timings] == ["kernel", "host", "kernel"]
    assert all(t.nanoseconds > 0 for t in timings)


@needs_compiler
def test_a_bad_index_raises_and_changes_no_input(rng):
    def f(w, at):
        found = ops.take(w, at, dim=0)
        return (found,), ((w, ops.add(w, ops.expand(ops.sum(found, dims=(0,)), shape=(10, 4)))),)

    exe = compile_cuda(build(f, float32[10, 4], int64[(3,)]), where=SimulatedDevice())
    w = rng.standard_normal((10, 4)).astype(np.float32)
    kept, found = w.copy(), np.empty((3, 4), np.float32)
    with pytest.raises(IndexError, match="index 10 is out of bounds for dimension 0 with size 10"):
        exe.run([w, np.array([1, 10, 2])], [found])
    np.testing.assert_array_equal(w, kept)
    exe.run([w, np.array([1, 9, 2])], [found])
    np.testing.assert_array_equal(found, kept[[1, 9, 2]])
    np.testing.assert_allclose(w, kept + found.sum(0), rtol=1e-5)


@needs_compiler
def test_arguments_are_checked():
    exe = compile_cuda(build(lambda x: ((ops.neg(x),), ()), float32[(4,)]), where=SimulatedDevice())
    with pytest.raises(TypeError, match="argument 0 must be f32"):
        exe.run([np.zeros(5, np.float32)], [np.zeros(4, np.float32)])


@pytest.mark.skipif(device_count() > 0, reason="there is a GPU")
def test_without_a_gpu_the_error_is_pytorchs():
    pytest.importorskip("cupy")
    graph = build(lambda x: ((ops.neg(x),), ()), float32[(4,)])
    for attempt in (lambda: device(), lambda: compile_graph(graph, device="cuda")):
        with pytest.raises(RuntimeError, match="Found no NVIDIA driver on your system"):
            attempt()


@pytest.mark.skipif(device_count() == 0, reason="CUDA PROGRAMS NOT RUN: there is no GPU")
def test_on_a_gpu(rng):
    graph = build(
        lambda x, y: ((ops.softmax(ops.matmul(x, y), dim=1),), ()), float32[65, 33], float32[33, 70]
    )
    x, y = (rng.standard_normal(s).astype(np.float32) for s in ((65, 33), (33, 70)))
    found, expected = np.empty((65, 70), np.float32), np.empty((65, 70), np.float32)
    compile_graph(graph, device="cuda").run([x, y], [found])
    compile_graph(graph).run([x, y], [expected])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
