"""Branches in any repository: making, listing, switching, and names for new ones."""

from __future__ import annotations

import pytest

from tract.errors import (
    BranchExistsError,
    BranchNotFoundError,
    CommitNotFoundError,
    DetachedHeadError,
    InvalidBranchNameError,
    MergeError,
    RefNameError,
    StorageError,
    TractError,
    UnmergedBranchError,
)
from tract.history.branch import (
    BranchInfo,
    cleaned_name,
    create_branch,
    delete_branches,
    describe_branches,
    free_branch_name,
    list_branches,
    rename_branch,
    switch_branch,
    taken_branch_names,
)
from tract.history.checkout import detach_head
from tract.history.commit import Draft, write_commits
from tract.history.notes import NewNote, write_note
from tract.history.state import write_state
from tract.opening import memory_repository
from tract.refs.names import HEAD, branch_ref
from tract.repo import Repository


def make_repo(*texts: str) -> Repository:
    repo = memory_repository()
    write_commits(repo, [Draft({"content_type": "instruction", "text": text}) for text in texts])
    return repo


def test_a_branch_begins_where_it_is_told():
    repo = make_repo("a", "b")
    first = repo.commit(repo.head()[1]).parents[0]

    create_branch(repo, "side", first)

    assert {"main": repo.head()[1].hex(), "side": first.hex()} == list_branches(repo)
    assert branch_ref("main") == repo.ref(HEAD)


def test_a_branch_that_is_there_is_not_made_again():
    repo = make_repo("a", "b")
    first = repo.commit(repo.head()[1]).parents[0]

    with pytest.raises(BranchExistsError, match="'main'"):
        create_branch(repo, "main", first)
    with pytest.raises(InvalidBranchNameError):
        create_branch(repo, "a..b", first)

    assert ["main"] == list(list_branches(repo))


def test_switching_moves_head_alone():
    repo = make_repo("a")
    create_branch(repo, "side", repo.head()[1])
    before = list_branches(repo)

    switch_branch(repo, "side")

    assert branch_ref("side") == repo.ref(HEAD)
    assert before == list_branches(repo)


def test_a_branch_is_made_and_switched_to_in_one_operation():
    repo = make_repo("a", "b")
    first = repo.commit(repo.head()[1]).parents[0]
    before = operations(repo)

    create_branch(repo, "side", first, switch=True)

    assert (branch_ref("side"), first) == repo.head()
    assert before + 1 == operations(repo)


def test_before_the_first_commit_there_is_only_a_branch_to_be_on():
    repo = make_repo()

    with pytest.raises(CommitNotFoundError, match="there is no commit yet"):
        create_branch(repo, "side", None)
    create_branch(repo, "side", None, switch=True)

    assert (branch_ref("side"), None) == repo.head()
    assert [] == describe_branches(repo)


def test_a_branch_of_notes_is_refused():
    repo = make_repo("a")
    write_note(repo, "priority", NewNote(repo.head()[1], {"priority": "skip"}, 1), reason="note")

    with pytest.raises(StorageError, match="it is a note"):
        create_branch(repo, "notes", repo.ref("refs/notes/priority"))

    assert ["main"] == list(list_branches(repo))


def test_a_merge_under_way_is_left_by_no_switch_but_branches_can_be_made():
    repo = make_repo("a")
    create_branch(repo, "side", repo.head()[1])
    write_state(repo, "merge", {"branch": "main"})

    with pytest.raises(MergeError):
        switch_branch(repo, "side")
    with pytest.raises(MergeError):
        create_branch(repo, "other", repo.head()[1], switch=True)
    create_branch(repo, "other", repo.head()[1])

    assert branch_ref("main") == repo.ref(HEAD)
    assert ["main", "other", "side"] == list(list_branches(repo))


def test_a_branch_is_described_with_its_commit_and_whether_head_is_on_it():
    repo = make_repo("a")
    tip = repo.head()[1]
    create_branch(repo, "side", tip)

    assert [BranchInfo("main", tip.hex(), True), BranchInfo("side", tip.hex(), False)] == describe_branches(repo)
    assert f"BranchInfo(* main {tip.hex()[:16]})" == repr(describe_branches(repo)[0])


# Deleting


def operations(repo: Repository) -> int:
    return sum(1 for _ in repo.refs.history())


def with_side(*, merged: bool) -> Repository:
    """Branch side is behind main, or beside it."""
    repo = make_repo("a", "b")
    create_branch(repo, "side", repo.commit(repo.head()[1]).parents[0])
    if not merged:
        switch_branch(repo, "side")
        write_commits(repo, [Draft({"content_type": "instruction", "text": "aside"})])
        switch_branch(repo, "main")
    return repo


def test_a_merged_branch_is_deleted():
    repo = with_side(merged=True)
    at = repo.ref(branch_ref("side"))

    assert {"side": at} == delete_branches(repo, ["side"])
    assert ["main"] == list(list_branches(repo))


def test_an_unmerged_branch_is_deleted_by_force_alone():
    repo = with_side(merged=False)

    with pytest.raises(UnmergedBranchError, match="branch 'side' is not merged into HEAD"):
        delete_branches(repo, ["side"])
    assert ["main", "side"] == list(list_branches(repo))

    delete_branches(repo, ["side"], force=True)
    assert ["main"] == list(list_branches(repo))


