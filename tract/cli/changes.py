"""Changes to messages: setting priorities, and what a change would cost a provider's prompt cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from tract.api.tract import Tract
from tract.cli.command import Param
from tract.cli.console import Console, Painted, one_line
from tract.cli.rendering import SHORT, paint_role
from tract.messages import message_of, message_text

DRY_RUN = Param(
    "dry_run",
    ("--dry-run", "-n"),
    bool,
    help="Change nothing; print how many tokens a provider could no longer serve from its prompt cache.",
)

PARAMS = (
    Param(
        "targets",
        metavar="TARGET…",
        many=True,
        required=True,
        help="The messages: the commits that introduced them, or numbers, as HEAD:4.",
    ),
    Param("reason", ("--reason",), metavar="TEXT", help="The reason, which is kept with the priority."),
    Param("json", ("--json",), bool, help="Print a JSON document for each message, one on a line."),
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
                console.print_json(note)
                continue
            message = message_of(tract.get_content(note.target))
            lead = f"{note.target[:SHORT]} {note.priority.value}: "
            text = one_line(message_text(message), max(20, console.width - len(lead) - len(message.role) - 2))
            console.line(lead, paint_role(console, message.role), ": ", Painted(text))


def _annotate_all(tract: Tract, targets: Sequence[str], priority: str) -> None:
    for target in targets:
        tract.annotate(target, priority)


class _UndoneError(Exception):
    """Ends a batch, so that nothing of it lands."""


def print_dry_run(console: Console, tract: Tract, change: Callable[[], object], *, json: bool) -> None:
    """Make *change* in a batch that is given up, and print what it does to the context's prefix."""
    before = tract.compile()
    try:
        with tract.batch():
            change()
            found = tract.prefix_change(before)
            raise _UndoneError
    except _UndoneError:
        pass
    if json:
        console.print_json(found)
        return
    console.line(
        f"would invalidate {found.invalidated_tokens:,} of {found.previous_tokens:,} tokens",
        f" (from message {found.common_messages + 1}, {found.first_changed_message[:SHORT]})"
        if found.first_changed_message
        else "",
    )
