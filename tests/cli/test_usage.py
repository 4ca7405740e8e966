"""``tract usage``."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tract import Tract


@pytest.fixture
def spent(run, tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("hi")
        for model, tokens, day in (("big", 100, 2), ("small", 50, 2), ("big", 7, 3)):
            t.commit(
                {"role": "assistant", "content": "yes"},
                generation_config={"model": model},
                usage={"prompt_tokens": tokens, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}},
                timestamp=datetime(2026, 3, day, 12, tzinfo=UTC),
            )
    return run


def test_the_table_has_a_line_for_each_day_branch_and_model_and_a_total(spent):
    expected = """\
day         branch  model  calls   in  out  cache read  cache written
2026-03-02  main    big        1  100    5           4              0
2026-03-02  main    small      1   50    5           4              0
2026-03-03  main    big        1    7    5           4              0
total                          3  157   15          12              0
"""
    assert expected == spent("usage").out


def test_json_has_rows_and_a_total(spent):
    value = spent("usage", "--by", "model,day", "--json").json

    assert ["model", "day"] == value["by"]
    assert [("big", "2026-03-02", 100), ("small", "2026-03-02", 50), ("big", "2026-03-03", 7)] == [
        (row["model"], row["day"], row["input_tokens"]) for row in value["rows"]
    ]
    assert (3, 157, 15, 12) == tuple(
        value["total"][key] for key in ("calls", "input_tokens", "output_tokens", "cache_read_tokens")
    )


def test_a_period_and_a_branch_can_be_named(spent):
    assert 2 == spent("usage", "--until", "2026-03-03T00:00+00:00", "--json").json["total"]["calls"]
    assert 1 == spent("usage", "--since", "2026-03-03T00:00Z", "--branch", "main", "--json").json["total"]["calls"]
    assert 128 == spent("usage", "--branch", "nope").status


def test_the_total_alone_is_one_line(spent):
    assert ["3  157   15          12              0"] == [
        line.strip() for line in spent("usage", "--by", "").out.splitlines()[1:]
    ]


@pytest.mark.parametrize(("argv", "status"), [(("--since", "someday"), 2), (("--by", "price"), 128)])
def test_a_question_that_makes_no_sense_is_refused(spent, argv, status):
    outcome = spent("usage", *argv)

    assert (status, "") == (outcome.status, outcome.out)
    assert argv[1] in outcome.err


def test_nothing_used_says_so(run):
    assert "no usage recorded\n" == run("usage").out
    assert {"by": ["model", "branch", "day"], "rows": []}.items() <= run("usage", "--json").json.items()


def test_what_a_provider_counted_is_recorded_for_the_context_it_was_sent(run, tmp_path):
    with Tract.open(tmp_path) as t:
        first = t.user("hi").commit_hash
        t.user("there")

    assert "40 tokens (api:40+0)\n" == run("usage", "--record", '{"input_tokens": 40, "output_tokens": 2}').out
    assert {"token_count": 9, "token_source": "api:9+0"} == run(
        "usage", "--record", '{"prompt_tokens": 9, "completion_tokens": 1}', "--at", first, "--json"
    ).json
    assert (2, 49) == tuple(run("usage", "--json").json["total"][key] for key in ("calls", "input_tokens"))


def test_an_answers_usage_comes_with_its_commit(run, tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("hi")

    run("commit", "--role", "assistant", "--usage", '{"input_tokens": 7, "output_tokens": 2}', "ho")

    with Tract.open(tmp_path) as t:
        assert ("api:9+0", 2) == (t.compile().token_source, t.get_commit("HEAD").usage.output_tokens)


@pytest.mark.parametrize(
    ("argv", "status", "problem"),
    [
        (("usage", "--record", "{}"), 128, "usage of unknown shape"),
        (("usage", "--record", '{"input_tokens": -1}'), 128, "must be a number of tokens"),
        (("usage", "--record", "nonsense"), 128, "--record is not JSON"),
        (("usage", "--record", '{"input_tokens": 1}', "--by", "day"), 2, "--record goes with --at and --json only"),
        (("usage", "--at", "HEAD"), 2, "--at goes with --record"),
        (("commit", "--usage", '{"output_tokens": 1}', "x"), 128, "usage of unknown shape"),
    ],
)
def test_usage_that_makes_no_sense_is_refused_and_nothing_recorded(run, tmp_path, argv, status, problem):
    with Tract.open(tmp_path) as t:
        t.user("hi")

    outcome = run(*argv)

    assert status == outcome.status
    assert problem in outcome.err
    with Tract.open(tmp_path) as t:
        assert (1, 0) == (len(t.compile()), t.usage().total.calls)
