"""The description of the machine."""

from __future__ import annotations

import dataclasses

import pytest

from graphtorch import config
from graphtorch.codegen.llvm import target as module
from graphtorch.codegen.llvm.target import AVX2, AVX512, NAMED, NEON, SSE, host, target
from graphtorch.ir.types import bfloat16, float32, float64, int8


def test_lanes():
    assert [t.lanes(float32) for t in (AVX512, AVX2, SSE, NEON)] == [16, 8, 4, 4]
    assert [AVX512.lanes(d) for d in (float64, bfloat16, int8)] == [8, 32, 64]


def test_families_and_features():
    assert AVX2.x86 and not AVX2.arm and NEON.arm and not NEON.x86
    assert AVX2.has("fma") and not SSE.has("fma") and AVX512.has("avx512f")
    assert not SSE.has("avx")


def test_host_is_what_llvm_says():
    import llvmlite.binding as llvm

    found = host()
    assert found.runnable and found.cpu == llvm.get_host_cpu_name()
    assert found.vector_bits in (128, 256, 512)
    if found.has("avx512f") and found.has("avx512bw") and found.has("avx512vl"):
        assert found.vector_bits == 512
    l1, l2, l3 = found.cache_bytes
    assert 8 << 10 <= l1 <= l2 and l3 >= 0


def test_configuration_chooses():
    for name in ("avx512", "avx2", "sse", "neon"):
        with config.override(target=name):
            found = target()
            assert found.name == name and found.vector_bits == NAMED[name].vector_bits
    assert target() is host() or config.flags.target != "host"
    assert target("sse").name == "sse"


def test_a_narrower_target_of_the_same_family_runs_here():
    if host().x86:
        assert target("sse").runnable == host().has("sse4.2")
        assert target("avx2").runnable == (host().has("avx2") and host().has("fma"))
        assert target("avx512").runnable == host().has("avx512vl")
        assert not target("neon").runnable
    else:
        assert not target("sse").runnable


def test_everything_that_changes_code_is_in_the_key():
    keys = {AVX2.key}
    for change in (
        {"cpu": "znver3"},
        {"features": "+avx2"},
        {"vector_bits": 128},
        {"cache_bytes": (1, 2, 3)},
        {"triple": "x86_64-apple-darwin"},
    ):
        keys.add(dataclasses.replace(AVX2, **change).key)
    assert len(keys) == 6


def test_unknown_caches_have_usual_sizes(monkeypatch):
    def missing(folder):
        raise FileNotFoundError(folder)

    monkeypatch.setattr(module.os, "listdir", missing)
    assert module.cache_bytes.__wrapped__() == (32 << 10, 512 << 10, 16 << 20)


@pytest.mark.parametrize("name", sorted(NAMED))
def test_llvm_knows_every_feature(name, capfd):
    from graphtorch.codegen.llvm import jit

    jit.assembly("define void @f() {\n  ret void\n}", NAMED[name])
    assert "not a recognized" not in capfd.readouterr().err
