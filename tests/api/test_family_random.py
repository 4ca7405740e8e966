"""Random families: whatever a parent has and however it is inherited, a child begins with what was asked for, and its work comes back as it was."""

from __future__ import annotations

import os
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.making import Words, call
from tract import Priority, Session, SessionError, SpawnError, Tract, TractError
from tract.history.context import context_at, entries
from tract.messages import tool_ids
from tract.objects.model import Entry

MANY = int(os.environ.get("TRACT_FAMILIES", "25"))


def rows(t: Tract) -> list[Entry]:
    """The context at HEAD: the commit of each message, and its content, hidden ones included."""
    repo = t.repository
    return entries(repo, context_at(repo, repo.head()[1]))


def hidden(t: Tract) -> set[str]:
    return {info.commit_hash for info in t.skipped()}


def shown(t: Tract) -> list[dict[str, Any]]:
    return list(t.compile().to_openai(copy=True))


def act(rng: Random, t: Tract, number: int) -> None:
    """One thing that an agent may do."""
    items = rows(t)
    kind = rng.choice(
        ["user", "assistant", "tool", "tool", "edit", "priority", "compress", "reorder", "record", "system"]
    )
    with suppress(TractError):  # some of it cannot be done here
        match kind:
            case "tool":
                ids = [f"c{number}.{at}" for at in range(rng.randint(1, 3))]
                t.commit(call(*ids))
                for id in ids:
                    t.tool_result(id, f"result of {id}")
            case "edit" if items:
                t.edit(rng.choice(items)[0].hex(), f"edited {number}")
            case "priority" if items:
                t.annotate(rng.choice(items)[0].hex(), rng.choice([*Priority]))
            case "compress" if len(items) > 2:
                some = rng.sample(range(len(items)), rng.randint(1, min(4, len(items))))
                t.compress(commits=[items[at][0].hex() for at in some], content=f"sum {number}", force=True)
            case "reorder" if len(items) > 2:
                t.reorder([rng.choice(items)[0].hex()], before=items[0][0].hex())
            case "record":
                t.commit({"content_type": "record", "kind": "note", "payload": number})
            case "system":
                t.system(f"instruction {number}")
            case "user":
                t.user(f"message {number}")
            case _:
                t.assistant(f"message {number}")


def make_parent(rng: Random, session: Session) -> tuple[Tract, list[Entry]]:
    """A parent, and what of its context a child may begin with: all before the first call that waits."""
    t = session.create_tract("lead")
    t.user("begin")
    for number in range(rng.randint(0, 24)):
        act(rng, t, number)
    items = rows(t)
    if rng.random() < 0.3:
        t.commit(call(*(f"open {at}" for at in range(rng.randint(1, 2)))))
        if rng.random() < 0.3:  # who spoke since waits no longer
            t.user("never mind")
            items = rows(t)
    return t, items


def calls_and_results(t: Tract, items: list[Entry]) -> tuple[set[str], set[str]]:
    found = [tool_ids(t._own.blobs.message(blob)) for _, blob in items]
    return {id for calls, _ in found for id in calls}, {id for _, results in found for id in results}


def check_begins(lead: Tract, allowed: list[Entry], child: Tract, how: dict[str, Any]) -> None:
    """The child's context is what *how* asked for."""
    got = rows(child)
    assert [entry for entry in allowed if entry in set(got)] == got  # the parent's messages, in its order, as they are
    mine = {commit.hex() for commit, _ in got}
    assert mine & hidden(lead) == hidden(child)
    assert mine & {one.commit_hash for one in lead.pinned()} == {one.commit_hash for one in child.pinned()}
    if "select" not in how and "max_tokens" not in how:
        assert allowed == got
    calls, results = calls_and_results(lead, allowed)
    asked, answered = calls_and_results(lead, got)
    assert asked & results == answered & calls  # no half of what is whole in the parent
    if "select" in how and "max_tokens" not in how:
        wanted = how["wanted"]
        assert mine >= wanted
        units = [tool_ids(lead._own.blobs.message(blob)) for commit, blob in got if commit.hex() not in wanted]
        assert all(calls or results for calls, results in units)  # nothing more but other halves
    if "max_tokens" in how:
        assert child.compile().token_count <= how["max_tokens"]
        roles = ("system", "developer")
        told = [m for m in lead.compile().messages if m.role in roles]
        assert "wanted" in how or len([m for m in child.compile().messages if m.role in roles]) == len(told)
    commits = child.log(None, records=True)
    if how["inheritance"] != "full_clone":
        assert ["spawn"] == [info.operation for info in commits]
    else:
        assert [info.commit_hash for info in lead.log(None, records=True)] == [info.commit_hash for info in commits[1:]]


