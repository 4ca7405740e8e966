"""``tract skip``: hide messages from the model."""

from __future__ import annotations

from tract.cli.changes import PARAMS, run_priority
from tract.cli.command import Args, Command
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    return run_priority(console, args, "skip")


COMMAND = Command(
    run,
    PARAMS,
    """
A skipped message stays in the history and in 'tract log', but is left out of the compiled context.
'tract annotate TARGET normal' shows it to the model again.

  $ tract skip --list
  $ tract skip 3fa9 HEAD~2 --reason 'as agreed'
""",
)
