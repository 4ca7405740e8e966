"""``tract skip``: hide messages from the model."""

from __future__ import annotations

from tract.cli.changes import PARAMS, set_priority
from tract.cli.command import DONE, Args, Command
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    set_priority(console, args.targets, "skip", args)
    return DONE


COMMAND = Command(
    run,
    PARAMS,
    """
A skipped message stays in the history and in 'tract log', but no compiled context has it.
'tract annotate TARGET normal' takes it back.

  $ tract skip 3fa9 HEAD~2 --reason 'as agreed'
""",
)
