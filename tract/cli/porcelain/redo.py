"""``tract redo``: repeat an undone command."""

from __future__ import annotations

from tract.cli.command import Args, Command
from tract.cli.console import Console
from tract.cli.porcelain.undo import PARAMS, run_plan
from tract.history.undo import plan_redo


def run(console: Console, args: Args) -> int:
    return run_plan(console, args, plan_redo)


COMMAND = Command(
    run,
    PARAMS,
    """
Does the commands again that were undone last, as long as nothing else was changed since: HEAD and the branches, tags and notes of the tract go forward again.
Everything that moves is printed.

  $ tract redo
""",
)
