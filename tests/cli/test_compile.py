"""``tract compile``."""

from __future__ import annotations

import json

import pytest

CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip


@pytest.fixture
def talk(run):
    run("commit", "-r", "system", "Be terse.")
    run("commit", "What is 2 + 2?")
    return run


def test_text_is_for_people(talk):
    assert "--- 1 system\nBe terse.\n\n--- 2 user\nWhat is 2 + 2?\n" == talk("compile").out


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("openai", [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "What is 2 + 2?"}]),
        ("anthropic", {"system": "Be terse.", "messages": [{"role": "user", "content": "What is 2 + 2?"}]}),
    ],
)
def test_a_providers_format_is_one_json_document(talk, format, expected):
    assert expected == talk("compile", "--format", format).json


def test_geminis_contents_are_printed_too(talk):
    expected = {
        "system_instruction": {"parts": [{"text": "Be terse."}]},
        "contents": [{"role": "user", "parts": [{"text": "What is 2 + 2?"}]}],
    }

    assert expected == talk("compile", "--format", "gemini").json


def test_cache_marks_are_put_where_the_format_has_them(talk):
    marked = talk("compile", "--format", "anthropic", "--cache", "auto").json

    assert [{"type": "text", "text": "Be terse.", "cache_control": {"type": "ephemeral"}}] == marked["system"]
    assert {"mode": "explicit"} == talk("compile", "--json", "--cache", "auto").json["context"][1]["content"][0][
        "prompt_cache_breakpoint"
    ]


@pytest.mark.parametrize("argv", [(), ("--format", "gemini"), ("--format", "text", "--json")])
def test_cache_marks_in_a_format_without_them_are_a_usage_error(talk, argv):
    outcome = talk("compile", "--cache", "auto", *argv)

    assert (2, "") == (outcome.status, outcome.out)
    assert "--cache goes with --format openai, responses, anthropic, not " in outcome.err


def test_responses_items_are_printed_too(talk):
    items = talk("compile", "-f", "responses").json

    assert ["system", "user"] == [item["role"] for item in items]


def test_json_has_the_tokens_and_the_commit_of_each_message(talk):
    value = talk("compile", "--json").json
    log = talk("log", "--json").json_lines

    assert [entry["commit_hash"] for entry in reversed(log)] == value["commit_hashes"]
    assert ["system", "user"] == [message["role"] for message in value["messages"]]
    assert log[0]["commit_hash"] == value["commit_hash"]
    assert value["token_count"] == sum(value["token_counts"]) + 3
    assert "tiktoken:o200k_base" == value["token_source"]
    assert value["context"] == talk("compile", "--format", "openai").json


def test_an_earlier_context_can_be_named(talk):
    assert "--- 1 system\nBe terse.\n" == talk("compile", "--at", "HEAD~1").out
    assert 128 == talk("compile", "--at", "nope").status


def test_a_torn_tool_call_is_a_warning_and_strictly_an_error(talk):
    talk("commit", "--json", json.dumps(CALL))
    talk("commit", "never mind")

    lax, strict = talk("compile"), talk("compile", "--strict")

    assert 0 == lax.status
    assert lax.err.startswith("warning: message 3: ")
    assert 128 == strict.status
    assert "" == strict.out


def test_an_empty_context_is_empty(run):
    assert (0, "", "") == run("compile")
    assert [] == run("compile", "--format", "openai").json


def test_skipped_messages_are_left_out(talk):
    talk("skip", "HEAD")

    assert "--- 1 system\nBe terse.\n" == talk("compile").out


def test_what_a_model_was_shown_has_the_skips_of_then(run):
    run("commit", "one")
    run("commit", "two")
    run("commit", "three", "--role", "assistant")
    run("skip", "HEAD~2")

    assert [m["content"] for m in run("compile", "--sent", "HEAD", "--format", "openai").json] == ["one", "two"]
    assert [m["content"] for m in run("compile", "--at", "HEAD~1", "--format", "openai").json] == ["two"]
    assert [m["content"] for m in run("compile", "--at", "HEAD~1", "--then", "--format", "openai").json] == [
        "one",
        "two",
    ]
    assert 2 == run("compile", "--sent", "HEAD", "--then").status


def test_messages_are_put_first_and_edits_marked(run):
    run("commit", "one")
    run("commit", "two")
    run("edit", "HEAD", "TWO")

    shown = run("compile", "--order", "HEAD~1", "--edited", "--format", "openai").json

    assert ["TWO [edited]", "one"] == [m["content"] for m in shown]


def test_a_moment_is_a_date_a_time_or_words(run):
    run("commit", "one")

    assert [] == run("compile", "--time", "2001-01-01T00:00:00+00:00", "--format", "openai").json
    assert ["one"] == [m["content"] for m in run("compile", "--time", "2100-01-01T00:00Z", "--format", "openai").json]
    assert [] == run("compile", "--time", "yesterday", "--format", "openai").json
    assert ["one"] == [m["content"] for m in run("compile", "--time", "2100-01-01", "--format", "openai").json]
    for bad in ("someday", "2001-01-32"):
        outcome = run("compile", "--time", bad)
        assert (2, "", 1) == (outcome.status, outcome.out, outcome.err.count("\n"))
