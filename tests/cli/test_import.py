"""``tract import``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "samples"


def write_chat(path: Path, *texts: str) -> str:
    path.write_text(json.dumps({"messages": [{"role": "user", "content": text} for text in texts]}), encoding="utf-8")
    return path.name


def texts(run, branch: str) -> list[str]:
    return [entry["text"] for entry in run("log", branch, "--json").json_lines][::-1]


def test_a_single_conversation_goes_to_the_empty_branch(run, tmp_path):
    outcome = run("import", write_chat(tmp_path / "chat.json", "a", "b"))

    assert (0, "") == (outcome.status, outcome.err)
    assert "  main: 2 messages\nImported 1 conversation, 1 branch, 2 messages.\n" == outcome.out
    assert ["a", "b"] == texts(run, "main")


def test_the_next_one_goes_to_a_branch_of_its_own(run, tmp_path):
    run("commit", "here already")
    file = write_chat(tmp_path / "chat.json", "a")

    first, second = run("import", file), run("import", file)

    assert "  chat: 1 message\n" in first.out
    assert "hint: 'tract switch chat' goes there\n" == first.err
    assert "  chat-2: 1 message\n" in second.out
    assert "the branch name 'chat' is taken or not allowed; imported as 'chat-2'" in second.err
    assert ["here already"] == texts(run, "main")
    assert ["a"] == texts(run, "chat") == texts(run, "chat-2")


def test_several_conversations_get_a_branch_or_a_tract_each(run):
    branches = run("import", str(SAMPLES / "sharegpt.json"))
    tracts = run("import", "--as", "tract", "--name", "s", str(SAMPLES / "sharegpt.json"))

    assert "Imported 2 conversations, 2 branches, 9 messages." in branches.out
    assert "  sharegpt-1\n  sharegpt-2\n" == run("branch").out
    assert "hint: 'tract --tract s-1 log' looks at it\n" == tracts.err
    assert 7 == len(run("--tract", "s-1", "log", "--json").json_lines)
    assert 2 == len(run("--tract", "s-2", "log", "--json").json_lines)


def test_what_cannot_be_read_is_named_and_the_rest_is_imported(run, tmp_path):
    (tmp_path / "chat.jsonl").write_text(
        '{"role": "user", "content": "a"}\n{"role": \n{"role": "user", "content": "b"}\n'
    )

    outcome = run("import", "chat.jsonl")

    assert 1 == outcome.status
    assert outcome.err.startswith("warning: chat.jsonl:2: ")
    assert ["a", "b"] == texts(run, "main")


def test_one_bad_file_among_good_ones_is_named(run, tmp_path):
    (tmp_path / "bad.txt").write_text("no conversation\n")
    good = write_chat(tmp_path / "good.json", "a")

    outcome = run("import", "bad.txt", "missing.json", good)

    assert 1 == outcome.status
    assert "warning: bad.txt: " in outcome.err
    assert "warning: missing.json: " in outcome.err
    assert ["a"] == texts(run, "main")


@pytest.mark.parametrize("text", ["", "[]", "hello", "{", '{"a": 1}'])
def test_nothing_to_import_is_an_error(run, tmp_path, text):
    (tmp_path / "file").write_text(text)

    outcome = run("import", "file")

    assert 128 == outcome.status
    assert outcome.err.startswith("warning: file")
    assert outcome.err.endswith("nothing was imported\n")
    assert "No commits yet" in run("status").out


def test_format_key_and_name_are_passed_on(run, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps([{"request": {"messages": [{"role": "user", "content": "a"}]}}]))

    outcome = run("import", "--format", "openai", "--key", "request.messages", "--name", "mine", "x.json")

    assert 0 == outcome.status
    assert ["a"] == texts(run, "mine")
    assert 2 == run("import", "--format", "word", "x.json").status


def test_json_says_what_became_of_it(run, tmp_path):
    value = run("import", "--json", write_chat(tmp_path / "chat.json", "a", "b")).json

    head = run("log", "--json").json_lines[0]["commit_hash"]
    branch = {"name": "main", "tip": head, "messages": 2, "shared": 0}
    assert {
        "conversations": [
            {"wanted": "chat", "tract": "root", "branches": [branch], "refused": [], "children": [], "messages": 2}
        ],
        "messages": 2,
        "problems": [],
    } == value


def test_a_refusal_names_the_file_once_and_says_what_would_help(run, tmp_path):
    (tmp_path / "people.json").write_text('[{"name": "Ada", "role": "admin"}]')
    (tmp_path / "deep.json").write_text('{"run": {"turns": [{"role": "user", "content": "a"}]}}')

    people, deep = run("import", "people.json"), run("import", "deep.json")

    assert 128 == people.status == deep.status
    first, hint, _ = people.err.splitlines()
    assert (
        "warning: people.json: not a conversation that tract can read: "
        "found a list of 1, first an object with the keys 'name', 'role'"
    ) == first
    assert "claude-code" in hint
    assert "'--key run.turns' reads them" in deep.err
    assert 0 == run("import", "--key", "run.turns", "deep.json").status


def test_a_wrong_format_or_key_is_told_with_what_would_help(run, tmp_path):
    (tmp_path / "deep.json").write_text('{"run": {"turns": [{"role": "user", "content": "a"}]}}')
    (tmp_path / "chat.json").write_text('[{"role": "user", "content": "a"}]')

    key, format = run("import", "--key", "run.x", "deep.json"), run("import", "--format", "codex", "chat.json")

    assert (128, 128) == (key.status, format.status)
    assert "'--key run.turns' reads them" in key.err
    assert "without '--format codex' tract detects its format" in format.err


def test_a_note_is_no_failure(run, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"messages": [{"role": "user", "content": "a"}], "log": "x" * 30_000}))

    outcome = run("import", "a.json")

    assert (0, "a.json: messages: 'log' beside the messages is left out: 30002 characters\n") == (
        outcome.status,
        outcome.err,
    )


KEY = "sk-ant-api03-" + "Ab3dEf6hIj9lMn2pQr5tUv8x" * 2


@pytest.mark.parametrize(
    ("scan", "status", "said"), [("list", 1, KEY), ("replace", 1, "[secret: "), ("refuse", 128, None)]
)
def test_secrets_are_looked_for_where_that_is_asked(run, tmp_path, scan, status, said):
    file = write_chat(tmp_path / "chat.json", "a", f"use {KEY} please")

    outcome = run("import", "--scan", scan, file)

    assert status == outcome.status
    assert "what looks like a secret" in outcome.err
    assert KEY not in outcome.err
    assert (said is None) == ("No commits yet" in run("status").out)
    if said is not None:
        assert said in texts(run, "main")[1]


def test_a_folder_is_refused_with_what_to_type_instead(run, tmp_path):
    (tmp_path / "sessions").mkdir()

    outcome = run("import", "sessions")

    assert "warning: sessions: it cannot be read: is a directory\n" in outcome.err
    assert "hint: name the files in it: 'tract import sessions/*.jsonl'\n" in outcome.err


def test_the_standard_input_is_a_file_too(run, tmp_path):
    run("commit", "before")
    text = json.dumps([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])

    command = [sys.executable, "-m", "tract", "import", "-"]
    done = subprocess.run(command, cwd=tmp_path, input=text, capture_output=True, text=True, check=False)

    assert (0, "hint: 'tract switch stdin' goes there\n") == (done.returncode, done.stderr)
    assert ["a", "b"] == texts(run, "stdin")
