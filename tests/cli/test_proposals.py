"""``tract proposals``, ``tract approve`` and ``tract reject``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tract import Action, Tract


@pytest.fixture
def proposed(run: Run, tmp_path: Path) -> Run:
    """A store with eight messages, and a compression of the first six that waits."""
    for number in range(8):
        assert run("commit", f"message {number}").status == 0
    with Tract.open(tmp_path) as t:
        t.propose(Action("compress", {"content": "short", "keep_recent": 2}, "too \x1b[31mlong"), origin="me")
    return run


def test_what_waits_is_listed_and_in_the_status(proposed: Run) -> None:
    listed = proposed("proposals")

    assert "compress by me on main" in listed.out
    assert "why: too \\x1b[31mlong" in listed.out
    assert "would do: 6 messages" in listed.out
    assert "1 proposal waits for approval" in proposed("status").out
    assert "?? 1 to approve" in proposed("status", "--short").out
    assert proposed("status", "--json").json["proposals"] == 1


def test_it_is_approved_with_a_changed_argument_and_the_reason_is_kept(proposed: Run) -> None:
    shown = proposed("approve", "--dry-run", "--set", "to_commit=HEAD:4")
    done = proposed("approve", "--set", "to_commit=HEAD:4", "-m", "keep the rest")

    assert "would do: 4 messages" in shown.out
    assert done.status == 0
    assert "is executed: compress" in done.out
    assert len(proposed("compile", "--json").json["messages"]) == 5
    (one,) = proposed("proposals", "--all", "--json").json_lines
    assert (one["status"], one["decision_reason"]) == ("executed", "keep the rest")


def test_it_is_rejected_and_not_decided_again(proposed: Run) -> None:
    (one,) = proposed("proposals", "--json").json_lines

    assert proposed("reject", one["id"], "-m", "not now").status == 0
    again = proposed("approve", one["id"])

    assert again.status == 128
    assert f"proposal '{one['id']}' is decided: rejected by " in again.err
    assert proposed("proposals").out == "no pending proposals\n"


def test_what_is_stale_changes_nothing_and_says_why(proposed: Run) -> None:
    proposed("edit", "HEAD:2", "other")

    done = proposed("approve")

    assert done.status == 1
    assert "is stale: message" in done.err
    assert "was edited" in done.err


@pytest.mark.parametrize(
    ("change", "error"),
    [("to", "is written as key=value, not 'to'"), ("to=3", "there is no argument 'to'"), ("commits=", "")],
)
def test_a_change_that_is_none_is_refused(proposed: Run, change: str, error: str) -> None:
    done = proposed("approve", "--set", change)

    if error:
        assert done.status == 128
        assert error in done.err
    assert proposed("fsck").status == 0
