"""Writing packs; :mod:`tract.storage.pack` has the byte tables."""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import islice

from blake3 import blake3

from tract.errors import StorageError
from tract.named_tuple import NamedTuple
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId
from tract.storage import files
from tract.storage.folding import ID_HEAD, Folded
from tract.storage.pack import (
    CHECK_SIZE,
    FOLDED,
    FRAME,
    FRAME_SIZE,
    IDS_A_CHECK,
    PACK_MAGIC,
    PLAIN,
    TRAILER,
    FrameRow,
)
from tract.storage.pack_index import index_pieces
from tract.storage.zstd import FrameCodec

SEAL_LEVEL = 3
QUICK_LEVEL = 1
_QUICK_LEVEL_OF_IDS = -1
"""A pack's frames that are mostly ids get no larger at this level."""

_KIND_CODES: dict[str, int] = {kind: code for code, kind in enumerate(KINDS, 1)}

# A text may have bytes that only look like an id: no ordinal has that id, and they stay.
_ID = re.compile(rb"\xc4\x20(.{32})", re.DOTALL)


class Group(NamedTuple):
    """Objects of one kind that are packed together, in this order."""

    kind: Kind
    ids: Sequence[ObjectId]


class Packing(NamedTuple):
    """The content of a new pack, taken one piece at a time, so that memory need not hold it.

    A payload may be folded already, for its place in the pack.
    *ids* are the ids of all payloads, in order; they are asked for after the last payload was taken.
    *ordinal_of* returns the ordinal of an id, or None if the pack will not have it; it is called for a payload when that is written.
    If *ordinal_of* is None, ids stay in the payloads: the pack is then larger by a third, and written in a third of the time.
    """

    groups: Iterable[tuple[Kind, Iterable[bytes | Folded]]]
    ids: Iterable[ObjectId]
    ordinal_of: Callable[[ObjectId], int | None] | None


def packing_of(groups: Sequence[Group], payloads: Iterable[bytes], *, folds: bool = True) -> Packing:
    """The packing of objects whose ids are known; *payloads* are those of all groups' ids, in order."""
    ids = [id for group in groups for id in group.ids]
    rest = iter(payloads)
    parts = ((group.kind, islice(rest, len(group.ids))) for group in groups)
    return Packing(parts, ids, {id: at for at, id in enumerate(ids)}.get if folds else None)


def write_pack(
    directory: str,
    groups: Sequence[Group],
    payloads: Iterable[bytes],
    *,
    level: int = SEAL_LEVEL,
    dictionary: bytes = b"",
    folds: bool = True,
) -> str:
    """Write objects as one pack with its index; return the pack's path. *payloads* are those of all groups' ids, in order."""
    return write_packing(directory, packing_of(groups, payloads, folds=folds), level=level, dictionary=dictionary)


def write_packing(directory: str, packing: Packing, *, level: int = SEAL_LEVEL, dictionary: bytes = b"") -> str:
    """Write a pack with its index; return the pack's path. Memory holds one frame, and 12 bytes an object for the index.

    The pack is on the disk under its name before its index is: a reader that finds the index finds the pack.
    """
    with files.NewFile(directory) as file:
        writer = _PackWriter(file, level, dictionary, packing.ordinal_of)
        seal = writer.write(packing)
        # Named by its bytes: two packs with one name are equal, and no reader can meet the index of one beside the other.
        path = file.publish(f"pack-{seal.hex()[:40]}.pack")
    name = os.path.basename(path).removesuffix(".pack") + ".idx"
    try:
        with files.mapped(path) as table, files.NewFile(directory) as index:
            for piece in index_pieces(table, writer.ids_start, writer.count, seal):
                index.write(piece)
            index.publish(name)
    except BaseException:
        # No reader opens a pack without an index, and on a full disk it takes room. (A pack with the same bytes may exist already.)
        if not files.is_there(os.path.join(directory, name)):
            with suppress(StorageError, OSError):
                files.unlink(path)
        raise
    return path


