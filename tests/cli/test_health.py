"""``tract health``."""

from __future__ import annotations

import json

import pytest


def read(run, number: int, path: str) -> None:
    function = {"name": "read", "arguments": json.dumps({"path": path})}
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]}  # fmt: skip
    run("commit", "--json", json.dumps(call))
    run("commit", "--json", json.dumps({"role": "tool", "tool_call_id": f"c{number}", "content": "line of code " * 20}))


@pytest.fixture
def working(run):
    run("commit", "-r", "system", "be terse")
    run("commit", "fix it")
    for number in range(4):
        read(run, number, "src/a.py")
    return run


def test_what_the_context_is_made_of_and_what_could_be_done(working):
    out = working("health").out

    assert "10 messages, " in out
    assert "outputs of read: 4" in out
    assert 'repeated: read {"path": "src/a.py"} 4 times' in out
    assert "1. annotate: 3 outputs of tools that a later call gave again; saves " in out


def test_an_advice_is_done_where_the_autonomy_allows_it_and_else_proposed(working):
    assert "messages 4, 6, 8: skip" in working("health", "--apply", "1").out
    assert "6 messages hidden" in working("health").out
    working("undo")
    working("config", "autonomy", "manual")

    if "manual" in working("config", "autonomy").out:
        assert "proposal" in working("health", "--apply", "1").out
        assert "annotate" in working("proposals").out


@pytest.mark.parametrize(
    ("argv", "status", "err"),
    [
        (("--apply", "7"), 2, "there is no advice 7: the last is 1"),
        (("--apply", "0"), 2, "there is no advice 0: the last is 1"),
        (("--apply", "x"), 2, ""),
        (("--branch", "nowhere"), 128, "there is no branch 'nowhere'"),
    ],
)
def test_what_is_not_there_is_an_error(working, argv, status, err):
    outcome = working("health", *argv)

    assert status == outcome.status
    assert err in outcome.err


def test_json_has_it_all(working):
    found = working("health", "--json").json

    assert found["budget_share"] is None
    assert 4 == found["repeated"][0]["times"]
    assert "annotate" == found["advice"][0]["action"]["name"]
    assert found["advice"][0]["prefix"]["common_tokens"] > 0
    assert working("health", "--apply", "1", "--json").json["text"] == "messages 4, 6, 8: skip"


def test_a_store_without_commits_is_healthy(run):
    run("init")

    assert "0 messages, 0 tokens" in run("health").out
    assert "there is no advice 1: nothing is advised for this context" in run("health", "--apply", "1").err


def test_a_plan_is_shown_and_nothing_done(working):
    shown = working("health", "--plan", "10").out

    assert "1. annotate: 3 outputs of tools that a later call gave again" in shown
    assert " tokens to " in shown.splitlines()[-1]
    assert 1 == len(working("health", "--plan", "10", "--json").json["steps"])
    assert "hidden" not in working("health").out
    assert 2 == working("health", "--plan", "10", "--apply", "1").status
    assert 128 == working("health", "--plan=-1").status
