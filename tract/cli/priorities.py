"""Setting priorities, for the commands that do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from tract.api.tract import Tract
from tract.cli.command import Param
from tract.cli.console import Console, Painted, one_line
from tract.cli.dry_run import DRY_RUN, print_dry_run
from tract.cli.rendering import SHORT, paint_role
from tract.history.priority import PriorityAnnotation
from tract.messages import message_of, message_text

PARAMS = (
    Param(
        "targets",
        metavar="TARGET…",
        many=True,
        required=True,
        help="The messages, by the commits that introduced them.",
    ),
    Param("reason", ("--reason",), metavar="TEXT", help="Why; kept with the priority."),
    Param("json", ("--json",), bool, help="Print a JSON document a message, one a line."),
    DRY_RUN,
)


def set_priority(console: Console, targets: Sequence[str], priority: str, args: Any) -> None:
    """Set the priority of all *targets*, or of none when one is no message, and say so."""
    with console.open_tract() as tract:
        if args.dry_run:
            change = partial(_annotate_all, tract, targets, priority)
            print_dry_run(console, tract, change, json=args.json)
            return
        # A batch of one would hide from the reflog, and from an undo, what it did.
        with tract.batch() if len(targets) > 1 else nullcontext():
            done = [tract.annotate(target, priority, reason=args.reason) for target in targets]
        for note in done:
            if args.json:
                console.print_json(_value(note))
                continue
            message = message_of(tract.get_content(note.target))
            lead = f"{note.target[:SHORT]} {note.priority.value}: "
            text = one_line(message_text(message), max(20, console.width - len(lead) - len(message.role) - 2))
            console.line(lead, paint_role(console, message.role), ": ", Painted(text))


def _annotate_all(tract: Tract, targets: Sequence[str], priority: str) -> None:
    for target in targets:
        tract.annotate(target, priority)


def _value(note: PriorityAnnotation) -> dict[str, Any]:
    return {
        "commit": note.target,
        "priority": note.priority.value,
        "reason": note.reason,
        "author": note.author,
        "time": note.created_at.isoformat(),
    }
