"""Tokens of a context: estimated, counted by a provider, and against a budget."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.making import Letters, Words, make_tract
from tract import (
    BudgetAction,
    BudgetExceededError,
    BudgetWarning,
    CommitNotFoundError,
    EstimateTokenCounter,
    NullTokenCounter,
    Priority,
    RecordContent,
    TokenBudgetConfig,
    TokenizerError,
    Tract,
    TractConfig,
)
from tract.tokens.counted import REPLY_PRIMING, count_message


def budget(limit: int, action: str = "reject", callback=None) -> TractConfig:
    return TractConfig(token_budget=TokenBudgetConfig(limit, BudgetAction(action), callback))


def figures(t: Tract) -> tuple[int, str]:
    context = t.compile()
    assert (context.token_count, context.token_source) == (t.status().token_count, t.status().token_source)
    return context.token_count, context.token_source


@given(st.lists(st.text("ab ", max_size=8), max_size=40))
def test_the_counts_of_the_messages_are_a_direct_count(texts):
    t = make_tract(*texts)
    context = t.compile()

    direct = [count_message(Words(), message) for message in context.messages]

    assert direct == context.token_counts
    assert sum(direct) + (REPLY_PRIMING if texts else 0) == context.token_count


def test_an_older_context_keeps_its_counts_when_the_history_goes_on():
    t = make_tract("a", "b c")
    old = t.compile()
    t.user("d e f")
    new = t.compile()

    assert ([5, 6], [5, 6, 7]) == (list(old.token_counts), list(new.token_counts))
    assert (14, 21) == (old.token_count, new.token_count)


def test_recorded_usage_is_the_figure_until_something_changes():
    t = make_tract("a")

    recorded = t.record_usage({"prompt_tokens": 100, "completion_tokens": 9})

    assert (100, "api:100+0") == (recorded.token_count, recorded.token_source) == figures(t)


def test_an_answers_usage_includes_the_answer():
    t = make_tract("a")

    t.assistant("b c", usage={"prompt_tokens": 100, "completion_tokens": 20})

    assert (120, "api:120+0") == figures(t)


def test_the_first_commits_usage_counts_once_what_begins_the_answer():
    t = make_tract()

    t.assistant("b c", usage={"prompt_tokens": 10, "completion_tokens": 2})

    assert (12, "api:12+0") == figures(t)


def test_what_changes_after_the_usage_is_estimated_on_top():
    t = make_tract("a b c")
    t.record_usage({"input_tokens": 100})

    steps = []
    t.user("d")
    steps.append(figures(t))
    t.edit("HEAD~1", "a")
    steps.append(figures(t))
    t.annotate("HEAD~2", Priority.SKIP)
    steps.append(figures(t))

    assert [(105, "api:100+5"), (103, "api:100+3"), (98, "api:100-2")] == steps


def test_an_edit_with_usage_is_counted_as_what_it_replaced():
    t = make_tract("a b c", "d")

    t.edit("HEAD", "x y", usage={"input_tokens": 50, "output_tokens": 2})

    assert (52, "api:52+0") == figures(t)


def test_usage_of_an_earlier_commit_counts_for_what_came_after_it():
    t = make_tract("a", "b", "c")

    t.record_usage({"input_tokens": 40}, head_hash="HEAD~1")

    assert (45, "api:40+5") == figures(t)
    assert (40, "words") == (t.compile(at_commit="HEAD~1").token_count, t.compile(at_commit="HEAD~2").token_source)


def test_the_newest_usage_on_the_way_counts():
    t = make_tract("a")
    t.record_usage({"input_tokens": 40})
    t.record_usage({"input_tokens": 41})
    t.user("b")
    t.record_usage({"input_tokens": 60})

    assert (60, "api:60+0") == figures(t)
    assert "api:41+0" == t.compile(at_commit="HEAD~1").token_source


def test_usage_survives_reopening_and_another_counter(tmp_path):
    with make_tract("one two", path=tmp_path) as t:
        t.record_usage({"input_tokens": 100})
        t.user("three")

    with make_tract(path=tmp_path) as t:
        assert (105, "api:100+5") == figures(t)
    with make_tract(path=tmp_path, tokenizer=Letters()) as t:
        assert (112, "api:100+12") == figures(t)


def test_a_rejected_commit_moves_nothing_and_leaves_no_lock(tmp_path):
    config = budget(13)
    t = make_tract("a", path=tmp_path, config=config)
    head = t.head

    for commit in (
        lambda: t.user("b c"),
        lambda: t.extend([{"role": "user", "content": "b"}, {"role": "user", "content": "c"}]),
        lambda: t.edit("HEAD", "a b c d e f g"),
    ):
        with pytest.raises(BudgetExceededError, match="over the limit of 13") as caught:
            commit()
        assert (8, 13) == (caught.value.current, caught.value.limit)

    assert (head, 1) == (t.head, len(t.log()))
    with make_tract("b", path=tmp_path):
        assert 13 == t.compile().token_count


def test_a_context_may_fill_the_budget_to_the_last_token():
    t = make_tract(config=budget(13))

    t.user("a")
    t.user("b")

    assert 13 == t.compile().token_count


def test_the_first_message_counts_what_begins_the_answer():
    t = make_tract(config=budget(7))

    with pytest.raises(BudgetExceededError):
        t.user("a")

    assert t.head is None


def test_what_makes_the_context_smaller_is_never_rejected():
    t = make_tract("a b c d e f g h", config=budget(20))

    t.edit("HEAD", "a")

    assert 8 == t.compile().token_count


def test_an_edit_of_a_hidden_message_costs_nothing():
    t = make_tract("a", config=budget(8))
    t.annotate("HEAD", Priority.SKIP)

    t.edit("HEAD", "a b c d e f g")

    assert 0 == t.compile().token_count


def test_recorded_usage_counts_for_the_budget():
    t = make_tract("a", config=budget(100))
    t.record_usage({"input_tokens": 99})

    with pytest.raises(BudgetExceededError) as caught:
        t.user("b")

    assert (99, 5) == (caught.value.current, caught.value.added)


def test_a_budget_that_warns_lets_the_commit_through():
    t = make_tract("a", config=TractConfig(token_budget=10))

    with pytest.warns(BudgetWarning, match="token budget exceeded: 13 of 10 tokens") as told:
        t.user("b")

    assert 13 == t.compile().token_count
    assert __file__ == told[0].filename  # the caller's line, not one of tract's


def test_a_budgets_callback_is_told_and_may_refuse():
    calls = []

    def callback(tokens: int, limit: int) -> None:
        calls.append((tokens, limit))
        if tokens > 15:
            raise ZeroDivisionError

    t = make_tract("a", config=budget(10, "callback", callback))
    t.user("b")
    with pytest.raises(ZeroDivisionError):
        t.user("c")

    assert ([(13, 10), (18, 10)], 13) == (calls, t.compile().token_count)


class Faulty:
    name = "faulty"

    def __init__(self, answer) -> None:
        self.answer = answer

    def count(self, text: str) -> int:
        if isinstance(self.answer, type):
            raise self.answer("broken")
        return self.answer


@pytest.mark.parametrize("answer", [-1, 1.5, None, True, "3", 2**40, ValueError, RuntimeError])
def test_a_counter_that_fails_or_lies_is_named_and_leaves_nothing(answer, tmp_path):
    t = make_tract(path=tmp_path, tokenizer=Faulty(answer), config=budget(10))

    with pytest.raises(TokenizerError, match="'faulty'"):
        t.user("a")
    assert t.head is None
    t.close()

    with make_tract("a", path=tmp_path, tokenizer=Faulty(answer), config=TractConfig(token_budget=None)) as t:
        with pytest.raises(TokenizerError, match="'faulty'"):
            t.compile().token_count  # noqa: B018
        assert ["a"] == [message.content for message in t.compile().messages]


@pytest.mark.parametrize(
    ("counter", "source", "total"),
    [(NullTokenCounter(), "null", 6), (EstimateTokenCounter(), "estimate", 8), (Letters(), "letters", 15)],
)
def test_any_counter_can_be_plugged_in(counter, source, total):
    t = make_tract("hello", tokenizer=counter)

    assert (total, source) == figures(t)


def test_usage_that_is_recorded_after_the_answer_is_the_answers():
    t = make_tract("a", "b")
    t.assistant("an answer of some words")

    t.record_usage({"prompt_tokens": 31, "completion_tokens": 602})

    assert (633, "api:633+0") == (t.status().token_count, t.status().token_source)
    t.user("c")
    assert 633 < t.status().token_count


def test_records_behind_an_answer_leave_its_usage_to_it():
    t = make_tract("a")
    answer = t.assistant("an answer of some words")
    t.commit(RecordContent("state", {"step": 1}))

    t.record_usage({"prompt_tokens": 31, "completion_tokens": 602})

    assert (633, "api:633+0") == (t.status().token_count, t.status().token_source)
    assert 31 == t.get_commit(answer).usage.input_tokens


def test_usage_for_a_commit_without_a_name_is_refused():
    with pytest.raises(CommitNotFoundError, match="a non-empty text"):
        make_tract("a").record_usage({"prompt_tokens": 31}, head_hash="")


def test_usage_without_output_is_that_of_what_was_sent_also_at_an_answer():
    t = make_tract("a")
    t.assistant("b")

    t.record_usage({"prompt_tokens": 31})

    assert "api:31+0" == t.status().token_source
