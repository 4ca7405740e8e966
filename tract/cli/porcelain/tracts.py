"""``tract tracts``: list the tracts of a store; create, delete, restore, rename and copy them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console, Painted, one_line, text_width
from tract.cli.fleet import FILTERS, chosen_tracts
from tract.cli.rendering import SHORT
from tract.escape import escaped
from tract.history.spawn import delete_tract, restore_tract
from tract.history.tracts import (
    copy_tract,
    create_tract,
    rename_tract,
)
from tract.report.tracts import TractInfo, family_order

_ACTIONS: dict[str, tuple[Callable[..., None], int, str]] = {
    "create": (create_tract, 1, "Made tract"),
    "delete": (delete_tract, 1, "Deleted tract"),
    "restore": (restore_tract, 1, "Restored tract"),
    "rename": (rename_tract, 2, "Renamed tract"),
    "copy": (copy_tract, 2, "Copied tract"),
}
"""For each action: the method it calls, the number of names it takes, and its report."""

_LEAST = 36
"""The columns for the text beside a tract's name, however narrow the terminal is: its branch and its time fit."""


def run(console: Console, args: Args) -> int:
    if args.force and args.action != "delete":
        console.error("--force goes with 'tract tracts delete'")
        return USAGE
    if args.action in (None, "list"):
        return _list(console, args)
    act, count, done = _ACTIONS[args.action]
    if len(args.names) != count:
        console.error(f"'tract tracts {args.action}' takes {count} name{'s' if count > 1 else ''}")
        return USAGE
    with console.open_repository() as repo:
        act(repo, *args.names, **({"force": True} if args.force else {}))
    if args.json:
        console.print_json({"action": args.action, "tract_id": args.names[-1]})
    else:
        console.note(f"{done} '{args.names[0]}'{f' to {args.names[1]!r}' if count > 1 else ''}")
    return DONE


def _list(console: Console, args: Args) -> int:
    if args.names:
        console.error("'tract tracts list' takes no name")
        return USAGE

    with console.open_repository() as repo:
        for info, depth in family_order(chosen_tracts(console, repo, args, counts=args.counts)):
            if args.json:
                console.print_json(info)
            else:
                _print(console, info, depth, info.tract_id == repo.tract)
    return DONE


def _print(console: Console, info: TractInfo, depth: int, is_current: bool) -> None:
    at = (info.head_hash or "")[:SHORT].ljust(SHORT)
    name = console.paint(info.tract_id, "green") if is_current else info.tract_id
    beside = [
        f"on {info.current_branch}" if info.current_branch else "detached",
        *([] if info.message_count is None else [_counts(info.message_count, info.token_count)]),
        *([] if info.last_changed is None else [f"changed {_local(info.last_changed)}"]),
        *([] if info.display_name is None else [info.display_name]),
        *([] if info.parent_tract_id is None else [f"of {_parent(info)}: {info.purpose}"]),
    ]
    lead = "* " if is_current else "  "
    taken = len(lead) + SHORT + 1 + 2 * depth + text_width(escaped(info.tract_id)) + 3
    about = one_line(", ".join(beside), max(_LEAST, console.width - taken))
    console.line(lead, console.paint(at, "yellow"), " ", "  " * depth, name, Painted(f" ({about})"))


def _parent(info: TractInfo) -> str:
    return f"{info.parent_tract_id}, which is deleted" if info.is_orphan else info.parent_tract_id or ""


def _counts(messages: int, tokens: int | None) -> str:
    return f"{messages} message{'' if messages == 1 else 's'}, {tokens} tokens"


def _local(when: datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


COMMAND = Command(
    run,
    (
        Param("action", metavar="ACTION", choices=("list", *_ACTIONS), help="What to do; without it, list."),
        Param("names", many=True, metavar="NAME", help="The tract; for rename and copy, the old one and the new name."),
        *FILTERS,
        Param("counts", ("--counts",), bool, help="List the numbers of messages and tokens, too."),
        Param("force", ("--force", "-f"), bool, help="Delete a tract even if others were spawned from it; those stay."),
        Param("json", ("--json",), bool, help="Print a JSON document for each tract, one on a line."),
    ),
    """
A store has a root tract and any number of others, each with its own HEAD, branches and notes; they share their messages. A spawned tract is listed under its parent.
A name is any text of at most 255 bytes. 'tract --tract NAME log' or 'tract log --tract NAME' prints the log of that tract, and NAME::HEAD~2 names a commit of it.
A deleted tract can be restored as long as gc keeps its objects.

  $ tract tracts
  $ tract tracts create 'user/42: holiday'
  $ tract commit --tract 'user/42: holiday' --role user 'Where to?'
  $ tract diff main 'user/42: holiday::HEAD'
  $ tract tracts --over-budget --stale 1d
  $ tract tracts rename 'user/42: holiday' done
""",
)
