"""Packs: sealed objects in zstd frames, with an index beside them.

A pack:

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract pack 1\\n"``, zero-filled |
| frames | … | zstd frames, each with a checksum, of about 64 KiB unpacked |
| frame table | 16 a frame | offset (8), stored length (4), unpacked length (4) |
| trailer | 16 | number of frames (4), number of objects (4), offset of the frame table (8) |
| table check | 16 | the first 16 bytes of the BLAKE3 of frame table and trailer |
| seal | 32 | BLAKE3 of everything before |

An unpacked frame is objects back to back: kind (1), zero (3), payload length (4), id (32), payload.

An index (the same name, ending in ``.idx``):

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract index 1\\n"``, zero-filled |
| count | 4 + 4 | number of objects, zero |
| pack seal | 32 | the seal of its pack |
| fanout | 256 x 4 | how many ids begin with a byte up to this one |
| prefixes | 8 an object | the first 8 bytes of each id, in order, as a little-endian number |
| places | 8 an object | frame (4), offset in the unpacked frame (4) |
| seal | 32 | BLAKE3 of everything before |

The index finds, the frame proves: the whole id stands in the frame, under the frame's checksum.
"""

from __future__ import annotations

import mmap
import os
import struct
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator

from blake3 import blake3

from tract.errors import FormatVersionError, ObjectCorruptError
from tract.objects.codec import MAX_SIZE
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.compression import compress_frame, decompress

PACK_MAGIC = b"tract pack 1\n".ljust(16, b"\0")
INDEX_MAGIC = b"tract index 1\n".ljust(16, b"\0")
FRAME_SIZE = 64 * 1024
SEAL_LEVEL = 3

_OBJECT = struct.Struct("<B3xI32s")
_FRAME = struct.Struct("<QII")
_TRAILER = struct.Struct("<IIQ")
_PLACE = struct.Struct("<II")
_CHECK_SIZE = 16
_SEAL_SIZE = 32
_PACK_END = _TRAILER.size + _CHECK_SIZE + _SEAL_SIZE
_FANOUT_START = 16 + 8 + _SEAL_SIZE
_PREFIX_START = _FANOUT_START + 256 * 4
_KIND_CODES = {kind: code for code, kind in enumerate(KINDS, 1)}
_KEPT_FRAMES = 32


def write_pack(directory: str, groups: Iterable[Iterable[NewObject]], level: int = SEAL_LEVEL) -> str:
    """Write the objects as one pack with its index, and give back its path.

    Each group begins a frame of its own, so what is read together can be kept together.
    The pack is on the disk under its name before its index is: a reader that finds the index finds the pack.
    """
    body = bytearray(PACK_MAGIC)
    table: list[tuple[int, int, int]] = []
    places: list[tuple[ObjectId, int, int]] = []
    for group in groups:
        for raw, ids in _frames(group):
            frame = compress_frame(raw, level)
            places.extend((id, len(table), offset) for id, offset in ids)
            table.append((len(body), len(frame), len(raw)))
            body += frame
    start = len(body)
    tail = b"".join([_FRAME.pack(*row) for row in table]) + _TRAILER.pack(len(table), len(places), start)
    body += tail + blake3(tail).digest()[:_CHECK_SIZE]
    seal = blake3(body).digest()
    body += seal
    places.sort()
    name = "pack-" + blake3(b"".join([id for id, _, _ in places])).hexdigest()[:40]
    path = os.path.join(directory, name + ".pack")
    files.write_file(path, bytes(body), sync=True)
    files.write_file(os.path.join(directory, name + ".idx"), _index_bytes(places, seal), sync=True)
    return path


