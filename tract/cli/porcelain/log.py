"""``tract log``: the history."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console, Painted, one_line
from tract.cli.graph import Graph
from tract.cli.rendering import (
    Line,
    date_text,
    line_value,
    names_by_commit,
    paint_marks,
    paint_names,
    paint_role,
    print_one_line,
    read_line,
    tokens_text,
)
from tract.compile.formats.values import parse_json
from tract.compile.report import query_by_config
from tract.compile.workspace import Workspace
from tract.errors import CommitNotFoundError, ContentValidationError
from tract.history.walk import ancestors, first_parents
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.refs.names import HEADS
from tract.revision import resolve_revision

_EXCERPT_LINES = 4
_CONDITION = re.compile(r"([^=!<>]+)(=|!=|>=|<=|>|<)(.*)", re.S)


def run(console: Console, args: Args) -> int:
    with console.open_workspace() as space:
        names = names_by_commit(space.repo)
        graph = Graph() if args.graph else None
        first = True
        for id, commit in islice(_walk(space, args), None if args.max_count is None or args.max_count < 0 else args.max_count):
            line = read_line(space, id)
            if args.json:
                console.print_json(line_value(line, names.get(line.id)))
                continue
            if not first and not args.oneline:
                console.line(graph.bars() if graph is not None else "")
            lead, below = ("", "") if graph is None else graph.add(id, commit.parents)
            if args.oneline:
                print_one_line(console, line, names.get(line.id), lead)
            else:
                _print_in_full(console, line, names.get(line.id), lead, below)
            if graph is not None:
                for row in graph.edges():
                    console.line(row)
            first = False
    return DONE


def _walk(space: Workspace, args: Args) -> Iterator[tuple[ObjectId, Commit]]:
    repo = space.repo
    if args.all:
        tips = [value for _, value in repo.local_refs(HEADS) if isinstance(value, bytes)]
        found = ancestors(repo, tips)
    else:
        if args.revision is None and repo.head()[1] is None:
            branch = (repo.head()[0] or "").removeprefix(HEADS)
            raise CommitNotFoundError("HEAD", f"branch '{branch}' has no commits yet")
        tip = resolve_revision(repo, args.revision or "HEAD")
        found = first_parents(repo, tip) if args.first_parent else ancestors(repo, [tip])
    wanted = _with_config(space, args.config) if args.config else None
    return (
        item
        for item in found
        if (args.op is None or item[1].operation == args.op) and (wanted is None or item[0].hex() in wanted)
    )


def _with_config(space: Workspace, texts: Sequence[str]) -> frozenset[str]:
    """The ids of the commits whose generation config meets every condition, such as ``temperature>0.5``."""
    conditions = []
    for text in texts:
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise ContentValidationError(f"{text!r} is no condition such as 'model=gpt-4o' or 'temperature>0.5'")
        field, operator, value = match.groups()
        try:
            conditions.append((field, operator, parse_json(value)))
        except ValueError:
            conditions.append((field, operator, value))
    return frozenset(info.commit_hash for info in query_by_config(space, conditions))


def _print_in_full(console: Console, line: Line, names: list[str] | None, lead: str, below: str) -> None:
    info = line.info
    edge = Painted(below)
    console.line(lead, console.paint(f"commit {line.id}", "yellow"), paint_names(console, names), paint_marks(console, line))
    if len(info.parent_hashes) > 1:
        console.line(edge, "Merge:  ", " ".join(parent[:10] for parent in info.parent_hashes))
    console.line(edge, "Author: ", info.author)
    console.line(edge, "Date:   ", date_text(info.created_at))
    if info.message:
        console.line(edge, "Note:   ", info.message)
    tokens = tokens_text(info.token_count, exact=line.exact)
    console.line(below.rstrip())
    console.line(edge, "    ", paint_role(console, line.role), console.paint(f" ({tokens})", "dim"))
    for text in _excerpt(line.text, console.width - 6 - len(below)):
        console.line(edge, "    ", Painted(text))


def _excerpt(text: str, width: int) -> list[str]:
    """The first lines of a text, each cut to *width*; a last line says that there is more."""
    lines = [_cut(line, max(20, width)) for line in text[:20_000].split("\n") if line.strip()]
    rest = len(lines) - _EXCERPT_LINES
    return lines if rest <= 1 else [*lines[:_EXCERPT_LINES], f"… {rest} lines more"]


def _cut(line: str, width: int) -> str:
    """A line with its indentation, as far as that leaves room."""
    indent = min(len(line) - len(line.lstrip(" ")), width // 2)
    return " " * indent + one_line(line, width - indent)


COMMAND = Command(
    "log",
    "show the history",
    run,
    (
        Param("revision", metavar="REVISION", help="Where to begin; HEAD if not given."),
        Param("oneline", ("--oneline",), bool, help="A line a commit."),
        Param("graph", ("--graph",), bool, help="Draw what came from what."),
        Param("max_count", ("-n", "--max-count"), int, metavar="N", help="Show no more than N commits; all of them if N is negative."),
        Param("op", ("--op",), choices=("append", "edit", "merge", "compress"), help="Only commits that do this."),
        Param("config", ("--config",), metavar="CONDITION", many=True, help="Only commits whose generation config meets this, such as 'model=gpt-4o' or 'temperature>0.5' (= != > < >= <=); may be given again."),
        Param("first_parent", ("--first-parent",), bool, help="Follow the first parents only."),
        Param("all", ("--all",), bool, help="Begin at every branch."),
        Param("json", ("--json",), bool, help="Print a JSON document a commit, one a line."),
    ),
    """
Shows commits from newest to oldest: id, names, author, date, and the beginning of the message.
A number of tokens after ~ is an estimate; 'tract compile --json' counts.

  $ tract log -n 5
  $ tract log --oneline --graph --all
  $ tract log main~10 --op edit --json
  $ tract log --config model=gpt-4o --config 'temperature>0.5'
""",
)
