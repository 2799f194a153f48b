"""Programs on disk: what is read back is the same program, and any doubt means compiling again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from graphtorch import config
from graphtorch.codegen import executable
from graphtorch.codegen.executable import compile_graph
from graphtorch.codegen.llvm import build
from graphtorch.codegen.llvm.target import AVX2, SSE
from graphtorch.codegen.program import Array, Failure, ProgramBuilder
from graphtorch.codegen.saved import SavedKernel, from_json, program_key, to_json
from graphtorch.errors import CompileError
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Source
from graphtorch.ir.types import bfloat16, bool_, float32, int64
from tests.codegen.text_kernels import ADD, CHECKED


def a_graph(factor=2.0, line=3):
    with GraphBuilder("scaled") as b:
        x = b.input(float32[6, 5], "x")
        i = b.input(int64[4], "i")
        b.source = Source("/home/me/train.py", line, "net.embed")
        rows = ops.take(ops.mul(x, factor), i, dim=0)
        return b.finish((rows, ops.sort(x, dim=1, descending=False)[0]))


def a_program():
    b = ProgramBuilder("p")
    x = b.input("x", float32[8])
    c = b.constant("c", np.array([1.5, np.nan, np.inf, -0.0] * 2, np.float32))
    h = b.constant("h", np.arange(3).astype(bfloat16.numpy))
    y, z, m = b.value("y", float32[8]), b.value("z", float32[8]), b.value("m", bool_[2, 2])
    (node,) = (n for n in a_graph().nodes if n.op.name == "take")
    b.launch(
        ADD, (x, c, y), (2,), params=(8, -3), chunks=7, grain=2, work=55, inplace=((2, 0),),
        nodes=(node,),
    )  # fmt: skip
    b.launch(CHECKED, (y, z), (1,), failures=(Failure(0, 5), Failure(1, 9)))
    b.host(
        ops.isnan,
        (Array(z, float32[2, 2], (3, 1), 1),),
        (Array(m, bool_[2, 2]), None),
        attrs={
            "dims": (0, 1),
            "value": float("-inf"),
            "dtype": float32,
            "type": int64[3],
            "n": None,
        },
        reason="because",
    )
    return b.finish((z, m, h), ((x, y),))


def test_comes_back_as_it_was():
    program = a_program()
    entries = {ADD.key: "a" * 40, CHECKED.key: "b" * 40}
    back = from_json(to_json(program, entries))
    assert str(back) == str(program)
    for one, two in zip(program.buffers, back.buffers, strict=True):
        assert (one.name, one.type, one.kind) == (two.name, two.type, two.kind)
        if one.value is not None:
            assert one.value.dtype == two.value.dtype and one.value.tobytes() == two.value.tobytes()
    for one, two in zip(program.launches, back.launches, strict=True):
        assert isinstance(two.kernel, SavedKernel) and two.kernel.entry == entries[one.kernel.key]
        assert (two.name, two.kernel.scratch_bytes) == (one.name, one.kernel.scratch_bytes)
        for field in ("operands", "writes", "params", "chunks", "grain", "work", "inplace"):
            assert getattr(one, field) == getattr(two, field)
        assert one.failures == two.failures
    node = next(back.launches).nodes[0]
    assert (node.name, node.op, str(node.type)) == ("take", ops.take, "f32[4, 5]")
    assert node.source == Source("/home/me/train.py", 3, "net.embed")
    host = back.steps[-1]
    assert host.op is ops.isnan and host.arguments == program.steps[-1].arguments
    assert host.results == program.steps[-1].results
    assert host.attrs == program.steps[-1].attrs and host.reason == "because"
    assert (back.inputs, back.outputs, back.updates) == (
        program.inputs,
        program.outputs,
        program.updates,
    )
    back.check()


def test_it_is_json_and_names_kernels_by_their_entries():
    content = json.loads(to_json(a_program(), {ADD.key: "a" * 40, CHECKED.key: "b" * 40}))
    assert content["kernels"] == [["add", "a" * 40, 0], ["checked", "b" * 40, 0]]


def test_numpy_integers_are_plain_and_graphs_are_not():
    b = ProgramBuilder("p")
    x, y = b.input("x", float32[8]), b.value("y", float32[8])
    b.host(ops.neg, (Array(x, float32[8]),), (Array(y, float32[8]),), attrs={"body": a_graph()})
    assert to_json(b.finish((y,)), {}) is None
    b = ProgramBuilder("p")
    x, y, c = b.input("x", float32[8]), b.value("y", float32[8]), b.input("c", float32[8])
    b.launch(ADD, (x, c, y), (2,), params=(np.int64(8),), chunks=np.int32(1))
    assert next(from_json(to_json(b.finish((y,)), {ADD.key: "k"})).launches).params == (8,)


def test_keys_tell_programs_machines_and_lines_apart():
    keys = {
        program_key(a_graph(), AVX2),
        program_key(a_graph(), SSE),
        program_key(a_graph(2.5), AVX2),
        program_key(a_graph(line=4), AVX2),
    }
    assert len(keys) == 4
    assert program_key(a_graph(), AVX2) in keys


def run(exe):
    x, i = np.arange(30, dtype=np.float32).reshape(6, 5)[::-1].copy(), np.array([5, 0, 2, 2])
    rows, ordered = np.empty((4, 5), np.float32), np.empty((6, 5), np.float32)
    exe.run([x, i], [rows, ordered])
    np.testing.assert_array_equal(rows, 2 * x[i])
    np.testing.assert_array_equal(ordered, np.sort(x, axis=1))
    with pytest.raises(IndexError) as caught:
        exe.run([x, np.array([0, 6, 0, 0])], [rows, ordered])
    assert "index 6 is out of bounds for dimension 0 with size 6" in str(caught.value)
    assert "train.py:3 in net.embed" in str(caught.value)


@pytest.fixture
def lowered(monkeypatch, tmp_path):
    """Counts how often passes and lowering run; the cache is empty, and no kernel is loaded."""
    calls = []
    build._loaded.clear()
    real = executable._lowered
    monkeypatch.setattr(
        executable, "_lowered", lambda graph, s: calls.append(graph.name) or real(graph, s)
    )
    with config.override(cache_dir=str(tmp_path / "cache")):
        yield calls


def test_a_second_compilation_runs_no_passes(lowered):
    run(compile_graph(a_graph()))
    assert lowered == ["scaled"]
    warm = compile_graph(a_graph())
    run(warm)
    assert lowered == ["scaled"] and set(warm.seconds) == {"cached"}
    compile_graph(a_graph(3.0))
    assert len(lowered) == 2


def test_what_the_cache_left_out_can_still_be_looked_at(lowered):
    cold = compile_graph(a_graph())
    warm = compile_graph(a_graph())
    assert warm.launches == cold.launches and str(warm.memory) == str(cold.memory)
    assert repr(warm) == repr(cold) and len(lowered) == 1
    assert [name for name, _ in warm.stages] == [name for name, _ in cold.stages]
    assert [str(graph) for _, graph in warm.stages] == [str(graph) for _, graph in cold.stages]
    assert warm.llvm == cold.llvm and "define void" in warm.llvm
    assert [k.name for k in warm.kernels] == [k.name for k in cold.kernels]
    assert len(lowered) == 2
    run(warm)


def entries(folder, start):
    return [p for p in folder.iterdir() if start in p.read_bytes()[:80]]


def test_a_damaged_program_is_compiled_again(lowered, tmp_path):
    compile_graph(a_graph())
    (entry,) = entries(tmp_path / "cache", b"program scaled")
    content = bytearray(entry.read_bytes())
    content[-10] ^= 1
    entry.write_bytes(content)
    run(compile_graph(a_graph()))
    assert len(lowered) == 2
    run(compile_graph(a_graph()))
    assert len(lowered) == 2


def test_a_program_whose_kernels_are_gone_is_compiled_again(lowered, tmp_path, monkeypatch):
    compile_graph(a_graph())
    for entry in (tmp_path / "cache").iterdir():
        if not entry.read_bytes()[20:].startswith(b'{"name": "program'):
            entry.unlink()
    build._loaded.clear()
    run(compile_graph(a_graph()))
    assert len(lowered) == 2


def test_without_a_cache_nothing_is_kept(lowered, tmp_path):
    with config.override(cache=False):
        run(compile_graph(a_graph()))
        run(compile_graph(a_graph()))
    assert len(lowered) == 2 and not (tmp_path / "cache").exists()


def test_a_saved_kernel_has_no_text():
    with pytest.raises(CompileError, match="add was loaded from the cache"):
        SavedKernel("add", "0" * 40, 0).llvm("f", AVX2)
