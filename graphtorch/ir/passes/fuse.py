"""Fusion: groups of nodes that one kernel computes become one node of op `fusion`.

    def f(x: f32[64, 512], w: f32[512]):
        def sum_div(x, w):                  # the body, a graph
            e = ops.exp(x)
            s = ops.sum(e, dims=(1,))
            ...
            return d
        sum_div: f32[64, 512] = ops.fusion(x, w, body=sum_div)
        return sum_div

The question is one of graph theory: contract edges so that every group is something a kernel can
compute (`fuse_groups`) while the quotient stays acyclic (`fuse_quotient`).  Greedily, in this order:

    1. pointwise consumers into the contraction that feeds them: its result never travels alone
    2. producers into consumers, the largest spaces first: a value is made where it is used
    3. producers read in another order, if nobody else wants them
    4. reductions over all rows into the rows they read, once the rows are complete: what waits for
       such a reduction can no longer join
    5. groups that read the same value over the same space, so that it is read once
    6. cheap values are computed again by their readers instead of being stored

Greed has to be told one thing: a value that is made along the rows of a softmax or a norm belongs to
them, and not to a reduction over other axes that happens to read it (`fuse_cores.row_hints`).

What was fused, and for every edge that was not the reason, is in `meta["fusion_report"]`.
Limits: reductions over long single rows, scans and scatters stay alone.
"""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from dataclasses import dataclass

from ..graph import Graph, Node, Source
from .fuse_build import build
from .fuse_cores import Core, Cores, Read, row_hints, same
from .fuse_groups import CHEAP, FULL, Group, Rules
from .fuse_quotient import Quotient

SHARED = 1024  # elements a value must have for reading it once to be worth a joint kernel
EPILOGUE = 64  # cores an epilogue has at most
TRIES = 4  # groups a group is tried with for the sake of one shared value


@dataclass(frozen=True, slots=True)
class FusionRecord:
    """One line of the report: nodes that became one kernel, or an edge that did not, and why."""

    fused: bool
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    reason: str = ""

    def __str__(self) -> str:
        where = ", ".join(dict.fromkeys(str(s) for s in self.sources if str(s)))
        text = ", ".join(self.names) if self.fused else " -> ".join(self.names)
        text = f"{'fused' if self.fused else 'kept apart'}: {text}"
        text += f": {self.reason}" if self.reason else ""
        return f"{text}  # {where}" if where else text


def fuse(graph: Graph) -> Graph:
    """See the module docstring."""
    return _Fusion(graph).run()


