"""Settled packs: all that is in them is reachable, so that gc can leave them as they are.

A gc writes what became reachable since the last one into a pack of its own, beside those that it leaves.
The file ``cache/settled`` has these lines for each of them, the oldest first:

    pack pack-1be5f3….idx
    tip 3fa9c1…e1
    file 77aa01…5c
    # check 5be1f3a2c4d60718       at the end: 16 digits of the BLAKE3 of what is before it

Whatever an object of the pack names is in it, in a settled pack before it, or a *file* of its own.
All of that was reachable from the commits *tip*, which nothing else named then. So while refs reach every tip, they reach everything in these packs, and gc need not read them.
The file is derived: where it is missing or damaged, gc reads everything.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import takewhile
from typing import NamedTuple

from blake3 import blake3

from tract.errors import DurabilityError
from tract.objects.id import ObjectId, parse_id
from tract.repo import Repository
from tract.storage import files
from tract.storage.database import Database

_NAME = "cache/settled"
_CHECK = b"# check "
_LONGEST = 64 * 1024 * 1024

# A settled pack has so many objects, and so many times as many as all newer packs together: so packs stay few, and an object is copied a few times at most.
_LEAST_OBJECTS = 4096
_TIMES_LARGER = 2


class Settled(NamedTuple):
    """A settled pack, by the name of its index; *tips* and *files* as above."""

    pack: str
    tips: frozenset[ObjectId]
    files: frozenset[ObjectId]


def find_settled(repo: Repository, since: int) -> tuple[Settled, ...]:
    """The settled packs of a store that are worth leaving as they are; only for the holder of the lock.

    None once the first is older than *since*, in nanoseconds since 1970: the operations in it are to be forgotten.
    """
    store = repo.objects
    if repo.path is None or not isinstance(store, Database):
        return ()
    times = store.packs()
    counts = {name: store.pack(name).count for name in times}
    settled = list(takewhile(lambda one: times.get(one.pack, 0) >= since, _read(repo.path)))
    names = {one.pack for one in settled}
    newer = sum(1 for _ in store.journal_objects())
    newer += sum(count for name, count in counts.items() if name not in names)
    while settled and counts[settled[-1].pack] < max(_LEAST_OBJECTS, _TIMES_LARGER * newer):
        newer += counts[settled.pop().pack]
    return tuple(settled)


def write_settled(path: str, settled: Sequence[Settled]) -> None:
    """Put down what is settled in the store *path*, for the next gc; where that cannot be written, it reads everything.

    Only for the holder of ``maintenance``.
    """
    name = os.path.join(path, _NAME)
    body = "".join(_lines(one) for one in settled).encode()
    with suppress(OSError, DurabilityError):
        files.unlink(name)
        if body:
            files.write_file(name, body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n", sync=False)


def _lines(one: Settled) -> str:
    tips = "".join(f"tip {id.hex()}\n" for id in sorted(one.tips))
    return f"pack {one.pack}\n{tips}" + "".join(f"file {id.hex()}\n" for id in sorted(one.files))


def _read(path: str) -> list[Settled]:
    data = b""
    with suppress(FileNotFoundError):
        data = files.read_file(os.path.join(path, _NAME), _LONGEST)
    body = data[: max(0, data.rfind(_CHECK))]
    if not body or body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n" != data:
        return []
    found: list[Settled] = []
    for part in body.decode().split("pack ")[1:]:
        name, *lines = part.splitlines()
        found.append(Settled(name, _ids(lines, "tip "), _ids(lines, "file ")))
    return found


def _ids(lines: Sequence[str], word: str) -> frozenset[ObjectId]:
    ids = (parse_id(line.removeprefix(word)) for line in lines if line.startswith(word))
    return frozenset(id for id in ids if id is not None)
