"""Settings: what they may be, and their table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tract.config import (
    FOR_EVER,
    SCANS,
    BudgetAction,
    Retention,
    TokenBudgetConfig,
    TractConfig,
    from_table,
    read_retention,
    to_table,
)
from tract.errors import ConfigError, InvalidBranchNameError
from tract.objects.codec import MAX_DEPTH, MAX_SIZE
from tract.refs.names import name_problem
from tract.settings import read_config, write_config

NAME = st.text(min_size=1, max_size=20).filter(str.isprintable)
BUDGET = st.integers(1, 2**62) | st.builds(TokenBudgetConfig, st.integers(1, 2**62), st.sampled_from(BudgetAction))


SETTINGS = st.builds(
    TractConfig,
    token_budget=st.none() | BUDGET,
    tokenizer_encoding=NAME,
    default_branch=NAME.filter(lambda name: name_problem(name) is None),
    compile_cache_maxsize=st.integers(1, 1000),
    author=st.none() | NAME,
    record_scan=st.sampled_from([None, *SCANS]),
)


@given(SETTINGS)
def test_settings_come_back_from_their_table(config):
    again = from_table(to_table(config))

    assert (config.budget, to_table(config)) == (again.budget, to_table(again))


def test_the_defaults_need_no_table():
    assert {} == to_table(TractConfig())
    assert TractConfig() == from_table({})


def test_a_number_is_a_budget_that_warns():
    assert TokenBudgetConfig(128000, BudgetAction.WARN) == TractConfig(token_budget=128000).budget
    assert TractConfig().budget is None


def test_a_number_leaves_what_a_budget_does_as_it_was():
    hard = TractConfig(token_budget=TokenBudgetConfig(100, BudgetAction.REJECT))

    assert TokenBudgetConfig(200, BudgetAction.REJECT) == hard.changed(TractConfig(token_budget=200)).budget
    assert hard.changed(TractConfig(token_budget=None)).budget is None
    assert TokenBudgetConfig(200) == hard.changed(TractConfig(token_budget=TokenBudgetConfig(200))).budget
    assert TokenBudgetConfig(200) == TractConfig().changed(TractConfig(token_budget=200)).budget


def test_a_callback_is_not_in_the_table():
    budget = TokenBudgetConfig(5, BudgetAction.CALLBACK, callback=print)

    assert {"token_budget": 5, "budget_action": "callback"} == to_table(TractConfig(token_budget=budget))


def test_an_action_may_be_given_by_name():
    assert BudgetAction.REJECT is TokenBudgetConfig(1, "reject").action


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"token_budget": 0}, "positive whole number, not 0"),
        ({"token_budget": -1}, "not -1"),
        ({"token_budget": True}, "not True"),
        ({"token_budget": "5"}, "not '5'"),
        ({"token_budget": 1.5}, "not 1.5"),
        ({"tokenizer_encoding": 5}, "tokenizer_encoding must be str, not int"),
        ({"tokenizer_encoding": ""}, "tokenizer_encoding must be printable text"),
        ({"default_branch": None}, "default_branch must be str"),
        ({"author": 5}, "author must be str"),
        ({"author": "a\x7f"}, "author must be printable text"),
        ({"author": "\ud800"}, "author must be printable text"),
        ({"compile_cache_maxsize": 0}, "1 or more, not 0"),
        ({"compile_cache_maxsize": "8"}, "must be int"),
        ({"max_message_size": 0}, "from 1 to 268435456 bytes, not 0"),
        ({"max_message_size": MAX_SIZE + 1}, "not 268435457"),
        ({"max_message_size": 1.5}, "must be int"),
        ({"max_message_depth": MAX_DEPTH + 1}, "from 1 to 128, not 129"),
        ({"summary_window": 499}, "500 tokens or more, not 499"),
        ({"summary_window": 1e6}, "must be int"),
        ({"cache_read_price": 0}, "cache_read_price must be a price over 0, not 0"),
        ({"output_price": float("nan")}, "not nan"),
        ({"cache_write_price": "1"}, "not '1'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        TractConfig(**settings)


@pytest.mark.parametrize("name", ["-5d", "../x", "a b", "HEAD"])
def test_a_default_branch_that_no_branch_can_be_called_is_refused(name):
    with pytest.raises(InvalidBranchNameError, match=f"'{name}' is not a branch name"):
        TractConfig(default_branch=name)


def test_a_file_with_such_a_default_branch_is_named(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('default_branch = "-5d"\n')

    with pytest.raises(ConfigError, match=r"config\.toml': '-5d' is not a branch name: it begins with '-'"):
        read_config(str(path))


def test_an_unknown_action_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'explode' is unknown; known are warn, reject, callback"):
        TokenBudgetConfig(1, "explode")


@pytest.mark.parametrize("action", ["explode", 1, []])
def test_an_unknown_action_in_a_file_is_refused_without_a_limit_too(action):
    with pytest.raises(ConfigError, match="is unknown; known are warn, reject, callback"):
        from_table({"budget_action": action})


def test_comments_stay_where_they_stand_when_a_setting_changes(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '# of ours\n\nauthor = "x # y"# who\ntoken_budget = 5 # tokens\n# a bucket\n'
        "[remote.origin]\n# far away\nurl = 's3://b/k' # ours\n# last\n"
    )

    for budget in (7, 8):
        write_config(str(path), replace(read_config(str(path)), token_budget=budget))

    assert [
        "# The settings of this tract; docs/format.md lists them.",
        "# of ours",
        'author = "x # y"  # who',
        "token_budget = 8  # tokens",
        'budget_action = "warn"',
        "# a bucket",
        "# far away",
        'remote.origin.url = "s3://b/k"  # ours',
        "# last",
    ] == path.read_text().splitlines()[:-1]
    write_config(str(path), replace(read_config(str(path)), token_budget=None, author=None))
    assert {"# of ours", "# a bucket", "# far away", "# last"} <= set(path.read_text().splitlines())


@pytest.mark.parametrize("comment", ["# " + "x" * 70 + "\n", "#" + "x" * 4000 + "\n"])
def test_comments_never_make_a_file_that_cannot_be_read(tmp_path: Path, comment: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(comment * ((64 * 1024) // len(comment)))

    write_config(str(path), replace(read_config(str(path)), author="y"))

    assert "y" == read_config(str(path)).author


def test_an_unknown_setting_is_refused():
    with pytest.raises(ConfigError, match="'colour'"):
        from_table({"colour": "blue"})


@pytest.mark.parametrize("text", ["a." * 30_000 + "a = 1", "# x\n" * 20_000])
def test_a_config_file_that_is_far_too_long_is_refused_unread(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match="more than"):
        read_config(str(path))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (7, Retention(7.0)),
        (0.5, Retention(0.5)),
        ("30d", Retention(30.0)),
        ("12h", Retention(0.5)),
        (" 3 ", Retention(3.0)),
        ("500M", Retention(size=500_000_000)),
        ("1.5k", Retention(size=1500)),
        ("never", FOR_EVER),
        (" Forever", FOR_EVER),
        (float("inf"), FOR_EVER),
    ],
)
def test_retentions_are_days_hours_or_sizes(said, meant):
    assert meant == read_retention("archives", said)


@pytest.mark.parametrize(
    "said", [-1, float("nan"), float("-inf"), "inf", True, "", "d", "soon", "3w", "-1h", "1e999", "1e308T"]
)
def test_a_retention_that_says_nothing_is_refused(said):
    with pytest.raises(ConfigError, match="archives must be a number of days, or a text like"):
        read_retention("archives", said)


def test_policies_of_retention_are_kept_in_the_settings():
    config = TractConfig(
        orphan_retention_days="5M", archive_retention_days=float("inf"), keep_pinned=False, keep_merge_bases=False
    )
    said = {"orphan_retention_days": "5M", "archive_retention_days": "never", "keep_pinned": False}

    assert {**said, "keep_merge_bases": False} == to_table(config)
    assert config == from_table(to_table(config))
    with pytest.raises(ConfigError, match="orphan_retention_days must be a number of days"):
        TractConfig(orphan_retention_days=None)
