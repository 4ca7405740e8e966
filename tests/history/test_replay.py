"""Commits made again elsewhere: what goes with them, what is already there, and what somebody has to decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import say, texts_in
from tract.config import TractConfig
from tract.errors import CherryPickError, RebaseError, RefMovedError
from tract.history.branch import create_branch, switch_branch
from tract.history.merge import plan_merge, write_merge
from tract.history.notes import CONFIG, ORIGIN, PRIORITY, USAGE, NewNote, NoteTable, note_tip, write_note
from tract.history.replay import run_replay
from tract.history.replay_plan import ReplayPlan, commits_to_replay, plan_replay, plan_revert
from tract.history.sameness import Sameness
from tract.objects.id import ObjectId
from tract.objects.model import CommitOperation, new_blob
from tract.opening import memory_repository
from tract.refs.names import ORIG_HEAD
from tract.repo import Repository

EDIT = CommitOperation.EDIT
MAIN, SIDE = "refs/heads/main", "refs/heads/side"


def make_repo(*texts: str) -> tuple[Repository, list[ObjectId]]:
    """A repository with one commit for each text on main, and a branch side at the last of them."""
    repo = memory_repository(config=TractConfig(author="tester"))
    ids = [say(repo, text) for text in texts]
    create_branch(repo, "side", ids[-1])
    return repo, ids


def edit(repo: Repository, target: ObjectId, text: str) -> ObjectId:
    return say(repo, text, operation=EDIT, target=target)


def tip(repo: Repository, branch: str) -> ObjectId:
    value = repo.ref(branch)
    assert isinstance(value, bytes)
    return value


def tables(repo: Repository) -> dict[str, NoteTable]:
    found = {}
    for namespace in (PRIORITY, CONFIG, USAGE, ORIGIN):
        found[namespace] = NoteTable()
        found[namespace].advance(repo, note_tip(repo, namespace))
    return found


def rebase_plan(repo: Repository, onto: str = MAIN, decisions: Any = None) -> ReplayPlan:
    branch, old = repo.head()
    assert branch is not None
    assert old is not None
    target = tip(repo, onto)
    commits = commits_to_replay(repo, old, target)
    return plan_replay(
        repo, "rebase", commits, branch=branch, old=old, onto=target, sameness=Sameness(repo), decisions=decisions
    )


def pick_plan(repo: Repository, *commits: ObjectId, decisions: Any = None) -> ReplayPlan:
    branch, old = repo.head()
    assert branch is not None
    return plan_replay(
        repo, "cherry-pick", commits, branch=branch, old=old, onto=old, sameness=Sameness(repo), decisions=decisions
    )


def revert_plan(repo: Repository, *commits: ObjectId, **options: Any) -> ReplayPlan:
    branch, old = repo.head()
    assert branch is not None
    assert old is not None
    return plan_revert(repo, commits, branch=branch, tip=old, **options)


def run(repo: Repository, plan: ReplayPlan) -> list[tuple[ObjectId, ObjectId]]:
    return run_replay(repo, plan, tables=tables(repo))


def kinds(plan: ReplayPlan) -> list[tuple[str, bool]]:
    return [(concern.kind, concern.is_loss) for concern in plan.concerns]


def test_a_rebased_branch_has_the_other_branchs_messages_before_its_own() -> None:
    repo, _ = make_repo("a")
    say(repo, "x")
    switch_branch(repo, "side")
    first = say(repo, "b", time=7, message="why", metadata={"k": 1})
    last = say(repo, "c", target=first)
    old = tip(repo, SIDE)

    made = run(repo, rebase_plan(repo))

    assert ["a", "x", "b", "c"] == texts_in(repo)
    assert [first, last] == [source for source, _ in made]
    new = repo.commit(made[0][1])
    assert (7, "tester", "why", {"k": 1}) == (new.time, new.author, new.message, new.metadata)
    assert made[0][1] == repo.commit(made[1][1]).target
    assert old == tip(repo, ORIG_HEAD)
    assert "rebase: 2 commits onto" in next(repo.refs.history())[1].reason


def test_edits_follow_what_they_edit_and_notes_go_with_it_but_usage_does_not() -> None:
    repo, (a,) = make_repo("a")
    say(repo, "x")
    switch_branch(repo, "side")
    b = say(repo, "b", config={"model": "m"}, usage={"gen_ai.usage.input_tokens": 1})
    edit(repo, b, "b2")
    edit(repo, a, "a2")
    write_note(repo, PRIORITY, NewNote(b, {"priority": "skip", "reason": "noise"}, 5), reason="annotate")

    made = run(repo, rebase_plan(repo))

    assert ["a2", "x", "b2"] == texts_in(repo)
    notes, new = tables(repo), made[0][1]
    assert {"priority": "skip", "reason": "noise"} == notes[PRIORITY].get(repo, new)
    assert {"model": "m"} == notes[CONFIG].get(repo, new)
    assert notes[USAGE].get(repo, new) is None
    assert {"by": "rebase", "from": b.hex()} == notes[ORIGIN].get(repo, new)


def test_a_merged_branch_is_replayed_after_what_it_was_merged_into_with_its_resolution() -> None:
    repo, (a,) = make_repo("a")
    say(repo, "x")
    switch_branch(repo, "side")
    create_branch(repo, "sub", tip(repo, SIDE))
    say(repo, "b")
    edit(repo, a, "a-side")
    switch_branch(repo, "sub")
    say(repo, "c")
    edit(repo, a, "a-sub")
    switch_branch(repo, "side")
    merge = plan_merge(repo, "sub")
    assert merge.merged is not None
    settled = new_blob({"text": "a-both"})
    items = [(commit, settled.id if commit == a else blob) for commit, blob in merge.merged.entries]
    write_merge(repo, merge, items, [settled])
    before = texts_in(repo)

    plan = rebase_plan(repo)
    assert [("conflict", True)] == [kind for kind in kinds(plan) if kind[1]]
    loss = plan.losses[0]
    plan = rebase_plan(repo, decisions={(loss.commit, loss.message): "theirs"})
    run(repo, plan)

    assert ["a-both", "b", "c"] == before
    assert ["a-both", "x", "b", "c"] == texts_in(repo)


def test_what_a_merge_left_out_and_its_commits_bring_back_is_a_warning() -> None:
    repo, _ = make_repo("a")
    say(repo, "x")
    switch_branch(repo, "side")
    create_branch(repo, "sub", tip(repo, SIDE))
    say(repo, "b")
    switch_branch(repo, "sub")
    c = say(repo, "c")
    switch_branch(repo, "side")
    merge = plan_merge(repo, "sub")
    assert merge.merged is not None
    made = write_merge(repo, merge, [entry for entry in merge.merged.entries if entry[0] != c])
    before = texts_in(repo)

    plan = rebase_plan(repo)
    run(repo, plan)

    assert ["a", "b"] == before
    assert ["a", "x", "b", "c"] == texts_in(repo)
    (concern,) = plan.concerns
    assert ("left_out_returns", made, c, False) == (concern.kind, concern.commit, concern.message, concern.is_loss)


def test_what_both_edited_waits_for_a_decision_and_nothing_moves_without_one() -> None:
    repo, (a,) = make_repo("a")
    edit(repo, a, "a-main")
    switch_branch(repo, "side")
    change = edit(repo, a, "a-side")
    before = repo.refs.list()

    plan = rebase_plan(repo)
    assert [("conflict", True)] == kinds(plan)
    assert plan.losses[0].conflict is not None
    with pytest.raises(RebaseError, match="was edited there as well"):
        run(repo, plan)
    assert before == repo.refs.list()

    run(repo, rebase_plan(repo, decisions={(change, a): {"text": "a-both"}}))
    assert ["a-both"] == texts_in(repo)


@pytest.mark.parametrize(
    ("decision", "expected"), [("ours", ["a"]), ("theirs", ["a", "b2"]), ({"text": "z"}, ["a", "z"])]
)
def test_an_edit_whose_message_is_not_there_is_dropped_or_becomes_a_message(decision: Any, expected: list[str]) -> None:
    repo, _ = make_repo("a")
    switch_branch(repo, "side")
    b = say(repo, "b")
    change = edit(repo, b, "b2")
    switch_branch(repo, "main")

    plan = pick_plan(repo, change)
    assert [("edit_target_missing", True)] == kinds(plan)
    with pytest.raises(CherryPickError, match="which is not there"):
        run(repo, plan)
    run(repo, pick_plan(repo, change, decisions={(change, b): decision}))

    assert expected == texts_in(repo)


def test_a_picked_message_is_not_picked_twice_and_its_edit_finds_it() -> None:
    repo, _ = make_repo("a")
    switch_branch(repo, "side")
    b = say(repo, "b")
    change = edit(repo, b, "b2")
    switch_branch(repo, "main")

    run(repo, pick_plan(repo, b))
    assert ["the message is there already"] == [reason for _, reason in pick_plan(repo, b).dropped]
    run(repo, pick_plan(repo, change))

    assert ["a", "b2"] == texts_in(repo)
    assert "has that content already" in pick_plan(repo, change).dropped[0][1]


def test_a_reply_without_its_question_is_a_warning() -> None:
    repo, _ = make_repo("a")
    switch_branch(repo, "side")
    question = say(repo, "q")
    answer = say(repo, "r", target=question)
    switch_branch(repo, "main")

    plan = pick_plan(repo, answer)
    run(repo, plan)

    assert [("reply_target_missing", False)] == kinds(plan)
    assert ["a", "r"] == texts_in(repo)
    assert [] == kinds(pick_plan(repo, question, answer))[1:]


def test_an_edit_below_answers_that_never_saw_it_is_a_warning() -> None:
    repo, (a,) = make_repo("a")
    say(repo, "answer to a")
    switch_branch(repo, "side")
    edit(repo, a, "a2")

    assert [("edited_below_answers", False)] == kinds(rebase_plan(repo))


def test_a_reverted_message_goes_and_the_rest_stays() -> None:
    repo, ids = make_repo("a", "b", "c")
    reply = say(repo, "d", target=ids[1])

    plan = revert_plan(repo, ids[1])
    (done,) = run(repo, plan)

    assert ["a", "c", "d"] == texts_in(repo)
    commit = repo.commit(done[1])
    assert (CommitOperation.REVERT, ids[1], None) == (commit.operation, commit.target, commit.content)
    assert [("reply_target_missing", reply)] == [(concern.kind, concern.message) for concern in plan.concerns]


def test_a_reverted_edit_gives_back_what_was_there_and_a_reverted_revert_the_edit() -> None:
    repo, (a,) = make_repo("a")
    change = edit(repo, a, "a2")
    (done,) = run(repo, revert_plan(repo, change))
    assert ["a"] == texts_in(repo)

    run(repo, revert_plan(repo, done[1]))
    assert ["a2"] == texts_in(repo)


def test_reverting_what_was_changed_since_waits_for_a_decision() -> None:
    repo, (a,) = make_repo("a")
    change = edit(repo, a, "a2")
    edit(repo, a, "a3")

    plan = revert_plan(repo, change)
    assert [("conflict", True)] == kinds(plan)
    run(repo, revert_plan(repo, change, decisions={(change, a): "theirs"}))
    assert ["a"] == texts_in(repo)


def test_a_merge_is_reverted_to_the_parent_that_is_named() -> None:
    repo, _ = make_repo("a")
    switch_branch(repo, "side")
    say(repo, "b")
    switch_branch(repo, "main")
    say(repo, "c")
    merge = plan_merge(repo, "side")
    assert merge.merged is not None
    made = write_merge(repo, merge, merge.merged.entries)

    with pytest.raises(CherryPickError, match="is a merge"):
        revert_plan(repo, made)
    with pytest.raises(CherryPickError, match="no parent number 3"):
        revert_plan(repo, made, mainline=3)
    run(repo, revert_plan(repo, made, mainline=1))
    assert ["a", "c"] == texts_in(repo)


def test_reverting_what_is_gone_already_is_refused() -> None:
    repo, (_, b) = make_repo("a", "b")
    run(repo, revert_plan(repo, b))

    with pytest.raises(CherryPickError, match="nothing left in the context to take back"):
        revert_plan(repo, b)


def test_a_branch_that_moved_since_the_plan_is_left_alone() -> None:
    repo, _ = make_repo("a")
    say(repo, "x")
    switch_branch(repo, "side")
    say(repo, "b")
    plan = rebase_plan(repo)
    say(repo, "c")

    with pytest.raises(RefMovedError):
        run(repo, plan)
    assert ["a", "b", "c"] == texts_in(repo)


def test_a_revert_replayed_takes_back_the_replayed_message() -> None:
    repo, _ = make_repo("a")
    say(repo, "x")
    switch_branch(repo, "side")
    b = say(repo, "b")
    say(repo, "c")
    run(repo, revert_plan(repo, b))
    assert ["a", "c"] == texts_in(repo)

    made = dict(run(repo, rebase_plan(repo)))

    assert ["a", "x", "c"] == texts_in(repo)
    assert made[b] == repo.commit(tip(repo, SIDE)).target


ACTIONS = st.lists(st.tuples(st.sampled_from(["say", "edit", "reply"]), st.integers(0, 30)), max_size=14)


def act(repo: Repository, own: list[ObjectId], actions: Sequence[tuple[str, int]], name: str) -> None:
    for number, (what, pick) in enumerate(actions):
        text = f"{name}{number}"
        if what == "edit" and own:
            edit(repo, own[pick % len(own)], text)
        elif what == "reply" and own:
            own.append(say(repo, text, target=own[pick % len(own)]))
        else:
            own.append(say(repo, text))


@given(ACTIONS, ACTIONS)
def test_a_rebase_has_both_branches_words_in_order(ours: list[tuple[str, int]], theirs: list[tuple[str, int]]) -> None:
    repo, _ = make_repo(*"abc")
    act(repo, [], theirs, "m")
    switch_branch(repo, "side")
    act(repo, [], ours, "s")
    own = [text for text in texts_in(repo) if text.startswith("s")]

    run(repo, rebase_plan(repo))

    assert texts_in(repo, tip(repo, MAIN)) + own == texts_in(repo)


@given(ACTIONS)
def test_a_replay_onto_the_own_base_changes_no_word(actions: list[tuple[str, int]]) -> None:
    repo, (*_, base) = make_repo(*"abc")
    switch_branch(repo, "side")
    act(repo, [base], actions, "s")
    before, old = texts_in(repo), tip(repo, SIDE)

    commits = commits_to_replay(repo, old, base)
    plan = plan_replay(repo, "rebase", commits, branch=SIDE, old=old, onto=base, sameness=Sameness(repo))
    made = run(repo, plan)

    assert before == texts_in(repo)
    assert commits == [source for source, _ in made]
    assert () == plan.concerns
