"""``tract reflog``: the former values of HEAD, or of another ref."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, Painted, one_line
from tract.cli.rendering import SHORT, read_line
from tract.compile.workspace import Workspace
from tract.history.reflog import ReflogEntry, reflog
from tract.objects.id import parse_id


def run(console: Console, args: Args) -> int:
    words = list(args.words)
    if words[:1] == ["show"]:
        words.pop(0)
    if len(words) > 1:
        console.error("expected one ref at most")
        return USAGE
    limit = None if args.max_count is None or args.max_count < 0 else args.max_count
    with console.open_workspace() as space:
        for entry in reflog(space.repo, words[0] if words else "HEAD", limit):
            if args.json:
                console.print_json(entry)
                continue
            lead = f"{entry.commit_hash[:SHORT]} {entry.selector}: "
            text = one_line(_text(space, entry), max(20, console.width - len(lead)))
            console.line(console.paint(entry.commit_hash[:SHORT], "yellow"), f" {entry.selector}: ", Painted(text))
    return DONE


def _text(space: Workspace, entry: ReflogEntry) -> str:
    """The reason; for a commit without a note, with the text of its message."""
    id = parse_id(entry.commit_hash)
    if id is None or not entry.reason.startswith("commit") or ": " in entry.reason:
        return entry.reason
    return f"{entry.reason}: {read_line(space, id).text}"


COMMAND = Command(
    run,
    (
        Param(
            "words", metavar="[show] [REF]", many=True, help="A branch, a tag or the full name of a ref. Default: HEAD."
        ),
        Param(
            "max_count",
            ("-n", "--max-count"),
            int,
            metavar="N",
            help="Print at most N entries; a negative N means all.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document for each entry, one on a line."),
    ),
    """
Lists the commits that the ref was at, the newest first. Each entry can be used as a revision: HEAD@{2} is where HEAD was two moves ago.
Entries are kept for 90 days. Commits that a hard reset dropped are not listed.

  $ tract reflog
  $ tract reflog main -n 5
""",
    pages=True,
)
