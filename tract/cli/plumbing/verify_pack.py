"""``tract verify-pack``: whether packs hold what was written to them.

Nothing is printed for an undamaged pack. With ``-v``, in the order of the pack:

    <id> <kind> <size> <ordinal>    one line an object; the size of its payload, in bytes
    blob: 12 objects                one line a kind
    <path>: ok

With ``-s`` only the lines a kind. With ``--json`` a document a pack: {"pack": …, "ok": …, "blob": …, "tree": …, "commit": …, "operation": …, "problems": [{"path": …, "offset": …, "detail": …}]}.
"""

from __future__ import annotations

import os
from collections import Counter

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.maintenance.fsck.pack import PackScan
from tract.maintenance.fsck.report import Problem
from tract.named_tuple import NamedTuple
from tract.objects.id import KINDS

_DESCRIPTION = """Check packs: the checksums of the pack and of its index, the tables, every frame, and every object against its id. The index must have exactly the bytes that its pack determines.

A pack is named by its file or by its index; no store is needed.

-v prints each object: id, type, size and number in the pack; then how many of each type there are, and '<pack>: ok' or '<pack>: bad'. -s prints only how many.

Exit status: 0 if all packs are intact; 1 if one is damaged or missing, with a line that names file and offset."""


class _Checked(NamedTuple):
    scan: PackScan
    problems: list[Problem]

    @property
    def counts(self) -> dict[str, int]:
        """The number of objects of each kind."""
        found = Counter(kind for kind, _ in self.scan.found.values())
        return {kind: found[kind] for kind in KINDS}


def run(console: Console, args: Args) -> int:
    if args.json and (args.verbose or args.stat):
        console.error("--json takes neither -v nor -s")
        return USAGE
    status = DONE
    for name in args.packs:
        base = console.path(name).removesuffix(".idx").removesuffix(".pack")
        try:
            checked = _check(base)
        except FileNotFoundError:
            console.error(f"'{base}.pack': no such file or directory")
            status = NEGATIVE
            continue
        if args.json:
            _print_document(console, base, checked)
        else:
            _print(console, base, checked, args)
        if checked.problems:
            status = NEGATIVE
    return status


def _check(base: str) -> _Checked:
    folder, name = os.path.split(base)
    scan = PackScan(folder, name + ".pack")
    found = [*scan.problems, scan.check_index(folder, name + ".idx")]
    # A pack under another name is not damaged: it may be a copy. Without its index it cannot be read.
    bad = [p for p in found if p is not None and (p.severity == "error" or p.kind == "index-missing")]
    return _Checked(scan, bad)


def _print(console: Console, base: str, checked: _Checked, args: Args) -> None:
    scan, problems = checked
    if args.verbose:
        for id, (kind, ordinal) in scan.found.items():
            console.line(f"{id.hex()} {kind} {len(scan.load(ordinal).payload)} {ordinal}")
    if args.verbose or args.stat:
        for name, count in checked.counts.items():
            console.line(f"{name}: {count} object{'' if count == 1 else 's'}")
    if args.verbose:
        console.line(f"{base}.pack: {'bad' if problems else 'ok'}")
    for problem in problems[:1]:
        # One line a pack: the first place is what a person looks at, and --json has all of them.
        path = os.path.join(os.path.dirname(base), problem.path)
        where = "" if problem.offset is None else f" at offset {problem.offset}"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        console.error(f"'{path}' is damaged{where}: {problem.detail}{more}")


def _print_document(console: Console, base: str, checked: _Checked) -> None:
    problems = [{"path": one.path, "offset": one.offset, "detail": one.detail} for one in checked.problems]
    console.print_json({"pack": f"{base}.pack", "ok": not problems, **checked.counts, "problems": problems})


COMMAND = Command(
    run,
    (
        Param("packs", help="Packs, or their indexes.", metavar="PACK|IDX", many=True, required=True),
        Param("verbose", ("-v", "--verbose"), type=bool, help="Print every object too."),
        Param("stat", ("-s", "--stat-only"), type=bool, help="Print how many objects of each type there are."),
        Param("json", ("--json",), type=bool, help="Print a JSON document for each pack, on a line."),
    ),
    _DESCRIPTION,
)
