"""A note as an event: who wrote what about a commit, when, and which earlier notes it replaces.

    {"namespace", "target", "time", "author", "random", "replaces", "body"}

The event's id is its blob's id, whoever stores it and however often its list is rewritten.
Two lists are joined by taking all events of both.
Among the events about one commit, those that another replaces do not count. If several are left, the latest counts, and among equally late ones the one with the greatest id.
So neither the order of joins nor a wrong clock changes the result.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping

from tract.annotations import Any
from tract.errors import ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import FIRST_TIME, LAST_TIME

_FIELDS = ("namespace", "target", "time", "author", "random", "replaces", "body")


class NoteEvent(NamedTuple):
    """One note as it was written; *time* is in microseconds since 1970, and *replaces* has the ids of events about the same commit."""

    namespace: str
    target: ObjectId
    time: int
    author: str
    random: int
    replaces: tuple[ObjectId, ...]
    body: dict[str, Any]


def new_event(
    namespace: str, target: ObjectId, time: int, author: str, replaces: Iterable[ObjectId], body: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the map for the blob of a new event."""
    replaced = [id.hex() for id in replaces]
    return event_value(namespace, target, time, author, random_numbers(1)[0], replaced, body)


def random_numbers(count: int) -> list[int]:
    """Return *count* numbers for new events, small enough for every JSON reader."""
    if count == 1:
        return [int.from_bytes(os.urandom(6), "big")]
    return [high << 32 | low for high, low in struct.iter_unpack(">HI", os.urandom(6 * count))]


def event_value(
    namespace: str,
    target: ObjectId,
    time: int,
    author: str,
    random: int,
    replaces: list[str],
    body: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the map for an event's blob: its fields, in the order of ``_FIELDS``; *replaces* has ids in hexadecimal."""
    return {
        "namespace": namespace,
        "target": target.hex(),
        "time": time,
        "author": author,
        "random": random,
        "replaces": replaces,
        "body": body,
    }


def read_event(id: ObjectId, value: Any, about: ObjectId | None = None) -> NoteEvent:
    """Return the event in *value*, the content of blob *id*; ObjectCorruptError if it is not an event, or not one about commit *about*."""
    if type(value) is dict and tuple(value) == _FIELDS:
        namespace, target, time, author, number, replaces, body = value.values()
        noted = parse_id(target) if type(target) is str else None
        texts = replaces if type(replaces) is list and all(type(text) is str for text in replaces) else [""]
        others = tuple(parse_id(text) for text in texts)
        is_plain = type(namespace) is str and type(author) is str and type(number) is int and type(body) is dict
        if noted is not None and is_plain and type(time) is int and FIRST_TIME <= time <= LAST_TIME:
            known = tuple(other for other in others if other is not None)
            if len(known) == len(others):
                if about not in (None, noted):
                    raise _elsewhere(id, noted, about)
                return NoteEvent(namespace, noted, time, author, number, known, body)
    raise ObjectCorruptError(f"blob {id.hex()}", "it is not the content of a note")


def read_body(id: ObjectId, value: Any, about: ObjectId | None = None) -> dict[str, Any]:
    """Return the body of the event in blob *id* without checking all other fields; ObjectCorruptError if there is none, or it is not about commit *about*."""
    body = value["body"] if type(value) is dict and tuple(value) == _FIELDS else None
    if type(body) is not dict:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not the content of a note")
    if about is not None and value["target"] != about.hex():
        raise _elsewhere(id, read_event(id, value).target, about)
    return body


def _elsewhere(id: ObjectId, noted: ObjectId, about: ObjectId) -> ObjectCorruptError:
    detail = f"it is a note about commit {noted.hex()[:16]}, but the list has it under commit {about.hex()[:16]}"
    return ObjectCorruptError(f"blob {id.hex()}", detail)


def left_standing(events: Mapping[ObjectId, NoteEvent]) -> tuple[ObjectId, ...]:
    """The ids of the *events* that no other event replaces, oldest first; the last one counts. All are about one commit in one namespace."""
    replaced = {other for id, event in events.items() for other in event.replaces if other != id}
    return tuple(sorted(events.keys() - replaced, key=lambda id: (events[id].time, id)))
