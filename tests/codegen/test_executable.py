"""Executables over hand-written kernels: calls, failures, aliases, threads, fork."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref

import numpy as np
import pytest

from graphtorch import config
from graphtorch.codegen import executable, runtime
from graphtorch.codegen.executable import Executable
from graphtorch.codegen.program import Array, Failure, ProgramBuilder, work_estimate
from graphtorch.errors import CompileError
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import NOWHERE, Source
from graphtorch.ir.types import bfloat16, float32, int64
from tests.codegen.text_kernels import (
    ADD,
    ADD_ONE,
    CHECKED,
    CHUNK,
    MUL,
    NEG,
    REVERSE,
    TWICE,
    TextKernel,
)


class Writer:
    """Shorthand for programs over f32 vectors of one length."""

    def __init__(self, size):
        self.size, self.type = size, float32[size]
        self.b = ProgramBuilder("p")

    def input(self, name="x"):
        return self.b.input(name, self.type)

    def launch(self, kernel, *operands, **fields):
        y = self.b.value(kernel.name, self.type)
        inplace = () if kernel in (REVERSE, CHECKED) else ((len(operands), 0),)
        self.b.launch(
            kernel,
            (*operands, y),
            (len(operands),),
            params=(self.size,),
            chunks=-(-self.size // CHUNK),
            work=work_estimate(nbytes=4 * self.size * (len(operands) + 1)),
            inplace=inplace,
            **fields,
        )
        return y

    def host(self, op, *operands, **attrs):
        y = self.b.value(op.name, self.type)
        arguments = [Array(x, self.type) if isinstance(x, int) else x for x in operands]
        self.b.host(op, arguments, (Array(y, self.type),), attrs=attrs)
        return y

    def done(self, *outputs, updates=()):
        return Executable(self.b.finish(outputs, updates))


def vector(size, seed=0):
    return np.random.default_rng(seed).standard_normal(size).astype(np.float32)


@pytest.fixture
def threads():
    before = runtime.get_num_threads()
    yield runtime.set_num_threads
    runtime.set_num_threads(before)


@pytest.mark.parametrize("size", [1, 4, 255, 256, 257, 100_000])
def test_computes(size):
    w = Writer(size)
    x, y = w.input(), w.input()
    t = w.launch(ADD, x, y)
    exe = w.done(w.launch(REVERSE, w.launch(MUL, t, y)))
    a, b, out = vector(size), vector(size, 1), np.zeros(size, np.float32)
    exe.run([a, b], [out])
    np.testing.assert_array_equal(out, ((a + b) * b)[::-1])


def test_empty_graph_and_empty_arrays():
    assert ProgramBuilder("nothing").finish(()).steps == ()
    Executable(ProgramBuilder("nothing").finish(())).run([], [])
    w = Writer(0)
    exe = w.done(w.launch(NEG, w.input()))
    exe.run([np.zeros(0, np.float32)], [np.zeros(0, np.float32)])


def test_nothing_is_written_outside_the_output():
    w = Writer(1000)
    exe = w.done(w.launch(NEG, w.launch(REVERSE, w.input())))
    memory = np.full(3000, 7, np.float32)
    x = vector(1000)
    exe.run([x], [memory[1000:2000]])
    np.testing.assert_array_equal(memory[1000:2000], -x[::-1])
    assert (memory[:1000] == 7).all() and (memory[2000:] == 7).all()


def test_arena_constants_and_scratch_are_aligned():
    kernel = TextKernel(
        "addresses",
        """
