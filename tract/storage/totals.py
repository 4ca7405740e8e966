"""Totals of whole contexts kept between processes: derived, and thrown away as soon as anything is wrong with them.

``cache/totals`` is rows of 64 bytes:

| offset | size | what |
|---|---|---|
| 0 | 4 | CRC-32 of the rest of the row |
| 4 | 32 | key: BLAKE3 of what the totals depend on |
| 36 | 4 | messages |
| 40 | 4 | skipped |
| 44 | 4 | pinned |
| 48 | 8 | tokens |
| 56 | 8 | 1 where calls or results of tools are skipped, else 0 |
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from tract.storage import files

_ROW = struct.Struct("<32sIIIQQ")
_CRC = struct.Struct("<I")
_SIZE = _CRC.size + _ROW.size
_MOST_ROWS = 512


class Totals(NamedTuple):
    """A context in figures, every message counted."""

    messages: int
    skipped: int
    pinned: int
    tokens: int
    tools: bool


def load_totals(path: str) -> dict[bytes, Totals]:
    """The totals in the file; one with anything wrong in it, or that grew too long, is removed, and what was whole in it is used."""
    try:
        data = files.read_file(path)
    except OSError:
        return {}  # there are none yet, or what cannot be read is worked out again
    found = read_totals(data)
    if damaged_at(data) is not None or len(found) > _MOST_ROWS:
        with suppress(OSError):
            files.unlink(path)
    return dict(found)


def read_totals(data: bytes) -> list[tuple[bytes, Totals]]:
    """The rows in *data*, up to the first that is not whole."""
    found = []
    for at in range(0, len(data) - _SIZE + 1, _SIZE):
        row = data[at + _CRC.size : at + _SIZE]
        if zlib.crc32(row) != _CRC.unpack_from(data, at)[0]:
            break
        key, messages, skipped, pinned, tokens, tools = _ROW.unpack(row)
        found.append((key, Totals(messages, skipped, pinned, tokens, bool(tools))))
    return found


def damaged_at(data: bytes) -> int | None:
    """Where the first row begins that is not whole, None where all are.

    An empty file is whole: who made it may have died before it wrote the first row.
    """
    whole = len(read_totals(data)) * _SIZE
    return None if whole == len(data) else whole


def add_totals(path: str, totals: Mapping[bytes, Totals]) -> None:
    """Put *totals* at the end of the file, in one write; they are not synced."""
    rows = [_ROW.pack(key, *one) for key, one in totals.items()]
    fd = files.open_append(path)
    try:
        files.append(fd, b"".join(_CRC.pack(zlib.crc32(row)) + row for row in rows))
    finally:
        files.close(fd)
