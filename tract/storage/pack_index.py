"""Indexes of packs: from an object's id to its place in the pack.

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract index 2\\n"``, zero-filled |
| count | 4 + 4 | number of objects, zero |
| pack seal | 32 | the seal of its pack |
| fanout | 256 x 4 | how many ids begin with a byte up to this one |
| rows | 8 an object | for each first byte: of its ids, in order of id, bytes 1 to 4 as numbers (4 each); then their ordinals (4 each) |
| row checks | 256 x 4 | CRC-32 of the rows of each first byte |
| seal | 32 | BLAKE3 of everything but the rows |

A reader needs only the rows of the first bytes that it asks for: opening a pack of millions of objects costs as much as opening a small one.
The index finds an object, and the pack's table of ids proves it.
"""

from __future__ import annotations

import mmap
import struct
import sys
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

from blake3 import blake3

from tract.annotations import TypeAlias
from tract.errors import FormatVersionError, ObjectCorruptError
from tract.objects.id import ID_SIZE, ObjectId
from tract.storage.shared_file import SharedFile

SEAL_SIZE = 32
_MAGIC = b"tract index 2\n".ljust(16, b"\0")
_FANOUT_START = 16 + 8 + SEAL_SIZE
_ROWS_START = _FANOUT_START + 256 * 4
_END = 256 * 4 + SEAL_SIZE

# An index up to this length, in bytes, is read at once, and its file closed.
_AT_ONCE = 256 * 1024

_SORTED_TOGETHER = 8192
"""The number of ids that are sorted at once when an index is written."""

_Rows: TypeAlias = tuple[Sequence[int], Sequence[int]]
"""The prefixes and the ordinals of the ids with one first byte."""


def index_size(count: int) -> int:
    """The bytes of the index of a pack with *count* objects."""
    return _ROWS_START + 8 * count + _END


def prefix_of(id: ObjectId) -> int:
    """The number by which an index sorts ids that share their first byte."""
    return int.from_bytes(id[1:5], "big")


class ObjectIndex:
    """The index at *path*, of a pack with *count* objects and this seal; rows are read when they are first needed."""

    def __init__(self, path: str, count: int, pack_seal: bytes) -> None:
        self.path = path
        self._file = SharedFile(path)
        self._begin = b""
        self._rows: dict[int, _Rows] = {}
        try:
            self._read_head(count, pack_seal)
        except BaseException:
            self._file.close()
            raise
        if self.size <= _AT_ONCE:
            self._file.close()

    def _read_head(self, count: int, pack_seal: bytes) -> None:
        path = self.path
        size = self.size = self._file.size()
        data = self._file.read_at(size if size <= _AT_ONCE else _ROWS_START, 0)
        if size < _ROWS_START + _END or len(data) < _ROWS_START:
            raise ObjectCorruptError(path, "it is shorter than any index", size)
        check_magic(path, data[:16], _MAGIC)
        if data[24:_FANOUT_START] != pack_seal:
            raise ObjectCorruptError(path, "it is the index of another pack", 24)
        if size != index_size(count):
            raise ObjectCorruptError(path, f"its length does not fit the {count} objects of its pack", size)
        self._begin = data
        head, end = data[:_ROWS_START], self._read(_END, size - _END)
        if seal_of(head, end[:-SEAL_SIZE]) != end[-SEAL_SIZE:]:
            raise ObjectCorruptError(path, "it does not match its checksum", size - SEAL_SIZE)
        if int.from_bytes(head[16:20], "little") != count:
            raise ObjectCorruptError(path, "it is the index of another pack", 16)
        self._ends = struct.unpack_from("<256I", head, _FANOUT_START)
        self._checks = struct.unpack_from("<256I", end)
        if self._ends[-1] != count or list(self._ends) != sorted(self._ends):
            raise ObjectCorruptError(path, f"its fanout does not fit its {count} objects", _FANOUT_START)

    def _read(self, size: int, offset: int) -> bytes:
        if offset + size <= len(self._begin):
            return self._begin[offset : offset + size]
        return self._file.read_at(size, offset)

    def rows(self, first: int) -> _Rows:
        """For the ids with the first byte *first*, in order of id: bytes 1 to 4 as numbers, and the ordinals."""
        found = self._rows.get(first)
        if found is None:
            start, end = self._ends[first - 1] if first else 0, self._ends[first]
            offset = _ROWS_START + 8 * start
            data = self._read(8 * (end - start), offset)
            if zlib.crc32(data) != self._checks[first] or len(data) != 8 * (end - start):
                raise ObjectCorruptError(self.path, "its rows do not match their checksum", offset)
            view = memoryview(data).cast("I")
            found = self._rows[first] = view[: end - start], view[end - start :]
        return found

    def ordinals(self, id: ObjectId) -> Sequence[int]:
        """The ordinals of the ids that share their first five bytes with *id*."""
        prefixes, ordinals = self._rows.get(id[0]) or self.rows(id[0])
        key = prefix_of(id)
        start = end = bisect_left(prefixes, key)
        while end < len(prefixes) and prefixes[end] == key:
            end += 1
        return ordinals[start:end]

    def ordinals_under(self, prefix: str) -> Sequence[int]:
        """The ordinals of the ids that begin with *prefix*, two or more hexadecimal digits; only the first ten are compared."""
        prefixes, ordinals = self.rows(int(prefix[:2], 16))
        least, most = (int(prefix[2:10].ljust(8, digit), 16) for digit in "0f")
        return ordinals[bisect_left(prefixes, least) : bisect_right(prefixes, most)]

    def release(self) -> None:
        """Free the rows that were read."""
        self._rows.clear()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def seal_of(head: bytes, checks: bytes) -> bytes:
    """The seal of an index with *head* before its rows and *checks* behind them."""
    return blake3(head[:_ROWS_START] + checks).digest()


