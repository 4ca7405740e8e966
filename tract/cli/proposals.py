"""The display of proposals, and the reading of changed arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tract.agents.actions import Action
from tract.agents.proposals import Proposal
from tract.cli.console import Console, one_line
from tract.errors import ActionError
from tract.objects.json import parse_json

_STYLES = {"pending": "yellow", "executed": "green", "rejected": "dim", "failed": "red", "stale": "red"}
_LIST = 4


def print_proposal(console: Console, one: Proposal) -> None:
    """Print a proposal, with its reason and its effect."""
    console.line(
        console.paint(one.id, "yellow"),
        " ",
        console.paint(one.status, _STYLES.get(one.status, "bold")),
        f"  {one.action.name} by {one.origin}",
        f" on {one.branch}" if one.branch else "",
    )
    for what, text in (
        ("why", one.reasoning),
        ("with", shown_arguments(one.executed_action or one.action)),
        ("would do", one.context_summary),
        *(("or", other) for other in one.alternatives),
        (one.status, _decision(one)),
    ):
        if text:
            console.line(f"  {what}: ", one_line(text, max(20, console.width - len(what) - 4)))


def _decision(one: Proposal) -> str:
    if one.decided_at is None:
        return ""
    reason = f": {one.decision_reason}" if one.decision_reason else ""
    return f"by {one.decided_by}, {one.decided_at:%Y-%m-%d %H:%M} UTC{reason}"


def shown_arguments(action: Action) -> str:
    """The arguments of an action in a line; a long list is shown by its length."""
    return ", ".join(f"{name}={_shown(value)}" for name, value in action.arguments.items())


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)) and len(value) > _LIST:
        return f"({len(value)} of them)"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_shown(one) for one in value)}]"
    if isinstance(value, str) and len(value) == 64 and all(char in "0123456789abcdef" for char in value):
        return value[:10]
    return repr(value)


def read_changes(given: Iterable[str]) -> Mapping[str, Any]:
    """Arguments from ``key=value`` texts: a value that is JSON is read as that, an empty one removes the argument, any other is a text."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ActionError(f"a changed argument is written as key=value, not {text!r:.60}")
        found[name.strip()] = _value(value.strip())
    return found


def _value(text: str) -> Any:
    if not text:
        return None
    try:
        return parse_json(text.encode())
    except ValueError:
        return text


def print_outcome(console: Console, one: Proposal) -> bool:
    """Print the outcome of a proposal; return whether it was carried out."""
    if one.status == "executed":
        at = f" [{one.result_commit[:10]}]" if one.result_commit else ""
        console.line(f"Proposal {one.id} is executed: {one.action.name}", at)
        return True
    console.error(f"proposal '{one.id}' is {one.status}: {one.decision_reason}")
    return False
