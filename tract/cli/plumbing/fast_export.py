"""``tract fast-export``: the store as a stream of JSON lines on standard output; docs/fast-export.md describes it."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.progress import Progress
from tract.maintenance.stream.dump import plan_revision_export, plan_store_export, write_stream

_DESCRIPTION = """Write the whole store as lines of JSON: every object, the refs of all its tracts, their HEADs. 'tract fast-import' makes the same objects and refs from it in another store, with the same ids.

With REVs, write the objects they reach, and the refs they name; ^REV and x..y leave out objects that the other store already has.

--operations writes the operations too, from which the reflog is made. Settings and token counts are not in a stream.

A missing or damaged object is an error; the stream then has no last line, so it cannot be imported.

  $ tract fast-export > store.txt
  $ tract fast-export | tract -C ../other fast-import

Exit status: 0; 128 if something cannot be read."""


def run(console: Console, args: Args) -> int:
    if args.revisions and (args.all or args.operations):
        console.error("--all and --operations are about the whole store, and take no revision")
        return USAGE
    with console.open_repository() as repo:
        if args.revisions:
            plan = plan_revision_export(repo, args.revisions)
        else:
            plan = plan_store_export(repo, operations=args.operations)
        with Progress(console, "exporting objects") as progress:
            write_stream(repo, plan, console.write_bytes, progress.show)
    return DONE


COMMAND = Command(
    run,
    (
        Param("revisions", help="What to write. Default: the whole store.", metavar="REV", many=True),
        Param("all", ("--all",), type=bool, help="The whole store, as without any REV."),
        Param("json", ("--json",), type=bool, help="Changes nothing: every line is JSON anyway."),
        Param("operations", ("--operations",), type=bool, help="With the operations: the reflog."),
    ),
    _DESCRIPTION,
)
