"""The lowered program: its builder and its checks."""

from __future__ import annotations

import numpy as np
import pytest

from graphtorch.codegen.program import (
    Array,
    Failure,
    HostCall,
    Launch,
    Program,
    ProgramBuilder,
    work_estimate,
)
from graphtorch.errors import VerificationError
from graphtorch.ir import ops
from graphtorch.ir.types import float32, float64
from tests.codegen.text_kernels import ADD, NEG


def build():
    b = ProgramBuilder("f")
    x = b.input("x", float32[8])
    c = b.constant("c", np.arange(8, dtype=np.float32))
    y, z = b.value("y", float32[8]), b.value("z", float32[8])
    b.launch(ADD, (x, c, y), writes=(2,), params=(8,))
    b.host(ops.exp, (Array(y, float32[8]),), (Array(z, float32[8]),), reason="a test")
    return b, x, y, z


def test_builder_makes_the_table_in_order():
    b, x, y, z = build()
    program = b.finish((z, y), ((x, y),))
    assert [str(v) for v in program.buffers] == ["x: f32[8]", "c: f32[8]", "y: f32[8]", "z: f32[8]"]
    assert program.inputs == (0,) and program.outputs == (3, 2) and program.updates == ((0, 2),)
    launch, host = program.steps
    assert isinstance(launch, Launch) and launch.read == (0, 1) and launch.written == (2,)
    assert isinstance(host, HostCall) and host.read == (2,) and host.written == (3,)
    assert [step.name for step in program.launches] == ["add"]


def test_prints_as_a_listing():
    b, x, y, z = build()
    assert str(b.finish((z,), ((x, y),))).splitlines() == [
        "program f(x: f32[8])",
        "  y: f32[8] = add(x, c)  chunks=1 params=[8]",
        "  z: f32[8] = exp(y)  host: a test",
        "  x <- y",
        "  return z",
    ]


@pytest.mark.parametrize(
    "steps, outputs, updates, message",
    [
        ([Launch(NEG, (2, 3), (1,))], (3,), (), "step 0 .neg. of f reads y: f32.8. before"),
        ([Launch(NEG, (0, 1), (1,))], (), (), "writes c: f32.8., which is no value"),
        ([Launch(NEG, (0, 9), (1,))], (), (), "there is no buffer 9"),
        ([Launch(NEG, (0, 3), (5,))], (), (), r"writes=.5,. of 2 operands"),
        ([Launch(NEG, (0, 3), (1,), inplace=((0, 1),))], (), (), "inplace pair"),
        ([Launch(NEG, (0, 3), (1,), grain=0)], (), (), "grain=0"),
        ([], (2,), (), "returns y: f32.8., which no step writes"),
        ([], (), ((1, 0),), "updates c: f32.8., which is no input"),
        ([Launch(NEG, (0, 4), (1,))], (), ((0, 4),), "updates x: f32.8. with wide"),
    ],
)
def test_ill_formed_programs_are_refused(steps, outputs, updates, message):
    b = ProgramBuilder("f")
    b.input("x", float32[8])
    b.constant("c", np.zeros(8, np.float32))
    b.value("y", float32[8])
    b.value("z", float32[8])
    b.value("wide", float64[8])
    program = Program("f", tuple(b.buffers), tuple(steps), tuple(b.inputs), outputs, updates)
    with pytest.raises(VerificationError, match=message):
        program.check()


def test_failure_speaks_as_numpy_and_torch_do():
    assert Failure(0, 5).message(7) == "index 7 is out of bounds for dimension 0 with size 5"


def test_work_is_the_larger_of_traffic_and_arithmetic():
    assert work_estimate(nbytes=1000, flops=0) == 100
    assert work_estimate(nbytes=1000, flops=4000) == 200
    assert work_estimate(nbytes=0) == 1
