"""``tract expand``: put back the messages that a summary, or a child's collapse message, replaced."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.rendering import SHORT


def run(console: Console, args: Args) -> int:
    with console.open_tract() as tract:
        done = tract.expand(args.summary, branch=args.branch)
    for warning in done.warnings:
        console.warn(warning)
    if args.json:
        console.print_json(done)
        return DONE
    count = len(done.message_hashes)
    lead = f"[{done.branch} {done.commit_hash[:SHORT]}] Expanded "
    console.line(
        lead, console.paint(done.summary_hash[:SHORT], "yellow"), f": {count} message{'' if count == 1 else 's'} back"
    )
    if args.branch is not None:
        console.hint(f"'tract switch {args.branch}' goes there")
    return DONE


COMMAND = Command(
    run,
    (
        Param(
            "summary",
            metavar="SUMMARY",
            required=True,
            help="The commit of the summary, of the compression that made it, or of a collapse.",
        ),
        Param("branch", ("--branch", "-b"), metavar="NAME", help="Do it on a new branch instead of this one."),
        Param("json", ("--json",), bool, help="Print JSON."),
    ),
    """
The messages come back in their places, with their own ids. Changes to other messages since then stay.
A message that 'tract collapse' made is replaced by the child's own messages, as they were then.
'tract log --op compress' lists the compressions.

  $ tract expand 3fa9
  $ tract expand 3fa9 --branch in-full
""",
)
