"""``tract hash-object``: an object's id; with ``-w`` the object is stored.

One line an object: its id; with ``--json`` {"id": …, "type": …, "size": …}, the size that of the payload in bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tract.cli.command import DONE, USAGE, Args, Command, Param
from tract.cli.console import Console
from tract.cli.plumbing.stdio import input_lines
from tract.errors import ContentValidationError, StorageError
from tract.objects.codec import MAX_SIZE
from tract.objects.id import KINDS, Kind
from tract.objects.json import NotJsonError, parse_kept_json
from tract.objects.model import NewObject, Object, new_blob, new_object
from tract.objects.strict_reader import check_payload, read_commit, read_node
from tract.repo import Repository
from tract.transaction import missing_part

# JSON is longer than its value, by escapes and blanks; more than this cannot be an allowed value.
_MAX_INPUT = 4 * MAX_SIZE

_DESCRIPTION = """Print the id of each object, one on a line: first standard input's, then the files'.

A blob is given as a JSON object, and encoded; with --raw, and for every other type, the input is the payload itself: canonical msgpack in the fields of its type, as 'cat-file <type> <object>' prints it.

The input is checked.
No store is needed without -w. With -w, the objects that a commit or a tree names must be in the store. Each object is written as soon as it is read; it is garbage until a commit names it.

Exit status: 0; 128 if an input cannot be read or is not such an object."""


def run(console: Console, args: Args) -> int:
    if args.stdin_paths and (args.stdin or args.files):
        console.error("--stdin-paths takes neither --stdin nor files")
        return USAGE
    if args.write:
        with console.open_repository() as repo:
            for new in _objects(console, args):
                _check_whole(repo, new)
                repo.objects.write_many([new])
                _print(console, args, new)
    else:
        for new in _objects(console, args):
            _print(console, args, new)
    return DONE


def _check_whole(repo: Repository, new: NewObject) -> None:
    """StorageError for a commit or a tree that names objects which the store lacks: its readers would fail."""
    obj = Object(new.kind, new.payload)
    lacks = None
    if new.kind == "commit":
        lacks = missing_part(repo, read_commit(new.id, obj))
    elif new.kind == "tree":
        lacks = missing_part(repo, read_node(new.id, obj))
    if lacks is not None:
        raise StorageError(f"{new.kind} {new.id.hex()[:16]} cannot be written: {lacks}")


def _print(console: Console, args: Args, new: NewObject) -> None:
    if args.json:
        console.print_json({"id": new.id.hex(), "type": new.kind, "size": len(new.payload)})
    else:
        console.line(new.id.hex())


def _objects(console: Console, args: Args) -> Iterator[NewObject]:
    """The object of each input, in order."""
    if args.stdin:
        yield _object(args, console.read_stdin_bytes(), "standard input")
    for name in input_lines(console) if args.stdin_paths else args.files:
        yield _object(args, _read(console, name), f"'{name}'")


def _read(console: Console, name: str) -> bytes:
    if "\0" in name:
        raise ContentValidationError(f"'{name}' is not a file name")
    with open(console.path(name), "rb") as file:
        return file.read(_MAX_INPUT + 1)


def _object(args: Args, data: bytes, source: str) -> NewObject:
    kind: Kind = args.type
    try:
        if kind == "blob" and not args.raw:
            return new_blob(_parse_map(data))
        check_payload(kind, data)
        return new_object(kind, data)
    except ContentValidationError as exc:
        raise ContentValidationError(f"{source}: {exc}") from exc


def _parse_map(data: bytes) -> dict[str, Any]:
    """The JSON object in *data*; input that JSON leaves undefined (a key twice, NaN) is refused."""
    if len(data) > _MAX_INPUT:
        raise ContentValidationError(f"more than {_MAX_INPUT} bytes of JSON")
    try:
        value = parse_kept_json(data)
    except NotJsonError as exc:
        raise ContentValidationError(f"not JSON: {exc}") from None
    if not isinstance(value, dict):
        raise ContentValidationError("not a blob: it is not a JSON object")
    return value


COMMAND = Command(
    run,
    (
        Param("files", help="Files that each hold one object.", metavar="FILE", many=True),
        Param("type", ("-t", "--type"), default="blob", help="The type of the objects.", choices=KINDS),
        Param("write", ("-w",), type=bool, help="Write the objects into the store."),
        Param("stdin", ("--stdin",), type=bool, help="Read an object from standard input."),
        Param("stdin_paths", ("--stdin-paths",), type=bool, help="Read file names from standard input, one on a line."),
        Param("raw", ("--raw",), type=bool, help="The input is the payload, for a blob too."),
        Param("json", ("--json",), type=bool, help="Print a JSON object on each line."),
    ),
    _DESCRIPTION,
)
