"""``tract blame``: the commit that each message of the context comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, Painted, one_line, text_width
from tract.cli.rendering import SHORT, paint_role, tokens_text
from tract.compile.workspace import context_commit
from tract.errors import CommitNotFoundError, EditTargetError
from tract.history.commit import edit_target
from tract.history.context import context_at, entries
from tract.history.priority import Priority
from tract.repo import Repository
from tract.report.forensics import BlameEntry, blame
from tract.revision import resolve_revision

_RANGE = re.compile(r"(\d{1,9})(?:,(\+?)(\d{1,9}))?")


_WIDE = 100
"""A terminal with fewer columns has no room for tokens beside the text."""


def run(console: Console, args: Args) -> int:
    places = None if args.range is None else _places(args.range)
    if args.range is not None and args.message is not None:
        console.error("-L and --message exclude each other")
        return USAGE
    if args.range is not None and places is None:
        console.error(f"-L takes places from 1, such as 3, 3,7 or 3,+2, not {args.range!r}")
        return USAGE
    with console.open_workspace() as space:
        repo = space.repo
        if args.revision == "HEAD" and repo.head()[1] is None:
            raise CommitNotFoundError("HEAD", "there is no commit yet")
        if args.message is not None:
            places = _of_message(repo, args.revision, args.message)
        found = blame(space, args.revision, places or slice(None))
        exact = [space.blobs.known(bytes.fromhex(entry.content_hash)) is not None for entry in found]
        if args.range is not None and not found:
            raise EditTargetError(f"there is no message {places.start + 1 if places else 1} in that context")
        if args.json:
            for entry, is_exact in zip(found, exact, strict=True):
                console.print_json(entry, tokens_exact=is_exact)
        else:
            _print(console, found, exact)
    return DONE


def _places(text: str) -> slice | None:
    """The places that ``3``, ``3,7`` or ``3,+2`` mean, the last one included."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    start = int(match[1]) - 1
    if match[3] is None:
        return slice(start, start + 1) if start >= 0 else None
    end = start + int(match[3]) if match[2] else int(match[3])
    return slice(start, end) if 0 <= start < end else None


def _of_message(repo: Repository, revision: str, name: str) -> slice:
    """The place of a message in the context at *revision*."""
    message = edit_target(repo, resolve_revision(repo, name))
    rows = entries(repo, context_at(repo, context_commit(repo, revision)))
    place = next((at for at, (commit, _) in enumerate(rows) if commit == message), None)
    if place is None:
        raise EditTargetError(f"commit {message.hex()[:16]} is not a message of that context")
    return slice(place, place + 1)


def _print(console: Console, found: Sequence[BlameEntry], exact: Sequence[bool]) -> None:
    """Print, for each message, the commit that last changed it, its author and date, the number, and the message."""
    authors = [one_line(entry.author, 20) for entry in found]
    width = max(map(text_width, authors), default=0)
    digits = len(str(found[-1].number)) if found else 1
    for entry, author, is_exact in zip(found, authors, exact, strict=True):
        when = f"{entry.changed.created_at.astimezone():%Y-%m-%d %H:%M}"
        id = entry.changed_hash[:SHORT]
        who = f" ({author}{' ' * (width - text_width(author))} {when} {entry.number:>{digits}}) "
        marks = _marks(entry, console.width // 3)
        tokens = f" ({tokens_text(entry.token_count, exact=is_exact)})" if console.width >= _WIDE else ""
        taken = len(id) + text_width(who) + text_width(one_line(entry.role, 40)) + text_width(marks) + 2 + len(tokens)
        text = Painted(one_line(entry.text, max(15, console.width - taken)))
        console.line(
            console.paint(id, "yellow"), Painted(who), paint_role(console, entry.role), console.paint(marks, "yellow"), ": ", text, console.paint(tokens, "dim")
        )  # fmt: skip


def _marks(entry: BlameEntry, width: int) -> str:
    """The model that wrote the message, the number of messages it replaces, the message it is if a later commit changed it, and whether it is hidden or pinned."""
    marks = [f"{entry.changed.operation.value} of {entry.commit_hash[:SHORT]}"] if entry.is_changed else []
    if entry.sources:
        count = f"for {len(entry.sources)} message{'' if len(entry.sources) == 1 else 's'}"
        marks.append(f"stands {count}" if entry.child is None else f"{count} of {entry.child}")
    if entry.model is not None:
        marks.append(entry.model)
    if entry.priority is not Priority.NORMAL:
        marks.append("skipped" if entry.priority is Priority.SKIP else "pinned")
    return f" [{one_line(', '.join(marks), width)}]" if marks else ""


COMMAND = Command(
    run,
    (
        Param("revision", default="HEAD", metavar="REVISION", help="The commit whose context to print. Default: HEAD."),
        Param("range", ("-L",), metavar="RANGE", help="Only the messages at these places, from 1: 3, 3,7 or 3,+2."),
        Param(
            "message",
            ("--message",),
            metavar="MESSAGE",
            help="Only this message: the commit that introduced or edited it, or its number, as HEAD:4.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document for each message, one on a line."),
    ),
    """
Prints one line for each message of the context, skipped ones included: the commit that gave the message its present text, its author and date, the number of the message, its role, and in brackets the id of the message if that commit is an edit, and the model that wrote it.
For a summary it says how many messages it replaced: 'tract show' lists them, 'tract blame <compression>~1' blames them.

  $ tract blame
  $ tract blame main~10 -L 3,7
  $ tract blame --message 3fa9 --json
""",
    pages=True,
)
