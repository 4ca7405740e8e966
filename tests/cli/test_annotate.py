"""``tract annotate``, ``pin`` and ``skip``."""

from __future__ import annotations

import json

import pytest

from tract import Priority, Tract


@pytest.fixture
def talk(run):
    for text in ("one", "two", "three"):
        run("commit", text)
    return run


def priorities(tmp_path) -> list[Priority]:
    with Tract.open(tmp_path) as t:
        return [info.priority for info in reversed(t.log())]


def test_a_priority_is_set_and_taken_back(talk, tmp_path):
    outcome = talk("annotate", "HEAD~1", "skip", "--reason", "a dead end")

    assert outcome.out[10:] == " skip: user: two\n"
    assert [Priority.NORMAL, Priority.SKIP, Priority.NORMAL] == priorities(tmp_path)
    talk("annotate", "HEAD~1", "normal")
    assert [Priority.NORMAL] * 3 == priorities(tmp_path)
    with Tract.open(tmp_path) as t:
        assert ["a dead end", None] == [note.reason for note in t.get_annotations("HEAD~1")]


def test_an_edited_message_is_shown_as_it_is_now(talk):
    talk("edit", "HEAD~1", "zwei")

    assert talk("pin", "HEAD:2").out.endswith(" pinned: user: zwei\n")
    original = talk("rev-parse", "HEAD~2").out.strip()
    talk("switch", "--orphan", "other")
    talk("commit", "elsewhere")
    assert talk("pin", original).out.endswith(" pinned: user: two\n")


def test_pin_and_skip_take_many(talk, tmp_path):
    assert 0 == talk("pin", "HEAD", "HEAD~1").status
    assert 0 == talk("skip", "HEAD~2").status
    assert [Priority.SKIP, Priority.PINNED, Priority.PINNED] == priorities(tmp_path)


def test_one_that_is_not_there_leaves_all_as_they_were(talk, tmp_path):
    outcome = talk("pin", "HEAD", "nope")

    assert 128 == outcome.status
    assert [Priority.NORMAL] * 3 == priorities(tmp_path)


def test_json_is_a_line_a_message(talk):
    lines = talk("pin", "HEAD", "HEAD~1", "--reason", "why", "--json").json_lines

    assert [("pinned", "why"), ("pinned", "why")] == [(line["priority"], line["reason"]) for line in lines]
    assert "skip" == talk("annotate", "HEAD", "skip", "--json").json["priority"]


def test_a_dry_run_says_what_it_would_cost_and_changes_nothing(talk, tmp_path):
    talk("compile", "--json")
    before = talk("log", "--json").out
    one = json.loads(before.splitlines()[-1])["commit_hash"]

    for command in (("annotate", "HEAD~2", "skip"), ("skip", "HEAD~2")):
        assert f"would invalidate 15 of 15 tokens (from message 1, {one[:10]})\n" == talk(*command, "--dry-run").out
    assert "would invalidate 0 of 15 tokens\n" == talk("pin", "HEAD~2", "-n").out
    assert 15 == talk("skip", "HEAD~2", "-n", "--json").json["invalidated_tokens"]
    assert [Priority.NORMAL] * 3 == priorities(tmp_path)
    assert before == talk("log", "--json").out


def test_the_messages_of_a_priority_are_listed(talk):
    talk("pin", "HEAD~2")
    talk("skip", "HEAD")
    talk("edit", "HEAD~2", "one, edited")

    assert ["one, edited"] == [
        line.split("]: ")[1].partition(" (")[0] for line in talk("pin", "--list").out.splitlines()
    ]
    assert [3] == [line["number"] for line in talk("skip", "-l", "--json").json_lines]
    assert 2 == talk("pin").status == talk("pin", "-l", "HEAD").status


def test_an_undo_names_the_priority_it_takes_back(talk):
    talk("skip", "HEAD")

    assert "would undo: annotate: skip " in talk("undo", "--dry-run").out
