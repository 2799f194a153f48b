"""A graph as a picture or as data: Graphviz dot, SVG drawn here, JSON.

The SVG needs no Graphviz: nodes stand in layers by their longest path from an input (networkx's
topological generations) and within a layer near the middle of their neighbours (barycentre
heuristic of Sugiyama et al., 1981).  Nothing here changes or checks a graph.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from .graph import Graph, Node
from .text import node_text, type_text, value_text

COLOURS = {
    "input": "#e8e8e8",
    "pointwise": "#d5e8d4",
    "reduction": "#ffe6cc",
    "view": "#f5f5f5",
    "index": "#e1d5e7",
    "contraction": "#dae8fc",
    "creation": "#fffbe0",
    "random": "#f8cecc",
    "host": "#f8cecc",
    "composite": "#cce5e8",
}


def _lines(node: Node) -> list[str]:
    """What a node's box says: name and op, type, the ops of a fused body."""
    name = node.name if node.op.name in ("input", node.name) else f"{node.name} = {node.op.name}"
    lines = [name, type_text(node.type)]
    for body in (v for v in node.attrs.values() if isinstance(v, Graph)):
        ops = [n.op.name for n in body.nodes]
        shown = ops if len(ops) <= 8 else [*ops[:7], f"... {len(ops) - 7} more"]
        lines.append(" ".join(shown))
    return lines


def to_dot(graph: Graph) -> str:
    """Graphviz's language; an update is a dashed edge back to its input."""
    out = [f'digraph "{graph.name}" {{', '  node [shape=box, style=filled, fontname="monospace"];']
    for node in (*graph.inputs, *graph.nodes):
        label = "\\n".join(_quoted(line) for line in _lines(node))
        tooltip = _quoted(node_text(node))
        colour = COLOURS.get(node.op.kind, "#ffffff")
        out.append(f'  {node.name} [label="{label}", fillcolor="{colour}", tooltip="{tooltip}"];')
    for node in graph.nodes:
        out += (f"  {operand.name} -> {node.name};" for operand in node.operands)
    for i, node in enumerate(graph.outputs):
        out.append(f'  output_{i} [label="output {i}", shape=ellipse];')
        out.append(f"  {node.name} -> output_{i};")
    for input, value in graph.updates:
        out.append(
            f'  {value.name} -> {input.name} [style=dashed, constraint=false, label="update"];'
        )
    return "\n".join([*out, "}"])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def to_json(graph: Graph, indent: int | None = 1) -> str:
    """The graph as JSON: attributes and scalars in the spelling of the IR text, bodies nested."""
    return json.dumps(_data(graph), indent=indent)


def _data(graph: Graph) -> dict[str, Any]:
    return {
        "name": graph.name,
        "inputs": [_node_data(n) for n in graph.inputs],
        "nodes": [_node_data(n) for n in graph.nodes],
        "outputs": [n.name for n in graph.outputs],
        "updates": [{"input": i.name, "value": v.name} for i, v in graph.updates],
    }


def _node_data(node: Node) -> dict[str, Any]:
    types = node.type if isinstance(node.type, tuple) else (node.type,)
    data: dict[str, Any] = {
        "name": node.name,
        "op": node.op.name,
        "kind": node.op.kind,
        "types": [{"dtype": t.dtype.short, "shape": list(t.shape)} for t in types],
        "source": {
            "file": node.source.file,
            "line": node.source.line,
            "module": node.source.module,
        },
    }
    if node.op.kind != "input":
        data["inputs"] = [
            {"node": x.name} if isinstance(x, Node) else {"scalar": value_text(x)}
            for x in node.inputs
        ]
        data["attrs"] = {
            name: _data(value) if isinstance(value, Graph) else value_text(value)
            for name, value in node.attrs.items()
        }
    return data


LINE, CHARACTER, MARGIN = (
    15,
    6.7,
    10,
)  # pixels: height of a line, width of a character, around a box
GAP_X, GAP_Y = 18, 34


def to_svg(graph: Graph) -> str:
    """The graph as an SVG picture, inputs at the top."""
    boxes = _layout(graph)
    width = max((x + w for x, _, w, _ in boxes.values()), default=0) + GAP_X
    height = max((y + h for _, y, _, h in boxes.values()), default=0) + GAP_Y
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="monospace" font-size="11">',
        f"<title>{escape(graph.name)}</title>",
        '<g fill="none" stroke="#777777">',
    ]
    for node in graph.nodes:
        out += (_edge(boxes[x], boxes[node], "") for x in dict.fromkeys(node.operands))
    for input, value in graph.updates:
        if value in boxes:
            out.append(
                _edge(boxes[value], boxes[input], ' stroke-dasharray="4 3" stroke="#c05050"')
            )
    out.append("</g>")
    results = set(graph.outputs)
    for node, (x, y, w, h) in boxes.items():
        stroke = 'stroke="#c05050" stroke-width="2"' if node in results else 'stroke="#666666"'
        out.append(f"<g><title>{escape(node_text(node))}</title>")
        out.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" rx="4" '
            f'fill="{COLOURS.get(node.op.kind, "#ffffff")}" {stroke}/>'
        )
        for i, line in enumerate(_lines(node)):
            out.append(
                f'<text x="{x + w / 2:.1f}" y="{y + MARGIN / 2 + LINE * (i + 0.8):.1f}" '
                f'text-anchor="middle">{escape(line)}</text>'
            )
        out.append("</g>")
    return "\n".join([*out, "</svg>"])


Box = tuple[float, float, float, float]  # x, y, width, height


def _edge(start: Box, end: Box, style: str) -> str:
    x0, y0 = start[0] + start[2] / 2, start[1] + start[3]
    x1, y1 = end[0] + end[2] / 2, end[1]
    bend = max(abs(y1 - y0) / 2, GAP_Y / 2)
    return (
        f'<path d="M{x0:.1f} {y0:.1f} C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} '
        f'{x1:.1f} {y1:.1f}"{style}/>'
    )


def _layout(graph: Graph) -> dict[Node, Box]:
    import networkx

    layers = [list(layer) for layer in networkx.topological_generations(graph.nx)]
    place = {n: i for layer in layers for i, n in enumerate(layer)}
    for _ in range(2):
        for layer in layers:  # downwards, near the operands
            _reorder(layer, place, {n: n.operands for n in layer})
        for layer in reversed(layers):  # upwards, near the users
            _reorder(layer, place, {n: graph.users[n] for n in layer})
    boxes: dict[Node, Box] = {}
    sizes = {
        n: (max(map(len, _lines(n))) * CHARACTER + 2 * MARGIN, len(_lines(n)) * LINE + MARGIN)
        for layer in layers
        for n in layer
    }
    widths = [sum(sizes[n][0] + GAP_X for n in layer) for layer in layers]
    y = float(GAP_Y) / 2
    for layer, width in zip(layers, widths, strict=True):
        x = (max(widths) - width) / 2 + GAP_X
        for node in layer:
            w, h = sizes[node]
            boxes[node] = (x, y, w, h)
            x += w + GAP_X
        y += max(sizes[n][1] for n in layer) + GAP_Y
    return boxes


def _reorder(
    layer: list[Node], place: dict[Node, int], neighbours: dict[Node, tuple[Node, ...]]
) -> None:
    def middle(node: Node) -> float:
        near = neighbours[node]
        return sum(place[n] for n in near) / len(near) if near else place[node]

    layer.sort(key=middle)
    place.update((n, i) for i, n in enumerate(layer))
