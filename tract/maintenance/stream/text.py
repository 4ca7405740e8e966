"""Objects as lines of text, for ``fast-export``; docs/fast-export.md describes the same for those who write such lines.

An object is a paragraph: a line with its kind and id, and its fields.

    blob <id>           commit <id>                 tree <id>                 operation <id>
    <JSON>              operation <word>            level <n>                 previous <id>
                        parent <id> …               entry <commit> <blob> …   time <n>
                        content <id>                node <tree> <count> …     actor <JSON>
                        target <id>                                           reason <JSON>
                        tree <id>                                             change <old> <new> <ref> …
                        open <commit> <blob> …                                keyframe
                        generation <n>                                        ref <value> <ref> …
                        time <n>                                              folded
                        author <JSON>                                         step <n> <time> <JSON> …
                        message <JSON>
                        metadata <JSON>

Fields have one order; those with ``…`` may come often or never, and what is nil has no line.
JSON is in one line, without blanks and in ASCII.
What these lines cannot say (a byte string in a blob, a name with a blank) is ``raw <kind> <id>`` and the payload in base64: the writer reads what it wrote before it gives it away.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.codec import encode
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId, parse_id
from tract.objects.model import (
    NewObject,
    Object,
    RefValue,
    check_payload,
    check_value,
    new_object,
    read_blob,
    read_commit,
    read_node,
    read_operation,
)

RAW = "raw"
_SYMBOLIC = "ref:"


class LineError(ValueError):
    """A line of an object that makes no sense; *index* counts its lines from 0."""

    def __init__(self, index: int, detail: str) -> None:
        self.index = index
        super().__init__(detail)


def object_lines(id: ObjectId, obj: Object) -> list[str]:
    """The object as lines, from which :func:`parse_object` makes the same bytes."""
    try:
        lines = [f"{obj.kind} {id.hex()}", *_WRITERS[obj.kind](id, obj)]
        if all(map(str.isprintable, lines)) and parse_object(lines).payload == obj.payload:
            return lines
    except (TypeError, ValueError, ObjectCorruptError):
        pass  # the bytes can always be given as they are
    return [f"{RAW} {obj.kind} {id.hex()}", base64.b64encode(obj.payload).decode("ascii")]


def parse_object(lines: Sequence[str]) -> NewObject:
    """The object in *lines*, proved by its id and of the shape its kind has; LineError names what is wrong."""
    first, _, rest = lines[0].partition(" ")
    raw = first == RAW
    kind, _, id = rest.partition(" ") if raw else (first, "", rest)
    if kind not in KINDS:
        raise LineError(0, f"'{lines[0][:80]}' begins no object")
    expected = parse_id(id)
    if expected is None:
        raise LineError(0, f"'{id[:80]}' is no id")
    value = None if raw else _value(kind, lines)
    new = new_object(kind, _raw_payload(lines) if raw else _payload(value, lines))
    if new.id != expected:
        raise LineError(0, f"the lines of {kind} {id} make {new.id.hex()}")
    try:
        if raw:
            check_payload(kind, new.payload)
        else:
            check_value(kind, value)
    except ContentValidationError as exc:
        raise LineError(0, str(exc)) from exc
    return new


def ref_value_text(value: RefValue) -> str:
    """A ref's value as a word: an id, or ``ref:`` and the name of a ref."""
    return value.hex() if isinstance(value, bytes) else _SYMBOLIC + value


def parse_ref_value(text: str) -> RefValue:
    """The value of a ref; ValueError for another word."""
    if text.startswith(_SYMBOLIC):
        return text.removeprefix(_SYMBOLIC)
    return _id(text)


def _json(value: Any) -> str:
    # JSON leaves the control character DEL as it is.
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")


def _blob_lines(id: ObjectId, obj: Object) -> Iterator[str]:
    yield _json(read_blob(id, obj))


