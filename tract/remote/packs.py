"""Packs of a remote: objects that are written once and read whole, or by the frame.

| part | bytes | what |
|---|---|---|
| header | 16 | ``"tract bundle 1\\n"``, zero-filled |
| frames | … | zstd frames, each of about 256 KiB unpacked: payloads back to back |
| index length | 4 | of the index, unpacked |
| index | … | a zstd frame: ``{"frames": [[offset, size, length, number], …], "kinds": …, "lengths": […], "ids": …}`` in canonical msgpack |
| check | 16 | the first 16 bytes of the BLAKE3 of the index length and the index |

*kinds* has a byte an object, *ids* 32, both in the order of the frames; a frame's *length* is its unpacked size, and *number* its number of objects.
Heads have the offset of the index, so that it can be read by itself.
Every payload is hashed when it is read: the answers of a store are never trusted.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from blake3 import blake3

from tract.errors import ContentValidationError, ObjectCorruptError
from tract.named_tuple import NamedTuple
from tract.objects.codec import MAX_SIZE, decode, encode
from tract.objects.id import ID_SIZE, KINDS, Kind, ObjectId, object_id
from tract.objects.model import NewObject
from tract.objects.strict_reader import check_payload
from tract.storage.zstd import compress_record, decompress

_MAGIC = b"tract bundle 1\n".ljust(16, b"\0")
_CHECK = 16
_FRAME = 256 * 1024
_MOST_OBJECTS = 4_000_000
_INDEX_LIMIT = 256 * 1024 * 1024


class FrameRow(NamedTuple):
    """A frame: its offset, its size in bytes, its unpacked length, its number of objects, and the place of the first in the pack."""

    offset: int
    size: int
    length: int
    number: int
    first: int


class PackIndex(NamedTuple):
    """The content of a pack; objects are numbered in the order of its frames."""

    frames: tuple[FrameRow, ...]
    kinds: bytes
    lengths: tuple[int, ...]
    ids: bytes

    def id(self, number: int) -> ObjectId:
        return self.ids[number * ID_SIZE : (number + 1) * ID_SIZE]

    def __len__(self) -> int:
        return len(self.kinds)

    def sorted_ids(self) -> bytes:
        """All ids, sorted, back to back."""
        return b"".join(sorted(self.id(number) for number in range(len(self))))


class NewPack(NamedTuple):
    """A pack still to be sent, and the offset of its index."""

    data: bytes
    index_at: int
    ids: tuple[ObjectId, ...]


def encode_pack(objects: Iterable[NewObject]) -> NewPack:
    """Make a pack of *objects*, in their order."""
    parts = [_MAGIC]
    at = len(_MAGIC)
    rows: list[list[int]] = []
    ids: list[ObjectId] = []
    kinds = bytearray()
    lengths: list[int] = []
    pending: list[bytes] = []
    size = 0

    def close() -> None:
        nonlocal at, size
        raw = b"".join(pending)
        frame = compress_record(raw)
        rows.append([at, len(frame), len(raw), len(pending)])
        parts.append(frame)
        at += len(frame)
        pending.clear()
        size = 0

    for new in objects:
        if pending and size + len(new.payload) > _FRAME:
            close()
        pending.append(new.payload)
        size += len(new.payload)
        ids.append(new.id)
        kinds.append(KINDS.index(new.kind) + 1)
        lengths.append(len(new.payload))
    if pending:
        close()
    raw = encode({"frames": rows, "kinds": bytes(kinds), "lengths": lengths, "ids": b"".join(ids)})
    tail = struct.pack("<I", len(raw)) + compress_record(raw)
    return NewPack(b"".join([*parts, tail, blake3(tail).digest()[:_CHECK]]), at, tuple(ids))


def decode_index(tail: bytes, at: int, key: str) -> PackIndex:
    """Return the index in *tail*, the end of the pack *key* from *at* on; ObjectCorruptError if it is not an index."""
    body = tail[:-_CHECK]
    if len(tail) < 4 + _CHECK or blake3(body).digest()[:_CHECK] != tail[-_CHECK:]:
        raise ObjectCorruptError(key, "its index does not match its check", at)
    (length,) = struct.unpack_from("<I", body)
    try:
        if length > _INDEX_LIMIT:
            raise ValueError(f"its index says that it has {length} bytes")
        value = decode(decompress(body[4:], length))
        return _index_of(value, at)
    except (ValueError, TypeError, ContentValidationError) as exc:
        raise ObjectCorruptError(key, str(exc), at) from exc


def _index_of(value: Any, end: int) -> PackIndex:
    if type(value) is not dict or tuple(value) != ("frames", "kinds", "lengths", "ids"):
        raise ValueError("its index is not valid")
    frames, kinds, lengths, ids = value.values()
    if type(frames) is not list or type(kinds) is not bytes or type(ids) is not bytes or type(lengths) is not list:
        raise ValueError("its index is not valid")
    count = len(kinds)
    if count > _MOST_OBJECTS or len(ids) != count * ID_SIZE or len(lengths) != count:
        raise ValueError("its index has tables of unequal lengths")
    if not all(1 <= kind <= len(KINDS) for kind in kinds):
        raise ValueError("its index has an unknown kind")
    if not all(type(one) is int and 0 <= one <= MAX_SIZE for one in lengths):
        raise ValueError("its index has a length that is not valid")
    return PackIndex(tuple(_rows(frames, lengths, end)), kinds, tuple(lengths), ids)


def _rows(frames: list[Any], lengths: list[int], end: int) -> Iterator[FrameRow]:
    at, first = len(_MAGIC), 0
    for row in frames:
        if type(row) is not list or len(row) != 4 or not all(type(one) is int and one >= 0 for one in row):
            raise ValueError("its index has a frame that is not valid")
        offset, size, length, number = row
        if offset != at or number < 1 or sum(lengths[first : first + number]) != length:
            raise ValueError("its frames do not fit its objects")
        yield FrameRow(offset, size, length, number, first)
        at, first = at + size, first + number
    if first != len(lengths) or at != end:
        raise ValueError("its frames do not fit its objects")


def _every(_: ObjectId) -> bool:
    return True


def read_frame(
    frame: bytes, row: FrameRow, index: PackIndex, key: str, wanted: Callable[[ObjectId], bool] = _every
) -> Iterator[NewObject]:
    """Yield the *wanted* objects of one frame, each proved by its id and by the shape of its kind."""
    try:
        raw = decompress(frame, row.length)
    except ValueError as exc:
        raise ObjectCorruptError(key, str(exc), row.offset) from exc
    at = 0
    for number in range(row.first, row.first + row.number):
        payload = raw[at : at + index.lengths[number]]
        at += len(payload)
        kind: Kind = KINDS[index.kinds[number] - 1]
        id = index.id(number)
        if not wanted(id):
            continue
        if object_id(kind, payload) != id:
            raise ObjectCorruptError(key, f"object {id.hex()[:16]} does not hash to its id", row.offset)
        try:
            check_payload(kind, payload)
        except ContentValidationError as exc:
            raise ObjectCorruptError(key, f"object {id.hex()[:16]}: {exc}", row.offset) from exc
        yield NewObject(id, kind, payload)


def read_pack(data: bytes, index_at: int, key: str, wanted: Callable[[ObjectId], bool] = _every) -> Iterator[NewObject]:
    """Yield the *wanted* objects of a whole pack; frames without any are not unpacked."""
    if data[:16] != _MAGIC:
        raise ObjectCorruptError(key, "it does not begin as a pack of this version does", 0)
    index = decode_index(data[index_at:], index_at, key)
    for row in index.frames:
        if any(wanted(index.id(number)) for number in range(row.first, row.first + row.number)):
            yield from read_frame(data[row.offset : row.offset + row.size], row, index, key, wanted)
