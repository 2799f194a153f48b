"""Every eager program, traced: `torch.compile` in its `interpret` mode gives what eager execution gives.

Each program becomes the body of a function of the tensors it names; the traced graph is run twice.
"""

import importlib
import math

import numpy as np
import pytest

import graphtorch
from graphtorch import config
from tests.parity.side_by_side import array_of, is_tensor, namespace

FAMILIES = (
    "pointwise", "comparison", "reduction", "shape", "indexing", "selection", "linear", "sorting", "creation",
    "conversion", "inplace", "gradients", "functional",
)  # fmt: skip
TENSORS = ("x", "y", "v", "w", "c", "m", "p", "d", "i", "j", "k", "b", "u", "s", "n", "g", "o")
# what a graph cannot hold: NumPy arrays, pickles, seeds set inside
OUTSIDE = ("numpy", "np.", "import", "manual_seed", "dlpack")


def programs():
    for family in FAMILIES:
        module = importlib.import_module(f"tests.parity.test_eager_{family}")
        for program in module.PROGRAMS.strip().splitlines():
            if not any(word in program for word in OUTSIDE):
                yield program


def function_of(program):
    *statements, result = program.split("; ")
    body = "".join(f"    {line}\n" for line in statements)
    names = {"torch": graphtorch, "F": graphtorch.nn.functional, "np": np, "math": math}
    exec(f"def program({', '.join(TENSORS)}):\n{body}    return {result}\n", names)
    return names["program"]


def run(function):
    names = namespace(graphtorch)
    return function(*(names[name] for name in TENSORS))


def assert_same(eager, traced):
    if is_tensor(eager):
        assert traced.dtype is eager.dtype
        assert traced.shape == eager.shape
        tolerance = 1e-2 if eager.dtype.itemsize == 2 else 1e-5
        np.testing.assert_allclose(
            array_of(traced), array_of(eager), rtol=tolerance, atol=tolerance
        )
    elif isinstance(eager, (tuple, list)):
        assert len(eager) == len(traced)
        for a, b in zip(eager, traced, strict=True):
            assert_same(a, b)
    else:
        assert repr(traced) == repr(eager)


@pytest.mark.parametrize("program", list(programs()))
def test_traced(program):
    function = function_of(program)
    try:
        eager = run(function)
    except Exception as error:  # the program is an error in torch too
        with config.override(compile="interpret"), pytest.raises(type(error)):
            run(graphtorch.compile(function))
        return
    with config.override(compile="interpret"):
        traced = graphtorch.compile(function)
        for _ in range(2):
            assert_same(eager, run(traced))
