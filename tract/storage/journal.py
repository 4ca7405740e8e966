"""The journal: where everything lands, one append a commit.

The file starts with a header:

| offset | size | what |
|---|---|---|
| 0 | 16 | ``"tract journal 1\\n"`` |
| 16 | 8 | nonce: random, begins every transaction of this file |
| 24 | 4 | CRC-32 of the bytes before |
| 28 | 36 | zero |

Then transactions, back to back:

| offset | size | what |
|---|---|---|
| 0 | 8 | the file's nonce |
| 8 | 4 | CRC-32 of everything after this field, to the transaction's end |
| 12 | 4 | length of the records, in bytes |
| 16 | 2 | flags: 1 synced before it was acknowledged, 2 ends in an operation, 4 that operation is a keyframe |
| 18 | 2 | zero |
| 20 | 4 | number of records |
| 24 | 4 | number of this transaction in the file, from 0 |
| 28 | … | records (see record.py), the operation last |

After the last transaction come zeros, written ahead so that a sync has no file size to update.

A transaction that is not whole has not happened.
Where nothing whole follows it, it is the torn end of a write that was never acknowledged, and the next writer clears it.
Where a whole transaction follows it, it is a hole, and what is behind it is evidence of damage:
reading fails where one of those was synced; where none was, a power cut under durability ``process`` may have left the hole, so reading goes on before it and says so, and the next writer keeps every byte from the hole on in a file of its own.
The nonce keeps a message that looks like a transaction from being taken for one.

Beside the journal, in ``locks/journal``, the last writer's mark says how far the journal went (little-endian):

| offset | size | what |
|---|---|---|
| 0 | 8 | nonce of the journal it is about |
| 8 | 4 | transactions that were written |
| 12 | 4 | transactions that were on the disk |
| 16 | 4 | CRC-32 of the bytes before |

It is written after the transaction and never synced, so it may be behind the journal.
A journal that is behind its mark has lost transactions that were acknowledged.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from tract.errors import DurabilityError, FormatVersionError, ObjectCorruptError
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.object_record import HEADER, HEADER_SIZE, LOOSE_LIMIT, pack_record, unpack_record

MAGIC = b"tract journal 1\n"
FILE_HEADER_SIZE = 64

TRANSACTION = struct.Struct("<8sIIHHII")
_BODY = struct.Struct("<IHHII")
_TRANSACTION_SIZE = TRANSACTION.size
_CRC_START = 12
_MARK = struct.Struct("<8sII")

SYNCED = 1
OPERATION = 2
_KEYFRAME = 4
KNOWN_FLAGS = SYNCED | OPERATION | _KEYFRAME

FIRST_STEP = 64 * 1024
_LAST_STEP = 1024 * 1024
MOST_ROOM = 128 * 1024

LONGEST = 256 * 1024 * 1024
"""A longer journal, in bytes, is not tract's: one is packed at 4 MiB, and one transaction brings little more."""

# One read brings the header and, for most objects, all of the record.
_READ_AHEAD = 4096

_ZEROS_AT_ONCE = 4096
_ZEROS = bytes(_ZEROS_AT_ONCE)

# A hostile file may look like transactions at every few bytes; so many times its length is read for checksums, and no more.
_MOST_CHECKED = 32


