"""``tract revert``: take back what commits did."""

from __future__ import annotations

from tract.api.tract import Tract
from tract.cli.command import Args, Command, Param
from tract.cli.console import Console
from tract.cli.replays import options, run_replay_command
from tract.curation.replay.result import ReplayResult


def run(console: Console, args: Args) -> int:
    def replay(tract: Tract) -> ReplayResult:
        return tract.revert(args.revisions, mainline=args.mainline, force=args.force, keep=True, dry_run=args.dry_run)

    return run_replay_command(console, args, "revert", bool(args.revisions), replay)


COMMAND = Command(
    run,
    (
        Param(
            "revisions",
            metavar="REVISION...",
            many=True,
            help="The commits to take back, or ranges; the newest goes first.",
        ),
        Param(
            "mainline", ("--mainline", "-m"), int, metavar="N", help="Which parent, from 1, a merge is taken back to."
        ),
        *options("revert"),
    ),
    """
A commit each: a message leaves the context, an edit gives back what it replaced, a merge or a compression is undone. The history keeps all of it.
To hide a message and keep it within reach, skip it instead. What is said of conflicts under 'tract help rebase' holds here too.

  $ tract revert 3fa9c1d
  $ tract revert -m 1 HEAD
  $ tract revert --dry-run main~3..main
""",
)
