"""``tract tag``: names for commits that do not move."""

from __future__ import annotations

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, text_width
from tract.cli.refs import FILTERS, commit_text, is_filtered, matching, read_filters, warn_of_twin
from tract.cli.rendering import SHORT
from tract.compile.workspace import Workspace
from tract.history.tags import create_tag, delete_tags, list_tags
from tract.objects.id import parse_id
from tract.repo import Repository
from tract.revision import resolve_revision

_COLUMN = 15


def run(console: Console, args: Args) -> int:
    lists = args.list or args.lines or is_filtered(args)
    if args.delete and lists:
        console.error("listing and deleting exclude each other")
        return USAGE
    with console.open_workspace() as space:
        if args.delete:
            return _delete(console, space.repo, args)
        if lists or not args.names:
            return _list(console, space, args)
        return _create(console, space.repo, args)


def _create(console: Console, repo: Repository, args: Args) -> int:
    if len(args.names) > 2:
        console.error("expected a tag and what it names, no more")
        return USAGE
    name, revision = args.names[0], args.names[1] if len(args.names) > 1 else "HEAD"
    id = resolve_revision(repo, revision)
    create_tag(repo, name, id, force=args.force, why=args.message or "")
    warn_of_twin(console, repo, name)
    if args.json:
        console.print_json({"name": name, "commit_hash": id})
    return DONE


def _delete(console: Console, repo: Repository, args: Args) -> int:
    if not args.names:
        console.error("expected a tag to delete")
        return USAGE
    for name, at in delete_tags(repo, args.names).items():
        if args.json:
            console.print_json({"name": name, "commit_hash": at, "is_deleted": True})
        else:
            console.line(f"Deleted tag '{name}' (was {at.hex()[:SHORT]})")
    return DONE


def _list(console: Console, space: Workspace, args: Args) -> int:
    passes, patterns = read_filters(console, space.repo, args, args.names)
    for name, commit in matching(list_tags(space.repo), passes, patterns).items():
        id = parse_id(commit)
        if args.json:
            console.print_json({"name": name, "commit_hash": commit})
        elif args.lines and id is not None:
            gap = " " * max(1, _COLUMN - text_width(name) + 1)
            console.line(name, gap, commit_text(console, space, id, text_width(name + gap)))
        else:
            console.line(name)
    return DONE


COMMAND = Command(
    run,
    (
        Param(
            "names",
            metavar="NAME [REVISION]",
            many=True,
            help="The name of the tag to make, and the commit that it names (default: HEAD); with --list, patterns. Without any, all tags are listed.",
        ),
        Param("list", ("-l", "--list"), bool, help="List the tags that match the patterns NAME, such as 'v*'."),
        Param("lines", ("-n",), bool, help="List each tag with its commit."),
        *FILTERS,
        Param("force", ("-f", "--force"), bool, help="Move the tag NAME if it names another commit."),
        Param("message", ("-m", "--message"), metavar="TEXT", help="Why; 'tract reflog NAME' shows it."),
        Param("delete", ("-d", "--delete"), bool, help="Delete the tags NAME."),
        Param("json", ("--json",), bool, help="Print a JSON document for each tag, one on a line."),
    ),
    """
A tag does not move with new commits; --force gives its name to another commit.

  $ tract tag
  $ tract tag before-refactoring HEAD~3
  $ tract tag -d before-refactoring
""",
)
