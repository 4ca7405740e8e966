"""Many writers on one branch: who loses a swap leaves what it wants committed beside the head, and whoever swaps next carries all that waits.

    <tract>/intents/<branch>/<time>-<id>     an intent: messages to append, with their authors, times and notes; never changed
    head: "landed" [[id, [commit, …]], …]    the intents that became commits of this branch, and which

A writer puts its intent and looks at the head until that names it. The one whose intent is the oldest leads: it commits all that wait, in order, in one push.
Exactly once: a leader reads the head first and lists after; a head keeps the name of every intent that the listing still shows, and an intent is removed only after a head named it.
So an intent that a leader finds is either named in the head that it builds on, or in none.
An intent is never taken back: one whose writer died lands with the next push that carries, or the next opening.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from blake3 import blake3

from tract.errors import ContentValidationError, ObjectCorruptError, RefMovedError, RemoteError
from tract.history.commit import Change, Draft, add_commit
from tract.history.notes import CONFIG, USAGE
from tract.objects.codec import decode, encode
from tract.objects.id import ID_SIZE, ObjectId
from tract.objects.model import FIRST_TIME, LAST_TIME, CommitOperation
from tract.refs.names import HEADS
from tract.remote.address import INTENTS, key_part, tract_key
from tract.remote.head import Head
from tract.remote.link import Link
from tract.remote.transport import Stored
from tract.repo import Repository
from tract.transaction import transaction

if TYPE_CHECKING:
    from tract.remote.sync import Sync

LANDED = "landed"
"""The key of a head for the intents that became commits."""

_MAGIC = b"tract intent 1\n".ljust(16, b"\0")
_CHECK = 16
_ID = 16
_MOST = 256
_KEPT = 256
_AT_ONCE = 16
_KEY = re.compile(r"/\d{20}-([0-9a-f]{32})\Z")
_PAUSE = 0.02
_PATIENCE = 0.4
_PUTS = 8
"""After so many seconds, or as many times what a put takes, a writer that is not the first leads all the same: the first may be dead."""


class Wish(NamedTuple):
    """A message that a writer wants appended."""

    value: dict[str, Any]
    author: str
    time: int
    message: str | None
    metadata: dict[str, Any] | None
    notes: tuple[tuple[str, dict[str, Any]], ...]


class Intent(NamedTuple):
    """What waits under a key."""

    key: str
    id: bytes
    wishes: tuple[Wish, ...]


def can_wait(drafts: Sequence[Draft]) -> bool:
    """Whether *drafts* mean the same wherever the branch is by then: plain messages, which refer to nothing."""
    return all(
        one.operation is CommitOperation.APPEND
        and one.target is None
        and one.key is None
        and one.request is None
        and not one.refs
        for one in drafts
    )


def intents_start(tract: str, branch: str) -> str:
    """What the keys of a branch's intents begin with."""
    return f"{tract_key(tract).rstrip('/')}{INTENTS}{key_part(branch)}/"


def encode_intent(id: bytes, wishes: Sequence[Wish]) -> bytes:
    """The bytes of an intent: 16 of a header, a map in canonical msgpack, and 16 of the BLAKE3 of both."""
    body = _MAGIC + encode(
        {"id": id, "wishes": [{**one._asdict(), "notes": [list(n) for n in one.notes]} for one in wishes]}
    )
    return body + blake3(body).digest()[:_CHECK]


def decode_intent(data: bytes, key: str) -> Intent:
    """The intent in *data*; ObjectCorruptError where it is none."""
    body = data[:-_CHECK]
    if data[:16] != _MAGIC or blake3(body).digest()[:_CHECK] != data[-_CHECK:]:
        raise ObjectCorruptError(key, "it is no intent, or does not match its check")
    try:
        value = decode(body[16:])
        id, wishes = value["id"], value["wishes"]
        if type(id) is not bytes or len(id) != _ID or type(wishes) is not list or not wishes:
            raise ValueError("it is no intent")
        return Intent(key, id, tuple(map(_wish_of, wishes)))
    except (ValueError, TypeError, KeyError, ContentValidationError) as exc:
        raise ObjectCorruptError(key, str(exc)) from exc


def _wish_of(value: Any) -> Wish:
    wish = Wish(**{name: value[name] for name in Wish._fields})
    texts = (wish.message is None or type(wish.message) is str) and type(wish.author) is str
    maps = type(wish.value) is dict and (wish.metadata is None or type(wish.metadata) is dict)
    if not texts or not maps or type(wish.time) is not int or not FIRST_TIME <= wish.time <= LAST_TIME:
        raise ValueError("a wish is none")
    notes = tuple((name, body) for name, body in wish.notes)
    if not all(name in (CONFIG, USAGE) and type(body) is dict for name, body in notes):
        raise ValueError("a note of a wish is none")
    return wish._replace(notes=notes)


