"""``tract reject``: reject a proposal."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    with console.open_tract() as tract:
        done = tract.reject_proposal(args.id, args.message or "")
    if args.json:
        console.print_json(done)
    else:
        console.line(f"Proposal {done.id} is rejected")
    return DONE


COMMAND = Command(
    run,
    (
        Param(
            "id", metavar="ID", help="The proposal, by its id or the beginning of it. Default: the only one that waits."
        ),
        Param("message", ("-m", "--message"), metavar="TEXT", help="The reason, which is kept with the decision."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
  $ tract reject 5b2bee -m 'the prices are still needed'
""",
)
