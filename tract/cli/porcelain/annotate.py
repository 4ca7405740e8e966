"""``tract annotate``: a message's priority."""

from __future__ import annotations

from tract.cli.changes import DRY_RUN, TARGET, set_priority
from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console


def run(console: Console, args: Args) -> int:
    set_priority(console, (args.target,), args.priority, args)
    return DONE


COMMAND = Command(
    run,
    (
        TARGET,
        Param(
            "priority",
            metavar="PRIORITY",
            required=True,
            choices=("skip", "normal", "pinned"),
            help="skip hides the message from the model; pinned protects it from compression; normal does neither.",
        ),
        Param("reason", ("--reason",), metavar="TEXT", help="The reason, which is kept with the priority."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
        DRY_RUN,
    ),
    """
No branch moves. Earlier priorities are kept, and 'tract show' lists them.

  $ tract annotate 3fa9 skip --reason 'a dead end'
  $ tract annotate 3fa9 normal
  $ tract annotate 3fa9 skip --dry-run
""",
)
