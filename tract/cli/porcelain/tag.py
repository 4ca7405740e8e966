"""``tract tag``: names for commits that do not move."""

from __future__ import annotations

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.history.tags import create_tag, list_tags
from tract.revision import resolve_revision


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        if args.name is None:
            for name, commit in list_tags(repo).items():
                if args.json:
                    console.print_json({"name": name, "commit": commit})
                else:
                    console.line(name)
            return DONE
        id = resolve_revision(repo, args.revision or "HEAD")
        create_tag(repo, args.name, id)
        if args.json:
            console.print_json({"name": args.name, "commit": id.hex()})
    return DONE


COMMAND = Command(
    "tag",
    "list tags, or name a commit for good",
    run,
    (
        Param("name", metavar="NAME", help="The tag to make; without it, all tags are listed."),
        Param("revision", metavar="REVISION", help="What it names; HEAD if not given."),
        Param("json", ("--json",), bool, help="Print a JSON document a tag, one a line."),
    ),
    """
  $ tract tag
  $ tract tag before-refactoring HEAD~3
""",
)
