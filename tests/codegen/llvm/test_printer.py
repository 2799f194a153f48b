"""Printed kernels against the reference interpreter: loops, masks, reductions, memory forms."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence

import ml_dtypes
import numpy as np
import pytest

from graphtorch.codegen.kernel import Guard, Index, Indirect, Kernel, Tile, Tiles
from graphtorch.codegen.kernel_builder import KernelBuilder
from graphtorch.codegen.kernel_interpret import interpret
from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.target import target
from graphtorch.ir.types import (
    DTYPES,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint8,
)

TARGETS = [t for t in ("host", "sse", "avx2", "avx512") if target(t).runnable]
SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)


def run(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    params: Sequence[int] = (),
    name: str = "host",
    splits: int = 1,
) -> tuple[int, int]:
    """Run the machine code over all work items, in `splits` ranges, last range first."""
    machine = target(name)
    library = jit.load([jit.assemble(kernel.llvm("kernel", machine), machine)], ["kernel"])
    function = SIGNATURE(library["kernel"])
    status = np.zeros(2, np.int64)
    held = [*arrays, status] if kernel.can_fail else list(arrays)
    pointers = (ctypes.c_void_p * (len(held) + 1))(*(a.ctypes.data for a in held))
    numbers = (ctypes.c_int64 * (len(params) + 1))(*params)
    scratch = np.full(kernel.scratch_bytes + 64, 0xFF, np.uint8)
    aligned = scratch.ctypes.data + -scratch.ctypes.data % 64
    items = kernel.items(dict(zip(kernel.params, params, strict=True)))
    edges = [items * i // splits for i in range(splits + 1)]
    for begin, end in reversed(list(zip(edges, edges[1:], strict=False))):
        function(ctypes.addressof(pointers), ctypes.addressof(numbers), aligned, begin, end)
    return int(status[0]), int(status[1])


def check(
    kernel: Kernel,
    arrays: Sequence[np.ndarray],
    params: Sequence[int] = (),
    tolerance: float = 0.0,
) -> list[np.ndarray]:
    """Every target and split agrees with the interpreter; returns the interpreter's arrays."""
    expected = [a.copy() for a in arrays]
    status = interpret(kernel, expected, params)
    for name in TARGETS:
        for splits in (1, 3):
            found = [a.copy() for a in arrays]
            got = run(kernel, found, params, name, splits)
            assert (got[0] != 0) == (status[0] != 0)
            if splits == 1:
                assert got == status
            for a, b in zip(found, expected, strict=True):
                wide = np.float64 if a.dtype.kind not in "biu" else a.dtype
                np.testing.assert_allclose(
                    a.astype(wide), b.astype(wide), rtol=tolerance, atol=tolerance, err_msg=f"{name}\n{kernel}"
                )  # fmt: skip
    return expected


def numbers(*shape: int, seed: int = 0, dtype: np.dtype | type = np.float32) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def flat(make: Callable, inputs: Sequence, output, tile: int = 256) -> Kernel:
    """out[i] = make(s, a[i], b[i], ...) over a runtime extent."""
    b = KernelBuilder("flat")
    arrays = [b.input(f"x{i}", dtype) for i, dtype in enumerate(inputs)]
    out, n = b.output("out", output), b.param("n")
    c = b.grid("c", Tiles(n, tile))
    with b.vector("i", b.tiled(c, tile, n)) as i:
        at = c * tile + i.index
        b.store(out, at, make(b, *(b.load(a, at) for a in arrays)))
    return b.finish()


@pytest.mark.parametrize("n", [0, 1, 7, 8, 31, 256, 257, 1000])
def test_flat_pointwise_with_runtime_extent(n: int) -> None:
    kernel = flat(lambda s, x, y: s.add(s.mul(x, y), s.const(0.5)), [float32, float32], float32)
    x, y = numbers(n), numbers(n, seed=1)
    (*_, out) = check(kernel, [x, y, np.zeros(n, np.float32)], [n], 1e-6)
    np.testing.assert_allclose(out, x * y + np.float32(0.5), rtol=1e-6)


