"""``tract fetch``: get a remote's branches, with all their objects."""

from __future__ import annotations

from collections.abc import Sequence

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.cli.rendering import SHORT
from tract.refs.names import REMOTES
from tract.remote.fetch import FetchedRef
from tract.remote.pull import fetch_from

MARKS = {"new": "*", "updated": " ", "forced": "+", "deleted": "-", "rejected": "!"}


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo, Progress(console, f"fetching {args.remote}") as progress:
        result = fetch_from(repo, args.remote, args.refs, all_tracts=args.all_tracts, told=progress.show)
    if args.json:
        console.print_json(result)
        return DONE
    if result.refs or result.notes:
        console.note(f"From {result.url}")
    print_refs(console, result.refs)
    if result.notes:
        console.note(f"{result.notes} note{'' if result.notes == 1 else 's'} joined")
    return DONE


def print_refs(console: Console, refs: Sequence[FetchedRef]) -> None:
    """A line for each ref that moved, as git prints them."""
    for ref in refs:
        at = f"{(ref.old or '')[:SHORT]}..{(ref.new or '')[:SHORT]}" if ref.old and ref.new else f"[{ref.status}]"
        tract = "" if ref.tract == "root" else f"{ref.tract}::"
        name = ref.ref.removeprefix(REMOTES)
        beside = " (another one is here, and was kept)" if ref.status == "rejected" else ""
        console.line(
            f" {MARKS[ref.status]} ", console.paint(at.ljust(2 * SHORT + 2), "yellow"), f"  {tract}{name}{beside}"
        )


COMMAND = Command(
    run,
    (
        Param("remote", metavar="REMOTE", default="origin", help="The remote. Default: origin."),
        Param("refs", many=True, metavar="BRANCH", help="The branches. Default: all of the tract."),
        Param("all_tracts", ("--all-tracts",), bool, help="Fetch every tract, also new ones."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
No branch of this store moves: the remote's branches are called 'origin/main' and so on. Notes of both sides are merged.
Every object is checked against its id before it is stored.

  $ tract fetch
  $ tract log origin/main
  $ tract diff main origin/main
""",
)
