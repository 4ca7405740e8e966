"""``tract log``."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tract import Tract


@pytest.fixture
def talk(run, tmp_path):
    """Five commits a minute apart: a system prompt, three messages and an edit of the second."""
    with Tract.open(tmp_path) as t:
        for minute, content in enumerate(["What is 2 + 2?", "4", "and\n2 + 3?"]):
            role = "assistant" if minute == 1 else "user"
            t.commit({"role": role, "content": content}, timestamp=datetime(2026, 3, 9, 8, minute, tzinfo=UTC), message=f"n{minute}")  # fmt: skip
        t.edit("HEAD~1", "four", timestamp=datetime(2026, 3, 9, 8, 5, tzinfo=UTC))
        t.tag("v1", "HEAD~1")
        t.compile().token_count  # noqa: B018  # counts the tokens
    return run


def test_each_commit_says_who_and_when_and_begins_its_text(talk):
    entries = talk("log", "-n2").out.split("\n\n")
    newest, text, older = entries[0].splitlines(), entries[1].splitlines(), entries[2].splitlines()

    assert newest[0].endswith("(HEAD -> main) [edit of " + newest[0].split("edit of ")[1])
    assert newest[1].startswith("Author: ")
    assert newest[2].startswith("Date:   Mon Mar  9 ")
    assert text[0].startswith("    assistant (")
    assert "    four" == text[1]
    assert older[0].endswith("(tag: v1)")
    assert "Note:   n2" in older


def test_oneline_is_a_line_a_commit(talk):
    lines = talk("log", "--oneline").out.splitlines()

    assert 4 == len(lines)
    assert lines[0][10:].startswith(" (HEAD -> main) assistant [edit of ")
    assert lines[0].endswith("]: four (1 token)")
    assert lines[1][10:] == " (tag: v1) user: and 2 + 3? (7 tokens)"
    assert all(len(line) <= 80 for line in lines)


def test_the_graph_of_one_line_is_a_column(talk):
    assert all(line.startswith("* ") for line in talk("log", "--oneline", "--graph").out.splitlines())
    full = talk("log", "--graph").out.splitlines()
    assert 4 == sum(line.startswith("* commit ") for line in full)
    assert all(line.startswith(("|", "*")) for line in full[:-6])


@pytest.mark.parametrize(
    ("argv", "texts"),
    [
        ((), ["four", "and\n2 + 3?", "4", "What is 2 + 2?"]),
        (("-n", "1"), ["four"]),
        (("-2",), ["four", "and\n2 + 3?"]),
        (("-n0",), []),
        (("HEAD~2",), ["4", "What is 2 + 2?"]),
        (("v1", "--max-count=1"), ["and\n2 + 3?"]),
        (("--op", "edit"), ["four"]),
        (("--op", "append", "-n1"), ["and\n2 + 3?"]),
        (("--first-parent", "-n1"), ["four"]),
        (("--all", "-n1"), ["four"]),
    ],
)
def test_options_say_which_commits(talk, argv, texts):
    assert texts == [entry["text"] for entry in talk("log", "--json", *argv).json_lines]


@pytest.mark.parametrize(
    ("conditions", "texts"),
    [
        (["model=a"], ["1", "0"]),
        (["model=a", "t>0.1"], ["1"]),
        (["model!=a"], ["2"]),
        (["t<=0.5"], ["1", "0"]),
        (["top.p=true"], ["2"]),
        (["model=c"], []),
    ],
)
def test_commits_are_found_by_their_generation_config(run, tmp_path, conditions, texts):
    with Tract.open(tmp_path) as t:
        configs = [
            {"model": "a", "t": 0.1},
            {"model": "a", "t": 0.5},
            {"model": "b", "t": 0.9, "top": {"p": True}},
            None,
        ]
        for number, config in enumerate(configs):
            t.commit({"role": "assistant", "content": str(number)}, generation_config=config)

    argv = [word for condition in conditions for word in ("--config", condition)]

    assert texts == [line["text"] for line in run("log", "--json", *argv).json_lines]


def test_a_condition_that_is_none_is_refused(talk):
    outcome = talk("log", "--config", "model")

    assert (128, "") == (outcome.status, outcome.out)
    assert "'model' is not a condition" in outcome.err


def test_json_has_what_is_known_of_a_commit(talk):
    entry = talk("log", "--json", "v1", "-n1").json_lines[0]

    assert ("append", "user", "message", "n2", ["tag: v1"]) == (entry["operation"], entry["role"], entry["content_type"], entry["message"], entry["refs"])  # fmt: skip
    assert (7, True) == (entry["token_count"], entry["tokens_exact"])
    assert "2026-03-09T08:02:00+00:00" == entry["created_at"]
    assert 64 == len(entry["commit_hash"])


def test_an_estimate_says_that_it_is_one(run):
    run("commit", "not counted yet")

    assert "(~" in run("log", "--oneline").out
    assert run("log", "--json").json_lines[0]["tokens_exact"] is False


def test_long_texts_are_cut(run):
    run("commit", "\n".join(f"line {n} " + "x" * 200 for n in range(50)))

    lines = run("log").out.splitlines()

    assert "    … 46 lines more" == lines[-1]
    assert all(len(line) <= 80 for line in lines if line.startswith("    "))


def test_without_a_commit_there_is_no_log(run):
    outcome = run("log")

    assert 128 == outcome.status
    assert "branch 'main' has no commits yet" in outcome.err
    assert 0 == run("log", "--all").status


def test_what_is_not_there_is_named(talk):
    outcome = talk("log", "nope")

    assert 128 == outcome.status
    assert "tract: no commit named 'nope': it is not a branch, tag or commit id" == outcome.err.splitlines()[0]


@pytest.mark.parametrize(
    ("argv", "texts"),
    [
        (("HEAD~1..",), ["four"]),
        (("HEAD~1", "^HEAD~3"), ["and\n2 + 3?", "4"]),
        (("--skip", "1", "-n1"), ["and\n2 + 3?"]),
        (("--reverse", "-n2"), ["and\n2 + 3?", "four"]),
        (("--no-merges", "-n1"), ["four"]),
        (("--merges",), []),
        (("--grep", "^2 \\+ 3"), ["and\n2 + 3?"]),
        (("--grep", "N1", "-i"), ["4"]),
        (("--grep", "n0", "--grep", "n2"), ["and\n2 + 3?", "What is 2 + 2?"]),
        (("--author", "nobody"), []),
        (("-S4",), ["four", "4"]),
        (("-S", "WHAT", "-i"), ["What is 2 + 2?"]),
        (("--since", "2026-03-09T08:01Z", "--until", "2026-03-09 08:05+00:00"), ["and\n2 + 3?", "4"]),
        (("--after", "2026-03-09T08:05+00:00"), ["four"]),
        (("--since", "2 minutes ago"), []),
        (("--before", "@0"), []),
    ],
)
def test_commits_are_found_by_what_they_are(talk, argv, texts):
    assert texts == [entry["text"] for entry in talk("log", "--json", *argv).json_lines]


@pytest.mark.parametrize(
    ("format", "first"),
    [
        ("%h %r %o %t %k: %s", "{id:.10} assistant edit 1 normal: four"),
        ("tformat:%H%d", "{id} (HEAD -> main)"),
        ("%D|%an|%N|%M|%P", "HEAD -> main|{author}|||{parent}"),
        ("%p %at %aI %%", "{parent:.10} 1773043500 2026-03-09T08:05:00+00:00 %"),
        ("%q %", "%q %"),
        ("%k%x09%x1b", "normal\t\\x1b"),
        ("format:x", "x"),
    ],
)
def test_a_format_has_placeholders(talk, format, first):
    newest = talk("log", "--json", "-n1").json_lines[0]
    expected = first.format(id=newest["commit_hash"], parent=newest["parent_hash"], author=newest["author"])

    assert [expected] == talk("log", "-n1", "--format", format).out.splitlines()


def test_a_log_may_show_what_each_commit_changed(run):
    run("commit", "one")
    run("commit", "two")
    run("edit", "HEAD~1", "ONE")

    changes = [line for line in run("log", "-p", "--oneline").out.splitlines() if line.startswith(("+", "-"))]
    assert ["-one", "+ONE", "+two", "+one"] == changes
    assert " 1 message changed; as many tokens" in run("log", "--stat", "-n1").out.splitlines()
    assert ["ONE", "one"] == [entry["text"] for entry in run("log", "-L", "HEAD~2", "--json").json_lines]
    assert 2 == run("log", "-p", "--graph").status == run("log", "--stat", "--json").status


def test_what_only_one_of_two_has_can_be_listed(run):
    run("commit", "base")
    run("branch", "side")
    run("commit", "here")
    run("switch", "side")
    run("commit", "there")

    assert {"here", "there"} == {entry["text"] for entry in run("log", "main...side", "--json").json_lines}
    assert ["there"] == [entry["text"] for entry in run("log", "main..", "--json").json_lines]


def test_a_format_may_take_several_lines(talk):
    assert ["[and", "2 + 3?]", "[4", "]"] == talk("log", "-n2", "--skip", "1", "--format", "[%s%n%b]").out.splitlines()
    assert ["* and", "| 2 + 3?"] == talk("log", "-n1", "--skip", "1", "--graph", "--format=%B").out.splitlines()


def test_named_formats_show_more_or_less(talk):
    short, full = (talk("log", "v1", "-n1", "--format", name).out for name in ("short", "full"))

    assert "Date:" not in short
    assert "… " not in full
    assert talk("log", "--oneline").out == talk("log", "--format=oneline").out
    assert talk("log").out == talk("log", "--pretty=medium").out


@pytest.mark.parametrize(
    "argv",
    [
        ("--graph", "--reverse"),
        ("--merges", "--no-merges"),
        ("--skip=-1",),
        ("--format", "long"),
        ("--since", "someday"),
        ("--until", ""),
    ],
    ids=" ".join,
)
def test_options_that_make_no_sense_are_refused(talk, argv):
    outcome = talk("log", *argv)

    assert (2, "", 1) == (outcome.status, outcome.out, outcome.err.count("\n"))


def test_the_graph_leads_over_what_is_not_shown(talk):
    assert ["* four", "* What is 2 + 2?"] == talk(
        "log", "--graph", "--format=%s", "--grep", "four|What"
    ).out.splitlines()
    assert ["* four"] == talk("log", "--graph", "--format=%s", "HEAD~1..").out.splitlines()


@pytest.mark.parametrize(
    ("argv", "texts"),
    [
        (("--all", "--not", "main"), ["left"]),
        (("--not", "main", "--not", "side"), ["left"]),
        (("--not", "side..main"), ["left"]),
    ],
)
def test_what_stands_behind_not_is_left_out(run, argv, texts):
    run("commit", "base")
    run("branch", "side")
    run("commit", "right")
    run("switch", "side")
    run("commit", "left")

    assert sorted(texts) == sorted(run("log", "--format=%s", *argv).out.split())
    assert len(texts) == int(run("rev-list", "--count", *argv).out)


def test_commits_are_found_by_the_lines_that_they_change(run):
    run("commit", "wage: 10\nbonus: 2")
    run("commit", "nothing of that")
    run("edit", "HEAD:1", "wage: 11\nbonus: 2")
    run("edit", "HEAD:1", "wage: 11\nbonus: 3")

    assert ["wage: 11", "wage: 10"] == run("log", "-G", "^wage", "--format=%s").out.split("\n")[:-1]
    assert 3 == len(run("log", "-G", "WAGE|bonus", "-i", "--oneline").out.splitlines())
    assert "" == run("log", "-G", "^bonus: 4", "--oneline").out
    assert 128 == run("log", "-G", "(").status
