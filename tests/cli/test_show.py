"""``tract show``."""

from __future__ import annotations

import json

from tract import Tract


def test_a_commit_is_shown_in_full(run, tmp_path):
    run("commit", "question")
    run(
        "commit",
        "one\n  two\n\nthree",
        "-r",
        "assistant",
        "-m",
        "a try",
        "--reply-to",
        "HEAD",
        "--config",
        '{"model":"m"}',
    )
    run("skip", "HEAD", "--reason", "a dead end")
    with Tract.open(tmp_path) as t:
        t.record_usage({"prompt_tokens": 7, "completion_tokens": 2})
        head = t.get_commit("HEAD")

    out = run("show").out

    header, _, body = out.partition("\n\n")
    fields = dict(line.split(":", 1) for line in header.splitlines()[1:])
    assert header.startswith(f"commit {head.commit_hash} (HEAD -> main) [skipped]\n")
    assert head.parent_hash == fields["Parent"].strip() == fields["Replies"].strip()
    assert "assistant" == fields["Role"].strip()
    assert "a try" == fields["Note"].strip()
    assert '{"model":"m"}' == fields["Config"].strip()
    assert "7 in, 2 out" == fields["Usage"].strip()
    assert fields["Priority"].strip().startswith("skip: a dead end (")
    assert "    one\n      two\n\n    three\n" == body


def test_a_tool_call_is_readable(run):
    function = {"name": "get_tide", "arguments": '{"harbour": "Husum"}'}
    run("commit", "--json", json.dumps({"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]}))  # fmt: skip

    assert run("show").out.endswith('\n    get_tide({"harbour": "Husum"})\n')


def test_an_edit_names_what_it_edits_and_the_original_is_still_there(run):
    run("commit", "fist")
    run("edit", "HEAD", "first")

    assert "Edits:    " in run("show").out
    assert "    fist\n\nedited since: first\n" in run("show", "HEAD~1").out


def test_json_has_the_content_as_it_was_committed(run):
    message = {"role": "user", "content": "x", "extra": [1, None]}
    run("commit", "--json", json.dumps(message))
    run("annotate", "HEAD", "pinned", "--reason", "keep")

    value = run("show", "--json").json

    assert {"content_type": "message", "format": "openai", "message": message} == value["content"]
    assert [("pinned", "keep")] == [(note["priority"], note["reason"]) for note in value["annotations"]]
    assert ["HEAD -> main"] == value["refs"]


def test_several_commits_may_be_shown_and_their_figures_alone(run):
    run("commit", "one")
    run("commit", "two")

    assert ["one", "two"] == [
        line.strip() for line in run("show", "HEAD~1", "HEAD").out.splitlines() if line[:4] == "    "
    ]
    figures = run("show", "HEAD~1", "HEAD", "--stat").out
    assert (2, False) == (figures.count(" 1 message added; "), "    one" in figures)
    assert ["one", "two"] == [value["text"] for value in run("show", "HEAD~1", "HEAD", "--json").json_lines]
    assert 2 == run("show", "HEAD", "HEAD~1", "--history").status


def test_what_is_not_there_is_named(run):
    outcome = run("show", "nope")

    assert 128 == outcome.status
    assert "no commit named 'nope'" in outcome.err


def test_the_versions_of_a_message_are_listed(run):
    run("commit", "first")
    run("edit", "HEAD", "second")
    run("commit", "else")

    lines = run("show", "HEAD~1", "--history").out.splitlines()
    values = run("show", "HEAD~2", "--history", "--json").json_lines

    assert ["0", "1"] == [line[0] for line in lines]
    assert ["first", "second"] == [line.split(": ")[1].split(" (")[0] for line in lines]
    assert [(0, "append", "first"), (1, "edit", "second")] == [
        (v["version"], v["operation"], v["text"]) for v in values
    ]


def test_the_context_at_a_commit_is_shown_as_a_model_is_sent_it(run):
    run("commit", "one")
    run("commit", "two")

    shown = run("show", "HEAD~1", "--compiled")

    assert (0, "--- 1 user\none\n") == (shown.status, shown.out)
    assert 2 == run("show", "--compiled", "--json").status


def test_a_message_that_was_edited_since_says_so(run):
    run("commit", "60 days")
    run("edit", "HEAD", "30 days")

    shown = run("show", "HEAD:1")
    assert "    60 days\n\nedited since: 30 days\n" in shown.out
    assert "tract show --history" in shown.err
    assert "edited since" not in run("show", "HEAD").out