class _Fusion:
    def __init__(self, graph: Graph):
        self.graph = graph
        self.cores = Cores(graph)
        self.list: list[Core] = self.cores.list
        self.rules = Rules(self.list, row_hints(self.list))
        edges = [(r.source, c) for c, core in enumerate(self.list) for r in core.reads]
        numbered = [(p, c) for p, c in edges if isinstance(p, int)]
        self.quotient = Quotient(len(self.list), [*numbered, *self.cores.effects])
        self.groups: list[Group] = self.rules.groups  # of a group's name in the quotient
        self.again: dict[int, set[int]] = {}  # values a group computes again for itself
        self._waiting: dict[tuple[int, int], tuple[int, int] | None] = {}  # refused edges
        self.spared: set[int] = set()  # pointwise cores an epilogue could have had
        self.refused: dict[tuple[int, int], str] = {}

    def run(self) -> Graph:
        self._epilogues()
        self._vertical()
        self._inline()
        self.rules.late = True
        self._waiting = dict.fromkeys(self._waiting, (0, 0))
        self._try_again()
        self._siblings()
        self._try_again()
        self._recompute()
        order = self._ordered()
        members = [sorted(self.groups[name].members) for name in order]
        again = [frozenset(self.again.get(name, ())) for name in order]
        fused = build(self.graph, self.cores, members, again)
        return Graph(
            fused.name, fused.inputs, fused.nodes, fused.outputs, fused.updates,
            {**self.graph.meta, "fusion_report": self._report()},
        )  # fmt: skip

    # steps ---------------------------------------------------------------------------------------

    def _epilogues(self) -> None:
        for number, core in enumerate(self.list):
            if core.kind == "contraction":
                for chosen in self._epilogue(number):
                    self._try(number, chosen)

    def _epilogue(self, product: int) -> list[int]:
        """The pointwise cores to compute on a contraction's tiles, in order.

        All that follow in order from its result; then, from the end, those whose operands are
        stored anyway are left to their readers, so that no value is stored that need not be.
        """
        numel, shape = self.list[product].full, self.list[product].node.shape
        find, groups, ancestors = self.quotient.find, self.groups, self.quotient.ancestors_of
        chosen: dict[int, None] = {product: None}
        todo = list(self.list[product].users)
        heapq.heapify(todo)
        seen = set(todo)
        while todo and len(chosen) < EPILOGUE:
            number = heapq.heappop(todo)
            core = self.list[number]
            inside = [r for r in core.reads if r.source in chosen]
            if (
                core.kind != "pointwise"
                or core.positional
                or core.full != numel
                or groups[find(number)].contraction is not None
                or any(r.relation != same(numel) for r in inside)
                or not all(r.strided(shape) for r in core.reads)
                or any(
                    isinstance(r.source, int)
                    and r.source not in chosen
                    and ancestors(r.source) >> product & 1
                    for r in core.reads
                )
            ):
                continue
            chosen[number] = None
            for user in core.users:
                if user not in seen:
                    seen.add(user)
                    heapq.heappush(todo, user)
        for number in reversed(list(chosen)[1:]):
            if self._is_spare(number, chosen):
                del chosen[number]
                self.spared.add(number)
        return list(chosen)[1:]

    def _is_spare(self, number: int, chosen: dict[int, None]) -> bool:
        """Whether a chosen core's readers can just as well compute it from what is stored."""
        core = self.list[number]
        if core.pinned or any(u in chosen for u in core.users):
            return False
        sources = {r.source for r in core.reads if r.source in chosen}
        return all(
            self.list[s].pinned or any(u not in chosen for u in self.list[s].users) for s in sources
        )

    def _vertical(self) -> None:
        """Producers into consumers: large spaces before small ones, else from the results backwards.

        Edges that were refused are tried again before smaller spaces are looked at, if their groups
        have changed since: groups that met through another edge often fit.
        """
        edges = sorted(
            (
                (-max(core.full, self.list[read.source].full), -number, read)
                for number, core in enumerate(self.list)
                if core.kind not in ("opaque", "contraction")
                for read in core.reads
                if isinstance(read.source, int)
            ),
            key=lambda edge: edge[:2],
        )
        self._waiting = {}
        for _, alike in itertools.groupby(edges, key=lambda edge: edge[0]):
            for _, number, read in alike:
                self._join_along(read, -number)
            self._try_again()

    def _join_along(self, read: Read, number: int) -> None:
        assert isinstance(read.source, int)
        if self._is_product(read.source):
            self._refuse_epilogue(read, number)
        elif not self._try(read.source, number):
            self._waiting[read.source, number] = self._stamp(read.source, number)

    def _try_again(self) -> None:
        """Try the waiting edges whose groups have changed."""
        for (p, c), stamp in list(self._waiting.items()):
            now = self._stamp(p, c)
            if now is None or (now != stamp and self._try(p, c)):
                del self._waiting[p, c]
            else:
                self._waiting[p, c] = now

    def _stamp(self, p: int, c: int) -> tuple[int, int] | None:
        """What changes whenever one of two cores' groups grows; None once they are in one."""
        a, b = self.quotient.find(p), self.quotient.find(c)
        if a == b:
            return None
        return len(self.groups[a].members), len(self.groups[b].members)

    def _is_product(self, number: int) -> bool:
        """Whether a core stands in a contraction's group: what follows it has been chosen."""
        return self.groups[self.quotient.find(number)].contraction is not None

    def _refuse_epilogue(self, read: Read, number: int) -> None:
        if self.list[number].runs is not None:
            reason = "an epilogue works on tiles and cannot wait for a reduction over rows"
        elif number in self.spared:
            reason = "its reader computes it from what is stored anyway"
        else:
            reason = "an epilogue takes what follows in order, with one stride per dimension"
        assert isinstance(read.source, int)
        self.refused[read.source, number] = reason

    def _inline(self) -> None:
        find = self.quotient.find
        for name in reversed(list(self.quotient.order())):
            group = self.groups[name]
            if group.opaque or group.runs is not None or group.contraction is not None:
                continue
            if any(self.list[n].pinned for n in group.members):
                continue
            readers = {find(u) for n in group.members for u in self.list[n].users} - {name}
            if len(readers) != 1:
                continue
            (reader,) = readers
            edges = self._edges(name, reader)
            reason = self.rules.inline(group, self.groups[reader], edges)
            if reason is None and self.quotient.merge(name, reader):
                union = self.rules.apply_inline(group, self.groups[reader])
                self.groups[find(name)] = union
            elif reason is not None:
                self._refuse(edges, reason)

    def _siblings(self) -> None:
        find = self.quotient.find
        readers: dict[int | Node, dict[int, None]] = defaultdict(dict)
        for number, core in enumerate(self.list):
            for read in core.reads:
                place = self.rules.deep[number] if read.deep else self.rules.place[number]
                if (
                    place == FULL
                    and read.numel >= SHARED
                    and read.relation == same(read.numel)
                    and core.kind not in ("opaque", "contraction")
                ):
                    readers[read.source][number] = None
        for numbers in readers.values():
            accepted: dict[int, None] = {}
            for number in numbers:
                name = find(number)
                for other in list(accepted)[-TRIES:]:
                    if find(other) != name and self._try(other, number):
                        break
                else:
                    accepted[number] = None

    def _recompute(self) -> None:
        """Let readers compute cheap values again; a value nobody reads any more is not stored."""
        find = self.quotient.find
        for name in self.quotient.order():
            group = self.groups[name]
            if group.opaque:
                continue
            for number in group.members:
                core = self.list[number]
                if core.pinned or core.kind != "pointwise" or self.rules.place[number] != FULL:
                    continue
                readers = {find(u) for u in core.users} - {name}
                if not readers or any(not self._takes(r, number) for r in readers):
                    continue
                cone = self._cone(name, number)
                if cone is not None:
                    for reader in readers:
                        self.again.setdefault(reader, set()).update(cone)

    def _takes(self, reader: int, number: int) -> bool:
        """Whether a group may compute a value again."""
        group = self.groups[reader]
        return (
            not group.opaque
            and group.contraction is None
            and all(
                self.list[u].kind == "pointwise" or self.list[u].kind == "reduction"
                for u in self.list[number].users
                if self.quotient.find(u) == reader
            )
        )

    def _cone(self, name: int, number: int) -> set[int] | None:
        """What computes a value inside its group from what is stored anyway, if that is cheap."""
        find = self.quotient.find
        again = self.again.get(name, set())
        cone: set[int] = set()
        wide: set[int | Node] = set()
        cost, todo = 0, [number]
        while todo:
            n = todo.pop()
            if n in cone:
                continue
            core = self.list[n]
            if core.kind != "pointwise" and core.kind != "copy":
                return None
            cone.add(n)
            cost += core.cost
            if cost > CHEAP:
                return None
            for read in core.reads:
                source = read.source
                inside = isinstance(source, int) and (find(source) == name or source in again)
                if inside and isinstance(source, int) and not self._stored(source, name):
                    todo.append(source)
                elif read.numel * 4 > core.numel:
                    wide.add(source)
        return cone if len(wide) <= 2 else None

    def _stored(self, number: int, name: int) -> bool:
        core = self.list[number]
        if self.quotient.find(number) != name:
            return False  # computed again here
        return core.pinned or (core.kind == "reduction" and self._leaves(number, name))

    def _leaves(self, number: int, name: int) -> bool:
        return any(self.quotient.find(u) != name for u in self.list[number].users)

    # joining -------------------------------------------------------------------------------------

    def _try(self, p: int, c: int) -> bool:
        """Join the groups of two cores if rules and the quotient allow it."""
        find = self.quotient.find
        a, b = find(p), find(c)
        if a == b:
            return False
        first, last = (a, b) if self.quotient.precedes(a, b) else (b, a)
        reason = self.rules.apart(self.groups[first], self.groups[last])
        if reason is not None:
            number = self.list[p].numel == 1 < self.list[c].full
            self.refused[p, c] = "a single number is computed once" if number else reason
            return False
        edges = self._edges(first, last)
        join = self.rules.join(self.groups[first], self.groups[last], edges)
        if isinstance(join, str):
            self._refuse(edges, join)
            return False
        one, other = self.groups[first], self.groups[last]
        if not self.quotient.merge(first, last):
            self._refuse(edges, "something between them needs one and is needed by the other")
            return False
        self.groups[find(first)] = self.rules.apply(one, other, join, edges)
        return True

    def _edges(self, a: int, b: int) -> list[tuple[int, int, Read]]:
        """The reads of group b from group a: (producer, reader, read)."""
        find = self.quotient.find
        if b not in self.quotient.after[a]:
            return []
        one, other = self.groups[a].members, self.groups[b].members
        if len(other) > len(one):
            inside = {u for n in one for u in self.list[n].users}
            other = [n for n in inside if find(n) == b]
        return [
            (read.source, c, read)
            for c in other
            for read in self.list[c].reads
            if isinstance(read.source, int) and find(read.source) == a
        ]

    def _refuse(self, edges: list[tuple[int, int, Read]], reason: str) -> None:
        for p, c, _ in edges:
            self.refused[p, c] = reason

    # result --------------------------------------------------------------------------------------

    def _ordered(self) -> list[int]:
        """The groups in a topological order close to the graph's own."""
        before, after = self.quotient.before, self.quotient.after
        names = list(self.quotient.order())
        first = {name: min(self.groups[name].members) for name in names}
        waiting = {name: len(before[name]) for name in names}
        ready = [(first[name], name) for name in names if not waiting[name]]
        heapq.heapify(ready)
        ordered = []
        while ready:
            _, name = heapq.heappop(ready)
            ordered.append(name)
            for following in after[name]:
                waiting[following] -= 1
                if not waiting[following]:
                    heapq.heappush(ready, (first[following], following))
        return ordered

    def _report(self) -> tuple[FusionRecord, ...]:
        find = self.quotient.find
        records = []
        for name in self.quotient.order():
            members = sorted(self.groups[name].members)
            if len(members) > 1:
                records.append(self._record(True, members, ""))
        for (p, c), reason in self.refused.items():
            if find(p) != find(c) and p not in self.again.get(find(c), ()):
                records.append(self._record(False, [p, c], reason))
        return tuple(records)

    def _record(self, fused: bool, numbers: list[int], reason: str) -> FusionRecord:
        nodes = [self.list[n].node for n in numbers]
        return FusionRecord(
            fused, tuple(n.name for n in nodes), tuple(n.source for n in nodes), reason
        )
