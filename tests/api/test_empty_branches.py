"""Branches without commits: cleared, reset past the first commit, and orphans; undo brings all of it back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making import make_tract, texts
from tract import CommitNotFoundError, ContentValidationError, DetachedHeadError, MergeError
from tract.maintenance.fsck.check import check_repository


@pytest.mark.parametrize("where", [":memory:", "disk"])
def test_a_cleared_branch_is_as_before_its_first_commit(where, tmp_path: Path):
    t = make_tract("a", "b", path=tmp_path if where == "disk" else where)
    b = t.head

    t.clear()

    assert (None, [], "main", [], 0) == (t.head, texts(t), t.current_branch, t.log(), t.status().commit_count)
    assert b == t.get_commit("ORIG_HEAD").commit_hash
    info = t.user("c")
    assert (["c"], ()) == (texts(t), info.parent_hashes)
    t.undo()
    assert [] == texts(t)
    t.undo()
    assert (["a", "b"], b) == (texts(t), t.head)
    t.redo()
    assert None is t.head
    t.close()
    if where == "disk":
        assert () == check_repository(str(tmp_path / ".tract")).problems


@pytest.mark.parametrize("past", ["HEAD~2", "HEAD~1~1", "HEAD^^", "main~2", "HEAD~1^1"])
@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_reset_past_the_first_commit_empties_the_branch(past, mode):
    t = make_tract("a", "b")

    assert None is t.reset(past, mode)

    assert (None, []) == (t.head, texts(t))
    t.undo()
    assert ["a", "b"] == texts(t)


@pytest.mark.parametrize("beyond", ["HEAD~3", "HEAD^2", "HEAD~1^2", "nope~1"])
def test_further_than_that_there_is_nothing(beyond):
    t = make_tract("a", "b")

    with pytest.raises(CommitNotFoundError):
        t.reset(beyond)

    assert ["a", "b"] == texts(t)


def test_a_hard_reset_past_the_first_commit_lets_gc_take_all(tmp_path: Path):
    with make_tract("a", "b", path=tmp_path) as t:
        b = t.head
        t.reset("HEAD~2", "hard")
        t.gc()

        with pytest.raises(CommitNotFoundError):
            t.get_commit(str(b))
    assert () == check_repository(str(tmp_path / ".tract")).problems


def test_an_orphan_begins_anew_beside_the_others():
    t = make_tract("a", "b")

    assert None is t.switch("fresh", create="orphan")

    assert ([], "fresh", ["main"]) == (texts(t), t.current_branch, [one.name for one in t.list_branches()])
    t.user("c")
    assert (["c"], ["fresh", "main"]) == (texts(t), [one.name for one in t.list_branches()])
    with pytest.raises(MergeError, match="no commit in common"):
        t.merge("main")
    t.undo(2)
    assert ("main", ["a", "b"]) == (t.current_branch, texts(t))


def test_a_branch_that_is_empty_can_be_merged_into_and_reset():
    t = make_tract("a", "b")
    t.branch("kept", switch=False)
    t.clear()

    t.merge("kept")
    assert ["a", "b"] == texts(t)
    t.clear()
    t.reset("kept~1")
    assert ["a"] == texts(t)


def test_a_detached_head_has_no_branch_to_clear():
    t = make_tract("a", "b")
    t.checkout("HEAD~1")

    with pytest.raises(DetachedHeadError):
        t.clear()
    with pytest.raises(DetachedHeadError):
        t.reset("HEAD~1")

    assert ["a"] == texts(t)


def test_clearing_twice_changes_nothing():
    t = make_tract("a")
    t.clear()
    before = len(list(t.repository.refs.history()))

    t.clear()

    assert before == len(list(t.repository.refs.history()))
    t.undo()
    assert ["a"] == texts(t)


@pytest.mark.parametrize("create", ["orphaned", "", 1, None, "True"])
def test_what_is_no_way_to_make_a_branch_makes_none(create):
    t = make_tract("a")

    with pytest.raises(ContentValidationError, match="create must be True, False or 'orphan', not "):
        t.switch("draft", create=create)

    assert ["main"] == [one.name for one in t.list_branches()]
