"""`explain()`: what was compiled, on what conditions, what was not, and where the time goes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .inspection import programs
from .variant import Variant

if TYPE_CHECKING:
    from .compile import CompiledFunction


def explain(function: CompiledFunction) -> str:
    """Return the report on one compiled function as text."""
    info = function.cache_info()
    lines = [
        f"{function.__name__}: {info.variants} variants, {info.hits} compiled calls, {info.misses} traces",
    ]
    if function.left is not None:
        lines.append(f"  left to eager: {function.left}")
    for variant in function.variants:
        lines += ["  " + line for line in _variant(variant)]
    return "\n".join(lines) + "\n"


def _variant(variant: Variant) -> list[str]:
    graph = variant.trace.graph
    kinds = Counter(node.op.name for node in graph.nodes)
    common = ", ".join(f"{name} x{count}" if count > 1 else name for name, count in kinds.most_common(8))
    seconds = ", ".join(f"{stage} {s * 1e3:.0f} ms" for stage, s in variant.seconds.items())
    lines = [
        f"variant {variant.generation} ({variant.reason}); {seconds}",
        f"  graph: {len(graph.inputs)} inputs, {len(graph.nodes)} nodes ({common}), {len(graph.updates)} updates in place",
    ]
    conditions = [line.strip() for line in variant._checker.lines if "# " in line]  # type: ignore[attr-defined]
    lines.append(f"  guards ({len(conditions)}):")
    lines += [f"    {condition}" for condition in conditions]
    for guard in variant.trace.value_guards:
        lines.append(f"    value read in Python at {guard.line}: must be {guard.expected}")
    for scalar in variant.trace.scalars:
        lines.append(f"  read at every call: [{scalar.key!r}]")
    for effect in variant.trace.deferred:
        lines.append(f"  run in Python after every call: {getattr(effect, '__qualname__', effect)}")
    for role, program in programs(variant):
        lines += _program(role or "program", program)
    return lines


def _program(role: str, program: Any) -> list[str]:
    lines = [f"  {role}:"]
    report = getattr(program, "report", None)
    if report is None:
        lines.append("    interpreted node by node in NumPy")
        return lines
    return lines + ["    " + line for line in report().splitlines()]
