"""Kernels that are structurally equal share their code, not the smaller one's scratch."""

from graphtorch.codegen.lower import lower
from graphtorch.ir.parse import parse


def scratch(program):
    return max(step.kernel.scratch_bytes for step in program.launches)


def test_scratch_is_the_largest_of_equal_kernels():
    product = """
    p{0}: f32[128, 512] = ops.permute(x, dims=(1, 0))
    y{0}: f32[128, {0}] = ops.matmul(p{0}, b{0})"""
    programs = {}
    for sizes in ((96,), (512,), (96, 512)):
        inputs = ", ".join(["x: f32[512, 128]", *(f"b{n}: f32[512, {n}]" for n in sizes)])
        lines = "".join(product.format(n) for n in sizes)
        results = "".join(f"y{n}, " for n in sizes)
        programs[sizes] = lower(parse(f"def f({inputs}):{lines}\n    return ({results})"))
    keys = {s.kernel.key for s in programs[96, 512].launches if s.kernel.name.startswith("matmul")}
    assert scratch(programs[96, 512]) == max(scratch(programs[96,]), scratch(programs[512,]))
    assert scratch(programs[96,]) != scratch(programs[512,]) and len(keys) == 1
