"""``tract clone``: a new store with the contents of a remote."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.porcelain.remote import options_in
from tract.cli.progress import Progress
from tract.opening import store_path
from tract.remote.clone import clone


def run(console: Console, args: Args) -> int:
    options = options_in(args.option)
    if options is None:
        console.error("an option is NAME=VALUE")
        return USAGE
    folder = args.folder or args.url.rstrip("/").rpartition("/")[2]
    path = console.path(folder)
    console.check_writable(path)
    with Progress(console, f"cloning {args.url}") as progress:
        found = clone(
            console.path(args.url) if "://" not in args.url else args.url,
            path,
            branches=args.branch or None,
            tracts=args.only_tract or None,
            depth=args.depth,
            options=options,
            told=progress.show,
        )
    branches = [ref for ref in found.refs if ref.new is not None]
    if args.json:
        console.print_json({"path": store_path(path), "refs": branches, "objects": found.objects, "notes": found.notes})
        return DONE
    tracts = len({ref.tract for ref in branches})
    console.note(
        f"Cloned into '{store_path(path)}': {_count(tracts, 'tract')}, {_count(len(branches), 'ref')}, {_count(found.objects, 'object')}"
    )
    return DONE


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


COMMAND = Command(
    run,
    (
        Param(
            "url",
            metavar="URL",
            required=True,
            help="The remote: s3://bucket/path, gs://, az://, file:///folder, or a folder.",
        ),
        Param(
            "folder", metavar="FOLDER", help="The folder to make the store in. Default: the last part of the address."
        ),
        Param(
            "branch",
            ("-b", "--branch"),
            many=True,
            metavar="BRANCH",
            help="Only this branch; may be repeated.",
        ),
        Param(
            "only_tract",
            ("--only-tract",),
            many=True,
            metavar="TRACT",
            help="Only this tract; may be repeated.",
        ),
        Param(
            "depth",
            ("--depth",),
            int,
            metavar="N",
            help="Only the last N commits of each branch. Their contexts are complete.",
        ),
        Param(
            "option",
            ("-o", "--option"),
            many=True,
            metavar="NAME=VALUE",
            help="An option of the store, as region=eu-central-1.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
The new store has all branches, tags, notes and tracts of the remote, which is its 'origin'. If something is damaged, or the command is interrupted, no store is left behind.
Credentials come from the environment, as for each provider's own tools.

  $ tract clone s3://bucket/team work
  $ tract clone --branch main file:///backup/team
""",
)
