"""``tract push``: send branches, tags and notes to a remote."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.cli.rendering import SHORT
from tract.refs.names import HEADS
from tract.remote.branches import PushedRef
from tract.remote.push import PushRequest, push
from tract.report.text import count_of

_MARKS = {"new": "*", "updated": " ", "forced": "+", "deleted": "-", "up to date": "="}


def run(console: Console, args: Args) -> int:
    if args.force and args.force_with_lease:
        console.error("--force and --force-with-lease exclude each other")
        return USAGE
    if args.delete and not args.refs:
        console.error("--delete takes the names of branches")
        return USAGE
    refs = tuple(f":{name}" for name in args.refs) if args.delete else args.refs
    request = PushRequest(
        refs=refs,
        everything=args.all,
        tags=args.tags,
        all_tracts=args.all_tracts,
        force="yes" if args.force else "lease" if args.force_with_lease else "no",
        scan=False if args.no_scan else None,
    )
    with console.open_repository() as repo, Progress(console, f"pushing to {args.remote}") as progress:
        result = push(repo, args.remote, request, told=progress.show)
    if args.json:
        console.print_json(result)
        return DONE
    moved = [ref for ref in result.refs if ref.status != "up to date"]
    if not result.size:
        console.note("Everything up to date")
        return DONE
    console.note(f"To {result.url}")
    for ref in moved:
        console.line(*_line(console, ref))
    for name, number in result.notes.items():
        console.line(f" {_MARKS['updated']} ", count_of(number, "note").ljust(2 * SHORT + 2), f"  {name}")
    if not moved and not result.notes:
        console.note("Only settings or links of the tract were new")
    return DONE


def _line(console: Console, ref: PushedRef) -> list[str]:
    name = ref.ref.removeprefix(HEADS)
    at = f"{(ref.old or '')[:SHORT]}..{(ref.new or '')[:SHORT]}" if ref.old and ref.new else f"[{ref.status}]"
    tract = "" if ref.tract == "root" else f"{ref.tract}::"
    return [f" {_MARKS[ref.status]} ", console.paint(at.ljust(2 * SHORT + 2), "yellow"), f"  {tract}{name}"]


COMMAND = Command(
    run,
    (
        Param("remote", metavar="REMOTE", default="origin", help="The remote. Default: origin."),
        Param(
            "refs",
            many=True,
            metavar="REF",
            help="A branch or a tag; +NAME forces it, :NAME deletes it in the remote, :TRACT:: deletes a whole tract. Default: the current branch.",
        ),
        Param("all", ("--all",), bool, help="Push all branches and tags."),
        Param("tags", ("--tags",), bool, help="Push all tags."),
        Param("all_tracts", ("--all-tracts",), bool, help="Push all branches and tags of every tract."),
        Param("delete", ("-d", "--delete"), bool, help="Delete these branches in the remote."),
        Param(
            "force_with_lease",
            ("--force-with-lease",),
            bool,
            help="Move a remote branch anywhere, if it is still where this store last saw it.",
        ),
        Param("force", ("-f", "--force"), bool, help="Move a remote branch anywhere, whatever commits it has."),
        Param("no_scan", ("--no-scan",), bool, help="Do not look for keys, tokens and passwords in what is sent."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
A remote branch only moves forward: if somebody else has pushed, nothing is sent; run 'tract pull' first.
Notes about the commits (pins, usage, settings, keys) are pushed with them.

  $ tract push
  $ tract push origin draft v1
  $ tract push --delete origin draft
  $ tract push --delete origin researcher::
  $ tract push --all-tracts
""",
)
