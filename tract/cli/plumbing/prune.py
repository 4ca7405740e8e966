"""``tract prune``: drop unreachable objects that are old enough.

With ``-n`` nothing is dropped, and each object that would be is a line:

    <id> <kind>

with ``--json`` {"id": …, "type": …} for each object that is dropped, or would be.
"""

from __future__ import annotations

import time

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.cli.retention import is_retention
from tract.errors import TimeArgumentError
from tract.history.read_time import read_time
from tract.maintenance.gc.collect import prune
from tract.maintenance.gc.options import DAY

_NEVER = ("never", "false")
_ALL = ("now", "all")


def run(console: Console, args: Args) -> int:
    if args.expire is not None and args.retention is not None:
        console.error("--expire and --retention say the same; give one of them")
        return USAGE
    if not is_retention(args.retention):
        console.error(f"--retention takes days, hours, a size or never, like 30d, 12h or 500M, not {args.retention!r}")
        return USAGE
    try:
        kept = args.retention if args.expire is None else _days_since(args.expire)
    except TimeArgumentError as exc:
        console.error(f"--expire takes a time, now or never: {exc}")
        return USAGE
    with console.open_repository() as repo, Progress(console, "pruning") as progress:
        dropped = prune(
            repo,
            orphans=kept,
            dry_run=args.dry_run,
            progress=progress.show,
        )
    for id, kind in sorted(dropped.items()):
        if args.json:
            console.print_json({"id": id.hex(), "type": kind})
        elif args.dry_run or args.verbose:
            console.line(f"{id.hex()} {kind}")
    return DONE


def _days_since(text: str) -> float | str:
    """The retention that drops objects older than the time *text*; TimeArgumentError if it is not a time."""
    word = text.strip().lower()
    if word in _NEVER:
        return "never"
    if word in _ALL:
        return 0.0
    return max(0.0, (time.time() - read_time(text).timestamp()) / DAY)


COMMAND = Command(
    run,
    (
        Param("dry_run", ("-n", "--dry-run"), bool, help="Drop nothing; print what would be dropped."),
        Param("verbose", ("-v", "--verbose"), bool, help="Print what is dropped."),
        Param("json", ("--json",), bool, help="Print what is dropped, or would be, as a JSON object on each line."),
        Param(
            "expire",
            ("--expire",),
            metavar="TIME",
            help="Drop objects that became unreachable before this time: a date, 2.weeks.ago, now (all of them) or never.",
        ),
        Param(
            "retention",
            ("--retention",),
            metavar="WINDOW",
            help="The same as 'tract gc' has it: days, hours (12h), the newest so many bytes (500M), or never.",
        ),
    ),
    """
Without an option, an object is dropped after orphan_retention_days of its tract's settings, or 7 days. (git's prune drops all of them.)
Archives of compressions stay. 'tract gc' does all that prune does, also drops archives, and packs the store.
If there is nothing to drop, nothing is written.

  $ tract prune -n
  $ tract prune --expire 2.weeks.ago
  $ tract prune --expire now
""",
)
