"""Settled packs: packs in which everything is reachable, so gc keeps them as they are and need not read them.

A gc writes the objects that became reachable since the last one into a pack of its own, beside the settled ones.
The file ``cache/settled`` has these lines for each of them, the oldest first:

    pack pack-1be5f3….idx
    tip 3fa9c1…e1
    file 77aa01…5c
    # check 5be1f3a2c4d60718       at the end: 16 digits of the BLAKE3 of what is before it

Every object that an object of the pack names is in the pack, in a settled pack before it, or in a *file* of its own.
All of them were reachable from the commits *tip*, which nothing else named then. So while refs reach every tip, they reach everything in these packs.
The file is derived: if it is missing or damaged, gc reads everything.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile

from blake3 import blake3

from tract.errors import DurabilityError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId, parse_id
from tract.storage import files
from tract.storage.database import Database

_SETTLED = "cache/settled"
_CHECK = b"# check "
_LONGEST = 64 * 1024 * 1024

# A settled pack has at least this many objects, and this many times as many as all newer packs together: so packs stay few, and an object is copied only a few times.
_LEAST_OBJECTS = 4096
_TIMES_LARGER = 2


class Settled(NamedTuple):
    """A settled pack, by the name of its index; *tips* and *files* are those of the lines above."""

    pack: str
    tips: frozenset[ObjectId]
    files: frozenset[ObjectId]


def find_settled(path: str, store: Database, since: int) -> tuple[Settled, ...]:
    """The settled packs of the store in *path* that are worth keeping as they are. Only for the holder of the lock.

    Empty once the first is older than *since*, in nanoseconds since 1970: the operations in it are due to be forgotten.
    """
    times = store.packs()
    left = {name: store.pack(name).count for name in times}
    settled = list(takewhile(lambda one: times.get(one.pack, -math.inf) >= since, _read_settled(path)))
    counts = [left.pop(one.pack) for one in settled]
    newer = sum(left.values()) + sum(1 for _ in store.journal_objects())
    while settled and counts[-1] < max(_LEAST_OBJECTS, _TIMES_LARGER * newer):
        settled.pop()
        newer += counts.pop()
    return tuple(settled)


def write_settled(path: str, settled: Sequence[Settled]) -> None:
    """Write what is settled in the store *path*, for the next gc; if that fails, the next gc reads everything.

    Only for the holder of ``maintenance``.
    """
    lines: list[str] = []
    for pack, tips, loose in settled:
        lines.append(f"pack {pack}\n")
        lines += (f"{word} {id.hex()}\n" for word, ids in (("tip", tips), ("file", loose)) for id in sorted(ids))
    body = "".join(lines).encode()
    name = os.path.join(path, _SETTLED)
    with suppress(OSError, DurabilityError):
        files.unlink(name)
        if body:
            files.write_file(name, body + _check_line(body), sync=False)


def _check_line(body: bytes) -> bytes:
    return _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n"


def _read_settled(path: str) -> list[Settled]:
    data = b""
    with suppress(FileNotFoundError):
        data = files.read_file(os.path.join(path, _SETTLED), _LONGEST)
    body = data[: max(0, data.rfind(_CHECK))]
    if body + _check_line(body) != data:
        return []
    found: list[Settled] = []
    for part in body.decode().split("pack ")[1:]:
        name, *lines = part.splitlines()
        ids = {word: frozenset(_ids(lines, word)) for word in ("tip", "file")}
        found.append(Settled(name, ids["tip"], ids["file"]))
    return found


def _ids(lines: Sequence[str], word: str) -> Iterator[ObjectId]:
    for line in lines:
        id = parse_id(line.removeprefix(word + " ")) if line.startswith(word) else None
        if id is not None:
            yield id
