"""Token counts and totals, kept between processes: derived data, computed again if anything is wrong with it.

``cache/counts-…`` is ``"tract counts 3\\n"``, zero-filled to 16 bytes, then blocks:

| offset | size | what |
|---|---|---|
| 0 | 4 | number of rows |
| 4 | 4 | CRC-32 of the rows |
| 8 | 44 a row | blob id (32), tokens of the content's text (4), tokens of the message (4), pictures and files in it (2), 1 if what is sent of it depends on neighbouring messages (2) |

A block has at most 256 rows.

``cache/totals`` is rows of 64 bytes:

| offset | size | what |
|---|---|---|
| 0 | 4 | CRC-32 of the rest of the row |
| 4 | 32 | key: BLAKE3 of what the totals depend on |
| 36 | 4 | messages |
| 40 | 4 | skipped |
| 44 | 4 | pinned |
| 48 | 8 | tokens |
| 56 | 4 | 1 if calls or results of tools are skipped, else 0 |
| 60 | 4 | pictures and files |
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice

from blake3 import blake3

from tract.errors import DurabilityError
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.storage import files

MAGIC = b"tract counts 3\n".ljust(16, b"\0")
_BLOCK = struct.Struct("<II")
_NUMBER = struct.Struct("<I")
_ROW = struct.Struct("<32sIIHH")
_ROWS_A_BLOCK = 256
_NEWEST = 512
MOST_MEDIA = 2**16 - 1
_MOST_SEARCHES = 32  # each search takes a hundredth of the time of reading the whole file


class BlobCount(NamedTuple):
    """The tokens of a blob's content: *text* for its text alone, *message* with the framing of a message; *media* counts its pictures and files, whose tokens are estimates.

    *depends* is true if what is sent of it depends on neighbouring messages: for a call, a result, a thought.
    """

    text: int
    message: int
    media: int = 0
    depends: bool = False


_count = lru_cache(4096)(BlobCount)
"""One shared value for all equal counts: nearly all counts of a long context equal others."""


def counts_path(cache: str, counter: str) -> str:
    """The path of the counts of the counter named *counter*."""
    plain = "".join(char if char.isalnum() and char.isascii() else "-" for char in counter)[:40]
    return os.path.join(cache, f"counts-{plain}-{blake3(counter.encode()).hexdigest()[:8]}")


class CountsReader:
    """Finds counts in a file and reads no more of it than needed: most callers ask for the newest counts, or for a few that are missing.

    Damage hides the counts before it: those blobs are counted again, and their counts appended. A file of another kind is removed, unless *read_only*.
    """

    def __init__(self, path: str, *, read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self.restart()

    def restart(self) -> None:
        """Start again at the end of the file."""
        self._end: int | None = None
        self._searches = 0

    def look_up(self, wanted: ObjectId) -> dict[ObjectId, BlobCount]:
        """Return counts from the file, among them that of *wanted* if the file has it: the first call returns the newest counts, the next ones single counts, and a later one all that are left."""
        if self._end == 0:
            return {}
        try:
            with files.mapped(self._path) as data:
                if data[: len(MAGIC)] != MAGIC:
                    if not self._read_only:
                        files.unlink(self._path)
                    raise ValueError("no file of counts")
                return self._look_up(data, wanted)
        except (OSError, ValueError):  # the file is missing or empty, or was of another kind
            self._end = 0
            return {}

    def _look_up(self, data: mmap.mmap, wanted: ObjectId) -> dict[ObjectId, BlobCount]:
        found: dict[ObjectId, BlobCount] = {}
        if self._end is None:
            self._end = len(data)
            self._read_back(data, found, _NEWEST)
        if wanted in found or self._end == 0:
            return found
        if self._searches < _MOST_SEARCHES:
            count = _find_row(data, wanted, self._end)
            self._searches += (
                1 if count is None else _MOST_SEARCHES // 2
            )  # older messages are being read: soon all counts are needed
            return found if count is None else {**found, wanted: count}
        self._read_back(data, found, len(data))
        return found

    def _read_back(self, data: mmap.mmap, found: dict[ObjectId, BlobCount], most: int) -> None:
        """Read earlier blocks until *found* has *most* counts."""
        while self._end and len(found) < most:
            self._end = _take_block_before(data, self._end, found)


def read_counts(data: bytes, report: Callable[[int, str], None]) -> dict[ObjectId, BlobCount]:
    """Return all counts in the bytes of a file, up to the first damaged block; *report* is called with the offset and the fault.

    An empty file is whole: the process that made it may have died before its first block.
    """
    counts: dict[ObjectId, BlobCount] = {}
    if data and data[: len(MAGIC)] != MAGIC:
        report(0, "it does not begin as a file of token counts does")
        return counts
    position = len(MAGIC)
    while position < len(data):
        rows = _rows_at(data, position)
        if rows is None:
            report(position, "a block of it does not match its checksum")
            break
        counts.update([(row[0], _count(*row[1:])) for row in _ROW.iter_unpack(rows)])
        position += _BLOCK.size + len(rows)
    return counts


def _find_row(data: mmap.mmap, blob: ObjectId, end: int) -> BlobCount | None:
    """Search for the blob's row before *end* and return its count, proved by the checksum of its block; None if there is none."""
    row = data.find(blob, len(MAGIC), end)
    while row >= 0:
        for before in range(_ROWS_A_BLOCK):
            position = row - before * _ROW.size - _BLOCK.size
            if position < len(MAGIC):
                break
            if before < _NUMBER.unpack_from(data, position)[0] <= _ROWS_A_BLOCK and _rows_at(data, position):
                return BlobCount(*_ROW.unpack_from(data, row)[1:])
        row = data.find(blob, row + 1, end)
    return None


