"""``tract compress`` and ``tract expand``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, texts
from tests.llm.server import LLMServer, llm_process, llm_server, text

__all__ = ["llm_process", "llm_server"]


@pytest.fixture
def talk(run: Run) -> Run:
    """Three exchanges."""
    for at in range(3):
        run("commit", "--role", "user", f"question {at} that is long enough")
        run("commit", "--role", "assistant", f"answer {at} that is long enough")
    return run


def test_a_summary_from_the_command_line_or_the_standard_input(talk: Run) -> None:
    done = talk("compress", "--content", "They asked.", "--to", "HEAD~4")
    assert 0 == done.status
    lines = done.out.splitlines()
    assert lines[0].startswith("[main ")
    assert lines[0].endswith("] Compressed 2 messages")
    assert " 22 tokens to 7" == lines[1]
    assert lines[2].endswith(" stands for 2 messages")

    talk("compress", "--content", "-", stdin="They asked twice.\n")
    assert ["They asked twice.", "question 2 that is long enough", "answer 2 that is long enough"] == texts(talk)


def test_a_dry_run_asks_nobody_and_says_what_it_costs(talk: Run) -> None:
    before = texts(talk)
    first, last = (talk("rev-parse", f"HEAD~{back}").out[:10] for back in (5, 2))

    done = talk("compress", "-n")

    assert [
        "Would compress 4 messages, 44 tokens to about 5",
        f" {first} to {last}, 4 messages",
        " invalidates 66 of 66 cached tokens; 27 are cached anew",
        " pays for itself after 26 further calls",
    ] == done.out.splitlines()
    assert before == texts(talk)


def test_review_show_edit_approve_and_reject(talk: Run) -> None:
    one = talk("compress", "--content", "Σ one", "--review", "--json").json
    two = talk("compress", "--content", "Σ two", "--review", "--json").json
    assert 6 == len(texts(talk))
    assert sorted([one["id"], two["id"]]) == [line.split()[0] for line in talk("compress", "--list").out.splitlines()]
    shown = talk("compress", "--show", one["id"]).out
    first, last = (one["parts"][0][name][:10] for name in ("first", "last"))
    assert f"in place of {first} to {last}, 4 messages:\n    Σ one\n" in shown

    rejected = talk("compress", "--reject", two["id"])
    assert (0, f"Compression {two['id']} rejected; nothing was changed\n") == (rejected.status, rejected.err)
    assert "    Σ 1\n" in talk("compress", "--edit", one["id"][:4], "--content", "Σ 1").out
    assert 0 == talk("compress", "--approve", one["id"]).status

    assert "Σ 1" == texts(talk)[0]
    gone = talk("compress", "--approve", one["id"])
    assert 128 == gone.status
    assert "is not a compression that waits" in gone.err


def test_what_a_summary_invented_is_told_by_the_dry_run_the_review_and_show(talk: Run) -> None:
    told = "2 facts in no message: $650, 21:15"
    said = "question 1 costs $650 at 21:15"

    assert f" {told}\n" in talk("compress", "-n", "--content", said).out
    waits = talk("compress", "--content", said, "--review", "--json").json["id"]
    assert f" {told}\n" in talk("compress", "--show", waits).out
    assert f" {told}\n" in talk("compress", "--approve", waits).out
    shown = talk("show", "HEAD").out
    assert "2 facts in no message:\n  number   $650\n  number   21:15\n" in shown


def test_a_model_named_by_the_environment_sums_up(talk: Run, llm_server: LLMServer) -> None:
    llm_server.script("Two questions.", text("Three questions."))

    done = talk(
        "compress", "--target-tokens", "50", "--model", "small", OPENAI_API_KEY="key", OPENAI_BASE_URL=llm_server.url
    )
    assert (0, "Two questions.") == (done.status, texts(talk)[0])
    talk("commit", "more")
    done = talk(
        "compress",
        "--provider",
        "anthropic",
        "--force",
        OPENAI_API_KEY="x",
        ANTHROPIC_API_KEY="key",
        ANTHROPIC_BASE_URL=llm_server.address,
    )
    assert (0, "Three questions.") == (done.status, texts(talk)[0])

    first, second = llm_server.requests()
    assert ("small", "/v1/messages") == (first.body["model"], second.path)


def test_what_is_missed_is_a_warning_and_what_is_refused_an_error(talk: Run) -> None:
    refused = talk("compress", "--content", "short", "--must-keep", "30 days")
    assert 128 == refused.status
    assert "tract: the summary is refused: it does not contain '30 days'" in refused.err
    assert "hint: " in refused.err

    done = talk("compress", "--content", "short, and more than that", "--target-tokens", "2")
    assert 0 == done.status
    assert "warning: the summary is too long: it has 6 tokens, and 2 were asked for" in done.err


def test_a_models_summary_that_is_refused_waits(talk: Run, llm_server: LLMServer) -> None:
    environ = {"OPENAI_API_KEY": "key", "OPENAI_BASE_URL": llm_server.url}
    llm_server.script(*["In short."] * 3)

    refused = talk("compress", "--must-keep", "30 days", **environ)

    (waiting,) = talk("compress", "--list", "--json").json_lines
    assert (128, True) == (refused.status, waiting["refused"])
    assert f"it waits as compression '{waiting['id']}'" in refused.err
    assert "hint: the model need not be asked again: '--approve <id> --force'" in refused.err
    assert f"{waiting['id']} main (4 messages, 44 tokens to 7, refused): In short." in talk("compress", "--list").out
    shown = talk("compress", "--show", waiting["id"])
    assert "warning: the summary is unfit: it does not contain '30 days'" in shown.err
    assert f"'tract compress --approve {waiting['id']} --force' commits it" in shown.err
    assert 128 == talk("compress", "--approve", waiting["id"]).status
    assert 0 == talk("compress", "--approve", waiting["id"], "--force").status
    assert "In short." == texts(talk)[0]


def test_hidden_messages_that_leave_are_counted(talk: Run) -> None:
    talk("skip", "HEAD~4")

    done = talk("compress", "--content", "They asked.")

    first, tokens, summary = done.out.splitlines()
    assert first.endswith("Compressed 3 messages")
    assert tokens.endswith("; 1 skipped removed")
    assert summary.endswith(" stands for 3 messages and 1 skipped")
    assert "stands for 4 messages" in talk("blame").out
    assert talk("expand", "HEAD").out.endswith(": 4 messages back\n")


@pytest.mark.parametrize(
    ("argv", "status", "words"),
    [
        (["--approve", "a", "--reject", "b"], 2, "two commands"),
        (["--content", "x", "--commits", "nope"], 128, "nope"),
        ([], 128, "neither OPENAI_API_KEY nor ANTHROPIC_API_KEY is set"),
        (["--provider", "anthropic"], 128, "ANTHROPIC_API_KEY is not set"),
        (["--content", "x", "--keep-recent", "99"], 128, "nothing to compress"),
    ],
)
def test_mistakes_are_told(talk: Run, argv: list[str], status: int, words: str) -> None:
    done = talk("compress", *argv)

    assert status == done.status
    assert words in done.err
    assert 6 == len(texts(talk))


@pytest.mark.parametrize(
    ("argv", "hint"),
    [
        (["expand", "HEAD"], "'tract log --op compress' lists the compressions"),
        (["compress", "--approve", "zz"], "'tract compress --list' says what waits"),
        (["compress", "--content", "x", "--keep-recent", "6"], "'--from' and '--to', choose which of them to compress"),
    ],
)
def test_a_hint_is_about_what_went_wrong(talk: Run, argv: list[str], hint: str) -> None:
    said = talk(*argv).err.splitlines()
    assert 2 == len(said)
    assert hint in said[1]


def test_a_wrong_option_has_no_hint_about_anything_else(talk: Run) -> None:
    assert ["tract: target_tokens must be a positive whole number, not 0"] == talk(
        "compress", "--content", "x", "--target-tokens", "0"
    ).err.splitlines()


def test_expand_puts_the_messages_back_here_or_on_a_branch(talk: Run) -> None:
    talk("compress", "--content", "They asked.")

    beside = talk("expand", "HEAD", "--branch", "full")
    assert beside.out.startswith("[full ")
    done = talk("expand", "HEAD")
    assert done.out.endswith(": 4 messages back\n")
    assert 128 == talk("expand", "HEAD~1").status


def test_show_and_blame_see_through_a_summary(talk: Run) -> None:
    sources = [entry["commit_hash"] for entry in talk("blame", "--json").json_lines][:4]
    done = talk("compress", "--content", "They asked.", "--json").json
    (summary,) = done["summary_hashes"]

    shown = talk("show", summary)
    assert sources == talk("show", summary, "--json").json["sources"]
    assert "stands for 4 messages:\n" + sources[0][:10] in shown.out
    assert f"hint: 'tract expand {summary[:10]}'" in shown.err
    assert [sources, [], []] == [entry["sources"] for entry in talk("blame", "--json").json_lines]
    assert "[stands for 4 messages]: They asked." in talk("blame").out
    assert [] == talk("show", "--json").json["sources"]

    talk("expand", summary)
    assert sources == [entry["changed_hash"] for entry in talk("blame", "--json").json_lines][:4]


def test_patterns_must_match(talk: Run) -> None:
    refused = talk("compress", "--content", "in short", "--must-match", r"\d days")
    assert (128, True) == (refused.status, r"it does not contain /\d days/" in refused.err)
    assert "is not a regular expression" in talk("compress", "--content", "x", "--must-match", "(").err
    assert 0 == talk("compress", "--content", "in 3 days", "--must-match", r"\d days").status


def test_reorder_moves_messages_and_says_what_that_means(talk: Run) -> None:
    first, answer = (talk("rev-parse", f"HEAD~{at}").out.strip() for at in (5, 4))

    plan = talk("reorder", answer, "--dry-run")
    assert (0, "Would move 1 message\n 66 tokens are no longer cached by a provider\n") == (plan.status, plan.out)
    assert f"warning: message {answer[:10]}: it answered message {first[:16]}, which comes after it" in plan.err
    assert 128 == talk("reorder", answer, "--strict").status
    done = talk("reorder", answer, "--after", "HEAD", "--json").json

    assert ([answer], "answer 0 that is long enough") == (done["moved"], texts(talk)[-1])
    assert "Moved 1 message" in talk("reorder", answer, "--before", first).out


def test_on_a_terminal_without_a_model_a_summary_is_written_in_the_editor(talk: Run, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ncp "$1" seen; printf \'Summed up by hand.\' > "$1"\n')
    editor.chmod(0o755)
    shell = {"terminal": True, "TRACT_EDITOR": str(editor), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}

    waiting = talk("compress", "--keep-recent", "1", "--review", "--json", **shell).json
    edited = talk("compress", "--edit", waiting["id"], "--json", **shell).json

    assert ["Summed up by hand."] == [part["text"] for part in edited["parts"]]
    assert (tmp_path / "seen").read_text().startswith("Summed up by hand.\n")
    editor.write_text('#!/bin/sh\n: > "$1"\n')
    assert "the summary is empty; nothing was changed" in talk("compress", "--keep-recent", "1", **shell).err
