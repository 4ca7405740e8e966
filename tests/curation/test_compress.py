"""What a compression takes away and what it leaves: every row of DESIGN.md's section 5."""

from __future__ import annotations

from typing import Any

import pytest

from tests.curation.talking import compress, context, ids, make_tract, result
from tests.making import call, texts
from tract import (
    SummaryRequest,
    Tract,
)
from tract.errors import (
    CommitNotFoundError,
    CompressionError,
    DetachedHeadError,
    RefMovedError,
    TractError,
)


def test_everything_but_the_last_exchange_is_compressed_where_nobody_says_what() -> None:
    t, _ = make_tract("a", "b", "c", "d", "e", "f")

    done = compress(t)

    assert ["Σ", "e", "f"] == texts(t)
    assert (4, 1, True) == (done.messages, len(done.summary_hashes), done.is_committed)
    assert (t.head, "main") == (done.commit_hash, done.branch)


def test_of_a_long_exchange_the_last_ten_messages_stay() -> None:
    t, _ = make_tract("question")
    for at in range(15):
        t.assistant(str(at))

    compress(t)

    assert ["Σ", *map(str, range(5, 15))] == texts(t)


def test_a_range_takes_both_its_ends_and_leaves_what_is_around_it_in_order() -> None:
    t, (_, b, _, d, _, _) = make_tract("a", "b", "c", "d", "e", "f")

    done = compress(t, from_commit=b.commit_hash, to_commit=d.commit_hash[:8])

    assert ["a", "Σ", "e", "f"] == texts(t)
    (part,) = done.parts
    assert (3, b.commit_hash, d.commit_hash) == (part.messages, part.first, part.last)


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"keep_recent": 2}, ["Σ", "e", "f"]),
        ({"keep_recent": 0}, ["Σ"]),
        ({"to_commit": "HEAD"}, ["Σ"]),
        ({"from_commit": "HEAD~3"}, ["a", "b", "Σ"]),
        ({"from_commit": "HEAD~3", "keep_recent": 1}, ["a", "b", "Σ", "f"]),
        ({"commits": ["HEAD~4", "HEAD~1"]}, ["a", "Σ", "c", "d", "f"]),
        ({"commits": ["HEAD~4", "HEAD~1", "HEAD~5"]}, ["Σ", "c", "d", "f"]),
    ],
)
def test_what_goes_can_be_said_in_several_ways(options: dict[str, Any], left: list[str]) -> None:
    t, _ = make_tract("a", "b", "c", "d", "e", "f")

    compress(t, **options)

    assert left == texts(t)


def test_pins_stay_verbatim_under_their_own_ids_and_skips_leave() -> None:
    t, (_, b, c, d, _, _) = make_tract("a", "b", "c", "d", "e", "f")
    system = t.system("law")
    t.annotate(b.commit_hash, "pinned")
    t.annotate(d.commit_hash, "skip")

    done = compress(t, keep_recent=0, preserve=[c.commit_hash])

    assert ["Σ", "b", "c", "law"] == texts(t)
    assert [done.summary_hashes[0], b.commit_hash, c.commit_hash, system.commit_hash] == context(t)
    assert ((b.commit_hash, c.commit_hash, system.commit_hash), 1) == (done.kept, done.skipped_left)
    assert [b.commit_hash, system.commit_hash] == ids(t.pinned())


def test_pins_survive_every_later_compression() -> None:
    t, (a, *_) = make_tract("a", "b")
    t.annotate(a.commit_hash, "pinned")

    for round in range(5):
        t.user(f"more {round}")
        compress(t, f"Σ{round}", keep_recent=0)

    assert ["a", "Σ4"] == texts(t)
    assert a.commit_hash == context(t)[0]


def test_edits_are_honoured_in_what_is_summed_up_and_in_what_is_kept() -> None:
    t, (a, b, c, _) = make_tract("60 days", "60 pins", "c", "d")
    t.annotate(b.commit_hash, "pinned")
    t.edit(a.commit_hash, "30 days")
    t.edit(b.commit_hash, "30 pins")
    asked: list[SummaryRequest] = []

    compress(t, None, to_commit=c.commit_hash, summariser=lambda request: asked.append(request) or "Σ")

    assert ["Σ", "30 pins", "d"] == texts(t)
    assert ["30 days", "c"] == [message["content"] for message in asked[0].messages]
    assert ["30 pins", "d"] == [message["content"] for message in asked[0].after]


def test_one_summary_stands_for_all_unless_each_run_is_to_have_its_own() -> None:
    t, (_, b, *_) = make_tract("a", "b", "c", "d", "e")
    t.annotate(b.commit_hash, "pinned")
    t.branch("each")

    compress(t, keep_recent=1)
    assert ["Σ", "b", "e"] == texts(t)

    t.switch("each")
    done = compress(t, None, keep_recent=1, each_run=True, summariser=lambda request: f"Σ{len(request.messages)}")
    assert ["Σ1", "b", "Σ2", "e"] == texts(t)
    assert [1, 2] == [part.messages for part in done.parts]
    with pytest.raises(CompressionError, match="one content cannot stand for 2 runs"):
        t.compress(content="Σ", commits=[done.summary_hashes[0], done.summary_hashes[1]], each_run=True)


