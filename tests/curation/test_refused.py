"""Summaries of a model that were refused: they wait, so that the model need not be asked again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.llm.server import LLMServer
from tests.making import Words, texts
from tract import OpenAIClient, PendingCompression, Tract
from tract.curation.compress.summariser import ATTEMPTS
from tract.errors import CompressionError
from tract.maintenance.fsck.check import check_repository


def make_tract(path: Any = ":memory:", count: int = 6) -> Tract:
    t = Tract.open(path, tokenizer=Words(), durability="process")
    t.extend([{"role": "user", "content": f"message {at} with some words"} for at in range(count)])
    return t


def refuse(t: Tract, summary: str = "short", **options: Any) -> PendingCompression:
    """Let a summary be refused for what it lacks; the compression that waits then."""
    with pytest.raises(CompressionError) as caught:
        t.compress(summariser=lambda _: summary, must_keep=["30 days"], **options)
    (pending,) = (one for one in t.pending_compressions() if one.id == caught.value.pending)
    assert f"it waits as compression '{pending.id}'" in str(caught.value)
    return pending


def test_it_can_be_taken_all_the_same_or_edited_without_asking_again(tmp_path: Path, llm_server: LLMServer) -> None:
    t = make_tract(tmp_path)
    before = texts(t)
    llm_server.script(*["In short."] * ATTEMPTS)
    with OpenAIClient("key", llm_server.url) as client:
        t.configure_llm(client)
        with pytest.raises(CompressionError, match="it does not contain '30 days'"):
            t.compress(must_keep=["30 days"])
    t.close()

    t = make_tract(tmp_path, 0)
    (pending,) = t.pending_compressions()
    assert (before, True, "In short.") == (texts(t), pending.refused, pending.text)
    assert ["the summary is unfit: it does not contain '30 days'"] == [one.detail for one in pending.warnings]
    assert ATTEMPTS * 10 == sum(pending.parts[0].usage[key] for key in ("prompt_tokens", "completion_tokens"))
    with pytest.raises(CompressionError, match="the summary is refused: it does not contain '30 days'"):
        t.approve_compression(pending)
    edited = t.save_compression(pending.edit_summary("In short: 30 days."))
    assert (False, ()) == (edited.refused, edited.warnings)
    t.approve_compression(edited)

    assert ["In short: 30 days.", before[-1]] == texts(t)
    assert ([], ATTEMPTS) == (t.pending_compressions(), len(llm_server.requests()))
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)


def test_force_takes_it_as_it_is() -> None:
    t = make_tract()
    pending = refuse(t)

    done = t.approve_compression(pending.id, force=True)

    assert ("short", ["summary_unfit"]) == (texts(t)[0], [one.kind for one in done.warnings])


def test_one_that_is_too_long_waits_as_well() -> None:
    t = make_tract()

    with pytest.raises(CompressionError, match="more than the 41 of the messages it replaces; it waits") as caught:
        t.compress(summariser=lambda _: "word " * 90)

    assert caught.value.pending == t.pending_compressions()[0].id
    assert 6 == len(t.compile())


def test_the_newest_of_the_same_messages_takes_the_place_of_the_others() -> None:
    t = make_tract()
    first = refuse(t, "first")
    other = refuse(t, "of the last", from_commit="HEAD")
    edited = t.save_compression(refuse(t, "edited").edit_summary("by hand"))

    last = refuse(t, "last", keep_recent=2)

    assert {other.id, edited.id, last.id} == {one.id for one in t.pending_compressions()}
    assert first.id not in {one.id for one in t.pending_compressions()}


def test_a_compression_of_its_messages_leaves_none_behind() -> None:
    t = make_tract()
    refuse(t)
    t.compress(summariser=lambda _: "30 days", must_keep=["30 days"])

    assert [] == t.pending_compressions()


def test_a_refused_summary_of_the_users_own_does_not_wait() -> None:
    t = make_tract()

    with pytest.raises(CompressionError, match="the summary is refused") as caught:
        t.compress(content="short", must_keep=["30 days"])

    assert (None, []) == (caught.value.pending, t.pending_compressions())


def test_it_waits_also_where_a_review_was_asked_for() -> None:
    t = make_tract()

    pending = refuse(t, auto_commit=False)

    assert [pending] == t.pending_compressions()


def test_hidden_messages_are_counted_with_the_summary_they_leave_with() -> None:
    t = make_tract(count=9)
    ids = [info.commit_hash for info in reversed(t.log(None))]
    for at in (0, 2, 6):
        t.annotate(ids[at], "skip")
    t.annotate(ids[4], "pinned")

    plan = t.compress(each_run=True, keep_recent=1, dry_run=True)
    done = t.compress(each_run=True, keep_recent=1, summariser=lambda _: "Σ")

    assert (
        [(2, 2), (2, 1)]
        == [(part.messages, part.hidden) for part in done.parts]
        == [(p.messages, p.hidden) for p in plan.parts]
    )
    counts = [len(entry.sources) for entry in t.blame()]
    assert [4, 0, 3, 0] == counts
    assert counts[0] == len(t.expand(done.summary_hashes[0]).message_hashes)
