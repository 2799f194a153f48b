"""Loop kernels printed as CUDA C, run by the simulator, against the reference interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import ml_dtypes
import numpy as np
import pytest

from graphtorch.codegen.cuda.kernel import CudaLoopKernel
from graphtorch.codegen.kernel import Guard, Index, Indirect, Kernel, Tiles
from graphtorch.codegen.kernel_builder import KernelBuilder
from graphtorch.codegen.kernel_interpret import interpret
from graphtorch.codegen.scalar import CALLS, PREDICATES
from graphtorch.ir.types import (
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int32,
    int64,
)
from tests.codegen.cuda.simulator import ORDERS, SimulationError, load, needs_compiler

pytestmark = needs_compiler


def simulate(
    kernel: Kernel, arrays: Sequence[np.ndarray], params: Sequence[int], order: int, text: str = ""
) -> tuple[int, int]:
    """Run the kernel in the simulator, in place; returns the status."""
    source = CudaLoopKernel(kernel)
    function = load(text or source.cuda("kernel"), "kernel")
    items = kernel.items(dict(zip(kernel.params, params, strict=True)))
    grid = source.grid(items, tuple(params))
    status = np.zeros(2, np.int64)
    arguments: list[np.ndarray | int] = [*arrays, *params]
    if source.scratch_bytes:
        arguments.append(np.full(source.scratch_bytes * grid[0], 0xFF, np.uint8))
    if kernel.can_fail:
        arguments.append(status)
    function(grid, source.threads, [*arguments, items], order)
    return int(status[0]), int(status[1])


def check(
    kernel: Kernel, arrays: Sequence[np.ndarray], params: Sequence[int] = (), tolerance: float = 0.0
) -> list[np.ndarray]:
    """Every thread order agrees with the interpreter, and with each other bit by bit."""
    expected = [a.copy() for a in arrays]
    status = interpret(kernel, expected, params)
    first: list[bytes] = []
    for order in ORDERS:
        found = [a.copy() for a in arrays]
        got = simulate(kernel, found, params, order)
        assert (got[0] != 0) == (status[0] != 0)
        first = first or [a.tobytes() for a in found]
        assert [a.tobytes() for a in found] == first, f"order {order} changes the bits\n{kernel}"
        for a, b in zip(found, expected, strict=True):
            wide = np.float64 if a.dtype.kind not in "biu" else a.dtype
            np.testing.assert_allclose(
                a.astype(wide), b.astype(wide), rtol=tolerance, atol=tolerance, err_msg=str(kernel)
            )
    return expected


def pointwise(body: Callable[..., object], n: int, *inputs: object, out: object) -> Kernel:
    b = KernelBuilder("pointwise")
    held = [b.input(f"x{i}", dtype) for i, dtype in enumerate(inputs)]  # type: ignore[arg-type]
    y, size = b.output("y", out), b.param("n")  # type: ignore[arg-type]
    block = b.grid("io", Tiles(size, 300))
    with b.vector("i", b.tiled(block, 300, size)) as i:
        place = block * 300 + i.index
        b.store(y, place, body(b, *(b.load(x, place) for x in held)))  # type: ignore[arg-type]
    return b.finish()


def test_pointwise_kernels_spread_over_blocks(rng):
    kernel = pointwise(lambda s, x, y: s.add(s.mul(x, 2.0), y), 1000, float32, float32, out=float32)
    x, y = rng.standard_normal((2, 1000)).astype(np.float32)
    (_, _, found) = check(kernel, [x, y, np.empty(1000, np.float32)], [1000], 1e-7)
    np.testing.assert_allclose(found, 2 * x + y, rtol=1e-6)
    source = CudaLoopKernel(kernel)
    assert source.split and source.grid(4, (1000,)) == (4, 2)
    assert "fmaf(x0_at, 2.0f, x1_at)" in source.cuda("kernel")


@pytest.mark.parametrize("dtype", [float32, float64])
def test_scalar_functions(rng, dtype):
    """All of them in one kernel, each on values in its domain."""
    names = sorted(set(CALLS) - PREDICATES)
    domains = {"acosh": (1, 9), "lgamma": (0.1, 9), "digamma": (0.1, 9), "pow": (0.1, 5)}
    for name in ("asin", "acos", "atanh", "erfinv"):
        domains[name] = (-0.95, 0.95)
    for name in ("sqrt", "rsqrt", "log", "log2", "log10", "log1p"):
        domains[name] = (0.1, 9)
    n = 50
    b = KernelBuilder("functions")
    x, y, out = b.input("x", dtype), b.input("y", dtype), b.output("out", dtype)
    values = []
    with b.vector("i", n) as i:
        for k, name in enumerate(names):
            values.append(rng.uniform(*domains.get(name, (-5, 5)), n))
            operands = [b.load(x, i.index + k * n), b.load(y, i.index)][: CALLS[name]]
            b.store(out, i.index + k * n, b.call(name, *operands))
    arrays = [np.concatenate(values), rng.uniform(0.5, 3, n), np.zeros(n * len(names))]
    tolerance = 3e-6 if dtype is float32 else 1e-11
    check(b.finish(), [a.astype(dtype.numpy) for a in arrays], (), tolerance)


def test_predicates_and_nan(rng):
    def body(s, x, y):
        found = s.max(x, y)
        return s.select(s.call("isinf", x), s.min(x, y), s.select(s.call("isnan", x), x, found))

    special = np.array([np.nan, np.inf, -np.inf, 0.0, -1.5], np.float32)
    x, y = (a.ravel().copy() for a in np.meshgrid(special, special))
    check(
        pointwise(body, 25, float32, float32, out=float32), [x, y, np.empty(25, np.float32)], [25]
    )


@pytest.mark.parametrize("dtype", [int32, int64])
def test_integers_wrap_and_divide_as_numpy(rng, dtype):
    def body(s, x, y):
        q, r = s.call("floor_divide", x, y), s.call("remainder", x, y)
        return s.add(s.mul(q, x), s.sub(s.shift_left(r, y), s.shift_right(x, y)))

    x = rng.integers(-(2**31), 2**31 - 1, 500).astype(dtype.numpy)
    y = np.where(rng.integers(0, 2, 500) > 0, 3, 7).astype(dtype.numpy)
    check(pointwise(body, 500, dtype, dtype, out=dtype), [x, y, np.empty_like(x)], [500])


@pytest.mark.parametrize("dtype", [bfloat16, float16])
def test_half_precision_lives_in_memory_only(rng, dtype):
    kernel = pointwise(lambda s, x: s.mul(x, 1.1), 700, dtype, out=dtype)
    x = (rng.standard_normal(700) * np.exp(rng.uniform(-12, 9, 700))).astype(dtype.numpy)
    x[:4] = [np.inf, -np.inf, np.nan, 0]
    check(kernel, [x, np.empty_like(x)], [700])


def rows_kernel(rows: int, n: int) -> Kernel:
    """Softmax: two reductions and a row kept in a local array."""
    b = KernelBuilder("softmax")
    x, y = b.input("x", float32), b.output("y", float32)
    kept = b.temp("kept", float32, n)
    r = b.grid("r", rows)
    with b.vector("j", n) as j:
        top = j.reduce("max", b.load(x, r * n + j.index))
    with b.vector("j", n) as j:
        e = b.call("exp", b.sub(b.load(x, r * n + j.index), top))
        b.store(kept, j.index, e)
        total = j.reduce("add", e)
    with b.vector("j", n) as j:
        b.store(y, r * n + j.index, b.div(b.load(kept, j.index), total))
    return b.finish()


@pytest.mark.parametrize("n", [5, 100, 777, 12000])
def test_rows(rng, n):
    kernel = rows_kernel(3, n)
    x = rng.standard_normal((3, n)).astype(np.float32)
    _, found = check(kernel, [x, np.empty_like(x)], (), 2e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
    source = CudaLoopKernel(kernel)
    assert "__syncthreads();\n      for" not in source.cuda(
        "kernel"
    )  # rows stay with their threads
    assert (source.scratch_bytes > 0) == (n == 12000)


@pytest.mark.parametrize("combine", ["add", "mul", "max", "min", "argmax", "argmin"])
def test_reductions_of_floats(rng, combine):
    b = KernelBuilder("reduce")
    x = b.input("x", float32)
    y = b.output("y", int64 if combine.startswith("arg") else float32)
    r = b.grid("r", 4)
    with b.vector("j", 300) as j:
        found = j.reduce(combine, b.load(x, r * 300 + j.index))
    b.store(y, r, found)
    values = np.round(rng.uniform(0.9, 1.1, (4, 300)), 2).astype(np.float32)  # with ties
    values[2, [40, 200]] = np.nan
    values[3, 299] = np.inf if combine == "argmax" else 0.5
    check(b.finish(), [values, np.empty(4, y.dtype.numpy)], (), 1e-5)


def test_columns_keep_their_sums_in_shared_memory(rng):
    b = KernelBuilder("columns")
    x, y = b.input("x", float32), b.output("y", float32)
    sums = b.temp("sums", float32, 70)
    b.grid("one", 1)
    with b.vector("j", 70) as j:
        b.store(sums, j.index, b.const(0.0, float32))
    with b.serial("i", 50) as i, b.vector("j", 70) as j:
        b.store(sums, j.index, b.add(b.load(sums, j.index), b.load(x, i.index * 70 + j.index)))
    with b.vector("j", 70) as j:
        b.store(y, j.index, b.load(sums, j.index))
    kernel = b.finish()
    x_array = rng.standard_normal((50, 70)).astype(np.float32)
    check(kernel, [x_array, np.empty(70, np.float32)], (), 1e-5)
    assert "__syncthreads" not in CudaLoopKernel(kernel).cuda("kernel")


def transpose_kernel() -> Kernel:
    """Square tiles through shared memory: threads read what other threads wrote."""
    b = KernelBuilder("transpose")
    x, y, tile = b.input("x", float32), b.output("y", float32), b.temp("tile", float32, 1024)
    i, j = b.grid("io", Tiles(70, 32)), b.grid("jo", Tiles(50, 32))
    with b.serial("a", b.tiled(i, 32, 70)) as a, b.vector("c", b.tiled(j, 32, 50)) as c:
        b.store(tile, a.index * 32 + c.index, b.load(x, (i * 32 + a.index) * 50 + j * 32 + c.index))
    with b.serial("c", b.tiled(j, 32, 50)) as c, b.vector("a", b.tiled(i, 32, 70)) as a:
        b.store(y, (j * 32 + c.index) * 70 + i * 32 + a.index, b.load(tile, a.index * 32 + c.index))
    return b.finish()


def test_tiles_wait_once_between_filling_and_reading(rng):
    x = rng.standard_normal((70, 50)).astype(np.float32)
    _, y = check(transpose_kernel(), [x, np.empty((50, 70), np.float32)])
    np.testing.assert_array_equal(y, x.T)
    assert CudaLoopKernel(transpose_kernel()).cuda("kernel").count("__syncthreads();") == 2


def test_the_simulator_sees_a_missing_barrier(rng):
    kernel = transpose_kernel()
    text = CudaLoopKernel(kernel).cuda("kernel").replace("__syncthreads();", "")
    x = rng.standard_normal((70, 50)).astype(np.float32)
    y = np.empty((50, 70), np.float32)
    simulate(kernel, [x, y], (), 0, text)
    assert not np.array_equal(y, x.T)


def test_the_simulator_sees_divergent_barriers_and_wild_writes():
    kernel = pointwise(lambda s, x: s.neg(x), 300, float32, out=float32)
    text = CudaLoopKernel(kernel).cuda("kernel")
    x = np.ones(300, np.float32)
    diverging = text.replace("y[", "if (threadIdx.x < 9) __syncthreads(); y[")
    with pytest.raises(SimulationError, match="returned while others wait"):
        simulate(kernel, [x, x.copy()], [300], 0, diverging)
    with pytest.raises(SimulationError, match="outside"):
        simulate(kernel, [x, x.copy()], [300], 0, text.replace("y[300*io", "y[1 + 300*io"))


def test_guards_fill(rng):
    b = KernelBuilder("pad")
    x, y = b.input("x", float32), b.output("y", float32)
    with b.vector("i", 100) as i:
        inside = Guard(i.index - 20, Index.of(0), Index.of(50))
        b.store(y, i.index, b.load(x, i.index - 20, guards=(inside,), fill=b.const(7.0, float32)))
    (_, y_array) = check(b.finish(), [np.arange(50, dtype=np.float32), np.empty(100, np.float32)])
    assert y_array[:20].tolist() == [7] * 20 and y_array[20:23].tolist() == [0, 1, 2]


def lookup_kernel(wrap: bool) -> Kernel:
    b = KernelBuilder("lookup")
    w, at, y = b.input("w", float32), b.input("at", int64), b.output("y", float32)
    r = b.grid("r", 6)
    index = b.load(at, r)
    with b.vector("j", 40) as j:
        found = b.load(w, j.index, indirect=(Indirect(index, Index.of(40), 10, 1, wrap),))
        b.store(y, r * 40 + j.index, found)
    return b.finish()


@pytest.mark.parametrize("wrap", [False, True])
def test_indirect_loads_check_their_indices(rng, wrap):
    w = rng.standard_normal((10, 40)).astype(np.float32)
    y = np.empty((6, 40), np.float32)
    good = np.array([3, 9, 0, 5, 5, -1 if wrap else 1])
    _, _, y = check(lookup_kernel(wrap), [w, good, y])
    np.testing.assert_array_equal(y, w[good])
    bad = np.array([3, 9, 10, 5, 5, 1])
    assert simulate(lookup_kernel(wrap), [w, bad, y.copy()], (), 0) == (1, 10)


def test_indirect_sums_in_a_serial_loop(rng):
    b = KernelBuilder("scatter")
    at, v, y = b.input("at", int64), b.input("v", float32), b.inout("y", float32)
    b.grid("one", 1)
    with b.serial("r", 12) as r:
        index = b.load(at, r.index)
        with b.vector("j", 33) as j:
            place = Indirect(index, Index.of(33), 5, 1)
            b.store(
                y, j.index, b.load(v, r.index * 33 + j.index), indirect=(place,), accumulate=True
            )
    at_array, v_array = rng.integers(0, 5, 12), rng.standard_normal((12, 33)).astype(np.float32)
    start = rng.standard_normal((5, 33)).astype(np.float32)
    check(b.finish(), [at_array, v_array, start], (), 1e-6)


def test_carries_and_uniform_stores(rng):
    b = KernelBuilder("cumsum")
    x, y, last = b.input("x", float32), b.output("y", float32), b.output("last", float32)
    r = b.grid("r", 3)
    with b.serial("j", 20) as j:
        carried = j.carry(b.const(0.0, float32))
        total = b.add(carried, b.load(x, r * 20 + j.index))
        b.store(y, r * 20 + j.index, total)
        out = j.hand_on(carried, total)
    b.store(last, r, out)
    x_array = rng.standard_normal((3, 20)).astype(np.float32)
    _, y_array, last_array = check(
        b.finish(), [x_array, np.empty_like(x_array), np.empty(3, np.float32)], (), 1e-6
    )
    np.testing.assert_array_equal(y_array[:, -1], last_array)


def test_bools(rng):
    kernel = pointwise(
        lambda s, x, y: s.logical_and(x, s.logical_not(y)), 99, bool_, bool_, out=bool_
    )
    x, y = rng.integers(0, 2, (2, 99)).astype(bool)
    check(kernel, [x, y, np.empty(99, bool)], [99])


@pytest.fixture
def rng():
    return np.random.default_rng(0)


assert ml_dtypes  # registers bfloat16 with NumPy
