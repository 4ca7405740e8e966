"""``tract switch``: go to another branch."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.history.branch import switch_branch
from tract.refs.names import HEADS


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        already = repo.head()[0] == HEADS + args.name
        switch_branch(repo, args.name)
        console.note("Already on" if already else "Switched to branch", f" '{args.name}'")
    return DONE


COMMAND = Command(
    "switch",
    "go to another branch",
    run,
    (Param("name", metavar="NAME", required=True, help="The branch."),),
    """
What is committed from then on goes to that branch.

  $ tract switch session-2
""",
)