def commit_together(sync: Sync, repo: Repository, drafts: Sequence[Draft]) -> list[ObjectId]:
    """Leave *drafts* as an intent, and wait until it landed: the commits, which are here by then.

    RemoteError with ``landed`` None where it did not within the remote's timeout: it may still.
    """
    link, branch = sync.link, _branch(repo)
    id = os.urandom(_ID)
    start = intents_start(repo.tract, branch)
    wishes = [_wish(repo, draft) for draft in drafts]
    key = f"{start}{repo.clock():020}-{id.hex()}"
    data = encode_intent(id, wishes)
    began = time.monotonic()
    link.patiently(lambda: link.transport.create(key, data))
    took = time.monotonic() - began
    patience, pause = max(_PATIENCE, _PUTS * took), max(_PAUSE, took)
    deadline = time.monotonic() + link.remote.timeout
    quiet_since, seen, rank = time.monotonic(), None, None
    while True:
        known = link.look(repo.tract, branch)
        ids = None if known is None else landed_in(known.head).get(id)
        if ids is not None:
            sync.refresh(repo, [branch])
            return ids
        if known is None or known.version != seen:
            seen, quiet_since, rank = None if known is None else known.version, time.monotonic(), None
        if rank is None:
            rank = _rank(link, start, key)
        if time.monotonic() - quiet_since >= patience * rank:
            sync.carried(carry(sync, repo))
            quiet_since, rank = time.monotonic(), None
        elif time.monotonic() > deadline:
            raise RemoteError(f"what waits for '{branch}' has not landed in remote '{link.name}'", landed=None)
        else:
            time.sleep(pause)
            pause = min(1.5 * pause, patience / 2)


def _branch(repo: Repository) -> str:
    branch = repo.head()[0]
    assert branch is not None
    return branch.removeprefix(HEADS)


def _wish(repo: Repository, draft: Draft) -> Wish:
    notes = ((CONFIG, draft.config), (USAGE, draft.usage))
    return Wish(
        draft.value,
        repo.author,
        repo.clock() if draft.time is None else draft.time,
        draft.message,
        draft.metadata,
        tuple((name, dict(body)) for name, body in notes if body is not None),
    )


def _rank(link: Link, start: str, key: str) -> int:
    """How many older intents wait than the one under *key*: the oldest leads, and the next after a while each, should those before be dead."""
    return sum(one.key < key for one in link.patiently(lambda: list(link.transport.list(start))))


def is_waiting(link: Link, repo: Repository) -> bool:
    """Whether anything waits for HEAD's branch; False where it cannot be told."""
    start = intents_start(repo.tract, _branch(repo))
    with suppress(RemoteError):
        return next(iter(link.transport.list(start)), None) is not None
    return False


def carry(sync: Sync, repo: Repository) -> int:
    """Commit all intents that wait for HEAD's branch, in one push; how many, 0 where another was faster.

    The head is read before the intents are listed.
    """
    link, branch = sync.link, _branch(repo)
    sync.refresh(repo, [branch])
    known = link.remembered(repo.tract, branch)
    done = {} if known is None else landed_in(known.head)
    start = intents_start(repo.tract, branch)
    listed = [one.key for one in link.patiently(lambda: list(link.transport.list(start))) if _id_of(one.key)]
    found = [one for one in _read_all(link, listed[:_MOST]) if one.id not in done and one.id == _id_of(one.key)]
    left = {id for key in listed if (id := _id_of(key)) is not None}
    if found:
        try:
            _commit_all(sync, repo, found, left)
        except RefMovedError as exc:
            if exc.remote is None:
                raise
            return 0
    gone = [one.key for one in found] + [key for key in listed if _id_of(key) in done]
    with suppress(RemoteError), ThreadPoolExecutor(_AT_ONCE) as pool:  # whoever carries next removes what is left
        list(pool.map(link.transport.delete, gone))
    return len(found)


def _id_of(key: str) -> bytes | None:
    found = _KEY.search(key)
    return None if found is None else bytes.fromhex(found[1])


def _read_all(link: Link, keys: Sequence[str]) -> list[Intent]:
    def read(key: str) -> Intent | None:
        found = link.patiently(lambda: link.transport.get(key))
        if not isinstance(found, Stored):
            return None  # a listing may be behind
        with suppress(ObjectCorruptError):
            return decode_intent(found.data, key)
        return None

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [one for one in pool.map(read, keys) if one is not None]


def _commit_all(sync: Sync, repo: Repository, found: Sequence[Intent], left: Iterable[bytes]) -> None:
    with sync.naming() as naming, transaction(repo, f"append: {len(found)} intents") as tx:
        at = tx.tip
        made: list[tuple[bytes, list[ObjectId]]] = []
        for intent in found:
            ids: list[ObjectId] = []
            for wish in intent.wishes:
                change = Change(
                    CommitOperation.APPEND,
                    tx.blob(wish.value),
                    None,
                    wish.time,
                    wish.author,
                    wish.message,
                    wish.metadata,
                )
                at = add_commit(tx, at, change)
                ids.append(at)
                for namespace, body in wish.notes:
                    tx.note(namespace, at, body, time=wish.time)
            made.append((intent.id, ids))
        tx.move_branch(at)
        naming.append(lambda base: named_in(base, made, frozenset(left)))


def landed_in(head: Head) -> dict[bytes, list[ObjectId]]:
    """The intents that a head names, with their commits; what of it makes no sense is left out."""
    rows = head.more.get(LANDED)
    found: dict[bytes, list[ObjectId]] = {}
    for row in rows if type(rows) is list else ():
        is_row = type(row) is list and len(row) == 2 and type(row[0]) is bytes and type(row[1]) is list
        if is_row and all(type(id) is bytes and len(id) == ID_SIZE for id in row[1]):
            found[row[0]] = row[1]
    return found


def named_in(base: Head, made: Sequence[tuple[bytes, list[ObjectId]]], left: frozenset[bytes]) -> dict[str, Any]:
    """What a head that goes on from *base* says beside: the intents that it *made* commits of, those that are still *left* there, and the last few."""
    before = list(landed_in(base).items())
    kept = [row for number, row in enumerate(before) if row[0] in left or number >= len(before) - _KEPT]
    return {**base.more, LANDED: [[id, ids] for id, ids in [*kept, *made]]}