def test_an_element_has_the_same_bits_wherever_it_stands() -> None:
    kernel = flat(lambda s, x: s.add(s.mul(x, x), s.call("exp", x)), [float32], float32)
    x = np.full(1003, 0.7310585, np.float32)
    out = np.zeros_like(x)
    run(kernel, [x, out], [1003])
    assert len(np.unique(out)) == 1


def test_difference_of_equal_products_is_zero() -> None:
    kernel = flat(lambda s, x, y: s.sub(s.mul(x, y), s.mul(y, x)), [float32, float32], float32)
    x, y = numbers(100), numbers(100, seed=1)
    (*_, out) = check(kernel, [x, y, np.ones(100, np.float32)], [100])
    assert (out == 0).all()


def test_strides_broadcast_flip_and_permute() -> None:
    b = KernelBuilder("views")
    x, y, z, out = (
        b.input("x", float32),
        b.input("y", float32),
        b.input("z", float32),
        b.output("out", float32),
    )
    r = b.grid("r", 5)
    with b.vector("j", 37) as j:
        straight = b.load(x, j.index * 5 + r)  # transposed
        flipped = b.load(y, r * 37 + 36 - j.index)
        row = b.load(z, r)
        strided = b.load(y, j.index * 2 + r)
        b.store(out, r * 37 + j.index, b.add(b.sub(straight, flipped), b.mul(row, strided)))
    X, Y, Z = numbers(37, 5), numbers(5, 37, seed=1), numbers(5, seed=2)
    (*_, found) = check(b.finish(), [X, Y, Z, np.zeros((5, 37), np.float32)], (), 1e-6)
    strided_part = np.stack([Y.reshape(-1)[r : r + 74 : 2] for r in range(5)])
    np.testing.assert_allclose(
        found, X.T - Y[:, ::-1] + Z[:, None] * strided_part, rtol=1e-5, atol=1e-6
    )


def test_stores_with_strides() -> None:
    b = KernelBuilder("scatter")
    x, out = b.input("x", float32), b.inout("out", float32)
    r = b.grid("r", 3)
    with b.vector("j", 21) as j:
        value = b.load(x, r * 21 + j.index)
        b.store(out, j.index * 6 + r * 2, value)
        b.store(out, r * 2 + 121 - 6 * j.index, b.neg(value))
        b.store(out, 200 + r * 21 + 20 - j.index, value)
    X = numbers(3, 21)
    (_, found) = check(b.finish(), [X, np.zeros(300, np.float32)])
    np.testing.assert_array_equal(found[200:263].reshape(3, 21), X[:, ::-1])


@pytest.mark.parametrize("n", [1, 5, 8, 43, 1024])
def test_softmax_rows(n: int) -> None:
    b = KernelBuilder("softmax")
    x, y, t = b.input("x", float32), b.output("y", float32), b.temp("t", float32, n)
    r = b.grid("r", 6)
    with b.vector("j", n) as j:
        m = j.reduce("max", b.load(x, r * n + j.index))
    with b.vector("j", n) as j:
        e = b.call("exp", b.sub(b.load(x, r * n + j.index), m))
        b.store(t, j.index, e)
        z = j.reduce("add", e)
    with b.vector("j", n) as j:
        b.store(y, r * n + j.index, b.div(b.load(t, j.index), z))
    X = numbers(6, n) * 5
    (_, found) = check(b.finish(), [X, np.zeros_like(X)], (), 1e-6)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)


