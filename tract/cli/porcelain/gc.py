"""``tract gc``: pack the store, and drop what nothing reaches any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.config import Retention, read_retention
from tract.errors import ConfigError
from tract.history.gc import GCResult, collect_by_policy, is_due


def run(console: Console, args: Args) -> int:
    for name, value in (("--retention", args.retention), ("--archive-retention", args.archive_retention)):
        try:
            asked = Retention(0.0) if value is None else read_retention(name, value)
        except ConfigError:
            asked = Retention()
        if asked.days is None and (name == "--retention" or asked.size is None):
            forms = "a number of days" if name == "--retention" else "days, hours or a size, like 30d, 12h or 500M"
            console.error(f"{name} takes {forms}, not {value!r}")
            return USAGE
    with console.open_repository() as repo:
        if args.auto and not is_due(repo):
            if args.json:
                console.print_json(None)
            return DONE
        with Progress(console, "collecting") as progress:
            result = collect_by_policy(
                repo,
                orphans=args.retention,
                archives=args.archive_retention,
                keep_pinned=False if args.drop_pinned else None,
                dry_run=args.dry_run,
                aggressive=args.aggressive,
                progress=None if args.quiet else lambda _, done, total: progress.show(done, total),
            )
    if args.json:
        console.print_json(_document(result))
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
        _report_sorts(console, result, would)
    if result.size_after is None:
        console.line(f"size: {shown_size(result.size_before)} in {_packs(result.packs_before)}")
        return
    before, after = shown_size(result.size_before), shown_size(result.size_after)
    console.line(f"size: {before} -> {after} in {_packs(result.packs_after)}, {result.seconds:.1f} s")


def _report_sorts(console: Console, result: GCResult, would: str) -> None:
    """What goes by sort; said only where archives are among it, for all else is orphans."""
    if not result.archives:
        return
    orphans = result.dropped - sum(archive.objects for archive in result.archives)
    size = result.dropped_size - sum(archive.size for archive in result.archives)
    console.line(f"  orphans: {orphans} objects, about {shown_size(max(0, size))}, {would}dropped")
    for archive in result.archives:
        counts = f"{archive.commits} commits, {archive.messages} messages, about {shown_size(archive.size)}"
        day = archive.created_at.strftime("%Y-%m-%d")
        console.line(f"  archive of {archive.commit[:10]} ({day}): {counts}, {would}dropped")


def _document(result: GCResult) -> dict[str, Any]:
    document = asdict(result)
    archives = result.archives
    document["archives"] = [{**asdict(one), "created_at": one.created_at.isoformat()} for one in archives]
    document["orphans"] = {
        "objects": result.dropped - sum(one.objects for one in archives),
        "size": max(0, result.dropped_size - sum(one.size for one in archives)),
    }
    return document


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
        Param(
            "retention",
            ("--retention",),
            metavar="DAYS",
            help="Keep what became unreachable so lately (7, or as the settings say); 12h is hours.",
        ),
        Param(
            "archive_retention",
            ("--archive-retention",),
            metavar="WINDOW",
            help="Drop what was compressed longer ago than so many days (30d), hours (12h), or beyond the newest so many bytes (500M).",
        ),
        Param(
            "drop_pinned",
            ("--drop-pinned",),
            bool,
            help="Of archives that go, do not keep pinned messages that no context has.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document; null where --auto found nothing to do."),
        Param("quiet", ("-q", "--quiet"), bool, help="Print nothing."),
    ),
    """
Everything that a branch, tag, note or HEAD of any tract reaches goes into one dense pack.
What nothing reaches stays until a ref moved away from it, or it was written, more than so many days ago.

What compressions took out of contexts is an archive: it stays for ever, unless --archive-retention or the settings say otherwise.
When an archive goes, history ends at its compression, and what was summed up there cannot be expanded any more.
Contexts stay whole, and so does all history that a tag, a branch or anything else leads to.

Other processes may read and write meanwhile. Killed at any point, it leaves a store that works; run it again.

  $ tract gc --dry-run --archive-retention 30d
  $ tract gc --auto --quiet
""",
)
