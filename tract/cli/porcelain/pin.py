"""``tract pin``: protect messages from every compression."""

from __future__ import annotations

from tract.cli.changes import PARAMS, run_priority
from tract.cli.command import Args, Command
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    return run_priority(console, args, "pinned")


COMMAND = Command(
    run,
    PARAMS,
    """
A pinned message stays in the context verbatim when the messages around it are compressed.
'tract annotate TARGET normal' unpins it.

  $ tract pin --list
  $ tract pin 3fa9 HEAD~2 --reason 'as agreed'
""",
)