def _take_block_before(data: mmap.mmap, end: int, counts: dict[ObjectId, BlobCount]) -> int:
    """Add the counts of the block that ends at *end*, found by its number of rows and proved by its checksum. Return where the block begins, or 0 if there is none."""
    first = max(len(MAGIC), end - _BLOCK.size - _ROWS_A_BLOCK * _ROW.size)
    for number, position in enumerate(range(end - _BLOCK.size - _ROW.size, first - 1, -_ROW.size), 1):
        if _NUMBER.unpack_from(data, position)[0] == number and (rows := _rows_at(data, position)) is not None:
            counts.update([(row[0], _count(*row[1:])) for row in _ROW.iter_unpack(rows)])
            return position
    return 0


def _rows_at(data: bytes | mmap.mmap, position: int) -> bytes | None:
    """The rows of the block at *position*; None if no whole block is there."""
    if position + _BLOCK.size > len(data):
        return None
    number, crc = _BLOCK.unpack_from(data, position)
    start = position + _BLOCK.size
    rows = data[start : start + number * _ROW.size]
    return rows if len(rows) == number * _ROW.size and zlib.crc32(rows) == crc else None


def add_counts(path: str, counts: Mapping[ObjectId, BlobCount]) -> None:
    """Append *counts* to the file in one write, without a sync."""
    rows = iter([_ROW.pack(id, *count) for id, count in counts.items()])
    blocks = b"".join(_blocks(rows))
    fd = files.open_append(path)
    try:
        files.append(fd, blocks if files.size_of(fd) else MAGIC + blocks)
    finally:
        files.close(fd)


def _blocks(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the rows in blocks."""
    while some := b"".join(islice(rows, _ROWS_A_BLOCK)):
        yield _BLOCK.pack(len(some) // _ROW.size, zlib.crc32(some)) + some


def prune_all_counts(cache: str, is_kept: Callable[[ObjectId], bool]) -> None:
    """Remove the counts of blobs that are not kept from every file of counts in the folder *cache*; a file that cannot be written stays as it is."""
    with contextlib.suppress(OSError, DurabilityError):
        for name in files.list_directory(cache):
            path = os.path.join(cache, name)
            if name.startswith("counts-") and os.stat(path).st_size:
                prune_counts(path, is_kept)


def prune_counts(path: str, is_kept: Callable[[ObjectId], bool]) -> int:
    """Remove the counts of blobs that are not kept from the file; return their number.

    The whole file is replaced. Counts that another process adds meanwhile may be lost; they are computed again.
    """
    with files.mapped(path) as data:
        gone = sum(not is_kept(row[:32]) for row in _whole_rows(data))
        if gone:
            kept = (row for row in _whole_rows(data) if is_kept(row[:32]))
            with files.NewFile(os.path.dirname(path)) as file:
                file.write(MAGIC)
                for block in _blocks(kept):
                    file.write(block)
                file.publish(os.path.basename(path))
    return gone


def _whole_rows(data: mmap.mmap) -> Iterator[bytes]:
    position = len(MAGIC)
    while data[: len(MAGIC)] == MAGIC and (rows := _rows_at(data, position)) is not None:
        yield from (rows[at : at + _ROW.size] for at in range(0, len(rows), _ROW.size))
        position += _BLOCK.size + len(rows)


# Totals of contexts

_TOTALS_ROW = struct.Struct("<32sIIIQII")
_TOTALS_CRC = struct.Struct("<I")
_TOTALS_SIZE = _TOTALS_CRC.size + _TOTALS_ROW.size
_MOST_TOTALS = 512


class Totals(NamedTuple):
    """The figures of a context, with every message counted."""

    messages: int
    skipped: int
    pinned: int
    tokens: int
    tools: bool
    media: int = 0


def load_totals(path: str) -> dict[bytes, Totals]:
    """Return the totals in the file. A file that is damaged or too long is removed; its rows before the damage are still used."""
    try:
        data = files.read_file(path)
    except OSError:
        return {}  # the file is missing, or cannot be read: totals are computed again
    found = read_totals(data)
    if len(found) * _TOTALS_SIZE != len(data) or len(found) > _MOST_TOTALS:
        with contextlib.suppress(OSError):
            files.unlink(path)
    return dict(found)


def read_totals(data: bytes) -> list[tuple[bytes, Totals]]:
    """The rows in *data*, up to the first damaged one."""
    found = []
    for at in range(0, len(data) - _TOTALS_SIZE + 1, _TOTALS_SIZE):
        row = data[at + _TOTALS_CRC.size : at + _TOTALS_SIZE]
        if zlib.crc32(row) != _TOTALS_CRC.unpack_from(data, at)[0]:
            break
        key, messages, skipped, pinned, tokens, tools, media = _TOTALS_ROW.unpack(row)
        found.append((key, Totals(messages, skipped, pinned, tokens, bool(tools), media)))
    return found


def damaged_at(data: bytes) -> int | None:
    """The offset of the first damaged row, or None if all are whole.

    An empty file is whole: the process that made it may have died before it wrote the first row.
    """
    whole = len(read_totals(data)) * _TOTALS_SIZE
    return None if whole == len(data) else whole


def add_totals(path: str, totals: Mapping[bytes, Totals]) -> None:
    """Append *totals* to the file in one write, without a sync."""
    rows = [_TOTALS_ROW.pack(key, *one) for key, one in totals.items()]
    fd = files.open_append(path)
    try:
        files.append(fd, b"".join(_TOTALS_CRC.pack(zlib.crc32(row)) + row for row in rows))
    finally:
        files.close(fd)