@pytest.mark.parametrize("dtype", [float32, float64, int32, int64, int8, uint8, bool_])
@pytest.mark.parametrize("combine", ["add", "mul", "max", "min", "and", "or", "argmax", "argmin"])
def test_reductions(combine: str, dtype) -> None:
    if (combine in ("and", "or")) == (dtype.kind == "f") or (
        dtype is bool_ and combine[0] not in "ao"
    ):
        pytest.skip("not a reduction of this dtype")
    if dtype is bool_ and combine == "add":
        pytest.skip("bool is not summed")
    for n in (1, 6, 8, 100, 515):
        b = KernelBuilder("reduce")
        out_dtype = int64 if combine.startswith("arg") else dtype
        x, out = b.input("x", dtype), b.output("out", out_dtype)
        r = b.grid("r", 3)
        with b.vector("j", n) as j:
            total = j.reduce(combine, b.load(x, r * n + j.index))
        b.store(out, r, total)
        X = (numbers(3, n) * (1 if combine == "mul" else 3)).astype(dtype.numpy)
        if dtype.kind in "iu" and combine == "mul":
            X = np.where(X == 0, 1, X).astype(dtype.numpy)
        check(b.finish(), [X, np.zeros(3, out_dtype.numpy)], (), 1e-5 if dtype.kind == "f" else 0)


@pytest.mark.parametrize("combine", ["max", "min", "argmax", "argmin"])
def test_extremes_see_nan_and_ties(combine: str) -> None:
    n = 77
    b = KernelBuilder("extreme")
    out_dtype = int64 if combine.startswith("arg") else float32
    x, out = b.input("x", float32), b.output("out", out_dtype)
    r = b.grid("r", 80)
    with b.vector("j", n) as j:
        total = j.reduce(combine, b.load(x, r * n + j.index))
    b.store(out, r, total)
    X = np.round(numbers(80, n) * 2)
    X[77] = np.inf
    X[78] = -np.inf
    X[np.arange(77), np.arange(77)] = np.nan
    X[5, 70] = np.nan
    (_, found) = check(b.finish(), [X, np.zeros(80, out_dtype.numpy)])
    if combine.startswith("arg"):
        np.testing.assert_array_equal(found, getattr(np, combine)(X, axis=1))


def test_long_sums_stay_accurate_and_do_not_depend_on_the_split() -> None:
    n = 300_007
    b = KernelBuilder("sum")
    x, out, size = b.input("x", float32), b.output("out", float32), b.param("n")
    b.grid("c", 1)
    with b.vector("j", size) as j:
        total = j.reduce("add", b.load(x, j.index))
    b.store(out, 0, total)
    kernel = b.finish()
    X = np.abs(numbers(n)) + np.float32(1000)
    out = np.zeros(1, np.float32)
    run(kernel, [X, out], [n])
    assert abs(out[0] / X.sum(dtype=np.float64) - 1) < 3e-7


def test_column_reduction_and_row_blocks() -> None:
    R, C, tile = 45, 77, 32
    b = KernelBuilder("columns")
    x, out, acc = b.input("x", float32), b.output("out", float32), b.temp("acc", float32, tile)
    c = b.grid("c", Tiles(C, tile))
    extent = b.tiled(c, tile, C)
    with b.vector("j", extent) as j:
        b.store(acc, j.index, b.const(0.0, float32))
    with b.serial("block", 5) as block, b.vector("j", extent) as j:
        with b.serial("r", 9) as r:
            row = block.index * 9 + r.index
            total = r.reduce("add", b.load(x, row * C + c * tile + j.index))
        b.store(acc, j.index, b.add(b.load(acc, j.index), total))
    with b.vector("j", extent) as j:
        b.store(out, c * tile + j.index, b.load(acc, j.index))
    X = numbers(R, C)
    (_, found) = check(b.finish(), [X, np.zeros(C, np.float32)], (), 1e-5)
    np.testing.assert_allclose(found, X.sum(0), rtol=1e-4, atol=1e-5)


