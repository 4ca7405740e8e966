"""``tract ls-tree``: the entries of a context.

    <index> <commit> <blob>     of a commit: its whole context, first to last; the index counts from 0
    entry <commit> <blob>       of a tree node at level 0
    tree <id> <count>           of a higher node: each node under it, and its number of entries

With ``--json`` each line is an object: {"index": …, "commit": …, "blob": …}; of a node as in tract/objects/document.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tract.cli.command import DONE, Args, Command, Param
from tract.cli.console import Console
from tract.errors import TractError
from tract.history.context import context_at, entries
from tract.objects.document import entry_documents, node_documents
from tract.objects.id import ObjectId
from tract.objects.model import Node
from tract.repo import Repository
from tract.revision import resolve_object
from tract.tree import Context, node_of_level

_DESCRIPTION = """Of a commit: '<index> <commit> <blob>' for every entry of its whole context, first to last, those it keeps beside its tree included.

Of a tree node: 'entry <commit> <blob>' for each entry of a lowest node, 'tree <id> <count>' for each node under a higher one; with -r the entries under all of them.

The commit of an entry is the one that introduced the message, the blob what it says now."""


def run(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        id = resolve_object(repo, args.revision, "commit")
        kind = repo.objects.read(id).kind
        if kind == "commit":
            context = context_at(repo, id)
            rows = _context_rows(repo, context)
        elif kind == "tree":
            rows = _node_rows(repo, id, recursive=args.recursive)
        else:
            raise TractError(f"'{args.revision}' is neither commit nor tree: object {id.hex()[:16]} is a {kind}")
        for row in rows:
            if args.commits:
                if "commit" in row:
                    console.line(row["commit"])
            elif args.json:
                console.print_json(row)
            else:
                console.line(_line(row))
    return DONE


def node_lines(node: Node) -> Iterator[str]:
    """The lines of one tree node."""
    return map(_line, node_documents(node))


def _line(row: dict[str, Any]) -> str:
    words = () if "index" in row else ("entry",) if "commit" in row and "blob" in row else (next(iter(row)),)
    return " ".join(map(str, (*words, *row.values())))


def _context_rows(repo: Repository, context: Context) -> Iterator[dict[str, Any]]:
    for index, row in enumerate(entry_documents([id for entry in entries(repo, context) for id in entry])):
        yield {"index": index, **row}


def _node_rows(repo: Repository, id: ObjectId, *, recursive: bool) -> Iterator[dict[str, Any]]:
    node = repo.node(id)
    if recursive and node.level > 0:
        for child in node.items[::2]:
            node_of_level(repo, child, node.level - 1)
            yield from _node_rows(repo, child, recursive=True)
    else:
        yield from node_documents(node)


COMMAND = Command(
    run,
    (
        Param("revision", help="A commit or a tree.", metavar="REV|TREE", required=True),
        Param("recursive", ("-r",), type=bool, help="Of a tree: the entries under it, instead of its nodes."),
        Param("commits", ("--commits",), type=bool, help="Print only the entries' commits."),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
