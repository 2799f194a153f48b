"""Graphs as dot, SVG and JSON."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

from graphtorch.ir.dot import to_dot, to_json, to_svg
from graphtorch.ir.parse import parse

GRAPH = parse("""\
def f(x: f32[4, 3], w: f32[3]):
    def body(a: f32[4, 3]):
        exp: f32[4, 3] = ops.exp(a)
        neg: f32[4, 3] = ops.neg(exp)
        return (exp, neg)
    fused: (f32[4, 3], f32[4, 3]) = ops.test_fusion(x, body=body)  # t.py:3 in layer
    pick: f32[4, 3] = ops.pick(fused, index=1)
    lt: bool[4, 3] = ops.lt(pick, inf)
    sum: f32[3] = ops.sum(pick, dims=(0,))
    update(w, sum)
    return lt""")


def test_dot():
    lines = to_dot(GRAPH).splitlines()
    assert lines[0] == 'digraph "f" {' and lines[-1] == "}"
    assert "  x -> fused;" in lines and "  fused -> pick;" in lines
    assert "  lt -> output_0;" in lines
    assert any("sum -> w" in line and "dashed" in line for line in lines)
    assert any("exp neg" in line for line in lines)  # the ops of the body
    assert any("# t.py:3 in layer" in line for line in lines)


def test_json_holds_everything():
    data = json.loads(to_json(GRAPH))
    assert data["inputs"][0] == {
        "name": "x",
        "op": "input",
        "kind": "input",
        "types": [{"dtype": "f32", "shape": [4, 3]}],
        "source": {"file": "", "line": 0, "module": ""},
    }
    fused, pick, lt, total = data["nodes"]
    assert fused["source"] == {"file": "t.py", "line": 3, "module": "layer"}
    assert [t["shape"] for t in fused["types"]] == [[4, 3], [4, 3]]
    assert [n["op"] for n in fused["attrs"]["body"]["nodes"]] == ["exp", "neg"]
    assert pick["inputs"] == [{"node": "fused"}] and pick["attrs"] == {"index": "1"}
    assert lt["inputs"] == [{"node": "pick"}, {"scalar": "inf"}]
    assert data["outputs"] == ["lt"] and data["updates"] == [{"input": "w", "value": "sum"}]


def test_svg_draws_every_node_in_its_layer():
    root = ElementTree.fromstring(to_svg(GRAPH))
    space = "{http://www.w3.org/2000/svg}"
    boxes = {
        group.find(f"{space}title").text.split(":")[0]: group.find(f"{space}rect")
        for group in root.iter(f"{space}g")
        if group.find(f"{space}rect") is not None
    }
    assert set(boxes) == {"x", "w", "fused", "pick", "lt", "sum"}
    height = {name: float(box.get("y")) for name, box in boxes.items()}
    assert (
        height["x"]
        == height["w"]
        < height["fused"]
        < height["pick"]
        < height["lt"]
        == height["sum"]
    )
    left, right = sorted((boxes["lt"], boxes["sum"]), key=lambda b: float(b.get("x")))
    assert float(left.get("x")) + float(left.get("width")) <= float(right.get("x"))
    for box in boxes.values():
        assert float(box.get("x")) + float(box.get("width")) <= float(root.get("width"))
        assert float(box.get("y")) + float(box.get("height")) <= float(root.get("height"))


@pytest.mark.parametrize("text", ["def f():\n    return ()", "def f(x: f32[()]):\n    return x"])
def test_small_graphs(text):
    graph = parse(text)
    ElementTree.fromstring(to_svg(graph))
    assert to_dot(graph).startswith("digraph")
    assert json.loads(to_json(graph))["nodes"] == []
