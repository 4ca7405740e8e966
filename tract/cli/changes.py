"""Changes to messages: setting priorities, and the cost of a change for a provider's prompt cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from tract.api.tract import Tract
from tract.cli.command import DONE, USAGE, Args, Param
from tract.cli.console import Console, Painted, one_line
from tract.cli.rendering import SHORT, paint_role, print_line_json, print_one_line, read_line
from tract.history.context import context_at, entry_at, index_of
from tract.history.priority import read_priority
from tract.messages import message_of, message_text
from tract.objects.id import parse_id

DRY_RUN = Param(
    "dry_run",
    ("--dry-run", "-n"),
    bool,
    help="Change nothing; print how many tokens a provider could no longer serve from its prompt cache.",
)

TARGET = Param(
    "target",
    metavar="TARGET",
    required=True,
    help="The message to change: the commit that introduced it, or its number, as HEAD:4.",
)

PARAMS = (
    Param(
        "targets",
        metavar="TARGET…",
        many=True,
        help="The messages: the commits that introduced them, or numbers, as HEAD:4.",
    ),
    Param("reason", ("--reason",), metavar="TEXT", help="The reason, which is kept with the priority."),
    Param("json", ("--json",), bool, help="Print a JSON document for each message, one on a line."),
    Param("list", ("-l", "--list"), bool, help="List the messages of the context that have this priority."),
    DRY_RUN,
)


def run_priority(console: Console, args: Args, priority: str) -> int:
    """Set the priority of the targets, or list the messages that have it; return the exit status."""
    if args.list == bool(args.targets) or (args.list and args.dry_run):
        console.error("give either the messages or --list")
        return USAGE
    if args.list:
        _list(console, priority, args)
    else:
        set_priority(console, args.targets, priority, args)
    return DONE


def _list(console: Console, priority: str, args: Args) -> None:
    from tract.report.forensics import blame  # setting a priority needs none of it

    with console.open_workspace() as space:
        for entry in blame(space, "HEAD", slice(None)) if space.repo.head()[1] is not None else ():
            if entry.priority.value != priority:
                continue
            id = parse_id(entry.commit_hash)
            assert id is not None
            line = read_line(space, id)._replace(role=entry.role, text=entry.text)
            if args.json:
                print_line_json(console, line, number=entry.number)
            else:
                print_one_line(console, line, None)


def set_priority(console: Console, targets: Sequence[str], priority: str, args: Any) -> None:
    """Set the priority of all *targets* and report it; none is set if one is not a message."""
    with console.open_tract() as tract:
        if args.dry_run:
            change = partial(_annotate_all, tract, targets, priority)
            print_dry_run(console, tract, change, json=args.json)
            return
        # A batch would hide a single change from the reflog, and from an undo.
        with tract.batch() if len(targets) > 1 else nullcontext():
            done = [tract.annotate(target, read_priority(priority), reason=args.reason) for target in targets]
        for note in done:
            if args.json:
                console.print_json(note)
                continue
            role, words = _as_shown(tract, note.target)
            lead = f"{note.target[:SHORT]} {note.priority.value}: "
            text = one_line(words, max(20, console.width - len(lead) - len(role) - 2))
            console.line(lead, paint_role(console, role), ": ", Painted(text))


def _as_shown(tract: Tract, target: str) -> tuple[str, str]:
    """The role and the text of a message in HEAD's context, with its edits; a message not in it, as it was committed."""
    repo, id = tract.repository, parse_id(target)
    assert id is not None
    tip = repo.head()[1]
    context = None if tip is None else context_at(repo, tip)
    place = None if context is None else index_of(repo, context, id)
    if context is not None and place is not None and entry_at(repo, context, place)[1] != repo.commit(id).content:
        (shown,) = tract.blame(places=slice(place, place + 1))
        return shown.role, shown.text
    message = message_of(tract.get_content(target))  # as most are; a look at who changed it loads more
    return message.role, message_text(message)


def _annotate_all(tract: Tract, targets: Sequence[str], priority: str) -> None:
    for target in targets:
        tract.annotate(target, read_priority(priority))


class _UndoneError(Exception):
    """Ends a batch so that nothing of it lands."""


def print_dry_run(console: Console, tract: Tract, change: Callable[[], object], *, json: bool) -> None:
    """Make *change* in a batch that is dropped, and print its effect on the context's prefix."""
    before = tract.compile(policies=False)
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
