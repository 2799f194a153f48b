"""Reductions in CUDA C: how two accumulators combine, and the tree over the threads of a block.

A thread reduces its own iterations in their order; then the block's accumulators are combined by
halves in shared memory.  The tree depends on the block's size only, which follows from the kernel.
"""

from __future__ import annotations

from ...ir.types import DType
from ..kernel import Combine, Reduction
from ..kernel_interpret import identity
from .scalars import Atom, c_type, expression, literal

_OPS = {
    "add": "add",
    "mul": "mul",
    "max": "max",
    "min": "min",
    "and": "logical_and",
    "or": "logical_or",
}


def picks(r: Reduction) -> bool:
    """Whether a reduction gives a place (argmax, argmin)."""
    return r.combine in ("argmax", "argmin")


def start_text(combine: Combine, dtype: DType) -> str:
    """The accumulator of no iterations."""
    simple = {"add": 0, "mul": 1, "or": 0, "and": True if dtype.kind == "b" else -1}
    if combine in simple:
        return literal(simple[combine], dtype)
    return literal(identity(combine.removeprefix("arg"), dtype.numpy).item(), dtype)


def combine_text(combine: Combine, dtype: DType, a: str, b: str) -> str:
    """Accumulator `a` after contribution `b`; both are atoms."""
    # the second operand of gt_max is kept where equal, so the older accumulator stands there
    xs = (b, a) if combine in ("max", "min") else (a, b)
    return expression(_OPS[combine], dtype, [Atom(x, dtype) for x in xs])


def better_text(combine: Combine, dtype: DType, new: str, best: str) -> str:
    """Whether `new` is strictly more extreme; NaN beats everything else."""
    sign = ">" if combine == "argmax" else "<"
    text = f"{new} {sign} {best}"
    return f"({text} || ({new} != {new} && {best} == {best}))" if dtype.kind == "f" else f"({text})"


def tree_name(combine: Combine, dtype: DType, threads: int) -> str:
    """Name of the block's function."""
    return f"gt_block_{combine}_{dtype.short}_{threads}"


def tree_text(combine: Combine, dtype: DType, threads: int) -> str:
    """The function that combines the accumulators of a block; every thread gets the result."""
    name, kind = tree_name(combine, dtype, threads), c_type(dtype)
    if combine in ("argmax", "argmin"):
        better = better_text(combine, dtype, "parts[o]", "parts[t]")
        same = "parts[o] == parts[t]"
        if dtype.kind == "f":
            same = f"({same} || (parts[o] != parts[o] && parts[t] != parts[t]))"
        return f"""static __device__ long long {name}({kind} best, long long at) {{
  __shared__ {kind} parts[{threads}];
  __shared__ long long places[{threads}];
  const int t = threadIdx.x;
  parts[t] = best;
  places[t] = at;
  __syncthreads();
  for (int half = {threads // 2}; half > 0; half >>= 1) {{
    const int o = t + half;
    if (t < half && places[o] >= 0 &&
        (places[t] < 0 || {better} || ({same} && places[o] < places[t]))) {{
      parts[t] = parts[o];
      places[t] = places[o];
    }}
    __syncthreads();
  }}
  at = places[0];
  __syncthreads();
  return at < 0 ? 0 : at;
}}"""
    joined = combine_text(combine, dtype, "parts[t]", "parts[t + half]")
    return f"""static __device__ {kind} {name}({kind} x) {{
  __shared__ {kind} parts[{threads}];
  const int t = threadIdx.x;
  parts[t] = x;
  __syncthreads();
  for (int half = {threads // 2}; half > 0; half >>= 1) {{
    if (t < half) parts[t] = {joined};
    __syncthreads();
  }}
  x = parts[0];
  __syncthreads();
  return x;
}}"""
