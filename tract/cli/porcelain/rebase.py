"""``tract rebase``: make this branch's commits again on another."""

from __future__ import annotations

from tract.api.tract import Tract
from tract.cli.command import Args, Command, Param
from tract.cli.console import Console
from tract.cli.replays import options, run_replay_command
from tract.curation.replay.result import ReplayResult


def run(console: Console, args: Args) -> int:
    def replay(tract: Tract) -> ReplayResult:
        return tract.rebase(args.upstream, onto=args.onto, force=args.force, keep=True, dry_run=args.dry_run)

    return run_replay_command(console, args, "rebase", args.upstream is not None, replay)


COMMAND = Command(
    run,
    (
        Param(
            "upstream",
            metavar="UPSTREAM",
            help="The branch, or any other revision, whose commits this branch shall have beneath its own.",
        ),
        Param(
            "onto",
            ("--onto",),
            metavar="NEWBASE",
            help="Make them on this commit instead; UPSTREAM then only says which commits are not this branch's own.",
        ),
        *options("rebase"),
    ),
    """
The commits that UPSTREAM has not are made again on top of it, in one step: new ids, the same words, authors and times. Edits find the messages they edit; skips, pins and generation configs go with the commits. ORIG_HEAD is where the branch was, and 'tract undo' goes back.

What that does to the meaning is a warning: a reply whose question is not there, an edit below answers that never saw it.
Where words would be lost (an edit of what is not there, two edits of one message), nothing moves: the conflicts are written to a file, and the exit status is 1. Half a tool call is refused without --force.

  $ tract rebase main
  $ tract rebase --dry-run main
  $ tract rebase --onto main topic-base
  $ tract rebase --continue
""",
)
