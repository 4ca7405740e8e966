"""Reordering as a commit: what moves, what goes with it, and what is said of the meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import Words, call, texts
from tract import CommitOperation, DialogueContent, Tract
from tract.errors import ContentValidationError, DetachedHeadError, RefMovedError, SemanticSafetyError, TractError
from tract.history.context import context_at, entries
from tract.maintenance.fsck.check import check_repository
from tract.tree import build_context


def make_tract(*said: str, path: Any = ":memory:") -> tuple[Tract, list[str]]:
    """A tract with a message of the user for each text, and their ids."""
    t = Tract.open(path, tokenizer=Words(), durability="process")
    return t, [t.user(text).commit_hash for text in said]


def kinds(result: Any) -> list[str]:
    return [warning.kind for warning in result.warnings]


@pytest.mark.parametrize(
    ("moved", "where", "after"),
    [
        ([3], {}, ["d", "a", "b", "c", "e"]),
        ([3, 1], {}, ["d", "b", "a", "c", "e"]),
        ([0], {"after": 2}, ["b", "c", "a", "d", "e"]),
        ([4], {"before": 1}, ["a", "e", "b", "c", "d"]),
        ([0, 1], {"after": 4}, ["c", "d", "e", "a", "b"]),
    ],
)
def test_messages_move_where_they_are_told_to_under_their_own_ids(
    moved: list[int], where: dict[str, int], after: list[str]
) -> None:
    t, ids = make_tract("a", "b", "c", "d", "e")
    old = t.head

    done = t.reorder([ids[at] for at in moved], **{side: ids[at] for side, at in where.items()})

    assert after == texts(t)
    assert [ids["abcde".index(text)] for text in after] == list(done.order) == list(t.compile().commit_hashes)
    info = t.log(1)[0]
    assert (CommitOperation.REORDER, done.commit_hash, old) == (info.operation, info.commit_hash, info.parent_hash)
    assert old == t.get_commit("ORIG_HEAD").commit_hash
    t.undo()
    assert ["a", "b", "c", "d", "e"] == texts(t)


def test_a_tool_call_keeps_its_results_and_nothing_gets_between() -> None:
    t, (a, b) = make_tract("a", "b")
    unit = [one.commit_hash for one in t.extend([call("1"), {"role": "tool", "tool_call_id": "1", "content": "r"}])]

    done = t.reorder([unit[1]], before=b)
    assert ([a, *unit, b], ["tool_pair_kept", "answer_before_question"]) == (list(done.order), kinds(done))
    assert [a, *unit, b] == list(t.compile(strict=True).commit_hashes)

    done = t.reorder([a], after=unit[0])
    assert [*unit, a, b] == list(done.order)


def test_what_changes_the_meaning_is_said_or_refused() -> None:
    t, (question, other) = make_tract("question", "other")
    answer = t.assistant("answer").commit_hash
    reply = t.commit(DialogueContent("user", "reply"), response_to=question).commit_hash
    law = t.system("law").commit_hash
    last = t.user("last").commit_hash
    head = t.head

    assert ["reply_before_target"] == kinds(t.reorder([reply], dry_run=True))
    assert ["answer_before_question"] == kinds(t.reorder([answer], before=other, dry_run=True))
    assert ["instruction_overtaken"] == kinds(t.reorder([law], after=last, dry_run=True))
    assert [] == kinds(t.reorder([law], dry_run=True))
    with pytest.raises(SemanticSafetyError, match=f"it replies to message {question[:16]}"):
        t.reorder([reply], strict=True)
    assert head == t.head


def test_a_dry_run_says_what_a_prompt_cache_would_lose() -> None:
    t, (_, b, c, _) = make_tract("a", "b b", "c c c", "d")

    done = t.reorder([c], before=b, dry_run=True)

    assert (None, 18) == (done.commit_hash, done.invalidated_tokens)
    before = t.compile()
    t.reorder([c], before=b)
    assert done.invalidated_tokens == t.compile().prefix_change(before).invalidated_tokens


def test_mistakes_are_refused(tmp_path: Path) -> None:
    t, (a, b, c) = make_tract("a", "b", "c", path=tmp_path)
    for messages, options, words in (
        ([], {}, "a list of revisions"),
        ([a, a], {}, "is named twice"),
        ([a], {}, "stand there already"),
        ([b], {"before": a, "after": c}, "not both"),
        ([b], {"after": b}, "is one of the messages that move"),
    ):
        with pytest.raises(ContentValidationError, match=words):
            t.reorder(messages, **options)
    for message, words in ((5, "message must be text, not int"), ("\ud800", "message: ")):
        with pytest.raises(ContentValidationError, match=words):
            t.reorder([b], message=message)
    with t.batch(), pytest.raises(TractError, match="cannot reorder inside a batch"):
        t.reorder([b])
    with make_tract("later", path=tmp_path)[0], pytest.raises(RefMovedError):
        t.reorder([b])
    t.status()
    t.reorder([b])
    with pytest.raises(ContentValidationError, match="'HEAD' is not a message"):
        t.reorder(["HEAD"])
    t.checkout(a)
    with pytest.raises(DetachedHeadError):
        t.reorder([b])
    t.close()
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(7)), st.integers(1, 6), st.integers(0, 6), st.booleans())
def test_random_moves_are_as_lists_say(order: list[int], number: int, anchor: int, is_before: bool) -> None:
    t, ids = make_tract(*"abcdefg")
    moved = [at for at in order[:number] if at != anchor]
    if not moved:
        return
    rest = [at for at in range(7) if at not in moved]
    cut = rest.index(anchor) + (0 if is_before else 1)
    expected = [*rest[:cut], *moved, *rest[cut:]]
    if expected == list(range(7)):
        return

    t.reorder([ids[at] for at in moved], **{"before" if is_before else "after": ids[anchor]})

    repo = t.repository
    tip = repo.head()[1]
    assert [ids[at] for at in expected] == [commit.hex() for commit, _ in entries(repo, context_at(repo, tip))]
    assert context_at(repo, tip) == build_context(repo, entries(repo, context_at(repo, tip)), [])


def test_a_late_result_can_be_put_behind_the_one_before_it():
    t = Tract.open(":memory:", tokenizer=Words())
    t.user("go")
    called = t.commit({**call("a"), "tool_calls": [*call("a")["tool_calls"], *call("b")["tool_calls"]]})
    first = t.tool_result("a", "1").commit_hash
    t.user("hello?")
    late = t.tool_result("b", "2").commit_hash

    with pytest.raises(ContentValidationError, match="before its results"):
        t.reorder([late], before=called.commit_hash)
    done = t.reorder([late], after=first)

    assert ((late,), ()) == (done.moved, done.warnings)
    assert ["user", "assistant", "tool", "tool", "user"] == [message.role for message in t.compile().messages]