def is_whole(data: bytes) -> bool:
    """True if *data* is an index that matches its own checks, whatever its pack."""
    if len(data) < _ROWS_START + _END or seal_of(data, data[-_END:-SEAL_SIZE]) != data[-SEAL_SIZE:]:
        return False
    ends = [_ROWS_START + 8 * end for end in struct.unpack_from("<256I", data, _FANOUT_START)]
    checks = struct.unpack_from("<256I", data, len(data) - _END)
    spans = pairwise((_ROWS_START, *ends))
    return ends[-1] == len(data) - _END and checks == tuple(zlib.crc32(data[start:end]) for start, end in spans)


def index_bytes(ids: Sequence[ObjectId], pack_seal: bytes) -> bytes:
    """The index of a pack with *ids*, in the pack's order."""
    return b"".join(index_pieces(b"".join(ids), 0, len(ids), pack_seal))


def index_pieces(table: bytes | mmap.mmap, start: int, count: int, pack_seal: bytes) -> Iterator[bytes]:
    """Yield the index of the *count* ids that are in *table* from *start* on, piece by piece."""
    firsts = table[start : start + count * ID_SIZE : ID_SIZE]
    number = Counter(firsts)
    ends = list(accumulate(number[byte] for byte in range(256)))
    order = array("I", bytes(4 * count))
    free = [0, *ends[:-1]]
    for at, first in enumerate(firsts):
        order[free[first]] = at
        free[first] += 1
    head = _MAGIC + struct.pack("<II", count, 0) + pack_seal + struct.pack("<256I", *ends)
    yield head
    checks: list[int] = []
    spans = list(pairwise((0, *ends)))
    # A few first bytes at a time: memory then holds only their ids, and sorting each byte's ids separately takes longer.
    while len(checks) < len(spans):
        together = _spans_together(spans[len(checks) :])
        first, last = together[0][0], together[-1][1]
        ids = {ordinal: table[(at := start + ordinal * ID_SIZE) : at + ID_SIZE] for ordinal in order[first:last]}
        ordinals = sorted(ids, key=ids.__getitem__)
        prefixes = _prefixes(map(ids.__getitem__, ordinals))
        places = struct.pack(f"<{len(ordinals)}I", *ordinals)
        parts = [slice(4 * (low - first), 4 * (high - first)) for low, high in together]
        rows = [prefixes[part] + places[part] for part in parts]
        checks += map(zlib.crc32, rows)
        yield b"".join(rows)
    end = struct.pack("<256I", *checks)
    yield end
    yield seal_of(head, end)


def _spans_together(spans: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """The first of *spans*, and the following ones that are sorted together with it."""
    most = spans[0][0] + _SORTED_TOGETHER
    number = next((at for at, (_, high) in enumerate(spans) if high > most), len(spans))
    return spans[: max(1, number)]


def _prefixes(ids: Iterable[ObjectId]) -> bytes:
    """The number by which an index sorts, for each id, packed."""
    numbers = array("I", b"".join([id[1:5] for id in ids]))
    if sys.byteorder == "little":
        numbers.byteswap()  # big-endian in the id, so that they sort as it does
    return struct.pack(f"<{len(numbers)}I", *numbers)


def check_magic(path: str, found: bytes, expected: bytes) -> None:
    """Raise FormatVersionError if a file that begins with *found* has another version than *expected*, ObjectCorruptError if it is another file."""
    version = expected.rstrip(b"\0\n").rfind(b" ") + 1
    if found[:16] == expected:
        return
    if found[:version] == expected[:version] and found[version : version + 1].isdigit():
        known = expected[version:].split(b"\n")[0].decode("ascii")
        raise FormatVersionError(path, found[version:].split(b"\n")[0].decode("ascii", "replace"), known)
    raise ObjectCorruptError(path, f"it does not begin with '{expected[:version].decode().strip()}'", 0)
