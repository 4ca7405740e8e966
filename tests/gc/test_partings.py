"""Which compressions merges need, over any history: seen against the merge bases of every two branches, found one by one."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tract.maintenance.gc.lineage import Lineage, Reach
from tract.maintenance.gc.partings import Tip, find_partings


class Graph(Lineage):
    """Commits 0, 1, …, each with parents of lower numbers."""

    def __init__(self, parents: list[tuple[int, ...]]) -> None:
        self._all = parents
        self.newest_first = range(len(parents) - 1, -1, -1)

    def parents(self, number: int) -> tuple[int, ...]:
        return self._all[number]


@st.composite
def histories(draw: st.DrawFn) -> tuple[Graph, list[Tip], frozenset[int]]:
    size = draw(st.integers(2, 12))
    parents: list[tuple[int, ...]] = [()]
    for number in range(1, size):
        parents.append(tuple(draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True))))
    at = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=4))
    tips = [Tip(f"branch {n}", "", number, True) for n, number in enumerate(at)]
    return Graph(parents), tips, draw(st.frozensets(st.integers(0, size - 1)))


def reached(graph: Graph, start: int, ends: Collection[int] = ()) -> set[int]:
    found: set[int] = set()
    stack = [start]
    while stack:
        number = stack.pop()
        if number not in found:
            found.add(number)
            stack += () if number in ends else graph.parents(number)
    return found


def best(graph: Graph, one: int, two: int, ends: Collection[int] = ()) -> set[int]:
    """The best common ancestors of two commits."""
    common = reached(graph, one, ends) & reached(graph, two, ends)
    return common - {below for number in common for below in reached(graph, number, ends) - {number}}


def all_bases(graph: Graph, tips: list[Tip], ends: Collection[int] = ()) -> list[set[int]]:
    return [best(graph, one.number, two.number, ends) for one, two in combinations(tips, 2)]


@given(histories())
def test_with_the_compressions_that_are_needed_every_merge_base_stays(history: Any) -> None:
    graph, tips, going = history

    left = going
    while needed := {parting.compression for parting in find_partings(graph, tips, left)}:
        assert needed <= left
        left -= needed

    assert all_bases(graph, tips) == all_bases(graph, tips, left)


@given(histories())
def test_nothing_is_needed_where_no_merge_base_would_go(history: Any) -> None:
    graph, tips, going = history

    is_needed = any(True for _ in find_partings(graph, tips, going))

    assert is_needed == (all_bases(graph, tips) != all_bases(graph, tips, going))


@given(histories())
def test_each_commit_knows_the_refs_that_reach_it(history: Any) -> None:
    graph, tips, ends = history

    reach = Reach(
        graph,
        {tip.number: sum(1 << n for n, other in enumerate(tips) if other.number == tip.number) for tip in tips},
        ends,
    )

    for number in graph.newest_first:
        assert sum(1 << n for n, tip in enumerate(tips) if number in reached(graph, tip.number, ends)) == reach[number]


def test_of_two_tags_nobody_cares() -> None:
    graph = Graph([(), (0,), (0,)])
    tags = [Tip("v1", "", 1, False), Tip("v2", "", 2, False)]

    assert [] == list(find_partings(graph, tags, {1}))
    [parting] = find_partings(graph, [tags[0], Tip("main", "", 2, True)], {1})
    assert (1, "v1", 0b10) == (parting.compression, parting.ref.name, parting.others)
