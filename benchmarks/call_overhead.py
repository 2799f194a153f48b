"""What a call of a compiled graph costs before any arithmetic is done.

    python benchmarks/call_overhead.py

Prints the medians over interleaved rounds of

    empty graph          entry, nothing in it
    2 tensors of 4       the smallest real graph: one pointwise launch
    + per argument       checking and binding one more array
    + per launch         one more step in the launch list
    + per host call      one op that runs in NumPy between two launches
    parallel launch      handing one launch to the pool and back, two threads, nothing to compute
    ctypes, np.add       what a bare foreign call and a NumPy ufunc cost here, for scale
"""

from __future__ import annotations

import ctypes
import os
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from graphtorch.codegen import runtime
from graphtorch.codegen.executable import Executable
from graphtorch.codegen.program import Array, ProgramBuilder
from graphtorch.ir import ops
from graphtorch.ir.types import float32

ROUNDS = 15


class Nothing:
    """A kernel that does nothing."""

    name = key = "nothing"
    scratch_bytes = 0

    def llvm(self, symbol: str, target: object) -> str:
        return f"define void @{symbol}(ptr %b, ptr %p, ptr %s, i64 %i, i64 %j) {{\n  ret void\n}}\n"


def chain(launches: int, inputs: int, hosts: int = 0, chunks: int = 1, work: int = 1) -> Callable:
    """A call of a graph of empty kernels over small arrays, bound to its arguments."""
    builder = ProgramBuilder(f"chain{launches}")
    T = float32[4]
    given = [builder.input(f"x{i}", T) for i in range(inputs)]
    last = given[0] if given else -1
    for i in range(launches):
        y = builder.value(f"y{i}", T)
        builder.launch(Nothing(), (last, y), (1,), chunks=chunks, work=work)
        last = y
        if i < hosts:
            y = builder.value(f"h{i}", T)
            builder.host(ops.neg, (Array(last, T),), (Array(y, T),))
            last = y
    exe = Executable(builder.finish((last,) if launches else ()))
    arrays = [np.zeros(4, np.float32) for _ in range(inputs + bool(launches))]
    call = exe.call
    return lambda: call(*arrays)


def nanoseconds(function: Callable, count: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(count):
        function()
    return (time.perf_counter_ns() - began) / count


def main() -> None:
    runtime.set_num_threads(2)
    a, b, c = (np.zeros(4, np.float32) for _ in range(3))
    add = ProgramBuilder("add")
    x, y, z = add.input("x", float32[4]), add.input("y", float32[4]), add.value("z", float32[4])
    add.launch(Nothing(), (x, y, z), (2,))
    small = Executable(add.finish((z,))).call
    getpid = ctypes.CDLL(None).getpid
    functions: dict[str, tuple[Callable, int]] = {
        "empty graph": (chain(0, 0), 20_000),
        "2 tensors of 4": (lambda: small(a, b, c), 20_000),
        "1 launch, 1 input": (chain(1, 1), 20_000),
        "1 launch, 101 inputs": (chain(1, 101), 5_000),
        "101 launches, 1 input": (chain(101, 1), 5_000),
        "10 launches, 1 input": (chain(10, 1), 5_000),
        "10 launches, 9 host calls": (chain(10, 1, hosts=9), 1_000),
        "1000 launches": (chain(1000, 1), 500),
        "1000 parallel launches": (chain(1000, 1, chunks=64, work=10**6), 20),
        "ctypes": (getpid, 20_000),
        "np.add": (lambda: np.add(a, b, c), 20_000),
    }
    found: dict[str, list[float]] = {name: [] for name in functions}
    for function, _ in functions.values():
        function()
    for _ in range(ROUNDS):
        for name, (function, count) in functions.items():
            found[name].append(nanoseconds(function, count))
    t = {name: statistics.median(values) for name, values in found.items()}
    rows = {
        "empty graph": t["empty graph"],
        "2 tensors of 4": t["2 tensors of 4"],
        "+ per argument": (t["1 launch, 101 inputs"] - t["1 launch, 1 input"]) / 100,
        "+ per launch": (t["101 launches, 1 input"] - t["1 launch, 1 input"]) / 100,
        "+ per host call": (t["10 launches, 9 host calls"] - t["10 launches, 1 input"]) / 9,
        "parallel launch": (t["1000 parallel launches"] - t["1000 launches"]) / 1000,
        "ctypes": t["ctypes"],
        "np.add": t["np.add"],
    }
    for name, value in rows.items():
        print(f"{name:16s} {value:10.1f} ns")


if __name__ == "__main__":
    main()
