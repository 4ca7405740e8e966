"""``tract status``."""

from __future__ import annotations

import json

import pytest

from tract import Tract
from tract.opening import open_repository
from tract.refs.store import RefEdit


def test_a_new_store_says_that_nothing_is_there(anywhere):
    anywhere("init", "--token-budget", "100")

    assert "On branch main\n\nNo commits yet\nBudget: 100 tokens (warn)\n" == anywhere("status").out


def test_messages_tokens_and_the_last_commits_are_told(run):
    run("commit", "-r", "system", "Be terse.")
    for n in range(4):
        run("commit", f"message {n}")
    run("skip", "HEAD")
    run("pin", "HEAD~1")
    run("compile", "--json")

    lines = run("status").out.splitlines()

    assert "On branch main" == lines[0]
    assert "4 messages in the context (1 skipped, 1 pinned), 5 commits behind it" == lines[1]
    assert lines[2].startswith("Tokens: ")
    assert "~" not in lines[2]
    assert "" == lines[3]
    assert ["message 3", "message 2", "message 1"] == [line.split(": ")[1].split(" (")[0] for line in lines[4:]]


def test_tokens_nobody_counted_are_estimated_and_the_estimate_is_kept(run, tmp_path):
    run("commit", "not counted yet")

    first, second = run("status"), run("status")

    assert "Tokens: ~" in first.out
    assert "1 of 1 messages estimated" in first.out
    assert first.out == second.out
    assert [path for path in (tmp_path / ".tract" / "cache").iterdir() if "estimate" in path.name]


def test_the_bar_is_for_terminals(anywhere):
    anywhere("init", "--token-budget", "40")
    anywhere("commit", "one two three four")

    piped, shown = anywhere("status").out, anywhere("status", terminal=True, NO_COLOR="1").out

    assert " of 40 (" in piped
    assert "[#" not in piped
    assert "[#" in shown


def test_too_many_tokens_are_said_to_be_too_many(anywhere):
    anywhere("init", "--token-budget", "4")
    anywhere("commit", "one two three four")

    assert "Over the budget by " in anywhere("status").out


def test_compressions_that_wait_for_their_review_are_told(run):
    for text in ("a question that is long enough", "an answer that is long enough", "more"):
        run("commit", text)
    waiting = run("compress", "--content", "short", "--review", "--json").json["id"]

    assert f"\n1 compression to review: 'tract compress --show {waiting}' shows it\n" in run("status").out
    assert [waiting] == [one["id"] for one in run("status", "--json").json["compressions"]]
    run("compress", "--approve", waiting)
    assert "to review" not in run("status").out


def test_json_has_the_figures(run):
    run("commit", "hello")

    value = run("status", "--json").json

    assert ("root", "main", False, 1, 1, 0, 0, None) == tuple(
        value[key]
        for key in (
            "tract_id",
            "branch_name",
            "is_detached",
            "commit_count",
            "message_count",
            "skipped_count",
            "pinned_count",
            "token_budget_max",
        )
    )
    assert value["head_hash"] == value["recent_commits"][0]["commit_hash"]
    assert 1 == value["tokens_estimated"]


def test_the_short_status_is_a_line_and_one_for_each_command_under_way(run):
    assert "## main  0 messages, 0 tokens\n" == run("status", "-s").out
    run("commit", "one")
    run("commit", "two")
    run("skip", "HEAD")
    run("bisect", "start", "HEAD")

    assert ["## main  1 message, 1 skipped, ~8 tokens", "UU bisect under way"] == run("status", "-s").out.splitlines()


def test_the_short_status_ends_with_the_budget_where_there_is_one(run):
    run("config", "token_budget", "5")
    assert "## main  0 messages, 0 tokens, budget 5\n" == run("status", "-s").out
    run("commit", "one")

    assert "## main  1 message, 8 tokens, budget 5\n" == run("status", "-s").out


def test_a_detached_head_is_told(run, tmp_path):
    run("commit", "hello")
    repo = open_repository(str(tmp_path / ".tract"))
    head = repo.head()[1]
    repo.refs.update([RefEdit("HEAD", head)], reason="test")
    repo.close()

    assert f"HEAD detached at {head.hex()[:10]}" == run("status").out.splitlines()[0]
    assert run("status", "--json").json["is_detached"] is True
    assert f"* (HEAD detached at {head.hex()[:10]})\n  main\n" == run("branch").out
    assert " (HEAD, main)\n" in run("log").out
    assert 128 == run("commit", "nowhere").status
    assert 0 == run("switch", "main").status


