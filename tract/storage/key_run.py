"""A run of the index of keys: a file of rows in the order of their names, with a filter before them.

| offset | size | what |
|---|---|---|
| 0 | 16 | ``"tract keys 2\\n"``, zero-filled |
| 16 | 32 | the tip of the notes at which the run begins, zeros for none |
| 48 | 32 | the tip up to which the run goes |
| 80 | 8 | number of rows |
| 88 | 8 | number of pages of the filter |
| 96 | 4 | CRC-32 of the header up to here |
| 4096 | 4096 a page | the filter: a bit for each row's name, at its first 8 bytes modulo the number of bits; of each page 4092 bytes are bits, and 4 the CRC-32 of these |
| then | 4096 a block | rows in the order of their names, 73 a block: number of rows (2), CRC-32 of the rows (4), rows |

A row is 56 bytes: name (16), first (16), second (16), depth (4), merges (4).
In a key's row the name is the first 16 bytes of the key's BLAKE3, and *first* and *second* are the two halves of the id of the note's blob.
In a commit's row the name is the first 16 bytes of its id, and *first* and *second* are those of the two commits behind it, or zeros.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from itertools import takewhile

from tract.named_tuple import NamedTuple
from tract.storage import files

_MAGIC = b"tract keys 2\n".ljust(16, b"\0")
_HEADER = struct.Struct("<16s32s32sQQ")
_NUMBER = struct.Struct("<I")
_BLOCK_HEAD = struct.Struct("<HI")
ROW = struct.Struct(">16s16s16sII")
_PLACE = struct.Struct(f">Q{ROW.size - 8}x")
"""Unpacks the beginning of a row's name, as a number."""
BLOCK = 4096
_PAGE = BLOCK - _NUMBER.size
"""The bytes of bits in a page of a filter: for a million keys a filter has 4 MB, and a look-up of one key reads one page of it."""
_ROWS = (BLOCK - _BLOCK_HEAD.size) // ROW.size
NAME = 16
NONE = bytes(32)
HALF = bytes(NAME)
_BITS_A_ROW = 16


class DamagedRunError(Exception):
    """A block of a run is damaged."""


