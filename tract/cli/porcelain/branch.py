"""``tract branch``: list, create, rename and delete branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, text_width
from tract.cli.refs import FILTERS, commit_text, is_filtered, matching, read_filters, warn_of_twin
from tract.cli.rendering import SHORT
from tract.compile.workspace import Workspace
from tract.history.branch import create_branch, delete_branches, list_branches, rename_branch
from tract.objects.id import ObjectId, parse_id
from tract.refs.names import HEADS, REMOTES
from tract.repo import Repository
from tract.revision import resolve_revision


def run(console: Console, args: Args) -> int:
    deletes, renames = args.delete or args.force_delete, args.move or args.force_move
    puts_aside = args.archive + args.archived + args.unarchive
    lists = args.list or args.all or args.remotes or args.show_current or args.verbose or is_filtered(args)
    if deletes + renames + lists + puts_aside > 1:
        console.error("listing, deleting, archiving and renaming exclude each other")
        return USAGE
    with console.open_workspace() as space:
        if args.show_current:
            return _show_current(console, space.repo, args)
        if puts_aside:
            return _put_aside(console, space.repo, args)
        if deletes:
            return _delete(console, space.repo, args)
        if renames:
            return _rename(console, space.repo, args)
        if lists or not args.names:
            return _list(console, space, args)
        return _create(console, space.repo, args)


def _create(console: Console, repo: Repository, args: Args) -> int:
    if len(args.names) > 2:
        console.error("expected a branch and the commit where it begins, no more")
        return USAGE
    name, start = args.names[0], args.names[1] if len(args.names) > 1 else "HEAD"
    create_branch(repo, name, resolve_revision(repo, start))
    warn_of_twin(console, repo, name)
    if args.json:
        console.print_json({"name": name, "commit_hash": list_branches(repo)[name], "is_current": False})
    return DONE


def _delete(console: Console, repo: Repository, args: Args) -> int:
    if not args.names:
        console.error("expected a branch to delete")
        return USAGE
    for name, at in delete_branches(repo, args.names, force=args.force_delete).items():
        if args.json:
            console.print_json({"name": name, "commit_hash": at, "is_deleted": True})
        else:
            console.line(f"Deleted branch {name} (was {at.hex()[:SHORT]}).")
    return DONE


def _put_aside(console: Console, repo: Repository, args: Args) -> int:
    from tract.history.archive import archive_branch, archived_branches, unarchive_branch  # few are

    if args.archived:
        for one in archived_branches(repo):
            if args.json:
                console.print_json(one._asdict())
                continue
            merged = "" if one.is_merged else console.paint("  not merged", "yellow")
            tags = f"  tags: {', '.join(one.tags)}" if one.tags else ""
            console.line(one.name, f"  {one.commit_hash[:SHORT]}", merged, tags)
        return DONE
    if not args.names:
        console.error(f"expected a branch to {'archive' if args.archive else 'bring back'}")
        return USAGE
    for name in args.names:
        at = archive_branch(repo, name).commit_hash if args.archive else unarchive_branch(repo, name).hex()
        if args.json:
            console.print_json({"name": name, "commit_hash": at, "is_archived": args.archive})
        else:
            console.line(f"{'Archived' if args.archive else 'Brought back'} branch {name} (at {at[:SHORT]}).")
    return DONE


def _rename(console: Console, repo: Repository, args: Args) -> int:
    if not 1 <= len(args.names) <= 2:
        console.error("expected the new name of a branch, and at most its old one before it")
        return USAGE
    *old, new = args.names
    rename_branch(repo, old[0] if old else None, new, force=args.force_move)
    warn_of_twin(console, repo, new)
    if args.json:
        console.print_json(
            {"name": new, "commit_hash": list_branches(repo).get(new), "is_current": repo.head()[0] == HEADS + new}
        )
    return DONE


def _show_current(console: Console, repo: Repository, args: Args) -> int:
    branch, tip = repo.head()
    if args.json and branch is not None:
        console.print_json({"name": branch.removeprefix(HEADS), "commit_hash": tip, "is_current": True})
        return DONE
    if branch is not None:
        console.line(branch.removeprefix(HEADS))
    return DONE


def _list(console: Console, space: Workspace, args: Args) -> int:
    repo = space.repo
    passes, patterns = read_filters(console, repo, args, args.names)
    head, tip = repo.head()
    current = None if head is None else head.removeprefix(HEADS)
    found = matching(_of_remotes(repo) if args.remotes else list_branches(repo), passes, patterns)
    if args.all:
        found |= _of_other_tracts(repo, passes, patterns)
    if args.json:
        for name, commit in found.items():
            console.print_json({"name": name, "commit_hash": commit, "is_current": name == current})
        return DONE
    detached = current is None and tip is not None and not patterns and passes(tip)
    title = f"(HEAD detached at {tip.hex()[:SHORT]})" if detached and tip is not None else ""
    width = max(map(text_width, [*found, title]), default=0)
    if detached and tip is not None:
        console.line("* ", console.paint(title, "red"), _beside(console, space, args, title, tip.hex(), width))
    for name, commit in found.items():
        shown = console.paint(name, "green") if name == current else name
        console.line("* " if name == current else "  ", shown, _beside(console, space, args, name, commit, width))
    return DONE


def _of_remotes(repo: Repository) -> dict[str, str]:
    """The branches of remotes, as of the last look at them."""
    return {name.removeprefix(REMOTES): at.hex() for name, at in repo.local_refs(REMOTES) if isinstance(at, bytes)}


def _of_other_tracts(repo: Repository, passes: Callable[[ObjectId], bool], patterns: Sequence[str]) -> dict[str, str]:
    """The branches of the store's other tracts, by the revisions that name them: ``helper::main``."""
    from tract.history.tracts import in_tract
    from tract.report.tracts import list_tracts

    found: dict[str, str] = {}
    for info in list_tracts(repo):
        if info.tract_id != repo.tract:
            inside = in_tract(repo, info.tract_id)
            found |= {f"{info.tract_id}::{name}": at for name, at in list_branches(inside).items()}
    return matching(found, passes, patterns)


