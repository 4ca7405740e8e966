"""The scenarios of tiers 1 and 2, and X.2, as far as the command line has them.

Batches (1.3), streams (X.5) and recording a call's usage (1.2) are the API's alone; ``tract import`` of a file is what the shell has for many messages at once.
The rest of 2.3 is in test_debugging.py.
"""

from __future__ import annotations

import json

PRICE = "The dinghy is 900 euros."


def commits(tract) -> list[str]:
    """Every commit's id, oldest first."""
    return [line["commit_hash"] for line in reversed(tract("log", "--json").json_lines)]


def contents(tract, *options: str) -> list[str]:
    return [message["content"] for message in tract("compile", "--format", "openai", *options).json]


def test_1_1_a_first_conversation(tract):
    assert 0 == tract("init").status
    tract("commit", "--role", "system", "You are a coding assistant.")
    tract("commit", "--role", "user", "-", stdin="How do I sort?\n")
    tract("commit", "--role", "assistant", "Use sorted().")

    assert ["You are a coding assistant.", "How do I sort?", "Use sorted()."] == contents(tract)
    assert "You are a coding assistant." == tract("compile", "--format", "anthropic").json["system"]
    assert ["system", "user", "assistant"] == [line["role"] for line in tract("log", "--json").json_lines[::-1]]


def test_1_2_a_budget_is_watched(tract):
    tract("init", "--token-budget", "20")
    tract("commit", "Hello")
    assert 20 == tract("status", "--json").json["token_budget_max"]

    outcome = tract("commit", "word " * 40)

    assert 0 == outcome.status
    assert "warning: token budget exceeded" in outcome.err
    assert tract("status", "--json").json["token_count"] > 20


def test_2_1_a_hallucination_is_corrected(tract):
    tract("init")
    tract("commit", "How long can I return it?")
    tract("commit", "--role", "assistant", "You have 60 days.")
    wrong = commits(tract)[-1]
    tract("commit", "Thanks!")

    tract("edit", wrong, "You have 30 days.", "-m", "policy")

    assert ["How long can I return it?", "You have 30 days.", "Thanks!"] == contents(tract)
    assert "You have 60 days." in tract("show", wrong).out
    assert ["You have 60 days.", "You have 30 days."] == [
        line["text"] for line in tract("show", wrong, "--history", "--json").json_lines
    ]


def test_2_2_instructions_are_pinned_and_noise_is_hidden(tract):
    tract("init")
    call = {"id": "q", "type": "function", "function": {"name": "query", "arguments": "{}"}}
    for message in (
        {"role": "system", "content": "Quote every clause in full."},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "q", "content": "row " * 500},
        {"role": "assistant", "content": "Clause 4 is fine."},
    ):
        tract("commit", "--json", json.dumps(message))
    rules, asked, rows, _ = commits(tract)

    tract("pin", rules, "--reason", "house rules")
    tract("skip", asked, rows, "--reason", "noise")

    assert ["Quote every clause in full.", "Clause 4 is fine."] == contents(tract, "--strict")
    status = tract("status", "--json").json
    assert (2, 2, 1) == (status["message_count"], status["skipped_count"], status["pinned_count"])
    assert "row row" in tract("show", rows).out


def test_2_3_what_the_model_saw_at_the_bad_answer(tract):
    tract("init")
    for role, text in (("user", "Sum up."), ("assistant", "All is lost."), ("user", "Really?")):
        tract("commit", "--role", role, text)
    bad = commits(tract)[1]

    assert ["Sum up."] == contents(tract, "--at", f"{bad}~1")
    assert ["Sum up.", "All is lost."] == contents(tract, "--at", bad)


def test_x_2_a_wrong_price_is_corrected_and_the_correction_taken_back(tract):
    tract("init")
    tract("commit", "--role", "assistant", PRICE)
    tract("commit", "And with oars?")
    quote = commits(tract)[0]

    tract("edit", quote, "The dinghy is 1200 euros.", "-m", "price list of May")
    tract("pin", quote)
    assert ["The dinghy is 1200 euros.", "And with oars?"] == contents(tract)

    tract("edit", quote, "--restore", "0")
    assert [PRICE, "And with oars?"] == contents(tract)
    assert 1 == tract("status", "--json").json["pinned_count"]
