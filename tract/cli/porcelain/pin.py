"""``tract pin``: keep messages from ever being compressed."""

from __future__ import annotations

from tract.cli.changes import PARAMS, set_priority
from tract.cli.command import DONE, Args, Command
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    set_priority(console, args.targets, "pinned", args)
    return DONE


COMMAND = Command(
    run,
    PARAMS,
    """
A pinned message stays in the context verbatim when the messages around it are compressed.
'tract annotate TARGET normal' unpins it.

  $ tract pin 3fa9 HEAD~2 --reason 'as agreed'
""",
)
