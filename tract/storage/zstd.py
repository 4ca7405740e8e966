"""zstd, with limits of our own.

The library ignores its own output limit if a frame states its size, so the claim of a frame is checked before anything is decompressed.
"""

from __future__ import annotations

import mmap
import os
import sys
from _thread import _local as thread_local  # threading's own, as in events
from collections.abc import Sequence
from functools import cache
from importlib.machinery import PathFinder

from tract.annotations import Any
from tract.objects.codec import MAX_SIZE

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_FRAME_HEADER = 18  # the longest possible header
_FRAME_SLACK = 1024  # a frame is longer than its unpacked bytes by less than this, plus 1 in 128

RECORD_LEVEL = 3

_IN_C = "zstandard.backend_c"


@cache
def _zstd() -> Any:
    """The library, loaded when something is first compressed or decompressed: many commands read neither a pack nor a long message.

    The C part has everything that is used here, and loads in 0.6 ms; the package around it loads ``platform`` to tell which Python this is, 2 ms more.
    """
    if "zstandard" not in sys.modules and "PYTHON_ZSTANDARD_IMPORT_POLICY" not in os.environ:
        found = _part_in_c()
        if found is not None:
            return found
    import zstandard

    return zstandard


def _part_in_c() -> Any:
    """The C part of the library without its package, in a way that a later import of the package still works; None if there is no C part, as on other Pythons than CPython."""
    package = PathFinder.find_spec("zstandard")
    spec = None if package is None else PathFinder.find_spec(_IN_C, package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    module = spec.loader.create_module(spec)
    if module is None:
        return None
    spec.loader.exec_module(module)
    module = sys.modules.setdefault(_IN_C, module)  # another thread may have loaded it
    if "zstandard" not in sys.modules:
        sys.modules.pop(_IN_C, None)  # else an import of the package would take it for its part without having it
    return module


_local = thread_local()
"""A thread's own compressor and decompressor: making one costs three times the compression of a message."""


def compress_record(data: bytes) -> bytes:
    """Compress *data* into one zstd frame that states its size, for an object that stands alone."""
    try:
        compress = _local.compress
    except AttributeError:
        # The frames of records have no checksum: the ids prove the records.
        compress = _local.compress = _zstd().ZstdCompressor(level=RECORD_LEVEL, write_checksum=False).compress
    return compress(data)  # type: ignore[no-any-return]  # zstandard has no types


def _decompressor() -> Any:
    found = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = _zstd().ZstdDecompressor()
    return found


def decompress(data: bytes, size: int) -> bytes:
    """Decompress *data*, which must give exactly *size* bytes; ValueError for anything else."""
    return _decompress(_decompressor(), data, size)


def _decompress(decompressor: Any, data: bytes, size: int) -> bytes:
    try:
        claimed = _zstd().frame_content_size(data)
        if claimed != size:
            raise ValueError(f"a frame claims {claimed} bytes instead of {size}")
        result = decompressor.decompress(data, max_output_size=size, allow_extra_data=False)
    except (_zstd().ZstdError, MemoryError) as exc:
        raise ValueError(f"not a zstd frame: {exc}") from exc
    if len(result) != size:
        raise ValueError(f"a frame yields {len(result)} bytes instead of {size}")
    return result  # type: ignore[no-any-return]


class FrameCodec:
    """Frames of a pack: with a checksum, and with the pack's dictionary if it has one.

    Several threads may use one codec: each has its own contexts.
    """

    def __init__(self, level: int = RECORD_LEVEL, dictionary: bytes = b"") -> None:
        self._level = level
        self._dictionary = _zstd().ZstdCompressionDict(dictionary) if dictionary else None
        self._local = thread_local()

    def compress(self, data: bytes) -> bytes:
        """Compress *data* into one frame that states its size."""
        compressor = getattr(self._local, "compressor", None)
        if compressor is None:
            compressor = self._local.compressor = _zstd().ZstdCompressor(
                level=self._level, dict_data=self._dictionary, write_checksum=True
            )
        return compressor.compress(data)  # type: ignore[no-any-return]  # as above

    def decompress(self, data: bytes, size: int) -> bytes:
        """Decompress *data*, which must give exactly *size* bytes; ValueError for anything else."""
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
        """Return the length of the frame that begins at *at* in *data*, and its unpacked bytes; None if no whole frame begins there."""
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
    """Train a dictionary of up to *size* bytes on *samples*; empty if there is too little to learn from."""
    try:
        return _zstd().train_dictionary(size, list(samples)).as_bytes()  # type: ignore[no-any-return]  # as above
    except _zstd().ZstdError:
        return b""
