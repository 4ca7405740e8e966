"""The record of one object, in the journal or in a file of its own.

| offset | size | what |
|---|---|---|
| 0 | 1 | kind: 1 blob, 2 tree, 3 commit, 4 operation |
| 1 | 1 | codec: 0 the payload as it is, 1 a zstd frame |
| 2 | 2 | zero |
| 4 | 4 | stored length, in bytes |
| 8 | 4 | payload length, in bytes |
| 12 | 32 | id |
| 44 | … | the payload, as the codec says |

Numbers are little-endian.
"""

from __future__ import annotations

import struct

from tract.errors import ObjectCorruptError
from tract.objects.codec import MAX_SIZE
from tract.objects.id import KINDS, ObjectId, object_id
from tract.objects.model import NewObject, Object
from tract.storage.zstd import compress_record, decompress

LOOSE_LIMIT = 1024 * 1024
"""An object with a larger payload, in bytes, gets a file of its own: no record in the journal unpacks to more."""

HEADER = struct.Struct("<BBHII32s")
HEADER_SIZE = HEADER.size

_RAW = 0
_ZSTD = 1

# For smaller payloads a frame saves a tenth at most, and takes longer than the rest of a record; ids, of which commits and trees consist, do not shrink at all.
_WORTH_COMPRESSING = 256

_KIND_CODES = {kind: code for code, kind in enumerate(KINDS, 1)}


def pack_record(new: NewObject) -> bytes:
    """The bytes of *new* as a record."""
    id, kind, payload = new
    size = len(payload)
    if kind == "blob" and size >= _WORTH_COMPRESSING:
        stored = compress_record(payload)
        if len(stored) < size:
            return HEADER.pack(1, _ZSTD, 0, len(stored), size, id) + stored
    return HEADER.pack(_KIND_CODES[kind], _RAW, 0, size, size, id) + payload


def unpack_record(
    expected: ObjectId, header: bytes, stored: bytes, subject: str, offset: int, limit: int = MAX_SIZE
) -> Object:
    """Return the object of a record. Its payload is proved by its id, and a compressed one may unpack to *limit* bytes at most.

    ObjectCorruptError names *subject* (a file) and *offset*.
    """
    try:
        code, codec, _, length, size, id = HEADER.unpack(header)
    except struct.error as exc:
        raise ObjectCorruptError(subject, f"the record of object {expected.hex()} is cut off", offset) from exc
    if id != expected or not 1 <= code <= len(KINDS) or length != len(stored) or size > MAX_SIZE:
        raise ObjectCorruptError(subject, f"the record of object {expected.hex()} has a damaged header", offset)
    if codec == _ZSTD:
        if size > limit:
            raise ObjectCorruptError(
                subject, f"object {expected.hex()} unpacks to {size} bytes, {limit} at most belong", offset
            )
        try:
            payload = decompress(stored, size)
        except ValueError as exc:
            raise ObjectCorruptError(subject, f"object {expected.hex()}: {exc}", offset) from exc
    else:
        payload = stored
    kind = KINDS[code - 1]
    if codec > _ZSTD or object_id(kind, payload) != expected:
        raise ObjectCorruptError(subject, f"the bytes of object {expected.hex()} do not match its id", offset)
    return Object(kind, payload)
