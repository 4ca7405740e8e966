"""``cli_prompt``: asking at the terminal."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest

from tests.cli.conftest import Terminal
from tests.making import make_tract, texts
from tract import Action, Tract, cli_prompt
from tract.cli.porcelain.orchestrate import told_to_end


class Typing(Terminal):
    """A terminal at which somebody types, and may press Ctrl-C."""

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        line = super().readline(size)
        if line == "^C\n":
            raise KeyboardInterrupt
        return line


def asked(monkeypatch: pytest.MonkeyPatch, typed: str, *, terminal: bool = True) -> tuple[Tract, str]:
    """A tract with a proposal about which the callback was asked, and what was shown."""
    t = make_tract("a", "b", "c", "d")
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stdin", Typing(typed) if terminal else io.StringIO(typed))
    monkeypatch.setattr(sys, "stderr", shown)
    one = t.propose(Action("compress", {"content": "s", "keep_recent": 2}, "context at 85 %"), origin="compress")
    t.decide_proposal(one, cli_prompt)
    return t, shown.getvalue()


@pytest.mark.parametrize(
    ("typed", "status", "seen", "reason"),
    [
        ("a\n", "executed", ["s", "c", "d"], ""),
        ("what\nA\n", "executed", ["s", "c", "d"], ""),
        ("r\nthe prices are needed\n", "rejected", ["a", "b", "c", "d"], "the prices are needed"),
        ("m\ncontent=t\nnonsense\nto_commit=HEAD:1\n\nkeep b\n", "executed", ["t", "b", "c", "d"], "keep b"),
        ("", "pending", ["a", "b", "c", "d"], ""),
        ("^C\n", "pending", ["a", "b", "c", "d"], ""),
        ("r\n", "pending", ["a", "b", "c", "d"], ""),
        ("m\ncontent=t\n", "pending", ["a", "b", "c", "d"], ""),
        ("m\n\n", "pending", ["a", "b", "c", "d"], ""),
        ("m\n\nr\nno\n", "rejected", ["a", "b", "c", "d"], "no"),
    ],
)
def test_the_answer_is_done(
    monkeypatch: pytest.MonkeyPatch, typed: str, status: str, seen: list[str], reason: str
) -> None:
    t, shown = asked(monkeypatch, typed)

    (one,) = t.proposals("all")
    assert (one.status, texts(t), one.decision_reason) == (status, seen, reason)
    assert "why: context at 85 %" in shown
    assert "would do: 2 messages" in shown
    assert "[a]pprove, [r]eject, [m]odify?" in shown


class Killed(Terminal):
    """A terminal at which nobody answers until the process is told to end."""

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        return "a\n"


def test_a_watch_that_is_told_to_end_waits_for_no_answer_and_the_proposal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    t = make_tract("a", "b", "c", "d")
    monkeypatch.setattr(sys, "stdin", Killed(""))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    one = t.propose(Action("compress", {"content": "s", "keep_recent": 2}))
    ending = threading.Event()

    with told_to_end(ending):
        t.decide_proposal(one, cli_prompt)

    assert ending.is_set()
    assert [one.status for one in t.proposals("all")] == ["pending"]


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    t, shown = asked(monkeypatch, "a\n", terminal=False)

    assert (shown, len(t.proposals())) == ("", 1)


def test_the_callback_serves_policies(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compress:
        name, priority, trigger = "compress", 10, "commit"

        def evaluate(self, tract: Any) -> Action | None:
            return Action("compress", {"content": "s", "keep_recent": 1}) if len(tract.messages()) > 2 else None

    t = make_tract("a", "b")
    t.configure_policies([Compress()], on_proposal=cli_prompt)
    monkeypatch.setattr(sys, "stdin", Typing("a\n"))
    t.user("c")

    assert texts(t) == ["s", "c"]
