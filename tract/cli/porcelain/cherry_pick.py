"""``tract cherry-pick``: make commits of another branch again on this one."""

from __future__ import annotations

from tract.api.tract import Tract
from tract.cli.command import Args, Command, Param
from tract.cli.console import Console
from tract.cli.replays import options, run_replay_command
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
            help="Commits, in the order to make them, or ranges such as 'main..draft'.",
        ),
        *options("cherry-pick"),
    ),
    """
A picked message keeps its words, author and time, and its priority and generation config go with it. An edit finds its message if that was picked or rebased before.
What is there already is refused, or in a range left out. What is said of conflicts under 'tract help rebase' holds here too.

  $ tract cherry-pick draft~2
  $ tract cherry-pick main..draft
  $ tract cherry-pick ORIG_HEAD
""",
)
