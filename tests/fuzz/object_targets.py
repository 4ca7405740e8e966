"""Decoders of objects: msgpack, the four kinds, their text form, and what content may be."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.fuzz.target import JSON, MSGPACK, RefusedError, Target, refusing
from tract.errors import ContentValidationError, ObjectCorruptError
from tract.objects.codec import decode, encode, unpack, unpack_all
from tract.objects.content import from_value, to_value, validate_content
from tract.objects.document import document_of, object_of, ref_value
from tract.objects.id import Kind, object_id, parse_id
from tract.objects.model import (
    Commit,
    CommitOperation,
    NewObject,
    Node,
    Object,
    Operation,
    RefChange,
    Refs,
    Step,
    new_blob,
    new_commit,
    new_node,
    new_operation,
)
from tract.objects.note import new_event
from tract.objects.strict_reader import check_payload, decode_blob, read_blob, read_commit, read_node, read_operation
from tract.tokens.usage import read_usage

_IDS = tuple(bytes([n]) * 32 for n in range(1, 9))
_MAKES = re.compile(r"^what is said of \w+ ([0-9a-f]{64}) makes ([0-9a-f]{64})$")


def sample_objects() -> tuple[NewObject, ...]:
    """One object of every shape a kind can have."""
    a, b, c, d = _IDS[:4]
    commit = Commit(CommitOperation.APPEND, (a,), b, None, None, (), 2, 1_700_000_000_000_000, "ada")
    edit = Commit(CommitOperation.EDIT, (a, b), c, d, a, (c, d), 3, 5, "ada", "why", {"k": [1, None, 1.5]})
    change = RefChange("refs/heads/main", None, a)
    operation = Operation(
        None, 7, "ada", "init", (RefChange("HEAD", None, "refs/heads/main"),), (("HEAD", "refs/heads/main"),)
    )
    folded = Operation(a, 8, "ada", "fold", (change,), None, (Step(8, "ada", "commit", 1),))
    return (
        new_blob({"content_type": "dialogue", "role": "user", "text": "hé 😀"}),
        new_blob({"n": [0, -1, 255, 65536, 2**32, -(2**63), 2**64 - 1, 1.5, True, None], "m": {"a": "x" * 40}}),
        new_node(Node(0, (a, b, c, d))),
        new_node(Node(1, (a, 9, b, 16))),
        new_commit(commit),
        new_commit(edit),
        new_operation(operation),
        new_operation(Operation(a, 9, "ada", "commit", (change, RefChange("refs/tags/v1", b, None)))),
        new_operation(folded),
        new_node(Node(0, (a, b, c, d), "notes")),
        new_node(Node(0, (a, "blob", b, "commit"), "refs")),
        new_node(Node(0, (a, b), "records")),
        new_blob(b"raw\x00"),
        new_blob(new_event("config", a, 5, "ada", (b,), {"model": "m"})),
        new_commit(edit._replace(operation=CommitOperation.RECORD, refs=Refs(a, (b, "blob")))),
        new_commit(edit._replace(operation=CommitOperation.COMPRESS, refs=Refs(None, (c, d)))),
    )


def _payloads(*kinds: Kind) -> Callable[[], tuple[bytes, ...]]:
    return lambda: tuple(new.payload for new in sample_objects() if not kinds or new.kind in kinds)


def _decode(data: bytes) -> None:
    if encode(refusing(decode, data)) != data:
        raise AssertionError("a value with two encodings")


def _unpack_all(data: bytes) -> None:
    """Together with another payload the value is what it is alone; what takes from its neighbour is refused."""
    _, value = refusing(unpack_all, [b"\x01", data])
    assert encode(value) == encode(unpack(data))  # encode refuses NaN, which is not itself


def _object(kind: Kind, read: Callable[[bytes, Object], Any]) -> Target:
    def run(data: bytes) -> None:
        id, obj = object_id(kind, data), Object(kind, data)
        wrong = None
        try:
            check_payload(kind, data)
        except ContentValidationError as exc:
            wrong = exc
        try:
            read(id, obj)
        except ObjectCorruptError:
            assert wrong is not None, "checked, and yet it cannot be read"
            raise
        assert wrong or refusing(object_of, document_of(id, obj)).payload == data
        if wrong is not None:
            raise wrong

    return Target(f"object-{kind}", run, _payloads(kind), form=MSGPACK)


def _document(data: bytes) -> None:
    """The object that a document says; where only its id is wrong, once more with the right one."""
    value = parse_value(data)
    try:
        refusing(object_of, value)
    except RefusedError as exc:
        made = _MAKES.match(str(exc))
        if made is None:
            raise
        refusing(object_of, {**value, "id": made[2]})


def _documents() -> tuple[bytes, ...]:
    objects = [(new.id, Object(new.kind, new.payload)) for new in sample_objects()]
    return tuple(json.dumps(document_of(id, obj)).encode() for id, obj in objects)


def parse_value(data: bytes) -> Any:
    """The JSON value of *data*, with what Python's parser lets through: NaN, large integers, half surrogate pairs."""
    try:
        return json.loads(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as exc:
        raise RefusedError("no JSON") from exc


def json_seeds(*values: Any) -> Callable[[], tuple[bytes, ...]]:
    return lambda: tuple(json.dumps(value).encode() for value in values)


def contents() -> tuple[dict[str, Any], ...]:
    """A map for every kind of content."""
    message = {"role": "assistant", "content": "hi", "tool_calls": []}
    return (
        {"content_type": "instruction", "text": "be brief"},
        {"content_type": "dialogue", "role": "user", "text": "hi", "name": "ada"},
        {"content_type": "tool_io", "tool_name": "ls", "direction": "call", "payload": {"a": [1]}, "call_id": "c1"},
        {"content_type": "tool_io", "tool_name": "ls", "direction": "result", "payload": "x", "status": "ok"},
        {"content_type": "reasoning", "text": "hm"},
        {"content_type": "artifact", "artifact_type": "code", "content": "```x```", "language": "py"},
        {"content_type": "output", "text": "done", "format": "markdown"},
        {"content_type": "freeform", "payload": {"a": 1}},
        {"content_type": "session", "session_type": "s", "summary": "x", "decisions": ["a"], "next_steps": []},
        {"content_type": "message", "format": "openai", "message": message},
    )


def _content(data: bytes) -> None:
    value = to_value(validate_content(parse_value(data)))
    again = from_value(read_blob(b"", Object("blob", new_blob(value).payload)))
    assert again is not None


def _usage(data: bytes) -> None:
    value = parse_value(data)
    read_usage(value if isinstance(value, Mapping) else {"input_tokens": value})


def _ref_value(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    parse_id(text)
    refusing(ref_value, text)


TARGETS = (
    Target("codec-unpack", lambda data: refusing(unpack, data), _payloads(), form=MSGPACK),
    Target("codec-unpack-all", _unpack_all, _payloads(), form=MSGPACK),
    Target("codec-decode", _decode, _payloads(), form=MSGPACK),
    _object("blob", decode_blob),
    _object("tree", read_node),
    _object("commit", read_commit),
    _object("operation", read_operation),
    Target("object-document", _document, _documents, form=JSON),
    Target("ref-value", _ref_value, lambda: (b"ref:refs/heads/main", b"0f" * 32), weight=2),
    Target(
        "content",
        _content,
        json_seeds(*contents(), {"role": "user", "content": "hi"}, {"type": "reasoning", "summary": []}),
        form=JSON,
    ),
    Target(
        "usage",
        _usage,
        json_seeds(
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
            {"input_tokens": 9, "output_tokens": 2, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 1},
            {"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}},
            {"input_tokens": 9, "output_tokens": 2, "input_token_details": {"cache_read": 4}},
            {"promptTokenCount": 9, "candidatesTokenCount": 2, "toolUsePromptTokenCount": 1},
            {"cache_read_tokens": 1, "input_tokens": 5, "output_tokens": 0},
        ),
        weight=4,
        form=JSON,
    ),
)
