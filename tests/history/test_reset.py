"""Resets: where the branch, ORIG_HEAD and the commands under way are afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tract.config import TractConfig
from tract.curation.merge.store import STATE
from tract.errors import CherryPickError, ConfigError, MergeError, RebaseError, RefMovedError, StorageError
from tract.history.checkout import detach_head
from tract.history.commit import Draft, write_commits
from tract.history.notes import NewNote, write_note
from tract.history.reset import reset
from tract.history.state import conflicts_name, states, write_state, write_text
from tract.objects.id import ObjectId
from tract.opening import create_repository, memory_repository, open_repository
from tract.refs.names import HEAD, ORIG_HEAD
from tract.refs.store import RefEdit
from tract.repo import Repository

MAIN = "refs/heads/main"


def make_repo(count: int) -> tuple[Repository, list[ObjectId]]:
    repo = memory_repository()
    return repo, write_commits(repo, [Draft({"content_type": "instruction", "text": str(n)}) for n in range(count)])


def operations(repo: Repository) -> int:
    return sum(1 for _ in repo.refs.history())


def test_a_soft_reset_moves_the_branch_and_names_where_it_was_in_one_operation():
    repo, (a, _b, c) = make_repo(3)
    before = operations(repo)

    reset(repo, a, mode="soft", named="HEAD~2")

    assert (MAIN, a, c) == (repo.ref(HEAD), repo.ref(MAIN), repo.ref(ORIG_HEAD))
    assert before + 1 == operations(repo)


def test_a_hard_reset_names_it_nowhere():
    repo, (a, b, c) = make_repo(3)
    reset(repo, b, mode="soft", named="HEAD~1")

    reset(repo, a, mode="hard", named="HEAD~1")

    assert (a, c) == (repo.ref(MAIN), repo.ref(ORIG_HEAD)), "c was dropped before, not by this"
    reset(repo, c, mode="hard", named="ORIG_HEAD")
    reset(repo, a, mode="hard", named="back")
    assert repo.ref(ORIG_HEAD) is None


def test_a_reset_of_a_detached_head_moves_head_alone():
    repo, (a, b) = make_repo(2)
    detach_head(repo, b, named="main")

    reset(repo, a, mode="soft", named="HEAD~1")

    assert (a, b, b) == (repo.ref(HEAD), repo.ref(MAIN), repo.ref(ORIG_HEAD))


def test_a_branch_without_commits_can_be_put_on_one():
    repo, (a,) = make_repo(1)
    repo.refs.update([RefEdit(HEAD, "refs/heads/new", MAIN)], reason="elsewhere")

    reset(repo, a, mode="soft", named="main")

    assert ("refs/heads/new", a, None) == (repo.ref(HEAD), repo.ref("refs/heads/new"), repo.ref(ORIG_HEAD))


def test_a_branch_that_is_elsewhere_is_not_reset():
    repo, (a, b) = make_repo(2)

    with pytest.raises(RefMovedError):
        reset(repo, a, mode="hard", named="HEAD~1", expected=a)

    assert b == repo.ref(MAIN)


def test_a_note_is_no_place_for_a_branch():
    repo, (a,) = make_repo(1)
    write_note(repo, "priority", NewNote(a, {"priority": "skip"}, 1), reason="note")

    with pytest.raises(StorageError, match="it is a note"):
        reset(repo, repo.ref("refs/notes/priority"), mode="soft", named="x")  # type: ignore[arg-type]

    assert a == repo.ref(MAIN)


def test_an_unknown_mode_is_refused():
    repo, (a,) = make_repo(1)

    with pytest.raises(ConfigError, match="'soft' or 'hard', not 'mixed'"):
        reset(repo, a, mode="mixed", named="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["merge", "cherry-pick", "revert"])
def test_a_hard_reset_gives_up_a_merge_that_a_soft_one_is_refused_in(name):
    repo, (a, b) = make_repo(2)
    write_state(repo, name, {"branch": "main"})

    with pytest.raises((MergeError, CherryPickError), match=f"a {name} is under way"):
        reset(repo, a, mode="soft", named="HEAD~1")
    assert (b, (name,)) == (repo.ref(MAIN), states(repo))

    reset(repo, a, mode="hard", named="HEAD~1")
    assert (a, ()) == (repo.ref(MAIN), states(repo))


def test_the_file_of_conflicts_of_a_merge_that_is_given_up_goes(tmp_path):
    path = str(tmp_path / ".tract")
    create_repository(path, TractConfig())
    repo = open_repository(path, durability="process")
    (a,) = write_commits(repo, [Draft({"content_type": "instruction", "text": "a"})])
    write_text(repo, conflicts_name(STATE), "private")
    write_state(repo, STATE, {"branch": "main"})

    reset(repo, a, mode="hard", named="HEAD")

    assert not (tmp_path / ".tract" / "state").exists()
    repo.close()


@pytest.mark.parametrize("mode", ["soft", "hard"])
def test_a_rebase_under_way_is_ended_by_its_own_command(mode):
    repo, (a, b) = make_repo(2)
    write_state(repo, "rebase", {"branch": "main"})

    with pytest.raises(RebaseError, match="a rebase is under way"):
        reset(repo, a, mode=mode, named="HEAD~1")

    assert (b, ("rebase",)) == (repo.ref(MAIN), states(repo))


def test_a_bisection_is_in_nobodys_way():
    repo, (a, _b) = make_repo(2)
    write_state(repo, "bisect", {"good": []})

    reset(repo, a, mode="hard", named="HEAD~1")

    assert (a, ("bisect",)) == (repo.ref(MAIN), states(repo))


def test_a_hard_reset_takes_the_text_of_the_conflicts_with_the_command_it_ends(tmp_path: Path) -> None:
    create_repository(str(tmp_path / ".tract"), TractConfig())
    repo = open_repository(str(tmp_path / ".tract"))
    (first,) = write_commits(repo, [Draft({"text": "a"})])
    for name in ("cherry-pick", "merge", "revert"):
        write_state(repo, name, {})
        write_text(repo, conflicts_name(name), "…")

    reset(repo, first, mode="hard", named="HEAD")

    assert not (tmp_path / ".tract/state").exists()
