"""Launches of one kernel that become one launch."""

import ctypes
import itertools

import numpy as np
import pytest

import graphtorch as torch
from graphtorch import nn
from graphtorch.codegen.executable import Executable
from graphtorch.codegen.llvm.build import load_kernels
from graphtorch.codegen.llvm.target import target
from graphtorch.codegen.lower import lower
from graphtorch.codegen.program import Launch, Program
from graphtorch.codegen.together import SMALL, Together, together
from graphtorch.ir.interpret import interpret
from graphtorch.ir.parse import parse
from graphtorch.ir.passes.fuse import fuse

SIZES = (3, 70, 5000, 2, 64)


def program(lines: str, inputs: str, results: str) -> tuple[object, Program]:
    graph = parse(f"def f({inputs}):\n{lines}\n    return ({results},)")
    return graph, lower(fuse(graph))


def step(sizes: tuple[int, ...]) -> tuple[object, Program]:
    """w - lr * g for every size."""
    lines = [
        f"""    e{k}: f32[{n}] = ops.expand(lr, shape=({n},))
    m{k}: f32[{n}] = ops.mul(g{k}, e{k})
    s{k}: f32[{n}] = ops.sub(w{k}, m{k})"""
        for k, n in enumerate(sizes)
    ]
    inputs = [f"w{k}: f32[{n}], g{k}: f32[{n}]" for k, n in enumerate(sizes)]
    results = [f"s{k}" for k in range(len(sizes))]
    return program("\n".join(lines), ", ".join(["lr: f32[()]", *inputs]), ", ".join(results))


def launches(program: Program) -> list[Launch]:
    return list(program.launches)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_updates_of_all_parameters_are_one_launch(threads: int) -> None:
    graph, apart = step(SIZES)
    joint = together(apart)
    (launch,) = launches(joint)
    assert len(launches(apart)) == len(SIZES) and isinstance(launch.kernel, Together)
    assert launch.chunks == sum(s.chunks for s in apart.launches)
    assert launch.params[0] == len(SIZES) and launch.params[len(SIZES)] == launch.chunks
    rng = np.random.default_rng(0)
    arrays = [np.array(0.1, np.float32)]
    for n in SIZES:
        arrays += [rng.standard_normal(n).astype(np.float32) for _ in range(2)]
    outputs = [np.full(n, np.nan, np.float32) for n in SIZES]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        Executable(joint, []).run(arrays, outputs)
    finally:
        torch.set_num_threads(before)
    for found, wanted in zip(outputs, interpret(graph, *arrays), strict=True):  # type: ignore[arg-type]
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)  # fma rounds once


@pytest.mark.parametrize("cuts", [(0, 5), (0, 1, 5), (0, 2, 3, 4, 5), (0, 3, 5), (0, 4, 5)])
def test_work_items_may_be_split_anywhere(cuts: tuple[int, ...]) -> None:
    sizes = (4096 * 2 + 5, 7, 4096)
    _, apart = step(sizes)
    (launch,) = launches(together(apart))
    assert launch.params[1:4] == (3, 4, 5)
    (loaded,) = load_kernels([launch.kernel], target())
    kernel = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)(loaded.address)
    rng = np.random.default_rng(0)
    by_name = {"lr": np.array(0.5, np.float32)}
    for k, n in enumerate(sizes):
        by_name[f"w{k}"], by_name[f"g{k}"] = rng.standard_normal((2, n)).astype(np.float32)
        by_name[f"s{k}"] = np.full(n, np.nan, np.float32)
    arrays = [by_name[apart.buffers[i].name] for i in launch.operands]
    pointers = np.array([a.ctypes.data for a in arrays], np.int64)
    params = np.array(launch.params, np.int64)
    scratch = np.zeros(launch.kernel.scratch_bytes + 64, np.uint8)
    for begin, end in itertools.pairwise(cuts):
        kernel(pointers.ctypes.data, params.ctypes.data, scratch.ctypes.data, begin, end)
    for k in range(len(sizes)):
        wanted = by_name[f"w{k}"] - by_name[f"g{k}"] * np.float32(0.5)
        np.testing.assert_allclose(by_name[f"s{k}"], wanted, rtol=1e-6, atol=1e-6)


def test_launches_that_wait_for_each_other_stay_apart() -> None:
    lines = """    a: f32[8] = ops.cumsum(x, dim=0)
    b: f32[8] = ops.add(a, 1.0)
    c: f32[8] = ops.cumsum(b, dim=0)
    d: f32[8] = ops.add(c, 1.0)"""
    _, apart = program(lines, "x: f32[8]", "d")
    joint = together(apart)
    adds = [s for s in apart.launches if "add" in s.name]
    assert len(adds) == 2 and adds[0].kernel.key == adds[1].kernel.key
    assert [s.name for s in joint.steps] == [s.name for s in apart.steps]


def between(size: int) -> Program:
    """Two equal launches with another step between them that needs the first."""
    lines = f"""    a: f32[{size}] = ops.add(x, 1.0)
    b: f32[{size}] = ops.cumsum(a, dim=0)
    c: f32[{size}] = ops.add(y, 1.0)"""
    return program(lines, f"x: f32[{size}], y: f32[{size}]", "b, c")[1]


def test_small_launches_are_moved_and_large_ones_are_not() -> None:
    small, large = between(SMALL // 8), between(SMALL)
    assert len(launches(small)) == len(launches(large)) == 2
    assert len(launches(together(small))) == 1
    assert [s.name for s in together(large).steps] == [s.name for s in large.steps]


def test_launches_that_can_fail_stay_apart() -> None:
    lines = """    a: f32[4, 2] = ops.take(x, i, dim=0)
    b: f32[4, 2] = ops.take(y, j, dim=0)"""
    inputs = "x: f32[9, 2], i: i64[4], y: f32[9, 2], j: i64[4]"
    _, apart = program(lines, inputs, "a, b")
    assert len({s.kernel.key for s in apart.launches}) == 1 and len(launches(apart)) == 2
    assert together(apart) is apart or len(launches(together(apart))) == 2


def test_a_whole_optimiser_step_is_two_launches() -> None:
    """The step counts and bias corrections of all parameters, then all updates, in place."""
    torch.manual_seed(0)
    models = [nn.Sequential(nn.Linear(40, 30), nn.LayerNorm(30), nn.Linear(30, 20)) for _ in "ab"]
    models[1].load_state_dict(models[0].state_dict())
    optimisers = [torch.optim.AdamW(m.parameters(), lr=0.01) for m in models]
    for model in models:
        for p in model.parameters():
            p.grad = torch.ones_like(p) * 0.5
    compiled = torch.compile(optimisers[1].step)
    for _ in range(4):
        optimisers[0].step()
        compiled()
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-7)
    (variant,) = compiled.variants
    names = [s.name for s in variant.program.program.steps]
    assert len(names) == 2 and all(name.endswith("_together") for name in names), names
