"""``tract proposals``: list the actions that wait for approval, and the outcomes of others."""

from __future__ import annotations

from tract.agents.proposals import STATUSES
from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.proposals import print_proposal


def run(console: Console, args: Args) -> int:
    with console.open_tract() as tract:
        found = tract.proposals("all" if args.all else args.status)
    for one in found:
        if args.json:
            console.print_json(one)
        else:
            print_proposal(console, one)
    if not found and not args.json:
        console.line("no proposals" if args.all else f"no {args.status} proposals")
    return DONE


COMMAND = Command(
    run,
    (
        Param("all", ("-a", "--all"), bool, help="List decided ones, too."),
        Param("status", ("--status",), default="pending", choices=STATUSES, help="List those of this status."),
        Param("json", ("--json",), bool, help="Print a JSON document for each, one on a line."),
    ),
    """
The newest comes first. The list says what each would have done when it was proposed; 'tract approve ID --dry-run' says what it would do now.

  $ tract proposals
  $ tract proposals --all
""",
    pages=True,
)