define void @kernel(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end) {
  %c = load ptr, ptr %buffers
  %out.p = getelementptr ptr, ptr %buffers, i64 1
  %out = load ptr, ptr %out.p
  %a = ptrtoint ptr %out to i64
  %b = ptrtoint ptr %scratch to i64
  %c.i = ptrtoint ptr %c to i64
  %second = getelementptr i64, ptr %out, i64 1
  %third = getelementptr i64, ptr %out, i64 2
  store i64 %a, ptr %out
  store i64 %b, ptr %second
  store i64 %c.i, ptr %third
  store i64 1, ptr %scratch
  ret void
}
""",
        scratch_bytes=40,
    )
    b = ProgramBuilder("p")
    c = b.constant("c", np.arange(3, dtype=np.int64))
    t, out = b.value("t", int64[3]), b.value("out", int64[3])
    b.launch(kernel, (c, t), (1,))
    b.host(ops.add, (Array(t, int64[3]), 0), (Array(out, int64[3]),))
    found = np.zeros(3, np.int64)
    Executable(b.finish((out,))).run([], [found])
    assert (found % 64 == 0).all() and len(set(found.tolist())) == 3


def test_updates_are_written_into_the_input():
    w = Writer(600)
    p, g = w.input("p"), w.input("g")
    new = w.launch(ADD, p, w.launch(TWICE, g))
    exe = w.done(new, updates=((p, new),))
    a, b, out = vector(600), vector(600, 1), np.empty(600, np.float32)
    wanted = a + b * 2
    exe.run([a, b], [out])
    np.testing.assert_array_equal(a, wanted)
    np.testing.assert_array_equal(out, wanted)


def test_exchange_of_two_inputs_and_outputs_that_alias():
    w = Writer(500)
    x, y = w.input(), w.input()
    n = w.launch(NEG, x)
    exe = w.done(n, n, x, updates=((x, y), (y, x)))
    a, b = vector(500), vector(500, 1)
    outs = [np.empty(500, np.float32) for _ in range(3)]
    old_a, old_b = a.copy(), b.copy()
    exe.run([a, b], outs)
    np.testing.assert_array_equal(a, old_b)
    np.testing.assert_array_equal(b, old_a)
    for out, wanted in zip(outs, (-old_a, -old_a, old_a), strict=True):
        np.testing.assert_array_equal(out, wanted)


def test_host_calls_between_launches():
    w = Writer(300)
    x = w.input()
    t = w.launch(TWICE, x)
    h = w.host(ops.exp, t)
    exe = w.done(w.launch(ADD, h, t), w.host(ops.maximum, h, x), updates=((x, h),))
    a = vector(300)
    old = a.copy()
    outs = [np.empty(300, np.float32) for _ in range(2)]
    exe.run([a], outs)
    exp = np.exp(old * 2)
    np.testing.assert_allclose(outs[0], exp + old * 2, rtol=1e-6)
    np.testing.assert_allclose(outs[1], np.maximum(exp, old), rtol=1e-6)
    np.testing.assert_allclose(a, exp, rtol=1e-6)
    assert [s.name for s in exe.host_calls] == ["exp", "maximum"]


def test_host_call_sees_strided_views_and_bfloat16():
    b = ProgramBuilder("p")
    x = b.input("x", bfloat16[4, 6])
    y = b.value("y", bfloat16[2, 3])
    seen = Array(x, bfloat16[2, 3], strides=(12, 2), offset=1)
    b.host(ops.neg, (seen,), (Array(y, bfloat16[2, 3]),))
    a = np.arange(24, dtype=np.float32).reshape(4, 6).astype(bfloat16.numpy)
    out = np.empty((2, 3), bfloat16.numpy)
    Executable(b.finish((y,))).run([a], [out])
    np.testing.assert_array_equal(out, -a[::2, 1::2])


# ---- arguments


def pair():
    w = Writer(8)
    x = w.input()
    return w.done(w.launch(NEG, x), updates=((x, w.launch(TWICE, x)),))


@pytest.mark.parametrize(
    "inputs, outputs, error, message",
    [
        ([np.zeros(8, np.float32)], [], TypeError, "takes 1 inputs and 1 outputs, got 1"),
        ([[0.0] * 8], [None], TypeError, r"input 0 must be f32\[8\], got list"),
        ([np.zeros(8)], [None], TypeError, r"input 0 must be f32\[8\], got float64\[8\]"),
        ([np.zeros(9, np.float32)], [None], TypeError, r"got float32\[9\]"),
        ([np.zeros((8, 1), np.float32)], [None], TypeError, r"got float32\[8, 1\]"),
        ([np.zeros(16, np.float32)[::2]], [None], ValueError, "strides .8,"),
        ([None], [np.zeros(8, np.int32)], TypeError, "output 0 must be"),
    ],
)
def test_wrong_arguments_are_errors(inputs, outputs, error, message):
    exe = pair()
    good = np.zeros(8, np.float32)
    fill = lambda arrays: [good.copy() if a is None else a for a in arrays]
    with pytest.raises(error, match=message):
        exe.run(fill(inputs), fill(outputs))
    exe.run([good], [good.copy()])  # and it is usable afterwards


def test_read_only_arrays_are_not_written():
    exe = pair()
    a, frozen = np.ones(8, np.float32), np.ones(8, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="output 0 must be .*writeable"):
        exe.run([a], [frozen])
    with pytest.raises(ValueError, match="input 0 must be .*writeable"):
        exe.run([frozen], [a])


def test_unaligned_input_is_refused():
    w = Writer(8)
    exe = w.done(w.launch(NEG, w.input()))
    odd = np.zeros(33, np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match="aligned"):
        exe.run([odd], [np.zeros(8, np.float32)])


def test_subclasses_and_copies_of_dtypes_are_taken():
    w = Writer(8)
    exe = w.done(w.launch(NEG, w.input()))
    a, out = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    exe.run([a.view(np.recarray)], [out])
    np.testing.assert_array_equal(out, -a)
    tagged = a.view(np.dtype("f4", metadata={"tag": 1}))
    out[:] = 0
    exe.run([tagged], [out])
    np.testing.assert_array_equal(out, -a)


# ---- failures


def failing_program(size=8, source=NOWHERE):
    with GraphBuilder("f") as g:
        x = g.input(float32[size], "x", source=source)
        g.source = source
        node = g.add(ops.neg, (x,), {}, name="rows")
    w = Writer(size)
    p, x = w.input("p"), w.input("x")
    y = w.launch(CHECKED, x, failures=(Failure(0, 5),), nodes=(node,))
    new = w.launch(ADD, p, y)
    return w.done(y, updates=((p, new),))


def test_bad_index_raises_with_the_line_and_updates_nothing():
    exe = failing_program(source=Source("/somewhere/train.py", 12, "embed"))
    p, out = np.ones(8, np.float32), np.zeros(8, np.float32)
    exe.run([p, np.full(8, 3, np.float32)], [out])
    assert (p == 4).all()
    with pytest.raises(IndexError) as caught:
        exe.run([p, np.full(8, 7, np.float32)], [out])
    assert str(caught.value).splitlines() == [
        "index 7 is out of bounds for dimension 0 with size 5",
        "  in rows: f32[8] = neg(...) at train.py:12 in embed",
    ]
    assert (p == 4).all()
    exe.run([p, np.full(8, 1, np.float32)], [out])
    assert (p == 5).all()


def test_exception_in_a_host_call_updates_nothing():
    w = Writer(8)
    p = w.input()
    new = w.launch(ADD_ONE, p)

    def explode(x):
        raise ZeroDivisionError("from NumPy")

    op = ops.exp.__class__("explode", "host", ("x",), lambda x: x, explode)
    exe = w.done(w.host(op, p), updates=((p, new),))
    a, out = np.ones(8, np.float32), np.zeros(8, np.float32)
    for _ in range(2):  # the context is given back
        with pytest.raises(ZeroDivisionError, match="from NumPy"):
            exe.run([a], [out])
    assert (a == 1).all()


def test_host_result_of_another_shape_is_an_error():
    w = Writer(8)
    op = ops.exp.__class__("half", "host", ("x",), lambda x: x, lambda x: x[:4])
    exe = w.done(w.host(op, w.input()))
    with pytest.raises(CompileError, match=r"half returned shape \(4,\), the graph states \[8\]"):
        exe.run([np.ones(8, np.float32)], [np.zeros(8, np.float32)])


# ---- threads


def long_program(size):
    w = Writer(size)
    x, y = w.input(), w.input()
    t = x
    for _ in range(4):
        t = w.launch(REVERSE, w.launch(ADD, w.launch(MUL, t, y), x))
    return w.done(t)


def long_reference(x, y):
    t = x
    for _ in range(4):
        t = (t * y + x)[::-1]
    return t


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_same_bits_for_any_number_of_threads(threads, count):
    size = 500_001
    exe = long_program(size)
    x, y = vector(size), vector(size, 1)
    threads(1)
    alone = np.empty(size, np.float32)
    exe.run([x, y], [alone])
    np.testing.assert_array_equal(alone, long_reference(x, y))
    threads(count)
    together = np.empty(size, np.float32)
    for _ in range(5):
        together[:] = 0
        exe.run([x, y], [together])
        np.testing.assert_array_equal(alone, together)


def test_each_thread_has_its_own_scratch(threads):
    size = 1 << 20
    kernel = TextKernel(
        "through_scratch",
        """