class _PackWriter:
    """Writes one pack, front to back."""

    def __init__(
        self, file: files.NewFile, level: int, dictionary: bytes, ordinal_of: Callable[[ObjectId], int | None] | None
    ) -> None:
        self._file = file
        self._hash = blake3()
        self._dictionary = dictionary
        self._plain = FrameCodec(_QUICK_LEVEL_OF_IDS if level == QUICK_LEVEL else level)
        self._blobs = FrameCodec(level, dictionary)
        self._rows: list[FrameRow] = []
        self._ordinal_of = ordinal_of
        self.count = 0
        self.ids_start = 0

    def write(self, packing: Packing) -> bytes:
        """Write everything; return the pack's seal."""
        self._put(PACK_MAGIC + self._dictionary)
        for kind, payloads in packing.groups:
            self._write_group(kind, payloads)
        self.ids_start = self._file.size
        checks = self._write_ids(packing.ids)
        tail = checks + b"".join([FRAME.pack(*row) for row in self._rows])
        tail += TRAILER.pack(len(self._rows), self.count, self.ids_start, len(self._dictionary))
        self._put(tail + blake3(tail).digest()[:CHECK_SIZE])
        seal = self._hash.digest()
        self._file.write(seal)
        return seal

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    def _write_ids(self, ids: Iterable[ObjectId]) -> bytes:
        """Write the table of ids; return its checks."""
        checks: list[bytes] = []
        rest = iter(ids)
        while block := b"".join(islice(rest, IDS_A_CHECK)):
            checks.append(zlib.crc32(block).to_bytes(4, "little"))
            self._put(block)
        if self._file.size - self.ids_start != self.count * ID_SIZE:
            raise ValueError(f"{self.count} payloads, and another number of ids")
        return b"".join(checks)

    def _write_group(self, kind: Kind, payloads: Iterable[bytes | Folded]) -> None:
        parts: list[bytes] = []
        size = 0
        folds = self._ordinal_of if kind != "blob" else None
        for payload in payloads:
            if isinstance(payload, Folded):
                part, length = payload
            else:
                part = payload if folds is None else fold(payload, self.count, folds)
                length = len(payload)
            if parts and size + length > FRAME_SIZE:
                self._write_frame(kind, parts)
                parts, size = [], 0
            parts.append(part)
            size += length
            self.count += 1
        if parts:
            self._write_frame(kind, parts)

    def _write_frame(self, kind: Kind, parts: list[bytes]) -> None:
        raw = struct.pack(f"<{len(parts)}I", *map(len, parts)) + b"".join(parts)
        codec = self._blobs if kind == "blob" else self._plain
        frame = codec.compress(raw)
        folded = PLAIN if kind == "blob" or self._ordinal_of is None else FOLDED
        first = self._rows[-1].first + self._rows[-1].number if self._rows else 0
        self._rows.append(FrameRow(self._file.size, len(frame), len(raw), first, len(parts), _KIND_CODES[kind], folded))
        self._put(frame)


def fold(payload: bytes, ordinal: int, ordinal_of: Callable[[ObjectId], int | None]) -> bytes:
    """Return *payload*, of the object *ordinal*, with the ids that have an ordinal taken out."""
    pieces = _ID.split(payload)
    texts = pieces[::2]
    found = [ordinal_of(id) for id in pieces[1::2]]
    number = len(found)
    if number > 0xFFFF or len(payload) - number * (len(ID_HEAD) + ID_SIZE) > 0xFFFF or None in found:
        return _fold_some(pieces, ordinal, found)
    distances = [ordinal - at for at in found if at is not None]
    gaps = map(len, texts[:-1])
    return struct.pack(f"<H{number}i{number}H", number, *distances, *gaps) + b"".join(texts)


def _fold_some(pieces: Sequence[bytes], ordinal: int, found: Sequence[int | None]) -> bytes:
    """Fold a payload from which not every id can be taken out: some have no ordinal, or there are too many ids or bytes."""
    distances: list[int] = []
    gaps: list[int] = []
    rest: list[bytes] = []
    gap = 0
    for before, id, at in zip(pieces[::2], pieces[1::2], found, strict=False):
        rest.append(before)
        gap += len(before)
        if at is None or gap > 0xFFFF or len(distances) == 0xFFFF:
            rest.append(ID_HEAD + id)
            gap += len(ID_HEAD) + ID_SIZE
            continue
        distances.append(ordinal - at)
        gaps.append(gap)
        gap = 0
    rest.append(pieces[-1])
    number = len(distances)
    return struct.pack(f"<H{number}i{number}H", number, *distances, *gaps) + b"".join(rest)
