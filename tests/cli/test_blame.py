"""``tract blame``."""

from __future__ import annotations

import re

import pytest

from tract import Tract


@pytest.fixture
def talk(run, tmp_path):
    with Tract.open(tmp_path) as t:
        t.user("How long?")
        answer = t.commit({"role": "assistant", "content": "60 days"}, generation_config={"model": "m1"})
        t.user("Thanks!")
        t.annotate("HEAD~2", "pinned")
        t.edit(answer.commit_hash, "30 days", message="wrong figure")
    return run


def test_a_line_a_message_names_who_gave_it_its_words(talk):
    first, second, third = talk("blame", COLUMNS="120").out.splitlines()
    edit, _, answer, question = talk("rev-list", "HEAD").out.split()

    assert re.fullmatch(
        rf"{question[:10]} \(\S+ \d{{4}}-\d\d-\d\d \d\d:\d\d 1\) user \[pinned\]: How long\? \(~?\d+ tokens\)",
        first,
    )
    assert second.startswith(f"{edit[:10]} (")
    assert f" 2) assistant [edit of {answer[:10]}, m1]: 30 days (" in second
    assert "user: Thanks!" in third
    assert talk("blame").out.splitlines()[2].endswith("user: Thanks!")


@pytest.mark.parametrize(
    ("argv", "texts"),
    [
        ((), ["How long?", "30 days", "Thanks!"]),
        (("-L", "2"), ["30 days"]),
        (("-L2,3",), ["30 days", "Thanks!"]),
        (("-L", "1,+2"), ["How long?", "30 days"]),
        (("-L", "2,9"), ["30 days", "Thanks!"]),
        (("HEAD~1",), ["How long?", "60 days", "Thanks!"]),
        (("--message", "HEAD"), ["30 days"]),
        (("--message", "HEAD~3"), ["How long?"]),
    ],
)
def test_some_messages_can_be_asked_for(talk, argv, texts):
    assert texts == [line["text"] for line in talk("blame", "--json", *argv).json_lines]


def test_json_has_both_commits_in_full(talk):
    entry = talk("blame", "--json", "-L2").json_lines[0]

    assert ("append", "edit", "wrong figure", "m1") == (entry["introduced"]["operation"], entry["changed"]["operation"], entry["changed"]["message"], entry["model"])  # fmt: skip
    assert (2, entry["introduced"]["commit_hash"], entry["changed"]["commit_hash"]) == (
        entry["number"],
        entry["commit_hash"],
        entry["changed_hash"],
    )


@pytest.mark.parametrize(
    ("argv", "status"),
    [(("-L", "x"), 2), (("-L", "3,1"), 2), (("nope",), 128), (("HEAD~3", "--message", "HEAD~1"), 128)],
)
def test_what_makes_no_sense_is_refused(talk, argv, status):
    outcome = talk("blame", *argv)

    assert (status, "") == (outcome.status, outcome.out)


def test_without_a_commit_there_is_nobody_to_blame(run):
    assert (128, "") == run("blame")[:2]


def test_a_place_behind_the_last_message_is_an_error(talk):
    done = talk("blame", "-L", "9")

    assert (128, "", "tract: there is no message 9 in that context") == (
        done.status,
        done.out,
        done.err.splitlines()[0],
    )