def _commit_lines(id: ObjectId, obj: Object) -> Iterator[str]:
    commit = read_commit(id, obj)
    yield f"operation {commit.operation.value}"
    for parent in commit.parents:
        yield f"parent {parent.hex()}"
    for key, value in (("content", commit.content), ("target", commit.target), ("tree", commit.tree)):
        if value is not None:
            yield f"{key} {value.hex()}"
    for at in range(0, len(commit.open), 2):
        yield f"open {commit.open[at].hex()} {commit.open[at + 1].hex()}"
    yield f"generation {commit.generation}"
    yield f"time {commit.time}"
    yield f"author {_json(commit.author)}"
    if commit.message is not None:
        yield f"message {_json(commit.message)}"
    if commit.metadata is not None:
        yield f"metadata {_json(commit.metadata)}"


def _tree_lines(id: ObjectId, obj: Object) -> Iterator[str]:
    node = read_node(id, obj)
    yield f"level {node.level}"
    for first, second in zip(node.items[::2], node.items[1::2], strict=True):
        yield f"entry {first.hex()} {second.hex()}" if node.level == 0 else f"node {first.hex()} {second}"


def _operation_lines(id: ObjectId, obj: Object) -> Iterator[str]:
    operation = read_operation(id, obj)
    if operation.previous is not None:
        yield f"previous {operation.previous.hex()}"
    yield f"time {operation.time}"
    yield f"actor {_json(operation.actor)}"
    yield f"reason {_json(operation.reason)}"
    for name, old, new in operation.changes:
        words = ("-" if value is None else ref_value_text(value) for value in (old, new))
        yield " ".join(["change", *words, name])
    if operation.refs is not None:
        yield "keyframe"
        for name, ref in operation.refs:
            yield f"ref {ref_value_text(ref)} {name}"
    if operation.steps is not None:
        yield "folded"
        for step in operation.steps:
            yield f"step {step.number} {step.time} {_json([step.actor, step.reason])}"


_WRITERS: dict[Kind, Callable[[ObjectId, Object], Iterator[str]]] = {
    "blob": _blob_lines,
    "commit": _commit_lines,
    "tree": _tree_lines,
    "operation": _operation_lines,
}


def _raw_payload(lines: Sequence[str]) -> bytes:
    if len(lines) != 2:
        raise LineError(0, "an object in base64 has one line beside its first")
    try:
        return base64.b64decode(lines[1], validate=True)
    except (binascii.Error, ValueError) as exc:
        raise LineError(1, f"not base64: {str(exc).lower()}") from exc


def _value(kind: Kind, lines: Sequence[str]) -> Any:
    fields = _Fields(lines)
    value = _READERS[kind](fields)
    fields.end()
    return value


def _payload(value: Any, lines: Sequence[str]) -> bytes:
    try:
        return encode(value)
    except ContentValidationError as exc:
        raise LineError(min(1, len(lines) - 1), str(exc)) from exc