def test_serial_reductions_inside_lanes() -> None:
    b = KernelBuilder("lanes")
    x, out, where = b.input("x", float32), b.output("out", float32), b.output("where", int64)
    b.grid("g", 1)
    with b.vector("j", 19) as j:
        with b.serial("r", 11) as r:
            value = b.load(x, r.index * 19 + j.index)
            top, at, count = (
                r.reduce("max", value),
                r.reduce("argmin", value),
                r.reduce("add", b.const(1.0, float32)),
            )
        b.store(out, j.index, b.add(top, count))
        b.store(where, j.index, at)
    X = numbers(11, 19)
    (_, found, places) = check(b.finish(), [X, np.zeros(19, np.float32), np.zeros(19, np.int64)])
    np.testing.assert_array_equal(found, X.max(0) + np.float32(11))
    np.testing.assert_array_equal(places, X.argmin(0))


def test_carries_make_scans_along_and_across_lanes() -> None:
    b = KernelBuilder("cumsum")
    x, rows, columns, last = (
        b.input("x", float64),
        b.output("rows", float64),
        b.output("columns", float64),
        b.output("last", float64),
    )
    r = b.grid("r", 4)
    with b.serial("j", 9) as j:
        before = j.carry(b.const(0.0, float64))
        now = b.add(before, b.load(x, r * 9 + j.index))
        b.store(rows, r * 9 + j.index, now)
        end = j.hand_on(before, now)
    b.store(last, r, end)
    with b.vector("j", 9) as j, b.serial("i", 4) as i:
        before = i.carry(b.const(0.0, float64))
        now = b.add(before, b.load(x, i.index * 9 + j.index))
        b.store(columns, i.index * 9 + j.index, now)
        i.hand_on(before, now)
    X = numbers(4, 9, dtype=np.float64)
    zero = np.zeros_like(X)
    _, R, C, L = check(b.finish(), [X, zero, zero, np.zeros(4)], (), 1e-14)
    np.testing.assert_allclose(R, X.cumsum(1), atol=1e-14)
    np.testing.assert_allclose(C, X.cumsum(0), atol=1e-14)
    np.testing.assert_allclose(L, X.sum(1), atol=1e-14)


def test_guards_pad_in_two_dimensions() -> None:
    b = KernelBuilder("pad")
    x, out = b.input("x", float32), b.output("out", float32)
    r = b.grid("r", 9)
    with b.vector("j", 30) as j:
        inside = (
            Guard(r, Index.of(2), Index.of(7)),
            Guard(j.index, Index.of(3), Index.of(24)),
        )
        value = b.load(x, (r - 2) * 21 + j.index - 3, guards=inside, fill=b.const(7.5, float32))
        b.store(out, r * 30 + j.index, value)
    X = numbers(5, 21)
    (_, found) = check(b.finish(), [X, np.zeros((9, 30), np.float32)])
    np.testing.assert_array_equal(found, np.pad(X, ((2, 2), (3, 6)), constant_values=7.5))


def test_guards_on_strided_reads_and_on_stores() -> None:
    b = KernelBuilder("guards")
    x, out, when = b.input("x", int64), b.inout("out", int64), b.input("when", bool_)
    b.grid("g", 1)
    with b.vector("j", 29) as j:
        odd = b.load(
            x, 2 * j.index - 5, guards=(Guard(2 * j.index - 5, Index.of(0), Index.of(40)),)
        )
        mine = b.load(when, j.index)
        b.store(out, j.index, odd, when=mine)
        b.store(out, 29 + 28 - j.index, odd, guards=(Guard(j.index, Index.of(4), None),), when=mine)
        b.store(out, 60 + 3 * j.index, odd, guards=(Guard(j.index * 2, None, Index.of(33)),))
        b.store(out, 150 + 28 - j.index, b.load(x, 39 - j.index, when=mine))
    X = np.arange(1, 41)
    check(b.finish(), [X, np.full(200, -1), numbers(29) > 0])


def test_uniform_loads_can_be_guarded_inside_and_outside_of_loops() -> None:
    b = KernelBuilder("uniform")
    x, bias, out = b.input("x", float32), b.input("bias", float32), b.output("out", float32)
    r = b.grid("r", 6)
    with b.vector("j", 20) as j:
        shift = b.load(
            bias, r - 2, guards=(Guard(r, Index.of(2), Index.of(5)),), fill=b.const(-1.0, float32)
        )
        b.store(out, r * 20 + j.index, b.add(b.load(x, r * 20 + j.index), shift))
    X, B = numbers(6, 20), numbers(3, seed=3)
    (*_, found) = check(b.finish(), [X, B, np.zeros_like(X)])
    np.testing.assert_array_equal(found[2], X[2] + B[0])
    np.testing.assert_array_equal(found[5], X[5] - 1)


