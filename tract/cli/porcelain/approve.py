"""``tract approve``: carry out a proposal, unchanged or with changed arguments."""

from __future__ import annotations

from tract.cli.command import DONE, NEGATIVE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.proposals import print_outcome, print_proposal, read_changes


def run(console: Console, args: Args) -> int:
    changes = read_changes(args.set) if args.set else None
    with console.open_tract() as tract:
        one = tract.preview_proposal(args.id, arguments=changes)
        if not args.json:
            print_proposal(console, one)
        if args.dry_run:
            if args.json:
                console.print_json(one)
            return DONE
        done = tract.approve_proposal(one.id, arguments=changes, reason=args.message or "")
    if args.json:
        console.print_json(done)
        return DONE if done.status == "executed" else NEGATIVE
    return DONE if print_outcome(console, done) else NEGATIVE


COMMAND = Command(
    run,
    (
        Param(
            "id", metavar="ID", help="The proposal, by its id or the beginning of it. Default: the only one that waits."
        ),
        Param(
            "set",
            ("--set",),
            metavar="KEY=VALUE",
            many=True,
            help="Change an argument first. The value is JSON or a text; an empty value removes the argument.",
        ),
        Param("message", ("-m", "--message"), metavar="TEXT", help="The reason, which is kept with the decision."),
        Param("dry_run", ("-n", "--dry-run"), bool, help="Only say what it would do now."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
A proposal touches only the messages it is about. If one of them was edited, pinned, hidden or moved since, the proposal is stale, and nothing is changed. With --set it becomes a new action on the context as it is now.

  $ tract approve 5b2bee
  $ tract approve 5b2bee --set to_commit=HEAD:40 -m 'keep 41-50: they contain the diagnosis'
""",
)
