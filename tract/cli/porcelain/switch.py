"""``tract switch``: switch to another branch."""

from __future__ import annotations

from functools import partial

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.refs import JSON, go, go_to_new
from tract.history.branch import create_branch
from tract.history.checkout import detach_head, switch
from tract.revision import resolve_revision


def run(console: Console, args: Args) -> int:
    if len([one for one in (args.create, args.orphan, args.detach or None) if one is not None]) > 1:
        console.error("--create, --orphan and --detach exclude each other")
        return USAGE
    if args.orphan is not None and args.name is not None:
        console.error("--orphan takes no place to start from")
        return USAGE
    if args.create is None and args.orphan is None and args.name is None and not args.detach:
        console.error("expected a branch, or '-' for the one before")
        return USAGE
    with console.open_workspace() as space:
        if args.orphan is not None:
            make = partial(create_branch, space.repo, args.orphan, None, switch=True)
            go(console, space, make, new=True, json=args.json)
        elif args.create is not None:
            go_to_new(console, space, args.create, args.name, json=args.json)
        elif args.detach:
            named = args.name or "HEAD"
            id = resolve_revision(space.repo, named)
            go(console, space, partial(detach_head, space.repo, id, named=named), new=False, json=args.json)
        else:
            go(console, space, partial(switch, space.repo, args.name), new=False, json=args.json)
    return DONE


COMMAND = Command(
    run,
    (
        Param(
            "name",
            metavar="BRANCH",
            help="The branch to switch to; '-' is the previous one. With --create or --detach any revision, HEAD by default.",
        ),
        Param("create", ("-c", "--create"), metavar="NEW", help="Make the branch NEW, and switch to it."),
        Param(
            "orphan",
            ("--orphan",),
            metavar="NEW",
            help="Switch to the branch NEW without commits: its history begins anew.",
        ),
        Param(
            "detach",
            ("-d", "--detach"),
            bool,
            help="Detach HEAD at a commit, to look around; nothing can be committed there.",
        ),
        JSON,
    ),
    """
Later commits go to that branch.

  $ tract switch session-2
  $ tract switch -c another-try HEAD~2
  $ tract switch -
""",
)
