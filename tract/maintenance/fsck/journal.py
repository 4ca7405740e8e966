"""A journal read as far as it goes: what is wrong with it, and every object in it that its id still proves.

Reading (journal.py) stops at the first byte that is wrong; here everything behind it is looked at too.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tract.errors import ObjectCorruptError
from tract.maintenance.fsck.problems import Problem
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Object
from tract.storage.journal import FILE_HEADER_SIZE, FIRST_STEP, MAGIC, SYNCED, TRANSACTION
from tract.storage.record import HEADER, HEADER_SIZE, LOOSE_LIMIT, unpack_record

_CRC_START = 12
_FLAGS = 7
# What a record can begin with: kind, codec, two zeros.
_RECORD_HEAD = re.compile(rb"[\x01-\x04][\x00\x01]\x00\x00", re.DOTALL)


class FoundRecord(NamedTuple):
    """An object of the journal that its id proves; *size* is that of its record, in bytes."""

    id: ObjectId
    kind: Kind
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class JournalScan:
    """What a journal holds.

    *operations* are all that are whole, in order; *end* is where reading stops, and *is_damaged* whether more than a torn end is wrong.
    """

    path: str
    data: bytes = field(repr=False)
    records: tuple[FoundRecord, ...]
    operations: tuple[ObjectId, ...]
    end: int
    problems: tuple[Problem, ...]
    is_damaged: bool

    @property
    def operations_before_end(self) -> tuple[ObjectId, ...]:
        """The operations that reading sees."""
        return tuple(record.id for record in self.records if record.kind == "operation" and record.offset < self.end)

    def load(self, offset: int) -> Object:
        """The object of the record at *offset*."""
        id = HEADER.unpack_from(self.data, offset)[5]
        found = _object_at(self.data, offset, len(self.data))
        if found is None:
            raise ObjectCorruptError(self.path, f"the record of object {id.hex()} is damaged", offset)
        return found[1]

    @property
    def torn(self) -> bytes:
        """The bytes behind *end*, without the zeros written ahead."""
        return self.data[self.end :].rstrip(b"\0")


def scan_journal(path: str, data: bytes) -> JournalScan:
    """Look at all of a journal's bytes."""
    return _Scanner(path, data).scan()