def test_the_branch_head_is_on_is_never_deleted():
    repo = with_side(merged=True)

    with pytest.raises(TractError, match="branch 'main' cannot be deleted: HEAD is on it"):
        delete_branches(repo, ["main"], force=True)

    assert ["main", "side"] == list(list_branches(repo))


def test_of_many_branches_all_are_deleted_or_none():
    repo = with_side(merged=True)
    create_branch(repo, "other", repo.head()[1])

    with pytest.raises(BranchNotFoundError, match="'nope'"):
        delete_branches(repo, ["other", "side", "nope"])
    assert ["main", "other", "side"] == list(list_branches(repo))

    before = operations(repo)
    delete_branches(repo, ["other", "side", "other"])
    assert ["main"] == list(list_branches(repo))
    assert before + 1 == operations(repo)


@pytest.mark.parametrize("name", [5, None, BranchInfo("side", None, False)])
def test_what_is_no_text_names_no_branch(name):
    with pytest.raises(InvalidBranchNameError, match="is not a branch name: it is not a text"):
        delete_branches(with_side(merged=True), [name])


# Renaming


def test_head_follows_the_branch_it_is_on():
    repo = make_repo("a")
    tip = repo.head()[1]
    before = operations(repo)

    assert "main" == rename_branch(repo, None, "trunk")

    assert (branch_ref("trunk"), tip) == repo.head()
    assert ["trunk"] == list(list_branches(repo))
    assert before + 1 == operations(repo)


def test_another_branch_is_renamed_where_it_is():
    repo = with_side(merged=True)
    at = repo.ref(branch_ref("side"))

    rename_branch(repo, "side", "side/one")

    assert at == repo.ref(branch_ref("side/one"))
    assert branch_ref("main") == repo.ref(HEAD)


@pytest.mark.parametrize("name", ["Main", "main/x"])
def test_a_name_may_come_close_to_the_one_it_replaces(name):
    repo = make_repo("a")

    rename_branch(repo, "main", name)

    assert [name] == list(list_branches(repo))


def test_a_branch_without_commits_can_be_renamed():
    repo = make_repo()

    rename_branch(repo, None, "trunk")

    assert (branch_ref("trunk"), None) == repo.head()


def test_a_name_that_is_taken_is_given_by_force_alone_and_never_that_of_heads_branch():
    repo = with_side(merged=False)
    create_branch(repo, "other", repo.head()[1])
    at = repo.ref(branch_ref("side"))

    with pytest.raises(BranchExistsError, match="branch 'other' exists already"):
        rename_branch(repo, "side", "other")
    with pytest.raises(BranchExistsError, match="HEAD is on it"):
        rename_branch(repo, "side", "main", force=True)
    assert ["main", "other", "side"] == list(list_branches(repo))

    rename_branch(repo, "side", "other", force=True)
    assert at == repo.ref(branch_ref("other"))
    assert ["main", "other"] == list(list_branches(repo))


def test_what_cannot_be_renamed_stays():
    repo = with_side(merged=True)

    with pytest.raises(BranchNotFoundError, match="'nope'"):
        rename_branch(repo, "nope", "other")
    with pytest.raises(InvalidBranchNameError):
        rename_branch(repo, "side", "a..b")
    with pytest.raises(RefNameError, match="in case or normalisation only"):
        rename_branch(repo, "side", "MAIN")
    rename_branch(repo, "side", "side")
    detach_head(repo, repo.head()[1], named="HEAD")
    with pytest.raises(DetachedHeadError):
        rename_branch(repo, None, "other")

    assert ["main", "side"] == list(list_branches(repo))


def test_a_branch_that_is_not_there_is_refused_unless_head_is_on_it():
    repo = make_repo()

    with pytest.raises(BranchNotFoundError, match="'side'"):
        switch_branch(repo, "side")
    switch_branch(repo, "main")

    assert branch_ref("main") == repo.ref(HEAD)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("session", "session"),
        ("My session (1).v2", "My-session--1-.v2"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\x1b[31m\u202eb", "a--31m-b"),
        ("con", "branch-con"),
        ("x.lock", "branch-x-lock"),
        ("", "branch"),
        ("...", "branch"),
        ("漢" * 100, "漢" * 20),
        ("e\u0301", "é"),
        ("f" * 64, "f" * 60),
    ],
)
def test_any_text_becomes_a_name(wanted, name):
    assert name == cleaned_name(wanted)
    branch_ref(name)


def test_a_name_that_is_taken_gets_a_number():
    repo = make_repo("a")
    tip = repo.head()[1]
    create_branch(repo, "Side", tip)
    create_branch(repo, "side-2", tip)
    create_branch(repo, "deep/one", tip)

    taken = taken_branch_names(repo)

    assert "side-3" == free_branch_name("side", taken)
    assert "main-2" == free_branch_name("main", taken)
    assert "deep-2" == free_branch_name("deep", taken)
    assert "free" == free_branch_name("free", taken)
    assert "Free-2" == free_branch_name("Free", taken)


def test_the_unborn_branch_head_is_on_is_taken_too():
    assert "main-2" == free_branch_name("main", taken_branch_names(make_repo()))
