"""Indices, the text of kernels, structural keys, the builder and the reference interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.kernel import Const, Guard, Index, Indirect, Kernel, Tile, Tiles, statements
from graphtorch.codegen.kernel_builder import KernelBuilder
from graphtorch.codegen.kernel_interpret import interpret
from graphtorch.codegen.scalar import CALLS, NumpyScalar
from graphtorch.errors import UnsupportedError
from graphtorch.ir.types import (
    bfloat16,
    bool_,
    complex64,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint8,
)


def test_indices_are_polynomials() -> None:
    r, j, n = Index.of("r"), Index.of("j"), Index.of("n")
    index = (r + 2) * n + 3 * j - 7
    assert str(index) == "3*j + 2*n + n*r - 7"
    assert index == n * r - 7 + j * 3 + n * 2
    assert index.stride("r") == n and index.stride("j").constant == 3
    assert index.without("r") == 2 * n + 3 * j - 7
    assert index.symbols == {"r", "j", "n"}
    assert (r - r).constant == 0 and (r * 0 + 5).constant == 5 and r.constant is None
    assert str(-r) == "-r" and str(Index()) == "0" and str(5 - r) == "-r + 5"


def softmax(names: str = "x y t r j", n: int = 20) -> Kernel:
    x_name, y_name, t_name, r_name, j_name = names.split()
    b = KernelBuilder("softmax")
    x, y = b.input(x_name, float32), b.output(y_name, float32)
    t = b.temp(t_name, float32, n)
    r = b.grid(r_name, 5)
    with b.vector(j_name, n) as j:
        m = j.reduce("max", b.load(x, r * n + j.index), "m")
    with b.vector(j_name, n) as j:
        e = b.call("exp", b.sub(b.load(x, r * n + j.index), m))
        b.store(t, j.index, e)
        z = j.reduce("add", e, "z")
    with b.vector(j_name, n) as j:
        b.store(y, r * n + j.index, b.div(b.load(t, j.index), z))
    return b.finish()


def test_text() -> None:
    assert str(softmax()) == (
        "kernel softmax(x: in f32, y: out f32, t: temp f32[20])\n"
        "  grid r < 5:\n"
        "    vector j < 20 -> m: f32 = max(x_at):\n"
        "      x_at: f32 = x[20*r + j]\n"
        "    vector j < 20 -> z: f32 = add(exp):\n"
        "      x_at_1: f32 = x[20*r + j]\n"
        "      sub: f32 = sub(x_at_1, m)\n"
        "      exp: f32 = exp(sub)\n"
        "      t[j] = exp\n"
        "    vector j < 20:\n"
        "      t_at: f32 = t[j]\n"
        "      div: f32 = div(t_at, z)\n"
        "      y[20*r + j] = div\n"
    )


def test_text_of_everything_else() -> None:
    b = KernelBuilder("all")
    x, ids, out, n = (
        b.input("x", bfloat16),
        b.input("ids", int64),
        b.inout("out", float32),
        b.param("n"),
    )
    g, h = b.grid("g", Tiles(n, 64)), b.grid("h", n)
    where = b.load(ids, g)
    with b.serial("i", Tile("g", 64, n), unroll=2) as i:
        before = i.carry(b.const(0.0, float32))
        here = b.position(g * 64 + i.index)
        guards = (Guard(i.index, Index.of(1), Index.of("n")),)
        row = Indirect(where, Index.of("n"), "n", 3, wrap=True)
        value = b.load(x, h, guards=guards, indirect=(row,))
        low = b.cast(b.cast(value, int32), bool_)
        after = b.add(before, b.select(low, value, 1.5))
        b.store(out, i.index, after, when=b.less(here, 7), accumulate=True, streaming=True)
        i.hand_on(before, after)
    assert str(b.finish()) == (
        "kernel all(x: in bf16, ids: in i64, out: inout f32, status; n)\n"
        "  grid g < ceil(n / 64), h < n:\n"
        "    ids_at: i64 = ids[g]\n"
        "    serial i < min(64, n - 64*g) carry carry: f32 = 0.0 then add -> last unroll 2:\n"
        "      position: i64 = index(64*g + i)\n"
        "      x_at: f32 = x[n*(ids_at wraps in n or fail 3) + h] if 1 <= i < n else 0.0\n"
        "      cast: i32 = cast(x_at, i32)\n"
        "      cast_1: bool = cast(cast, bool)\n"
        "      select: f32 = select(cast_1, x_at, 1.5)\n"
        "      add: f32 = add(carry, select)\n"
        "      less: bool = less(position, 7)\n"
        "      out[i] += add if less  # streaming\n"
    )


def test_key_ignores_names_and_sees_structure() -> None:
    assert softmax().key == softmax("a b scratch row column").key
    assert softmax().key != softmax(n=21).key


def test_facts_about_kernels() -> None:
    kernel = softmax()
    assert [b.name for b in kernel.operands] == ["x", "y"]
    assert kernel.scratch_bytes == 128 and not kernel.can_fail and kernel.items() == 5
    b = KernelBuilder("k")
    n = b.param("n")
    b.grid("a", Tiles(n, 64))
    b.grid("b", 3)
    assert b.finish().items({"n": 129}) == 9


def test_builder_shares_and_folds() -> None:
    b = KernelBuilder("cse")
    x, out, t = b.input("x", float32), b.output("out", float32), b.temp("t", float32, 4)
    b.grid("g", 1)
    with b.vector("i", 4) as i:
        a = b.load(x, i.index)
        assert b.load(x, i.index) is a
        assert b.load(t, i.index) is not b.load(t, i.index)
        assert b.add(a, 1) is b.add(a, b.const(1.0, float32))
        assert b.mul(a, 0.0) is not b.mul(a, -0.0)
        assert b.add(b.const(1.5, float32), 2) == Const(3.5, float32)
        assert b.cast(b.const(2.7, float64), int32) == Const(2, int32)
        assert b.const(300, uint8) == Const(44, uint8)
        assert b.cast(a, float32) is a
        b.store(out, i.index, a)
    with b.vector("i", 4) as i:
        assert b.load(x, i.index) is not a  # the other loop's value is gone
        b.store(out, i.index, b.load(x, i.index))
    assert sum(1 for _ in statements(b.finish().body)) == 2 + 7 + 2


def test_builder_refuses_what_makes_no_sense() -> None:
    b = KernelBuilder("bad")
    x, out = b.input("x", float32), b.output("out", int64)
    a = b.load(x, 0)
    with pytest.raises(TypeError, match="one dtype"):
        b.add(a, b.const(1, int64))
    with pytest.raises(TypeError, match="out holds i64, value is f32"):
        b.store(out, 0, a)
    with pytest.raises(UnsupportedError, match="complex"):
        b.input("z", complex64)
    with pytest.raises(UnsupportedError, match="no scalar function"):
        b.call("bessel", a)
    with pytest.raises(ValueError, match="hand_on"):
        with b.serial("i", 3) as i:
            i.carry(a)


def test_halves_are_f32_in_values() -> None:
    b = KernelBuilder("half")
    x, y = b.input("x", float16), b.output("y", bfloat16)
    b.grid("g", 1)
    with b.vector("i", 3) as i:
        value = b.load(x, i.index)
        assert value.dtype is float32
        b.store(y, i.index, b.mul(value, 1 / 3))
    X = np.array([1, 2, 65504], np.float16)
    Y = np.zeros(3, bfloat16.numpy)
    interpret(b.finish(), [X, Y])
    np.testing.assert_array_equal(
        Y, (X.astype(np.float32) * np.float32(1 / 3)).astype(bfloat16.numpy)
    )


def test_interpreter_runs_any_range_of_items() -> None:
    kernel = softmax()
    x = np.random.default_rng(0).standard_normal((5, 20)).astype(np.float32)
    y = np.zeros_like(x)
    interpret(kernel, [x, y], begin=1, end=3)
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(y[1:3], (e / e.sum(1, keepdims=True))[1:3], rtol=1e-6)
    assert not y[[0, 3, 4]].any()


def test_interpreter_catches_faults() -> None:
    b = KernelBuilder("faults")
    x, out = b.input("x", int8), b.output("out", int8)
    b.grid("g", 1)
    with b.vector("i", 5) as i:
        b.store(out, i.index, b.load(x, i.index + 1))
    x, out = np.zeros(5, np.int8), np.zeros(5, np.int8)
    with pytest.raises(IndexError, match="read out of bounds"):
        interpret(b.finish(), [x, out])
    with pytest.raises(ValueError, match="contiguous i8"):
        interpret(b.finish(), [x.astype(np.int32), out])
    with pytest.raises(ValueError, match="number of buffers"):
        interpret(b.finish(), [x])


def test_interpreter_reports_the_first_bad_index() -> None:
    b = KernelBuilder("take")
    x, ids, out = b.input("x", float32), b.input("ids", int64), b.output("out", float32)
    b.grid("g", 1)
    with b.vector("i", 4) as i:
        at = Indirect(b.load(ids, i.index), Index.of(1), 3, code=5)
        b.store(out, i.index, b.load(x, indirect=(at,)))
    out = np.zeros(4, np.float32)
    x = np.arange(3, dtype=np.float32)
    assert interpret(b.finish(), [x, np.array([0, 2, 1, 0]), out]) == (0, 0)
    np.testing.assert_array_equal(out, [0, 2, 1, 0])
    assert interpret(b.finish(), [x, np.array([0, -1, 7, 0]), out]) == (5, -1)


def test_numpy_target_computes_every_call() -> None:
    s = NumpyScalar()
    x = np.array([0.25, 0.5], np.float32)
    for name, arity in CALLS.items():
        y = s.call(name, *[x] * arity)
        assert y.shape == (2,) and y.dtype in (np.float32, np.bool_)
    np.testing.assert_allclose(s.call("erfinv", x), [0.22531206, 0.47693628], rtol=1e-6)
    np.testing.assert_allclose(s.call("digamma", x), [-4.2274535, -1.9635100], rtol=1e-6)
    assert np.isnan(s.max(np.float32(np.nan), 1.0)) and s.cast(np.array([2.0]), bool_)[0]
    np.testing.assert_array_equal(
        s.shift_left(np.array([1, -3], np.int8), np.array([9, 1], np.int8)), [0, -6]
    )
    np.testing.assert_array_equal(
        s.shift_right(np.array([4, -3], np.int8), np.array([9, 9], np.int8)), [0, -1]
    )