def embedding(rows: int, tokens: int, width: int, wrap: bool = False) -> Kernel:
    b = KernelBuilder("embedding")
    table, ids, out = b.input("table", float32), b.input("ids", int64), b.output("out", float32)
    t = b.grid("t", tokens)
    row = Indirect(b.load(ids, t), Index.of(width), rows, code=2, wrap=wrap)
    with b.vector("j", width) as j:
        b.store(out, t * width + j.index, b.load(table, j.index, indirect=(row,)))
    return b.finish()


def test_take_rows_checks_indices() -> None:
    table, ids = numbers(10, 33), np.array([3, 0, 9, 9, -10])
    (*_, out) = check(embedding(10, 4, 33), [table, ids[:4], np.zeros((4, 33), np.float32)])
    np.testing.assert_array_equal(out, table[ids[:4]])
    (*_, out) = check(embedding(10, 5, 33, wrap=True), [table, ids, np.zeros((5, 33), np.float32)])
    np.testing.assert_array_equal(out, table[ids])
    for bad in (10, -1, 2**40):
        arrays = [table, np.array([1, bad]), np.zeros((2, 33), np.float32)]
        assert run(embedding(10, 2, 33), arrays) == (2, bad)
    arrays = [np.zeros((0, 33), np.float32), np.array([0]), np.zeros((1, 33), np.float32)]
    assert run(embedding(0, 1, 33), arrays) == (2, 0)


@pytest.mark.parametrize("size", ["n", 50])
def test_gather_with_indices_per_lane(size) -> None:
    b = KernelBuilder("gather")
    x, ids, out = b.input("x", float32), b.input("ids", int32), b.output("out", float32)
    b.param("n")
    r = b.grid("r", 3)
    with b.vector("j", 26) as j:
        at = Indirect(b.load(ids, r * 26 + j.index), Index.of(3), size, wrap=True)
        b.store(out, r * 26 + j.index, b.load(x, r, indirect=(at,)))
    kernel = b.finish()
    X = numbers(50, 3)
    ids = np.random.default_rng(0).integers(-50, 50, (3, 26)).astype(np.int32)
    (_, _, found) = check(kernel, [X, ids, np.zeros((3, 26), np.float32)], [50])
    np.testing.assert_array_equal(found, np.stack([X[ids[r], r] for r in range(3)]))
    ids[1, 25] = 50
    ids[1, 24] = -51
    found = np.zeros((3, 26), np.float32)
    assert run(kernel, [X, ids, found], [50]) == (1, -51)


def test_index_add_by_column_blocks() -> None:
    tokens, rows, width, tile = 40, 7, 50, 16
    b = KernelBuilder("index_add")
    g, ids, out = b.input("g", float32), b.input("ids", int64), b.inout("out", float32)
    c = b.grid("c", Tiles(width, tile))
    with b.serial("t", tokens) as t:
        row = Indirect(b.load(ids, t.index), Index.of(width), rows)
        with b.vector("j", Tile("c", tile, width)) as j:
            column = c * tile + j.index
            b.store(
                out, column, b.load(g, t.index * width + column), indirect=(row,), accumulate=True
            )
    G, ids = numbers(tokens, width), np.random.default_rng(1).integers(0, rows, tokens)
    (*_, found) = check(b.finish(), [G, ids, np.ones((rows, width), np.float32)], (), 1e-6)
    expected = np.ones((rows, width))
    np.add.at(expected, ids, G)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_scatter_add_in_a_serial_loop() -> None:
    b = KernelBuilder("histogram")
    ids, out = b.input("ids", uint8), b.inout("out", int32)
    b.grid("g", 1)
    with b.serial("i", 100) as i:
        at = Indirect(b.cast(b.load(ids, i.index), int64), Index.of(1), 16, code=0)
        b.store(out, 0, b.const(1, int32), indirect=(at,), accumulate=True)
    ids = np.random.default_rng(1).integers(0, 16, 100).astype(np.uint8)
    (_, found) = check(b.finish(), [ids, np.zeros(16, np.int32)])
    np.testing.assert_array_equal(found, np.bincount(ids, minlength=16))