define void @kernel(ptr %buffers, ptr %params, ptr %scratch, i64 %begin, i64 %end) {
entry:
  %x = load ptr, ptr %buffers
  %y.p = getelementptr ptr, ptr %buffers, i64 1
  %y = load ptr, ptr %y.p
  br label %chunk
chunk:
  %c = phi i64 [%begin, %entry], [%c.1, %copied]
  %more = icmp slt i64 %c, %end
  br i1 %more, label %go, label %done
go:
  %offset = mul i64 %c, 1024
  %from = getelementptr i8, ptr %x, i64 %offset
  %to = getelementptr i8, ptr %y, i64 %offset
  call void @llvm.memcpy.p0.p0.i64(ptr %scratch, ptr %from, i64 1024, i1 true)
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %scratch, i64 1024, i1 true)
  br label %copied
copied:
  %c.1 = add i64 %c, 1
  br label %chunk
done:
  ret void
}
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
""",
        scratch_bytes=1024,
    )
    b = ProgramBuilder("p")
    x, y = b.input("x", float32[size]), b.value("y", float32[size])
    b.launch(kernel, (x, y), (1,), chunks=size // 256, work=10**6)
    exe = Executable(b.finish((y,)))
    a = vector(size)
    for count in (1, 2, 5, 2):
        threads(count)
        out = np.zeros(size, np.float32)
        exe.run([a], [out])
        np.testing.assert_array_equal(out, a)


def test_concurrent_calls_of_one_executable(threads):
    threads(2)
    size = 200_000
    exe = long_program(size)
    inputs = [(vector(size, i), vector(size, 100 + i)) for i in range(4)]
    wanted = [long_reference(*pair) for pair in inputs]
    wrong = []

    def work(k):
        out = np.empty(size, np.float32)
        for _ in range(30):
            out[:] = 0
            exe.run(inputs[k], [out])
            if not np.array_equal(out, wanted[k]):
                wrong.append(k)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_concurrent_executables_share_the_arena_one_call_at_a_time(threads):
    threads(2)
    exes = [long_program(size) for size in (100_000, 300_000, 50_000)]
    wrong = []

    def work(exe):
        size = exe.program.buffers[0].type.numel
        x, y, out = vector(size), vector(size, 1), np.empty(size, np.float32)
        wanted = long_reference(x, y)
        for _ in range(30):
            exe.run([x, y], [out])
            if not np.array_equal(out, wanted):
                wrong.append(size)

    workers = [threading.Thread(target=work, args=(exe,)) for exe in exes for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_call_from_inside_a_host_call(threads):
    threads(2)
    inner = long_program(100_000)
    x, y = vector(100_000), vector(100_000, 1)

    def nested(a):
        out = np.empty_like(a)
        inner.run([a, y], [out])
        return out

    op = ops.exp.__class__("nested", "host", ("x",), lambda x: x, nested)
    w = Writer(100_000)
    a = w.launch(REVERSE, w.input())
    exe = w.done(w.launch(ADD, w.host(op, a), a))
    out = np.empty_like(x)
    exe.run([x], [out])
    np.testing.assert_array_equal(out, long_reference(x[::-1].copy(), y) + x[::-1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes_and_trains_on(threads):
    threads(2)
    size = 500_000
    exe = long_program(size)
    x, y, out = vector(size), vector(size, 1), np.empty(size, np.float32)
    exe.run([x, y], [out])
    assert runtime.pool().started == 1
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert runtime.pool().started == 0 and runtime.get_num_threads() == 2
            for _ in range(3):
                out[:] = 0
                exe.run([x, y], [out])
                assert np.array_equal(out, long_reference(x, y))
            assert runtime.pool().started == 1
            new = long_program(1000)  # compiling works in the child too
            new.run([x[:1000], y[:1000]], [out[:1000]])
            assert np.array_equal(out[:1000], long_reference(x[:1000], y[:1000]))
            runtime.set_num_threads(1)
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    out[:] = 0
    exe.run([x, y], [out])
    np.testing.assert_array_equal(out, long_reference(x, y))


# ---- life, looks


def test_the_callable_keeps_what_it_needs_alive_and_no_more():
    w = Writer(8)
    exe = w.done(w.launch(NEG, w.launch(REVERSE, w.input())))
    a, out = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    call, gone = exe.call, weakref.ref(exe._tables)
    del exe
    gc.collect()
    call(a, out)
    np.testing.assert_array_equal(out, -a[::-1])
    del call
    gc.collect()
    assert gone() is None


def test_calls_leak_no_references():
    exe = pair()
    a, out = np.zeros(8, np.float32), np.zeros(8, np.float32)
    exe.call(a, out)
    before = sys.getrefcount(a), sys.getrefcount(None)
    for _ in range(1000):
        exe.call(a, out)
    assert sys.getrefcount(a) == before[0]
    assert abs(sys.getrefcount(None) - before[1]) < 100


def test_profile_names_every_step():
    w = Writer(1000)
    x = w.input()
    y = w.host(ops.exp, w.launch(NEG, x))
    timings = w.done(w.launch(TWICE, y), x).profile(
        [vector(1000)], [np.empty(1000, np.float32) for _ in range(2)], calls=3
    )
    assert [(t.kind, t.name) for t in timings] == [
        ("kernel", "neg"),
        ("host", "exp"),
        ("kernel", "twice"),
        ("copy", "to output 1"),
    ]
    assert all(t.nanoseconds > 0 for t in timings)


def test_looks():
    w = Writer(8)
    x = w.input()
    exe = w.done(w.launch(NEG, w.launch(NEG, w.launch(TWICE, x))))
    assert [k.name for k in exe.kernels] == ["twice", "neg"]
    assert exe.llvm.count("define void") == 2
    assert "fneg" in exe.llvm_optimised and "neg_000000000000" in exe.asm
    assert len(exe.launches) == 3 and exe.launches[0].startswith("  twice: f32[8] = twice(x)")
    assert str(exe.memory).startswith("arena: 0 bytes")
    assert repr(exe) == "<Executable p: 3 steps, 2 kernels>"


# ---- kernels are compiled once


def count_assembled(monkeypatch):
    from graphtorch.codegen.llvm import jit

    assembled = []
    real = jit.assemble
    monkeypatch.setattr(jit, "assemble", lambda text, t: assembled.append(text) or real(text, t))
    return assembled


def unique(number):
    """A kernel nobody else in this process has loaded."""
    return TextKernel("unique", ADD_ONE.text.replace("1.0", f"{float(number)!r}"))


def check(exe, number):
    a, out = np.zeros(8, np.float32), np.zeros(8, np.float32)
    exe.run([a], [out])
    assert (out == number).all()


def single(kernel):
    w = Writer(8)
    return w.done(w.launch(kernel, w.input()))


def test_equal_kernels_are_compiled_once_in_a_process(monkeypatch, tmp_path):
    with config.override(cache=False):
        assembled = count_assembled(monkeypatch)
        first = single(unique(3))
        second = single(unique(3))
        assert len(assembled) == 1
        check(first, 3)
        check(second, 3)


def test_the_disk_cache_spares_compiling_and_survives_damage(monkeypatch, tmp_path):
    assembled = count_assembled(monkeypatch)
    with config.override(cache_dir=str(tmp_path)):
        check(single(unique(5)), 5)
        gc.collect()
        check(single(unique(5)), 5)
        assert len(assembled) == 1
        (entry,) = (p for p in tmp_path.iterdir() if b"unique" in p.read_bytes()[:200])
        content = bytearray(entry.read_bytes())
        for position in (5, 40, 100, len(content) // 2, len(content) - 1):
            damaged = bytearray(content)
            damaged[position] ^= 1
            entry.write_bytes(damaged)
            gc.collect()
            before = len(assembled)
            check(single(unique(5)), 5)
            assert len(assembled) == before + 1
            assert entry.read_bytes() == content


def test_a_whole_entry_with_foreign_code_is_compiled_again(monkeypatch, tmp_path):
    from graphtorch.codegen.cache import object_cache

    assembled = count_assembled(monkeypatch)
    with config.override(cache_dir=str(tmp_path)):
        check(single(unique(9)), 9)
        gc.collect()
        (entry,) = (p for p in tmp_path.iterdir() if b"unique" in p.read_bytes()[:200])
        object_cache().put(entry.stem, "unique_other", b"not an object file")
        check(single(unique(9)), 9)
        assert len(assembled) == 2


def test_faulty_kernel_text_is_a_compile_error():
    broken = TextKernel("broken", ADD_ONE.text.replace("fadd float", "fadd i32"))
    with pytest.raises(CompileError, match="(?s)LLVM rejects.*>.*fadd i32"):
        single(broken)


def test_a_missing_symbol_is_a_compile_error():
    text = ADD_ONE.text.replace("fadd float %x0, 1.0", "call float @no_such_function(float %x0)")
    with pytest.raises(CompileError, match="cannot link"):
        single(TextKernel("missing", text + "declare float @no_such_function(float)\n"))


def test_the_arena_can_be_given_back():
    from graphtorch.codegen import context

    exe = long_program(5000)
    x, y, out = vector(5000), vector(5000, 1), np.empty(5000, np.float32)
    for _ in range(3):
        exe.run([x, y], [out])
        np.testing.assert_array_equal(out, long_reference(x, y))
        assert context._arena.memory.nbytes > 0
        assert context.release_arena() and context._arena.memory.nbytes == 0


@pytest.mark.parametrize("level, shown", [(0, 0), (2, 1), (3, 2), (4, 3), (5, 4)])
def test_the_debug_ladder(level, shown, capsys, tmp_path):
    with GraphBuilder("ladder") as g:
        x = g.input(float32[8], "x")
        graph = g.finish((ops.add(ops.exp(x), 1.0),))
    with config.override(debug=level, cache_dir=str(tmp_path)):
        for _ in range(2):  # from scratch, and out of the cache
            executable.compile_graph(graph)
            said = capsys.readouterr().err
            marks = ["ops.exp(x)", "# ladder: launches", "# ladder: LLVM", "# ladder: assembly"]
            assert [mark in said for mark in marks] == [i < shown for i in range(4)]


def test_other_devices_are_refused():
    with GraphBuilder("f") as g:
        graph = g.finish((g.input(float32[3], "x"),))
    with pytest.raises(NotImplementedError, match="not for 'tpu'"):
        executable.compile_graph(graph, device="tpu")
