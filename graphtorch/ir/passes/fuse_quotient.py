"""The quotient of a graph under contraction, kept acyclic.

    quotient = Quotient(4, [(0, 1), (1, 2), (0, 3), (3, 2)])
    quotient.merge(0, 1)      # True: {0, 1} -> 3 -> 2
    quotient.merge(0, 2)      # False: 0 -> 3 -> 2 would become a cycle through 3

networkx answers the same question with `quotient_graph`, but in quadratic time and for one
partition at a time; fusion asks it thousands of times while the partition grows.  Two things make
an answer cheap.

* Bit sets of ancestors and descendants in the original graph: if some vertex outside lies between
  two groups there, a merge is refused at once.  (Paths that exist only in the quotient are not in
  the sets; they need the search.)
* A topological order of the groups, kept up to date (Pearce and Kelly, "A dynamic topological sort
  algorithm for directed acyclic graphs", JEA 11, 2007): a path between two groups runs through
  groups that stand between them, so a search looks at those only, from both ends in turn, and stops
  when either end has nothing left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Quotient:
    """Groups of the vertices 0 .. count-1, which are in a topological order; edges go upwards."""

    def __init__(self, count: int, edges: Iterable[tuple[int, int]]):
        self.after: list[set[int]] = [set() for _ in range(count)]
        self.before: list[set[int]] = [set() for _ in range(count)]
        for a, b in edges:
            self.after[a].add(b)
            self.before[b].add(a)
        self._member = [1 << v for v in range(count)]
        self._ancestors = [0] * count
        self._descendants = [0] * count
        for v in range(count):
            found = 0
            for a in self.before[v]:
                found |= self._ancestors[a] | self._member[a]
            self._ancestors[v] = found
        for v in reversed(range(count)):
            found = 0
            for b in self.after[v]:
                found |= self._descendants[b] | self._member[b]
            self._descendants[v] = found
        self._own_ancestors = list(self._ancestors)
        self._parent = list(range(count))
        self._label = [float(v) for v in range(count)]  # grows along every edge between groups
        self._next = [v + 1 for v in range(count)] + [
            0
        ]  # a ring in label order; `count` is its head
        self._previous = [count, *range(count)]
        self._head = count
        if count:
            self._next[count], self._next[count - 1] = 0, count
            self._previous[count] = count - 1

    def find(self, vertex: int) -> int:
        """The group of a vertex, named by one of its vertices."""
        parent = self._parent
        while parent[vertex] != vertex:
            parent[vertex] = parent[parent[vertex]]
            vertex = parent[vertex]
        return vertex

    def ancestors_of(self, vertex: int) -> int:
        """The vertices a path of the original graph leads from to this one, as a bit set."""
        return self._own_ancestors[vertex]

    def order(self) -> Iterator[int]:
        """The groups in a topological order."""
        group = self._next[self._head]
        while group != self._head:
            yield group
            group = self._next[group]

    def precedes(self, a: int, b: int) -> bool:
        """Whether group a stands before group b in the order."""
        return self._label[a] < self._label[b]

    def merge(self, a: int, b: int) -> bool:
        """Make one group of two, unless that closes a cycle; the answer says which."""
        if self._label[a] > self._label[b]:
            a, b = b, a
        if self._certain_path(a, b):
            return False
        found = self._search(a, b)
        if found is None:
            return False
        forward, moved = found
        if forward:  # what a reaches goes behind b
            self._place(moved, behind=b)
        else:  # what reaches b goes before a
            self._place(moved, behind=self._previous[a])
        self._contract(a, b, at=b if forward else a)
        return True

    def would_cycle(self, a: int, b: int) -> bool:
        """Whether merging two groups would close a cycle."""
        if self._label[a] > self._label[b]:
            a, b = b, a
        return self._certain_path(a, b) or self._search(a, b) is None

    def _certain_path(self, a: int, b: int) -> bool:
        between = self._descendants[a] & self._ancestors[b]
        return bool(between & ~(self._member[a] | self._member[b]))

    def _search(self, a: int, b: int) -> tuple[bool, list[int]] | None:
        """None if a path leads from a to b through another group; else the smaller side's groups."""
        label, after, before = self._label, self.after, self.before
        low, high = label[a], label[b]
        down = [g for g in after[a] if label[g] < high]
        up = [g for g in before[b] if label[g] > low]
        reached, reaching = set(down), set(up)
        while True:
            if not down:
                return True, list(reached)
            if not up:
                return False, list(reaching)
            group = down.pop()
            for g in after[group]:
                if g == b or g in reaching:
                    return None
                if label[g] < high and g not in reached:
                    reached.add(g)
                    down.append(g)
            if group in reaching:
                return None
            group = up.pop()
            for g in before[group]:
                if g == a or g in reached:
                    return None
                if label[g] > low and g not in reaching:
                    reaching.add(g)
                    up.append(g)
            if group in reached:
                return None

    def _place(self, groups: list[int], behind: int) -> None:
        """Move groups, in their order, right behind another one."""
        if not groups:
            return
        groups.sort(key=self._label.__getitem__)
        for g in groups:
            self._unlink(g)
        start = self._label[behind] if behind != self._head else self._first() - 1.0
        following = self._next[behind]
        stop = self._label[following] if following != self._head else start + 1.0
        step = (stop - start) / (len(groups) + 1)
        for count, g in enumerate(groups, 1):
            self._link(g, behind)
            self._label[g] = start + step * count
            behind = g
        if step < 1e-9 * max(1.0, abs(start)):
            for count, g in enumerate(self.order()):
                self._label[g] = float(count)

    def _first(self) -> float:
        first = self._next[self._head]
        return self._label[first] if first != self._head else 0.0

    def _unlink(self, group: int) -> None:
        before, after = self._previous[group], self._next[group]
        self._next[before], self._previous[after] = after, before

    def _link(self, group: int, behind: int) -> None:
        following = self._next[behind]
        self._next[behind], self._previous[group] = group, behind
        self._next[group], self._previous[following] = following, group

    def _contract(self, a: int, b: int, at: int) -> None:
        """Join b into a (or a into b, whichever has more edges), standing where `at` stands."""
        keep, drop = a, b
        if len(self.after[a]) + len(self.before[a]) < len(self.after[b]) + len(self.before[b]):
            keep, drop = b, a
        if keep != at:
            self._unlink(keep)
            self._link(keep, behind=at)
            self._label[keep] = self._label[at]
        self._unlink(drop)
        self._parent[drop] = keep
        for g in self.after[drop]:
            self.before[g].discard(drop)
            if g != keep:
                self.before[g].add(keep)
                self.after[keep].add(g)
        for g in self.before[drop]:
            self.after[g].discard(drop)
            if g != keep:
                self.after[g].add(keep)
                self.before[keep].add(g)
        self.after[drop], self.before[drop] = set(), set()
        self._member[keep] |= self._member[drop]
        self._ancestors[keep] |= self._ancestors[drop]
        self._descendants[keep] |= self._descendants[drop]