def test_positions_make_iota_and_causal_masks() -> None:
    b = KernelBuilder("mask")
    out, line = b.output("out", bool_), b.output("line", float32)
    r = b.grid("r", 12)
    with b.vector("j", 12) as j:
        b.store(out, r * 12 + j.index, b.less_equal(b.position(j.index), b.position(r)))
        b.store(line, r * 12 + j.index, b.cast(b.position(3 * j.index + 100 * r), float32))
    found, line = check(b.finish(), [np.zeros((12, 12), bool), np.zeros((12, 12), np.float32)])
    np.testing.assert_array_equal(found, np.tri(12, dtype=bool))
    assert line[2, 5] == 215


def test_grid_of_three_axes() -> None:
    b = KernelBuilder("permute")
    x, out, n = b.input("x", int32), b.output("out", int32), b.param("n")
    i, j = b.grid("i", 3), b.grid("j", n)
    k = b.grid("k", Tiles(11, 4))
    with b.vector("l", Tile("k", 4, 11)) as inner:
        at = k * 4 + inner.index
        b.store(out, (j * 3 + i) * 11 + at, b.load(x, i * n * 11 + j * 11 + at))
    X = np.arange(3 * 5 * 11, dtype=np.int32).reshape(3, 5, 11)
    (_, found) = check(b.finish(), [X, np.zeros((5, 3, 11), np.int32)], [5])
    np.testing.assert_array_equal(found, X.transpose(1, 0, 2))


STORED = [d for d in DTYPES if not d.is_complex]


@pytest.mark.parametrize("source", STORED, ids=lambda d: d.short)
@pytest.mark.parametrize("result", STORED, ids=lambda d: d.short)
def test_casts_between_all_dtypes(source, result) -> None:
    kernel = flat(lambda s, x: s.cast(x, result), [source], result)
    x = np.array([0, 1, 2, 3, 100, 1, 0, 55, 17, 7.75, 0.5] * 3, np.float64)
    if source.is_signed and result.is_signed:
        x[::4] *= -1
    check(kernel, [x.astype(source.numpy), np.zeros(x.size, result.numpy)], [x.size])


@pytest.mark.parametrize("dtype", [bfloat16, float16], ids=lambda d: d.short)
def test_every_half_value_survives_and_rounds_to_nearest(dtype) -> None:
    every = np.arange(65536, dtype=np.uint16).view(dtype.numpy)
    widen = flat(lambda s, x: x, [dtype], float32)
    narrow = flat(lambda s, x: x, [float32], dtype)
    wide = np.zeros(65536, np.float32)
    with np.errstate(all="ignore"):
        expected = every.astype(np.float32)
        between = np.concatenate([expected, (expected[:-1] + expected[1:]) / 2, expected * 1.0001])
        rounded = between.astype(dtype.numpy)
    for name in TARGETS:
        run(widen, [every, wide], [65536], name)
        np.testing.assert_array_equal(wide, expected)
        back = np.zeros(between.size, dtype.numpy)
        run(narrow, [between, back], [between.size], name)
        nan = np.isnan(between)
        np.testing.assert_array_equal(np.isnan(back.astype(np.float32)), nan)
        np.testing.assert_array_equal(back[~nan].view(np.uint16), rounded[~nan].view(np.uint16))