class _Fields:
    """The lines of an object, taken one by one in their order."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._at = 1

    def line(self) -> str:
        """The next line, whatever it is."""
        if self._at == len(self._lines):
            raise LineError(self._at - 1, "a line is missing after this one")
        self._at += 1
        return self._lines[self._at - 1]

    def one(self, key: str, read: Callable[[str], Any]) -> Any:
        """The value of the field *key*, which must come now."""
        if not self._is_next(key):
            found = self._lines[self._at] if self._at < len(self._lines) else "the end of the object"
            raise LineError(min(self._at, len(self._lines) - 1), f"expected '{key}', found '{found[:80]}'")
        return self._read(read)

    def maybe(self, key: str, read: Callable[[str], Any]) -> Any:
        """The value of the field *key* if it comes now, else None."""
        return self._read(read) if self._is_next(key) else None

    def many(self, key: str, read: Callable[[str], Any]) -> list[Any]:
        """The values of all fields *key* that come now."""
        found = []
        while self._at < len(self._lines):
            word, _, text = self._lines[self._at].partition(" ")
            if word != key:
                break
            self._at += 1
            found.append(self._call(read, text))
        return found

    def end(self) -> None:
        if self._at < len(self._lines):
            raise LineError(self._at, f"'{self._lines[self._at][:80]}' does not belong here")

    def json(self) -> Any:
        """The value of a line that is all JSON."""
        line = self.line()
        return self._call(_parse_json, line)

    def _is_next(self, key: str) -> bool:
        return self._at < len(self._lines) and self._lines[self._at].partition(" ")[0] == key

    def _read(self, read: Callable[[str], Any]) -> Any:
        text = self.line().partition(" ")[2]
        return self._call(read, text)

    def _call(self, read: Callable[[str], Any], text: str) -> Any:
        try:
            return read(text)
        except (ValueError, RecursionError) as exc:
            detail = "nested too deeply" if isinstance(exc, RecursionError) else str(exc)
            raise LineError(self._at - 1, detail) from exc


def _read_blob(fields: _Fields) -> Any:
    value = fields.json()
    if not isinstance(value, dict):
        raise LineError(1, "not a blob: it is not a map")
    return value


def _read_commit(fields: _Fields) -> list[Any]:
    operation = fields.one("operation", str)
    parents = fields.many("parent", _id)
    content, target, tree = (fields.maybe(key, _id) for key in ("content", "target", "tree"))
    open_ = [id for pair in fields.many("open", _two_ids) for id in pair]
    generation = fields.one("generation", _number)
    time = fields.one("time", _number)
    author = fields.one("author", _parse_json)
    message, metadata = (fields.maybe(key, _parse_json) for key in ("message", "metadata"))
    return [operation, parents, content, target, tree, open_, generation, time, author, message, metadata]


def _read_tree(fields: _Fields) -> list[Any]:
    level = fields.one("level", _number)
    pairs = fields.many("entry", _two_ids) if level == 0 else fields.many("node", _id_and_number)
    return [level, [item for pair in pairs for item in pair]]


def _read_operation(fields: _Fields) -> list[Any]:
    value = [
        fields.maybe("previous", _id),
        fields.one("time", _number),
        fields.one("actor", _parse_json),
        fields.one("reason", _parse_json),
        fields.many("change", _change),
    ]
    refs = fields.many("ref", _ref) if fields.maybe("keyframe", _nothing) else None
    steps = fields.many("step", _step) if fields.maybe("folded", _nothing) else None
    return [*value, refs] if steps is None else [*value, refs, steps]


_READERS: dict[Kind, Callable[[_Fields], Any]] = {
    "blob": _read_blob,
    "commit": _read_commit,
    "tree": _read_tree,
    "operation": _read_operation,
}


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc.msg[:1].lower()}{exc.msg[1:]} at column {exc.colno}") from None
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise ValueError("not JSON that can be kept: an integer that does not fit in 64 bits") from None


def _id(text: str) -> ObjectId:
    id = parse_id(text)
    if id is None:
        raise ValueError(f"'{text[:80]}' is no id")
    return id


def _number(text: str) -> int:
    if len(text) > 20 or not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ValueError(f"'{text[:80]}' is no number")
    return int(text)


def _nothing(text: str) -> bool:
    if text:
        raise ValueError(f"'{text[:80]}' does not belong here")
    return True


def _words(text: str, count: int) -> list[str]:
    words = text.split(" ", count - 1)
    if len(words) != count:
        raise ValueError(f"expected {count} words, found '{text[:80]}'")
    return words


def _two_ids(text: str) -> tuple[ObjectId, ObjectId]:
    # Both at a time where they are: most lines of a history are pairs of ids.
    with suppress(ValueError):
        both = bytes.fromhex(text)
        if len(both) == 2 * ID_SIZE and both.hex(" ", ID_SIZE) == text:
            return both[:ID_SIZE], both[ID_SIZE:]
    first, second = _words(text, 2)
    return _id(first), _id(second)


def _id_and_number(text: str) -> tuple[ObjectId, int]:
    id, number = _words(text, 2)
    return _id(id), _number(number)


def _change(text: str) -> list[Any]:
    old, new, name = _words(text, 3)
    return [name, *(None if word == "-" else parse_ref_value(word) for word in (old, new))]


def _ref(text: str) -> list[Any]:
    value, name = _words(text, 2)
    return [name, parse_ref_value(value)]


def _step(text: str) -> list[Any]:
    number, time, rest = _words(text, 3)
    who = _parse_json(rest)
    if not isinstance(who, list) or len(who) != 2:
        raise ValueError("a step has an actor and a reason")
    return [_number(time), *who, _number(number)]
