"""``tract reorder``: move messages to another place of the context."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.rendering import SHORT


def run(console: Console, args: Args) -> int:
    with console.open_tract() as tract:
        done = tract.reorder(
            args.messages,
            before=args.before,
            after=args.after,
            strict=args.strict,
            dry_run=args.dry_run,
            message=args.message,
        )
    for one in done.warnings:
        console.warn(f"message {(one.commit or '')[:SHORT]}: {one.detail}")
    if args.json:
        console.print_json(done)
        return DONE
    count = f"{len(done.moved)} message{'' if len(done.moved) == 1 else 's'}"
    if done.commit_hash is None:
        console.line(f"Would move {count}")
    else:
        console.line(f"[{done.branch} {done.commit_hash[:SHORT]}] Moved {count}")
    console.line(f" {done.invalidated_tokens} tokens are no longer cached by a provider")
    return DONE


COMMAND = Command(
    run,
    (
        Param(
            "messages",
            metavar="MESSAGE",
            required=True,
            many=True,
            help="The messages to move, in their new order.",
        ),
        Param(
            "before",
            ("--before",),
            metavar="MESSAGE",
            help="Move them before this message. Default, without --after: to the beginning.",
        ),
        Param("after", ("--after",), metavar="MESSAGE", help="Move them after this message."),
        Param("strict", ("--strict",), bool, help="Refuse an order that changes the meaning."),
        Param("message", ("--message", "-m"), metavar="NOTE", help="A note on the commit; no model sees it."),
        Param("dry_run", ("--dry-run", "-n"), bool, help="Change nothing; print what would move."),
        Param("json", ("--json",), bool, help="Print JSON."),
    ),
    """
Messages keep their ids, and a tool call moves together with its results. Warnings on the standard error say where the new order changes the meaning.
'tract compile --order' does the same for one compilation, without a commit.

  $ tract reorder 3fa9 --after HEAD~4
  $ tract reorder 3fa9 b0c4 --dry-run
""",
)
