"""``tract init``."""

from __future__ import annotations

import pytest

from tract import BudgetAction, TokenBudgetConfig, Tract


def test_an_empty_store_is_made(anywhere, tmp_path):
    outcome = anywhere("init")

    assert (0, f"Initialized empty tract store in {tmp_path}/.tract\n", "") == outcome
    assert "No commits yet" in anywhere("status").out


def test_a_store_that_exists_is_left_as_it_is(run, tmp_path):
    run("commit", "hello")

    outcome = run("init")

    assert (0, f"Tract store exists already in {tmp_path}/.tract\n", "") == outcome
    assert "hello" in run("show").out


def test_a_folder_may_be_named_and_is_made(anywhere, tmp_path):
    assert 0 == anywhere("init", "a/b").status
    assert (tmp_path / "a" / "b" / ".tract" / "HEAD").exists()


def test_the_settings_are_kept(anywhere, tmp_path):
    anywhere("init", "--token-budget", "500", "--budget-action", "reject", "--default-branch", "trunk")

    with Tract.open(tmp_path) as t:
        assert 500 == t.config.budget.max_tokens
        assert BudgetAction.REJECT is t.config.budget.action
        assert "trunk" == t.current_branch


def test_a_store_that_exists_takes_a_new_budget_but_no_new_branch(run, tmp_path):
    outcome = run("init", "--token-budget", "700", "--default-branch", "trunk")

    with Tract.open(tmp_path) as t:
        assert 700 == t.config.budget.max_tokens
        assert "main" == t.current_branch
    assert "warning: the store exists: --default-branch was ignored\n" == outcome.err


def test_a_new_number_leaves_what_the_budget_does_as_it_was(anywhere, tmp_path):
    anywhere("init", "--token-budget", "500", "--budget-action", "reject")

    anywhere("init", "--token-budget", "700")

    with Tract.open(tmp_path) as t:
        assert TokenBudgetConfig(700, BudgetAction.REJECT) == t.config.budget


def test_what_a_budget_does_is_not_given_without_one(anywhere, tmp_path):
    outcome = anywhere("init", "--budget-action", "reject")

    assert (2, "tract: --budget-action needs a --token-budget\n") == (outcome.status, outcome.err)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("argv", [("--default-branch", "a..b"), ("--token-budget", "0"), ("--token-budget", "-4")])
def test_settings_that_make_no_sense_leave_nothing_behind(anywhere, tmp_path, argv):
    assert 128 == anywhere("init", "new", *argv).status
    assert [] == list(tmp_path.iterdir())


def test_a_folder_that_is_no_store_is_told_from_one(anywhere, tmp_path):
    (tmp_path / ".tract").mkdir()

    outcome = anywhere("init")

    assert 128 == outcome.status
    assert "it has no format file" in outcome.err


def test_json_says_where_it_is_and_whether_it_is_new(anywhere, tmp_path):
    assert {"path": f"{tmp_path}/.tract", "is_new": True} == anywhere("init", "--json").json
    assert {"path": f"{tmp_path}/.tract", "is_new": False} == anywhere("init", "--json").json