def test_the_prefix_shared_with_the_last_recorded_call_is_told(run, tmp_path):
    with Tract.open(tmp_path) as t:
        t.system("Be terse.")
        first = t.user("one").commit_hash
        assert "Prefix" not in run("status").out
        t.assistant("two", usage={"input_tokens": 100, "output_tokens": 1})
        t.user("three")
        sent = sum(t.compile(at_commit=first).token_counts)
    assert f"Prefix: {sent} of {sent} tokens shared with the last recorded call\n" in run("status").out

    run("edit", first, "uno")

    system = 3 + 1 + 3
    assert f"Prefix: {system} of {sent} tokens shared" in run("status").out
    assert f"({sent - system} would be read anew)" in run("status").out
    assert {"messages": 1, "tokens": system, "sent": sent} == run("status", "--json").json["prefix"]
    run("skip", "HEAD~4")
    assert 0 == run("status", "--json").json["prefix"]["tokens"]


def test_a_bisection_under_way_is_told(run):
    run("commit", "one")
    assert run("status", "--json").json["bisection"] is None
    run("bisect", "start", "HEAD")

    assert "Bisection under way: 1 bad, 0 good, 0 skipped; 'tract bisect next'" in run("status").out
    assert {"bad": run("rev-parse", "HEAD").out.strip(), "good": 0, "skipped": 0} == run("status", "--json").json[
        "bisection"
    ]


@pytest.mark.parametrize(("name", "end"), [("merge", "tract merge --abort"), ("bisect", "tract bisect reset")])
def test_what_is_damaged_of_a_command_under_way_hides_nothing_else(run, tmp_path, name, end):
    (tmp_path / ".tract" / "state").mkdir()
    (tmp_path / ".tract" / "state" / name).write_text("{}")

    done = run("status")

    assert (0, "On branch main") == (done.status, done.out.splitlines()[0])
    assert f"'{end}' gives up what was under way" in done.err
    assert 0 == run(*end.split()[1:]).status
    assert "" == run("status").err


def test_a_request_says_what_it_would_cost(run, tmp_path):
    run("commit", "hello")
    with Tract.open(tmp_path) as t:
        t.assistant("ho", request={"model": "m", "tools": [{"type": "function", "function": {"name": "look"}}]})

    shown = run("status", "--request", '{"model": "m", "tools": []}')
    same = run("status", "--request", '{"model": "m", "tools": [{"type": "function", "function": {"name": "look"}}]}')

    assert "tokens would be read anew (tools_changed: tools removed: look)" in shown.out
    assert "Prefix: 0 of the last request's" in same.out
    value = run("status", "--json", "--request", '{"model": "other"}').json["prefix"]
    assert ("model_changed", value["previous_tokens"]) == (value["reason"], value["invalidated_tokens"])
    assert 128 == run("status", "--request", "[]").status


def test_a_request_with_none_to_compare_it_with_is_told_so(run):
    run("commit", "hello")

    assert "no request was recorded with an answer here" in run("status", "--request", '{"model": "m"}').err


def test_it_says_that_the_orchestrator_and_the_policies_are_held_and_how_that_ends(run, tmp_path):
    run("commit", "hello")
    assert "orchestrator" not in run("status").out

    run("orchestrate", "--pause")
    run("policy", "add", "PinPolicy")
    run("policy", "pause")

    out = run("status").out
    assert "The orchestrator is paused: 'tract orchestrate --resume' goes on\n" in out
    assert "The policies are paused: 'tract policy resume' lets them go on\n" in out
    assert "!! the orchestrator is paused\n!! the policies are paused\n" in run("status", "--short").out
    told = json.loads(run("status", "--json").out)
    assert ("paused", "paused") == (told["orchestrator_state"], told["policies_state"])
    with Tract.open(tmp_path) as t:
        assert ("paused", "paused") == (t.status().orchestrator_state, t.status().policies_state)
        t.resume_policies()
        assert "on" == t.status().policies_state
