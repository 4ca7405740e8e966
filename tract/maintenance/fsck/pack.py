"""A pack read without its index and as far as it goes: what is wrong with it, and every object its id still proves."""

from __future__ import annotations

import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from blake3 import blake3

from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.problems import Problem
from tract.objects.codec import MAX_SIZE
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId, object_id
from tract.objects.model import Object
from tract.storage import files
from tract.storage.compression import FrameCodec
from tract.storage.folding import unfold
from tract.storage.pack import (
    CHECK_SIZE,
    FOLDED,
    FRAME,
    FRAME_SIZE,
    IDS_A_CHECK,
    PACK_END,
    PACK_MAGIC,
    SEAL_SIZE,
    TRAILER,
    FrameRow,
)
from tract.storage.pack_writer import index_bytes

_KEPT_FRAMES = 4
_MENDING_ROUNDS = 3


class PackScan:
    """What a pack holds.

    *is_damaged* says whether the pack itself is; the index beside it is another matter.
    """

    def __init__(self, store: str, name: str) -> None:
        self.path = name
        self.problems: list[Problem] = []
        self.objects: dict[ObjectId, tuple[Kind, int]] = {}
        self._data = files.read_file(os.path.join(store, name))
        self._ids: list[ObjectId] = []
        self._id_checks: list[int] = []
        self._bad_blocks: list[int] = []
        self._rows: list[FrameRow] = []
        self._dictionary = b""
        self._frames: OrderedDict[int, tuple[bytes, list[int]]] = OrderedDict()
        self._owner: list[int] = []
        if self._check_outside() and self._read_tables():
            self._take_objects()

    @property
    def is_damaged(self) -> bool:
        return any(problem.severity == "error" for problem in self.problems)

    def _error(self, kind: str, offset: int, detail: str, lost: str = "", subject: str = "pack") -> None:
        self.problems.append(Problem(kind, "error", subject, self.path, offset, detail, lost))

    def _check_outside(self) -> bool:
        data = self._data
        if len(data) < 16 + PACK_END:
            self._error("pack-damaged", len(data), "it is shorter than any pack", "every object in it")
            return False
        if data[:16] != PACK_MAGIC:
            self._error("pack-damaged", 0, "it does not begin as a pack does")
        if blake3(memoryview(data)[:-SEAL_SIZE]).digest() != data[-SEAL_SIZE:]:
            self._error("pack-damaged", len(data) - SEAL_SIZE, "it does not match its seal")
        return True

    def _read_tables(self) -> bool:
        """Take ids and frame table, whether or not they match their checksum: every object proves itself."""
        data = self._data
        place = len(data) - PACK_END
        trailer = _mended_trailer(data, place)
        if trailer is None:
            self._error("pack-damaged", place, "its trailer does not fit its length", "every object in it")
            return False
        if trailer != data[place : place + TRAILER.size]:
            self._error("pack-damaged", place, "its trailer has a wrong bit")
        frames, count, start, dictionary = TRAILER.unpack(trailer)
        end = start + count * ID_SIZE
        checks = -(-count // IDS_A_CHECK) * 4
        tail = data[end:place] + trailer
        if blake3(tail).digest()[:CHECK_SIZE] != data[place + TRAILER.size : place + TRAILER.size + CHECK_SIZE]:
            self._error("pack-damaged", end, "its tables do not match their checksum")
        self._ids = [data[at : at + ID_SIZE] for at in range(start, end, ID_SIZE)]
        self._id_checks = [check for (check,) in struct.iter_unpack("<I", tail[:checks])]
        self._bad_blocks = [block for block in range(len(self._id_checks)) if not self._ids_match(block)]
        for block in self._bad_blocks:
            at = start + block * ID_SIZE * IDS_A_CHECK
            self._error("pack-damaged", at, "its table of ids does not match its checksum")
        self._rows = [FrameRow(*row) for row in FRAME.iter_unpack(tail[checks : checks + frames * FRAME.size])]
        if sum(row.stored for row in self._rows) > len(data):
            self._error("pack-damaged", end + checks, "its frames overlap")
            self._rows = _apart(self._rows)
        self._dictionary = data[16 : 16 + dictionary]
        self._owner = [-1] * count
        for number, row in enumerate(self._rows):
            for ordinal in range(row.first, min(row.first + row.number, count)):
                self._owner[ordinal] = number
        return True

    def _ids_match(self, block: int) -> bool:
        ids = self._ids[block * IDS_A_CHECK : (block + 1) * IDS_A_CHECK]
        return zlib.crc32(b"".join(ids)) == self._id_checks[block]

    def _mend_ids(self, block: int) -> None:
        """Work a block of ids out anew from the objects themselves; kept only where the block then matches its checksum.

        Commits and trees are put together from ids, so one that was wrong may need another round.
        """
        places = range(block * IDS_A_CHECK, min((block + 1) * IDS_A_CHECK, len(self._ids)))
        before = list(self._ids)
        for _ in range(_MENDING_ROUNDS):
            for ordinal in places:
                try:
                    obj = self._object(ordinal)
                except ValueError:
                    continue
                self._ids[ordinal] = object_id(obj.kind, obj.payload)
            if self._ids_match(block):
                return
        self._ids = before

    def _take_objects(self) -> None:
        for block in self._bad_blocks:
            self._mend_ids(block)
        for number, row in enumerate(self._rows):
            try:
                self._frame(number)
            except ValueError as exc:
                self._error("frame-damaged", row.offset, str(exc), f"{row.number} objects", f"frame {number}")
        unreadable: list[ObjectId] = []
        for ordinal, id in enumerate(self._ids):
            try:
                obj = self._object(ordinal)
            except ValueError:
                unreadable.append(id)
                continue
            if object_id(obj.kind, obj.payload) == id:
                self.objects[id] = (obj.kind, ordinal)
            else:
                unreadable.append(id)
        for id in unreadable:
            self._error("object-damaged", 16, "it cannot be read, or does not match its id", "", f"object {id.hex()}")
        name = f"pack-{self._data[-SEAL_SIZE:].hex()[:40]}.pack"
        if not self.is_damaged and os.path.basename(self.path) != name:
            detail = f"it has another pack's name; its own is '{name}'"
            self.problems.append(Problem("pack-name", "warning", "pack", self.path, None, detail))

    def load(self, ordinal: int) -> Object:
        """The object with that ordinal, one of *objects*."""
        try:
            return self._object(ordinal)
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc)) from exc

    def _object(self, ordinal: int) -> Object:
        number = self._owner[ordinal]
        if number < 0:
            raise ValueError("no frame has it")
        row = self._rows[number]
        data, ends = self._frame(number)
        at = ordinal - row.first
        payload = data[ends[at] : ends[at + 1]]
        if row.codec == FOLDED:
            payload = unfold(payload, ordinal, self._id_at)
        return Object(KINDS[row.kind - 1], payload)

    def _id_at(self, ordinal: int) -> ObjectId:
        if not 0 <= ordinal < len(self._ids):
            raise ValueError(f"there is no object number {ordinal}")
        return self._ids[ordinal]

    def _frame(self, number: int) -> tuple[bytes, list[int]]:
        """The unpacked frame and where its objects end; ValueError when it is damaged."""
        found = self._frames.get(number)
        if found is not None:
            return found
        row = self._rows[number]
        if (
            not 1 <= row.kind <= len(KINDS)
            or row.codec > FOLDED
            or not 4 * row.number <= row.raw <= MAX_SIZE + FRAME_SIZE
        ):
            raise ValueError("its row in the frame table makes no sense")
        codec = FrameCodec(dictionary=self._dictionary if KINDS[row.kind - 1] == "blob" else b"")
        raw = codec.decompress(self._data[row.offset : row.offset + row.stored], row.raw)
        ends = [0, *accumulate(struct.unpack_from(f"<{row.number}I", raw))]
        if ends[-1] != len(raw) - 4 * row.number:
            raise ValueError("its objects do not fill it")
        found = self._frames[number] = (raw[4 * row.number :], ends)
        if len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        return found

    def check_index(self, store: str, name: str) -> Problem | None:
        """What is wrong with the index beside this pack: it must be, byte for byte, the one this pack makes."""
        try:
            data = files.read_file(os.path.join(store, name))
        except FileNotFoundError:
            detail = "the pack has no index, so nobody reads it"
            return Problem("index-missing", "warning", "index", name, None, detail)
        made = self.index()
        if data == made or (self.is_damaged and blake3(data[:-SEAL_SIZE]).digest() == data[-SEAL_SIZE:]):
            return None
        place = next(
            (at for at, (a, b) in enumerate(zip(data, made, strict=False)) if a != b), min(len(data), len(made))
        )
        return Problem("index-damaged", "error", "index", name, place, "it is not the index its pack has")

    def index(self) -> bytes:
        """The index this pack should have."""
        return index_bytes(self._ids, self._data[-SEAL_SIZE:])


def _apart(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """The frames that begin behind the one before: a thousand rows about one frame would have it unpacked a thousand times."""
    kept: list[FrameRow] = []
    end = 0
    for row in rows:
        if row.offset >= end:
            kept.append(row)
            end = row.offset + row.stored
    return kept


def _mended_trailer(data: bytes, place: int) -> bytes | None:
    """The trailer at *place*; where it does not fit, the one a single bit away that matches the tables' checksum."""
    found = data[place : place + TRAILER.size]
    if _fits(found, place):
        return found
    check = data[place + TRAILER.size : place + TRAILER.size + CHECK_SIZE]
    for candidate in _one_bit_away(found):
        if _fits(candidate, place):
            _, count, start, _ = TRAILER.unpack(candidate)
            tail = data[start + count * ID_SIZE : place] + candidate
            if blake3(tail).digest()[:CHECK_SIZE] == check:
                return candidate
    return None


def _fits(trailer: bytes, place: int) -> bool:
    frames, count, start, dictionary = TRAILER.unpack(trailer)
    checks = -(-count // IDS_A_CHECK) * 4
    length = start + count * ID_SIZE + checks + frames * FRAME.size
    return bool(length == place and 16 + dictionary <= start)


def _one_bit_away(data: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)
