"""``tract spawn``: make a tract that begins with another tract's context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.rendering import SHORT
from tract.history.priority import Priority
from tract.report.plain import to_plain

if TYPE_CHECKING:
    from tract.curation.spawn import Inheritance, Select

_PRIORITIES = tuple(one.value for one in Priority)


def run(console: Console, args: Args) -> int:
    if args.messages and args.priority:
        console.error("messages are chosen one by one or by their priority, not both")
        return USAGE
    if (args.messages or args.priority) and args.full_clone:
        console.error("a full clone has all messages: choose none")
        return USAGE
    select: Select | None = args.messages or (None if args.priority is None else Priority(args.priority))
    inheritance: Inheritance = "full_clone" if args.full_clone else "selective" if select else "head_snapshot"
    with console.open_tract() as parent:
        child = parent.spawn(
            args.purpose,
            name=args.name,
            inheritance=inheritance,
            select=select,
            max_tokens=args.max_tokens,
            message=args.message,
            display_name=args.display_name,
        )
        info = child.parent()
        assert info is not None
        count = len(child.compile(policies=False))
    if args.json:
        console.print_json(to_plain(info))
    else:
        at = (info.parent_commit_hash or "")[:SHORT]
        console.line(
            f"[{info.child_tract_id}] {count} message{'' if count == 1 else 's'} of '{info.parent_tract_id}' at {at}"
        )
    return DONE


COMMAND = Command(
    run,
    (
        Param("purpose", metavar="PURPOSE", required=True, help="The purpose of the child."),
        Param("name", ("--name",), metavar="NAME", help="Its name. Default: a generated one."),
        Param("full_clone", ("--full-clone",), bool, help="Give it the parent's history too; then it can be merged."),
        Param(
            "messages",
            ("--select",),
            metavar="MESSAGE",
            many=True,
            default=(),
            help="A message that it starts with; may be repeated. Default: all messages.",
        ),
        Param("priority", ("--priority",), choices=_PRIORITIES, help="Start with the messages of this priority."),
        Param(
            "max_tokens",
            ("--max-tokens",),
            int,
            metavar="N",
            help="Start with the instructions and the newest messages that fit into N tokens.",
        ),
        Param("message", ("--message", "-m"), metavar="TEXT", help="The first user message in it."),
        Param("display_name", ("--display-name",), metavar="NAME", help="A name that listings show next to its own."),
        Param("json", ("--json",), bool, help="Print a JSON document."),
    ),
    """
The child has the parent's messages with their ids, skips and pins. Nothing is copied, and the parent gets no message. If tool calls at the end still wait for their results, the child starts before them.
'tract collapse' brings its work back; 'tract tracts' lists the children with their purposes.

  $ tract spawn --name hotels -m 'Find three near the station.' 'find hotels'
  $ tract commit --tract hotels --role assistant 'Three hotels: ...'
  $ tract collapse hotels --content 'Three hotels near the station.'
""",
)
