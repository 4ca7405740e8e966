"""The drawing beside a log."""

from __future__ import annotations

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
