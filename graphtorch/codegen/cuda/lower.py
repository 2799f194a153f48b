"""From a graph to a program of CUDA kernels: the CPU's passes and loop kernels, other contractions.

Composites that have whole kernels on the CPU only (attention, pooling) are taken apart here, or run
in NumPy where they have no parts.
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import CompileError, UnsupportedError
from ...ir.graph import Graph, Node
from ..contraction import Contraction, Convolution, Plan, Step
from ..kernel import Kernel
from ..lower import Lowering
from ..lower_special import SPECIAL
from ..program import Launch, Program, work_estimate
from .convolution import convolution_kernel, flops
from .kernel import CudaLoopKernel, CudaSource
from .matmul import CudaMatmul

Stages = list[tuple[str, Graph]]


class CudaLowering(Lowering):
    """Lowering whose contractions are CUDA kernels."""

    def host_reason(self, node: Node) -> str | None:
        if node.op.name in SPECIAL:
            return f"no CUDA kernel computes {node.op.name}"
        return super().host_reason(node)

    def plan(self, description: Contraction | Convolution) -> Plan:
        epilogue = description.epilogue
        count = 2 + len(epilogue.operands)
        written = tuple(range(count, count + max(len(epilogue.results), 1)))
        operands = tuple(range(written[-1] + 1))
        if isinstance(description, Contraction):
            product = CudaMatmul(description)
            work = work_estimate(nbytes=0, flops=2 * description.k * description.m * description.n)
            return Plan((Step(product, operands, written, chunks=product.chunks, work=work),))
        kernel = convolution_kernel(description)
        loops = CudaLoopKernel(kernel)
        work = work_estimate(nbytes=0, flops=flops(description))
        return Plan((Step(loops, operands, written, chunks=kernel.items(), work=work),))


def lower_cuda(graph: Graph) -> tuple[Stages, Program]:
    """The stages of a traced graph and its program; every launch's kernel is a `CudaSource`."""
    from ...ir.passes import pipeline

    stages: Stages = [("trace", graph)]
    passes = pipeline.pipeline(frozenset())
    optimised = pipeline.run_passes(graph, passes, [pipeline.keeping(stages)])
    program = CudaLowering(optimised).run()
    steps = tuple(_adapted(s) if isinstance(s, Launch) else s for s in program.steps)
    return stages, replace(program, steps=steps)


def _adapted(step: Launch) -> Launch:
    kernel = step.kernel
    if isinstance(kernel, Kernel):
        source = CudaLoopKernel(kernel)
        inplace = tuple(pair for pair in step.inplace if pair in source.inplace)
        return replace(step, kernel=source, inplace=inplace)
    if isinstance(
        kernel, CudaLoopKernel
    ):  # a convolution: its epilogue meets no element twice, but
        return replace(step, inplace=())  # its loops read all of their operands
    if isinstance(kernel, CudaSource):
        return step
    raise CompileError(f"{step.name} has no CUDA kernel")


def symbols(program: Program) -> dict[str, tuple[CudaSource, str]]:
    """The distinct kernels by key, each with a name of its own in the program's module."""
    found: dict[str, tuple[CudaSource, str]] = {}
    taken: set[str] = set()
    for step in program.launches:
        kernel = step.kernel
        if kernel.key in found:
            continue
        if not isinstance(kernel, CudaSource):
            raise UnsupportedError(f"{step.name} is no CUDA kernel")
        clean = "".join(c if c.isalnum() else "_" for c in kernel.name)
        symbol, number = f"k_{clean}", 1
        while symbol in taken:
            number += 1
            symbol = f"k_{clean}_{number}"
        taken.add(symbol)
        found[kernel.key] = (kernel, symbol)
    return found
