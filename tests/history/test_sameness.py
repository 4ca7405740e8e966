"""Messages that were made again under other ids: a merge takes them for the ones they are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import Words, texts
from tract import CherryPickError, CommitInfo, NothingToMergeError, SemanticSafetyError, Tract
from tract.history.notes import ORIGIN, NoteTable, note_tip
from tract.history.sameness import Sameness


def make_tract() -> Tract:
    """A tract with a message on main, and branches side and third there; HEAD is on main."""
    t = Tract.open(":memory:", tokenizer=Words(), verify_cache=True)
    t.user("start")
    t.branch("side")
    t.branch("third")
    return t


def picked() -> tuple[Tract, CommitInfo]:
    """One of three messages of side was picked onto main, where another was said before."""
    t = make_tract()
    t.switch("side")
    t.user("s1")
    useful = t.user("s2")
    t.user("s3")
    t.switch("main")
    t.user("m")
    t.cherry_pick(useful.commit_hash)
    return t, useful


def test_what_was_picked_is_there_once_when_its_branch_is_merged() -> None:
    t, _ = picked()

    result = t.merge("side")

    assert "merge" == result.kind
    assert ["start", "m", "s1", "s2", "s3"] == texts(t)


def test_a_branch_is_there_once_with_what_it_was_before_its_rebase() -> None:
    t, _ = picked()
    t.switch("side")
    t.branch("old-side")
    t.rebase("main")
    rebased = texts(t)

    t.merge("old-side")

    assert ["start", "m", "s2", "s1", "s3"] == rebased == texts(t)


@pytest.mark.parametrize("editor", ["main", "side"])
def test_an_edit_of_the_one_or_the_other_is_taken(editor: str) -> None:
    t, useful = picked()
    where = t.head if editor == "main" else useful.commit_hash
    t.switch(editor)
    t.edit(str(where), "s2, better")
    t.switch("main")

    assert "merge" == t.merge("side").kind
    assert ["start", "m", "s1", "s2, better", "s3"] == texts(t)


def test_edits_of_both_are_a_conflict_with_what_was_picked_as_its_base() -> None:
    t, useful = picked()
    t.edit(str(t.head), "main's")
    t.switch("side")
    t.edit(useful.commit_hash, "side's")
    t.switch("main")

    (conflict,) = t.merge("side").conflicts

    assert ("both-edited", "s2", "main's", "side's") == (conflict.kind, conflict.base, conflict.ours, conflict.theirs)


def test_what_was_picked_and_taken_back_stays_away_once_both_had_it() -> None:
    t, useful = picked()
    t.merge("side")
    t.revert("HEAD~1")
    t.switch("side")
    t.user("s4")
    t.switch("main")

    t.merge("side")

    assert ["start", "m", "s1", "s3", "s4"] == texts(t)
    assert useful.commit_hash not in t.compile().commit_hashes


def test_what_was_rebased_over_and_over_says_what_it_was_at_first() -> None:
    t, _ = picked()
    t.switch("side")
    t.branch("old-side")
    steps = [t.rebase("main")]
    for number in range(2):
        t.switch("main")
        t.user(f"m{number}")
        t.switch("side")
        steps.append(t.rebase("main"))
    origins = NoteTable()
    origins.advance(t.repository, note_tip(t.repository, ORIGIN))

    first, last = steps[0].replayed[-1], steps[-1].replayed[-1]
    assert {"by": "rebase", "from": first.source_hash} == origins.get(
        t.repository, bytes.fromhex(str(first.commit_hash))
    )
    known = {"by": "rebase", "from": last.source_hash, "first": first.source_hash}  # gc drops what is known in between
    assert known == origins.get(t.repository, bytes.fromhex(str(last.commit_hash)))


def test_what_stands_twice_on_purpose_stays_twice() -> None:
    t, _ = picked()
    t.switch("side")
    t.user("s2")
    t.switch("main")

    t.merge("side")

    assert 2 == texts(t).count("s2")


BRANCHES = ("main", "side", "third")
STEP = st.tuples(
    st.sampled_from(BRANCHES), st.sampled_from(["say", "say", "edit", "merge", "pick", "rebase"]), st.integers(0, 9)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEP, max_size=16))
def test_whatever_was_merged_picked_and_rebased_no_message_is_lost_or_doubled(
    steps: Sequence[tuple[str, str, int]],
) -> None:
    with make_tract() as t:
        for number, (branch, verb, choice) in enumerate(steps):
            t.switch(branch)
            other = BRANCHES[choice % 3]
            before, theirs = messages(t, branch), messages(t, other)
            act(t, verb, other, choice, f"{verb} {number}")
            after = messages(t, branch)
            assert len(after) == len(set(after))
            assert set(before) <= set(after)
            if verb == "merge":
                assert set(after) == set(before) | set(theirs)


def act(t: Tract, verb: str, other: str, choice: int, text: str) -> None:
    shown = t.compile().commit_hashes
    try:
        match verb:
            case "say":
                t.user(text)
            case "edit":
                t.edit(shown[choice % len(shown)], text)
            case "merge":
                t.merge(other, strategy="theirs")
            case "pick":
                t.cherry_pick(other)
            case "rebase":
                t.rebase(other)
    except (CherryPickError, NothingToMergeError, SemanticSafetyError):
        pass  # is there already, is a merge, or both edited it: nothing moved


def messages(t: Tract, branch: str) -> list[bytes]:
    """The messages of a branch, each by the commit it was first made as."""
    same = Sameness(t.repository)
    return [same.first(bytes.fromhex(id)) for id in t.compile(at_commit=branch).commit_hashes]


# The order of keys


ASKED = {"role": "user", "content": "a", "name": "ada"}
TURNED = {"name": "ada", "content": "a", "role": "user"}
OTHER = {"role": "user", "content": "b", "name": "ada"}


def edited(ours: dict[str, str] | None, theirs: dict[str, str] | None) -> Tract:
    """A message that main and side each edited, where they did; HEAD is on main."""
    t = Tract.open(":memory:", tokenizer=Words())
    id = t.commit(ASKED).commit_hash
    t.branch("side")
    t.user("m")
    if ours is not None:
        t.edit(id, ours)
    t.switch("side")
    t.user("s")
    if theirs is not None:
        t.edit(id, theirs)
    t.switch("main")
    return t


@pytest.mark.parametrize(
    ("ours", "theirs", "kept"),
    [
        (OTHER, dict(reversed(OTHER.items())), OTHER),
        (TURNED, OTHER, OTHER),
        (OTHER, TURNED, OTHER),
        (TURNED, None, TURNED),
        (None, TURNED, ASKED),
    ],
)
def test_edits_that_say_the_same_in_another_order_are_no_conflict_and_ours_stays(
    ours: dict[str, str] | None, theirs: dict[str, str] | None, kept: dict[str, str]
) -> None:
    t = edited(ours, theirs)

    t.merge("side")

    assert list(kept.items()) == list(t.compile().to_openai()[0].items())


def test_a_replayed_edit_that_says_the_same_in_another_order_is_dropped() -> None:
    t = edited(OTHER, dict(reversed(OTHER.items())))

    t.rebase("side")

    assert list(reversed(OTHER.items())) == list(t.compile().to_openai()[0].items())
