"""``tract cat-file``: what an object is and holds.

The forms of ``-p``; whatever could break a line or drive a terminal is escaped:

    commit      operation append
                tree <id>                     the closed chunks of its context
                parent <id>                   one line each
                content <id>
                target <id>                   what an edit edits, a note is about, a message replies to
                generation <n>
                author <name> <time>          microseconds since 1970
                metadata <JSON>
                open <commit> <blob>          the entries after the closed chunks, one line each
                refs <id>                     of a record: the closed chunks of what it needs
                ref <kind> <id>               and those after them, one line each
                                              a blank line, where there is a message
                <message>
    tree        as ls-tree prints a node: entry <commit> <blob>, or tree <id> <count>
    operation   previous <id>
                actor <name> <time>
                change <ref> <old> <new>      one line each; - is no ref
                ref <ref> <value>             the state of all refs after it, in some operations
                refs <id>                     a chunk of it: the refs of tracts, as such lines
                                              a blank line
                <reason>
    blob        indented JSON; a raw one its bytes

Fields a commit or operation has not got have no line.

With ``--json`` -t, -s and -p print one document: {"id": …, "type": …}, {"id": …, "size": …}, or the object as tract/objects/document.py says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from tract.cli.command import DONE, NEGATIVE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.plumbing.ls_tree import node_lines
from tract.cli.plumbing.stdio import input_lines, write_name, write_raw
from tract.errors import AmbiguousPrefixError, BlobNotFoundError, CommitNotFoundError, TractError
from tract.escape import escaped
from tract.objects.document import document_of
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import Object, Refs, shown
from tract.objects.strict_reader import (
    decode_blob,
    is_ref_chunk,
    read_commit,
    read_node,
    read_operation,
    read_ref_chunk,
)
from tract.refs.names import TRACTS
from tract.repo import Repository
from tract.revision import resolve_object

_DESCRIPTION = """An object is named by its id, a prefix of it, or a revision; <revision>^{tree} is a commit's tree of closed chunks, <revision>^{blob} its content.

  -t  its type    -s  the size of its payload, in bytes    -e  nothing; the exit status tells whether it is there
  -p  for people: a commit, tree or operation line by line, a blob as JSON
  cat-file <type> <object>  the payload as it is: canonical msgpack

With --batch, for each name on standard input: '<id> <type> <size>', the payload and a newline; --batch-check prints the first line alone. '<name> missing' or '<name> ambiguous' if there is no such object.

