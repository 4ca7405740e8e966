"""Reading all of a pack without its index: its problems, and every object that its id still proves.

The tables at a pack's end say where its frames are and what is in them.
If they are damaged or gone, the frames are found without them, since they are back to back, and so is their content:

    zstd frame ── unpacked ──┬── lengths: as many as add up to the rest
                             └── objects: of the kind whose ids they hash to, or whose shape they have
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import pairwise

from blake3 import blake3

from tract.errors import BlobNotFoundError, FormatVersionError, ObjectCorruptError
from tract.maintenance.fsck.journal import is_payload
from tract.maintenance.fsck.report import Problem
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId, object_id
from tract.objects.model import Object
from tract.storage import files
from tract.storage.folding import ordinals_in, unfold
from tract.storage.pack import (
    FOLDED,
    FRAME,
    IDS_A_CHECK,
    PLAIN,
    FrameRow,
    Pack,
    unpack_frame,
)
from tract.storage.pack_index import SEAL_SIZE, index_bytes, index_size, is_whole
from tract.storage.zstd import ZSTD_MAGIC, FrameCodec

_CHECKSUM_FLAG = 4  # a bit in the byte after the magic; the checksum is the frame's last four bytes
_DICTIONARY = 16  # the offset of the dictionary
_LONGEST_DICTIONARY = 1024 * 1024
_BLOBS = KINDS.index("blob") + 1  # the kind that a frame of blobs claims; a damaged frame may claim any
# The kinds of objects, with the forms that they can have in a frame.
_WAYS: tuple[tuple[Kind, int], ...] = (
    ("blob", PLAIN),
    *((kind, form) for kind in KINDS if kind != "blob" for form in (FOLDED, PLAIN)),
)


class PackScan(Pack):
    """The content of a pack: *found* has its objects by id, each with kind and ordinal, and *problems* its problems.

    *is_damaged* is about the pack only, not about the index beside it.
    """

    def __init__(self, store: str, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.found: dict[ObjectId, tuple[Kind, int]] = {}
        self.unreadable: dict[ObjectId, bytes] = {}
        self._ids: list[ObjectId | None] | None = None  # set if the pack's own table of ids cannot be read
        self._known: list[ObjectId] = []  # the checked table of ids, if all of it is there
        self._mended: dict[int, bytes] = {}
        self._derived: dict[int, ObjectId | None] = {}
        super().__init__(os.path.join(store, name))
        try:
            self._check_seal()
            self._take_objects()
        except BaseException:
            self.close()
            raise

    @property
    def is_damaged(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def _error(self, kind: str, offset: int | None, detail: str, lost: str = "", subject: str = "pack") -> None:
        self.problems.append(Problem(kind, "error", subject, path=self.name, offset=offset, detail=detail, lost=lost))

    def _open_index(self) -> None:
        """Do nothing: no object is looked up by id here, and ``check_index`` compares the index with the pack."""

    def release(self) -> None:
        self.forget()
        self._blocks.clear()

    def close(self) -> None:
        self._file.close()

    def _check_seal(self) -> None:
        if self._ids is not None:
            return  # its tables are damaged, which says the same
        seal = blake3()
        for offset in range(0, self._size - SEAL_SIZE, 1 << 20):
            seal.update(self._file.read_at(min(1 << 20, self._size - SEAL_SIZE - offset), offset))
        if seal.digest() != self._file.read_at(SEAL_SIZE, max(0, self._size - SEAL_SIZE)):
            self._error("pack-damaged", max(0, self._size - SEAL_SIZE), "it does not match its seal")
            return
        name = f"pack-{seal.digest().hex()[:40]}.pack"
        if os.path.basename(self.name) != name:
            detail = f"it has another pack's name; its own is '{name}'"
            self.problems.append(Problem("pack-name", "warning", "pack", path=self.name, offset=None, detail=detail))

    # Tables

    def _read_tables(self) -> None:
        try:
            super()._read_tables()
            self._check_frames()
        except (ObjectCorruptError, FormatVersionError) as exc:
            offset = exc.offset if isinstance(exc, ObjectCorruptError) else 0
            self._error("pack-damaged", offset, exc.detail if isinstance(exc, ObjectCorruptError) else str(exc))
            self._ids, self.count, self._ids_start = [], 0, 16
            self._set_frames(b"")
            with suppress(ValueError), files.mapped(self.path) as data:  # an empty file cannot be mapped
                self._find_frames(data)

    def _find_frames(self, data: mmap.mmap) -> None:
        """Find the frames as they lie, and what is left of the table of ids behind them: every object proves itself."""
        self._set_dictionary(_find_dictionary(data))
        rows: list[FrameRow] = []
        for offset, length, raw in self._frames_in(data):
            number = _count_objects(raw)
            if number:
                first = rows[-1].first + rows[-1].number if rows else 0
                rows.append(FrameRow(offset, length, len(raw), first, number, 0, PLAIN))
            self._ids_start = offset + length
        self.count = rows[-1].first + rows[-1].number if rows else 0
        is_cut = data[self._ids_start : self._ids_start + 4] == ZSTD_MAGIC  # cut inside a frame, before the table
        known = 0 if is_cut else min(self.count, (len(data) - self._ids_start) // ID_SIZE)
        starts = range(self._ids_start, self._ids_start + known * ID_SIZE, ID_SIZE)
        self._ids = [data[at : at + ID_SIZE] for at in starts]
        self._ids += [None] * (self.count - known)
        self._find_kinds(rows)
        self._set_frames(b"".join(FRAME.pack(*row) for row in rows))

    def _frames_in(self, data: mmap.mmap) -> Iterator[tuple[int, int, bytes]]:
        """Yield the frames that match their checksums: offset, stored length, and unpacked bytes."""
        at = data.find(ZSTD_MAGIC, 16)
        while at >= 0:
            found = self._blobs.measure(data, at) or self._plain.measure(data, at)
            if found is not None:
                yield (at, *found)
            at = data.find(ZSTD_MAGIC, at + (4 if found is None else found[0]))

    def _find_kinds(self, rows: list[FrameRow]) -> None:
        """Find the kind and the form of each frame's objects, and missing ids. Commits and trees consist of ids, so this may take several rounds."""
        ids = self._ids or []
        waiting = list(range(len(rows)))
        before: tuple[int, int] | None = None
        while waiting and before != (len(waiting), ids.count(None)):
            before = len(waiting), ids.count(None)
            for number in waiting:
                row = rows[number]
                found = self._kind_and_form_of(row)
                if found is not None:
                    rows[number] = row._replace(kind=KINDS.index(found[0]) + 1, codec=found[1])
            waiting = [
                n for n in waiting if not rows[n].kind or None in ids[rows[n].first : rows[n].first + rows[n].number]
            ]

    def _kind_and_form_of(self, row: FrameRow) -> tuple[Kind, int] | None:
        """The kind of most of a frame's objects, and their form; their ids are added to the table if they were missing."""
        assert self._ids is not None
        data, ends = self._unpack_as(row)
        parts = dict(enumerate((data[start:end] for start, end in pairwise(ends)), row.first))
        proved = {(kind, form): self._prove(kind, form, parts) for kind, form in _WAYS}
        best = max(_WAYS, key=lambda way: len(proved[way]))
        for at, id in proved[best].items():
            self._ids[at] = id
        return best if proved[best] else None

    def _unpack_as(self, row: FrameRow) -> tuple[bytes, list[int]]:
        for codec in (self._blobs, self._plain):
            with suppress(ObjectCorruptError):
                return unpack_frame(self._file.read_at(row.stored, row.offset), codec, self.path, row)
        return b"", []

    def _prove(self, kind: Kind, form: int, parts: dict[int, bytes]) -> dict[int, ObjectId]:
        """The ids of those *parts*, by ordinal, that are objects of *kind* in this *form*: proved by the id in the table, or, if there is none, by their shape."""
        assert self._ids is not None
        table = self._ids
        proved: dict[int, ObjectId] = {}

        def id_at(ordinal: int) -> ObjectId:
            id = proved.get(ordinal) or table[ordinal]
            if id is None or ordinal < 0:
                raise ValueError(f"the id of object number {ordinal} is not known")
            return id

        before = -1
        while before < len(proved):  # an object may name one behind it
            before = len(proved)
            for ordinal in sorted(parts.keys() - proved.keys(), reverse=bool(before)):
                try:
                    part = parts[ordinal]
                    payload = part if form == PLAIN else unfold(part, ordinal, id_at)
                except (ValueError, IndexError, struct.error):
                    continue
                id = object_id(kind, payload)
                if table[ordinal] == id or (table[ordinal] is None and is_payload(kind, payload)):
                    proved[ordinal] = id
        return proved

    def _read_ids(self, block: int) -> bytes:
        if self._ids is not None:
            ids = self._ids[block * IDS_A_CHECK : (block + 1) * IDS_A_CHECK]
            return b"".join(id or bytes(ID_SIZE) for id in ids)
        if block in self._mended:
            return self._mended[block]
        return super()._read_ids(block)

    def id_at(self, ordinal: int) -> ObjectId:
        if 0 <= ordinal < len(self._known):
            return self._known[ordinal]
        if self._ids is not None and 0 <= ordinal < self.count:
            id = self._ids[ordinal]
            if id is None:
                raise ObjectCorruptError(self.path, f"the id of object number {ordinal} is missing")
            return id
        return super().id_at(ordinal)

    def _ids_at(self, ordinals: Sequence[int]) -> list[ObjectId]:
        known = self._known
        if ordinals and min(ordinals) >= 0 and max(ordinals) < len(known):
            return [known[ordinal] for ordinal in ordinals]
        return [self.id_at(ordinal) for ordinal in ordinals]

    # Objects

    def _unpack(self, row: FrameRow) -> tuple[bytes, list[int]]:
        """Unpack a frame; if it does not match its checksum, unpack it without: the ids tell which of its objects are whole."""
        try:
            return super()._unpack(row)
        except ObjectCorruptError:
            stored = self._read_frame(row)
            codec = self._blobs if self._kind(row) == "blob" else self._plain
            return unpack_frame(_without_checksum(stored), codec, self.path, row)

    def _try(self, ordinal: int) -> Object | None:
        try:
            return self.object_at(ordinal)
        except (ObjectCorruptError, struct.error, IndexError, ValueError):
            return None

    def _take_objects(self) -> None:
        if self._ids is None:
            for block in range(-(-self.count // IDS_A_CHECK)):
                self._check_ids(block)
        damaged: list[FrameRow] = []
        for number, row in enumerate(self._all_rows()):
            try:
                super()._unpack(row)
            except ObjectCorruptError as exc:
                self._error("frame-damaged", row.offset, exc.detail, "", f"frame {number}")
                damaged.append(row)
        self._mend_dictionary([row for row in damaged if row.kind == _BLOBS])
        with suppress(ObjectCorruptError):
            self._known = [self.id_at(ordinal) for ordinal in range(self.count)]
        for ordinal in range(self.count):
            self._take_object(ordinal)

    def _mend_dictionary(self, damaged: Sequence[FrameRow]) -> None:
        """If several frames of blobs are *damaged*, or all of them, search for one wrong bit of the dictionary: with it corrected, a frame matches its checksum.

        A wrong bit there damages a message in every frame, and only the frames tell what the dictionary was.
        """
        blobs = sum(row.kind == _BLOBS for row in self._all_rows()) if damaged else 0
        end = self._row(0).offset if blobs else _DICTIONARY  # frames follow it directly
        if end == _DICTIONARY or 1 == len(damaged) < blobs:
            return
        row = min(damaged, key=lambda row: row.raw)
        dictionary = self._file.read_at(end - _DICTIONARY, _DICTIONARY)
        mended = _mended_dictionary(dictionary, self._read_frame(row), row)
        if mended is not None:
            self._set_dictionary(mended)
            self.forget()

    def _take_object(self, ordinal: int) -> None:
        try:
            id = self.id_at(ordinal)
        except ObjectCorruptError:
            return
        obj = self._try(ordinal)
        if obj is not None and object_id(obj.kind, obj.payload) == id:
            self.found[id] = (obj.kind, ordinal)
            return
        self.unreadable[id] = b"" if obj is None else obj.payload
        self._error("object-damaged", None, "it cannot be read, or does not match its id", "", f"object {id.hex()}")

    def _check_ids(self, block: int) -> None:
        """Check a block of the table of ids; if it is damaged, compute it again from the objects.

        The result is kept only if it matches the block's checksum.
        """
        try:
            self._read_ids(block)
            return
        except ObjectCorruptError as exc:
            self._error("pack-damaged", exc.offset, exc.detail)
        first = block * IDS_A_CHECK
        number = min(IDS_A_CHECK, self.count - first)
        start = self._ids_start + first * ID_SIZE
        table = bytearray(self._file.read_at(number * ID_SIZE, start))
        self._mended[block] = bytes(table)
        for at in range(number):
            id = self._derive(first + at, block)
            if id is not None:
                table[at * ID_SIZE : (at + 1) * ID_SIZE] = id
        if zlib.crc32(table) == self._id_checks[block]:
            self._mended[block] = bytes(table)
        self.release()

    def _derive(self, ordinal: int, block: int) -> ObjectId | None:
        """The id of an object from its bytes, computed without trusting the ids of the same *block*; None if the bytes cannot be read."""
        waiting, opened = [ordinal], set[int]()
        while waiting:
            at = waiting[-1]
            if at not in self._derived:
                needed = [
                    other
                    for other in self._named_in(at)
                    if other // IDS_A_CHECK == block and other not in self._derived
                ]
                if needed and at not in opened:
                    opened.add(at)
                    waiting += needed
                    continue
                self._derived[at] = self._id_of(at)
            waiting.pop()
        return self._derived[ordinal]

    def _named_in(self, ordinal: int) -> list[int]:
        """The ordinals of the objects of this pack that an object names."""
        try:
            row, data, ends = self._frame_of(ordinal)
            at = ordinal - row.first
            return ordinals_in(data[ends[at] : ends[at + 1]], ordinal) if row.codec == FOLDED else []
        except (ObjectCorruptError, IndexError, ValueError):
            return []

    def _id_of(self, ordinal: int) -> ObjectId | None:
        try:
            row, data, ends = self._frame_of(ordinal)
            at = ordinal - row.first
            part = data[ends[at] : ends[at + 1]]
            kind = self._kind(row)
            if row.codec == PLAIN:
                return object_id(kind, part)
            return object_id(kind, unfold(part, ordinal, lambda other: self._derived.get(other) or self.id_at(other)))
        except (ObjectCorruptError, IndexError, ValueError):
            return None

    def load(self, ordinal: int) -> Object:
        """Return the object with this ordinal, one of those *found*."""
        try:
            return self.object_at(ordinal)
        except FileNotFoundError:
            raise BlobNotFoundError(self.id_at(ordinal).hex()) from None  # gc removed it meanwhile

    # The index

    def check_index(self, store: str, name: str) -> Problem | None:
        """The problem of the index beside this pack, or None: it must equal, byte for byte, the one that this pack makes."""
        try:
            data = files.read_file(os.path.join(store, name), index_size(self.count) + 1)
        except FileNotFoundError:
            detail = "the pack has no index, so it is not read"
            return Problem("index-missing", "warning", "index", path=name, offset=None, detail=detail)
        if self.is_damaged and is_whole(data):
            return None
        made = b"" if self.is_damaged else self.index()
        if data == made:
            return None
        differs = (at for at, (a, b) in enumerate(zip(data, made, strict=False)) if a != b)
        place = next(differs, min(len(data), len(made)))
        return Problem("index-damaged", "error", "index", path=name, offset=place, detail="it does not match its pack")

    def index(self) -> bytes:
        """The index that this pack should have."""
        return index_bytes([self.id_at(at) for at in range(self.count)], self._seal)


def _count_objects(raw: bytes) -> int:
    """The number of objects in an unpacked frame: as many lengths as add up to the rest; 0 if none do."""
    total = 0
    for number, (length,) in enumerate(struct.iter_unpack("<I", raw[: len(raw) // 4 * 4]), 1):
        total += length + 4
        if total == len(raw):
            return number
        if total > len(raw):
            break
    return 0


def _without_checksum(stored: bytes) -> bytes:
    """The frame in a form without a checksum."""
    return ZSTD_MAGIC + bytes([stored[4] & ~_CHECKSUM_FLAG]) + stored[5:-4]


@lru_cache(maxsize=4)  # a repair examines a store several times, and for a large dictionary this takes a minute
def _mended_dictionary(dictionary: bytes, stored: bytes, row: FrameRow) -> bytes | None:
    """The dictionary with the one bit changed that makes the frame *stored* match its checksum; None if there is no such bit."""
    changed = bytearray(dictionary)
    for bit in range(8 * len(changed)):
        changed[bit >> 3] ^= 1 << (bit & 7)
        with suppress(ObjectCorruptError):
            unpack_frame(stored, FrameCodec(dictionary=bytes(changed)), "", row)
            return bytes(changed)
        changed[bit >> 3] ^= 1 << (bit & 7)
    return None


def _find_dictionary(data: mmap.mmap) -> bytes:
    """The dictionary before a pack's first frame, found without the table that has its length."""
    at = data.find(ZSTD_MAGIC, 16, 16 + _LONGEST_DICTIONARY)
    while at >= 0:
        dictionary = data[16:at]
        if FrameCodec(dictionary=dictionary).measure(data, at) is not None:
            return dictionary
        at = data.find(ZSTD_MAGIC, at + 1, 16 + _LONGEST_DICTIONARY)
    return b""
