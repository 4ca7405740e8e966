"""zstd, with limits of our own.

The library ignores its own output limit when a frame states its size, so what a frame claims is checked before anything is decompressed.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import zstandard

RECORD_LEVEL = 3


class _Contexts(threading.local):
    """A thread's own contexts: a new one costs three times the compression of a message."""

    def __init__(self) -> None:
        # Records have no checksum in their frames: their ids prove them.
        self.record: Any = zstandard.ZstdCompressor(level=RECORD_LEVEL, write_checksum=False)
        self.decompressor: Any = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compress_record(data: bytes) -> bytes:
    """*data* as one zstd frame that states its size, for an object that stands alone."""
    return _contexts.record.compress(data)  # type: ignore[no-any-return]  # zstandard has no types


def decompress(data: bytes, size: int) -> bytes:
    """What *data* unpacks to, which must be exactly *size* bytes; ValueError for anything else."""
    return _decompress(_contexts.decompressor, data, size)


def _decompress(decompressor: Any, data: bytes, size: int) -> bytes:
    try:
        claimed = zstandard.frame_content_size(data)
        if claimed != size:
            raise ValueError(f"a frame claims {claimed} bytes where {size} belong")
        result = decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as exc:
        raise ValueError(f"not a zstd frame: {exc}") from exc
    if len(result) != size:
        raise ValueError(f"a frame yields {len(result)} bytes where {size} belong")
    return result  # type: ignore[no-any-return]


class FrameCodec:
    """Frames of a pack: with a checksum, and with the pack's dictionary where it has one.

    One codec may be used by several threads, one at a time each.
    """

    def __init__(self, level: int = RECORD_LEVEL, dictionary: bytes = b"") -> None:
        self._level = level
        self._dictionary = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._local = threading.local()

    def compress(self, data: bytes) -> bytes:
        """*data* as one frame that states its size."""
        compressor = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = zstandard.ZstdCompressor(
                level=self._level, dict_data=self._dictionary, write_checksum=True
            )
        return compressor.compress(data)

    def decompress(self, data: bytes, size: int) -> bytes:
        """What *data* unpacks to, which must be exactly *size* bytes; ValueError for anything else."""
        if self._dictionary is None:
            return decompress(data, size)
        decompressor = getattr(self._local, "decompressor", None)
        if decompressor is None:
            try:
                decompressor = self._local.decompressor = zstandard.ZstdDecompressor(dict_data=self._dictionary)
            except zstandard.ZstdError as exc:
                raise ValueError(f"not a zstd dictionary: {exc}") from exc
        return _decompress(decompressor, data, size)


def train_dictionary(samples: Sequence[bytes], size: int) -> bytes:
    """A dictionary of up to *size* bytes for what *samples* are like; empty where there is too little to learn from."""
    try:
        return zstandard.train_dictionary(size, list(samples)).as_bytes()
    except zstandard.ZstdError:
        return b""
