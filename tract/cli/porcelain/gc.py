"""``tract gc``: pack the store, and drop what nothing reaches any more."""

from __future__ import annotations

from dataclasses import asdict

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.cli.retention import parse_days
from tract.history.gc import RETENTION_DAYS, GCResult, collect, is_due


def run(console: Console, args: Args) -> int:
    days = parse_days(args.retention, RETENTION_DAYS)
    if days is None:
        console.error(f"--retention takes a number of days, not {args.retention!r}")
        return USAGE
    with console.open_repository() as repo:
        if args.auto and not is_due(repo):
            if args.json:
                console.print_json(None)
            return DONE
        with Progress(console, "collecting") as progress:
            result = collect(
                repo,
                retention_days=days,
                dry_run=args.dry_run,
                aggressive=args.aggressive,
                progress=None if args.quiet else lambda _, done, total: progress.show(done, total),
            )
    if args.json:
        console.print_json(asdict(result))
    elif not args.quiet:
        _report(console, result)
    return DONE


def _report(console: Console, result: GCResult) -> None:
    would = "would be " if result.dry_run else ""
    console.line(f"reachable: {result.reachable} objects, {would}packed")
    if result.kept:
        console.line(f"unreachable: {result.kept} objects, {would}kept for now")
    if result.dropped:
        console.line(f"unreachable: {result.dropped} objects, {would}dropped")
    if result.size_after is None:
        console.line(f"size: {shown_size(result.size_before)} in {_packs(result.packs_before)}")
        return
    before, after = shown_size(result.size_before), shown_size(result.size_after)
    console.line(f"size: {before} -> {after} in {_packs(result.packs_after)}, {result.seconds:.1f} s")


def _packs(number: int) -> str:
    return "1 pack" if number == 1 else f"{number} packs"


def shown_size(size: int) -> str:
    """*size*, in bytes, as people read it."""
    if size < 1024:
        return f"{size} bytes"
    units = ("KiB", "MiB", "GiB", "TiB")
    at = min((size.bit_length() - 1) // 10, len(units)) - 1
    return f"{size / 1024 ** (at + 1):.2f} {units[at]}"


COMMAND = Command(
    "gc",
    "pack the store, and drop what nothing reaches any more",
    run,
    (
        Param("dry_run", ("-n", "--dry-run"), bool, help="Say what would be done, and do nothing."),
        Param("auto", ("--auto",), bool, help="Do it only when there is enough to do; cheap to ask."),
        Param("aggressive", ("--aggressive",), bool, help="Pack smaller; takes several times as long."),
        Param("retention", ("--retention",), metavar="DAYS", help="Keep what became unreachable so lately (7)."),
        Param("json", ("--json",), bool, help="Print a JSON document; null where --auto found nothing to do."),
        Param("quiet", ("-q", "--quiet"), bool, help="Print nothing."),
    ),
    """
Everything that a branch, tag, note or HEAD of any tract reaches goes into one dense pack.
What nothing reaches stays until a ref moved away from it, or it was written, more than so many days ago.

Other processes may read and write meanwhile. Killed at any point, it leaves a store that works; run it again.

  $ tract gc --dry-run
  $ tract gc --auto --quiet
""",
)
