"""``tract revert``: undo the changes of commits with new commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.api.tract import Tract
from tract.cli.command import Args, Command, Param
from tract.cli.console import Console
from tract.cli.replays import options, run_replay_command

if TYPE_CHECKING:
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
            help="The commits to revert, or ranges; the newest is reverted first.",
        ),
        Param(
            "mainline",
            ("--mainline", "-m"),
            int,
            metavar="N",
            help="The number of the parent, from 1, that a merge is reverted to.",
        ),
        *options("revert"),
    ),
    """
Makes one commit for each: reverting a message removes it from the context, reverting an edit restores the text before it, and reverting a merge or a compression undoes it. The history keeps all of it.
To hide a message that you may want back, skip it instead. For conflicts see 'tract help rebase'.

  $ tract revert 3fa9c1d
  $ tract revert -m 1 HEAD
  $ tract revert --dry-run main~3..main
""",
)