class _Scanner:
    def __init__(self, path: str, data: bytes) -> None:
        self._path = path
        self._data = data
        self._problems: list[Problem] = []
        self._records: list[FoundRecord] = []
        self._operations: list[ObjectId] = []
        self._damaged = False
        self._last_synced: int | None = None

    def scan(self) -> JournalScan:
        nonce = self._check_header()
        end = self._walk(nonce)
        if not self._operations:
            self._error("journal-empty", "journal", FILE_HEADER_SIZE, "no operation in it is whole", "what was in it")
        if len(self._data) % FIRST_STEP:
            detail = f"its length of {len(self._data)} bytes is no multiple of {FIRST_STEP}: the zeros at its end were cut off"
            self._problems.append(Problem("journal-length", "warning", "journal", self._path, len(self._data), detail))
        records, operations = tuple(self._records), tuple(self._operations)
        return JournalScan(self._path, self._data, records, operations, end, tuple(self._problems), self._damaged)

    def _error(self, kind: str, subject: str, offset: int, detail: str, lost: str = "") -> None:
        self._damaged = True
        self._problems.append(Problem(kind, "error", subject, self._path, offset, detail, lost))

    def _check_header(self) -> bytes:
        """The nonce of the file; where the header is damaged, that of the first transaction."""
        head = self._data[:FILE_HEADER_SIZE]
        if head[:16] != MAGIC:
            self._error("journal-header", "journal", 0, "it does not begin as a journal does")
        elif len(head) < FILE_HEADER_SIZE or head[24:28] != struct.pack("<I", zlib.crc32(head[:24])):
            self._error("journal-header", "journal", 16, "its header does not match its checksum")
        elif any(head[28:]):
            self._error("journal-header", "journal", 28, "its header has bytes where zeros belong")
        else:
            return head[16:24]
        first = self._data[FILE_HEADER_SIZE : FILE_HEADER_SIZE + 8]
        return first if self._whole(FILE_HEADER_SIZE, first) else head[16:24].ljust(8, b"\0")

    def _whole(self, position: int, nonce: bytes) -> int | None:
        """The length of the whole transaction at *position*, or None."""
        data = self._data
        if data[position : position + 8] != nonce or len(data) - position < TRANSACTION.size:
            return None
        _, crc, length, _, _, _, _ = TRANSACTION.unpack_from(data, position)
        end = position + TRANSACTION.size + int(length)
        if end > len(data) or zlib.crc32(memoryview(data)[position + _CRC_START : end]) != crc:
            return None
        return end - position

    def _next_whole(self, position: int, nonce: bytes) -> int | None:
        place = self._data.find(nonce, position)
        while place >= 0:
            if self._whole(place, nonce):
                return place
            place = self._data.find(nonce, place + 1)
        return None

    def _walk(self, nonce: bytes) -> int:
        """Go over the transactions; where reading would stop."""
        position, number, end = FILE_HEADER_SIZE, 0, None
        stop = len(self._data.rstrip(b"\0"))
        while position < stop:
            length = self._whole(position, nonce)
            if length is not None:
                self._take(position, length, number)
                position += length
                number += 1
                continue
            end = position if end is None else end
            following = self._next_whole(position + 1, nonce)
            self._take_damaged(position, following, min(following or stop, len(self._data)), number)
            if following is None:
                break
            number = TRANSACTION.unpack_from(self._data, following)[6]
            position = following
        return min(position, len(self._data)) if end is None else end

    def _take(self, position: int, length: int, number: int) -> None:
        _, _, _, flags, zero, count, found = TRANSACTION.unpack_from(self._data, position)
        subject = f"transaction {number}"
        if found != number:
            self._error("transaction-number", subject, position, f"it says that it is number {found}")
        if zero or flags & ~_FLAGS:
            self._error("transaction-flags", subject, position + 16, "it has flags nobody knows")
        at, end = position + TRANSACTION.size, position + length
        last: FoundRecord | None = None
        for _ in range(count):
            last = self._take_record(at, end)
            if last is None:
                self._error("record-damaged", subject, at, "a record of it does not match its id", "the object in it")
                return
            at += last.size
        if at != end:
            self._error("record-damaged", subject, at, "its records do not fill it")
        if bool(flags & 2) != (last is not None and last.kind == "operation"):
            self._error("transaction-flags", subject, position + 16, "its last record is not what its flags say")

    def _take_record(self, at: int, end: int) -> FoundRecord | None:
        found = _object_at(self._data, at, end)
        if found is None:
            return None
        id, obj, size = found
        record = FoundRecord(id, obj.kind, at, size)
        self._records.append(record)
        if obj.kind == "operation":
            self._operations.append(id)
        return record

    def _take_damaged(self, position: int, following: int | None, end: int, number: int) -> None:
        """Note what is not whole, and take what its ids still prove."""
        rest = [found for found in _proven_records(self._data, position, end) if self._take_record(found, end)]
        kept = f"{len(rest)} objects in it can still be read" if rest else "nothing in it can be read"
        subject = f"transaction {number}"
        if following is None:
            detail = f"the journal ends in a transaction that is not whole, of {end - position} bytes; {kept}"
            self._problems.append(Problem("torn-end", "warning", subject, self._path, position, detail))
        elif self._synced_from(following):
            detail = f"it is not whole, but a later one at offset {following} is; {kept}"
            self._error("transaction-damaged", subject, position, detail, "what of it cannot be read")
        else:
            detail = f"it is not whole, and no later one was synced; {kept}"
            lost = "commits made under durability 'process' before a power cut"
            self._problems.append(Problem("journal-hole", "warning", subject, self._path, position, detail, lost))

    def _synced_from(self, position: int) -> bool:
        """Whether a synced transaction is among the whole ones from *position* on."""
        if self._last_synced is None:  # looked for once: a hostile journal may have a hole every few bytes
            self._last_synced = self._find_last_synced(self._data[position : position + 8])
        return self._last_synced >= position

    def _find_last_synced(self, nonce: bytes) -> int:
        """Where the last whole transaction is that was synced, or -1."""
        place = self._data.rfind(nonce)
        while place >= 0:
            if self._whole(place, nonce) and TRANSACTION.unpack_from(self._data, place)[3] & SYNCED:
                return place
            place = self._data.rfind(nonce, 0, place + len(nonce) - 1)
        return -1


def _proven_records(data: bytes, start: int, end: int) -> Iterator[int]:
    """Where in *data* objects lie that match their ids."""
    at = start
    while True:
        match = _RECORD_HEAD.search(data, at, end)
        if match is None:
            return
        found = _object_at(data, match.start(), end)
        if found is None:
            at = match.start() + 1
        else:
            yield match.start()
            at = match.start() + found[2]


def _object_at(data: bytes, at: int, end: int) -> tuple[ObjectId, Object, int] | None:
    """Id, object and size of the record at *at*, or None when there is none that its id proves."""
    if at + HEADER_SIZE > end:
        return None
    header = data[at : at + HEADER_SIZE]
    _, codec, zero, stored, size, id = HEADER.unpack(header)
    if zero or at + HEADER_SIZE + stored > end or (codec == 0 and stored != size):
        return None
    try:
        body = data[at + HEADER_SIZE : at + HEADER_SIZE + stored]
        return id, unpack_record(id, header, body, "", at, LOOSE_LIMIT), HEADER_SIZE + stored
    except ObjectCorruptError:
        return None