def _frames(group: Iterable[NewObject]) -> Iterator[tuple[bytes, list[tuple[ObjectId, int]]]]:
    """The group's objects as unpacked frames, each with the places of its ids."""
    raw = bytearray()
    ids: list[tuple[ObjectId, int]] = []
    for id, kind, payload in group:
        if raw and len(raw) + len(payload) > FRAME_SIZE:
            yield bytes(raw), ids
            raw, ids = bytearray(), []
        ids.append((id, len(raw)))
        raw += _OBJECT.pack(_KIND_CODES[kind], len(payload), id)
        raw += payload
    if raw:
        yield bytes(raw), ids


def _index_bytes(places: list[tuple[ObjectId, int, int]], pack_seal: bytes) -> bytes:
    fanout = [0] * 256
    for id, _, _ in places:
        fanout[id[0]] += 1
    for byte in range(1, 256):
        fanout[byte] += fanout[byte - 1]
    data = b"".join(
        [
            INDEX_MAGIC,
            struct.pack("<II", len(places), 0),
            pack_seal,
            struct.pack("<256I", *fanout),
            struct.pack(f"<{len(places)}Q", *[int.from_bytes(id[:8], "big") for id, _, _ in places]),
            b"".join([_PLACE.pack(frame, offset) for _, frame, offset in places]),
        ]
    )
    return data + blake3(data).digest()


