"""Undo: every ref of the tract is where it was, whatever the operation moved; and again where it was, when that is undone."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import move_ref
from tract.config import TractConfig
from tract.errors import ContentValidationError, MergeError, RefMovedError, TractError
from tract.history.branch import create_branch, delete_branches, rename_branch, switch_branch
from tract.history.checkout import detach_head
from tract.history.commit import Draft, write_commits
from tract.history.notes import NewNote, write_note
from tract.history.reset import reset
from tract.history.state import write_state
from tract.history.tags import create_tag, delete_tags
from tract.history.undo import UndoMove, plan_undo, redo, run_undo, undo
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import read_options
from tract.objects.id import ObjectId
from tract.opening import create_repository, memory_repository, open_repository
from tract.refs.store import ANY
from tract.repo import Repository

MAIN = "refs/heads/main"


def say(repo: Repository, text: str, **beside: object) -> ObjectId:
    return write_commits(repo, [Draft({"content_type": "instruction", "text": text}, message=text, **beside)])[-1]


def make_repo(*texts: str) -> tuple[Repository, list[ObjectId]]:
    repo = memory_repository(config=TractConfig(author="tester"))
    return repo, [say(repo, text) for text in texts]


def refs(repo: Repository) -> dict[str, object]:
    return dict(repo.local_refs())


def places(repo: Repository) -> dict[str, object]:
    """All refs but ORIG_HEAD: an operation that moves only that, as a reset to where the branch is, is none to undo."""
    return {name: value for name, value in refs(repo).items() if name != "ORIG_HEAD"}


def open_at(folder: object, tract: str | None = None) -> Repository:
    path = os.path.join(str(folder), ".tract")
    if not os.path.lexists(path):
        create_repository(path, TractConfig())
    return open_repository(path, tract=tract, durability="process")


def test_a_commit_is_taken_back_with_the_notes_that_came_with_it():
    repo, (_a,) = make_repo("a")
    before = refs(repo)
    say(repo, "b", config={"model": "m"}, usage={"input_tokens": 1})

    plan = undo(repo)

    assert before == refs(repo)
    assert ["refs/heads/main", "refs/notes/config", "refs/notes/usage"] == sorted(move.ref for move in plan.moves)


def test_the_first_commit_is_taken_back():
    repo, _ = make_repo("a")

    undo(repo)

    assert (MAIN, None) == repo.head()


def test_a_plan_says_what_moves_and_moves_nothing():
    repo, (a, b) = make_repo("a", "b")
    reset(repo, a, mode="soft", named="HEAD~1")
    before = refs(repo)

    plan = undo(repo, dry_run=True)

    assert before == refs(repo)
    assert ("reset: moving to HEAD~1", "tester", "undo") == (plan.reason, plan.actor, plan.direction)
    assert (UndoMove(MAIN, a.hex(), b.hex()), UndoMove("ORIG_HEAD", b.hex(), None)) == plan.moves
    assert (
        f"UndoPlan(undo 'reset: moving to HEAD~1': refs/heads/main {a.hex()[:16]} -> {b.hex()[:16]}, ORIG_HEAD {b.hex()[:16]} -> none)"
        == repr(plan)
    )


def test_a_second_undo_goes_further_back_and_redo_returns():
    repo, (a, b, c) = make_repo("a", "b", "c")

    done = [act(repo).reason for act in (undo, undo, redo, undo, undo, redo, redo, redo)]

    assert ["commit: c", "commit: b", "commit: b", "commit: b", "commit: a"] == done[:5]
    assert ["commit: a", "commit: b", "commit: c"] == done[5:]
    assert c == repo.ref(MAIN)
    assert (b, a) == (undo(repo) and repo.ref(MAIN), undo(repo) and repo.ref(MAIN))


def test_something_else_ends_what_can_be_redone():
    repo, (a, _b, _c) = make_repo("a", "b", "c")
    undo(repo)
    undo(repo)
    d = say(repo, "d")

    with pytest.raises(TractError, match="there is nothing to redo in tract 'root'"):
        redo(repo)
    undo(repo)
    assert a == repo.ref(MAIN)
    redo(repo)
    assert d == repo.ref(MAIN)
    undo(repo, 2)
    assert repo.ref(MAIN) is None


def test_several_are_undone_in_one_operation():
    repo, (a, _b) = make_repo("a", "b")
    create_tag(repo, "t", a)
    say(repo, "c", config={"n": 1})
    before = len(list(repo.refs.history()))

    plan = undo(repo, 3)

    assert (["commit: c", "tag: t", "commit: b"], "commit: b") == (list(plan.reasons), plan.reason)
    assert {MAIN: a, "HEAD": MAIN} == refs(repo)
    assert before + 1 == len(list(repo.refs.history()))
    assert ["commit: b", "tag: t"] == list(redo(repo, 2).reasons)


def test_not_so_many_are_not_undone_at_all():
    repo, (_a, b) = make_repo("a", "b")

    with pytest.raises(TractError, match="there are only 2 to undo in tract 'root'; nothing was moved"):
        undo(repo, 3)
    with pytest.raises(ContentValidationError, match="steps must be a number from 1 on, not 0"):
        undo(repo, 0)

    assert b == repo.ref(MAIN)


def test_usage_by_itself_is_passed_over():
    repo, (a,) = make_repo("a")
    b = say(repo, "b", usage={"n": 1})
    write_note(repo, "usage", NewNote(b, {"n": 2}, 1), reason="record-usage")
    usage = repo.ref("refs/notes/usage")

    plan = undo(repo)

    assert (a, [MAIN], usage) == (repo.ref(MAIN), [move.ref for move in plan.moves], repo.ref("refs/notes/usage"))
    redo(repo)
    assert (b, usage) == (repo.ref(MAIN), repo.ref("refs/notes/usage"))


def test_a_move_whose_reason_reads_like_an_undo_is_none():
    repo, (a, b) = make_repo("a", "b")
    move_ref(repo, "refs/tags/x", a, expected=ANY, reason="undo 9: all of it")

    plan = undo(repo)

    assert ("update-ref: undo 9: all of it", b) == (plan.reason, repo.ref(MAIN))


def test_a_switch_and_a_new_branch_are_taken_back_together():
    repo, (a, _b) = make_repo("a", "b")
    before = refs(repo)
    create_branch(repo, "side", a, switch=True)

    undo(repo)

    assert before == refs(repo)


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, int]]:
    kinds = st.sampled_from(["say", "branch", "switch", "soft", "hard", "tag", "untag", "delete", "rename", "detach"])
    return draw(st.lists(st.tuples(kinds, st.integers(0, 5)), max_size=15))


def take(repo: Repository, kind: str, which: int) -> None:
    """Do one thing, if it can be done now."""
    tip = repo.head()[1]
    commits = [id for id, k in repo.objects.ids() if k == "commit"]
    commit = sorted(commits)[which % len(commits)]
    branches = sorted(name for name, _ in repo.local_refs("refs/heads/")) or [MAIN]
    branch = branches[which % len(branches)].removeprefix("refs/heads/")
    assert tip is not None
    if kind == "say":
        say(repo, f"{which}", config={"n": which} if which % 2 else None)
    elif kind == "branch":
        create_branch(repo, f"b{which}", commit, switch=which % 2 == 0)
    elif kind == "switch":
        switch_branch(repo, branch)
    elif kind in ("soft", "hard"):
        reset(repo, commit, mode=kind, named="x")  # type: ignore[arg-type]
    elif kind == "tag":
        create_tag(repo, f"t{which}", commit)
    elif kind == "untag":
        delete_tags(repo, [f"t{which}"])
    elif kind == "delete":
        delete_branches(repo, [branch], force=True)
    elif kind == "rename":
        rename_branch(repo, branch, f"r{which}", force=True)
    else:
        detach_head(repo, commit, named="x")


@settings(deadline=None)
@given(steps())
def test_whatever_was_done_is_taken_back_and_done_again(history):
    repo, _ = make_repo("a", "b")
    states = [places(repo)]
    for kind, which in history:
        try:
            take(repo, kind, which)
        except TractError:
            continue
        if places(repo) != states[-1]:
            states.append(places(repo))

    for state in states[-2:0:-1]:
        undo(repo)
        assert state == places(repo)
    for state in states[2:]:
        redo(repo)
        assert state == places(repo)
    if len(states) > 2:
        undo(repo, len(states) - 2)
        assert states[1] == places(repo)
        redo(repo, len(states) - 2)
        assert states[-1] == places(repo)


def test_there_is_nothing_to_undo_in_a_new_tract(tmp_path):
    root = open_at(tmp_path)
    say(root, "a")
    other = open_at(tmp_path, "other")

    for repo in (memory_repository(), other):
        with pytest.raises(TractError, match="there is nothing to undo in tract"):
            undo(repo)
    root.close()
    other.close()


def test_what_another_tract_did_is_not_undone(tmp_path):
    root, other = open_at(tmp_path), open_at(tmp_path, "other")
    a = say(root, "a")
    say(root, "b")
    theirs = say(other, "theirs")
    root.refs.refresh()

    plan = undo(root)

    assert "commit: b" == plan.reason
    assert (a, theirs) == (root.ref(MAIN), other.ref(MAIN))
    undo(other)
    assert other.ref(MAIN) is None
    root.close()
    other.close()


def test_what_moved_since_it_was_planned_is_not_moved():
    repo, (_a, b) = make_repo("a", "b")
    plan = plan_undo(repo)
    c = say(repo, "c")

    with pytest.raises(RefMovedError):
        run_undo(repo, plan)
    with pytest.raises(RefMovedError):
        run_undo(repo, plan_undo(repo), expected=b)

    assert c == repo.ref(MAIN)


def test_a_merge_under_way_is_in_the_way():
    repo, (_a, b) = make_repo("a", "b")
    write_state(repo, "merge", {"branch": "main"})

    with pytest.raises(MergeError, match="a merge is under way"):
        undo(repo)

    assert b == repo.ref(MAIN)


def test_a_hard_reset_is_undone_until_gc_took_what_it_dropped(tmp_path):
    repo = open_at(tmp_path)
    a, b = say(repo, "a"), say(repo, "b")
    reset(repo, a, mode="hard", named="HEAD~1")

    undo(repo)
    assert b == repo.ref(MAIN)
    redo(repo)
    move_ref(repo, "refs/tags/kept", a, expected=ANY, reason="tag: kept")
    collect(repo, read_options(repo, orphans=0))

    undo(repo)
    assert repo.ref("refs/tags/kept") is None
    assert a == repo.ref(MAIN)
    repo.close()


def test_what_gc_took_is_named_and_nothing_moves():
    repo, (a, b) = make_repo("a", "b")
    reset(repo, a, mode="soft", named="HEAD~1")
    del repo.objects._objects[b]  # type: ignore[attr-defined]  # as gc would

    with pytest.raises(
        TractError, match="'reset: moving to HEAD~1' cannot be undone: gc removed the commits to go back to"
    ):
        undo(repo)

    assert a == repo.ref(MAIN)
