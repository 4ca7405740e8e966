"""``tract branch``: the branches there are."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.history.branch import list_branches
from tract.refs.names import HEADS


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        head, tip = repo.head()
        current = None if head is None else head.removeprefix(HEADS)
        if current is None and tip is not None and not args.json:
            console.line("* ", console.paint(f"(HEAD detached at {tip.hex()[:10]})", "red"))
        for name, commit in list_branches(repo).items():
            if args.json:
                console.print_json({"name": name, "commit": commit, "current": name == current})
            else:
                console.line("* " if name == current else "  ", console.paint(name, "green") if name == current else name)
    return DONE


COMMAND = Command(
    "branch",
    "list branches",
    run,
    (Param("json", ("--json",), bool, help="Print a JSON document a branch, one a line."),),
    """
The branch HEAD is on has a * before it.

  $ tract branch
""",
)
