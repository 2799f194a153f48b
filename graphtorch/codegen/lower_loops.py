"""Fused bodies to launches: chooses the template and adds up what the first launch left.

    body -> Facts (schedule) -> template (lower_map, lower_rows) -> Piece, and one more to finish

A template is drafted twice: the first draft only finds out which values are worth keeping from one
round to the next.  See `schedule` for what is known about a body, `lower_draft.Piece` for what
comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..ir.builder import INPUT
from ..ir.graph import Graph, Node
from .kernel import Buffer, Operand
from .lower_columns import lower_columns, lower_split
from .lower_draft import Draft, Partial, Piece, op_cost
from .lower_map import lower_map
from .lower_position import Position, address
from .lower_rows import Left, lower_lanes, lower_row_blocks, lower_rows
from .schedule import COMBINES, KEPT, TAIL, Axis, Facts, analyse, memo_cost, numel, vector_axis

FEW_ROWS = 32  # rows that do not keep the threads busy, if they are long
LONG_ROW = 1 << 15  # elements
SHORT_ROW = 16  # elements; shorter rows lie side by side in vectors
MANY_ROWS = 64
KEPT_ROW = 1 << 17  # elements; of longer rows nothing is kept, it would not stay in a cache

Template = Callable[[Facts, Draft, Axis], tuple[Piece, list[Left]]]


def lower_loops(body: Graph) -> list[Piece]:
    """The launches that compute a body; raises CompileError if no template fits."""
    facts = analyse(body)
    costs = memo_cost(body, op_cost)
    if not facts.reductions and not facts.seconds:
        return [lower_map(facts, Draft(body, body.name, costs, outputs=body.outputs))]
    template, vector = _choose(facts)
    early = [n for n in body.outputs if facts.place[n] != TAIL]
    trial = Draft(body, body.name, costs, outputs=early)
    template(facts, trial, vector)
    length = facts.full // facts.kept
    kept = trial.elements.keep if length <= KEPT_ROW else set()
    draft = Draft(body, body.name, costs, kept, early)
    piece, left = template(facts, draft, vector)
    waits = (KEPT, TAIL) if any(x.reduction in facts.reductions for x in left) else (TAIL,)
    late = [n for n in body.outputs if facts.place[n] in waits]
    return [piece, *_finish(body, left, late)]


def _choose(facts: Facts) -> tuple[Template, Axis]:
    """The template for a body with reductions, and the axis that vectors run along."""
    vector = vector_axis(facts, facts.axes)
    reduced = [a for a in facts.axes if a.reduced]
    rows = [a for a in facts.axes if not a.reduced]
    if facts.seconds:
        return lower_row_blocks, vector_axis(facts, reduced)
    length = facts.full // facts.kept
    numbered = any(COMBINES[n.op.name] in ("argmax", "argmin") for n in facts.reductions)
    if rows and length <= SHORT_ROW and facts.kept >= MANY_ROWS:
        return _alone(lower_lanes), vector if not vector.reduced else vector_axis(facts, rows)
    if facts.rounds == 1 and not numbered:
        if not vector.reduced:
            return lower_columns, vector
        if facts.kept < FEW_ROWS and length >= LONG_ROW:
            return lower_split, vector
    return _alone(lower_rows if vector.reduced else lower_lanes), vector


def _alone(template: Callable[[Facts, Draft, Axis], Piece]) -> Template:
    """A template that leaves nothing."""
    return lambda facts, draft, vector: (template(facts, draft, vector), [])


# what is left --------------------------------------------------------------------------------------


def _finish(body: Graph, left: list[Left], late: list[Node]) -> list[Piece]:
    """Launches that combine partial results and compute what waits for them."""
    sizes: dict[int, list[Node]] = {}
    for node in late:
        sizes.setdefault(numel(node), []).append(node)
    return [_finish_size(body, left, outputs) for outputs in sizes.values()]


def _finish_size(body: Graph, left: list[Left], outputs: list[Node]) -> Piece:
    tail, of, results = _tail(body, [x.reduction for x in left], outputs)
    facts = analyse(tail)
    draft = Draft(tail, tail.name, memo_cost(tail, op_cost), outputs=tail.outputs)
    found = [x for x in left if x.reduction in results]

    def prepare(draft: Draft) -> None:
        counts: dict[int, str] = {}
        for x in found:
            if x.count not in counts:
                counts[x.count] = draft.param("parts", x.count)
            buffer = draft.partial(x.partial, "in")
            draft.elements.makers[results[x.reduction]] = _adder(draft, x, buffer, counts[x.count])

    piece = lower_map(facts, draft, prepare, max((x.count for x in found), default=1))
    operands = tuple(o if isinstance(o, Partial) else of[o] for o in piece.operands)
    return replace(piece, operands=operands)


def _adder(draft: Draft, left: Left, buffer: Buffer, count: str) -> Callable[[Position], Operand]:
    """Emits the loop over the partial results of one element."""
    size = numel(left.reduction)

    def add(position: Position) -> Operand:
        index, indirect = address(position)
        kind = "serial" if draft.elements.depth else "vector"
        with draft.elements.loop("part", count, kind) as loop:
            part = draft.builder.load(buffer, loop.index * size + index, indirect=indirect)
            return loop.reduce(COMBINES[left.reduction.op.name], part, left.reduction.name)

    return add


def _tail(
    body: Graph, reductions: list[Node], outputs: list[Node]
) -> tuple[Graph, dict[Node, Node], dict[Node, Node]]:
    """The part of a body behind some reductions, which become inputs.

    Returns the graph, which node of the body each of its inputs and outputs is, and the inputs
    that stand for reductions.
    """
    made: dict[Node, Node] = {}
    inputs: list[Node] = []
    nodes: list[Node] = []
    results: dict[Node, Node] = {}

    def make(node: Node) -> Node:
        found = made.get(node)
        if found is not None:
            return found
        if node in reductions or node.op is INPUT:
            found = Node(node.name, INPUT, (), {"type": node.type}, node.type, node.source)
            inputs.append(found)
            if node in reductions:
                results[node] = found
        else:
            operands = tuple(make(x) if isinstance(x, Node) else x for x in node.inputs)
            found = Node(node.name, node.op, operands, node.attrs, node.type, node.source)
            nodes.append(found)
        made[node] = found
        return found

    ends = tuple(make(n) for n in outputs)
    tail = Graph(f"{body.name}_finish", tuple(inputs), tuple(nodes), ends)
    return tail, {new: old for old, new in made.items()}, results
