"""``tract search``."""

from __future__ import annotations

import pytest


@pytest.fixture
def talk(run):
    run("commit", "Is there a refund?\nI mean within 60 days.")
    run("commit", "-r", "assistant", "x" * 50 + " the refund, the Refund " + "y" * 50)
    run("tracts", "create", "helper")
    run("--tract", "helper", "commit", "no refunds")
    return run


def test_a_line_a_message_with_the_words_around_what_was_found(talk):
    answer, question = talk("rev-list", "HEAD").out.split()
    other = talk("--tract", "helper", "rev-parse", "HEAD").out

    assert [
        f"{answer[:10]} assistant: …{'x' * 25} the refund, the Refund {'y' * 7}…",
        f"{question[:10]} user: Is there a refund?…",
        f"helper::{other[:10]} user: no refunds",
    ] == talk("search", "refund").out.splitlines()
    assert "\x1b[1;31mrefund\x1b[m, the \x1b[1;31mRefund\x1b[m" in talk("--color=always", "search", "refund", COLUMNS="200").out  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "status", "count"),
    [
        (("refund", "-n1"), 0, 1),
        (("Refund", "--case"), 0, 1),
        (("refund", "--tract", "helper"), 0, 1),
        (("-E", "within .* days", "-r", "user"), 0, 1),
        (("refund", "--since", "2099-01-01"), 1, 0),
        (("nowhere",), 1, 0),
        (("-E", "("), 128, 0),
        (("x", "--since", "someday"), 2, 0),
        ((), 2, 0),
    ],
)
def test_the_exit_status_says_whether_anything_was_found(talk, argv, status, count):
    outcome = talk("search", *argv)

    assert (status, count) == (outcome.status, len(outcome.out.splitlines()))


def test_json_has_the_whole_text_and_the_places_that_match(talk):
    hit = talk("search", "within", "--json").json_lines[0]

    assert ("root", "user", [[26, 32]]) == (hit["tract_id"], hit["role"], hit["matches"])
    assert "Is there a refund?\nI mean within 60 days." == hit["text"]
