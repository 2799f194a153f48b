"""The quotient accepts a merge exactly if networkx finds the contracted graph acyclic."""

from __future__ import annotations

import random

import networkx
import pytest

from graphtorch.ir.passes.fuse_quotient import Quotient


def test_a_path_through_a_third_group_refuses_a_merge() -> None:
    quotient = Quotient(4, [(0, 1), (1, 2), (0, 3), (3, 2)])
    assert quotient.merge(0, 1)
    assert quotient.would_cycle(quotient.find(0), 2)
    assert not quotient.merge(quotient.find(0), 2)
    assert quotient.merge(quotient.find(0), 3)
    assert quotient.merge(quotient.find(0), 2)
    assert len(list(quotient.order())) == 1


def test_paths_that_only_exist_in_the_quotient_count() -> None:
    # 0 -> 1 and 2 -> 3 share no path; after {0, 3} are one, 2 comes before 1
    quotient = Quotient(4, [(0, 1), (2, 3)])
    assert quotient.merge(0, 3)
    assert not quotient.merge(1, 2)


@pytest.mark.parametrize("seed", range(60))
def test_against_networkx(seed: int) -> None:
    chance = random.Random(seed)
    count = chance.randint(2, 22)
    density = chance.choice([0.05, 0.15, 0.3])
    edges = {(a, b) for a in range(count) for b in range(a + 1, count) if chance.random() < density}
    quotient = Quotient(count, edges)
    for _ in range(50):
        a, b = chance.randrange(count), chance.randrange(count)
        if chance.random() < 0.5 and edges:
            a, b = chance.choice(sorted(edges))
        one, other = quotient.find(a), quotient.find(b)
        if one == other:
            continue
        group = {v: one if quotient.find(v) == other else quotient.find(v) for v in range(count)}
        contracted = networkx.DiGraph()
        contracted.add_nodes_from(group.values())
        contracted.add_edges_from((group[x], group[y]) for x, y in edges if group[x] != group[y])
        allowed = networkx.is_directed_acyclic_graph(contracted)
        assert quotient.would_cycle(one, other) != allowed
        assert quotient.merge(one, other) == allowed
        _check_order(quotient, count, edges)


def _check_order(quotient: Quotient, count: int, edges: set[tuple[int, int]]) -> None:
    place = {group: i for i, group in enumerate(quotient.order())}
    assert place.keys() == {quotient.find(v) for v in range(count)}
    for x, y in edges:
        a, b = quotient.find(x), quotient.find(y)
        if a != b:
            assert place[a] < place[b] and quotient.precedes(a, b)
            assert b in quotient.after[a] and a in quotient.before[b]
