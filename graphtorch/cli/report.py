"""The report: a folder of HTML pages that shows what the compiler did with a script.

    index.html                 every compiled function, its variants, what was left to eager
    FUNCTION_N.html            one variant: explanation, pictures of the graph, every stage as text

The pages need no network and no JavaScript library.
"""

from __future__ import annotations

import html
import os
from typing import Any

from ..frontend import inspection
from ..frontend.variant import Variant

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #222; }
pre { background: #f6f8fa; padding: .8rem; overflow: auto; max-height: 34rem; font-size: 12.5px; border-radius: 6px; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
.picture { overflow: auto; border: 1px solid #ddd; border-radius: 6px; max-height: 44rem; }
td, th { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #eee; }
.left { color: #a40000; }
"""
_LARGEST_PICTURE = 400  # nodes; beyond that a picture helps nobody


def write_report(file: str, functions: list[Any], folder: str) -> str:
    """Write the pages into `folder`; returns the path of index.html."""
    os.makedirs(folder, exist_ok=True)
    rows = []
    for function in functions:
        if function.left is not None:
            reason = html.escape(str(function.left))
            rows.append(
                f"<tr><td>{html.escape(function.__name__)}</td><td colspan=4 class=left>left to eager: {reason}</td></tr>"
            )
        for variant in function.variants:
            page = f"{_identifier(function.__name__)}_{len(rows)}.html"
            _write(
                folder,
                page,
                f"{function.__name__}, variant {variant.generation}",
                _variant_page(variant),
            )
            graph = variant.trace.graph
            seconds = " + ".join(f"{s * 1e3:.0f} ms {k}" for k, s in variant.seconds.items())
            rows.append(
                f"<tr><td><a href='{page}'>{html.escape(function.__name__)}</a></td><td>{html.escape(variant.reason)}</td>"
                f"<td>{len(graph.nodes)} nodes</td><td>{_launches(variant)}</td><td>{seconds}</td></tr>"
            )
    table = (
        "<table><tr><th>function</th><th>why</th><th>traced</th><th>runs as</th><th>took</th></tr>"
        + "".join(rows)
        + "</table>"
    )
    source = "".join(
        f"<details><summary>explain()</summary><pre>{html.escape(f.explain())}</pre></details>"
        for f in functions
    )
    return _write(folder, "index.html", f"graphtorch: {os.path.basename(file)}", table + source)


def _launches(variant: Variant) -> str:
    counts = []
    for role, program in inspection.programs(variant):
        launches = getattr(program, "launches", None)
        if launches is not None:
            counts.append(f"{len(launches)} launches{' ' + role if role else ''}")
    return ", ".join(counts) or "interpreted"


def _variant_page(variant: Variant) -> str:
    parts = ["<p><a href='index.html'>all functions</a></p>"]
    known = inspection.graphs(variant)
    shown = [
        name
        for name in ("trace", "after:fuse", "after:fuse@forward", "after:fuse@backward")
        if name in known
    ]
    for name in shown:
        graph = known[name]
        if len(graph.nodes) <= _LARGEST_PICTURE:
            picture = inspection.graph_text(graph, "svg")
            parts.append(
                f"<h2>{html.escape(name)}: {len(graph.nodes)} nodes</h2><div class=picture>{picture}</div>"
            )
    parts.append("<h2>Every stage</h2>")
    for stage in inspection.stage_names(variant):
        try:
            text = inspection.stage_text(variant, stage)
        except NotImplementedError as error:
            text = str(error)
        parts.append(
            f"<details><summary>{html.escape(stage)}</summary><pre>{html.escape(text)}</pre></details>"
        )
    return "".join(parts)


def _write(folder: str, page: str, title: str, body: str) -> str:
    path = os.path.join(folder, page)
    with open(path, "w") as out:
        out.write(
            f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
            f"<style>{_STYLE}</style><h1>{html.escape(title)}</h1>{body}</html>\n"
        )
    return path


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