class Pack:
    """An open pack, read through its index."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.index_path = path.removesuffix(".pack") + ".idx"
        self._fd = files.open_read(path)
        try:
            self._table, seal = self._read_table()
            self._map, self.count = self._open_index(seal)
        except BaseException:
            files.close(self._fd)
            raise
        view = memoryview(self._map)
        end = _PREFIX_START + 8 * self.count
        self._fanout = view[_FANOUT_START:_PREFIX_START].cast("I")
        self._prefixes = view[_PREFIX_START:end].cast("Q")
        self._places = view[end : end + 8 * self.count]
        self._frames: OrderedDict[int, bytes] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes on disk, of pack and index."""
        return files.size_of(self._fd) + len(self._map)

    def _read_table(self) -> tuple[bytes, bytes]:
        size = files.size_of(self._fd)
        head = files.read_at(self._fd, 16, 0)
        _check_magic(self.path, head, PACK_MAGIC)
        if size < 16 + _PACK_END:
            raise ObjectCorruptError(self.path, "it is shorter than any pack", size)
        end = files.read_at(self._fd, _PACK_END, size - _PACK_END)
        frames, _, start = _TRAILER.unpack_from(end)
        if start + frames * _FRAME.size + _PACK_END != size:
            raise ObjectCorruptError(self.path, "its trailer does not fit its length", size - _PACK_END)
        table = files.read_at(self._fd, frames * _FRAME.size, start)
        check = blake3(table + end[: _TRAILER.size]).digest()[:_CHECK_SIZE]
        if check != end[_TRAILER.size : _TRAILER.size + _CHECK_SIZE]:
            raise ObjectCorruptError(self.path, "its frame table does not match its checksum", start)
        return table, end[-_SEAL_SIZE:]

    def _open_index(self, pack_seal: bytes) -> tuple[mmap.mmap, int]:
        path = self.index_path
        fd = files.open_read(path)
        try:
            size = files.size_of(fd)
            if size < _PREFIX_START + _SEAL_SIZE:
                raise ObjectCorruptError(path, "it is shorter than any index", size)
            mapped = mmap.mmap(fd, size, prot=mmap.PROT_READ)
        finally:
            files.close(fd)
        _check_magic(path, mapped[:16], INDEX_MAGIC)
        count = int.from_bytes(mapped[16:20], "little")
        if size != _PREFIX_START + 16 * count + _SEAL_SIZE:
            raise ObjectCorruptError(path, f"its length does not fit its {count} objects", 16)
        with memoryview(mapped) as view, view[:-_SEAL_SIZE] as body:
            if blake3(body).digest() != mapped[-_SEAL_SIZE:]:
                raise ObjectCorruptError(path, "it does not match its checksum", size - _SEAL_SIZE)
        if mapped[24:56] != pack_seal:
            raise ObjectCorruptError(path, "it is the index of another pack", 24)
        return mapped, count

    def read(self, id: ObjectId) -> Object | None:
        """The object, or None when it is not in this pack."""
        key = int.from_bytes(id[:8], "big")
        first = id[0]
        low = self._fanout[first - 1] if first else 0
        high = self._fanout[first]
        at = bisect_left(self._prefixes, key, low, high)
        while at < high and self._prefixes[at] == key:
            frame, offset = _PLACE.unpack_from(self._places, at * 8)
            found, obj = self._object_at(frame, offset)
            if found == id:
                return obj
            at += 1
        return None

    def contains(self, id: ObjectId) -> bool:
        """Whether the object is in this pack; an id that is not costs a search of the index and no more."""
        return self.read(id) is not None

    def find(self, prefix: str) -> list[ObjectId]:
        """The ids in this pack that begin with the hexadecimal digits *prefix*."""
        low = int(prefix[:16].ljust(16, "0"), 16)
        high = int(prefix[:16].ljust(16, "f"), 16)
        result = []
        at = bisect_left(self._prefixes, low)
        while at < self.count and self._prefixes[at] <= high:
            id, _ = self._object_at(*_PLACE.unpack_from(self._places, at * 8))
            if id.hex().startswith(prefix):
                result.append(id)
            at += 1
        return result

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        """Every object in the pack, frame by frame."""
        for frame in range(len(self._table) // _FRAME.size):
            data = self._frame(frame)
            offset = 0
            while offset < len(data):
                id, obj = self._object_at(frame, offset)
                yield id, obj.kind
                offset += _OBJECT.size + len(obj.payload)

    def _object_at(self, frame: int, offset: int) -> tuple[ObjectId, Object]:
        data = self._frame(frame)
        if offset + _OBJECT.size > len(data):
            raise ObjectCorruptError(self.index_path, f"it points behind the end of frame {frame}")
        code, size, id = _OBJECT.unpack_from(data, offset)
        start = offset + _OBJECT.size
        if not 1 <= code <= len(KINDS) or start + size > len(data):
            raise ObjectCorruptError(self.index_path, f"it points at no object, in frame {frame} at {offset}")
        return id, Object(KINDS[code - 1], data[start : start + size])

    def _frame(self, number: int) -> bytes:
        """The unpacked frame; the last few are kept."""
        data = self._frames.get(number)
        if data is not None:
            self._frames.move_to_end(number)
            return data
        if (number + 1) * _FRAME.size > len(self._table):
            raise ObjectCorruptError(self.index_path, f"it names frame {number}, which the pack does not have")
        offset, stored, raw = _FRAME.unpack_from(self._table, number * _FRAME.size)
        if raw > MAX_SIZE + FRAME_SIZE:
            raise ObjectCorruptError(self.path, f"a frame claims {raw} bytes", offset)
        try:
            data = decompress(files.read_at(self._fd, stored, offset), raw)
        except ValueError as exc:
            raise ObjectCorruptError(self.path, str(exc), offset) from exc
        self._frames[number] = data
        if len(self._frames) > _KEPT_FRAMES:
            self._frames.popitem(last=False)
        return data

    def close(self) -> None:
        files.close(self._fd)
        for view in (self._fanout, self._prefixes, self._places):
            view.release()


def _check_magic(path: str, found: bytes, expected: bytes) -> None:
    version = expected.rstrip(b"\0\n").rfind(b" ") + 1
    if found[:16] == expected:
        return
    if found[:version] == expected[:version] and found[version : version + 1].isdigit():
        raise FormatVersionError(path, found[version:].split(b"\n")[0].decode("ascii", "replace"), "1")
    raise ObjectCorruptError(path, f"it does not begin with '{expected[:version].decode().strip()}'", 0)


assert _OBJECT.size == 8 + ID_SIZE
