"""Transcripts of every kind, and messages on their way to every provider; also in a store that somebody else wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.adapters.test_read_formats import SAMPLES
from tests.fuzz.object_targets import contents, json_seeds, parse_value
from tests.fuzz.samples import ANTHROPIC, CHAT, CLAUDE_CODE, RESPONSES, SHAREGPT, USAGE
from tests.fuzz.store_targets import new_repository, text_of
from tests.fuzz.target import JSON, LINES, Form, Target, check, put, refusing
from tract.adapters.importing import import_conversation
from tract.adapters.transcripts import read_transcript
from tract.adapters.transcripts.places import Places, without_depths
from tract.adapters.transcripts.strictjson import Refused, describe, flaw, parse
from tract.api.tract import Tract
from tract.cli.inputs import content_from_json
from tract.errors import TractError
from tract.history.context import context_of
from tract.maintenance.fsck.connectivity import Graph, Root
from tract.maintenance.fsck.examination import FoundObject, FoundObjects
from tract.messages import message_from_raw, message_of, pairing_warnings, render, render_text, tool_ids
from tract.messages.message import Message, message_in
from tract.objects.content import to_value, validate_content
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.json import parse_json
from tract.objects.model import Commit, CommitOperation, NewObject, Object, new_blob, new_commit, new_object
from tract.objects.note import new_event
from tract.objects.strict_reader import check_payload, read_blob
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.tokens.counted import count_message
from tract.tokens.counter import EstimateTokenCounter, TiktokenCounter
from tract.tokens.usage import read_usage, usage_body

_FORMATS = ("openai", "responses", "anthropic", "gemini")


def lines(values: Any) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


# Files of conversations


def _transcript(name: str, format: str | None = None, key: str | None = None) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        reading = read_transcript(put(name, data), format=format, key=key)
        check(not reading.problems, "problems")

    return run


def _import(data: bytes) -> None:
    reading = read_transcript(put("chat.jsonl", data))
    repo = new_repository()
    for number, conversation in enumerate(reading.conversations[:4]):
        import_conversation(repo, conversation, place=("branch", "here", "tract")[number % 3])  # type: ignore[arg-type]
    check(bool(reading.conversations), "nothing in it")


def _strict_json(data: bytes) -> None:
    value = parse(data)
    describe(value)
    refused = flaw(value)
    text = data.decode("utf-8", "replace")
    without_depths(text, 3)
    places = Places(text)
    for place in ("messages[3]", "[0].a.b[2]", "[1]"):
        places.line_of(place)
    check(refused is None and not isinstance(value, Refused), str(refused))


def _command_line(data: bytes) -> None:
    to_value(content_from_json(text_of(data)))


def _arguments(data: bytes) -> None:
    refusing(parse_json, text_of(data))


# Messages


def _render_all(messages: list[Message]) -> None:
    for format in _FORMATS:
        json.dumps(render(messages, format).value)
        render(messages, format, "auto")
    render_text(messages)
    pairing_warnings(messages)
    counter = EstimateTokenCounter()
    for message in messages:
        tool_ids(message)
        count_message(counter, message)


def _render(data: bytes) -> None:
    """Messages that pass for content, or by the shape that is asked for."""
    value = parse_value(data)
    messages = []
    for item in value if isinstance(value, list) else [value]:
        blob = new_blob(to_value(validate_content(item)))
        messages.append(message_in(read_blob(blob.id, Object("blob", blob.payload))))
    _render_all(messages)


def _render_raw(data: bytes) -> None:
    """Messages whose format the first byte says, whatever is in them: ``render`` takes what a store has."""
    check(len(data) > 1, "no message")
    value = parse_value(data[1:])
    items = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]
    check(bool(items), "no message")
    new_blob({"items": items})  # what no store can hold is no message
    formats = ("openai", "responses", "anthropic")
    _render_all([message_from_raw(item, formats[(data[0] + at) % 3]) for at, item in enumerate(items)])  # type: ignore[arg-type]


def _raws() -> tuple[bytes, ...]:
    groups = ((0, CHAT), (1, RESPONSES), (2, ANTHROPIC))
    whole = [bytes([n + 48]) + json.dumps(value).encode() for n, group in groups for value in group]
    return (*whole, *(bytes([n + 48]) + json.dumps(group).encode() for n, group in groups))


def _contents(data: bytes) -> None:
    """What a session registered, and any other map, as a message."""
    value = parse_value(data)
    check(isinstance(value, dict), "no map")
    _render_all([message_of(validate_content(value))])


def _tokens(data: bytes) -> None:
    TiktokenCounter("o200k_base").count(text_of(data))


# A store in which objects are what somebody else made them


def _hostile_objects(data: bytes) -> tuple[Repository, NewObject, bytes]:
    """A store whose newest message, or what it is made of, is *data*: the first byte says of which kind, the rest is the payload."""
    check(len(data) > 1, "no object")
    kind: Kind = KINDS[(data[0] & 3) % 3]
    note = bool(data[0] & 4)
    namespace = ("priority", "config", "usage")[(data[0] >> 3) % 3]
    repo = new_repository()
    hostile = new_object(kind, data[1:])
    repo.objects.write_many([hostile])
    ref = f"refs/notes/{namespace}" if note else "refs/heads/main"
    parent, message = repo.ref(ref), repo.ref("refs/tags/v1")
    assert isinstance(parent, bytes)
    assert isinstance(message, bytes)
    extra: list[NewObject] = []
    at = hostile.id
    if kind != "commit":
        before = context_of(parent, repo.commit(parent))
        text = new_blob({"content_type": "output", "text": "x"})
        content = hostile.id if kind == "blob" else text.id
        made = new_commit(
            Commit(
                CommitOperation.NOTE if note else CommitOperation.APPEND,
                (parent,),
                content,
                message if note else None,
                hostile.id if kind == "tree" else before.tree,
                (*before.open, message, content) if note else before.open,
                repo.commit(parent).generation + 1,
                9,
                "ada",
            )
        )
        extra = [text, made]
        at = made.id
    repo.objects.write_many(extra)
    repo.refs.update([RefEdit(ref, at)], reason="hostile")
    return repo, hostile, at


def _store_objects(data: bytes) -> None:
    repo, hostile, _ = _hostile_objects(data)
    with Tract(repo, tokenizer=EstimateTokenCounter()) as t:
        refused: TractError | None = None
        for look in _LOOKS:
            try:
                look(t)
            except TractError as exc:
                refused = exc
    if refused is not None:
        raise refused
    check(hostile.kind != "operation", "")


def _compiled(t: Tract) -> None:
    compiled = t.compile()
    for render_one in (compiled.to_openai, compiled.to_openai_responses, compiled.to_anthropic, compiled.to_gemini):
        render_one()
    compiled.to_text()
    list(compiled.messages)
    assert compiled.token_count >= 0


_LOOKS: tuple[Callable[[Tract], object], ...] = (
    _compiled,
    lambda t: [info.token_count for info in t.log()],
    lambda t: t.status(),
    lambda t: t.show(),
    lambda t: t.pinned() + t.skipped(),
    lambda t: t.get_annotations("v1"),
    lambda t: t.user("and on it goes"),
)


def _fsck_objects(data: bytes) -> None:
    """What fsck makes of the same objects, whose ids are right."""
    repo, hostile, at = _hostile_objects(data)
    found = FoundObjects()
    for id, kind in repo.objects.ids():
        found.add(id, FoundObject(kind, "journal", 0, lambda id=id: repo.objects.read(id)))  # type: ignore[misc]
    graph = Graph(found)
    graph.walk([Root("refs/heads/main", at)])
    check_payload(hostile.kind, hostile.payload)
    check(not graph.problems, "problems")


def _notes(about: ObjectId) -> list[bytes]:
    counted = usage_body(read_usage(USAGE), answer=True, counter="words", estimate=3)
    bodies = {
        "priority": {"priority": "skip", "reason": "r"},
        "config": {"temperature": 0.5, "stop": ["x"]},
        "usage": counted,
    }
    events = (new_event(namespace, about, 9, "ada", (), body) for namespace, body in bodies.items())
    return [bytes([4 | n << 3]) + new_blob(event).payload for n, event in enumerate(events)]


def _object_seeds() -> tuple[bytes, ...]:
    repo = new_repository()
    tip = repo.head()[1]
    assert tip is not None
    commit = repo.commit(tip)
    assert commit.content is not None
    open_ = context_of(tip, commit).open
    append = new_commit(commit._replace(parents=(tip,), open=open_, generation=commit.generation + 1))
    blobs = [new_blob(value) for value in contents()]
    noted = repo.ref("refs/tags/v1")
    assert isinstance(noted, bytes)
    return (b"\x02" + append.payload, *(b"\x00" + blob.payload for blob in blobs), *_notes(noted))


TARGETS = (
    Target(
        "transcript-json",
        _transcript("chat.json"),
        json_seeds(
            CHAT,
            {"messages": CHAT, "id": 1},
            [{"traj": CHAT}],
            {"system": "s", "messages": ANTHROPIC},
            {"input": RESPONSES, "output": []},
        ),
        form=JSON,
    ),
    Target(
        "transcript-formats",
        _transcript("chat.jsonl"),
        json_seeds(*(value for _, _, value, _ in SAMPLES if not isinstance(value, str))),
        form=JSON,
    ),
    Target(
        "transcript-lines",
        _transcript("chat.jsonl"),
        lambda: (lines(CHAT), lines([{"messages": CHAT}, {"messages": ANTHROPIC}])),
        form=LINES,
    ),
    Target(
        "transcript-openai",
        _transcript("chat.json", "openai"),
        json_seeds(CHAT, {"messages": CHAT}),
        weight=4,
        form=JSON,
    ),
    Target(
        "transcript-responses",
        _transcript("chat.json", "responses"),
        json_seeds(RESPONSES, {"items": RESPONSES}),
        weight=4,
        form=JSON,
    ),
    Target(
        "transcript-anthropic",
        _transcript("chat.json", "anthropic"),
        json_seeds(ANTHROPIC, {"system": [{"type": "text", "text": "s"}], "messages": ANTHROPIC}),
        weight=4,
        form=JSON,
    ),
    Target(
        "transcript-sharegpt",
        _transcript("chat.json", "sharegpt"),
        json_seeds(SHAREGPT, [{"conversations": SHAREGPT, "system": "s"}]),
        form=JSON,
    ),
    Target(
        "transcript-claude-code", _transcript("chat.jsonl", "claude-code"), lambda: (lines(CLAUDE_CODE),), form=LINES
    ),
    Target(
        "transcript-key",
        _transcript("chat.json", None, "a.b"),
        json_seeds({"a": {"b": CHAT}}, [{"a": {"b": CHAT}}]),
        weight=2,
        form=JSON,
    ),
    Target(
        "import",
        _import,
        lambda: (lines(CHAT), lines(CLAUDE_CODE), json.dumps(SHAREGPT).encode(), json.dumps(RESPONSES).encode()),
        weight=2,
        form=LINES,
    ),
    Target("strict-json", _strict_json, json_seeds(CHAT, {"a": {"b": [1, 2.5, -3, None]}}), form=JSON),
    Target("command-line-json", _command_line, json_seeds(*contents(), CHAT[1], RESPONSES[1]), form=JSON),
    Target("call-arguments", _arguments, json_seeds({"a": 1}, [1.5]), form=JSON),
    Target("render", _render, json_seeds(CHAT, ANTHROPIC, RESPONSES, list(contents()), *CHAT, *contents()), form=JSON),
    Target("render-raw", _render_raw, _raws, form=Form("json", 1)),
    Target("render-content", _contents, json_seeds(*contents()), form=JSON),
    Target("token-count", _tokens, lambda: ("one two  three\n\n \u00e9 \u6f22 1234".encode(),), weight=4),
    Target("store-objects", _store_objects, _object_seeds, weight=4, form=Form("msgpack", 1)),
    Target("store-objects-fsck", _fsck_objects, _object_seeds, weight=4, form=Form("msgpack", 1)),
)
