"""What a compression is held to, what it says of itself, and what it costs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.curation.talking import compress, context, make_tract
from tests.making import Words, call, texts
from tract import (
    CachePrices,
    Summary,
    SummaryRequest,
    TokenBudgetConfig,
    Tract,
    TractConfig,
)
from tract.errors import (
    BudgetExceededError,
    CompressionError,
    ContentValidationError,
)


def test_a_summary_longer_than_what_it_stands_for_is_refused_unless_forced() -> None:
    t, _ = make_tract("a", "b", "c")
    long = " ".join(["word"] * 20)

    with pytest.raises(CompressionError, match="it has 20 tokens, more than the 6 of the messages it replaces"):
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
    assert ("compress", "tidy", 5) == (
        info.operation,
        info.message,
        (info.metadata or {})["compressed"][0]["tokens_after"],
    )
    assert {
        "compressed": [
            {
                "summary": done.summary_hashes[0],
                "messages": 2,
                "first": a.commit_hash,
                "last": c.commit_hash,
                "tokens_before": 15,
                "tokens_after": 5,
                "summarised_by": {
                    "model": "m",
                    "prompt": "summary",
                    "prompt_version": "1",
                    "usage": {"input_tokens": 7},
                },
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
    t, _ = make_tract(
        "a b c d e f", "g h i j k l", "z", config=TractConfig(token_budget=TokenBudgetConfig(45, "reject"))
    )
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
    assert (change.common_tokens, change.invalidated_tokens) == (
        done.prefix.common_tokens,
        done.prefix.invalidated_tokens,
    )
    assert sum(t.compile().token_counts) - change.common_tokens == done.prefix.new_tokens
    assert done.commit_hash == change.first_changed_commit


def test_a_compression_is_undone_like_anything_else() -> None:
    t, _ = make_tract("a", "b", "c")
    compress(t)
    t.undo()
    assert ["a", "b", "c"] == texts(t)


def test_a_result_that_is_made_up_leaves_with_its_call_and_is_counted_so() -> None:
    t, _ = make_tract("begin")
    made = t.commit(call("a"))
    t.user("and on it went")
    before = t.compile()

    planned = t.compress(commits=[made.commit_hash], content="x", dry_run=True)
    done = t.compress(commits=[made.commit_hash], content="x")

    after = sum(before.token_counts) - done.tokens_before + done.tokens_after
    assert after == sum(t.compile().token_counts)
    assert (planned.tokens_before, planned.tokens_after) == (done.tokens_before, done.tokens_after)
    assert before.token_counts[1] == planned.tokens_before
