"""Handles on a branch that was opened by its name: they neither read HEAD nor move it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.making import Words, make_tract, texts
from tract import BranchNotFoundError, InvalidBranchNameError, MergeError, RefMovedError, Tract, TractError
from tract.history.state import write_state
from tract.refs.names import HEAD


def on(folder: Path, branch: str, **options) -> Tract:
    return Tract.open(folder, branch=branch, tokenizer=Words(), verify_cache=True, durability="process", **options)


def test_a_handle_on_a_branch_commits_there_and_leaves_head_where_it_is(tmp_path):
    t = make_tract("a", path=tmp_path)
    t.branch("draft", switch=False)

    with on(tmp_path, "draft") as draft:
        draft.user("b")
        t.user("c")
        draft.user("d")

        assert ("draft", False) == (draft.current_branch, draft.is_detached)
        assert (["a", "b", "d"], ["a", "c"]) == (texts(draft), texts(t))
        assert ["draft"] == [one.name for one in draft.list_branches() if one.is_current]
        assert draft.head == draft.get_commit("HEAD").commit_hash == draft.get_commit("draft").commit_hash
        assert draft.get_commit("HEAD~1").commit_hash == draft.get_commit("HEAD@{1}").commit_hash
        assert ["commit", "commit", "branch: created"] == [entry.reason for entry in draft.reflog()]
        assert "draft" == draft.status().branch_name
    assert "main" == t.current_branch


def test_head_may_be_anywhere(tmp_path):
    t = make_tract("a", "b", path=tmp_path)
    t.branch("draft", switch=False)
    t.checkout("HEAD~1")

    with on(tmp_path, "draft") as draft:
        draft.user("c")
        t.switch("main")
        draft.user("d")
        t.switch("draft")
        draft.user("e")

        assert ["a", "b", "c", "d", "e"] == texts(draft) == texts(t)


def test_a_branch_that_is_not_there_is_refused_or_made_at_head(tmp_path):
    t = make_tract("a", path=tmp_path)

    with pytest.raises(BranchNotFoundError, match="there is no branch 'draft'"):
        on(tmp_path, "draft")
    with pytest.raises(InvalidBranchNameError):
        on(tmp_path, "a b", create=True)
    with on(tmp_path, "draft", create=True) as draft, on(tmp_path, "draft", create=True) as again:
        draft.user("b")
        assert ["a", "b"] == texts(again)

    assert (["a"], ["draft", "main"]) == (texts(t), [branch.name for branch in t.list_branches()])


def test_a_branch_of_a_new_store_is_made_by_its_first_commit(tmp_path):
    with on(tmp_path, "draft", create=True) as draft, on(tmp_path, "main") as main:
        assert None is draft.head
        draft.user("a")
        main.user("b")

        assert (["a"], ["b"]) == (texts(draft), texts(main))
    with pytest.raises(InvalidBranchNameError):
        on(tmp_path / "new", "-x", create=True)
    assert not (tmp_path / "new").exists()


def test_a_handle_on_a_branch_does_not_move_head(tmp_path):
    t = make_tract("a", path=tmp_path)
    t.branch("other", switch=False)

    with on(tmp_path, "draft", create=True) as draft:
        moves = (
            lambda: draft.switch("other"),
            lambda: draft.checkout("HEAD^0"),
            lambda: draft.branch("new", switch=True),
            lambda: draft.rename_branch("main", "trunk"),
            lambda: draft.rename_branch("draft", "final"),
            lambda: draft.delete_branch("main", force=True),
            lambda: draft.delete_branch("draft", force=True),
        )
        for move in moves:
            with pytest.raises(TractError):
                move()
        draft.delete_branch("other")

    assert ("refs/heads/main", ["draft", "main"]) == (t.repository.ref(HEAD), [one.name for one in t.list_branches()])


def test_merging_resetting_and_compressing_move_the_branch_of_the_handle(tmp_path):
    t = make_tract("a", path=tmp_path)

    with on(tmp_path, "draft", create=True) as draft:
        draft.user("b")
        t.user("c")
        draft.merge("main")
        assert ["a", "b", "c"] == texts(draft)
        draft.compress(commits=["HEAD~1", "main"], content="b c", force=True)
        draft.reset("HEAD~1")
        draft.revert("main")
        draft.cherry_pick("main")

        assert (["a", "b", "c"], ["a", "c"]) == (texts(draft), texts(t))


def test_a_command_under_way_is_in_the_way_of_its_own_branch_only(tmp_path):
    t = make_tract("a", path=tmp_path)

    with on(tmp_path, "draft", create=True) as draft, on(tmp_path, "main") as main:
        write_state(t.repository, "merge", {})
        draft.user("b")
        with pytest.raises(MergeError):
            main.user("c")


def test_a_batch_of_a_handle_on_a_branch_lands_there(tmp_path):
    t = make_tract("a", path=tmp_path)

    with on(tmp_path, "draft", create=True) as draft:
        with draft.batch():
            draft.user("b")
            t.user("c")
            draft.edit("main", "A")
        assert (["A", "b"], ["a", "c"]) == (texts(draft), texts(t))


def test_a_branch_in_memory_can_be_opened_by_its_name():
    with Tract.open(":memory:", branch="draft", create=True) as t:
        t.user("a")

        assert ("draft", ["draft"]) == (t.current_branch, [branch.name for branch in t.list_branches()])


GONE = {
    "deleted": lambda t: t.delete_branch("draft", force=True),
    "renamed": lambda t: t.rename_branch("draft", "final"),
}


@pytest.mark.parametrize("on_moved", ["error", "append"])
@pytest.mark.parametrize("name", GONE)
def test_a_branch_that_others_took_away_is_not_made_again_by_a_commit(name, on_moved, tmp_path):
    t = make_tract("a", path=tmp_path)
    t.branch("draft")

    with on(tmp_path, "draft", on_moved=on_moved) as draft, on(tmp_path, "draft", on_moved=on_moved) as other:
        draft.user("b")
        GONE[name](t)
        for handle in (draft, draft, other):
            with pytest.raises(RefMovedError, match="refs/heads/draft") as caught:
                handle.user("c")
            assert "c" == caught.value.content.text
            with pytest.raises(RefMovedError), handle.batch():
                handle.user("d")
            with pytest.raises(RefMovedError):
                handle.reset("main")
            handle.status()
        assert "draft" not in [one.name for one in t.list_branches()]

        t.branch("draft")
        assert ["a"] == texts(draft)
        draft.user("e")
        assert ["a", "e"] == texts(draft)


def test_a_batch_does_not_land_on_a_branch_that_others_deleted_meanwhile(tmp_path):
    t = make_tract("a", path=tmp_path)

    with on(tmp_path, "draft", create=True, on_moved="append") as draft:
        with pytest.raises(RefMovedError) as caught, draft.batch():  # noqa: PT012  # the end of the batch is what raises
            draft.user("b")
            t.delete_branch("draft")
        assert ("b",) == tuple(content.text for content in caught.value.content)
    assert ["main"] == [one.name for one in t.list_branches()]


def test_a_branch_that_the_handle_itself_cleared_goes_on(tmp_path):
    make_tract("a", path=tmp_path)

    with on(tmp_path, "draft", create=True) as draft:
        draft.clear()
        draft.user("b")

        assert ["b"] == texts(draft)
