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

import mmap
import re
import struct
import zlib
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
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
SEAL_LEVEL = 3

FRAME = struct.Struct("<QIIIIBB6x")
TRAILER = struct.Struct("<IIQI12x")
CHECK_SIZE = 16
SEAL_SIZE = 32
PACK_END = TRAILER.size + CHECK_SIZE + SEAL_SIZE
_FANOUT_START = 16 + 8 + SEAL_SIZE
_PREFIX_START = _FANOUT_START + 256 * 4
_KIND_CODES: dict[str, int] = {kind: code for code, kind in enumerate(KINDS, 1)}
IDS_A_CHECK = 256
_KEPT_FRAMES = 32
_KEPT_HINTS = 65536

_PLAIN = 0
FOLDED = 1

# An id in msgpack: a byte string of 32. What only looks like one in a text is no ordinal's id, and stays.
_ID_HEAD = b"\xc4\x20"
_ID = re.compile(rb"\xc4\x20(.{32})", re.DOTALL)


class Group(NamedTuple):
    """Objects of one kind that are packed together, in this order."""

    kind: Kind
    ids: Sequence[ObjectId]


class FrameRow(NamedTuple):
    """A row of the frame table."""

    offset: int
    stored: int
    raw: int
    first: int
    number: int
    kind: int
    codec: int


def write_pack(
    directory: str,
    groups: Sequence[Group],
    payloads: Iterable[bytes],
    *,
    level: int = SEAL_LEVEL,
    dictionary: bytes = b"",
) -> str:
    """Write objects as one pack with its index, and give back the pack's path.

    *payloads* are those of all groups' ids, in order; they are taken one at a time, so memory holds a frame and the ids.
    The pack is on the disk under its name before its index is: a reader that finds the index finds the pack.
    """
    ids = [id for group in groups for id in group.ids]
    with files.NewFile(directory) as file:
        seal = _PackWriter(file, level, dictionary).write(groups, ids, iter(payloads))
        # Named by its bytes: two packs of one name are one, and no reader can meet one's index beside the other.
        path = file.publish(f"pack-{seal.hex()[:40]}.pack")
    files.write_file(path.removesuffix(".pack") + ".idx", index_bytes(ids, seal), sync=True)
    return path


