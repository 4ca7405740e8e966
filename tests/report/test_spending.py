"""What recorded usage adds up to, by model, branch and day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from tract import BranchNotFoundError, ContentValidationError, TimeArgumentError, Tract, UsageRow

MONDAY, TUESDAY = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 3, 12, tzinfo=UTC)


def usage(input: int, output: int, read: int = 0, created: int = 0) -> dict[str, int]:
    return {
        "input_tokens": input - read - created,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": created,
        "output_tokens": output,
    }


def answer(t: Tract, model: str | None, tokens: dict[str, int], when: datetime = MONDAY, text: str = "yes") -> str:
    config = None if model is None else {"model": model}
    said = {"role": "assistant", "content": text}
    return t.commit(said, generation_config=config, usage=tokens, timestamp=when).commit_hash


def make_tract() -> Tract:
    """Three calls on main, of two models and on two days, and one on a branch."""
    t = Tract.open(":memory:")
    t.user("hi")
    answer(t, "big", usage(100, 10, read=60, created=20))
    answer(t, "small", usage(50, 5))
    t.branch("side", switch=True)
    answer(t, "big", usage(7, 3), TUESDAY, "no")
    t.switch("main")
    answer(t, "big", usage(200, 20), TUESDAY)
    return t


def test_calls_are_told_apart_by_day_branch_and_model():
    report = make_tract().usage()

    assert (
        UsageRow(
            model="big",
            branch="main",
            day=date(2026, 3, 2),
            calls=1,
            input_tokens=100,
            output_tokens=10,
            cache_read_tokens=60,
            cache_creation_tokens=20,
        ),
        UsageRow(model="small", branch="main", day=date(2026, 3, 2), calls=1, input_tokens=50, output_tokens=5),
        UsageRow(model="big", branch="main", day=date(2026, 3, 3), calls=1, input_tokens=200, output_tokens=20),
        UsageRow(model="big", branch="side", day=date(2026, 3, 3), calls=1, input_tokens=7, output_tokens=3),
    ) == report.rows
    assert (
        UsageRow(calls=4, input_tokens=357, output_tokens=38, cache_read_tokens=60, cache_creation_tokens=20)
        == report.total
    )
    assert 395 == report.total.total_tokens


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        (("model",), [("big", None, None, 3), ("small", None, None, 1)]),
        (("branch",), [(None, "main", None, 3), (None, "side", None, 1)]),
        ("day", [(None, None, date(2026, 3, 2), 2), (None, None, date(2026, 3, 3), 2)]),
        ((), [(None, None, None, 4)]),
    ],
)
def test_what_is_not_told_apart_is_added_up(by, rows):
    assert rows == [(row.model, row.branch, row.day, row.calls) for row in make_tract().usage(by=by).rows]


def test_a_branch_shows_all_of_its_history():
    report = make_tract().usage(branch="side", by=("branch",))

    assert [("side", 3, 157)] == [(row.branch, row.calls, row.input_tokens) for row in report.rows]


@pytest.mark.parametrize(
    ("limits", "calls"),
    [
        ({"since": TUESDAY}, 2),
        ({"until": TUESDAY}, 2),
        ({"since": MONDAY, "until": MONDAY}, 0),
        ({"since": MONDAY + timedelta(seconds=1)}, 2),
        ({"since": datetime(2026, 3, 3, 1, tzinfo=timezone(timedelta(hours=9)))}, 2),
    ],
)
def test_a_period_includes_its_beginning_and_not_its_end(limits, calls):
    assert calls == make_tract().usage(**limits).total.calls


def test_usage_recorded_for_what_was_sent_is_the_model_that_answered():
    t = Tract.open(":memory:")
    t.user("hi")
    t.record_usage({"prompt_tokens": 9, "completion_tokens": 2})
    t.commit({"role": "assistant", "content": "yes"}, generation_config={"model": "m"})

    assert [("m", 9, 2)] == [(row.model, row.input_tokens, row.output_tokens) for row in t.usage().rows]


def test_an_answer_not_committed_yet_is_of_no_known_model():
    t = Tract.open(":memory:")
    t.user("hi")
    t.record_usage({"prompt_tokens": 9})

    assert [None] == [row.model for row in t.usage().rows]


def test_two_calls_for_one_context_are_two():
    t = Tract.open(":memory:")
    t.user("hi")
    for _ in range(2):
        t.record_usage({"prompt_tokens": 9})

    assert (2, 18) == (t.usage().total.calls, t.usage().total.input_tokens)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ({"role": "assistant", "content": "yes"}, {"metadata": {"model": "m"}}),
        (
            {
                "role": "assistant",
                "type": "message",
                "model": "m",
                "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "yes"}],
            },
            {},
        ),
    ],
)
def test_the_model_may_be_in_the_metadata_or_in_the_providers_message(content, options):
    t = Tract.open(":memory:")
    t.commit(content, usage={"prompt_tokens": 1}, **options)

    assert ["m"] == [row.model for row in t.usage(by=("model",)).rows]


def test_an_answer_that_an_import_makes_again_after_a_reset_is_one_call():
    t = Tract.open(":memory:")
    t.user("hi", timestamp=MONDAY)
    first = answer(t, "big", usage(100, 10))
    t.reset("HEAD~1", "hard")
    assert first == answer(t, "big", usage(100, 10))
    assert 1 == t.usage().total.calls

    t.record_usage(usage(100, 10))
    assert 2 == t.usage().total.calls


def test_usage_survives_and_is_this_tracts_alone(tmp_path):
    with Tract.open(tmp_path) as t, Tract.open(tmp_path, tract_id="other") as other:
        answer(t, "m", usage(5, 1))
        assert 0 == other.usage().total.calls

    with Tract.open(tmp_path) as t:
        assert 1 == t.usage().total.calls


def test_an_empty_tract_used_nothing():
    report = Tract.open(":memory:").usage()

    assert ((), UsageRow()) == (report.rows, report.total)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"by": ("model", "price")}, ContentValidationError),
        ({"by": (1,)}, ContentValidationError),
        ({"since": datetime(2026, 1, 1)}, TimeArgumentError),
        ({"branch": "nope"}, BranchNotFoundError),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(options, error):
    with pytest.raises(error):
        make_tract().usage(**options)
