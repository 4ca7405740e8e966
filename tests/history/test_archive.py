from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import runner
from tests.making import make_tract, texts
from tract.errors import BranchExistsError, BranchNotFoundError, TractError


def test_an_archived_branch_is_listed_apart_and_comes_back() -> None:
    t = make_tract("a")
    t.switch("idea", create=True)
    made = t.user("b")
    t.tag("v1")
    t.switch("main")

    done = t.archive_branch("idea")

    assert (done.commit_hash, done.is_merged, done.tags) == (made.commit_hash, False, ("v1",))
    assert [one.name for one in t.list_branches()] == ["main"]
    assert [one.name for one in t.archived_branches()] == ["idea"]
    t.unarchive_branch("idea")
    assert t.archived_branches() == []
    t.switch("idea")
    assert texts(t) == ["a", "b"]


def test_an_archived_branch_outlives_gc_and_undo_brings_it_back(tmp_path: Path) -> None:
    t = make_tract("a", path=tmp_path)
    t.switch("idea", create=True)
    t.user("b")
    t.switch("main")
    t.archive_branch("idea")
    t.gc(orphan_retention_days=0)

    t.undo()

    assert [one.name for one in t.list_branches()] == ["idea", "main"]
    assert t.archived_branches() == []


def test_what_cannot_be_archived_is_refused() -> None:
    t = make_tract("a")
    t.branch("idea")
    with pytest.raises(TractError, match="branch 'main' cannot be archived: HEAD is on it"):
        t.archive_branch("main")
    with pytest.raises(BranchNotFoundError, match="there is no branch 'x'"):
        t.archive_branch("x")
    with pytest.raises(BranchNotFoundError, match="there is no archived branch 'x'"):
        t.unarchive_branch("x")
    t.archive_branch("idea")
    t.branch("idea")
    with pytest.raises(BranchExistsError, match="there is an archived branch 'idea' already"):
        t.archive_branch("idea")
    with pytest.raises(BranchExistsError, match="branch 'idea' exists already"):
        t.unarchive_branch("idea")
    assert t.spawn("x").archived_branches() == []


def test_the_end_of_a_branch_is_diverted_and_head_goes_along() -> None:
    t = make_tract("a", "b", "c", "d")
    t.edit("HEAD:3", "c'")

    t.divert("tangent/x", "HEAD:3")

    assert t.current_branch == "tangent/x"
    assert texts(t) == ["a", "b", "c'", "d"]
    t.user("e")
    t.switch("main")
    assert texts(t) == ["a", "b"]
    t.merge("tangent/x")
    assert texts(t) == ["a", "b", "c'", "d", "e"]


def test_a_compression_that_came_since_goes_along_and_what_it_summed_up_is_back_on_the_branch_that_is_left() -> None:
    t = make_tract("a", "b", "c", "d")
    t.compress(commits=["HEAD:1", "HEAD:2"], content="s")
    t.user("e")

    t.divert("tangent/x", "HEAD:2")

    assert texts(t) == ["s", "c", "d", "e"]
    t.switch("main")
    assert texts(t) == ["a", "b"]
    t.merge("tangent/x")
    assert texts(t) == ["s", "c", "d", "e"]


def test_what_cannot_be_diverted_is_refused() -> None:
    t = make_tract("a", "b", "c", "d")
    with pytest.raises(TractError, match="nothing would be left on the branch"):
        t.divert("x", "HEAD:1")
    t.reorder(["HEAD:4"], before="HEAD:3")
    with pytest.raises(TractError, match="something else came since"):
        t.divert("x", "HEAD:2")
    assert t.current_branch == "main"


def test_branches_are_put_aside_on_the_command_line(tmp_path: Path) -> None:
    run = runner(tmp_path)
    run("init")
    run("commit", "a")
    run("branch", "idea")

    assert run("branch", "--archive", "idea").out.startswith("Archived branch idea (at ")
    assert run("branch", "--archived").out.startswith("idea  ")
    assert run("branch", "--archived", "--json").json["is_merged"] is True
    assert run("branch", "--archived", "--list").status == 2
    assert run("branch", "--unarchive", "idea").status == 0
    assert "idea" in run("branch").out
    assert run("fsck").status == 0