def create_journal(path: str, objects: Sequence[NewObject], *, zeros: bool = True) -> None:
    """Put a new journal at *path* whose first transaction is *objects*, the last of them a keyframe operation; on a full disk without *zeros* ahead.

    It is on the disk before it has its name, so a reader sees the old journal or this one.
    """
    nonce = os.urandom(8)
    head = MAGIC + nonce
    head += struct.pack("<I", zlib.crc32(head))
    head = head.ljust(FILE_HEADER_SIZE, b"\0")
    first = _pack_transaction(nonce, [pack_record(new) for new in objects], 0, SYNCED | OPERATION | _KEYFRAME)
    size = -(-len(head + first) // FIRST_STEP) * FIRST_STEP
    files.write_file(path, (head + first).ljust(size if zeros else 0, b"\0"), sync=True)


def _pack_transaction(nonce: bytes, records: Sequence[bytes], number: int, flags: int) -> bytes:
    body = b"".join((_BODY.pack(sum(map(len, records)), flags, 0, len(records), number), *records))
    return nonce + zlib.crc32(body).to_bytes(4, "little") + body


# Reading a journal's bytes, for those who stop at the first that is wrong and for fsck, which goes on behind it.


def read_header(path: str, head: bytes) -> bytes:
    """The nonce in the first bytes of the journal *path*."""
    if head[: len(MAGIC) - 2] == MAGIC[:-2] and head[:16] != MAGIC:
        found = head[len(MAGIC) - 2 : 16].split(b"\n")[0].decode("ascii", "replace")
        raise FormatVersionError(path, found, "1")
    if len(head) < FILE_HEADER_SIZE or head[:16] != MAGIC:
        raise ObjectCorruptError(path, "it does not begin as a journal does", 0)
    if int.from_bytes(head[24:28], "little") != zlib.crc32(head[:24]) or any(head[28:]):
        raise ObjectCorruptError(path, "its header does not match its checksum", 16)
    return head[16:24]


class Span(NamedTuple):
    """Bytes of a journal from *start* to *end*: a whole transaction with its *flags* and number of *records*, or a hole, whose *flags* are None."""

    start: int
    end: int
    number: int
    flags: int | None
    records: int


def read_spans(data: bytes, start: int, nonce: bytes, number: int) -> Iterator[Span]:
    """The transactions of *data* from *start* on, where number *number* is expected, and the holes between and behind them, but for zeros.

    ValueError where more looks like a transaction than can be tried.
    """
    position, stop = start, end_of_bytes(data)
    left = _MOST_CHECKED * len(data)
    while position < stop:
        span = whole_transaction(data, position, nonce)
        if span is None or span.number != number:
            hole = position
            while span is None:
                position = data.find(nonce, position + 1)
                if position < 0:
                    yield Span(hole, stop, number, None, 0)
                    return
                span = whole_transaction(data, position, nonce)
                left -= _claimed_length(data, position)
                if left < 0:
                    raise ValueError("more in it looks like a transaction than can be")
            yield Span(hole, span.start, number, None, 0)
        yield span
        position, number = span.end, span.number + 1


def end_of_bytes(data: bytes) -> int:
    """Where the zeros begin that *data* ends in: most of a journal may be zeros, and ``rstrip`` takes long to pass a million of them."""
    stop = len(data)
    while stop > _ZEROS_AT_ONCE and data[stop - _ZEROS_AT_ONCE : stop] == _ZEROS:
        stop -= _ZEROS_AT_ONCE
    start = max(0, stop - _ZEROS_AT_ONCE)
    return start + len(data[start:stop].rstrip(b"\0"))


def whole_transaction(data: bytes, position: int, nonce: bytes) -> Span | None:
    """The whole transaction at *position*, or None where there is none."""
    if data[position : position + 8] != nonce or len(data) - position < _TRANSACTION_SIZE:
        return None
    _, crc, length, flags, _, count, number = TRANSACTION.unpack_from(data, position)
    end = position + _TRANSACTION_SIZE + length
    if end > len(data) or zlib.crc32(data[position + _CRC_START : end]) != crc:
        return None
    return Span(position, end, number, flags, count)


def _claimed_length(data: bytes, position: int) -> int:
    """How many bytes a checksum at *position* was worked out of."""
    length = int.from_bytes(data[position + 12 : position + 16], "little")
    return length if position + length <= len(data) else 0


class Mark(NamedTuple):
    """How many transactions the journal with *nonce* had, and how many of them were on the disk, when its last writer was done."""

    nonce: bytes
    written: int
    durable: int


def pack_mark(nonce: bytes, written: int, durable: int) -> bytes:
    """The bytes of a mark."""
    body = _MARK.pack(nonce, written, durable)
    return body + zlib.crc32(body).to_bytes(4, "little")


def read_mark(path: str) -> Mark | None:
    """The mark in the file *path*; None where none was written, ValueError for one that is damaged."""
    try:
        data = files.read_file(path, _MARK.size + 5)
    except FileNotFoundError:
        return None
    if not data:
        return None
    if len(data) != _MARK.size + 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError("it does not match its checksum")
    return Mark(*_MARK.unpack(data[:-4]))


class Journal:
    """An open journal file: an index of its objects, and where it ends."""

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self.path = path
        self._fd = files.open_read(path) if read_only else files.open_write_or_read(path)
        self._writable = files.is_writable(self._fd)
        self._identity = files.identity(self._fd)
        try:
            self._head = files.read_at(self._fd, FILE_HEADER_SIZE, 0)
            self._nonce = read_header(path, self._head)
            self.index: dict[ObjectId, int] = {}
            self.operations: list[ObjectId] = []
            self._scanned = b""
            self._transactions = 0
            self._durable = 0
            self._end = FILE_HEADER_SIZE
            self._allocated = files.size_of(self._fd)
            # Up to here this handle knows the file to be on the disk.
            self._synced = FILE_HEADER_SIZE
            self._sync_failed = False
            self.torn = False
            self.behind = 0
            self.scan()
            if not self._transactions:
                raise ObjectCorruptError(path, "its first transaction is not whole", FILE_HEADER_SIZE)
        except BaseException:
            files.close(self._fd)
            raise

    @property
    def is_cut(self) -> bool:
        """Whether the file is not as long as its writers make it: then what was in it may be gone without a trace in it."""
        return self._allocated % FIRST_STEP != 0

    @property
    def size(self) -> int:
        """Where the last whole transaction ends, in bytes."""
        return self._end

    def is_replaced(self) -> bool:
        """Whether another process sealed this journal and put a new one in its place."""
        return not files.is_named(self.path, self._identity)

    def packed_mark(self) -> bytes:
        """How far this journal goes, as far as this handle knows."""
        return pack_mark(self._nonce, self._transactions, self._durable)

    def missing(self, mark: Mark) -> tuple[int, int]:
        """How many transactions that *mark* counted are not here, and how many of these were on the disk."""
        if mark.nonce != self._nonce:
            return 0, 0  # of another journal, which was whole when this one took its place
        return max(0, mark.written - self._transactions), max(0, mark.durable - self._transactions)

    def scan(self) -> bool:
        """Take in the transactions that were appended since; whether there were any."""
        if files.read_at(self._fd, 8, self._end) == bytes(8):
            return False
        before, end = self._transactions, self._end
        try:
            self._take_in()
            seen_again = self.behind == 0
        except ObjectCorruptError:
            if self._end == end:
                self._transactions = before
            seen_again = False
        if not seen_again:
            # A reader without the lock may get a transaction half-written and the next one whole: a second look tells that from damage.
            self._take_in()
        return self._transactions > before

    def _take_in(self) -> None:
        size = files.size_of(self._fd)
        if size < self._end:
            raise ObjectCorruptError(self.path, "it is shorter than it was", size)
        base = self._end
        data = files.read_rest(self._fd, base, LONGEST - base)
        hole: Span | None = None
        behind: list[Span] = []
        end = self._take_whole(data, base)
        try:
            for span in read_spans(data, end, self._nonce, self._transactions):
                if hole is not None:
                    behind += [span] if span.flags is not None else []
                else:
                    hole = span
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), base + end) from exc
        self._end = base + end
        self._allocated = max(self._allocated, size)
        if base == FILE_HEADER_SIZE:
            self._scanned = data[:end]
        self.torn = hole is not None
        self.behind = len(behind)
        for span in behind:
            if (span.flags or 0) & SYNCED or not self._transactions:
                detail = (
                    f"a transaction is not whole, but a later one at offset {base + span.start} is; nothing was changed"
                )
                raise ObjectCorruptError(self.path, detail, self._end)

    def _take_whole(self, data: bytes, base: int) -> int:
        """Take in the transactions that *data* begins with, up to the first that is not whole; where that is.

        The same tests as in ``whole_transaction``, without a call and a value for each: every command that opens a store goes through here thousands of times.
        """
        index, nonce, crc32 = self.index, self._nonce, zlib.crc32
        unpack_transaction, unpack = TRANSACTION.unpack_from, HEADER.unpack_from
        view, start, last = memoryview(data), 0, len(data) - _TRANSACTION_SIZE
        id = b""
        while start <= last:
            found, crc, length, flags, _, count, number = unpack_transaction(data, start)
            position = start + _TRANSACTION_SIZE
            end = position + length
            if found != nonce or number != self._transactions or end > len(data):
                break
            if crc32(view[start + _CRC_START : end]) != crc:
                break
            try:
                for _ in range(count):
                    _, _, _, stored, _, id = unpack(data, position)
                    index[id] = base + position
                    position += HEADER_SIZE + stored
            except struct.error as exc:
                detail = f"a transaction does not hold the {count} records it says"
                raise ObjectCorruptError(self.path, detail, base + start) from exc
            self._take_operation(id, flags)
            self._transactions += 1
            if flags & SYNCED:
                self._durable = self._transactions
            start = end
        return start

    def _take_operation(self, id: ObjectId, flags: int) -> None:
        if flags & _KEYFRAME:
            # A new list, so that whoever remembers the old one sees that the count starts again.
            self.operations = [id]
        elif flags & OPERATION:
            self.operations.append(id)

    def clear_torn_end(self, evidence: str | None) -> None:
        """Make room after the last whole transaction. Only for the holder of the lock.

        What is cleared is kept first, as a journal that begins with the hole, in the file *evidence*; None where nobody was told that it succeeded.
        """
        data = files.read_rest(self._fd, self._end, LONGEST)
        if evidence is not None:
            files.write_file(evidence, self._head + data.rstrip(b"\0"), sync=True)
        self._open_for_writing()
        files.write_at(self._fd, bytes(len(data)), self._end)
        files.sync_data(self._fd, f"'{self.path}'", visible=False)
        self.torn = False
        self.behind = 0

    def _open_for_writing(self) -> None:
        """Ask once more for what was refused when the journal was opened, and may be allowed by now."""
        if self._writable:
            return
        fd = files.open_write(self.path, create=False)
        if files.identity(fd) != self._identity:
            files.close(fd)
            raise DurabilityError(f"write to '{self.path}' failed: another file is in its place", visible=False)
        files.close(self._fd)
        self._fd, self._writable = fd, True

    def read(self, id: ObjectId) -> Object | None:
        """The object, or None when it is not in this journal."""
        offset = self.index.get(id)
        if offset is None:
            return None
        start = offset - FILE_HEADER_SIZE
        if start < len(self._scanned):
            header = self._scanned[start : start + HEADER_SIZE]
            stored = self._scanned[start + HEADER_SIZE : start + HEADER_SIZE + _stored_length(header)]
        else:
            data = files.read_at(self._fd, _READ_AHEAD, offset)
            header = data[:HEADER_SIZE]
            length = _stored_length(header)
            stored = data[HEADER_SIZE : HEADER_SIZE + length]
            if len(stored) < length <= self._end - offset:
                stored = files.read_at(self._fd, length, offset + HEADER_SIZE)
        return unpack_record(id, header, stored, self.path, offset, LOOSE_LIMIT)

    def kind(self, id: ObjectId) -> Kind:
        """The kind of an object of this journal, without reading the rest of it."""
        offset = self.index[id]
        header = files.read_at(self._fd, HEADER_SIZE, offset)
        if header[-ID_SIZE:] != id or not 1 <= header[0] <= len(KINDS):
            raise ObjectCorruptError(self.path, f"the record of object {id.hex()} has a damaged header", offset)
        return KINDS[header[0] - 1]

    def objects(self) -> Iterator[NewObject]:
        """Every object; the file is read at once, for who wants all of it."""
        data = files.read_at(self._fd, self._end, 0)
        for id, offset in self.index.items():
            start = offset + HEADER_SIZE
            header = data[offset:start]
            stored = data[start : start + _stored_length(header)]
            kind, payload = unpack_record(id, header, stored, self.path, offset, LOOSE_LIMIT)
            yield NewObject(id, kind, payload)

    def append(self, objects: Sequence[NewObject], *, sync: bool, keyframe: bool, is_first: bool = True) -> None:
        """Write *objects*, the last of them the operation, as one transaction. Only for the holder of the lock.

        Behind objects some room is left, which on a full disk is for moving refs, and for gc; little where the journal *is_first* and no pack is beside it.

        One write, and one sync where *sync* says so; another before it where somebody else wrote last.
        DurabilityError says whether the transaction can be seen: a failed write cannot, a failed sync can.
        """
        if not self._writable:
            self._open_to_append()
        if sync and self._synced < self._end:
            # A synced transaction says that all before it is on the disk: behind a hole it would be taken for damage.
            self._sync(visible=False)
        flags = OPERATION | (SYNCED if sync else 0) | (_KEYFRAME if keyframe else 0)
        records = [pack_record(new) for new in objects]
        data = _pack_transaction(self._nonce, records, self._transactions, flags)
        start = self._end
        if start + len(data) > LONGEST:
            raise DurabilityError(
                f"write to '{self.path}' failed: it would be longer than {LONGEST} bytes", visible=False
            )
        try:
            room = min(MOST_ROOM, self._allocated // 8) if is_first else MOST_ROOM
            self._reserve(start + len(data), 0 if len(objects) == 1 else room)
            files.write_at(self._fd, data, start)
        except OSError as exc:
            self._erase(start, len(data))
            raise DurabilityError(f"write to '{self.path}' failed: {exc.strerror}", visible=False) from exc
        offset = start + _TRANSACTION_SIZE
        for new, record in zip(objects, records, strict=True):
            self.index[new.id] = offset
            offset += len(record)
        self._take_operation(objects[-1].id, flags)
        self._transactions += 1
        self._end = offset
        if sync:
            self._sync(visible=True)

    def _open_to_append(self) -> None:
        try:
            self._open_for_writing()
        except OSError as exc:
            raise DurabilityError(f"write to '{self.path}' failed: {exc.strerror}", visible=False) from exc

    def _sync(self, *, visible: bool) -> None:
        if self._sync_failed:
            self._write_anew()
        self._sync_failed = True
        try:
            files.sync_data(self._fd, f"'{self.path}'", visible=visible)
        except DurabilityError:
            # At once as well, so that another process's next sync does not leave a hole before what it brings out.
            with suppress(OSError):
                self._write_anew()
            raise
        self._sync_failed = False
        self._synced = self._end
        self._durable = self._transactions

    def _write_anew(self) -> None:
        """Write what no sync brought out once more: after one that failed the kernel takes the pages for clean."""
        files.write_at(self._fd, files.read_at(self._fd, self._end - self._synced, self._synced), self._synced)

    def _reserve(self, end: int, room: int) -> None:
        """Write zeros ahead, so that *room* is left behind *end*; in steps that grow with the file and end at a multiple of the first, also where the file was cut.

        On a full disk less than a step will do.
        """
        while end + room > self._allocated or self._allocated % FIRST_STEP:
            step = min(max(self._allocated, FIRST_STEP), _LAST_STEP)
            step -= (self._allocated + step) % FIRST_STEP
            try:
                files.write_at(self._fd, bytes(step), self._allocated)
            except OSError as exc:
                self._allocated = max(self._allocated, files.size_of(self._fd))
                if not files.is_full(exc) or end + room > self._allocated:
                    raise
                if end + room <= self._allocated // FIRST_STEP * FIRST_STEP:
                    self._allocated -= self._allocated % FIRST_STEP
                    files.truncate(self._fd, self._allocated)
                return
            self._allocated += step

    def extend(self) -> None:
        """Write zeros ahead again, as far as there is room."""
        with suppress(OSError, DurabilityError):
            self._open_to_append()
            self._reserve(self._end, 0)

    def trim(self) -> None:
        """Give the zeros that were written ahead back to the disk. Only for the holder of the lock, when nothing is torn."""
        self._open_to_append()
        files.truncate(self._fd, self._end)
        self._allocated = self._end

    def _erase(self, start: int, length: int) -> None:
        """Take back a write that failed half-way; what cannot be erased stays a torn end."""
        try:
            files.write_at(self._fd, bytes(min(length, max(0, files.size_of(self._fd) - start))), start)
        except OSError:
            self.torn = True

    def close(self) -> None:
        files.close(self._fd)


def _stored_length(header: bytes) -> int:
    return int.from_bytes(header[4:8], "little")
