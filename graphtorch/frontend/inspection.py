"""The stages of a compiled variant, as text, dot, svg or json: what `dump` and `report` show.

trace            the graph as the program ran
joint            with gradients (a compiled forward only), then forward and backward
after:PASS       the graph after a pass; `optimized` is the last
launches, kernels, llvm, asm, cuda, memory     what the code generator made of it
guards, run      the generated Python that checks and carries out a call
"""

from __future__ import annotations

from typing import Any

from ..errors import UnsupportedError
from ..ir.graph import Graph
from .variant import Variant

_CODE = ("launches", "kernels", "llvm", "asm", "cuda", "memory")


def programs(variant: Variant) -> list[tuple[str, Any]]:
    """The compiled programs of a variant with their role: forward (or whole), backward, values."""
    found = [("forward" if variant.backward_program is not None else "", variant.program)]
    if variant.backward_program is not None:
        found.append(("backward", variant.backward_program))
    if variant.value_guard is not None:
        found.append(("values", variant.value_guard))
    return found


def graphs(variant: Variant) -> dict[str, Graph]:
    """Every graph of the variant by stage name, in the order they were made."""
    found = {"trace": variant.trace.graph}
    if variant.joint is not None:
        found["joint"] = variant.joint
    for role, program in programs(variant):
        suffix = f"@{role}" if role else ""
        for name, graph in program.stages:
            key = (
                name
                if name.startswith("after:") or name in ("forward", "backward")
                else f"after:{name}"
            )
            found.setdefault(key + suffix, graph)
    return found


def stage_names(variant: Variant) -> list[str]:
    """All names that `stage_text` takes."""
    return [*graphs(variant), *_CODE, "guards", "run"]


def stage_text(variant: Variant, stage: str, format: str = "text") -> str:
    """One stage as text, or (graphs only) as dot, svg or json; raises ValueError for an unknown one."""
    if stage == "guards":
        return variant.check_source
    if stage == "run":
        return variant.run_source
    if stage in _CODE:
        if format != "text":
            raise ValueError(f"stage {stage} is text; --format {format} is for graphs")
        parts = []
        for role, program in programs(variant):
            if role:
                parts.append(f"# {role}")
            parts.append(_code(program, stage))
        return "\n".join(parts)
    known = graphs(variant)
    matching = [known[k] for k in known if k == stage or k.partition("@")[0] == stage]
    if not matching:
        raise ValueError(f"no stage {stage!r}; there are: {', '.join(stage_names(variant))}")
    return "\n".join(graph_text(graph, format) for graph in matching)


def graph_text(graph: Graph, format: str) -> str:
    """A graph in one of the four formats."""
    if format == "text":
        return str(graph)
    from ..ir import dot

    return {"dot": dot.to_dot, "svg": dot.to_svg, "json": dot.to_json}[format](graph)


def _code(program: Any, stage: str) -> str:
    if not hasattr(program, "kernels"):
        raise UnsupportedError(
            f"stage {stage} needs GRAPHTORCH_COMPILE=1; this graph is interpreted"
        )
    if stage == "cuda":
        from ..codegen.cuda.printer import program_text

        return program_text(program)
    found = getattr(program, stage)
    if callable(found):
        found = found()
    if isinstance(found, (list, tuple)):
        return "\n".join(str(item) for item in found)
    return str(found)