@pytest.mark.parametrize("half", [0, 1, 2])
def test_a_tool_call_and_its_results_go_together_or_stay_together(half: int) -> None:
    t, _ = make_tract("a")
    unit = t.extend(
        [{**call("1"), "tool_calls": [*call("1")["tool_calls"], *call("2")["tool_calls"]]}, result("1"), result("2")]
    )
    last = t.assistant("z")

    t.branch("pinned")
    done = compress(t, commits=[unit[half].commit_hash])
    assert ["a", "Σ", "z"] == texts(t)
    assert ["tool_pair_extended"] == [warning.kind for warning in done.warnings]

    t.switch("pinned")
    t.annotate(unit[half].commit_hash, "pinned")
    done = compress(t, to_commit=last.commit_hash)
    assert [done.summary_hashes[0], *ids(unit)] == context(t)
    assert ["tool_pair_kept"] == [warning.kind for warning in done.warnings]
    assert () == t.compile(strict=True).warnings


def test_a_unit_that_reaches_into_the_recent_part_stays() -> None:
    t, _ = make_tract("a", "b")
    unit = t.extend([call("1"), result("1")])

    done = compress(t, keep_recent=1)

    assert [done.summary_hashes[0], *ids(unit)] == context(t)
    assert [("tool_pair_kept", unit[0].commit_hash)] == [(one.kind, one.commit) for one in done.warnings]


def test_a_call_that_waits_for_its_result_stays() -> None:
    t, _ = make_tract("a", "b")
    (waiting,) = t.extend([call("1")])

    done = compress(t, keep_recent=0)
    t.extend([result("1")])

    assert [done.summary_hashes[0], waiting.commit_hash] == context(t)[:2]
    assert () == t.compile(strict=True).warnings


def test_half_of_a_pair_that_is_hidden_leaves_with_the_other() -> None:
    t, _ = make_tract("a", "b")
    unit = t.extend([call("1"), result("1")])
    t.user("z")
    t.annotate(unit[1].commit_hash, "skip")

    done = compress(t, commits=[*ids(t.log())[-2:], unit[0].commit_hash])

    assert ["Σ", "z"] == texts(t)
    assert (2, 2) == (done.messages, done.skipped_left)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"commits": []}, "no message there is shown"),
        ({"commits": ["HEAD~2"]}, "every message there is pinned, preserved or hidden"),
        ({"keep_recent": 9}, "no message before the recent part is shown"),
        ({"from_commit": "HEAD", "to_commit": "HEAD~1"}, "'HEAD~1' comes before 'HEAD'"),
        ({"commits": ["HEAD"], "to_commit": "HEAD"}, "a list of messages or a range, not both"),
        ({"to_commit": "HEAD", "keep_recent": 1}, "not both"),
        ({"keep_recent": -1}, "keep_recent must be a number"),
        ({"commits": "HEAD"}, "a list of revisions"),
        ({"target_tokens": 0}, "target_tokens must be a positive"),
        ({"content": " "}, "the summary is empty"),
        ({"must_keep": "30 days"}, "a list of texts and patterns"),
        ({"must_keep": [3]}, "takes texts and patterns"),
        ({"instructions": 3}, "instructions must be text"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(options: dict[str, Any], words: str) -> None:
    t, _ = make_tract("a", "b", "c")
    t.annotate("HEAD~2", "pinned")
    head = t.head

    with pytest.raises(CompressionError, match=words):
        t.compress(**{"content": "Σ", **options})

    assert head == t.head


def test_other_mistakes_have_their_own_errors() -> None:
    t, (a, *_) = make_tract("a", "b", "c")
    with pytest.raises(CommitNotFoundError):
        t.compress(content="Σ", commits=["nope"])
    with t.batch(), pytest.raises(TractError, match="cannot compress inside a batch"):
        t.compress(content="Σ")
    compress(t)
    with pytest.raises(CompressionError, match=f"message {a.commit_hash[:16]} is not in the context"):
        t.compress(content="Σ", commits=[a.commit_hash])
    with pytest.raises(CompressionError, match="'HEAD' is not a message"):
        t.compress(content="Σ", commits=["HEAD"])
    with pytest.raises(CompressionError, match="is a summary already"):
        t.compress(content="Σ")
    t.checkout(a.commit_hash)
    with pytest.raises(DetachedHeadError):
        t.compress(content="Σ")
    with Tract.open(":memory:") as empty, pytest.raises(CompressionError, match="no commit yet"):
        empty.compress(content="Σ")


def test_a_branch_that_another_handle_moved_is_not_compressed_unseen(tmp_path: Any) -> None:
    t, _ = make_tract("a", "b", "c", path=tmp_path)
    with make_tract("later", path=tmp_path)[0], pytest.raises(RefMovedError):
        t.compress(content="Σ")
    t.close()