def test_in_place_pointwise() -> None:
    kernel = flat(lambda s, x, y: s.sub(s.mul(x, y), x), [float32, float32], float32)
    x, y = numbers(1000), numbers(1000, seed=1)
    expected = x * y - x
    run(kernel, [x, y, x], [1000])
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)


def test_empty_rows() -> None:
    b = KernelBuilder("empty")
    x, out, n = b.input("x", float32), b.output("out", float32), b.param("n")
    r = b.grid("r", 3)
    with b.vector("j", n) as j:
        total = j.reduce("add", b.load(x, r * n + j.index))
        top = j.reduce("max", b.load(x, r * n + j.index))
    b.store(out, r, b.sub(total, top))
    (_, found) = check(b.finish(), [np.zeros((3, 0), np.float32), np.zeros(3, np.float32)], [0])
    assert (found == np.inf).all()


assert ml_dtypes.bfloat16(1) == 1


@pytest.mark.parametrize("offset", [0, 1, 8])
@pytest.mark.parametrize("dtype", [float32, float64, bfloat16, uint8], ids=lambda d: d.short)
def test_streaming_stores_at_any_address(dtype, offset: int) -> None:
    n, tile = 1000, 256
    b = KernelBuilder("stream")
    x, out, size = b.input("x", dtype), b.output("out", dtype), b.param("n")
    c = b.grid("c", Tiles(size, tile))
    with b.vector("i", b.tiled(c, tile, size)) as i:
        at = c * tile + i.index
        b.store(out, at, b.load(x, at), streaming=True)
    X = np.arange(n).astype(dtype.numpy)
    room = np.zeros(n + 64, dtype.numpy)
    found = room[offset : offset + n]
    run(b.finish(), [X, found], [n])
    np.testing.assert_array_equal(found, X)
    assert not room[offset + n :].astype(np.float32).any()


@pytest.mark.parametrize("name", ["avx512", "avx2", "sse", "neon"])
def test_every_target_assembles(name: str) -> None:
    """Code for machines that this one is not: LLVM takes it and leaves no call outside the module."""
    machine = target(name)
    kernels = [
        flat(
            lambda s, x, y: s.call("pow", s.call("sin", x), s.call("fmod", x, y)),
            [float32] * 2,
            float16,
        ),
        flat(lambda s, x: s.cast(s.call("erf", s.call("floor", x)), float64), [bfloat16], float64),
        flat(lambda s, x: s.less(s.call("floor_divide", x, s.add(x, 2)), x), [int64], bool_),
        embedding(10, 2, 33),
    ]
    for kernel in kernels:
        text = kernel.llvm("kernel", machine)
        assembly = jit.assembly(text, machine)
        called = set(re.findall(r"^\s*(?:callq?|bl|jmp)\s+([A-Za-z_]\w*)", assembly, re.M))
        defined = set(re.findall(r"^([A-Za-z_]\w*):", assembly, re.M))
        assert called <= defined


@pytest.mark.parametrize("dtype", [float32, float64, bfloat16, bool_, int64], ids=lambda d: d.short)
@pytest.mark.parametrize("tile", [8, 32])
def test_tiled_transpose(dtype, tile: int) -> None:
    rows, columns = 64, 96
    b = KernelBuilder("transpose")
    x, out, t = b.input("x", dtype), b.output("out", dtype), b.temp("t", dtype, tile * tile)
    i, j = b.grid("i", columns // tile), b.grid("j", rows // tile)
    with b.serial("p", tile) as p, b.vector("q", tile) as q:
        value = b.load(x, (j * tile + p.index) * columns + i * tile + q.index)
        b.store(t, tile * q.index + p.index, value)
    with b.serial("p", tile) as p, b.vector("q", tile) as q:
        value = b.load(t, tile * p.index + q.index)
        b.store(out, (i * tile + p.index) * rows + j * tile + q.index, value)
    X = (numbers(rows, columns) * 9).astype(dtype.numpy)
    (_, found) = check(b.finish(), [X, np.zeros((columns, rows), dtype.numpy)])
    np.testing.assert_array_equal(found, X.T)
