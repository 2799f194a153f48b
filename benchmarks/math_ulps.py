"""Error and speed of the generated vector math over (nearly) every f32 value.

    python benchmarks/math_ulps.py [--step 1] [--functions exp,tanh]

Every STEP-th of the 2**32 bit patterns is compared with NumPy in f64; step 1 takes about a minute a
function.  Prints the largest error in ulp, where it is, and nanoseconds per element on one core.
"""

from __future__ import annotations

import argparse
import ctypes
import time

import numpy as np

from graphtorch.codegen.kernel import Tiles
from graphtorch.codegen.kernel_builder import KernelBuilder
from graphtorch.codegen.llvm import jit
from graphtorch.codegen.llvm.target import target
from graphtorch.ir.types import float32

TILE = 4096
REFERENCE = {
    name: getattr(np, name)
    for name in "exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh sqrt".split()
}
REFERENCE |= {"a" + n: getattr(np, "arc" + n) for n in "sin cos tan sinh cosh tanh".split()}
REFERENCE["sigmoid"] = lambda x: 1 / (1 + np.exp(-x))
REFERENCE["rsqrt"] = lambda x: 1 / np.sqrt(x)


class Function:
    """The machine code of one f32 function over arrays."""

    def __init__(self, name: str):
        b = KernelBuilder(name)
        x, out, n = b.input("x", float32), b.output("out", float32), b.param("n")
        c = b.grid("c", Tiles(n, TILE))
        with b.vector("i", b.tiled(c, TILE, n)) as i:
            at = c * TILE + i.index
            b.store(out, at, b.call(name, b.load(x, at)))
        machine = target()
        self.library = jit.load([jit.assemble(b.finish().llvm("f", machine), machine)], ["f"])
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 2)
        self.run = kind(self.library["f"])

    def __call__(self, x: np.ndarray, out: np.ndarray) -> None:
        pointers = (ctypes.c_void_p * 2)(x.ctypes.data, out.ctypes.data)
        size = (ctypes.c_int64 * 1)(x.size)
        self.run(ctypes.addressof(pointers), ctypes.addressof(size), None, 0, -(-x.size // TILE))


def nanoseconds(function: Function) -> float:
    """Per element, data in the second-level cache."""
    x = np.random.default_rng(0).uniform(0.1, 0.9, 1 << 15).astype(np.float32)
    out, best = np.empty_like(x), np.inf
    for _ in range(60):
        began = time.perf_counter()
        for _ in range(10):
            function(x, out)
        best = min(best, time.perf_counter() - began)
    return best / 10 / x.size * 1e9


def worst(name: str, function: Function, step: int) -> tuple[float, float]:
    """The largest error in ulp and its argument."""
    found, where = 0.0, 0.0
    block = step << 22
    for start in range(0, 1 << 32, block):
        bits = np.arange(start, min(start + block, 1 << 32), step, dtype=np.uint64)
        x = bits.astype(np.uint32).view(np.float32)
        got = np.empty_like(x)
        function(x, got)
        with np.errstate(all="ignore"):
            want = REFERENCE[name](x.astype(np.float64))
            rounded = want.astype(np.float32)
            error = np.abs(got - want) / np.spacing(np.abs(rounded)).astype(np.float64)
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
        error = np.where(same & ~np.isfinite(error), 0, np.where(np.isnan(error), np.inf, error))
        at = int(np.argmax(error))
        if error[at] > found:
            found, where = float(error[at]), float(x[at])
    return found, where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--step", type=int, default=61)
    parser.add_argument("--functions", default=",".join(sorted(REFERENCE)))
    arguments = parser.parse_args()
    print(f"{'function':10s} {'ulp':>6s}  {'at':>14s}  {'ns':>6s}")
    for name in arguments.functions.split(","):
        function = Function(name)
        error, where = worst(name, function, arguments.step)
        print(f"{name:10s} {error:6.3f}  {where:14.7g}  {nanoseconds(function):6.3f}", flush=True)


if __name__ == "__main__":
    main()
