"""``tract reset``: move the branch to another commit."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.refs import JSON, print_head, print_place
from tract.history.reset import reset
from tract.revision import resolve_or_before


def run(console: Console, args: Args) -> int:
    if args.soft and args.hard:
        console.error("--soft and --hard exclude each other")
        return USAGE
    with console.open_workspace() as space:
        # The branch's present tip: a revision such as HEAD~1 counts from it.
        tip = space.repo.head()[1]
        target = resolve_or_before(space.repo, args.revision)
        reset(space.repo, target, mode="hard" if args.hard else "soft", named=args.revision, expected=tip)
        if args.json:
            print_place(console, space)
        elif target is None:
            console.note("HEAD is now before the first commit")
        else:
            print_head(console, space)
    return DONE


COMMAND = Command(
    run,
    (
        Param("revision", metavar="REVISION", default="HEAD", help="The commit to move the branch to. Default: HEAD."),
        Param(
            "soft",
            ("--soft",),
            bool,
            help="Keep the later commits reachable for a while, through ORIG_HEAD and the reflog. This is the default.",
        ),
        Param(
            "hard",
            ("--hard",),
            bool,
            help="Remove the later commits from ORIG_HEAD and the reflog too, so that the next gc may delete them. A merge, cherry-pick or revert under way is given up.",
        ),
        JSON,
    ),
    """
'tract undo' takes a reset back; after --hard, only until gc runs.

On a branch of three commits, HEAD~3 is the place before the first; the branch is empty then.

  $ tract reset HEAD~1
  $ tract reset ORIG_HEAD
  $ tract reset --hard before-refactoring
""",
)
