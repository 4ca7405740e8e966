"""Intents, for many writers on one branch: a writer that loses the swap of the head leaves its commit next to the head, and the next writer that swaps takes all waiting ones along.

    <tract>/intents/<branch>/<time>-<id>      an intent: messages to append, with their authors, times and notes; never changed
    head: "landed" [[id, commit, number], …]  the intents that became commits of this branch: how many, and the last one

Exactly once: a carrier reads the head first and lists after; a head keeps the name of every intent that the listing still shows.
So an intent that a carrier finds is either named in the head on which it builds, or in no head.
A writer removes its intent when it has seen the head that names it; others remove the intents of dead writers, a while after they landed.
An intent is never taken back: if its writer died, it lands with the next push that carries, or the next opening.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from blake3 import blake3

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.history.commit import Draft
from tract.history.notes import CONFIG, USAGE
from tract.named_tuple import NamedTuple
from tract.objects.codec import decode, encode
from tract.objects.id import ID_SIZE, ObjectId
from tract.objects.model import FIRST_TIME, LAST_TIME, CommitOperation
from tract.remote.address import INTENTS, key_part, tract_key
from tract.remote.head import Head
from tract.remote.link import Link
from tract.remote.together import ask_together
from tract.remote.transport import Listed, Stored
from tract.repo import Repository

LANDED = "landed"
"""The key of a head for the intents that became commits."""

_MAGIC = b"tract intent 1\n".ljust(16, b"\0")
_CHECK = 16
_ID = 16
_KEPT = 64
_KEY = re.compile(r"/\d{20}-([0-9a-f]{32})\Z")


class Wish(NamedTuple):
    """A message that a writer wants appended."""

    value: dict[str, Any]
    author: str
    time: int
    message: str | None
    metadata: dict[str, Any] | None
    notes: tuple[tuple[str, dict[str, Any]], ...]


class Intent(NamedTuple):
    """The messages that wait under a key."""

    key: str
    id: bytes
    wishes: tuple[Wish, ...]


def can_wait(drafts: Sequence[Draft]) -> bool:
    """True if *drafts* mean the same wherever the branch is then: plain messages, which refer to nothing."""
    return all(
        one.operation is CommitOperation.APPEND
        and one.target is None
        and one.key is None
        and one.request is None
        and not one.refs
        for one in drafts
    )


def intents_start(tract: str, branch: str) -> str:
    """The beginning of the keys of a branch's intents."""
    return f"{tract_key(tract).rstrip('/')}{INTENTS}{key_part(branch)}/"


def encode_intent(id: bytes, wishes: Sequence[Wish]) -> bytes:
    """The bytes of an intent: 16 of a header, a map in canonical msgpack, and 16 of the BLAKE3 of both."""
    body = _MAGIC + encode(
        {"id": id, "wishes": [{**one._asdict(), "notes": [list(n) for n in one.notes]} for one in wishes]}
    )
    return body + blake3(body).digest()[:_CHECK]


def decode_intent(data: bytes, key: str) -> Intent:
    """Return the intent in *data*; ObjectCorruptError if it is not an intent."""
    body = data[:-_CHECK]
    if data[:16] != _MAGIC or blake3(body).digest()[:_CHECK] != data[-_CHECK:]:
        raise ObjectCorruptError(key, "it is not an intent, or does not match its check")
    try:
        value = decode(body[16:])
        id, wishes = value["id"], value["wishes"]
        if type(id) is not bytes or len(id) != _ID or type(wishes) is not list or not wishes:
            raise ValueError("it is not an intent")
        return Intent(key, id, tuple(map(_wish_of, wishes)))
    except (ValueError, TypeError, KeyError, ContentValidationError) as exc:
        raise ObjectCorruptError(key, str(exc)) from exc


def _wish_of(value: Any) -> Wish:
    wish = Wish(**{name: value[name] for name in Wish._fields})
    texts = (wish.message is None or type(wish.message) is str) and type(wish.author) is str
    maps = type(wish.value) is dict and (wish.metadata is None or type(wish.metadata) is dict)
    if not texts or not maps or type(wish.time) is not int or not FIRST_TIME <= wish.time <= LAST_TIME:
        raise ValueError("a wish is not valid")
    notes = tuple((name, body) for name, body in wish.notes)
    if not all(name in (CONFIG, USAGE) and type(body) is dict for name, body in notes):
        raise ValueError("a note of a wish is not valid")
    return wish._replace(notes=notes)


def intent_key(repo: Repository, branch: str, id: bytes) -> str:
    """The key of a new intent; intents are listed in the order of their writers' clocks."""
    return f"{intents_start(repo.tract, branch)}{repo.clock():020}-{id.hex()}"


def wish_of(repo: Repository, draft: Draft) -> Wish:
    """*draft* as a wish of this repository's author, made now."""
    notes = ((CONFIG, draft.config), (USAGE, draft.usage))
    return Wish(
        draft.value,
        repo.author,
        repo.clock() if draft.time is None else draft.time,
        draft.message,
        draft.metadata,
        tuple((name, dict(body)) for name, body in notes if body is not None),
    )


def list_intents(link: Link, tract: str, branch: str) -> dict[bytes, Listed]:
    """The intents that wait for a branch, the oldest first, by id; keys with other names are ignored."""
    start = intents_start(tract, branch)
    listed = link.patiently(lambda: list(link.transport.list(start)))
    return {bytes.fromhex(found[1]): one for one in listed if (found := _KEY.search(one.key)) is not None}


def read_intents(link: Link, keys: Sequence[str]) -> list[Intent]:
    """The intents under *keys*, in order, without those that are gone or damaged."""

    def read(key: str) -> Intent | None:
        found = link.patiently(lambda: link.transport.get(key))
        if not isinstance(found, Stored):
            return None  # the listing may be behind
        with suppress(ObjectCorruptError):
            intent = decode_intent(found.data, key)
            name = _KEY.search(key)
            return intent if name is not None and name[1] == intent.id.hex() else None
        return None

    return [one for one in ask_together(read, keys) if one is not None]


class Landed(NamedTuple):
    """The commits that an intent became: *number* of them, one after the other, up to *last*."""

    last: ObjectId
    number: int


def landed_in(head: Head) -> dict[bytes, Landed]:
    """The intents that a head names, with their commits; invalid rows are ignored."""
    rows = head.more.get(LANDED)
    found: dict[bytes, Landed] = {}
    for row in rows if type(rows) is list else ():
        if type(row) is not list or len(row) != 3:
            continue
        id, last, number = row
        if type(id) is bytes and type(last) is bytes and len(last) == ID_SIZE and type(number) is int and number > 0:
            found[id] = Landed(last, number)
    return found


def named_in(base: Head, made: Mapping[bytes, Landed], left: frozenset[bytes]) -> dict[str, Any]:
    """The extra fields of a head that follows *base*: the intents of which commits were *made*, named ones that are still *left* there, and the last few."""
    before = list(landed_in(base).items())
    kept = [row for number, row in enumerate(before) if row[0] in left or number >= len(before) - _KEPT]
    return {**base.more, LANDED: [[id, *row] for id, row in [*kept, *made.items()]]}
