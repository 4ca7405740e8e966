"""``tract fast-import``: a stream of JSON lines from standard input into the store; docs/fast-export.md describes it.

One line on the standard error counts the imported objects; with ``--json`` one document on the standard output: objects, new, refs, operations, taken.
"""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.plumbing.stdio import input_file
from tract.cli.progress import Progress
from tract.maintenance.stream.load import import_stream

_DESCRIPTION = """Read a stream that 'tract fast-export' wrote, into this store: its objects first, then its refs, in one operation. Every object must have the id the stream gives it.

A stream that is damaged, cut off, or names a missing object changes nothing, and the message names its line. A ref that has another value in this store is an error too; --force moves it. A HEAD on a branch without a commit is moved in any case, so a new store accepts any stream.

Operations are imported only into a store without commits; otherwise they are left out, and a line says so.

Exit status: 0; 128 for an error, and then nothing is changed."""


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo, Progress(console, "importing objects") as progress:
        result = import_stream(repo, input_file(console), force=args.force, progress=progress.show)
    if args.json:
        console.print_json(result._asdict())
    elif not args.quiet:
        console.note(f"{result.objects} objects, {result.new} of them new, and {result.refs} refs")
    if result.operations and not result.taken:
        console.warn("the operations of the stream were left out: this store has a history of its own")
    return DONE


COMMAND = Command(
    run,
    (
        Param("force", ("--force",), type=bool, help="Move refs that have another value here."),
        Param("quiet", ("-q", "--quiet"), type=bool, help="Print nothing if all went well."),
        Param("json", ("--json",), type=bool, help="Print a JSON document."),
    ),
    _DESCRIPTION,
)
