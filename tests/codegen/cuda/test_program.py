"""Whole graphs as CUDA programs, in the simulator, against the interpreter of graphs."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.cuda.kernel import CudaLoopKernel
from graphtorch.codegen.cuda.lower import lower_cuda, symbols
from graphtorch.codegen.cuda.matmul import CudaMatmul
from graphtorch.codegen.cuda.printer import source_of
from graphtorch.codegen.program import Array, HostCall
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.interpret import interpret
from graphtorch.ir.types import bfloat16, float32, float64, int64
from tests.codegen.cuda.simulator import ORDERS, module, needs_compiler
from tests.codegen.random_graphs import RandomGraph

pytestmark = needs_compiler


def build(function, *types):
    with GraphBuilder("f") as b:
        outputs = function(*(b.input(t, f"x{i}") for i, t in enumerate(types)))
        return b.finish(outputs if isinstance(outputs, tuple) else (outputs,))


def run(graph, arrays, order=0):
    """The outputs of a program run buffer by buffer; memory is poisoned."""
    _, program = lower_cuda(graph)
    named = symbols(program)
    kernels = module(source_of(program), *(s for _, s in named.values())) if named else {}
    memory = []
    for b in program.buffers:
        poison = np.frombuffer(b"\xff" * b.nbytes, np.uint8).copy().view(b.type.dtype.numpy)
        memory.append(poison if b.value is None else b.value.reshape(-1).copy())
    for index, array in zip(program.inputs, arrays, strict=True):
        memory[index] = array.reshape(-1).copy()
    for step in program.steps:
        if isinstance(step, HostCall):
            given = [
                memory[a.buffer].reshape(a.type.shape) if isinstance(a, Array) else a
                for a in step.arguments
            ]
            found = step.op.numpy(*given, **step.attrs)
            for r, value in zip(step.results, found if isinstance(found, tuple) else (found,)):
                if r is not None:
                    memory[r.buffer][...] = np.asarray(value).reshape(-1)
            continue
        source, symbol = named[step.kernel.key]
        grid = source.grid(step.chunks, step.params)
        arguments = [*(memory[i] for i in step.operands), *step.params]
        if source.scratch_bytes:
            arguments.append(np.full(source.scratch_bytes * grid[0], 0xFF, np.uint8))
        if step.failures:
            arguments.append(np.zeros(2, np.int64))
        kernels[symbol](grid, source.threads, [*arguments, step.chunks], order)
    types = [program.buffers[i].type for i in program.outputs]
    return [
        memory[i].reshape(t.shape) for i, t in zip(program.outputs, types, strict=True)
    ], program


def check(function, types, arrays, tolerance=2e-5, orders=ORDERS):
    graph = build(function, *types)
    expected = interpret(graph, *arrays)
    for order in orders:
        found, program = run(graph, arrays, order)
        for a, b in zip(found, expected, strict=False):
            wide = a.dtype if a.dtype.kind in "biu" else np.float64
            np.testing.assert_allclose(
                a.astype(wide), np.asarray(b).astype(wide), rtol=tolerance, atol=tolerance
            )
    return program


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def test_layer_of_a_network_is_one_product_with_an_epilogue(rng):
    def layer(x, w, c):
        y = ops.matmul(x, ops.permute(w, dims=(1, 0)))
        return ops.relu(ops.add(y, ops.expand(c, shape=(37, 50))))

    types = float32[37, 70], float32[50, 70], float32[(50,)]
    program = check(layer, types, [normal(rng, *t.shape) for t in types])
    (step,) = program.steps
    assert isinstance(step.kernel, CudaMatmul) and step.chunks == 2 * 2


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (16, 16, 16), (5, 130, 33), (129, 3, 50), (65, 65, 0)]
)
def test_products_of_many_sizes(rng, sizes):
    m, n, k = sizes
    types = float32[m, k], float32[k, n]
    check(lambda a, b: ops.matmul(a, b), types, [normal(rng, *t.shape) for t in types], 1e-4, (2,))


@pytest.mark.parametrize("dtype", [float64, bfloat16])
def test_batches_and_dtypes(rng, dtype):
    types = dtype[2, 3, 20, 40], dtype[2, 3, 40, 24]
    arrays = [rng.standard_normal(t.shape).astype(dtype.numpy) for t in types]
    tolerance = 1e-12 if dtype is float64 else 0.2
    check(lambda a, b: ops.matmul(a, b), types, arrays, tolerance, (1,))


def test_large_tiles(rng):
    graph = build(lambda a, b: ops.matmul(a, b), float32[2048, 3], float32[3, 2048])
    _, program = lower_cuda(graph)
    (step,) = program.steps
    assert step.kernel.tile == (8, 8)
    a, b = normal(rng, 2048, 3), normal(rng, 3, 2048)
    ((found,), _) = run(graph, [a, b])
    np.testing.assert_allclose(found, a @ b, rtol=1e-4, atol=1e-5)


def test_softmax_argmax_and_sums(rng):
    def f(x):
        y = ops.softmax(ops.mul(x, x), dim=1)
        return y, ops.argmax(x, dim=1), ops.sum(x, dims=(0,)), ops.sum(x, dims=(0, 1))

    check(f, (float32[20, 90],), [normal(rng, 20, 90)])


def test_reads_and_scatters(rng):
    def f(w, at, v):
        return ops.take(w, at, dim=0), ops.index_add(w, at, v, dim=0), ops.permute(w, dims=(1, 0))

    arrays = [normal(rng, 40, 33), rng.integers(0, 40, 60), normal(rng, 60, 33)]
    check(f, (float32[40, 33], int64[(60,)], float32[60, 33]), arrays)


@pytest.mark.parametrize(
    "stride, padding, dilation, groups", [(1, 1, 1, 1), (2, 1, 1, 2), (2, 0, 2, 1)]
)
def test_convolutions(rng, stride, padding, dilation, groups):
    window = {
        "stride": (stride, 1), "padding": (padding, 1), "dilation": (dilation, 1), "groups": groups
    }  # fmt: skip
    x_type, w_type = float32[2, 4, 9, 8], float32[6, 4 // groups, 3, 3]

    def forward(x, w):
        return ops.relu(ops.conv(x, w, **window))

    x, w = normal(rng, *x_type.shape), normal(rng, *w_type.shape)
    program = check(forward, (x_type, w_type), [x, w], 1e-4, (0, 2))
    assert all(isinstance(step.kernel, CudaLoopKernel) for step in program.launches)
    g_type = build(forward, x_type, w_type).outputs[0].type
    g = normal(rng, *g_type.shape)
    check(
        lambda g, w: ops.conv_input_grad(g, w, input_shape=x_type.shape, **window),
        (g_type, w_type), [g, w], 1e-4, (2,),
    )  # fmt: skip
    check(
        lambda g, x: ops.conv_weight_grad(g, x, weight_shape=w_type.shape, **window),
        (g_type, x_type), [g, x], 1e-4, (2,),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_random_graphs(seed):
    random = RandomGraph(seed, 14)
    arrays = random.arrays()
    expected = interpret(random.graph, *arrays)
    found, _ = run(random.graph, arrays, order=seed % 3)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
