"""``tract search``: find messages, in every tract of the store."""

from __future__ import annotations

from collections.abc import Sequence

from tract.cli.command import DONE, NEGATIVE, Args, Command, Param
from tract.cli.console import Console, Painted, text_width
from tract.cli.rendering import SHORT, paint_role
from tract.escape import escaped
from tract.report.search import SearchHit, search

_BEFORE = 30
"""The columns of a line before the matching words."""


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        found = search(
            repo,
            args.text,
            tract=console.tract,
            regex=args.regex,
            case=args.case,
            role=args.role,
            tool=args.tool,
            since=args.since,
            limit=None if args.max_count is None or args.max_count < 0 else args.max_count,
        )
        here = repo.tract
    for hit in found:
        if args.json:
            console.print_json(hit)
        else:
            _print(console, hit, "" if hit.tract_id == here else f"{hit.tract_id}::")
    return DONE if found else NEGATIVE


def _print(console: Console, hit: SearchHit, tract: str) -> None:
    """Print the message's id and role, and its first line that matches."""
    lead = f"{tract}{hit.commit_hash[:SHORT]} {hit.role}: "
    room = max(20, console.width - text_width(lead))
    start, end = _excerpt(hit.text, hit.matches, room - 2)
    parts = [console.paint(f"{tract}{hit.commit_hash[:SHORT]}", "yellow"), " ", paint_role(console, hit.role), ": "]
    parts += ["…"] if start else []
    parts += _marked(console, hit, start, end)
    parts += ["…"] if end < len(hit.text) else []
    console.line(*parts)


def _excerpt(text: str, matches: Sequence[tuple[int, int]], room: int) -> tuple[int, int]:
    """The part of *text* to show: around the first match, in its line."""
    first = matches[0] if matches else (0, 0)
    line = text.rfind("\n", 0, first[0]) + 1
    start = first[0]
    while start > line and _width(text[start - 1 : first[0]]) <= _BEFORE:
        start -= 1
    stop = text.find("\n", first[1])
    stop = len(text) if stop < 0 else stop
    end = min(stop, start + room)
    while _width(text[start:end]) > room:
        end -= 1
    return start, end


def _marked(console: Console, hit: SearchHit, start: int, end: int) -> list[Painted]:
    """That part of the text, with the matches in bold red."""
    parts: list[Painted] = []
    at = start
    for first, last in hit.matches:
        if first >= end:
            break
        parts.append(_plain(hit.text[at:first]))
        parts.append(console.paint(hit.text[first : min(last, end)].replace("\n", " "), "bold red"))
        at = min(last, end)
    return [*parts, _plain(hit.text[at:end])]


def _width(text: str) -> int:
    return text_width(_plain(text))


def _plain(text: str) -> Painted:
    return Painted(escaped(text.replace("\n", " ").replace("\t", " ")))


COMMAND = Command(
    run,
    (
        Param("text", metavar="TEXT", required=True, help="What to look for."),
        Param("regex", ("-E", "--regex"), bool, help="TEXT is a regular expression."),
        Param("case", ("--case",), bool, help="Tell capital letters from small ones."),
        Param("role", ("--role", "-r"), metavar="ROLE", help="Only messages of this role."),
        Param("tool", ("--tool",), metavar="NAME", help="Only messages that call this tool."),
        Param(
            "since",
            ("--since",),
            metavar="TIME",
            help="Only messages committed at or after this time, such as yesterday or '2 hours ago'.",
        ),
        Param(
            "max_count",
            ("-n", "--max-count"),
            int,
            metavar="N",
            help="Print at most N messages; a negative N means all.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document for each message, one on a line."),
    ),
    """
Searches every version of every message in the history of the branches, also skipped and compressed ones: in every tract, or only in that of --tract.
Prints the commit of each message, its role, and the first line that matches; a commit of another tract is printed as TRACT::ID, which other commands accept.
Exits with status 1 if nothing is found.

  $ tract search refund
  $ tract search -E 'refund(s|ed)?' --role assistant --since 1.week
  $ tract search '' --tool web_search
""",
    pages=True,
)
