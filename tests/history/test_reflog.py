"""Reflogs: where refs were, in whose words, and what hard resets take out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.config import TractConfig
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.branch import create_branch, delete_branches, rename_branch, switch_branch
from tract.history.checkout import detach_head
from tract.history.commit import Draft, write_commits
from tract.history.reflog import reflog
from tract.history.reset import reset
from tract.history.undo import redo, undo
from tract.history.walk import ancestors
from tract.objects.id import ObjectId
from tract.objects.model import Commit, CommitOperation, new_commit
from tract.opening import create_repository, memory_repository, open_repository
from tract.reflog import dropped_by, kept_values, ref_history, released_commits
from tract.refs.names import HEAD
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.revision import resolve_revision

MAIN = "refs/heads/main"


def make_repo(*texts: str) -> tuple[Repository, list[ObjectId]]:
    """A repository with one commit for each text, and their ids."""
    repo = memory_repository(config=TractConfig(author="tester"))
    return repo, [say(repo, text) for text in texts]


def say(repo: Repository, text: str) -> ObjectId:
    draft = Draft({"content_type": "dialogue", "role": "user", "text": text}, message=text)
    return write_commits(repo, [draft])[-1]


def hard(repo: Repository, target: ObjectId) -> None:
    reset(repo, target, mode="hard", named=target.hex()[:8])


def soft(repo: Repository, target: ObjectId) -> None:
    reset(repo, target, mode="soft", named="there")


def values(repo: Repository, ref: str) -> list[ObjectId]:
    return [value for value, _ in ref_history(repo, ref)]


def held(repo: Repository) -> set[ObjectId]:
    return {value for _, value in kept_values(repo)}


def test_an_entry_says_what_moved_the_ref_when_and_who_did():
    repo, (a, b) = make_repo("a", "b")
    soft(repo, a)

    entries = reflog(repo)

    assert [
        ("HEAD@{0}", a.hex(), "reset: moving to there"),
        ("HEAD@{1}", b.hex(), "commit: b"),
        ("HEAD@{2}", a.hex(), "commit: a"),
    ] == [(entry.selector, entry.commit_hash, entry.reason) for entry in entries]
    assert {"tester"} == {entry.actor for entry in entries}
    assert entries[0].time >= entries[1].time >= entries[2].time
    assert f"ReflogEntry({a.hex()[:16]} HEAD@{{0}}: reset: moving to there {entries[0].time:%F %T})" == repr(entries[0])
    assert entries[:2] == reflog(repo, limit=2) == reflog(repo, "@", 2)
    assert [e.commit_hash for e in entries] == [e.commit_hash for e in reflog(repo, "main")]


def test_every_entry_can_be_named_as_it_is_shown():
    repo, (a, _b) = make_repo("a", "b")
    create_branch(repo, "side", a, switch=True)
    say(repo, "c")
    switch_branch(repo, "main")
    hard(repo, a)
    detach_head(repo, a, named="x")

    for ref in ("HEAD", "main", "side"):
        for entry in reflog(repo, ref):
            assert entry.commit_hash == resolve_revision(repo, entry.selector).hex(), entry


def test_head_was_where_the_branches_it_was_on_were():
    repo, (a, b) = make_repo("a", "b")
    create_branch(repo, "side", a, switch=True)
    c = say(repo, "c")
    switch_branch(repo, "main")
    detach_head(repo, a, named="HEAD~1")

    assert [
        (a, "checkout: moving from main to HEAD~1"),
        (b, "checkout: moving from side to main"),
        (c, "commit: c"),
        (a, "checkout: moving from main to side"),
    ] == list(ref_history(repo, HEAD))[:4]
    assert [b, a] == values(repo, HEAD)[4:]
    assert [c, a] == values(repo, "refs/heads/side")


def test_a_branch_made_anew_has_a_reflog_of_its_own():
    repo, (a, b) = make_repo("a", "b")
    create_branch(repo, "side", a)
    delete_branches(repo, ["side"], force=True)
    create_branch(repo, "side", b)

    assert [b] == values(repo, "refs/heads/side")


def test_a_reflog_goes_on_under_the_name_a_branch_had_before():
    repo, (a, b) = make_repo("a", "b")
    rename_branch(repo, None, "trunk")
    rename_branch(repo, "trunk", "stem")

    assert [b, b, b, a] == values(repo, "refs/heads/stem") == values(repo, HEAD)
    undo(repo)
    assert [b, b, b, b, a] == values(repo, "refs/heads/trunk")


def test_a_ref_that_is_not_there_has_no_reflog():
    repo, _ = make_repo("a")

    with pytest.raises(CommitNotFoundError, match="'nope': there is no ref of that name"):
        reflog(repo, "nope")


@pytest.mark.parametrize("limit", [-1, True, "2", 1.0])
def test_a_limit_is_a_number_of_entries(limit):
    repo, _ = make_repo("a")

    with pytest.raises(ContentValidationError, match="limit must be a number of entries"):
        reflog(repo, limit=limit)


def test_a_limit_that_no_machine_counts_to_is_none():
    repo, _ = make_repo("a", "b")

    assert reflog(repo) == reflog(repo, limit=10**30)


def test_a_tract_without_commits_has_an_empty_reflog():
    repo, _ = make_repo()

    assert [] == reflog(repo)


# Hard resets


def test_a_hard_reset_leaves_out_what_it_drops():
    repo, (a, b, c) = make_repo("a", "b", "c")

    hard(repo, a)

    assert [a, a] == values(repo, MAIN) == values(repo, HEAD)
    assert {a} == held(repo)
    assert {b, c} == released_commits(repo)
    with pytest.raises(CommitNotFoundError, match="has not moved that often"):
        resolve_revision(repo, "main@{2}")


def test_a_soft_reset_leaves_out_nothing():
    repo, (a, b, c) = make_repo("a", "b", "c")

    soft(repo, a)

    assert [a, c, b, a] == values(repo, MAIN)
    assert {a, b, c} == held(repo)
    assert set() == released_commits(repo)


def test_what_came_before_the_new_tip_and_after_the_reset_stays():
    repo, (a, b, c) = make_repo("a", "b", "c")
    hard(repo, b)
    d = say(repo, "d")

    assert [d, b, b, a] == values(repo, MAIN)
    soft(repo, c)
    assert [c, d, b, b, a] == values(repo, MAIN)
    assert {a, b, c, d} == held(repo)


def test_each_of_two_hard_resets_leaves_out_its_own():
    repo, (a, b) = make_repo("a", "b")
    hard(repo, a)
    c = say(repo, "c")
    hard(repo, a)

    assert [a, a, a] == values(repo, MAIN)
    assert {b, c} == released_commits(repo)


def test_what_another_branch_was_at_is_still_held():
    repo, (a, b) = make_repo("a", "b")
    create_branch(repo, "side", b)
    hard(repo, a)

    assert [b] == values(repo, "refs/heads/side")
    assert b in held(repo)
    delete_branches(repo, ["side"], force=True)
    assert b in held(repo)


def test_a_hard_reset_sideways_drops_only_what_the_new_tip_does_not_reach():
    repo, (a, b) = make_repo("a", "b")
    create_branch(repo, "side", a, switch=True)
    c = say(repo, "c")
    switch_branch(repo, "main")

    hard(repo, c)

    assert [c, a] == values(repo, MAIN)
    assert {b} == released_commits(repo)


def test_head_reset_hard_while_detached_leaves_its_own_entries_out():
    repo, (a, b) = make_repo("a", "b")
    detach_head(repo, b, named="main")
    hard(repo, a)

    assert [a, a] == values(repo, HEAD)
    assert [b, a] == values(repo, MAIN)
    assert b in held(repo)


def test_a_redone_hard_reset_drops_as_the_first_did():
    repo, (a, b) = make_repo("a", "b")
    hard(repo, a)

    undo(repo)
    assert [b, a, a] == values(repo, MAIN)
    assert b in held(repo)
    redo(repo)
    assert [a, a, a] == values(repo, MAIN)
    assert b not in held(repo)


def test_a_hard_reset_among_several_that_are_redone_drops_as_the_first_did():
    repo, (a, b) = make_repo("a", "b")
    hard(repo, a)
    c = say(repo, "c")

    undo(repo, 2)
    assert b == repo.ref(MAIN)
    redo(repo, 2)

    assert c == repo.ref(MAIN)
    assert b not in held(repo)


def test_another_tract_is_not_touched(tmp_path):
    create_repository(str(tmp_path / ".tract"), TractConfig())
    root = open_repository(str(tmp_path / ".tract"), durability="process")
    a, b = say(root, "a"), say(root, "b")
    other = open_repository(str(tmp_path / ".tract"), tract="other", durability="process")
    create_branch(other, "main", b)
    root.refs.refresh()

    hard(root, a)
    other.refs.refresh()

    assert [b] == values(other, MAIN) == values(other, HEAD)
    assert b in held(root)
    other.close()
    root.close()


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """For each commit the numbers of its parents, all of them smaller."""
    size = draw(st.integers(1, 12))
    return [tuple(draw(st.sets(st.integers(0, at - 1), max_size=min(at, 2)))) if at else () for at in range(size)]


@given(graphs(), st.data())
def test_what_is_dropped_is_what_only_the_old_tip_reaches(graph, data):
    repo = memory_repository()
    ids: list[ObjectId] = []
    for at, parents in enumerate(graph):
        above = [repo.commit(ids[parent]).generation for parent in parents]
        commit = Commit(
            CommitOperation.MERGE,
            tuple(ids[p] for p in parents),
            None,
            None,
            None,
            (),
            1 + max(above, default=0),
            at,
            "t",
        )
        new = new_commit(commit)
        repo.refs.update([RefEdit(f"refs/heads/b{at}", new.id)], reason="made", objects=[new])
        ids.append(new.id)
    old, new_tip = data.draw(st.sampled_from(ids)), data.draw(st.sampled_from(ids))

    reached = {id for id, _ in ancestors(repo, [old])} - {id for id, _ in ancestors(repo, [new_tip])}

    assert reached == dropped_by(repo, old, new_tip)


def test_commits_that_are_gone_are_passed_over():
    repo, (a, b) = make_repo("a", "b")

    assert set() == dropped_by(repo, b"\0" * 32, a)
    assert {a, b} == dropped_by(repo, b, b"\0" * 32)
