"""Sending: a pack under a new name, and a head in the place of the one that was read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

from tract.dataclass import dataclass, field
from tract.errors import RemoteAuthError, RemoteError, RemoteRefusedError
from tract.objects.id import Kind, ObjectId
from tract.objects.model import NewObject
from tract.remote.address import head_key, new_pack_key
from tract.remote.closure import read_all
from tract.remote.head import Head, PackName, encode_head
from tract.remote.link import KnownHead, Link
from tract.remote.packs import NewPack, encode_pack
from tract.remote.transport import Stored
from tract.repo import Repository

MOST_PACKS = 32
"""If a head has more packs, its small ones are merged."""

MOST_SWAPS = 64
"""A writer puts a head this many times before it gives up because others are always faster."""

_LARGEST_PACK = 32 * 1024 * 1024


@dataclass(slots=True)
class Sent:
    """The packs that a push of one head sent, their objects, and when it began."""

    packs: list[PackName] = field(default_factory=list)
    ids: set[ObjectId] = field(default_factory=set)
    since: tuple[float, float] = field(default_factory=lambda: now_and_awake())


def send_needed(
    link: Link, repo: Repository, rows: Sequence[tuple[ObjectId, Kind]], base: Sequence[PackName], sent: Sent
) -> list[PackName]:
    """Send objects, except those *sent* before; return the packs of the head that follows one with the packs *base*."""
    rows = [row for row in rows if row[0] not in sent.ids]
    packs = list(base)
    if rows:
        if not sent.packs:
            packs, rows = merged_packs(link, repo, base, rows)
        for pack in _packs_of(read_all(repo, rows)):
            try:
                sent.packs.append(send_pack(link, pack, repo.clock()))
            except RemoteError as exc:
                exc.landed = False  # whatever happened to it, no head names it
                raise
            sent.ids.update(pack.ids)
            link.told(len(sent.ids), len(rows))
    return [*packs, *sent.packs]


def keep_sent(link: Link, repo: Repository, known: KnownHead, sent: Sent) -> KnownHead:
    """Return the head that landed. If the push took so long that a collector may have removed packs sent before, check for them, and send them again.

    No clock can close the gap between the last check and the swap, so the check comes after the swap.
    """
    since = sent.since
    while elapsed(since) > link.grace / 4:
        since = now_and_awake()
        lost = [pack for pack in known.head.packs if not link.is_there(pack)]
        if not lost:
            break
        rows = [(id, repo.objects.read(id).kind) for pack in lost for id in link.ids(pack)]
        names = [send_pack(link, pack, repo.clock()) for pack in _packs_of(read_all(repo, rows))]
        known = _put_again(link, repo, known, {pack.key for pack in lost}, names)
    return known


def _put_again(link: Link, repo: Repository, known: KnownHead, lost: set[str], names: Sequence[PackName]) -> KnownHead:
    """Put the head with other packs in the place of the *lost* ones, whatever the head is by now."""
    for _ in range(MOST_SWAPS):
        push = os.urandom(16)
        packs = (*(pack for pack in known.head.packs if pack.key not in lost), *names)
        head = known.head.after(push, by=repo.author, time=repo.clock(), packs=packs)
        landed, found = land_head(link, head, push, known.version)
        if found is None:
            break
        known = found
        if landed or not any(pack.key in lost for pack in known.head.packs):
            return known
    raise RemoteError(f"remote '{link.name}' is damaged: packs that were just sent are gone", landed=True)


def now_and_awake() -> tuple[float, float]:
    """Two clocks: one may be set, the other may stand still while the machine sleeps."""
    return time.time(), time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def elapsed(since: tuple[float, float]) -> float:
    """The seconds since *since*, by the clock that shows more."""
    return max(now - then for now, then in zip(now_and_awake(), since, strict=True))


def _packs_of(objects: Iterable[NewObject]) -> Iterable[NewPack]:
    """Yield *objects* in packs that fit in memory and in one put."""
    part: list[NewObject] = []
    size = 0
    for new in objects:
        if part and size + len(new.payload) > _LARGEST_PACK:
            yield encode_pack(part)
            part, size = [], 0
        part.append(new)
        size += len(new.payload)
    if part:
        yield encode_pack(part)


def merged_packs(
    link: Link, repo: Repository, packs: Sequence[PackName], rows: Sequence[tuple[ObjectId, Kind]]
) -> tuple[list[PackName], tuple[tuple[ObjectId, Kind], ...]]:
    """The packs that stay, and the objects for the new one: also those of small packs, if there are too many.

    So packs are merged on the way, without a request; each object is sent again a few times as its history grows.
    """
    if len(packs) < MOST_PACKS:
        return list(packs), tuple(rows)
    by_size = sorted(packs, key=lambda pack: pack.size)
    merged: list[PackName] = []
    total = 0
    for pack in by_size:
        if len(merged) >= MOST_PACKS // 2 and pack.size > 2 * total:
            break
        merged.append(pack)
        total += pack.size
    have = {id for id, _ in rows}
    ids = dict.fromkeys(id for pack in merged for id in link.ids(pack) if id not in have)
    if not all(repo.objects.contains(id) for id in ids):
        return list(packs), tuple(rows)  # some of their objects are only there
    more = [(id, repo.objects.read(id).kind) for id in ids]
    gone = {pack.key for pack in merged}
    more.sort(key=lambda row: ("blob", "tree", "commit", "operation").index(row[1]))
    return [pack for pack in packs if pack.key not in gone], (*more, *rows)


def send_pack(link: Link, pack: NewPack, when: int) -> PackName:
    """Put a pack on the remote under a new name; if no answer comes, put it under another name."""

    def put() -> PackName:
        key = new_pack_key()
        link.transport.put(key, pack.data)
        return PackName(key, len(pack.ids), len(pack.data), pack.index_at, when)

    name = link.patiently(put)
    link.remember_pack(name.key, pack.ids)
    return name


def land_head(link: Link, head: Head, push: bytes, version: str | None) -> tuple[bool, KnownHead | None]:
    """Put *head* in the place of the *version* that was read; return whether it landed, and the remote's present head.

    If no answer comes, or a refusal that may follow a request that landed, the push's id is searched for in the present head.
    RemoteError with ``landed`` None if there is no answer within the remote's timeout.
    """
    key = head_key(head.tract, head.branch)
    data = encode_head(head)
    deadline = time.monotonic() + link.remote.timeout
    number = 0
    landed: bool | None = False
    while True:
        try:
            made = link.heads.put(key, data, version)
            if made is not None:
                return True, link.remember(key, head, data, made)
        except (RemoteAuthError, RemoteRefusedError):
            raise
        except RemoteError as exc:
            if exc.landed is not False:
                landed = None  # it may still be on its way when all others have been refused
            elif time.monotonic() > deadline:
                exc.landed = landed
                raise
        try:
            found = link.heads.read(key)
            now = (
                link.take(key, found) if isinstance(found, Stored) else None
            )  # what is damaged may be so on the way only
        except RemoteError as exc:
            if time.monotonic() > deadline:
                raise RemoteError(
                    f"push of '{head.branch or head.tract}' got no answer from remote '{link.name}': {exc}", landed=None
                ) from exc
            link.pause(number)
            number += 1
            continue
        if now is None and version is not None and not isinstance(found, Stored):
            raise link.gone(key)
        if now is not None and push in now.head.pushes:
            return True, now
        if (None if now is None else now.version) != version:
            return False, now
        if time.monotonic() > deadline:
            raise RemoteError(
                f"push of '{head.branch or head.tract}' was not taken by remote '{link.name}'", landed=landed
            )
        link.pause(number)
        number += 1
