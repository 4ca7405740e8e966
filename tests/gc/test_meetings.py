"""Which expired compressions merges may need, over any history: held against the merge bases of every two branches, found one by one."""

from __future__ import annotations

from array import array
from collections.abc import Collection
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from tract.history.reachability import meetings

Graph = list[tuple[int, ...]]
"""The parents of commits 0, 1, …, which have lower numbers."""

History = tuple[Graph, dict[str, int], frozenset[int]]
"""A graph, the commits of branches, and the compress commits."""


@st.composite
def histories(draw: st.DrawFn) -> History:
    size = draw(st.integers(2, 12))
    parents: Graph = [()]
    for number in range(1, size):
        parents.append(tuple(draw(st.lists(st.integers(0, number - 1), max_size=3, unique=True))))
    at = draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=4))
    compressions = draw(st.frozensets(st.integers(0, size - 1)))
    return parents, {f"branch {n}": number for n, number in enumerate(at)}, compressions


def reached(graph: Graph, start: int, ends: Collection[int] = ()) -> set[int]:
    found: set[int] = set()
    stack = [start]
    while stack:
        number = stack.pop()
        if number not in found:
            found.add(number)
            stack += () if number in ends else graph[number]
    return found


def best(graph: Graph, one: int, two: int, ends: Collection[int] = ()) -> set[int]:
    """The best common ancestors of two commits."""
    common = reached(graph, one, ends) & reached(graph, two, ends)
    return common - {below for number in common for below in reached(graph, number, ends) - {number}}


def all_bases(graph: Graph, tips: dict[str, int], ends: Collection[int] = ()) -> list[set[int]]:
    return [best(graph, one, two, ends) for one, two in combinations(tips.values(), 2)]


def needed(graph: Graph, tips: dict[str, int], expired: Collection[int], compressions: Collection[int]) -> set[int]:
    def step(number: int) -> tuple[bool, list[int]]:
        return number in compressions, list(graph[number])

    return set(meetings(step, tips, expired, array("I", [0] * len(graph))))


@given(histories())
def test_with_the_compressions_that_are_held_every_merge_base_stays(history: History) -> None:
    graph, tips, compressions = history

    expired = compressions
    while found := needed(graph, tips, expired, compressions) & expired:
        expired -= found

    assert all_bases(graph, tips) == all_bases(graph, tips, expired)


@given(histories())
def test_only_expired_compressions_make_others_needed(history: History) -> None:
    graph, tips, compressions = history

    assert set() == needed(graph, tips, frozenset(), compressions)


@given(st.integers(1, 12), st.data())
def test_a_line_that_branches_left_after_its_compressions_needs_none(size: int, data: st.DataObject) -> None:
    graph: Graph = [(), *((number,) for number in range(size))]
    compressions = data.draw(st.frozensets(st.integers(0, size)))
    newest = max(compressions, default=0)
    tips = {f"branch {n}": data.draw(st.integers(newest, size)) for n in range(3)}

    assert set() == needed(graph, tips, compressions, compressions)
