"""Checking out: branches, commits, and the way back."""

from __future__ import annotations

import pytest

from tract.errors import (
    AmbiguousPrefixError,
    BranchNotFoundError,
    CommitNotFoundError,
    DetachedHeadError,
    MergeError,
    StorageError,
)
from tract.history.batch import Batch
from tract.history.branch import create_branch, delete_branches, rename_branch, switch_branch
from tract.history.checkout import checkout, detach_head, previous_place, switch
from tract.history.commit import Draft, write_commits
from tract.history.notes import NewNote, write_note
from tract.history.reset import reset
from tract.history.state import write_state
from tract.history.tags import create_tag
from tract.history.undo import undo
from tract.objects.id import ObjectId
from tract.opening import memory_repository
from tract.refs.names import HEAD
from tract.repo import Repository

MAIN = "refs/heads/main"
SIDE = "refs/heads/side"


def make_repo(count: int = 3) -> tuple[Repository, list[ObjectId]]:
    """*count* commits on main; branch side is at the first."""
    repo = memory_repository()
    ids = write_commits(repo, [Draft({"content_type": "instruction", "text": str(n)}) for n in range(count)])
    create_branch(repo, "side", ids[0])
    return repo, ids


def test_a_branch_is_switched_to_and_anything_else_detaches_head():
    repo, (a, b, c) = make_repo()
    create_tag(repo, "v1", b)

    for target, place in (
        ("side", SIDE),
        ("v1", b),
        ("HEAD~1", a),
        ("main", MAIN),
        (c.hex()[:12], c),
        ("refs/heads/side", a),
        ("HEAD", a),
    ):
        checkout(repo, target)
        assert place == repo.ref(HEAD), target


def test_a_branch_comes_before_a_tag_of_its_name():
    repo, (_a, b, _c) = make_repo()
    create_tag(repo, "side", b)

    checkout(repo, "side")

    assert SIDE == repo.ref(HEAD)


def test_head_itself_stays_on_its_branch():
    repo, _ = make_repo()

    checkout(repo, "HEAD")
    checkout(repo, "@")

    assert MAIN == repo.ref(HEAD)
    with pytest.raises(CommitNotFoundError, match="there is no commit yet"):
        checkout(memory_repository(), "HEAD")


def test_nothing_can_be_committed_while_head_is_detached():
    repo, (_a, b, _c) = make_repo()
    checkout(repo, "HEAD~1")

    with pytest.raises(DetachedHeadError, match=b.hex()[:16]):
        write_commits(repo, [Draft({"content_type": "instruction", "text": "x"})])

    assert b == repo.ref(HEAD)


@pytest.mark.parametrize("target", ["nope", "", "HEAD~9", "a..b", "-x", "main@{9}", "\x1b[31m"])
def test_what_names_nothing_moves_nothing(target):
    repo, _ = make_repo()

    with pytest.raises(CommitNotFoundError):
        checkout(repo, target)

    assert MAIN == repo.ref(HEAD)


def test_an_ambiguous_prefix_lists_what_it_could_be():
    repo = memory_repository()
    ids = write_commits(repo, [Draft({"content_type": "instruction", "text": str(n)}) for n in range(1200)])
    starts = [id.hex()[:4] for id in ids]
    shared = next(start for start in starts if starts.count(start) > 1)

    with pytest.raises(AmbiguousPrefixError) as caught:
        checkout(repo, shared)

    assert sorted(id.hex() for id in ids if id.hex().startswith(shared)) == list(caught.value.candidates)
    assert MAIN == repo.ref(HEAD)


def test_a_note_is_nothing_to_look_at():
    repo, (a, *_) = make_repo()
    write_note(repo, "priority", NewNote(a, {"priority": "skip"}, 1), reason="note")

    with pytest.raises(StorageError, match="it is a note"):
        checkout(repo, "refs/notes/priority")

    assert MAIN == repo.ref(HEAD)


@pytest.mark.parametrize("target", ["side", "HEAD~1", "-"])
def test_a_merge_under_way_is_in_the_way(target):
    repo, _ = make_repo()
    switch_branch(repo, "side")
    switch_branch(repo, "main")
    write_state(repo, "merge", {"branch": "main"})

    with pytest.raises(MergeError, match="a merge is under way"):
        checkout(repo, target)

    assert MAIN == repo.ref(HEAD)


# The way back


def test_the_way_back_leads_to_and_fro():
    repo, _ = make_repo()
    switch(repo, "side")

    places = []
    for _ in range(4):
        switch(repo, "-")
        places.append(repo.ref(HEAD))

    assert [MAIN, SIDE, MAIN, SIDE] == places


def test_the_way_back_may_lead_to_a_commit():
    repo, (_a, b, c) = make_repo()
    checkout(repo, "HEAD~1")
    checkout(repo, "main")

    checkout(repo, "-")

    assert b == repo.ref(HEAD)
    checkout(repo, c.hex())
    assert b == previous_place(repo)


def test_a_reset_of_a_detached_head_is_no_way():
    repo, (a, _b, _c) = make_repo()
    checkout(repo, "HEAD~1")
    reset(repo, a, mode="soft", named="HEAD~1")

    assert "main" == previous_place(repo)


def test_a_branch_renamed_since_is_found_under_its_new_name():
    repo, _ = make_repo()
    rename_branch(repo, "main", "trunk")
    with pytest.raises(BranchNotFoundError, match="HEAD was nowhere else yet"):
        previous_place(repo)
    switch(repo, "side")
    rename_branch(repo, "trunk", "stem")
    rename_branch(repo, "stem", "root")

    switch(repo, "-")

    assert "refs/heads/root" == repo.ref(HEAD)


def test_a_branch_that_is_gone_is_no_way():
    repo, _ = make_repo()
    switch(repo, "side")
    delete_branches(repo, ["main"], force=True)

    with pytest.raises(BranchNotFoundError, match="the previous branch 'main' is gone"):
        switch(repo, "-")

    assert SIDE == repo.ref(HEAD)


def test_an_undone_switch_is_a_way_too():
    repo, _ = make_repo()
    switch(repo, "side")
    undo(repo)

    assert (MAIN, "side") == (repo.ref(HEAD), previous_place(repo))


def test_inside_a_batch_the_way_back_is_the_one_before_it_or_none():
    repo, _ = make_repo()
    switch(repo, "side")
    batch = Batch(repo)

    assert "main" == previous_place(batch.repo)
    switch(batch.repo, "main")
    with pytest.raises(BranchNotFoundError, match="inside a batch"):
        previous_place(batch.repo)


def test_detaching_says_in_the_reflog_where_from_and_where_to():
    repo, (a, b, _c) = make_repo()
    detach_head(repo, b, named="HEAD~1")
    detach_head(repo, a, named="side")

    reasons = [operation.reason for _, operation in repo.refs.history()][:2]

    assert [f"checkout: moving from {b.hex()[:16]} to side", "checkout: moving from main to HEAD~1"] == reasons
