"""`explain()`: what was compiled, on what conditions, what was not, and where the time goes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .inspection import programs
from .variant import Variant

if TYPE_CHECKING:
    from .compile import CompiledFunction

_LONGEST = 24  # lines of one table


def explain(function: CompiledFunction) -> str:
    """Return the report on one compiled function as text."""
    info = function.cache_info()
    lines = [
        f"{function.__name__}: {info.variants} variants, {info.hits} compiled calls, {info.misses} traces",
    ]
    if function.left is not None:
        lines.append(f"  left to eager: {function.left}")
    elif function.history and not function.variants:
        lines.append(f"  {function.history[-1]}")
    for variant in function.variants:
        lines += ["  " + line for line in _variant(variant)]
    return "\n".join(lines) + "\n"


def _variant(variant: Variant) -> list[str]:
    graph = variant.trace.graph
    kinds = Counter(node.op.name for node in graph.nodes)
    common = ", ".join(
        f"{name} x{count}" if count > 1 else name for name, count in kinds.most_common(8)
    )
    seconds = ", ".join(f"{stage} {s * 1e3:.0f} ms" for stage, s in variant.seconds.items())
    lines = [
        f"variant {variant.generation} ({variant.reason}); {seconds}",
        f"  graph: {len(graph.inputs)} inputs, {len(graph.nodes)} nodes ({common}), {len(graph.updates)} updates in place",
    ]
    conditions = [line.strip() for line in variant.checker.lines if "# " in line]
    lines.append(f"  guards ({len(conditions)}):")
    lines += [f"    {condition}" for condition in conditions]
    for guard in variant.trace.value_guards:
        lines.append(
            f"    value read in Python by {guard.op} at {guard.line}: must be {guard.expected}"
        )
    for scalar in variant.trace.scalars:
        lines.append(f"  read at every call: [{scalar.key!r}]")
    for effect in variant.trace.deferred:
        lines.append(f"  run in Python after every call: {getattr(effect, '__qualname__', effect)}")
    for role, program in programs(variant):
        lines += _program(role or "program", program)
    return lines


def _program(role: str, program: Any) -> list[str]:
    lines = [f"  {role}:"]
    if not hasattr(program, "kernels"):
        return [*lines, "    interpreted node by node in NumPy"]
    seconds = ", ".join(
        f"{stage} {s * 1e3:.1f} ms" for stage, s in program.seconds.items() if s >= 5e-5
    )
    lines.append(
        f"    {len(program.launches)} launches of {len(program.kernels)} kernels; took {seconds}"
    )
    host = Counter(call.op.name for call in program.host_calls)
    if host:
        listed = ", ".join(
            f"{name} x{count}" if count > 1 else name for name, count in host.items()
        )
        lines.append(f"    run by NumPy between kernels (no kernel yet): {listed}")
    lines.append(f"    memory: {str(program.memory).splitlines()[0]}")
    lines += _fusions(program.stages[-1][1])
    try:
        timings = sorted(_profile(program), key=lambda t: -t.nanoseconds)
    except RuntimeError as error:  # a singular matrix, say
        reason = str(error).partition("\n")[0]
        return [*lines, f"    time per kernel: not known, the program refuses zeros ({reason})"]
    lines.append("    time per kernel (one profiled call on zeros):")
    lines += [f"    {timing}" for timing in timings[:_LONGEST]]
    if len(timings) > _LONGEST:
        rest = sum(t.nanoseconds for t in timings[_LONGEST:])
        lines.append(f"    {rest / 1e3:10.1f} us  {len(timings) - _LONGEST} more")
    return lines


def _fusions(graph: Any) -> list[str]:
    report = graph.meta.get("fusion_report", ())
    lines = [f"    fusions made and refused ({len(report)}):"] if report else []
    lines += [f"      {record}" for record in report[:_LONGEST]]
    if len(report) > _LONGEST:
        lines.append(f"      ... {len(report) - _LONGEST} more")
    return lines


def _profile(program: Any) -> list[Any]:
    graph = program.stages[0][1]
    inputs = [np.zeros(node.shape, node.dtype.numpy) for node in graph.inputs]
    outputs = [np.empty(node.shape, node.dtype.numpy) for node in graph.outputs]
    return program.profile(inputs, outputs, 3)
