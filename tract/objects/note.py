"""A note as an event: who said what about a commit, when, and which earlier notes it replaces.

    {"namespace", "target", "time", "author", "random", "replaces", "body"}

The event's id is that of its blob, whoever stores it, and however often its list is written anew.
Lists are joined by taking all events of both.
Of those about one commit the ones that another replaces are out; of several left the latest counts, then the one with the greatest id.
So it makes no difference in which order lists were joined, nor whose clock was wrong.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from typing import Any

from tract.errors import ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.objects.model import FIRST_TIME, LAST_TIME

_FIELDS = ("namespace", "target", "time", "author", "random", "replaces", "body")


class NoteEvent(NamedTuple):
    """One note, as it was written; *time* is in microseconds, and *replaces* are ids of events about the same commit."""

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
    """What the blob of a new event says."""
    replaced = [id.hex() for id in replaces]
    return event_value(namespace, target, time, author, random_numbers(1)[0], replaced, body)


def random_numbers(count: int) -> list[int]:
    """So many numbers for new events, each of which every reader of JSON can say."""
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
    """What the blob of an event says: its fields, in the order of ``_FIELDS``; *replaces* are ids in hexadecimal."""
    return {
        "namespace": namespace,
        "target": target.hex(),
        "time": time,
        "author": author,
        "random": random,
        "replaces": replaces,
        "body": body,
    }


def read_event(id: ObjectId, value: Any) -> NoteEvent:
    """The event that the blob *id* says; ObjectCorruptError when it says none."""
    if type(value) is dict and tuple(value) == _FIELDS:
        namespace, target, time, author, number, replaces, body = value.values()
        about = parse_id(target) if type(target) is str else None
        texts = replaces if type(replaces) is list and all(type(text) is str for text in replaces) else [""]
        others = tuple(parse_id(text) for text in texts)
        is_plain = type(namespace) is str and type(author) is str and type(number) is int and type(body) is dict
        if about is not None and is_plain and type(time) is int and FIRST_TIME <= time <= LAST_TIME:
            known = tuple(other for other in others if other is not None)
            if len(known) == len(others):
                return NoteEvent(namespace, about, time, author, number, known, body)
    raise ObjectCorruptError(f"blob {id.hex()}", "it is not what a note says")


def read_body(id: ObjectId, value: Any) -> dict[str, Any]:
    """What the event in the blob *id* says, without a look at the rest of it; ObjectCorruptError when it says nothing."""
    body = value.get("body") if type(value) is dict else None
    if type(body) is not dict:
        raise ObjectCorruptError(f"blob {id.hex()}", "it is not what a note says")
    return body


def left_standing(events: Mapping[ObjectId, NoteEvent]) -> tuple[ObjectId, ...]:
    """Of *events*, by id and all about one commit in one namespace, those that no other replaces; the one that counts is the last."""
    replaced = {other for id, event in events.items() for other in event.replaces if other != id}
    return tuple(sorted(events.keys() - replaced, key=lambda id: (events[id].time, id)))
