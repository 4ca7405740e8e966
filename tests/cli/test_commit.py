"""``tract commit``."""

from __future__ import annotations

import json

import pytest

from tests.making import texts
from tract import DialogueContent, InstructionContent, MessageContent, Tract


def content(tmp_path, revision: str = "HEAD"):
    with Tract.open(tmp_path) as t:
        return t.get_content(revision)


def test_a_text_is_the_users_message(run, tmp_path):
    outcome = run("commit", "What is\n2 + 2?")

    with Tract.open(tmp_path) as t:
        assert f"[main {t.head[:10]}] user: What is 2 + 2?\n" == outcome.out
    assert DialogueContent("user", "What is\n2 + 2?") == content(tmp_path)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (("--role", "assistant", "4"), DialogueContent("assistant", "4")),
        (("-r", "system", "Be terse."), InstructionContent("Be terse.")),
        (("--name", "ida", "hi"), DialogueContent("user", "hi", "ida")),
        (
            ("-r", "tool", "--call-id", "c1", "4"),
            MessageContent({"role": "tool", "tool_call_id": "c1", "content": "4"}),
        ),
    ],
)
def test_role_and_name_say_who_said_it(run, tmp_path, argv, expected):
    assert 0 == run("commit", *argv).status
    assert expected == content(tmp_path)


@pytest.mark.parametrize("argv", [(), ("-",)])
def test_piped_text_loses_only_its_last_newline(run, tmp_path, argv):
    run("commit", *argv, stdin="  four\n\n")

    assert DialogueContent("user", "  four\n") == content(tmp_path)


def test_json_is_kept_verbatim(run, tmp_path):
    message = {"role": "assistant", "content": [{"type": "text", "text": "4", "x": 1}], "extra": {"a": None}}

    assert 0 == run("commit", "--json", json.dumps(message)).status
    assert message == content(tmp_path).message


def test_json_may_be_a_content_type_or_a_responses_item(run, tmp_path):
    run("commit", "--json", "-", stdin='{"content_type": "instruction", "text": "x"}')
    assert InstructionContent("x") == content(tmp_path)

    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    run("commit", "--json", stdin=json.dumps(call))
    assert MessageContent(call, "responses") == content(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"a": 1}', '{"role": "user", "content": NaN}', '{"role": 5}'])
def test_json_that_is_no_message_commits_nothing(run, text):
    outcome = run("commit", "--json", text)

    assert 128 == outcome.status
    assert outcome.err.startswith("tract: ")
    assert "No commits yet" in run("status").out


def test_what_stands_beside_the_message_is_kept(run, tmp_path):
    run("commit", "question")
    run("commit", "answer", "-m", "first try", "--reply-to", "HEAD", "--config", '{"model": "m-1"}')

    with Tract.open(tmp_path) as t:
        info = t.get_commit("HEAD")
        assert "first try" == info.message
        assert {"model": "m-1"} == info.generation_config
        assert info.parent_hash == info.response_to


def test_nothing_to_commit_is_no_commit(run):
    assert 2 == run("commit").status
    assert 1 == run("commit", "").status
    assert 1 == run("commit", stdin="\n").status
    assert 128 == run("commit", "-r", "tool", "x").status
    assert 2 == run("commit", "-r", "asistant", "x").status
    assert "No commits yet" in run("status").out


def test_the_last_message_may_be_amended(run, tmp_path):
    assert 1 == run("commit", "--amend", "x").status
    run("commit", "first")
    run("commit", "secnd", "-r", "assistant")
    run("edit", "HEAD~1", "First")

    run("commit", "--amend", "second", "-m", "typo")

    assert ["First", "second"] == texts(Tract.open(tmp_path))
    assert DialogueContent("assistant", "second") == content(tmp_path)
    assert 0 == run("commit", "--amend", "-r", "user").status
    assert DialogueContent("user", "second") == content(tmp_path)
    assert 2 == run("commit", "--amend", "x", "--usage", "{}").status


def test_a_message_may_be_written_in_an_editor(run, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncp "$1" seen; { echo "# a title"; echo; cat "$1"; } > new; mv new "$1"\n')
    editor.chmod(0o755)

    written = run("commit", "-r", "assistant", terminal=True, EDITOR=str(editor), PATH="/usr/bin:/bin")
    assert 0 == written.status
    assert DialogueContent("assistant", "# a title") == content(tmp_path)
    edited = run("edit", "HEAD", terminal=True, TRACT_EDITOR=str(editor), EDITOR="false", PATH="/usr/bin:/bin")
    assert 0 == edited.status
    assert DialogueContent("assistant", "# a title\n\n# a title") == content(tmp_path)
    assert (tmp_path / "seen").read_text().startswith("# a title\n--------")
    failed = run("commit", terminal=True, EDITOR="false", PATH="/usr/bin:/bin")
    assert (128, "tract: the editor 'false' ended with status 1; nothing was changed\n") == (
        failed.status,
        failed.err.replace("\x1b[31m", "").replace("\x1b[m", ""),
    )
    assert 1 == run("commit", terminal=True, EDITOR="true", PATH="/usr/bin:/bin").status


def test_a_rejected_commit_says_why_and_what_to_do(anywhere):
    anywhere("init", "--token-budget", "5", "--budget-action", "reject")

    outcome = anywhere("commit", "one two three four five six")

    assert 128 == outcome.status
    assert "token budget exceeded" in outcome.err
    assert "hint: " in outcome.err
    assert "No commits yet" in anywhere("status").out


def test_bytes_that_are_no_text_are_refused(run):
    outcome = run("commit", "x\udcff")

    assert 128 == outcome.status
    assert "\\udcff" not in outcome.out


def test_what_was_committed_is_printed_as_json_where_that_is_asked_for(run):
    made = run("commit", "-r", "assistant", "hello\nthere", "--print-json").json
    edited = run("edit", "HEAD", "good day", "--print-json").json
    whole = run("commit", "--json", "--print-json", '{"role": "user", "content": "and you?"}').json

    assert ("assistant", "hello\nthere", "main") == (made["role"], made["text"], made["branch"])
    assert ("edit", made["commit_hash"]) == (edited["operation"], edited["response_to"])
    assert ("user", "and you?") == (whole["role"], whole["text"])
    assert "invalidated_tokens" in run("edit", "HEAD", "good day", "--dry-run", "--print-json").json


def test_what_git_calls_a_message_is_told_apart_from_the_text(run):
    done = run("commit", "-m", "hello", stdin="")

    assert (done.status, done.out) == (1, "")
    assert "hint: -m is a note about the commit; the text of the message is given without it" in done.err


def test_half_a_json_is_said_once_to_be_none(run):
    assert "tract: the message is not JSON at column 9: expecting value\n" in run("commit", "--json", '{"role":').err
