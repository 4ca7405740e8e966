"""``tract tools``."""

from __future__ import annotations

import pytest

from tract import operations


@pytest.fixture
def talk(run):
    run("commit", "-r", "system", "be terse")
    run("commit", "one two three")
    return run


def test_the_operations_are_listed_with_their_risk_without_a_store(run):
    lines = run("tools").out.splitlines()

    assert [one.name for one in operations()] == [line.split()[0] for line in lines if not line.startswith(" ")]
    assert "edit          high  self       Replace" in run("tools").out
    assert "gc " not in run("tools", "--profile", "self").out


def test_definitions_and_json_are_for_programs(run):
    assert "commit" in [one["name"] for one in run("tools", "--format", "anthropic").json]
    assert len(run("tools", "--format", "gemini", "--profile", "read").json[0]["functionDeclarations"]) == 8
    first = run("tools", "--json").json_lines[0]
    assert {"name", "summary", "risk", "riskier", "profile", "parameters"} == set(first)


@pytest.mark.parametrize(
    ("argv", "stdin", "status", "out", "err"),
    [
        (("call", "show", '{"target": 2}'), None, 0, "one two three", ""),
        (("call", "show", "-"), '{"target": 2}', 0, "one two three", ""),
        (("call", "status"), None, 0, "on branch 'main'", ""),
        (("call", "annotate", '{"target": 2, "priority": "skip"}'), None, 0, "message 2: skip", ""),
        (("call", "show", "{"), None, 1, "", "show: the arguments are not JSON"),
        (("call", "fly"), None, 1, "", "there is no operation 'fly'"),
        (("call", "gc", "{}"), None, 1, "", "operation 'gc' is not in profile 'self'"),
        (
            ("call", "gc", '{"dry_run": true}', "--profile", "full", "--autonomy", "manual"),
            None,
            0,
            "needs approval",
            "",
        ),
        (("call",), None, 2, "", "takes a tool"),
        (("call", "show", "{}", "--format", "openai"), None, 2, "", "takes a tool"),
        (("list", "show"), None, 2, "", "takes no tool"),
        (("run",), None, 2, "", ""),
    ],
)
def test_a_call_is_run_as_a_models(talk, argv, stdin, status, out, err):
    outcome = talk("tools", *argv, stdin=stdin)

    assert status == outcome.status
    assert out in outcome.out
    assert err in outcome.err


def test_json_is_the_whole_result_of_a_call_and_the_status_says_whether_it_worked(talk):
    good = talk("tools", "call", "commit", '{"content": "noted"}', "--json")
    bad = talk("tools", "call", "commit", "{}", "--json")

    assert (0, True, None) == (good.status, good.json["success"], good.json["error"])
    assert (1, False) == (bad.status, bad.json["success"])
    assert "argument 'content' is missing" in bad.json["output"]


def test_what_needs_approval_waits_with_the_reason_given(talk):
    outcome = talk("tools", "call", "edit", '{"target": 2, "content": "x"}', "--reason", "he said so", "--json")

    assert outcome.json["proposal_id"] in talk("proposals").out
    assert "he said so" in talk("proposals").out
