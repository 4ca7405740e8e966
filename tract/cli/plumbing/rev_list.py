"""``tract rev-list``: commits that some revisions reach and others do not.

<id>                    one line a commit, a child always before its parents, the newer first beside it
<id> <parent>…          with --parents
<id>                    with --objects, after all commits: the tree nodes and blobs of their contexts, each once
<number>                with --count

With --json each line is an object: {"id": …}, with --parents also "parents"; {"id": …, "object": true} for objects added by --objects; {"count": …}.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.ranges import NOT, turned
from tract.history.reachability import context_objects, reachable
from tract.history.walk import at_most
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.repo import Repository
from tract.revision import resolve_range

_DESCRIPTION = """Print every commit that a REV reaches and no ^REV does, a child always before its parents; x..y means ^x y.

--objects prints after them the tree nodes and blobs of their contexts, without those in the context of a ^REV.

Exit status: 0; 2 without any revision; 128 if one names nothing."""


def run(console: Console, args: Args) -> int:
    if not args.revisions and not args.all:
        console.error("expected a revision, or --all")
        return USAGE
    with console.open_repository() as repo:
        starts, hidden = _ends(repo, args)
        walk = reachable(repo, starts, hidden, first_parent=args.first_parent)
        commits = walk if args.limit < 0 else at_most(walk, args.limit)
        if args.reverse:
            commits = iter(list(commits)[::-1])
        rows = _rows(repo, commits, hidden, args)
        if args.count:
            number = sum(1 for _ in rows)
            rows = iter(({"count": number},))
        for row in rows:
            if args.json:
                console.print_json(row)
            else:
                console.line(_line(row))
    return DONE


def _line(row: dict[str, Any]) -> str:
    return str(row["count"]) if "count" in row else " ".join([row["id"], *row.get("parents", ())])


def _ends(repo: Repository, args: Args) -> tuple[list[ObjectId], list[ObjectId]]:
    """The commits to begin at, and those to leave out."""
    starts: list[ObjectId] = []
    hidden: list[ObjectId] = []
    for text in turned(args.revisions):
        wanted, left_out = resolve_range(repo, text)
        starts += [wanted] if wanted is not None else []
        hidden += [left_out] if left_out is not None else []
    if args.all:
        tip = repo.head()[1]
        values = chain((value for _, value in repo.local_refs("refs/")), [tip])
        starts += [value for value in values if isinstance(value, bytes)]
    return starts, hidden


def _rows(
    repo: Repository, commits: Iterator[tuple[ObjectId, Commit]], hidden: list[ObjectId], args: Args
) -> Iterator[dict[str, Any]]:
    shown: list[ObjectId] = []
    for id, commit in commits:
        if args.objects:
            shown.append(id)
        parents = {"parents": [parent.hex() for parent in commit.parents]} if args.parents else {}
        yield {"id": id.hex(), **parents}
    seen: set[ObjectId] = set()
    for id in hidden if shown else ():
        for _ in context_objects(repo, id, seen):
            pass  # what is hidden counts as printed
    for id in shown:
        for found in context_objects(repo, id, seen):
            yield {"id": found.hex(), "object": True}


COMMAND = Command(
    run,
    (
        Param(
            "revisions",
            help="What to list; ^REV leaves out what REV reaches, and so does a REV after --not.",
            metavar="REV",
            many=True,
            words=(NOT,),
        ),
        Param("limit", ("-n", "--max-count"), type=int, default=-1, help="List at most N commits.", metavar="N"),
        Param("count", ("--count",), type=bool, help="Print only how many there are."),
        Param("first_parent", ("--first-parent",), type=bool, help="Follow only the first parent of each commit."),
        Param("all", ("--all",), type=bool, help="Begin at HEAD and at every ref of the tract, notes included."),
        Param("parents", ("--parents",), type=bool, help="Print the parents after each commit."),
        Param("objects", ("--objects",), type=bool, help="Print the trees and blobs of the contexts too."),
        Param("reverse", ("--reverse",), type=bool, help="Print the chosen commits oldest first."),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
