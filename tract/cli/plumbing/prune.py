"""``tract prune``: drop what nothing reaches and is old enough, now.

With ``-n`` nothing is dropped, and each object that would be is a line:

    <id> <kind>
"""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.cli.retention import parse_days
from tract.history.gc import RETENTION_DAYS, prune


def run(console: Console, args: Args) -> int:
    days = parse_days(args.retention, RETENTION_DAYS)
    if days is None:
        console.error(f"--retention takes a number of days, not {args.retention!r}")
        return USAGE
    with console.open_repository() as repo, Progress(console, "pruning") as progress:
        dropped = prune(
            repo,
            retention_days=days,
            dry_run=args.dry_run,
            progress=lambda _, done, total: progress.show(done, total),
        )
    if args.dry_run or args.verbose:
        for id, kind in sorted(dropped.items()):
            console.line(f"{id.hex()} {kind}")
    return DONE


COMMAND = Command(
    "prune",
    "drop what nothing reaches any more",
    run,
    (
        Param("dry_run", ("-n", "--dry-run"), bool, help="Drop nothing; print what would be dropped."),
        Param("verbose", ("-v", "--verbose"), bool, help="Print what is dropped."),
        Param("retention", ("--retention",), metavar="DAYS", help="Keep what became unreachable so lately (7)."),
    ),
    """
Where there is nothing to drop, nothing is written. 'tract gc' does this too, and packs the store.
""",
)
