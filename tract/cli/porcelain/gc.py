"""``tract gc``: pack the store, and drop unreachable objects."""

from __future__ import annotations

from typing import Any

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.cli.retention import is_retention
from tract.dataclass import asdict
from tract.maintenance.gc.collect import collect, is_due
from tract.maintenance.gc.options import Archive, GCResult, HeldArchive, read_options
from tract.refs.names import HEADS, TAGS

# If many refs diverge at an archive, not all are named.
_NAMED = 5


def run(console: Console, args: Args) -> int:
    for name, value in (("--retention", args.retention), ("--archive-retention", args.archive_retention)):
        if not is_retention(value):
            console.error(f"{name} takes days, hours, a size or never, like 30d, 12h or 500M, not {value!r}")
            return USAGE
    with console.open_repository() as repo:
        if args.auto and not is_due(repo):
            if args.json:
                console.print_json(None)
            return DONE
        with Progress(console, "collecting") as progress:
            options = read_options(
                repo,
                orphans=args.retention,
                archives=args.archive_retention,
                keep_pinned=False if args.drop_pinned else None,
                keep_merge_bases=False if args.drop_merge_bases else None,
            )
            result = collect(
                repo,
                options,
                dry_run=args.dry_run,
                aggressive=args.aggressive,
                progress=None if args.quiet else progress.show,
            )
    if args.json:
        console.print_json(_document(result))
    elif not args.quiet:
        _report(console, result)
    return DONE


def _report(console: Console, result: GCResult) -> None:
    would = "would be " if result.dry_run else ""
    console.line(f"reachable: {_objects(result.reachable)}, {would}packed")
    if result.kept:
        console.line(f"unreachable: {_objects(result.kept)}, {would}kept for now")
    if result.dropped:
        console.line(f"unreachable: {_objects(result.dropped)}, {would}dropped")
        _report_sorts(console, result, would)
    for held in result.held:
        why = f"merges with {_names(held.branches)} may need it" if held.branches else "orphans that are kept need it"
        console.line(f"  archive of {_named(held)}: {would}kept, for {why}")
    if result.size_after is None:
        console.line(f"size: {shown_size(result.size_before)} in {_packs(result.packs_before)}")
        return
    before, after = shown_size(result.size_before), shown_size(result.size_after)
    console.line(f"size: {before} -> {after} in {_packs(result.packs_after)}, {result.seconds:.1f} s")


def _objects(number: int) -> str:
    return f"{number} object{'' if number == 1 else 's'}"


def _report_sorts(console: Console, result: GCResult, would: str) -> None:
    """Print what is dropped, by sort; only if archives are among it, because everything else is orphans."""
    if not result.archives:
        return
    orphans, size = _orphans(result)
    console.line(f"  orphans: {orphans} objects, {shown_size(size)} unpacked, {would}dropped")
    for archive in result.archives:
        counts = f"{archive.commits} commits, {archive.messages} messages, {shown_size(archive.size)} unpacked"
        console.line(f"  archive of {_named(archive)}: {counts}, {would}dropped")
        if archive.parted:
            then = "then" if result.dry_run else "any more"
            console.line(f"    {_names(archive.parted)} may have no merge base with other branches {then}")


def _named(archive: Archive | HeldArchive) -> str:
    return f"{archive.commit[:10]} ({archive.created_at.strftime('%Y-%m-%d')})"


def _names(refs: tuple[str, ...]) -> str:
    """*refs* for people; if there are many, only the first."""
    shown = [ref.replace(HEADS, "").replace(TAGS, "") for ref in refs[:_NAMED]]
    return ", ".join(shown) + (f" and {len(refs) - _NAMED} more" if len(refs) > _NAMED else "")


def _orphans(result: GCResult) -> tuple[int, int]:
    """The number of dropped objects that belong to no archive, and their bytes."""
    objects = result.dropped - sum(one.objects for one in result.archives)
    return objects, result.dropped_size - sum(one.size for one in result.archives)


def _document(result: GCResult) -> dict[str, Any]:
    document = asdict(result)
    for name in ("archives", "held"):
        found = getattr(result, name)
        document[name] = [{**asdict(one), "created_at": one.created_at.isoformat()} for one in found]
    objects, size = _orphans(result)
    document["orphans"] = {"objects": objects, "size": size}
    return document


def _packs(number: int) -> str:
    return "1 pack" if number == 1 else f"{number} packs"


def shown_size(size: int) -> str:
    """*size*, in bytes, as a text for people."""
    if size < 1024:
        return f"{size} bytes"
    units = ("KiB", "MiB", "GiB", "TiB")
    at = min((size.bit_length() - 1) // 10, len(units)) - 1
    return f"{size / 1024 ** (at + 1):.2f} {units[at]}"


COMMAND = Command(
    run,
    (
        Param("dry_run", ("-n", "--dry-run"), bool, help="Say what would be done, without doing it."),
        Param("auto", ("--auto",), bool, help="Run only if there is enough to do; this is cheap to find out."),
        Param("aggressive", ("--aggressive",), bool, help="Pack smaller; takes several times as long."),
        Param(
            "retention",
            ("--retention",),
            metavar="WINDOW",
            help="How long to keep unreachable objects: days (30d), hours (12h), the newest of them up to a size (500M), or never to drop them. Default: each tract's setting, else 7 days.",
        ),
        Param(
            "archive_retention",
            ("--archive-retention",),
            metavar="WINDOW",
            help="How long to keep the messages that compressions replaced: days, hours, a size, or never to drop them. Default: each tract's setting, else never.",
        ),
        Param(
            "drop_pinned",
            ("--drop-pinned",),
            bool,
            help="Do not keep pinned messages of dropped archives that are in no context.",
        ),
        Param(
            "drop_merge_bases",
            ("--drop-merge-bases",),
            bool,
            help="Do not keep archives that merges of branches may need; those branches may then have no commit in common.",
        ),
        Param("json", ("--json",), bool, help="Print a JSON document; null where --auto found nothing to do."),
        Param("quiet", ("-q", "--quiet"), bool, help="Print nothing."),
    ),
    """
Everything that a branch, tag, note or HEAD of any tract reaches goes into one dense pack.
An unreachable object stays until its retention is over. The time counts from the moment when a ref moved away from the object, or when the object was written.

The history behind a compression is its archive. It stays for ever, unless --archive-retention or the settings say otherwise.
When an archive is dropped, history ends at its compression, and the summary can no longer be expanded.
Contexts stay complete, and so does all history that a tag, a branch or anything else leads to.
An archive that merges of a tract's branches may need stays until all but one of those branches are deleted; without it they might have no commit in common.

Each tract has retentions of its own, in its settings; for an object that several tracts reach, the longest counts. An option applies to all tracts.
All sizes are before compression; on disk it is less.

Other processes may read and write meanwhile. If gc is killed at any point, the store still works; run it again.

  $ tract gc --dry-run --archive-retention 30d
  $ tract gc --auto --quiet
""",
)
