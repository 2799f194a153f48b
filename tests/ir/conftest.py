"""An op that carries a graph, so that nested bodies are tested without the fusion pass."""

from graphtorch.ir import ops  # noqa: F401
from graphtorch.ir.interpret import interpret
from graphtorch.ir.op import OPS, declare


def _infer(*types, body):
    outputs = tuple(n.type for n in body.outputs)
    return outputs[0] if len(outputs) == 1 else outputs


def _numpy(*arrays, body):
    outputs = interpret(body, *arrays)
    return outputs[0] if len(outputs) == 1 else tuple(outputs)


if "test_fusion" not in OPS:
    declare("test_fusion", "composite", "*xs", _infer, _numpy)
