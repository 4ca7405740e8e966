"""``tract cherry-pick``: repeat commits of another branch on this one."""

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
        return tract.cherry_pick(args.revisions, force=args.force, keep=True, dry_run=args.dry_run)

    return run_replay_command(console, args, "cherry-pick", bool(args.revisions), replay)


COMMAND = Command(
    run,
    (
        Param(
            "revisions",
            metavar="REVISION...",
            many=True,
            help="The commits to pick, in this order, or ranges such as 'main..draft'.",
        ),
        *options("cherry-pick"),
    ),
    """
A picked message keeps its text, author, time, priority and generation config. A picked edit applies to its message if that was picked or rebased before.
A commit that the branch already has is refused, or left out of a range. For conflicts see 'tract help rebase'.

  $ tract cherry-pick draft~2
  $ tract cherry-pick main..draft
  $ tract cherry-pick ORIG_HEAD
""",
)
