"""The journal: every commit is one append here; ``journal_format.py`` has its bytes."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from tract.errors import DurabilityError, ObjectCorruptError
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.journal_format import (
    CRC_START,
    FILE_HEADER_SIZE,
    KEYFRAME,
    LONGEST,
    OPERATION,
    SYNCED,
    TRANSACTION,
    TRANSACTION_SIZE,
    Mark,
    Span,
    pack_header,
    pack_mark,
    pack_transaction,
    read_header,
    read_spans,
)
from tract.storage.object_record import HEADER, HEADER_SIZE, LOOSE_LIMIT, pack_record, unpack_record

FIRST_STEP = 64 * 1024
_LAST_STEP = 1024 * 1024
MOST_ROOM = 128 * 1024

# One read fetches the header and, for most objects, the whole record.
_READ_AHEAD = 4096


def create_journal(path: str, objects: Sequence[NewObject], *, zeros: bool = True) -> None:
    """Write a new journal at *path* whose first transaction is *objects*; the last of them is a keyframe operation. Without *zeros*, for a full disk, no zeros are written ahead.

    The file is synced before it gets its name, so a reader sees the old journal or this one.
    """
    nonce = os.urandom(8)
    head = pack_header(nonce)
    first = pack_transaction(nonce, [pack_record(new) for new in objects], 0, SYNCED | OPERATION | KEYFRAME)
    size = -(-len(head + first) // FIRST_STEP) * FIRST_STEP
    files.write_file(path, (head + first).ljust(size if zeros else 0, b"\0"), sync=True)


class Journal:
    """An open journal file: an index of its objects, and where its last whole transaction ends."""

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
            # This handle knows that the file is on the disk up to here.
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
        """True if the file does not have a length that its writers make: it was cut, and what was in it may be gone without a trace."""
        return self._allocated % FIRST_STEP != 0

    @property
    def size(self) -> int:
        """The end of the last whole transaction, in bytes."""
        return self._end

    def is_replaced(self) -> bool:
        """True if another process sealed this journal and put a new one in its place."""
        return not files.is_named(self.path, self._identity)

    def packed_mark(self) -> bytes:
        """The mark that says how far this journal goes, as far as this handle knows."""
        return pack_mark(self._nonce, self._transactions, self._durable)

    def missing(self, mark: Mark) -> tuple[int, int]:
        """The number of transactions that *mark* counted and this journal lacks, and how many of them were on the disk."""
        if mark.nonce != self._nonce:
            return 0, 0  # the mark of another journal, which was whole when this one replaced it
        return max(0, mark.written - self._transactions), max(0, mark.durable - self._transactions)

    def scan(self) -> bool:
        """Read the transactions appended since the last look; return whether there were any."""
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
            # A reader without the lock may see a half-written transaction and the next one whole: a second look tells that from damage.
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
        """Read the whole transactions that *data* begins with; return where the first that is not whole begins.

        The checks are those of ``whole_transaction``, without a call and a value for each: every command that opens a store passes here thousands of times.
        """
        index, nonce, crc32 = self.index, self._nonce, zlib.crc32
        unpack_transaction, unpack = TRANSACTION.unpack_from, HEADER.unpack_from
        view, start, last = memoryview(data), 0, len(data) - TRANSACTION_SIZE
        id = b""
        while start <= last:
            found, crc, length, flags, _, count, number = unpack_transaction(data, start)
            position = start + TRANSACTION_SIZE
            end = position + length
            if found != nonce or number != self._transactions or end > len(data):
                break
            if crc32(view[start + CRC_START : end]) != crc:
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
        if flags & KEYFRAME:
            # a new list, so that a caller with the old one sees that the count starts again
            self.operations = [id]
        elif flags & OPERATION:
            self.operations.append(id)

    def clear_torn_end(self, evidence: str | None) -> None:
        """Clear the bytes after the last whole transaction. Only for the holder of the lock.

        They are saved first in the file *evidence*, as a journal that begins with the hole; None if no one was told that those writes succeeded.
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
        """Open the file for writing if that was refused when the journal was opened, and may be allowed by now."""
        if self._writable:
            return
        fd = files.open_write(self.path, create=False)
        if files.identity(fd) != self._identity:
            files.close(fd)
            raise DurabilityError(f"write to '{self.path}' failed: another file is in its place", visible=False)
        files.close(self._fd)
        self._fd, self._writable = fd, True

    def read(self, id: ObjectId) -> Object | None:
        """Return the object, or None if this journal does not have it."""
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
        """The kind of an object of this journal, from its header only."""
        offset = self.index[id]
        header = files.read_at(self._fd, HEADER_SIZE, offset)
        if header[-ID_SIZE:] != id or not 1 <= header[0] <= len(KINDS):
            raise ObjectCorruptError(self.path, f"the record of object {id.hex()} has a damaged header", offset)
        return KINDS[header[0] - 1]

    def objects(self) -> Iterator[NewObject]:
        """Yield all objects, after one read of the whole file."""
        data = files.read_at(self._fd, self._end, 0)
        for id, offset in self.index.items():
            start = offset + HEADER_SIZE
            header = data[offset:start]
            stored = data[start : start + _stored_length(header)]
            kind, payload = unpack_record(id, header, stored, self.path, offset, LOOSE_LIMIT)
            yield NewObject(id, kind, payload)

    def append(self, objects: Sequence[NewObject], *, sync: bool, keyframe: bool, is_first: bool = True) -> None:
        """Write *objects*, the last of them the operation, as one transaction. Only for the holder of the lock.

        Some room is left behind the objects, so that a full disk still lets refs move and gc run; little room if the journal *is_first* and no pack is beside it.
        There is one write, and with *sync* one sync; another sync comes before it if another process wrote last.
        DurabilityError says if the transaction can be seen: after a failed write it cannot, after a failed sync it can.
        """
        if not self._writable:
            self._open_to_append()
        if sync and self._synced < self._end:
            # A synced transaction says that everything before it is on the disk; behind a hole it would count as damage.
            self._sync(visible=False)
        flags = OPERATION | (SYNCED if sync else 0) | (KEYFRAME if keyframe else 0)
        records = [pack_record(new) for new in objects]
        data = pack_transaction(self._nonce, records, self._transactions, flags)
        start = self._end
        end = start + len(data)
        if end > LONGEST:
            raise DurabilityError(
                f"write to '{self.path}' failed: it would be longer than {LONGEST} bytes", visible=False
            )
        try:
            if end + MOST_ROOM > self._allocated or self._allocated % FIRST_STEP:
                room = min(MOST_ROOM, self._allocated // 8) if is_first else MOST_ROOM
                self._reserve(end, 0 if len(objects) == 1 else room)
            files.write_at(self._fd, data, start)
        except OSError as exc:
            self._erase(start, len(data))
            raise DurabilityError(f"write to '{self.path}' failed: {exc.strerror}", visible=False) from exc
        offset = start + TRANSACTION_SIZE
        for new, record in zip(objects, records, strict=True):
            self.index[new.id] = offset
            offset += len(record)
        self._take_operation(objects[-1].id, flags)
        self._transactions += 1
        self._end = end
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
            # At once as well, so that the next sync of another process does not leave a hole before its own bytes.
            with suppress(OSError):
                self._write_anew()
            raise
        self._sync_failed = False
        self._synced = self._end
        self._durable = self._transactions

    def _write_anew(self) -> None:
        """Write again what no sync brought to the disk: after a failed sync the kernel takes those pages for clean."""
        files.write_at(self._fd, files.read_at(self._fd, self._end - self._synced, self._synced), self._synced)

    def _reserve(self, end: int, room: int) -> None:
        """Write zeros ahead so that *room* bytes are left behind *end*. The steps grow with the file and end at a multiple of the first step, even if the file was cut.

        On a full disk less than a step is enough.
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
        """Write zeros ahead again, if there is room."""
        with suppress(OSError, DurabilityError):
            self._open_to_append()
            self._reserve(self._end, 0)

    def trim(self) -> None:
        """Cut off the zeros that were written ahead, to free their disk space. Only for the holder of the lock, and if nothing is torn."""
        self._open_to_append()
        files.truncate(self._fd, self._end)
        self._allocated = self._end

    def _erase(self, start: int, length: int) -> None:
        """Undo a write that failed half-way; bytes that cannot be erased stay as a torn end."""
        try:
            files.write_at(self._fd, bytes(min(length, max(0, files.size_of(self._fd) - start))), start)
        except OSError:
            self.torn = True

    def close(self) -> None:
        files.close(self._fd)


def _stored_length(header: bytes) -> int:
    return int.from_bytes(header[4:8], "little")
