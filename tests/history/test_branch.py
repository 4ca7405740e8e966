"""Branches in any repository: making, listing, switching, and names for new ones."""

from __future__ import annotations

import pytest

from tract.errors import BranchExistsError, BranchNotFoundError, InvalidBranchNameError
from tract.history.branch import cleaned_name, create_branch, free_branch_name, list_branches, switch_branch
from tract.history.commit import Draft, write_commits
from tract.refs.names import HEAD, branch_ref
from tract.repo import Repository, memory_repository


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

    assert "side-3" == free_branch_name(repo, "side")
    assert "main-2" == free_branch_name(repo, "main")
    assert "deep-2" == free_branch_name(repo, "deep")
    assert "free" == free_branch_name(repo, "free")


def test_the_unborn_branch_head_is_on_is_taken_too():
    assert "main-2" == free_branch_name(make_repo(), "main")
