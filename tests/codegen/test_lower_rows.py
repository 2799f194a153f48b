"""Every row of the op table, lowered on its samples, gives what its NumPy kernel gives."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.kernel import Kernel
from graphtorch.codegen.lower import lower
from graphtorch.codegen.lower_special import claimed
from graphtorch.codegen.program import HostCall
from graphtorch.ir import ops  # noqa: F401  (fills the table)
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.graph import Graph
from graphtorch.ir.interpret import interpret
from graphtorch.ir.op import OPS, Op
from graphtorch.ir.passes.pipeline import pipeline, run_passes
from graphtorch.ir.types import BY_NUMPY, TensorType
from tests.codegen.program_reference import run_program

SKIPPED = ("random", "host", "input", "constant")  # draw numbers, or run in NumPy anyway
ROWS = [op for op in OPS.values() if op.kind not in SKIPPED and op.samples and op.name != "fusion"]


def graph_of(op: Op, inputs: tuple, attrs: dict) -> tuple[Graph, list[np.ndarray]]:
    """The op on inputs for its arrays, scalars as they are."""
    arrays = []
    with GraphBuilder(op.name) as builder:
        operands = []
        for number, x in enumerate(inputs):
            if isinstance(x, np.ndarray):
                x = np.array(x, order="C")
                arrays.append(x)
                x = builder.input(TensorType(BY_NUMPY[x.dtype], x.shape), f"x{number}")
            operands.append(x)
        result = op(*operands, **attrs)
        return builder.finish(result if isinstance(result, tuple) else (result,)), arrays


@pytest.mark.parametrize("op", ROWS, ids=lambda op: op.name)
def test_every_row(op: Op) -> None:
    for inputs, attrs in op.samples():
        graph, arrays = graph_of(op, inputs, attrs)
        program = lower(run_passes(graph, pipeline(claimed)))
        if not all(isinstance(launch.kernel, Kernel) for launch in program.launches):
            continue  # contraction kernels are tested in their own folder
        wanted = interpret(graph, *arrays)
        for node, a, b in zip(graph.outputs, run_program(program, arrays), wanted, strict=True):
            half = node.dtype.itemsize == 2 and node.dtype.kind == "f"
            tolerance = 2e-2 if half else 2e-5
            np.testing.assert_allclose(
                a.reshape(b.shape).astype(np.float64) if half else a.reshape(b.shape),
                b.astype(np.float64) if half else b,
                rtol=tolerance,
                atol=tolerance,
                err_msg=f"{op.name} {attrs}",
            )


def test_few_ops_have_no_kernel() -> None:
    """What runs in NumPy although its operands have elements and common dtypes."""
    found = set()
    for op in ROWS:
        for inputs, attrs in op.samples():
            graph, _ = graph_of(op, inputs, attrs)
            program = lower(run_passes(graph, pipeline(claimed)))
            reasons = {s.reason for s in program.steps if isinstance(s, HostCall)}
            if any(b.type.dtype.kind == "c" for b in program.buffers):
                continue  # complex numbers run in NumPy
            if reasons - {"an operand has no elements"}:
                found.add(op.name)
    assert found == {"matmul", "scatter", "max_pool_backward"}  # of i64, of bool, of any indices
