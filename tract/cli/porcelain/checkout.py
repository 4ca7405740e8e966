"""``tract checkout``: move HEAD to a branch, or to any commit."""

from __future__ import annotations

from functools import partial

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.refs import JSON, go, go_to_new
from tract.history.checkout import checkout


def run(console: Console, args: Args) -> int:
    if args.branch is None and args.target is None:
        console.error("expected a branch or another revision")
        return USAGE
    with console.open_workspace() as space:
        if args.branch is not None:
            go_to_new(console, space, args.branch, args.target, json=args.json)
        else:
            go(console, space, partial(checkout, space.repo, args.target), new=False, json=args.json)
    return DONE


COMMAND = Command(
    run,
    (
        Param("target", metavar="REVISION", help="A branch, or any other revision; '-' is where HEAD was before."),
        Param(
            "branch", ("-b",), metavar="NEW", help="Make the branch NEW at REVISION (default: HEAD), and switch to it."
        ),
        JSON,
    ),
    """
If REVISION is a branch, HEAD switches to it.
Any other revision detaches HEAD: 'log', 'status' and 'compile' show that commit, and nothing can be committed until HEAD is on a branch again.

  $ tract checkout HEAD~3
  $ tract checkout -
  $ tract checkout v1
""",
)
