"""``tract export``."""

from __future__ import annotations

import json


def test_a_session_is_written_where_its_program_looks(run, tmp_path):
    run("commit", "how hot is tea?")

    outcome = run("export", "--to", "claude-code", HOME=str(tmp_path / "home"))

    (path,) = (tmp_path / "home" / ".claude" / "projects").glob("*/*.jsonl")
    assert 0 == outcome.status
    assert f"Exported 1 messages to {path}\n" == outcome.out
    assert f"'claude --resume {path.stem}' goes on from it" in outcome.err


def test_a_body_is_printed_and_a_file_is_never_written_over(run, tmp_path):
    run("commit", "how hot is tea?")

    printed = run("export", "--to", "openai")
    written = run("export", "--to", "openai", "-o", "out.json")
    again = run("export", "--to", "openai", "-o", "out.json")

    assert {"messages": [{"role": "user", "content": "how hot is tea?"}]} == json.loads(printed.out)
    assert printed.out == (tmp_path / "out.json").read_text()
    assert (0, 128) == (written.status, again.status)
    assert "exists already" in again.err


def test_what_the_format_cannot_carry_is_told(run):
    run("commit", "--role", "system", "be brief")
    run("commit", "how hot is tea?")

    outcome = run("export", "--to", "gemini-cli", "--json", "-o", "-")

    assert (
        "warning: not exported as it is in the context: the instructions, because the program has its own\n"
        == outcome.err
    )
    assert ["the instructions, because the program has its own"] == outcome.json["losses"]
    assert "how hot is tea?" in outcome.json["text"]