Exit status: 0; 1 from -e for an id that is not in the store; 128 for any other name that names nothing, and for an object of another type than the given one."""


def run(console: Console, args: Args) -> int:
    asked = [name for name in ("type", "size", "exists", "pretty") if getattr(args, name)]
    batch = args.batch or args.batch_check
    if batch or args.all:
        if not batch or asked or args.names or args.json or (args.batch and args.batch_check):
            console.error("--batch and --batch-check take no object and no other option but --batch-all-objects")
            return USAGE
        return _run_batch(console, args)
    if len(asked) > 1 or len(args.names) != (1 if asked else 2):
        console.error("expected one of -t, -s, -e or -p and an object, or a type and an object")
        return USAGE
    if not asked and args.names[0] not in KINDS:
        console.error(f"'{args.names[0]}' is not a type of object; there are {', '.join(KINDS)}")
        return USAGE
    if args.json and asked[:1] not in (["type"], ["size"], ["pretty"]):
        console.error("--json goes with -t, -s or -p")
        return USAGE
    with console.open_repository() as repo:
        if args.json:
            return _print_document(console, repo, asked[0], args.names[0])
        return _ONE[asked[0]](console, repo, args.names[0]) if asked else _print_raw(console, repo, *args.names)


def _print_type(console: Console, repo: Repository, name: str) -> int:
    console.line(repo.objects.read(resolve_object(repo, name)).kind)
    return DONE


def _print_size(console: Console, repo: Repository, name: str) -> int:
    console.line(str(len(repo.objects.read(resolve_object(repo, name)).payload)))
    return DONE


def _print_document(console: Console, repo: Repository, asked: str, name: str) -> int:
    id = resolve_object(repo, name)
    obj = repo.objects.read(id)
    if asked == "pretty":
        console.print_json(document_of(id, obj))
    else:
        value = obj.kind if asked == "type" else len(obj.payload)
        console.print_json({"id": id.hex(), asked: value})
    return DONE


def _check_exists(_: Console, repo: Repository, name: str) -> int:
    try:
        repo.objects.read(resolve_object(repo, name))
    except BlobNotFoundError as exc:
        if exc.id != name:  # something on the way to it is missing, which is damage
            raise
        return NEGATIVE
    return DONE


def _print_pretty(console: Console, repo: Repository, name: str) -> int:
    id = resolve_object(repo, name)
    obj = repo.objects.read(id)
    _PRINTERS[obj.kind](console, id, obj)
    return DONE


def _print_raw(console: Console, repo: Repository, kind: Kind, name: str) -> int:
    id = resolve_object(repo, name, kind)
    obj = repo.objects.read(id)
    if obj.kind != kind:
        raise TractError(f"'{name}' is not a {kind}: object {id.hex()[:16]} is a {obj.kind}")
    write_raw(console, obj.payload)
    return DONE


_ONE: dict[str, Callable[[Console, Repository, str], int]] = {
    "type": _print_type,
    "size": _print_size,
    "exists": _check_exists,
    "pretty": _print_pretty,
}


def _run_batch(console: Console, args: Args) -> int:
    with console.open_repository() as repo:
        if args.all:
            for id in sorted(id for id, _ in repo.objects.ids()):
                _print_entry(console, id, repo.objects.read(id), payload=args.batch)
            return DONE
        for name in input_lines(console):
            repo.refs.refresh()
            _answer(console, repo, name, payload=args.batch)
            console.flush()  # whoever asks may wait for the answer before asking on
    return DONE


def _answer(console: Console, repo: Repository, name: str, *, payload: bool) -> None:
    try:
        id = resolve_object(repo, name)
    except (BlobNotFoundError, CommitNotFoundError):
        write_name(console, name, "missing")
    except AmbiguousPrefixError:
        write_name(console, name, "ambiguous")
    else:
        _print_entry(console, id, repo.objects.read(id), payload=payload)


def _print_entry(console: Console, id: ObjectId, obj: Object, *, payload: bool) -> None:
    console.line(f"{id.hex()} {obj.kind} {len(obj.payload)}")
    if payload:
        write_raw(console, obj.payload)
        console.line("")


def _print_commit(console: Console, own: ObjectId, obj: Object) -> None:
    commit = read_commit(own, obj)
    console.line(f"operation {commit.operation}")
    for key, value in (
        ("tree", commit.tree),
        *(("parent", parent) for parent in commit.parents),
        ("content", commit.content),
        ("target", commit.target),
    ):
        if value is not None:
            console.line(f"{key} {value.hex()}")
    console.line(f"generation {commit.generation}")
    console.line(f"author {commit.author} {commit.time}")
    if commit.metadata is not None:
        console.line("metadata ", *_json_lines(commit.metadata, indent=None))
    for at in range(0, len(commit.open), 2):
        console.line(f"open {commit.open[at].hex()} {commit.open[at + 1].hex()}")
    refs = commit.refs or Refs(None, ())
    if refs.tree is not None:
        console.line(f"refs {refs.tree.hex()}")
    for id, kind in zip(refs.open[::2], refs.open[1::2], strict=True):
        console.line(f"ref {kind} {id.hex()}")
    _print_text(console, commit.message)


def _print_tree(console: Console, id: ObjectId, obj: Object) -> None:
    for line in node_lines(read_node(id, obj)):
        console.line(line)


def _print_operation(console: Console, id: ObjectId, obj: Object) -> None:
    if is_ref_chunk(obj):
        for part, _, _, refs in read_ref_chunk(id, obj):
            for name, value in refs:
                console.line(f"ref {TRACTS}{part}/{name} {shown(value)}")
        return
    operation = read_operation(id, obj)
    if operation.previous is not None:
        console.line(f"previous {operation.previous.hex()}")
    console.line(f"actor {operation.actor} {operation.time}")
    for name, old, new in operation.changes:
        console.line(f"change {name} {shown(old) or '-'} {shown(new) or '-'}")
    for name, value in operation.refs or ():
        console.line(f"ref {name} {shown(value)}")
    for chunk in operation.chunks:
        console.line(f"refs {chunk.hex()}")
    _print_text(console, operation.reason)


def _print_text(console: Console, text: str | None) -> None:
    if text is not None:
        console.line("")
        console.body(text)


def _print_blob(console: Console, id: ObjectId, obj: Object) -> None:
    value = decode_blob(id, obj)
    if isinstance(value, bytes):
        write_raw(console, value)
        return
    for line in _json_lines(value, indent=2):
        console.line(line)


_PRINTERS: dict[Kind, Callable[[Console, ObjectId, Object], None]] = {
    "blob": _print_blob,
    "tree": _print_tree,
    "commit": _print_commit,
    "operation": _print_operation,
}


def _json_lines(value: Any, *, indent: int | None) -> Iterator[str]:
    """The lines of *value* as JSON that is readable in every script, with what a terminal must not get as ``\\u`` escapes."""
    # A byte string, which JSON has not got, can only be an id.
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=bytes.hex)
    for line in text.split("\n"):
        yield line if escaped(line) == line else "".join(map(_json_char, line))


def _json_char(char: str) -> str:
    if escaped(char) == char:
        return char
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else json.dumps(char)[1:-1]


COMMAND = Command(
    run,
    (
        Param(
            "names",
            help="The object, after its type if no option says what to print.",
            metavar="[TYPE] OBJECT",
            many=True,
        ),
        Param("type", ("-t",), type=bool, help="Print its type."),
        Param("size", ("-s",), type=bool, help="Print the size of its payload, in bytes."),
        Param("exists", ("-e",), type=bool, help="Print nothing; exit with 1 if there is no such id."),
        Param("pretty", ("-p",), type=bool, help="Print it in a readable form."),
        Param("json", ("--json",), type=bool, help="With -t, -s or -p: print a JSON object."),
        Param("batch", ("--batch",), type=bool, help="Print the objects named on standard input."),
        Param("batch_check", ("--batch-check",), type=bool, help="The same without the payloads."),
        Param(
            "all", ("--batch-all-objects",), type=bool, help="With either: every object of the store, in order of id."
        ),
    ),
    _DESCRIPTION,
)
