"""A node may name the same operand twice: `m @ m`."""

import numpy as np

from graphtorch.codegen.executable import compile_graph
from graphtorch.ir import ops
from graphtorch.ir.builder import GraphBuilder
from graphtorch.ir.types import float32


def test_a_matrix_times_itself() -> None:
    with GraphBuilder("squared") as builder:
        m = builder.input(float32[4, 4], "m")
        graph = builder.finish((ops.matmul(m, m),))
    a = np.arange(16, dtype=np.float32).reshape(4, 4)
    out = np.empty_like(a)
    compile_graph(graph).run([a], [out])
    np.testing.assert_allclose(out, a @ a, rtol=1e-6)
