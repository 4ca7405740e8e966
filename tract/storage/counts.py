"""Token counts kept between processes: derived, and thrown away as soon as anything is wrong with them.

``cache/counts-…`` is ``"tract counts 1\\n"``, zero-filled to 16 bytes, then blocks:

| offset | size | what |
|---|---|---|
| 0 | 4 | number of rows |
| 4 | 4 | CRC-32 of the rows |
| 8 | 40 a row | blob id (32), tokens of the content's text (4), tokens of the message (4) |
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from blake3 import blake3

from tract.errors import DurabilityError
from tract.objects.id import ObjectId
from tract.storage import files

MAGIC = b"tract counts 1\n".ljust(16, b"\0")
_BLOCK = struct.Struct("<II")
_ROW = struct.Struct("<32sII")
_ROWS_A_BLOCK = 256  # as many as are added at once at most: the newest bytes hold whole blocks
_NEWEST_BYTES = 32768
_STEP = 8  # every block begins at a multiple of it


class BlobCount(NamedTuple):
    """The tokens of a blob's content: its text alone, and as a message with its framing."""

    text: int
    message: int


def counts_path(cache: str, counter: str) -> str:
    """The file for the counts of the counter named *counter*."""
    plain = "".join(char if char.isalnum() and char.isascii() else "-" for char in counter)[:40]
    return os.path.join(cache, f"counts-{plain}-{blake3(counter.encode()).hexdigest()[:8]}")


def load_counts(path: str) -> dict[ObjectId, BlobCount]:
    """The counts in the file; a file with anything wrong in it is removed, and what was whole in it is used."""
    counts: dict[ObjectId, BlobCount] = {}
    try:
        data = files.read_file(path)
    except OSError:
        return counts  # there are none yet, or what cannot be read is counted again
    position = len(MAGIC)
    whole = data[:position] == MAGIC or not data
    while whole and position < len(data):
        end = _take_block(data, position, counts)
        whole = end is not None
        position = end or position
    if not whole:
        with contextlib.suppress(OSError):
            files.unlink(path)
    return counts


def newest_counts(path: str) -> dict[ObjectId, BlobCount] | None:
    """The counts at the end of the file, some hundreds however long it is; None where it is short, or anything is wrong with it, and ``load_counts`` is to read it.

    Blocks are found from the end backwards: there is one where the number of rows leads to the end, or to the block found before, and the checksum is right.
    """
    try:
        data = _newest_bytes(path)
    except OSError:
        return None
    counts: dict[ObjectId, BlobCount] = {}
    end: int | None = len(data)
    while end is not None:
        end = _take_block_before(data, end, counts)
    return counts or None


def find_count(path: str, blob: ObjectId) -> BlobCount | None:
    """One blob's count, in less time than ``load_counts`` takes: its row is searched for, and proved by its block's checksum; None where there is none."""
    try:
        with files.mapped(path) as data:
            return _find_row(data, blob)
    except (OSError, ValueError):  # there is none, or nothing in it
        return None


def _find_row(data: mmap.mmap, blob: ObjectId) -> BlobCount | None:
    row = data.find(blob, len(MAGIC))
    while row >= 0:
        for before in range(_ROWS_A_BLOCK):
            position = row - before * _ROW.size - _BLOCK.size
            if position < len(MAGIC):
                break
            if before < _BLOCK.unpack_from(data, position)[0] <= _ROWS_A_BLOCK and _rows_at(data, position) is not None:
                _, text, message = _ROW.unpack_from(data, row)
                return BlobCount(text, message)
        row = data.find(blob, row + 1)
    return None


def _take_block_before(data: bytes, end: int, counts: dict[ObjectId, BlobCount]) -> int | None:
    """Take in the block that ends at *end*; where it begins, None where there is none."""
    for number, position in enumerate(range(end - _BLOCK.size - _ROW.size, -1, -_ROW.size), 1):
        if _BLOCK.unpack_from(data, position)[0] == number and _take_block(data, position, counts):
            return position
    return None


def _newest_bytes(path: str) -> bytes:
    """The end of a long file of counts, from where a block may begin; nothing of another file."""
    fd = files.open_read(path)
    try:
        size = files.size_of(fd)
        if size <= 2 * _NEWEST_BYTES or size % _STEP or files.read_at(fd, len(MAGIC), 0) != MAGIC:
            return b""
        return files.read_at(fd, _NEWEST_BYTES, size - _NEWEST_BYTES)
    finally:
        files.close(fd)


def _take_block(data: bytes, position: int, counts: dict[ObjectId, BlobCount]) -> int | None:
    rows = _rows_at(data, position)
    if rows is None:
        return None
    counts.update([(id, BlobCount(text, message)) for id, text, message in _ROW.iter_unpack(rows)])
    return position + _BLOCK.size + len(rows)


def _rows_at(data: bytes | mmap.mmap, position: int) -> bytes | None:
    """The rows of the block at *position*, None where there is no whole one."""
    if position + _BLOCK.size > len(data):
        return None
    number, crc = _BLOCK.unpack_from(data, position)
    start = position + _BLOCK.size
    rows = data[start : start + number * _ROW.size]
    return rows if len(rows) == number * _ROW.size and zlib.crc32(rows) == crc else None


def add_counts(path: str, counts: Mapping[ObjectId, BlobCount]) -> None:
    """Put *counts* at the end of the file, in one write; they are not synced."""
    block = _block([_ROW.pack(id, count.text, count.message) for id, count in counts.items()])
    fd = files.open_append(path)
    try:
        files.append(fd, block if files.size_of(fd) else MAGIC + block)
    finally:
        files.close(fd)


def _block(rows: list[bytes]) -> bytes:
    data = b"".join(rows)
    return _BLOCK.pack(len(rows), zlib.crc32(data)) + data


def prune_all_counts(cache: str, is_kept: Callable[[ObjectId], bool]) -> None:
    """Take the blobs that are not kept out of every file of counts in the folder *cache*; what cannot be written stays as it is."""
    with contextlib.suppress(OSError, DurabilityError):
        for name in files.list_directory(cache):
            path = os.path.join(cache, name)
            if name.startswith("counts-") and os.stat(path).st_size:
                prune_counts(path, is_kept)


def prune_counts(path: str, is_kept: Callable[[ObjectId], bool]) -> int:
    """Take the blobs that are not kept out of the file; how many.

    The file is replaced as a whole. What another process adds meanwhile may be lost with the old one: it is counted again.
    """
    with files.mapped(path) as data:
        gone = sum(not is_kept(row[:32]) for row in _whole_rows(data))
        if gone:
            kept = (row for row in _whole_rows(data) if is_kept(row[:32]))
            with files.NewFile(os.path.dirname(path)) as file:
                file.write(MAGIC)
                while rows := list(islice(kept, _ROWS_A_BLOCK)):
                    file.write(_block(rows))
                file.publish(os.path.basename(path))
    return gone


def _whole_rows(data: mmap.mmap) -> Iterator[bytes]:
    position = len(MAGIC)
    while data[: len(MAGIC)] == MAGIC and (rows := _rows_at(data, position)) is not None:
        yield from (rows[at : at + _ROW.size] for at in range(0, len(rows), _ROW.size))
        position += _BLOCK.size + len(rows)
