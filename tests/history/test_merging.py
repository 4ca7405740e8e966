"""Merges into a branch: what moves, what is refused, and that no history of merges loses a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import say, texts_in
from tract.config import TractConfig
from tract.errors import DetachedHeadError, MergeError, NothingToMergeError, RefMovedError
from tract.history.context import context_at, entries
from tract.history.merge import MergePlan, fast_forward, merged_contexts, plan_merge, write_merge
from tract.history.notes import CONFIG, PRIORITY, NewNote, NoteTable, note_tip, write_note
from tract.history.reachability import merge_bases
from tract.history.replay import run_replay
from tract.history.replay_plan import plan_revert
from tract.history.three_way import Choice, ConflictKind, merge_contexts, settle
from tract.maintenance.fsck.check import check_repository
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, NewObject, new_blob
from tract.opening import create_repository, memory_repository, open_repository
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.tree import build_context

EDIT = CommitOperation.EDIT


def make_repo(*texts: str, path: Path | None = None) -> tuple[Repository, list[ObjectId]]:
    """A repository with a commit on main for each text, and a branch ``draft`` at the last."""
    config = TractConfig(author="tester")
    if path is None:
        repo = memory_repository(config=config)
    else:
        create_repository(str(path / ".tract"), config)
        repo = open_repository(str(path / ".tract"), durability="process")
    ids = [say(repo, text) for text in texts]
    if ids:
        branch(repo, "draft")
    return repo, ids


def edit(repo: Repository, target: ObjectId, text: str) -> ObjectId:
    return say(repo, text, operation=EDIT, target=target)


def branch(repo: Repository, name: str) -> None:
    repo.refs.update([RefEdit(f"refs/heads/{name}", repo.head()[1])], reason="test")


def go(repo: Repository, name: str) -> None:
    repo.refs.update([RefEdit("HEAD", f"refs/heads/{name}")], reason="test")


def merge(repo: Repository, source: str, **options: Any) -> ObjectId:
    """Merges, and keeps everything of what is in conflict."""
    plan = plan_merge(repo, source, **options)
    return fast_forward(repo, plan) if plan.merged is None else write_merge(repo, plan, plan.merged.entries)


def parted() -> tuple[Repository, list[ObjectId]]:
    """main says m1 and draft says d1, both after a and b; HEAD is on main."""
    repo, ids = make_repo("a", "b")
    say(repo, "m1")
    go(repo, "draft")
    say(repo, "d1")
    go(repo, "main")
    return repo, ids


def test_a_branch_that_is_behind_moves_forward_in_one_operation() -> None:
    repo, _ = make_repo("a")
    go(repo, "draft")
    tip = say(repo, "b")
    go(repo, "main")
    before = len(list(repo.refs.history()))

    assert tip == merge(repo, "draft")

    assert (tip, before + 1) == (repo.head()[1], len(list(repo.refs.history())))
    assert "merge draft: fast-forward" == next(repo.refs.history())[1].reason
    assert ["a", "b"] == texts_in(repo)


def test_a_branch_without_a_commit_moves_forward_too() -> None:
    repo, (a,) = make_repo("a")
    go(repo, "new")

    merge(repo, "draft")

    assert a == repo.ref("refs/heads/new")


def test_parted_branches_get_a_merge_commit_that_adds_no_message() -> None:
    repo, _ = parted()
    ours, theirs = repo.head()[1], repo.ref("refs/heads/draft")
    before = len(list(repo.refs.history()))

    id = merge(repo, "draft")

    commit = repo.commit(id)
    assert ["a", "b", "m1", "d1"] == texts_in(repo)
    assert (CommitOperation.MERGE, (ours, theirs), None, None) == commit[:4]
    assert (4, "tester", "Merge branch 'draft' into main") == (commit.generation, commit.author, commit.message)
    assert (id, theirs, ours) == (repo.head()[1], repo.ref("refs/heads/draft"), repo.ref("ORIG_HEAD"))
    assert before + 1 == len(list(repo.refs.history()))
    say(repo, "after")
    assert ["a", "b", "m1", "d1", "after"] == texts_in(repo)


def test_no_ff_makes_a_merge_of_what_would_only_move_forward() -> None:
    repo, (a,) = make_repo("a")
    go(repo, "draft")
    theirs = say(repo, "b")
    edit(repo, a, "a2")
    theirs = edit(repo, a, "a3")
    go(repo, "main")

    id = merge(repo, "draft", no_ff=True)

    assert (a, theirs) == repo.commit(id).parents
    assert ["a3", "b"] == texts_in(repo)


def test_any_revision_can_be_merged_and_the_message_says_which() -> None:
    repo, _ = parted()
    repo.refs.update([RefEdit("refs/tags/v1", repo.ref("refs/heads/draft"))], reason="test")

    assert "Merge tag 'v1' into main" == repo.commit(merge(repo, "v1")).message
    go(repo, "draft")
    say(repo, "d2")
    say(repo, "d3")
    go(repo, "main")
    assert "Merge commit 'draft~1' into main" == repo.commit(merge(repo, "draft~1")).message
    assert ["a", "b", "m1", "d1", "d2"] == texts_in(repo)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("main", NothingToMergeError, "branch 'main' cannot be merged into itself"),
        ("HEAD~1", NothingToMergeError, "nothing to merge: branch 'main' has all of 'HEAD~1'"),
        ("other", MergeError, "cannot merge 'other' into 'main': they have no commit in common"),
        ("refs/notes/priority", MergeError, "cannot merge 'refs/notes/priority': it is a note, which has no context"),
    ],
)
def test_what_cannot_be_merged_is_refused_and_nothing_moves(source: str, error: type[Exception], words: str) -> None:
    repo, (a, _) = parted()
    write_note(repo, PRIORITY, NewNote(a, {"priority": "skip"}, 1), reason="test")
    go(repo, "other")
    say(repo, "elsewhere")
    go(repo, "main")
    before = repo.refs.list()

    with pytest.raises(error) as found:
        merge(repo, source)

    assert (words, before) == (str(found.value), repo.refs.list())


def test_histories_that_never_met_are_put_one_after_the_other_where_that_is_asked_for() -> None:
    repo, _ = make_repo("a")
    go(repo, "other")
    say(repo, "x")

    merge(repo, "main", allow_unrelated=True)

    assert ["x", "a"] == texts_in(repo)


def test_a_detached_head_cannot_merge() -> None:
    repo, _ = parted()
    repo.refs.update([RefEdit("HEAD", repo.head()[1])], reason="test")

    with pytest.raises(DetachedHeadError):
        plan_merge(repo, "draft")


@pytest.mark.parametrize("moved", ["main", "draft"])
def test_a_plan_is_refused_once_either_branch_moved(moved: str) -> None:
    repo, _ = parted()
    plan = plan_merge(repo, "draft")
    go(repo, moved)
    say(repo, "meanwhile")
    go(repo, "main")
    before = repo.refs.list()

    with pytest.raises(RefMovedError) as found:
        write_merge(repo, plan, plan.merged.entries if plan.merged else ())

    assert f"refs/heads/{moved}" == found.value.ref
    assert before == repo.refs.list()


def test_a_plan_is_refused_once_head_is_on_another_branch() -> None:
    repo, _ = parted()
    plan = plan_merge(repo, "draft")
    go(repo, "draft")

    with pytest.raises(RefMovedError):
        write_merge(repo, plan, plan.merged.entries if plan.merged else ())


def test_the_merged_branch_goes_in_the_same_operation_where_that_is_asked_for() -> None:
    repo, _ = parted()
    plan = plan_merge(repo, "draft")
    assert plan.merged is not None
    before = len(list(repo.refs.history()))

    write_merge(repo, plan, plan.merged.entries, delete_source=True)

    assert repo.ref("refs/heads/draft") is None
    assert before + 1 == len(list(repo.refs.history()))


def test_edits_on_either_side_apply_and_a_settled_conflict_becomes_the_messages_content() -> None:
    repo, (a, b) = parted()
    edit(repo, a, "a main")
    go(repo, "draft")
    edit(repo, b, "b draft")
    edit(repo, a, "a draft")
    go(repo, "main")
    plan = plan_merge(repo, "draft")
    assert plan.merged is not None
    assert [(ConflictKind.BOTH_EDITED, a)] == [(one.kind, one.commit) for one in plan.merged.conflicts]
    blob = new_blob({"text": "a of both"})
    config = {"model": "m"}

    items = settle(plan.merged, plan.merged.conflicts, {a: blob.id})
    id = write_merge(repo, plan, items, [blob], message="why", metadata={"x": 1}, config=config)

    assert ["a of both", "b draft", "m1", "d1"] == texts_in(repo)
    assert ("why", {"x": 1}) == (repo.commit(id).message, repo.commit(id).metadata)
    table = NoteTable()
    table.advance(repo, note_tip(repo, CONFIG))
    assert config == table.get(repo, id)


def test_a_skip_since_the_base_makes_an_edit_a_conflict_and_an_earlier_one_does_not() -> None:
    repo, (a, b) = make_repo("a", "b")
    write_note(repo, PRIORITY, NewNote(a, {"priority": "skip"}, repo.commit(b).time - 1), reason="test")
    write_note(repo, PRIORITY, NewNote(b, {"priority": "skip"}, repo.clock()), reason="test")
    say(repo, "m1")
    go(repo, "draft")
    edit(repo, a, "a2")
    edit(repo, b, "b2")
    go(repo, "main")

    def conflicts() -> list[tuple[ConflictKind, ObjectId]]:
        plan = plan_merge(repo, "draft")
        return [(one.kind, one.commit) for one in plan.merged.conflicts] if plan.merged else []

    assert [(ConflictKind.EDITED_AND_SKIPPED, b)] == conflicts()
    write_note(repo, PRIORITY, NewNote(b, {"priority": "normal"}, repo.clock()), reason="test")
    assert [] == conflicts()


def test_a_branch_that_merged_another_brings_both() -> None:
    repo, _ = make_repo("a")
    branch(repo, "inner")
    go(repo, "inner")
    say(repo, "i1")
    say(repo, "i2")
    go(repo, "draft")
    say(repo, "d1")
    merge(repo, "inner")
    say(repo, "d2")
    go(repo, "main")
    say(repo, "m1")

    merge(repo, "draft")

    assert ["a", "m1", "d1", "i1", "i2", "d2"] == texts_in(repo)


def test_a_criss_cross_loses_nothing_and_removes_what_both_bases_lost() -> None:
    repo, (a, _) = make_repo("a", "b")
    say(repo, "m1")
    go(repo, "draft")
    say(repo, "d1")
    branch(repo, "old-draft")
    merge(repo, "main")
    go(repo, "main")
    merge(repo, "old-draft")
    say(repo, "m2")
    go(repo, "draft")
    edit(repo, a, "a2")
    say(repo, "d2")
    draft = repo.head()[1]
    go(repo, "main")
    main = repo.head()[1]
    assert main is not None
    assert draft is not None
    assert 2 == len(merge_bases(repo, main, draft))

    merge(repo, "draft")

    assert ["a2", "b", "m1", "d1", "m2", "d2"] == texts_in(repo)


def crossed(ours: Callable[[Repository], object], theirs: Callable[[Repository], object]) -> MergePlan:
    """main and draft have each merged the other, keeping their own where the two had parted; main is to merge draft again."""
    repo, _ = make_repo("a", "b")
    for name, act in (("draft", theirs), ("main", ours)):
        go(repo, name)
        act(repo)
        branch(repo, f"old-{name}")
    for name, other in (("main", "old-draft"), ("draft", "old-main")):
        go(repo, name)
        plan = plan_merge(repo, other)
        assert plan.merged is not None
        choices: dict[ObjectId, Choice] = {conflict.commit: "ours" for conflict in plan.merged.conflicts}
        write_merge(repo, plan, settle(plan.merged, plan.merged.conflicts, choices))
    go(repo, "main")
    return plan_merge(repo, "draft")


def edited_first(text: str) -> Callable[[Repository], object]:
    return lambda repo: edit(repo, commits(repo)[0], text)


def test_a_criss_cross_whose_merges_were_decided_differently_is_a_conflict_again() -> None:
    plan = crossed(edited_first("ours"), edited_first("theirs"))

    assert 2 == len(plan.bases)
    assert plan.merged is not None
    (conflict,) = plan.merged.conflicts
    assert (ConflictKind.BOTH_EDITED, ()) == (conflict.kind, conflict.base)
    assert conflict.ours != conflict.theirs


def test_a_criss_cross_whose_merges_kept_different_removals_is_a_conflict_again() -> None:
    def take_back(repo: Repository) -> None:
        first, *_, tip = commits(repo)
        plan = plan_revert(repo, [first], branch="refs/heads/main", tip=tip)
        run_replay(repo, plan, tables={PRIORITY: NoteTable(), CONFIG: NoteTable()})

    plan = crossed(take_back, edited_first("theirs"))

    assert plan.merged is not None
    assert [ConflictKind.EDITED_AND_REMOVED] == [conflict.kind for conflict in plan.merged.conflicts]


def test_a_criss_cross_that_was_decided_alike_is_no_conflict() -> None:
    plan = crossed(edited_first("same"), edited_first("same"))

    assert plan.merged is not None
    assert () == plan.merged.conflicts


def test_criss_cross_upon_criss_cross_without_end_is_merged() -> None:
    repo, _ = make_repo("a")
    for number in range(40):
        go(repo, "main")
        say(repo, f"m{number}")
        branch(repo, "old-main")
        go(repo, "draft")
        say(repo, f"d{number}")
        branch(repo, "old-draft")
        go(repo, "main")
        merge(repo, "old-draft")
        go(repo, "draft")
        merge(repo, "old-main")

    go(repo, "main")
    merge(repo, "draft")

    assert 81 == len(set(texts_in(repo))) == len(texts_in(repo))


# Random histories of three branches

BRANCHES = ("main", "draft", "third")
STEP = st.tuples(st.sampled_from(BRANCHES), st.sampled_from(["say", "say", "edit", "merge"]), st.integers(0, 9))


@settings(max_examples=200)
@given(st.lists(STEP, max_size=25))
def test_whatever_was_merged_in_whatever_order_no_message_is_lost_or_doubled(
    steps: Sequence[tuple[str, str, int]],
) -> None:
    repo, _ = make_repo("start")
    branch(repo, "third")
    said: dict[str, list[ObjectId]] = {name: commits(repo) for name in BRANCHES}
    for number, (name, verb, choice) in enumerate(steps):
        go(repo, name)
        if verb == "merge":
            other = BRANCHES[choice % 3]
            try:
                merge(repo, other)
            except NothingToMergeError:
                assert set(said[other]) <= set(said[name])
                continue
            assert set(said[name]) | set(said[other]) == set(commits(repo))
        elif verb == "edit":
            edit(repo, said[name][choice % len(said[name])], f"edit {number}")
        else:
            say(repo, f"{name} {number}")
        before, said[name] = said[name], commits(repo)
        assert len(said[name]) == len(set(said[name]))
        if verb != "merge":
            assert before == said[name][: len(before)]


def commits(repo: Repository) -> list[ObjectId]:
    return [commit for commit, _ in entries(repo, context_at(repo, repo.head()[1]))]


def test_a_merge_is_the_same_merge_each_time_it_is_planned() -> None:
    repo, _ = parted()
    plans: list[MergePlan] = [plan_merge(repo, "draft") for _ in range(2)]

    assert plans[0] == plans[1]
    ours = plans[0].ours
    assert ours is not None
    assert (plans[0].shared, plans[0].merged) == merged_contexts(
        repo, ours, plans[0].theirs, plans[0].bases, frozenset()
    )


def test_a_store_with_merges_is_in_order(tmp_path: Path) -> None:
    repo, (a,) = make_repo("a", path=tmp_path)
    for number in range(60):
        say(repo, f"m{number}")
    go(repo, "draft")
    edit(repo, a, "a2")
    for number in range(60):
        say(repo, f"d{number}")
    go(repo, "main")
    merge(repo, "draft")
    expected = ["a2", *(f"m{n}" for n in range(60)), *(f"d{n}" for n in range(60))]

    assert expected == texts_in(repo)
    repo.close()
    assert () == check_repository(str(tmp_path / ".tract")).problems
    assert expected == texts_in(open_repository(str(tmp_path / ".tract")))


@settings(max_examples=40)
@given(st.integers(0, 200), st.lists(st.tuples(st.booleans(), st.integers(0, 220)), max_size=8))
def test_a_merge_that_leaves_out_what_both_begin_with_is_the_merge_of_the_whole(
    size: int, edits: Sequence[tuple[bool, int]]
) -> None:
    repo, _ = make_repo("a")
    ids = [say(repo, f"b{number}") for number in range(size)]
    branch(repo, "other")
    for number, (is_ours, at) in enumerate(edits):
        go(repo, "main" if is_ours else "other")
        if at < len(ids):
            edit(repo, ids[at], f"edit {number}")
        else:
            say(repo, f"new {number}")
    go(repo, "other")
    theirs = say(repo, "last")
    go(repo, "main")
    ours = say(repo, "last of ours")
    (base,) = merge_bases(repo, ours, theirs)
    lists = [entries(repo, context_at(repo, id)) for id in (base, ours, theirs)]
    whole = merge_contexts(*lists)

    plan = plan_merge(repo, "other")

    assert plan.merged is not None
    assert whole.entries == (*lists[1][: plan.shared], *plan.merged.entries)
    assert whole.conflicts == plan.merged.conflicts
    made: list[NewObject] = []
    expected = build_context(repo, whole.entries, made)
    assert expected == context_at(repo, write_merge(repo, plan, plan.merged.entries))
