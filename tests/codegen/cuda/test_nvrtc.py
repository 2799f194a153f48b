"""Printed kernels through NVRTC for two architectures; needs CuPy, but no GPU."""

from __future__ import annotations

import pytest

from graphtorch.codegen.contraction import Contraction, Epilogue, Layout
from graphtorch.codegen.cuda.kernel import CudaLoopKernel
from graphtorch.codegen.cuda.matmul import CudaMatmul
from graphtorch.codegen.cuda.nvrtc import compile_text
from graphtorch.codegen.cuda.prelude import HELPERS
from graphtorch.codegen.kernel_builder import KernelBuilder
from graphtorch.codegen.scalar import CALLS, PREDICATES
from graphtorch.errors import CompileError
from graphtorch.ir.types import bfloat16, float16, float32, float64

pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="CUDA C NOT COMPILED: CuPy is missing")
ARCHITECTURES = ("sm_80", "sm_90")


def everything(dtype):
    """Every scalar function, a reduction of each kind, and memory in half precision."""
    b = KernelBuilder("everything")
    x, out, half = b.input("x", dtype), b.output("out", dtype), b.input("half", float16)
    brain = b.output("brain", bfloat16)
    r = b.grid("r", 10)
    with b.vector("i", 100) as i:
        value = b.load(x, r * 100 + i.index)
        for name in sorted(set(CALLS) - PREDICATES):
            value = b.call(name, value, *[b.load(x, i.index)] * (CALLS[name] - 1))
        for name in sorted(PREDICATES):
            value = b.select(b.call(name, value), value, b.neg(value))
        found = [j for j in ("add", "mul", "max", "min", "argmax", "argmin")]
        found = [i.reduce(name, value) for name in found]
        b.store(brain, r * 100 + i.index, b.load(half, i.index))
    for k, value in enumerate(found):
        b.store(out, r * 6 + k, b.cast(value, dtype))
    return CudaLoopKernel(b.finish())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [float32, float64])
def test_everything_compiles(architecture, dtype):
    made = compile_text(everything(dtype).cuda("everything"), architecture)
    assert made.image[:4] == b"\x7fELF" and made.architecture == architecture
    assert made.registers is not None and 0 < made.registers <= 255


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_helpers_compile(architecture):
    text = "\n".join(HELPERS.values())
    uses = " + ".join(
        f"gt_integer_{op}<{kind}>(({kind})x, ({kind})y)"
        for op in ("pow", "remainder", "floor_divide", "fmod")
        for kind in ("signed char", "unsigned char", "int", "long long")
    )
    text += (
        f'\nextern "C" __global__ void k(long long x, long long y, long long* z) {{ *z = {uses}; }}'
    )
    assert compile_text(text, architecture).image[:4] == b"\x7fELF"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size, registers", [(200, 64), (2048, 160)])
def test_products_keep_their_tiles_in_registers(architecture, size, registers):
    epilogue = Epilogue(
        lambda s, x, bias: (s.call("erf", s.add(x, bias)),), "bias_erf",
        operands=(Layout((0, 1)),), results=(Layout((size, 1)),),
    )  # fmt: skip
    a, b = Layout((size, 1)), Layout((1, size))
    product = CudaMatmul(Contraction(size, size, size, a, b, (), epilogue))
    made = compile_text(product.cuda("product"), architecture)
    assert made.spilled_bytes == 0 and 0 < made.registers <= registers


def test_errors_carry_the_log():
    with pytest.raises(CompileError, match='identifier "nothing" is undefined'):
        compile_text('extern "C" __global__ void k(float* x) { x[0] = nothing; }', "sm_90")