class _PackWriter:
    """Writes one pack, front to back."""

    def __init__(self, file: files.NewFile, level: int, dictionary: bytes) -> None:
        self._file = file
        self._hash = blake3()
        self._dictionary = dictionary
        self._plain = FrameCodec(level)
        self._blobs = FrameCodec(level, dictionary)
        self._rows: list[FrameRow] = []

    def write(self, groups: Sequence[Group], ids: list[ObjectId], payloads: Iterator[bytes]) -> bytes:
        """Write everything; the pack's seal."""
        self._put(PACK_MAGIC + self._dictionary)
        ordinals = {id: at for at, id in enumerate(ids)}
        first = 0
        for group in groups:
            self._write_group(group, first, ordinals, payloads)
            first += len(group.ids)
        start = self._file.size
        step = ID_SIZE * IDS_A_CHECK
        table = b"".join(ids)
        self._put(table)
        checks = b"".join(
            [zlib.crc32(table[at : at + step]).to_bytes(4, "little") for at in range(0, len(table), step)]
        )
        tail = checks + b"".join([FRAME.pack(*row) for row in self._rows])
        tail += TRAILER.pack(len(self._rows), len(ids), start, len(self._dictionary))
        self._put(tail + blake3(tail).digest()[:CHECK_SIZE])
        seal = self._hash.digest()
        self._file.write(seal)
        return seal

    def _put(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    def _write_group(
        self, group: Group, first: int, ordinals: Mapping[ObjectId, int], payloads: Iterator[bytes]
    ) -> None:
        parts: list[bytes] = []
        size = 0
        for ordinal in range(first, first + len(group.ids)):
            payload = next(payloads)
            part = payload if group.kind == "blob" else fold(payload, ordinal, ordinals)
            if parts and size + len(payload) > FRAME_SIZE:
                self._write_frame(group.kind, ordinal - len(parts), parts)
                parts, size = [], 0
            parts.append(part)
            size += len(payload)
        if parts:
            self._write_frame(group.kind, first + len(group.ids) - len(parts), parts)

    def _write_frame(self, kind: Kind, first: int, parts: list[bytes]) -> None:
        raw = struct.pack(f"<{len(parts)}I", *map(len, parts)) + b"".join(parts)
        codec = self._blobs if kind == "blob" else self._plain
        frame = codec.compress(raw)
        folded = _PLAIN if kind == "blob" else FOLDED
        row = FrameRow(self._file.size, len(frame), len(raw), first, len(parts), _KIND_CODES[kind], folded)
        self._rows.append(row)
        self._put(frame)


def fold(payload: bytes, ordinal: int, ordinals: Mapping[ObjectId, int]) -> bytes:
    """*payload* with the ids that have an ordinal taken out."""
    pieces = _ID.split(payload)
    distances: list[int] = []
    gaps: list[int] = []
    rest: list[bytes] = []
    gap = 0
    for at in range(1, len(pieces), 2):
        before, id = pieces[at - 1], pieces[at]
        rest.append(before)
        gap += len(before)
        found = ordinals.get(id)
        if found is None or gap > 0xFFFF or len(distances) == 0xFFFF:
            rest.append(_ID_HEAD + id)
            gap += len(_ID_HEAD) + ID_SIZE
            continue
        distances.append(ordinal - found)
        gaps.append(gap)
        gap = 0
    rest.append(pieces[-1])
    number = len(distances)
    return struct.pack(f"<H{number}i{number}H", number, *distances, *gaps) + b"".join(rest)


def unfold(folded: bytes, ordinal: int, id_at: Callable[[int], ObjectId]) -> bytes:
    """The payload that was folded; ValueError or IndexError where it cannot have been."""
    try:
        (number,) = struct.unpack_from("<H", folded)
        numbers = struct.unpack_from(f"<{number}i{number}H", folded, 2)
    except struct.error as exc:
        raise ValueError(f"a folded object is cut off: {exc}") from exc
    at = 2 + 6 * number
    parts: list[bytes] = []
    for distance, gap in zip(numbers[:number], numbers[number:], strict=True):
        if gap:
            parts.append(folded[at : at + gap])
            at += gap
        parts.append(_ID_HEAD)
        parts.append(id_at(ordinal - distance))
    parts.append(folded[at:])
    return b"".join(parts)


def index_bytes(ids: Sequence[ObjectId], pack_seal: bytes) -> bytes:
    order = sorted(range(len(ids)), key=ids.__getitem__)
    fanout = [0] * 256
    for id in ids:
        fanout[id[0]] += 1
    data = b"".join(
        [
            INDEX_MAGIC,
            struct.pack("<II", len(ids), 0),
            pack_seal,
            struct.pack("<256I", *accumulate(fanout)),
            struct.pack(f"<{len(ids)}I", *[_prefix(ids[at]) for at in order]),
            struct.pack(f"<{len(ids)}I", *order),
        ]
    )
    return data + blake3(data).digest()


def _prefix(id: ObjectId) -> int:
    """What the index sorts by after the first byte."""
    return int.from_bytes(id[1:5], "big")


class _Frame(NamedTuple):
    """An unpacked frame: its objects are ``data[ends[n - 1]:ends[n]]``."""

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
        self._checked: set[int] = set()
        self._frames: OrderedDict[int, _Frame] = OrderedDict()
        # Where ids that were just unfolded are: what a tree names is read next.
        self._hints: dict[ObjectId, int] = {}

    @property
    def size(self) -> int:
        """Bytes on disk, of pack and index."""
        return len(self._map) + len(self._index)

    def _read_tables(self) -> None:
        size = files.size_of(self._fd)
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
        self._firsts = [row.first for row in self._rows]
        self._plain = FrameCodec()
        self._blobs = FrameCodec(dictionary=files.read_at(self._fd, dictionary, 16)) if dictionary else self._plain
        self._seal = end[-SEAL_SIZE:]
        self._map = mmap.mmap(self._fd, size, prot=mmap.PROT_READ)

    def _open_index(self) -> None:
        path = self.index_path
        fd = files.open_read(path)
        try:
            size = files.size_of(fd)
            if size < _PREFIX_START + SEAL_SIZE:
                raise ObjectCorruptError(path, "it is shorter than any index", size)
            mapped = mmap.mmap(fd, size, prot=mmap.PROT_READ)
        finally:
            files.close(fd)
        _check_magic(path, mapped[:16], INDEX_MAGIC)
        count = int.from_bytes(mapped[16:20], "little")
        if size != _PREFIX_START + 8 * count + SEAL_SIZE:
            raise ObjectCorruptError(path, f"its length does not fit its {count} objects", 16)
        with memoryview(mapped) as view, view[:-SEAL_SIZE] as body:
            if blake3(body).digest() != mapped[-SEAL_SIZE:]:
                raise ObjectCorruptError(path, "it does not match its checksum", size - SEAL_SIZE)
        if mapped[24:56] != self._seal or count != self.count:
            raise ObjectCorruptError(path, "it is the index of another pack", 24)
        self._index = mapped
        view = memoryview(mapped)
        end = _PREFIX_START + 4 * count
        self._fanout = view[_FANOUT_START:_PREFIX_START].cast("I")
        self._prefixes = view[_PREFIX_START:end].cast("I")
        self._ordinals = view[end : end + 4 * count].cast("I")

    def read(self, id: ObjectId) -> Object | None:
        """The object, or None when it is not in this pack."""
        ordinal = self._find(id)
        return None if ordinal is None else self.object_at(ordinal)

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
        key = _prefix(id)
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
        block = ordinal // IDS_A_CHECK
        if block not in self._checked:
            self._check_ids(block)
        start = self._ids_start + ordinal * ID_SIZE
        return self._map[start : start + ID_SIZE]

    def _check_ids(self, block: int) -> None:
        start = self._ids_start + block * IDS_A_CHECK * ID_SIZE
        end = min(start + IDS_A_CHECK * ID_SIZE, self._ids_start + self.count * ID_SIZE)
        if zlib.crc32(self._map[start:end]) != self._id_checks[block]:
            raise ObjectCorruptError(self.path, "its table of ids does not match its checksum", start)
        self._checked.add(block)

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
        number = bisect_right(self._firsts, ordinal) - 1
        row, data, ends = self._frames.get(number) or self._frame(number)
        at = ordinal - row.first
        payload = data[ends[at] : ends[at + 1]]
        if row.codec == FOLDED:
            payload = self._unfolded(payload, ordinal, row)
        return Object(self._kind(row), payload)

    def _unfolded(self, folded: bytes, ordinal: int, row: FrameRow) -> bytes:
        if len(self._hints) > _KEPT_HINTS:
            self._hints.clear()
        hints = self._hints

        def id_at(found: int) -> ObjectId:
            id = self.id_at(found)
            hints[id] = found
            return id

        try:
            return unfold(folded, ordinal, id_at)
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), row.offset) from exc

    def _frame(self, number: int) -> _Frame:
        """The unpacked frame; the last few are kept."""
        row = self._rows[number]
        if row.raw > MAX_SIZE + FRAME_SIZE or row.codec > FOLDED or row.raw < 4 * row.number:
            raise ObjectCorruptError(self.path, f"a frame of {row.raw} bytes and codec {row.codec}", row.offset)
        codec = self._blobs if self._kind(row) == "blob" else self._plain
        try:
            raw = codec.decompress(files.read_at(self._fd, row.stored, row.offset), row.raw)
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), row.offset) from exc
        ends = [0, *accumulate(struct.unpack_from(f"<{row.number}I", raw))]
        data = raw[4 * row.number :]
        if ends[-1] != len(data):
            raise ObjectCorruptError(self.path, "a frame's objects do not fill it", row.offset)
        frame = self._frames[number] = _Frame(row, data, ends)
        if len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        return frame

    def forget(self) -> None:
        """Let go of what was unpacked."""
        self._frames.clear()
        self._hints.clear()

    def close(self) -> None:
        """Let go of the files; a map that stayed open would keep a file system busy."""
        files.close(self._fd)
        for view in (self._fanout, self._prefixes, self._ordinals):
            view.release()
        self._index.close()
        self._map.close()


def _check_magic(path: str, found: bytes, expected: bytes) -> None:
    version = expected.rstrip(b"\0\n").rfind(b" ") + 1
    if found[:16] == expected:
        return
    if found[:version] == expected[:version] and found[version : version + 1].isdigit():
        raise FormatVersionError(path, found[version:].split(b"\n")[0].decode("ascii", "replace"), "1")
    raise ObjectCorruptError(path, f"it does not begin with '{expected[:version].decode().strip()}'", 0)
