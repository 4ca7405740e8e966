"""zstd, with limits of our own.

The library ignores its own output limit when a frame states its size, so what a frame claims is checked before anything is decompressed.
"""

from __future__ import annotations

import threading
from typing import Any

import zstandard

RECORD_LEVEL = 3


class _Contexts(threading.local):
    """A thread's own contexts: a new one costs three times the compression of a message."""

    def __init__(self) -> None:
        # Records have no checksum in their frames: their ids prove them.
        self.record: Any = zstandard.ZstdCompressor(level=RECORD_LEVEL, write_checksum=False)
        self.frames: dict[int, Any] = {}
        self.decompressor: Any = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compress_record(data: bytes) -> bytes:
    """*data* as one zstd frame that states its size, for an object that stands alone."""
    return _contexts.record.compress(data)  # type: ignore[no-any-return]  # zstandard has no types


def compress_frame(data: bytes, level: int) -> bytes:
    """*data* as one zstd frame that states its size and carries a checksum."""
    compressor = _contexts.frames.get(level)
    if compressor is None:
        compressor = _contexts.frames[level] = zstandard.ZstdCompressor(level=level, write_checksum=True)
    return compressor.compress(data)


def decompress(data: bytes, size: int) -> bytes:
    """What *data* unpacks to, which must be exactly *size* bytes; ValueError for anything else."""
    try:
        claimed = zstandard.frame_content_size(data)
        if claimed != size:
            raise ValueError(f"a frame claims {claimed} bytes where {size} belong")
        result = _contexts.decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as exc:
        raise ValueError(f"not a zstd frame: {exc}") from exc
    if len(result) != size:
        raise ValueError(f"a frame yields {len(result)} bytes where {size} belong")
    return result  # type: ignore[no-any-return]
