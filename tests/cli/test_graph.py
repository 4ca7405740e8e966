"""The drawing beside a log."""

from __future__ import annotations

import random

import pytest

from tract.cli.graph import Graph


def drawn(*commits: str) -> list[str]:
    """The graph of commits given as ``child:parent,parent``, with each one's name after its star."""
    graph, rows = Graph(), []
    for commit in commits:
        name, _, parents = commit.partition(":")
        lead, _ = graph.add(name.encode(), [parent.encode() for parent in parents.split(",") if parent])
        rows += [(lead + name).rstrip(), *graph.edges()]
    return rows


def test_one_line_is_a_column_of_stars():
    assert ["* c", "* b", "* a"] == drawn("c:b", "b:a", "a")


def test_two_branches_meet_where_they_parted():
    assert ["* c", "| * d", "|/", "* b", "* a"] == drawn("c:b", "d:b", "b:a", "a")


def test_a_far_column_closes_below_those_between():
    assert ["* c", "| * x", "| | * d", "|_|/", "* | b", "|/", "* y"] == drawn("c:b", "x:y", "d:b", "b:y", "y")


def test_a_merge_opens_a_column_for_its_second_parent():
    assert ["* m", "|\\", "| * d", "* | c", "|/", "* b"] == drawn("m:c,d", "d:b", "c:b", "b")


def test_lines_without_a_common_commit_stay_apart():
    assert ["* c", "| * d", "* | a", " /", "* b"] == drawn("c:a", "d:b", "a", "b")


def test_a_merge_of_a_line_that_is_drawn_already_joins_it():
    assert ["* m", "| * n", "| |\\", "|_|/", "| * x", "|/", "* b"] == drawn("m:b", "n:x,b", "x:b", "b")


def test_every_commit_has_its_star():
    rows = drawn("m:a,b,c", "n:c", "a:r", "b:r", "c:r", "r")

    assert list("mnabcr") == [row[-1] for row in rows if "*" in row]


def traced(rows: list[tuple[str, str | None]]) -> set[tuple[str, str]]:
    """The edges that a reader sees: from each star along the lines below it to the next one. *rows* have a name where a star is."""
    lines: list[set[str]] = []  # for each column, the commits whose lines are in it
    edges: set[tuple[str, str]] = set()
    for row, name in rows:
        if name is not None:
            at = row.index("*") // 2
            lines += [set() for _ in range(at + 1 - len(lines))]
            assert all(row[2 * k] in "|*" for k in range(len(row.rstrip()) // 2))
            edges |= {(child, name) for child in lines[at]}
            lines[at] = {name}
            lines = lines[: len(row) // 2]
            continue
        below: dict[int, set[str]] = {}
        for k, children in enumerate(lines):
            ways = [k] if row[2 * k : 2 * k + 1] == "|" else []
            ways += [k + 1] if row[2 * k + 1 : 2 * k + 2] == "\\" else []
            if k and row[2 * k - 1 : 2 * k] == "/":
                to = k - 1
                while to and row[2 * to - 1] == "_":
                    to -= 1
                ways.append(to)
            for to in ways:
                below.setdefault(to, set()).update(children)
        lines = [below.get(k, set()) for k in range(max(below, default=-1) + 1)]
    return edges


def lines_of(dag: list[tuple[int, ...]], hidden: set[int]) -> tuple[set[tuple[str, str]], list[tuple[str, str | None]]]:
    """The edges between the commits that are shown, over those that are not, and the rows drawn."""
    edges: set[tuple[str, str]] = set()
    for n, parents in enumerate(dag):
        seen, ahead = set(), list(parents)
        while n not in hidden and ahead:
            parent = ahead.pop()
            if parent in hidden:
                ahead += [p for p in dag[parent] if p not in seen]
                seen.add(parent)
            else:
                edges.add((str(n), str(parent)))
    graph, rows = Graph(), []
    for n in range(len(dag) - 1, -1, -1):
        ids = [str(parent).encode() for parent in dag[n]]
        if n in hidden:
            graph.pass_by(str(n).encode(), ids)
            continue
        rows += [(row, None) for row in graph.before(str(n).encode())]
        rows.append((graph.add(str(n).encode(), ids)[0], str(n)))
        rows += [(row, None) for row in graph.edges()]
    return edges, rows


@pytest.mark.parametrize("seed", range(60))
def test_the_lines_drawn_are_the_edges_of_the_history(seed):
    chance = random.Random(seed)
    dag = [
        tuple(chance.sample(range(max(0, n - 5), n), min(n, chance.choice([0, 1, 1, 1, 2, 2, 3])))) for n in range(14)
    ]
    hidden = {n for n in range(14) if chance.random() < 0.3} if seed % 2 else set()

    edges, rows = lines_of(dag, hidden)

    assert edges == traced(rows)


def test_criss_cross_merges_are_drawn_apart():
    edges, rows = lines_of([(), (0,), (0,), (1, 2), (2, 1), (3,), (4,), (5, 6)], set())

    assert edges == traced(rows)
    assert 8 == sum(name is not None for _, name in rows)