class KeyRun(NamedTuple):
    """A run of the index. Its *blocks* of rows follow the *pages* of its filter; *read* has the pages read so far. *kept* has all rows of a short run that this process wrote, by name."""

    path: str
    start: bytes
    end: bytes
    rows: int
    pages: int
    read: dict[int, bytes]
    kept: dict[bytes, list[bytes]] | None = None

    @property
    def blocks(self) -> int:
        return -(-self.rows // _ROWS)

    @property
    def offset(self) -> int:
        """The offset of the first row."""
        return BLOCK * (1 + self.pages)

    def check(self, fd: int) -> None:
        """Raise FileNotFoundError if the open file is another run, into which runs were merged: rows would not lie where this run has them."""
        head = _HEADER.pack(_MAGIC, self.start, self.end, self.rows, self.pages)
        if files.read_at(fd, len(head), 0) != head:
            raise FileNotFoundError(self.path)

    def may_have(self, place: int, *, is_expected: bool = False) -> bool:
        """True if there may be rows of a name that begins with *place*. With *is_expected*, no page of a long filter is read for this: reading the rows costs no more."""
        bit = place % (8 * _PAGE * self.pages)
        number, byte = divmod(bit >> 3, _PAGE)
        page = self.read.get(number)
        if page is None:
            if is_expected and self.pages > 1:
                return True
            page = self.read[number] = _page(self, number)
        return bool(page[byte] >> (bit & 7) & 1)


SAID = KeyRun._fields.index("read")
"""The fields before this one, and the path, come from the header of a run."""


def encoded_run(rows: list[bytes], start: bytes, end: bytes) -> bytearray:
    """Encode *rows*, which are sorted, as a run. Nothing is in memory twice, because a million keys take 100 MB."""
    pages = -(-len(rows) * _BITS_A_ROW // (8 * _PAGE))
    bits = 8 * _PAGE * pages
    filter = bytearray(_PAGE * pages)
    place = BLOCK * (1 + pages)
    data = bytearray(place + -(-len(rows) // _ROWS) * BLOCK)
    for at in range(0, len(rows), _ROWS):
        block = b"".join(rows[at : at + _ROWS])
        for (name,) in _PLACE.iter_unpack(block):
            bit = name % bits
            filter[bit >> 3] |= 1 << (bit & 7)
        whole = _BLOCK_HEAD.pack(len(block) // ROW.size, zlib.crc32(block)) + block
        data[place : place + len(whole)] = whole
        place += BLOCK
    for number in range(pages):
        page = filter[number * _PAGE : (number + 1) * _PAGE]
        data[BLOCK * (1 + number) : BLOCK * (2 + number)] = page + _NUMBER.pack(zlib.crc32(page))
    head = _HEADER.pack(_MAGIC, start, end, len(rows), pages)
    data[: len(head) + _NUMBER.size] = head + _NUMBER.pack(zlib.crc32(head))
    return data


def read_run(path: str) -> KeyRun | None:
    """Read the header of the run at *path*; None if there is no whole run."""
    try:
        fd = files.open_read(path)
    except OSError:
        return None
    try:
        data = files.read_at(fd, _HEADER.size + _NUMBER.size, 0)
        if (
            len(data) < _HEADER.size + _NUMBER.size
            or _NUMBER.pack(zlib.crc32(data[: _HEADER.size])) != data[_HEADER.size :]
        ):
            return None
        magic, start, end, rows, pages = _HEADER.unpack(data[: _HEADER.size])
        run = KeyRun(path, start, end, rows, pages, {})
        is_whole = magic == _MAGIC and pages > 0 and files.size_of(fd) == run.offset + BLOCK * run.blocks
        return run if is_whole else None
    finally:
        files.close(fd)


def _page(run: KeyRun, number: int) -> bytes:
    """The bits of one page of a run's filter; DamagedRunError if they do not match their checksum."""
    fd = files.open_read(run.path)
    try:
        run.check(fd)
        data = files.read_at(fd, BLOCK, BLOCK * (1 + number))
    finally:
        files.close(fd)
    if len(data) != BLOCK or _NUMBER.pack(zlib.crc32(data[:_PAGE])) != data[_PAGE:]:
        raise DamagedRunError(run.path)
    return data[:_PAGE]


def rows_in(fd: int, run: KeyRun, name: bytes, place: int) -> list[bytes]:
    """The rows of *name* in a run; *place* is the number that the name begins with. Names are hashes, so *place* tells about where a row lies, and the first row read tells it more exactly."""
    at = min(run.blocks - 1, place * run.blocks >> 64)
    rows = _block(fd, run, at)
    (middle,) = _PLACE.unpack_from(rows, len(rows) // ROW.size // 2 * ROW.size)
    nearer = at + ((place - middle) * run.blocks + (1 << 63) >> 64)
    if nearer != at:
        at = min(max(0, nearer), run.blocks - 1)
        rows = _block(fd, run, at)
    while at and rows[:NAME] >= name:
        at -= 1
        rows = _block(fd, run, at)
    found = _named(rows, name)
    while rows[-ROW.size :][:NAME] <= name and at + 1 < run.blocks:
        at += 1
        rows = _block(fd, run, at)
        found += _named(rows, name)
    return found


def _named(rows: bytes, name: bytes) -> list[bytes]:
    """The rows of *name* among *rows*, which are sorted and back to back."""
    size = ROW.size
    starts = range(0, len(rows), size)
    first = bisect_left(starts, name, key=lambda start: rows[start : start + NAME])
    return [rows[at : at + size] for at in takewhile(lambda at: rows[at : at + NAME] == name, starts[first:])]


def all_rows(run: KeyRun) -> Iterator[bytes]:
    fd = files.open_read(run.path)
    try:
        for at in range(run.blocks):
            rows = _block(fd, run, at)
            yield from [rows[start : start + ROW.size] for start in range(0, len(rows), ROW.size)]
    finally:
        files.close(fd)


def _block(fd: int, run: KeyRun, at: int) -> bytes:
    """The rows of one block, back to back; DamagedRunError if they do not match their checksum."""
    data = files.read_at(fd, BLOCK, run.offset + at * BLOCK)
    if len(data) == BLOCK:
        count, checksum = _BLOCK_HEAD.unpack_from(data)
        rows = data[_BLOCK_HEAD.size : _BLOCK_HEAD.size + count * ROW.size]
        if 0 < count <= _ROWS and zlib.crc32(rows) == checksum:
            return rows
    raise DamagedRunError(run.path)