@given(st.integers(0, 2**32), st.sampled_from(["head_snapshot", "full_clone", "selective"]), st.booleans())
@settings(max_examples=MANY, deadline=None)
def test_a_child_begins_with_what_was_asked_for(seed: int, inheritance: str, is_bounded: bool) -> None:
    rng = Random(seed)
    with Session.open(":memory:", tokenizer=Words()) as session:
        lead, allowed = make_parent(rng, session)
        before = rows(lead), lead.head, shown(lead)
        how: dict[str, Any] = {"inheritance": inheritance}
        if inheritance == "selective":
            wanted = {commit.hex() for commit, _ in allowed if rng.random() < 0.4}
            how["select"] = sorted(wanted)
        if is_bounded:
            how["max_tokens"] = rng.randint(5, 60)
        try:
            child = lead.spawn("work", name="x", **how)
        except SpawnError as exc:
            refused = str(exc)
        else:
            refused = ""
        assert before == (rows(lead), lead.head, shown(lead))
        if refused:
            assert refused.startswith("nothing")
            assert [] == lead.children()
            return
        if "select" in how:
            how["wanted"] = set() if is_bounded else wanted
        check_begins(lead, allowed, child, how)


def work_of(child: Tract, start: dict[bytes, bytes]) -> tuple[list[Entry], list[Entry]]:
    """A child's own messages, and the inherited ones that it edited."""
    now = rows(child)
    return [one for one in now if one[0] not in start], [one for one in now if start.get(one[0], one[1]) != one[1]]


@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
@given(st.integers(0, 2**32), st.sampled_from(["head_snapshot", "full_clone"]))
@settings(max_examples=MANY, deadline=None)
def test_what_is_collapsed_and_expanded_is_the_child_s_work(again: bool, seed: int, inheritance: Any) -> None:
    rng = Random(seed)
    with Session.open(":memory:", tokenizer=Words()) as session:
        lead, _ = make_parent(rng, session)
        child = lead.spawn("work", name="x", inheritance=inheritance)
        start = dict(rows(child))
        for number in range(100, 100 + rng.randint(1, 12)):
            act(rng, child, number)
        before = rows(lead)
        if work_of(child, start) == ([], []):
            with pytest.raises(SessionError, match="did nothing"):
                lead.collapse(child, content="done")
            assert before == rows(lead)
            return
        done = lead.collapse(child, content="done")
        if again:
            for number in range(200, 200 + rng.randint(1, 6)):
                act(rng, child, number)
            done = lead.collapse(child, content="done, and more")
        work, _ = work_of(child, start)
        skipped = {commit.hex() for commit, _ in work} & hidden(child)
        lead.user("and on")
        tail = rows(lead)[-1]
        assert [*before, tail] == [
            entry for entry in rows(lead) if entry[0].hex() != lead.children()[0].collapse_commit
        ]

        lead.expand(done)
        assert [*before, *work, tail] == rows(lead)
        assert skipped == hidden(lead) & {commit.hex() for commit, _ in work}


@given(st.integers(0, 2**32))
@settings(max_examples=MANY, deadline=None)
def test_a_merged_clone_brings_what_it_appended_and_said_of_it(seed: int) -> None:
    rng = Random(seed)
    with Session.open(":memory:", tokenizer=Words()) as session:
        lead = session.create_tract("lead")
        for number in range(rng.randint(1, 8)):
            lead.user(f"message {number}")
        child = lead.spawn("work", name="x", inheritance="full_clone")
        mine = []
        for number in range(rng.randint(1, 8)):
            config = {"model": f"m{number}"} if rng.random() < 0.5 else None
            mine.append(child.assistant(f"found {number}", generation_config=config, key=f"k{number}").commit_hash)
        edited = rng.choice(rows(lead))[0].hex()
        child.edit(edited, "edited there")
        for commit in mine:
            if rng.random() < 0.5:
                child.annotate(commit, rng.choice([Priority.SKIP, Priority.PINNED]))
        lead.user("meanwhile")
        lead.merge("x::HEAD")

        there = {commit.hex(): blob for commit, blob in rows(lead)}
        for commit, blob in rows(child):
            assert blob == there[commit.hex()]
        for commit in mine:
            assert child.get_commit(commit).priority == lead.get_commit(commit).priority
            assert child.get_commit(commit).generation_config == lead.get_commit(commit).generation_config
            key = next(number for number, one in enumerate(mine) if one == commit)
            found = lead.commit_for_key(f"k{key}")
            assert found is not None
            assert commit == found.commit_hash
