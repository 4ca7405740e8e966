"""Packs: sealed objects in zstd frames, with an index beside them.

A pack:

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract pack 1\\n"``, zero-filled |
| dictionary | … | a zstd dictionary for the frames of blobs, or nothing |
| frames | … | zstd frames, each with a checksum, of about 64 KiB unpacked |
| ids | 32 an object | in the order of the objects in the frames: an object's place in it is its ordinal |
| id checks | 4 for each 256 ids | CRC-32 of those ids |
| frame table | 32 a frame | offset (8), stored length (4), unpacked length (4), first ordinal (4), number of objects (4), kind (1), codec (1), zero (6) |
| trailer | 32 | number of frames (4), number of objects (4), offset of the ids (8), length of the dictionary (4), zero (12) |
| table check | 16 | the first 16 bytes of the BLAKE3 of id checks, frame table and trailer |
| seal | 32 | BLAKE3 of everything before |

All objects of a frame have one kind.
An unpacked frame is the objects' lengths (4 bytes each), then the objects back to back: with codec 0 payloads as they are, with codec 1 folded ones.

A folded payload has the ids in it replaced by how far back they are: commits and trees are mostly ids, ids do not shrink, and those of a history follow each other.

| part | bytes | what |
|---|---|---|
| number | 2 | of ids that were taken out |
| distances | 4 each, signed | the object's own ordinal minus the ordinal of the id |
| gaps | 2 each | bytes of the rest between one id and the next |
| rest | … | the payload without those ids |

An index (the same name, ending in ``.idx``):

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract index 1\\n"``, zero-filled |
| count | 4 + 4 | number of objects, zero |
| pack seal | 32 | the seal of its pack |
| fanout | 256 x 4 | how many ids begin with a byte up to this one |
| prefixes | 4 an object | bytes 1 to 4 of each id, in order of id, as a number |
| ordinals | 4 an object | where in the pack, in the same order |
| seal | 32 | BLAKE3 of everything before |

The index finds, the pack's table of ids proves.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain, islice, pairwise
from typing import NamedTuple

from blake3 import blake3

from tract.errors import FormatVersionError, ObjectCorruptError
from tract.objects.codec import MAX_SIZE
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.compression import FrameCodec

PACK_MAGIC = b"tract pack 1\n".ljust(16, b"\0")
INDEX_MAGIC = b"tract index 1\n".ljust(16, b"\0")
FRAME_SIZE = 64 * 1024

FRAME = struct.Struct("<QIIIIBB6x")
TRAILER = struct.Struct("<IIQI12x")
_NUMBER = struct.Struct("<H")
CHECK_SIZE = 16
SEAL_SIZE = 32
PACK_END = TRAILER.size + CHECK_SIZE + SEAL_SIZE
_FANOUT_START = 16 + 8 + SEAL_SIZE
_PREFIX_START = _FANOUT_START + 256 * 4
IDS_A_CHECK = 256
_KEPT_FRAMES = 32
_KEPT_BLOCKS = 512  # of 8 KiB
_KEPT_HINTS = 65536
# How many folded objects are read together.
_MOST_FOLDED = 512
# With fewer ids than this in an object, looking for rows of them costs more than it saves.
_LEAST_IDS = 8

PLAIN = 0
FOLDED = 1

# An id in msgpack: a byte string of 32.
ID_HEAD = b"\xc4\x20"


class FrameRow(NamedTuple):
    """A row of the frame table."""

    offset: int
    stored: int
    raw: int
    first: int
    number: int
    kind: int
    codec: int


def unfold(folded: bytes, ordinal: int, id_at: Callable[[int], ObjectId]) -> bytes:
    """The payload that was folded; ValueError or IndexError where it cannot have been."""
    return put_back(folded, [id_at(found) for found in ordinals_in(folded, ordinal)])


def ordinals_in(folded: bytes, ordinal: int) -> list[int]:
    """The ordinals of the ids that were taken out of the object *ordinal*; ValueError where none can have been."""
    try:
        (number,) = _NUMBER.unpack_from(folded)
        distances = struct.unpack_from(f"<{number}i", folded, 2)
    except struct.error as exc:
        raise ValueError(f"a folded object is cut off: {exc}") from exc
    if len(folded) < 2 + 6 * number:
        raise ValueError("a folded object is cut off in its gaps")
    return [ordinal - distance for distance in distances]


def put_back(folded: bytes, ids: Sequence[ObjectId]) -> bytes:
    """The payload that was folded, with the ids that were taken out of it."""
    number = len(ids)
    start, at = 2 + 4 * number, 2 + 6 * number
    if number and not any(folded[start + 2 : at]):  # one id behind the other, as in a chunk of a context
        end = at + int.from_bytes(folded[start : start + 2], "little")
        return ID_HEAD.join([folded[at:end], *ids]) + folded[end:]
    parts: list[bytes] = []
    for id, gap in zip(ids, struct.unpack_from(f"<{number}H", folded, start), strict=True):
        parts += (folded[at : at + gap], ID_HEAD, id)
        at += gap
    return b"".join(parts) + folded[at:]


def prefix_of(id: ObjectId) -> int:
    """What the index sorts by after the first byte."""
    return int.from_bytes(id[1:5], "big")


class _Frame(NamedTuple):
    """An unpacked frame: its objects are ``data[ends[n]:ends[n + 1]]``."""

    row: FrameRow
    data: bytes
    ends: list[int]


class Pack:
    """An open pack, read through its index."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.index_path = path.removesuffix(".pack") + ".idx"
        self._fd = files.open_read(path)
        try:
            self._read_tables()
            self._open_index()
        except BaseException:
            files.close(self._fd)
            raise
        self._blocks: dict[int, bytes] = {}
        self._frames: OrderedDict[int, _Frame] = OrderedDict()
        # Where ids that were just unfolded are: what a tree names is read next.
        self._hints: dict[ObjectId, int] = {}

    @property
    def size(self) -> int:
        """Bytes on disk, of pack and index."""
        return self._size + len(self._index)

    def _read_tables(self) -> None:
        size = self._size = files.size_of(self._fd)
        _check_magic(self.path, files.read_at(self._fd, 16, 0), PACK_MAGIC)
        if size < 16 + PACK_END:
            raise ObjectCorruptError(self.path, "it is shorter than any pack", size)
        end = files.read_at(self._fd, PACK_END, size - PACK_END)
        frames, self.count, self._ids_start, dictionary = TRAILER.unpack_from(end)
        checks = -(-self.count // IDS_A_CHECK) * 4
        start = self._ids_start + self.count * ID_SIZE
        if start + checks + frames * FRAME.size + PACK_END != size or 16 + dictionary > size:
            raise ObjectCorruptError(self.path, "its trailer does not fit its length", size - PACK_END)
        tail = files.read_at(self._fd, checks + frames * FRAME.size, start) + end[: TRAILER.size]
        if blake3(tail).digest()[:CHECK_SIZE] != end[TRAILER.size : TRAILER.size + CHECK_SIZE]:
            raise ObjectCorruptError(self.path, "its tables do not match their checksum", start)
        self._id_checks = memoryview(tail)[:checks].cast("I")
        self._rows = [FrameRow(*row) for row in FRAME.iter_unpack(tail[checks : -TRAILER.size])]
        if sum(row.stored for row in self._rows) > size:
            # A thousand rows about one frame would have it unpacked a thousand times.
            raise ObjectCorruptError(self.path, "its frames overlap", start + checks)
        self._firsts = [row.first for row in self._rows]
        self._plain = FrameCodec()
        self._blobs = FrameCodec(dictionary=files.read_at(self._fd, dictionary, 16)) if dictionary else self._plain
        self._seal = end[-SEAL_SIZE:]

    def _open_index(self) -> None:
        path = self.index_path
        data = files.read_file(path)
        size = len(data)
        if size < _PREFIX_START + SEAL_SIZE:
            raise ObjectCorruptError(path, "it is shorter than any index", size)
        _check_magic(path, data[:16], INDEX_MAGIC)
        count = int.from_bytes(data[16:20], "little")
        if size != _PREFIX_START + 8 * count + SEAL_SIZE:
            raise ObjectCorruptError(path, f"its length does not fit its {count} objects", 16)
        view = memoryview(data)
        if blake3(view[:-SEAL_SIZE]).digest() != data[-SEAL_SIZE:]:
            raise ObjectCorruptError(path, "it does not match its checksum", size - SEAL_SIZE)
        if data[24:56] != self._seal or count != self.count:
            raise ObjectCorruptError(path, "it is the index of another pack", 24)
        self._index = data
        end = _PREFIX_START + 4 * count
        self._fanout = view[_FANOUT_START:_PREFIX_START].cast("I")
        self._prefixes = view[_PREFIX_START:end].cast("I")
        self._ordinals = view[end : end + 4 * count].cast("I")
        fanout = self._fanout.tolist()
        if fanout[-1] != count or fanout != sorted(fanout):
            raise ObjectCorruptError(path, f"its fanout does not fit its {count} objects", _FANOUT_START)

    def read(self, id: ObjectId) -> Object | None:
        """The object, or None when it is not in this pack."""
        ordinal = self._find(id)
        return None if ordinal is None else self.object_at(ordinal)

    def payloads(self, ids: Sequence[ObjectId], at: int, kind: Kind) -> list[bytes]:
        """The payloads of ``ids[at]`` and of those after it, as far as it pays to read them together.

        None where the first is not in this pack; ObjectCorruptError where it is of another kind.
        """
        ordinal = self._find(ids[at])
        if ordinal is None:
            return []
        row, data, ends = self._frame_of(ordinal)
        if self._kind(row) != kind:
            raise ObjectCorruptError(f"object {ids[at].hex()}", f"expected a {kind}, found a {self._kind(row)}")
        if row.codec == FOLDED:
            return self._folded_payloads(ids[at : at + _MOST_FOLDED], kind)
        number = self._count_run(ids, at, ordinal, min(row.first + row.number - ordinal, len(ids) - at))
        first = ordinal - row.first
        return [data[start:end] for start, end in pairwise(ends[first : first + number + 1])]

    def _folded_payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        """The payloads of those of *ids*, from the first on, that are folded in this pack; their ids are looked up together."""
        parts: list[bytes] = []
        ordinals: list[list[int]] = []
        for id in ids:
            ordinal = self._find(id)
            if ordinal is None:
                break
            row, data, ends = self._frame_of(ordinal)
            if row.codec != FOLDED or self._kind(row) != kind:
                break
            at = ordinal - row.first
            part = data[ends[at] : ends[at + 1]]
            try:
                ordinals.append(ordinals_in(part, ordinal))
            except ValueError as exc:
                raise ObjectCorruptError(self.path, str(exc), row.offset) from exc
            parts.append(part)
        named = iter(self._ids_of_entries(list(chain.from_iterable(ordinals))) or ())
        together = [list(islice(named, len(own))) for own in ordinals]
        return [
            put_back(part, found or self._ids_of_entries(own) or self._ids_at(own))
            for part, own, found in zip(parts, ordinals, together, strict=True)
        ]

    def _count_run(self, ids: Sequence[ObjectId], at: int, ordinal: int, most: int) -> int:
        """How many of *ids* from ``ids[at]`` on, *most* at most, are the ids from *ordinal* on."""
        table = self._ids_from(ordinal, min(most, 2))
        if table == b"".join(ids[at : at + min(most, 2)]):
            table = self._ids_from(ordinal, most)
            if table == b"".join(ids[at : at + most]):
                return most
        number = 1
        while number < most and table[number * ID_SIZE : (number + 1) * ID_SIZE] == ids[at + number]:
            number += 1
        return number

    def contains(self, id: ObjectId) -> bool:
        """Whether the object is in this pack; an id that is not costs a search of the index and no more."""
        return self._find(id) is not None

    def _find(self, id: ObjectId) -> int | None:
        ordinal = self._hints.get(id)
        if ordinal is not None:
            return ordinal
        first = id[0]
        low = self._fanout[first - 1] if first else 0
        high = self._fanout[first]
        key = prefix_of(id)
        at = bisect_left(self._prefixes, key, low, high)
        while at < high and self._prefixes[at] == key:
            ordinal = self._ordinals[at]
            if self.id_at(ordinal) == id:
                return ordinal
            at += 1
        return None

    def id_at(self, ordinal: int) -> ObjectId:
        """The id of the object with that ordinal."""
        if not 0 <= ordinal < self.count:
            raise ObjectCorruptError(self.path, f"it has no object number {ordinal}")
        number, at = divmod(ordinal, IDS_A_CHECK)
        block = self._blocks.get(number) or self._read_ids(number)
        return block[at * ID_SIZE : (at + 1) * ID_SIZE]

    def _ids_of_entries(self, ordinals: Sequence[int]) -> list[ObjectId] | None:
        """The ids with those ordinals, where they are those of entries: every other one a commit, between them blobs.

        A context's commits mostly follow each other in a pack, and so do its blobs; None where they do not.
        """
        if len(ordinals) < _LEAST_IDS or len(ordinals) % 2:
            return None
        commits, blobs = self._ids_in_row(ordinals[::2]), self._ids_in_row(ordinals[1::2])
        if commits is None or blobs is None:
            return None
        ids = [b""] * len(ordinals)
        ids[::2], ids[1::2] = commits, blobs
        return ids

    def _ids_in_row(self, ordinals: Sequence[int]) -> tuple[ObjectId, ...] | None:
        """The ids with those ordinals, where each is one more than that before it."""
        first, number = ordinals[0], len(ordinals)
        if ordinals != list(range(first, first + number)) or first < 0 or first + number > self.count:
            return None
        return struct.unpack(f"{ID_SIZE}s" * number, self._ids_from(first, number))

    def _ids_from(self, first: int, number: int) -> bytes:
        """The ids from ordinal *first* on, *number* of them, back to back."""
        block, at = divmod(first, IDS_A_CHECK)
        blocks = range(block, (first + number - 1) // IDS_A_CHECK + 1)
        found = b"".join([self._blocks.get(block) or self._read_ids(block) for block in blocks])
        return found[at * ID_SIZE : (at + number) * ID_SIZE]

    def _read_ids(self, block: int) -> bytes:
        """The ids that one check is about; those read last are kept.

        Read, not mapped: who touches a map of a file that was cut since is killed (docs/decisions/0017).
        """
        start = self._ids_start + block * IDS_A_CHECK * ID_SIZE
        number = min(IDS_A_CHECK, self.count - block * IDS_A_CHECK)
        if number <= 0:
            raise ObjectCorruptError(self.path, f"it has no object number {block * IDS_A_CHECK}")
        ids = files.read_at(self._fd, number * ID_SIZE, start)
        if zlib.crc32(ids) != self._id_checks[block]:
            raise ObjectCorruptError(self.path, "its table of ids does not match its checksum", start)
        if len(self._blocks) >= _KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[block] = ids
        return ids

    def find(self, prefix: str) -> list[ObjectId]:
        """The ids in this pack that begin with the hexadecimal digits *prefix*, of which there are two or more."""
        first = int(prefix[:2], 16)
        low = self._fanout[first - 1] if first else 0
        high = self._fanout[first]
        at = bisect_left(self._prefixes, int(prefix[2:10].ljust(8, "0"), 16), low, high)
        last = int(prefix[2:10].ljust(8, "f"), 16)
        result = []
        while at < high and self._prefixes[at] <= last:
            id = self.id_at(self._ordinals[at])
            if id.hex().startswith(prefix):
                result.append(id)
            at += 1
        return result

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Every object in the pack, in its order; no payload is read."""
        for row in self._rows:
            kind = self._kind(row)
            for ordinal in range(row.first, row.first + row.number):
                yield self.id_at(ordinal), kind

    def index_rows(self, first: int) -> Iterator[tuple[int, int]]:
        """For the ids whose first byte is *first*, in order of id: what is in bytes 1 to 4, and the ordinal."""
        low, high = self._fanout[first - 1] if first else 0, self._fanout[first]
        return zip(self._prefixes[low:high], self._ordinals[low:high], strict=True)

    def runs(self) -> Iterator[tuple[Kind, int, int]]:
        """Runs of objects of one kind: the kind, the first ordinal, and how many."""
        return ((self._kind(row), row.first, row.number) for row in self._rows)

    def kind_at(self, ordinal: int) -> Kind:
        """The kind of the object with that ordinal; no payload is read."""
        return self._kind(self._rows[bisect_right(self._firsts, ordinal) - 1])

    def stored_size_at(self, ordinal: int) -> int:
        """About how many bytes the object with that ordinal takes up: its share of its frame, and its id."""
        row = self._rows[bisect_right(self._firsts, ordinal) - 1]
        return row.stored // max(1, row.number) + ID_SIZE + 8

    def objects(self) -> Iterator[NewObject]:
        """Every object in the pack, in its order."""
        for row in self._rows:
            for ordinal in range(row.first, row.first + row.number):
                yield NewObject(self.id_at(ordinal), *self.object_at(ordinal))

    def _kind(self, row: FrameRow) -> Kind:
        if not 1 <= row.kind <= len(KINDS):
            raise ObjectCorruptError(self.path, f"a frame holds objects of unknown kind {row.kind}", row.offset)
        return KINDS[row.kind - 1]

    def object_at(self, ordinal: int) -> Object:
        """The object with that ordinal."""
        row, data, ends = self._frame_of(ordinal)
        at = ordinal - row.first
        if not 0 <= at < row.number:
            raise ObjectCorruptError(self.path, f"no frame holds object number {ordinal}", row.offset)
        payload = data[ends[at] : ends[at + 1]]
        if row.codec == FOLDED:
            payload = self._unfolded(payload, ordinal, row)
        return Object(self._kind(row), payload)

    def _unfolded(self, folded: bytes, ordinal: int, row: FrameRow) -> bytes:
        try:
            return put_back(folded, self._ids_at(ordinals_in(folded, ordinal)))
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), row.offset) from exc

    def _ids_at(self, ordinals: Sequence[int]) -> list[ObjectId]:
        """The ids with those ordinals; where they are is remembered, for what an object names is mostly read next."""
        ids = [self.id_at(ordinal) for ordinal in ordinals]
        if len(self._hints) > _KEPT_HINTS:
            self._hints.clear()
        self._hints.update(zip(ids, ordinals, strict=True))
        return ids

    def _frame_of(self, ordinal: int) -> _Frame:
        number = bisect_right(self._firsts, ordinal) - 1
        return self._frames.get(number) or self._frame(number)

    def _frame(self, number: int) -> _Frame:
        """The unpacked frame; the last few are kept."""
        row = self._rows[number]
        if row.raw > MAX_SIZE + FRAME_SIZE or row.codec > FOLDED or row.raw < 4 * row.number:
            raise ObjectCorruptError(self.path, f"a frame of {row.raw} bytes and codec {row.codec}", row.offset)
        if row.offset + row.stored > self._ids_start:
            raise ObjectCorruptError(self.path, f"a frame of {row.stored} bytes does not fit in it", row.offset)
        codec = self._blobs if self._kind(row) == "blob" else self._plain
        try:
            raw = codec.decompress(files.read_at(self._fd, row.stored, row.offset), row.raw)
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), row.offset) from exc
        ends = list(accumulate(struct.unpack_from(f"<{row.number}I", raw), initial=4 * row.number))
        if ends[-1] != len(raw):
            raise ObjectCorruptError(self.path, "a frame's objects do not fill it", row.offset)
        frame = self._frames[number] = _Frame(row, raw, ends)
        if len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        return frame

    def forget(self) -> None:
        """Let go of what was unpacked."""
        self._frames.clear()
        self._hints.clear()

    def release(self) -> None:
        """Let go of what was unpacked and of the ids that were read: for who reads all of a store."""
        self.forget()
        self._blocks.clear()

    def close(self) -> None:
        """Let go of the file."""
        files.close(self._fd)


def _check_magic(path: str, found: bytes, expected: bytes) -> None:
    version = expected.rstrip(b"\0\n").rfind(b" ") + 1
    if found[:16] == expected:
        return
    if found[:version] == expected[:version] and found[version : version + 1].isdigit():
        raise FormatVersionError(path, found[version:].split(b"\n")[0].decode("ascii", "replace"), "1")
    raise ObjectCorruptError(path, f"it does not begin with '{expected[:version].decode().strip()}'", 0)
