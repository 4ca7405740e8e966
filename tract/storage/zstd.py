"""zstd, with limits of our own.

The library ignores its own output limit when a frame states its size, so what a frame claims is checked before anything is decompressed.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Sequence
from functools import cache
from importlib.machinery import PathFinder
from typing import Any

from tract.objects.codec import MAX_SIZE

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FRAME_HEADER = 18  # the longest there is
_FRAME_SLACK = 1024  # a frame is longer than what it unpacks to by less than that, and 1 in 128

RECORD_LEVEL = 3

_IN_C = "zstandard.backend_c"


@cache
def _zstd() -> Any:
    """The library, which is loaded when something is compressed or was: many commands read neither a pack nor a long message.

    Its part in C has all that is used here, and takes 0.6 ms; the package around it loads ``platform`` to see which Python this is, 2 ms more.
    """
    if "zstandard" not in sys.modules and "PYTHON_ZSTANDARD_IMPORT_POLICY" not in os.environ:
        found = _part_in_c()
        if found is not None:
            return found
    import zstandard

    return zstandard


def _part_in_c() -> Any:
    """The library without its package, which is the same for a program that imports that later; None where there is none, as without a CPython."""
    package = PathFinder.find_spec("zstandard")
    spec = None if package is None else PathFinder.find_spec(_IN_C, package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    module = spec.loader.create_module(spec)
    if module is None:
        return None
    spec.loader.exec_module(module)
    module = sys.modules.setdefault(_IN_C, module)  # another thread may have been here
    if "zstandard" not in sys.modules:
        sys.modules.pop(_IN_C, None)  # else an import of the package would take it for its part without having it
    return module


_local = threading.local()
"""A thread's own contexts: a new one costs three times the compression of a message."""


def compress_record(data: bytes) -> bytes:
    """*data* as one zstd frame that states its size, for an object that stands alone."""
    try:
        compress = _local.compress
    except AttributeError:
        # Records have no checksum in their frames: their ids prove them.
        compress = _local.compress = _zstd().ZstdCompressor(level=RECORD_LEVEL, write_checksum=False).compress
    return compress(data)  # type: ignore[no-any-return]  # zstandard has no types


def _decompressor() -> Any:
    found = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = _zstd().ZstdDecompressor()
    return found


def decompress(data: bytes, size: int) -> bytes:
    """What *data* unpacks to, which must be exactly *size* bytes; ValueError for anything else."""
    return _decompress(_decompressor(), data, size)


def _decompress(decompressor: Any, data: bytes, size: int) -> bytes:
    try:
        claimed = _zstd().frame_content_size(data)
        if claimed != size:
            raise ValueError(f"a frame claims {claimed} bytes where {size} belong")
        result = decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
    except (_zstd().ZstdError, MemoryError) as exc:
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
        self._dictionary = _zstd().ZstdCompressionDict(dictionary) if dictionary else None
        self._local = threading.local()

    def compress(self, data: bytes) -> bytes:
        """*data* as one frame that states its size."""
        compressor = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = _zstd().ZstdCompressor(
                level=self._level, dict_data=self._dictionary, write_checksum=True
            )
        return compressor.compress(data)  # type: ignore[no-any-return]  # as above

    def decompress(self, data: bytes, size: int) -> bytes:
        """What *data* unpacks to, which must be exactly *size* bytes; ValueError for anything else."""
        if self._dictionary is None:
            return decompress(data, size)
        return _decompress(self._decompressor(), data, size)

    def _decompressor(self) -> Any:
        decompressor = getattr(self._local, "decompressor", None)
        if decompressor is None:
            try:
                decompressor = self._local.decompressor = _zstd().ZstdDecompressor(dict_data=self._dictionary)
            except _zstd().ZstdError as exc:
                raise ValueError(f"not a zstd dictionary: {exc}") from exc
        return decompressor

    def measure(self, data: bytes | mmap.mmap, at: int) -> tuple[int, bytes] | None:
        """How long the frame is that begins at *at* in *data*, and what it unpacks to; None where no whole one does."""
        try:
            size = _zstd().frame_content_size(data[at : at + _FRAME_HEADER])
            if not 0 < size <= 2 * MAX_SIZE:
                return None
            frame = data[at : at + size + size // 128 + _FRAME_SLACK]
            unpacking = (_decompressor() if self._dictionary is None else self._decompressor()).decompressobj()
            raw = unpacking.decompress(frame)
        except (_zstd().ZstdError, ValueError, MemoryError):
            return None
        return (len(frame) - len(unpacking.unused_data), raw) if unpacking.eof and len(raw) == size else None


def train_dictionary(samples: Sequence[bytes], size: int) -> bytes:
    """A dictionary of up to *size* bytes for what *samples* are like; empty where there is too little to learn from."""
    try:
        return _zstd().train_dictionary(size, list(samples)).as_bytes()  # type: ignore[no-any-return]  # as above
    except _zstd().ZstdError:
        return b""
