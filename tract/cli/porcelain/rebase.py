"""``tract rebase``: repeat this branch's commits on another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.api.tract import Tract
from tract.cli.command import USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.replays import options, run_replay_command

if TYPE_CHECKING:
    from tract.curation.replay.result import ReplayResult


def run(console: Console, args: Args) -> int:
    if args.interactive:
        console.error("there is no list to edit here: each step has a command of its own")
        console.hint(
            "'tract edit' rewords or corrects a message, 'tract revert' drops one, 'tract reorder' moves, 'tract compress' squashes"
        )
        return USAGE

    def replay(tract: Tract) -> ReplayResult:
        return tract.rebase(args.upstream, onto=args.onto, force=args.force, keep=True, dry_run=args.dry_run)

    return run_replay_command(console, args, "rebase", args.upstream is not None, replay)


COMMAND = Command(
    run,
    (
        Param(
            "upstream",
            metavar="UPSTREAM",
            help="The branch, or any other revision, to put this branch's own commits on.",
        ),
        Param(
            "onto",
            ("--onto",),
            metavar="NEWBASE",
            help="Put them on this commit instead; UPSTREAM then only says which commits are not this branch's own.",
        ),
        Param(
            "interactive",
            ("-i", "--interactive"),
            bool,
            help="Not supported as in git: this names the commands to use instead.",
        ),
        *options("rebase"),
    ),
    """
The commits that UPSTREAM does not have are made again on top of it, in one step: with new ids, and with the same texts, authors and times. Edits still apply to their messages; priorities and generation configs go with the commits. ORIG_HEAD is where the branch was, and 'tract undo' goes back.

Warnings say where the meaning changes: a reply whose question is missing, an edit that later answers never saw.
If text would be lost (an edit of a message that is not there, two edits of one message), nothing moves: the conflicts are written to a file, and the exit status is 1. A tool call without its result is refused, except with --force.

  $ tract rebase main
  $ tract rebase --dry-run main
  $ tract rebase --onto main topic-base
  $ tract rebase --continue
""",
)
