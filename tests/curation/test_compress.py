"""What a compression takes away and what it leaves: every row of DESIGN.md's section 5, and random contexts against a reference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tract import (
    CachePrices,
    CommitInfo,
    CompressResult,
    Summary,
    SummaryRequest,
    TokenBudgetConfig,
    Tract,
    TractConfig,
)
from tract.errors import (
    BudgetExceededError,
    CommitNotFoundError,
    CompressionError,
    ContentValidationError,
    DetachedHeadError,
    RefMovedError,
    TractError,
)
from tract.history.context import context_at, entries


class Words:
    """A counter that needs no vocabulary."""

    name = "words"

    def count(self, text: str) -> int:
        return len(text.split())


def make_tract(*said: str, path: Any = ":memory:", **options: Any) -> tuple[Tract, list[CommitInfo]]:
    """A tract with a message for each text: of the user, and the assistant in turn."""
    t = Tract.open(path, tokenizer=Words(), durability="process", **options)
    return t, [(t.user if at % 2 == 0 else t.assistant)(text) for at, text in enumerate(said)]


def texts(t: Tract) -> list[Any]:
    return [message["content"] for message in t.compile().to_openai()]


def ids(infos: Sequence[CommitInfo]) -> list[str]:
    return [info.commit_hash for info in infos]


def context(t: Tract) -> list[str]:
    """The ids of all messages at HEAD, hidden ones as well."""
    repo = t._base
    return [commit.hex() for commit, _ in entries(repo, context_at(repo, repo.head()[1]))]


def call(id: str) -> dict[str, Any]:
    function = {"name": "f", "arguments": "{}"}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": id, "type": "function", "function": function}]}


def result(id: str, text: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


def compress(t: Tract, content: str | None = "Σ", **options: Any) -> CompressResult:
    done = t.compress(content=content, **options)
    assert isinstance(done, CompressResult)
    return done


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
    t.branch("each", switch=False)

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
    unit = t.extend([{**call("1"), "tool_calls": [*call("1")["tool_calls"], *call("2")["tool_calls"]]}, result("1"), result("2")])
    last = t.assistant("z")

    t.branch("pinned", switch=False)
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
    with pytest.raises(CompressionError, match="'HEAD' is no message"):
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


def test_a_summary_longer_than_what_it_stands_for_is_refused_unless_forced() -> None:
    t, _ = make_tract("a", "b", "c")
    long = " ".join(["word"] * 20)

    with pytest.raises(CompressionError, match="it has 20 tokens, more than the 6 of what it stands for"):
        t.compress(content=long)
    done = compress(t, long, force=True)

    assert [long, "c"] == texts(t)
    assert ["summary_unfit"] == [warning.kind for warning in done.warnings]


def test_what_must_be_kept_and_the_target_hold_for_a_manual_summary_as_well() -> None:
    t, _ = make_tract("one two three four", "five six seven", "c")

    with pytest.raises(CompressionError, match=r"it does not contain '30 days', /.d\+ %/"):
        t.compress(content="short", must_keep=["30 days", re.compile(r"\d+ %")])
    done = compress(t, "one two three", target_tokens=2)

    assert ["target_missed"] == [warning.kind for warning in done.warnings]
    assert (t.log(1)[0].metadata or {})["missed"] == [done.warnings[0].detail]


def test_the_commit_says_what_was_compressed_and_by_whom() -> None:
    t, (a, _, c, _) = make_tract("a b c d", "e f g h", "i j k", "z")
    t.annotate("HEAD~2", "pinned")
    answer = Summary("Σ", {"model": "m"}, {"input_tokens": 7}, "summary@1")

    done = compress(t, None, target_tokens=50, keep_recent=1, summariser=lambda _: answer, message="tidy")

    info = t.log(1)[0]
    assert ("compress", "tidy", 5) == (info.operation, info.message, (info.metadata or {})["compressed"][0]["tokens_after"])
    assert {
        "compressed": [
            {
                "summary": done.summary_hashes[0],
                "messages": 2,
                "first": a.commit_hash,
                "last": c.commit_hash,
                "tokens_before": 15,
                "tokens_after": 5,
                "summarised_by": {"model": "m", "prompt": "summary", "prompt_version": "1", "usage": {"input_tokens": 7}},
            }
        ],
        "target_tokens": 50,
        "skipped_left": 0,
        "kept": 1,
    } == info.metadata
    summary = t.get_commit(done.summary_hashes[0])
    assert ("Compressed 2 messages", {"model": "m"}) == (summary.message, summary.generation_config)
    assert "user" == t.compile().messages[0].role


def test_a_summary_that_opens_the_conversation_is_the_users_for_some_providers_take_no_other() -> None:
    t, (_, b, c, d, _) = make_tract("a b c d", "e f g h", "i j k l", "m n o p", "z")
    t.system("terse")
    t.reorder(["HEAD"])

    compress(t, "first", to_commit=b.commit_hash)
    compress(t, "second", commits=[c.commit_hash, d.commit_hash])

    assert ["system", "user", "assistant", "user"] == [message.role for message in t.compile().messages]
    assert "user" == t.compile().to_anthropic()["messages"][0]["role"]


def test_of_several_summaries_each_keeps_what_its_own_messages_say() -> None:
    t, _ = make_tract("red one two", "pin", "blue one two", "z")
    t.annotate("HEAD~2", "pinned")
    asked: list[tuple[str, ...]] = []

    def answer(request: SummaryRequest) -> str:
        asked.append(request.must_keep)
        return " ".join(request.must_keep)

    done = compress(t, None, summariser=answer, each_run=True, keep_recent=1, must_keep=["red", "blue"])

    assert [("red",), ("blue",)] == asked
    assert ["red", "blue"] == [part.text for part in done.parts]
    t.undo()
    with pytest.raises(CompressionError, match="'green'"):
        compress(t, None, summariser=lambda _: "red blue", each_run=True, keep_recent=1, must_keep=["green"])


def test_a_dry_run_of_a_summary_of_ones_own_is_what_the_run_would_be() -> None:
    t, _ = make_tract("a b c", "d e f", "z")

    plan = compress(t, "one two three", target_tokens=2, dry_run=True)
    done = compress(t, "one two three", target_tokens=2)

    assert (plan.warnings, plan.prefix, plan.tokens_after) == (done.warnings, done.prefix, done.tokens_after)
    t.undo()
    for options in ({"content": "far too long " * 9}, {"content": "x", "must_keep": ["fact"]}):
        with pytest.raises(CompressionError, match="the summary is refused"):
            t.compress(**options, dry_run=True)


def test_a_summary_has_the_limits_of_any_message_and_is_not_remembered_when_it_breaks_them() -> None:
    t, _ = make_tract("a b c", "d e f", "z", config=TractConfig(max_message_size=100))

    with pytest.raises(ContentValidationError, match="max_message_size"):
        compress(t, None, summariser=lambda _: "x" * 200)

    assert "short" == compress(t, None, summariser=lambda _: "short").text


def test_the_window_and_the_prices_can_be_settings(tmp_path: Any) -> None:
    prices = CachePrices(0.5, 1.0, 4.0)
    config = TractConfig(summary_window=500, cache_read_price=0.5, cache_write_price=1, output_price=4.0)
    make_tract(*["word " * 40] * 20, path=tmp_path, config=config)[0].close()
    seen: list[int] = []

    with Tract.open(tmp_path, tokenizer=Words()) as t:
        assert compress(t, "x", dry_run=True).prefix == compress(t, "x", dry_run=True, prices=prices).prefix
        assert compress(t, "x", dry_run=True).prefix != compress(t, "x", dry_run=True, prices=CachePrices()).prefix
        compress(t, None, summariser=lambda _: "x", progress=lambda done, _: seen.append(done))

    assert len(seen) > 2
    with pytest.raises(CompressionError, match="window"):
        t.compress(summariser=lambda _: "x", window=0)


def test_what_makes_a_context_longer_is_held_to_the_budget() -> None:
    t, _ = make_tract("a b c d e f", "g h i j k l", "z", config=TractConfig(token_budget=TokenBudgetConfig(45, "reject")))
    before = context(t)

    with pytest.raises(BudgetExceededError):
        compress(t, "many words " * 20, force=True)
    done = compress(t, "short")
    t.user("words " * 18)
    with pytest.raises(BudgetExceededError):
        t.expand(done.summary_hashes[0])
    assert "full" == t.expand(done.summary_hashes[0], branch="full").branch
    t.undo()
    t.reset(done.commit_hash or "")
    t.expand(done.summary_hashes[0])

    assert before == context(t)


def test_a_role_that_is_none_is_refused_before_anybody_is_asked() -> None:
    t, _ = make_tract("a", "b", "c")
    asked: list[SummaryRequest] = []

    with pytest.raises(ContentValidationError, match="role"):
        t.compress(summariser=lambda request: asked.append(request) or "Σ", role="")

    assert [] == asked


def test_the_role_and_the_whole_content_can_be_chosen() -> None:
    t, _ = make_tract("a", "b", "c", "d", "e")
    compress(t, "Σ", role="user", commits=["HEAD~4", "HEAD~3"])
    compress(t, {"role": "system", "content": "Σ2"}, commits=["HEAD~1"])  # type: ignore[arg-type]

    assert [("user", "Σ"), ("user", "c"), ("assistant", "d"), ("system", "Σ2")] == [
        (message.role, message.content) for message in t.compile().messages
    ]


def test_a_dry_run_changes_nothing_and_says_what_it_costs() -> None:
    t, _ = make_tract("one two three four five six", "b " * 40, "c", "d")
    head = t.head

    done = compress(t, None, dry_run=True, target_tokens=10)

    assert (head, None, False, 2) == (t.head, done.commit_hash, done.is_committed, done.messages)
    cost = done.prefix
    assert (0, 64, 20) == (cost.common_tokens, cost.invalidated_tokens, cost.new_tokens)
    assert 54 + 5 * 10 == cost.summarising_cost
    # (104 + 1.15 * 20) / (0.1 * 44) = 28.9
    assert 29 == cost.break_even_calls


def test_the_cost_is_the_one_that_the_compiled_contexts_show() -> None:
    t, (_, b, _, d, _, _) = make_tract("system", "a word", "b words", "c words here", "d", "e")
    before = t.compile()

    done = compress(t, from_commit=b.commit_hash, to_commit=d.commit_hash)

    change = t.compile().prefix_change(before)
    assert (change.common_tokens, change.invalidated_tokens) == (done.prefix.common_tokens, done.prefix.invalidated_tokens)
    assert sum(t.compile().token_counts) - change.common_tokens == done.prefix.new_tokens
    assert done.commit_hash == change.first_changed_commit


def test_a_compression_is_undone_like_anything_else() -> None:
    t, _ = make_tract("a", "b", "c")
    compress(t)
    t.undo()
    assert ["a", "b", "c"] == texts(t)


# Random contexts against a reference


class Said(NamedTuple):
    id: str
    priority: str
    text: str
    unit: int


KINDS = st.sampled_from(["user", "assistant", "tool"])
PRIORITIES = st.sampled_from(["normal", "normal", "normal", "pinned", "skip"])
ITEMS = st.lists(st.tuples(KINDS, PRIORITIES, PRIORITIES, st.booleans()), min_size=1, max_size=9)


def build(t: Tract, items: Sequence[tuple[str, str, str, bool]]) -> list[Said]:
    said: list[Said] = []
    for number, (kind, first, second, is_edited) in enumerate(items):
        if kind == "tool":
            halves = t.extend([call(f"c{number}"), result(f"c{number}", f"r{number}")])
            said += [Said(one.commit_hash, p, "", number) for one, p in zip(halves, (first, second), strict=True)]
            continue
        one = t.user(f"m{number}") if kind == "user" else t.assistant(f"m{number}")
        said.append(Said(one.commit_hash, first, f"m{number}!" if is_edited else f"m{number}", number))
        if is_edited:
            t.edit(one.commit_hash, f"m{number}!")
    for one in said:
        if one.priority != "normal":
            t.annotate(one.id, one.priority)
    return said


def reference(said: Sequence[Said], chosen: set[str]) -> tuple[list[str], list[str]]:
    """The ids of the context afterwards, the summary being Σ, and of what it stands for."""
    units = [{one.id for one in said if one.unit == number} for number in {one.unit for one in said}]
    pinned = {one.id for one in said if one.priority == "pinned"}
    skipped = {one.id for one in said if one.priority == "skip"}
    going = set().union(*(unit for unit in units if unit & chosen and not unit & pinned))
    hidden = set().union(*(unit for unit in units if unit & skipped))
    summed = [one.id for one in said if one.id in going - hidden]
    after = [x for one in said for x in ([*["Σ"] * (one.id == summed[0])] if summed else []) + [one.id] * (one.id not in going)]
    return after, summed


@settings(max_examples=150, deadline=None)
@given(ITEMS, st.data())
def test_random_contexts_and_choices_are_as_a_reference_says(items: list[Any], data: st.DataObject) -> None:
    with Tract.open(":memory:", tokenizer=Words()) as t:
        said = build(t, items)
        chosen = data.draw(st.sets(st.sampled_from([one.id for one in said])))
        after, summed = reference(said, chosen)
        before = context(t)
        asked: list[SummaryRequest] = []
        options: dict[str, Any] = {"commits": sorted(chosen), "summariser": lambda r: asked.append(r) or "Σ", "force": True}
        if not summed:
            with pytest.raises(CompressionError, match="nothing to compress"):
                t.compress(**options)
            assert before == context(t)
            return

        done = compress(t, None, **options)

        (summary,) = done.summary_hashes
        assert [summary if id == "Σ" else id for id in after] == context(t)
        plain = {one.id: one.text for one in said}
        assert [plain[id] for id in summed if plain[id]] == [
            m["content"] for m in asked[0].messages if str(m["content"]).startswith("m")
        ]
        assert not [w for w in t.compile().warnings if w.kind.startswith(("unpaired", "misplaced"))]
        t.expand(summary)
        assert before == context(t)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ITEMS, st.integers(0, 3)), min_size=1, max_size=4))
def test_pins_survive_random_compressions_one_after_the_other(rounds: list[Any]) -> None:
    with Tract.open(":memory:", tokenizer=Words()) as t:
        pins: list[tuple[str, Any]] = []
        for items, keep in rounds:
            said = build(t, items)
            pins += [(one.id, t.get_content(one.id)) for one in said if one.priority == "pinned"]
            contents = {id: blob for id, blob in entries_of(t).items() if id in dict(pins)}
            with suppress(CompressionError):  # where nothing is left to compress
                t.compress(content="Σ", keep_recent=keep, force=True)
            assert contents == {id: blob for id, blob in entries_of(t).items() if id in dict(pins)}
            assert [id for id, _ in pins] == [id for id in context(t) if id in dict(pins)]
            assert not [w for w in t.compile().warnings if w.kind.startswith(("unpaired", "misplaced"))]


def entries_of(t: Tract) -> dict[str, str]:
    repo = t._base
    return {commit.hex(): blob.hex() for commit, blob in entries(repo, context_at(repo, repo.head()[1]))}
