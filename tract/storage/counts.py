"""Token counts kept between processes: derived, and thrown away as soon as anything is wrong with them.

``cache/counts-…`` is ``"tract counts 1\\n"``, zero-filled to 16 bytes, then blocks:

| offset | size | what |
|---|---|---|
| 0 | 4 | number of rows |
| 4 | 4 | CRC-32 of the rows |
| 8 | 40 a row | blob id (32), tokens of the content's text (4), tokens of the message (4) |
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

from blake3 import blake3

from tract.objects.id import ObjectId
from tract.storage import files

MAGIC = b"tract counts 1\n".ljust(16, b"\0")
_BLOCK = struct.Struct("<II")
_ROW = struct.Struct("<32sII")


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
    except (FileNotFoundError, NotADirectoryError):
        return counts
    position = len(MAGIC)
    whole = data[:position] == MAGIC
    while whole and position < len(data):
        end = _take_block(data, position, counts)
        whole = end is not None
        position = end or position
    if not whole:
        files.unlink(path)
    return counts


def _take_block(data: bytes, position: int, counts: dict[ObjectId, BlobCount]) -> int | None:
    if position + _BLOCK.size > len(data):
        return None
    number, crc = _BLOCK.unpack_from(data, position)
    start = position + _BLOCK.size
    rows = data[start : start + number * _ROW.size]
    if len(rows) != number * _ROW.size or zlib.crc32(rows) != crc:
        return None
    counts.update([(id, BlobCount(text, message)) for id, text, message in _ROW.iter_unpack(rows)])
    return start + len(rows)


def add_counts(path: str, counts: Mapping[ObjectId, BlobCount]) -> None:
    """Put *counts* at the end of the file, in one write; they are not synced."""
    rows = b"".join([_ROW.pack(id, count.text, count.message) for id, count in counts.items()])
    block = _BLOCK.pack(len(counts), zlib.crc32(rows)) + rows
    fd = files.open_append(path)
    try:
        files.append(fd, block if files.size_of(fd) else MAGIC + block)
    finally:
        files.close(fd)
