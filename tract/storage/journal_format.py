"""The bytes of a journal, and of the mark beside it. They are read by the store, which stops at the first fault, and by fsck, which goes on behind it.

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
| 28 | … | records (see object_record.py), the operation last |

After the last transaction come zeros, written ahead so that a sync has no file size to update.

A transaction that is not whole has not happened.
If no whole transaction follows it, it is the torn end of a write that was never acknowledged, and the next writer clears it.
If a whole transaction follows it, it is a hole, and the transactions behind it are evidence of damage.
Reading fails if one of those was synced. If none was, a power cut under durability ``process`` may have left the hole: then reading uses what is before it and warns, and the next writer saves every byte from the hole on in a file of its own.
The nonce keeps a message that looks like a transaction from being taken for one.

Beside the journal, in ``locks/journal``, the last writer's mark says how far the journal went (little-endian):

| offset | size | what |
|---|---|---|
| 0 | 8 | nonce of the journal it is about |
| 8 | 4 | transactions that were written |
| 12 | 4 | transactions that were on the disk |
| 16 | 4 | CRC-32 of the bytes before |

The mark is written after the transaction and never synced, so it may be behind the journal.
A journal that is behind its mark has lost transactions that were acknowledged.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

from tract.errors import FormatVersionError, ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.storage import files

MAGIC = b"tract journal 1\n"
FILE_HEADER_SIZE = 64

TRANSACTION = struct.Struct("<8sIIHHII")
_BODY = struct.Struct("<IHHII")
TRANSACTION_SIZE = TRANSACTION.size
CRC_START = 12
_MARK = struct.Struct("<8sII")

SYNCED = 1
OPERATION = 2
KEYFRAME = 4
KNOWN_FLAGS = SYNCED | OPERATION | KEYFRAME

LONGEST = 256 * 1024 * 1024
"""The longest journal, in bytes; a longer file is not tract's. A journal is packed at 4 MiB, and one transaction adds little more."""

_ZEROS_AT_ONCE = 4096
_ZEROS = bytes(_ZEROS_AT_ONCE)

# A hostile file may look like a transaction every few bytes; checksums are computed over this many times its length, and no more.
_MOST_CHECKED = 32


def pack_header(nonce: bytes) -> bytes:
    """The header of a journal."""
    head = MAGIC + nonce
    head += struct.pack("<I", zlib.crc32(head))
    return head.ljust(FILE_HEADER_SIZE, b"\0")


def pack_transaction(nonce: bytes, records: Sequence[bytes], number: int, flags: int) -> bytes:
    """The bytes of a transaction."""
    body = b"".join((_BODY.pack(sum(map(len, records)), flags, 0, len(records), number), *records))
    return nonce + zlib.crc32(body).to_bytes(4, "little") + body


def read_header(path: str, head: bytes) -> bytes:
    """Return the nonce from the first bytes of the journal *path*; FormatVersionError or ObjectCorruptError if they are not a header."""
    if head[: len(MAGIC) - 2] == MAGIC[:-2] and head[:16] != MAGIC:
        found = head[len(MAGIC) - 2 : 16].split(b"\n")[0].decode("ascii", "replace")
        raise FormatVersionError(path, found, "1")
    if len(head) < FILE_HEADER_SIZE or head[:16] != MAGIC:
        raise ObjectCorruptError(path, "it does not begin as a journal does", 0)
    if int.from_bytes(head[24:28], "little") != zlib.crc32(head[:24]) or any(head[28:]):
        raise ObjectCorruptError(path, "its header does not match its checksum", 16)
    return head[16:24]


class Span(NamedTuple):
    """The bytes of a journal from *start* to *end*: a whole transaction with its *flags* and number of *records*, or a hole, whose *flags* are None."""

    start: int
    end: int
    number: int
    flags: int | None
    records: int


def read_spans(data: bytes, start: int, nonce: bytes, number: int) -> Iterator[Span]:
    """Yield the transactions of *data* from *start* on, where transaction *number* is expected, and the holes between and behind them; zeros at the end are no hole.

    ValueError if more looks like a transaction than can be checked.
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
    """Where the zeros at the end of *data* begin: most of a journal may be zeros, and ``rstrip`` is slow over a million of them."""
    stop = len(data)
    while stop > _ZEROS_AT_ONCE and data[stop - _ZEROS_AT_ONCE : stop] == _ZEROS:
        stop -= _ZEROS_AT_ONCE
    start = max(0, stop - _ZEROS_AT_ONCE)
    return start + len(data[start:stop].rstrip(b"\0"))


def whole_transaction(data: bytes, position: int, nonce: bytes) -> Span | None:
    """The whole transaction at *position*, or None if there is none."""
    if data[position : position + 8] != nonce or len(data) - position < TRANSACTION_SIZE:
        return None
    _, crc, length, flags, _, count, number = TRANSACTION.unpack_from(data, position)
    end = position + TRANSACTION_SIZE + length
    if end > len(data) or zlib.crc32(data[position + CRC_START : end]) != crc:
        return None
    return Span(position, end, number, flags, count)


def _claimed_length(data: bytes, position: int) -> int:
    """The number of bytes that the checksum at *position* was computed over."""
    length = int.from_bytes(data[position + 12 : position + 16], "little")
    return length if position + length <= len(data) else 0


class Mark(NamedTuple):
    """The number of transactions that the journal with *nonce* had when its last writer finished, and how many of them were on the disk."""

    nonce: bytes
    written: int
    durable: int


def pack_mark(nonce: bytes, written: int, durable: int) -> bytes:
    """The bytes of a mark."""
    body = _MARK.pack(nonce, written, durable)
    return body + zlib.crc32(body).to_bytes(4, "little")


def read_mark(path: str) -> Mark | None:
    """Return the mark in the file *path*; None if none was written, ValueError if it is damaged."""
    try:
        data = files.read_file(path, _MARK.size + 5)
    except FileNotFoundError:
        return None
    if not data:
        return None
    if len(data) != _MARK.size + 4 or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise ValueError("it does not match its checksum")
    return Mark(*_MARK.unpack(data[:-4]))