def _beside(console: Console, space: Workspace, args: Args, name: str, commit: str, width: int) -> str:
    """With --verbose, the commit in a column of its own."""
    id = parse_id(commit)
    if not args.verbose or id is None:
        return ""
    return " " * (width - text_width(name) + 1) + commit_text(console, space, id, width + 3)


COMMAND = Command(
    run,
    (
        Param(
            "names",
            metavar="NAME [START]",
            many=True,
            help="The name of the branch to make, and the commit it starts at (default: HEAD); with --list, patterns.",
        ),
        Param("list", ("-l", "--list"), bool, help="List the branches that match the patterns NAME, such as 'try-*'."),
        Param(
            "all", ("-a", "--all"), bool, help="List the branches of the store's other tracts too, as TRACT::BRANCH."
        ),
        Param("remotes", ("-r", "--remotes"), bool, help="List the branches of remotes, as they were last seen."),
        Param("verbose", ("-v", "--verbose"), bool, help="List each branch with its commit."),
        *FILTERS,
        Param(
            "show_current",
            ("--show-current",),
            bool,
            help="Print the name of the current branch; nothing if HEAD is detached.",
        ),
        Param("delete", ("-d", "--delete"), bool, help="Delete the branches NAME; each must be merged into HEAD."),
        Param("force_delete", ("-D",), bool, help="Delete the branches NAME, merged or not."),
        Param("archive", ("--archive",), bool, help="Archive the branches NAME; nothing of them is lost."),
        Param("archived", ("--archived",), bool, help="List the archived branches."),
        Param("unarchive", ("--unarchive",), bool, help="Bring the archived branches NAME back."),
        Param(
            "move",
            ("-m", "--move"),
            bool,
            help="Rename a branch: NAME is [OLD] NEW. Default for OLD: the current branch.",
        ),
        Param("force_move", ("-M",), bool, help="Rename a branch even if NEW exists."),
        Param("json", ("--json",), bool, help="Print a JSON document for each branch, one on a line."),
    ),
    """
The current branch is marked with a *.
'tract branch NAME' does not switch to the new branch; 'tract switch -c NAME' makes it and switches to it.

  $ tract branch another-try HEAD~2
  $ tract branch -v --no-merged
  $ tract branch -m another-try try-2
  $ tract branch -D try-2
  $ tract branch --archive old-idea
""",
)
