"""The commits whose history was cut on purpose: objects that they name may be gone, and that is no damage.

    3fa9…e1 parents 2026-11-21     its parents may be gone; its own context is whole
    5c07…9b all 2026-11-21         its parents, its target and its context may be gone; its content is there
    # check 5be1f3a2c4d60718       16 digits of the BLAKE3 of what is before it

Lines are in order of id; the day is that of the gc that cut the commit.
Almost no store has this file.
It is completely written before any object is dropped because of it, so every object that it does not excuse is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress

from blake3 import blake3

from tract.annotations import Literal, cast
from tract.errors import ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.storage import files

NAME = "shallow"

Grade = Literal["parents", "all"]

UNTOLD = f"something names it, and '{NAME}' does not say that gc cut it"
"""The error text for an object that is missing without an excuse: the store is damaged, or this file is."""

_CHECK = b"# check "
_LINE = rb"([0-9a-f]{64}) (parents|all) (\d{4}-\d\d-\d\d)\n"


class Cut(NamedTuple):
    """What may be gone behind a commit, and since which day."""

    grade: Grade
    date: str


def kept_part(commit: Commit, cut: Cut | None) -> Commit:
    """The commit without the names of objects that may be gone."""
    if cut is None:
        return commit
    return (
        commit._replace(parents=())
        if cut.grade == "parents"
        else commit._replace(parents=(), target=None, tree=None, open=())
    )


def cut_line(id: ObjectId, cut: Cut) -> str:
    """The line about one commit."""
    return f"{id.hex()} {cut.grade} {cut.date}"


def encode_shallow(cuts: Mapping[ObjectId, Cut]) -> bytes:
    """The bytes of the file."""
    body = "".join(f"{cut_line(id, cut)}\n" for id, cut in sorted(cuts.items())).encode()
    return body + _CHECK + blake3(body).hexdigest()[:16].encode() + b"\n"


def decode_shallow(data: bytes, name: str) -> dict[ObjectId, Cut]:
    """Return the cuts in the bytes of the file *name*; ObjectCorruptError if they are not as they were written."""
    body = data[: max(0, data.rfind(_CHECK))]
    cuts = readable_cuts(body)
    if encode_shallow(cuts) != data:
        raise ObjectCorruptError(name, "it does not match its check line", len(body))
    return cuts


def readable_cuts(data: bytes) -> dict[ObjectId, Cut]:
    """The cuts in the lines that can be read, for the repair of a damaged file."""
    found = (re.fullmatch(_LINE, line) for line in data.splitlines(keepends=True))
    return {
        bytes.fromhex(row[1].decode()): Cut(cast(Grade, row[2].decode()), row[3].decode())
        for row in found
        if row is not None
    }


def write_shallow(path: str, cuts: Mapping[ObjectId, Cut]) -> None:
    """Write the file into the store *path*, whole and on the disk; without *cuts*, remove it. Only for gc and repair, which hold the locks."""
    name = os.path.join(path, NAME)
    for left in files.list_directory(path):
        if left.startswith(".tmp-") and left.endswith(f"-{NAME}"):  # left by a writer that died
            files.unlink(os.path.join(path, left))
    if cuts:
        files.write_file(name, encode_shallow(cuts), sync=True)
    else:
        files.unlink(name)


class Shallow:
    """The cuts of a store, as they were last read. *path* is None for a store in memory, whose gc sets them with ``put``."""

    __slots__ = ("_name", "_stamp", "cuts")

    def __init__(self, path: str | None) -> None:
        self._name = None if path is None else os.path.join(path, NAME)
        self._stamp: tuple[int, int] | None = None
        self.cuts: dict[ObjectId, Cut] = {}

    def put(self, cuts: Mapping[ObjectId, Cut]) -> Iterable[ObjectId]:
        """Replace the cuts; return the commits that changed from cut to uncut, or the reverse."""
        before, self.cuts = self.cuts, dict(cuts)
        return before.keys() ^ cuts.keys()

    def reload(self) -> Iterable[ObjectId]:
        """Read the file again if it changed; return the commits that changed from cut to uncut, or the reverse."""
        stamp = None if self._name is None else files.stamp_of(self._name)
        if self._name is None or stamp == self._stamp:
            return ()
        cuts: dict[ObjectId, Cut] = {}
        if stamp is not None:
            with suppress(FileNotFoundError):  # it was removed meanwhile
                cuts = decode_shallow(files.read_file(self._name), self._name)
        self._stamp = stamp
        return self.put(cuts)
