"""``tract count-objects``: the numbers of objects by place.

    12 objects, 34 kilobytes        those not in packs: the journal's and the loose ones

With ``-v`` one ``name: value`` a line; sizes are in KiB on disk, rounded down, as git's:

    count size                      loose objects
    in-journal size-journal         the journal's
    in-pack packs size-pack         packed objects, packs, and their size

With ``--json`` one document: journal_objects, journal_size, packed_objects, packs, pack_size, loose_objects, loose_size; sizes in bytes.
"""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console

_DESCRIPTION = """Print how many objects are not in packs (but in the journal or in files of their own), and the kilobytes they take on the disk.

-v prints a line for each: count, size (loose objects), in-journal, size-journal, in-pack, packs, size-pack; sizes in KiB. --json prints the same in bytes.

The store is shared, so the numbers are those of all its tracts."""


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        stats = repo.objects.stats()
    if args.json:
        console.print_json(stats._asdict())
    elif args.verbose:
        for name, value in (
            ("count", stats.loose_objects),
            ("size", stats.loose_size // 1024),
            ("in-journal", stats.journal_objects),
            ("size-journal", stats.journal_size // 1024),
            ("in-pack", stats.packed_objects),
            ("packs", stats.packs),
            ("size-pack", stats.pack_size // 1024),
        ):
            console.line(f"{name}: {value}")
    else:
        count = stats.journal_objects + stats.loose_objects
        console.line(f"{count} objects, {(stats.journal_size + stats.loose_size) // 1024} kilobytes")
    return DONE


COMMAND = Command(
    run,
    (
        Param("verbose", ("-v", "--verbose"), type=bool, help="Print a line for each kind of place."),
        Param("json", ("--json",), type=bool, help="Print JSON; sizes are in bytes."),
    ),
    _DESCRIPTION,
)
