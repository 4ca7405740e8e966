"""Asking a person at the terminal about a proposal."""

from __future__ import annotations

import sys

from tract.agents.proposals import Decision, Proposal
from tract.cli.console import Console, is_terminal
from tract.cli.proposals import print_proposal, read_changes
from tract.errors import ActionError

_QUESTION = "[a]pprove, [r]eject, [m]odify? "


_is_asking = False


def is_asking() -> bool:
    """Whether a person is being asked now: a signal's handler then raises KeyboardInterrupt, so that no answer is waited for."""
    return _is_asking


class _NobodyError(Exception):
    """No answer comes: the input is at its end."""


def cli_prompt(proposal: Proposal) -> Decision | None:
    """Show a proposal and ask what to do about it; None, so that it stays pending, without a terminal, at the end of the input and after Ctrl-C.

    For a rejection, a reason is asked for; for a change, lines of ``key=value`` until an empty one. Without any, the question is repeated.
    """
    if not is_terminal(sys.stdin):
        return None
    console = Console(stdout=sys.stderr)
    try:
        print_proposal(console, proposal)
        return _ask(console)
    except (_NobodyError, KeyboardInterrupt):
        console.line("")
        return None


def _ask(console: Console) -> Decision:
    while True:
        answer = _line(_QUESTION).strip().lower()
        if answer in ("a", "approve"):
            return Decision("approve")
        if answer in ("r", "reject"):
            return Decision("reject", reason=_line("reason: ").strip())
        if answer in ("m", "modify"):
            changes = _changes(console)
            if changes:
                return Decision("modify", changes, _line("reason: ").strip())


def _changes(console: Console) -> dict[str, object]:
    found: dict[str, object] = {}
    while line := _line("key=value: ").strip():
        try:
            found |= read_changes([line])
        except ActionError as exc:
            console.error(str(exc))
    return found


def _line(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    global _is_asking
    _is_asking = True
    try:
        line = sys.stdin.readline()
    finally:
        _is_asking = False
    if not line:
        raise _NobodyError
    return line
