"""Opening a file that may be compressed, with gzip or zstd."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

from tract.errors import ImportFormatError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_LARGEST = 8 << 30
"""Bytes that a compressed file may hold; a few KB can claim to hold any number."""
_IN_MEMORY = 64 << 20
_PIECE = 1 << 20
_FEED = 1 << 10
"""Bytes that are unpacked at once: 1 KB may become 32 MB."""


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file's bytes, uncompressed. ImportFormatError for a compressed file that is damaged, or too large."""
    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(0)
        if not head.startswith((_GZIP, _ZSTD)):
            yield file
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as plain:
            _unpack(path, file, head, plain)
            plain.seek(0)
            yield cast(BinaryIO, plain)


def _unpack(path: str | os.PathLike[str], file: BinaryIO, head: bytes, plain: IO[bytes]) -> None:
    import zlib  # most files are not compressed

    import zstandard

    size = 0
    try:
        for piece in _gzip_pieces(file) if head.startswith(_GZIP) else _zstd_pieces(file):
            size += len(piece)
            if size > _LARGEST:
                raise ImportFormatError(f"'{path}' holds more than {_LARGEST >> 30} GiB", str(path))
            plain.write(piece)
    except (gzip.BadGzipFile, zlib.error, zstandard.ZstdError, EOFError) as exc:
        raise ImportFormatError(f"'{path}' is compressed and damaged: {exc}", str(path)) from exc


def _gzip_pieces(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(_PIECE):
            yield piece


def _zstd_pieces(file: BinaryIO) -> Iterator[bytes]:
    import zstandard  # as above

    data = file.read(_FEED)
    while data:
        frame = zstandard.ZstdDecompressor().decompressobj()
        while not frame.eof:
            if not data:
                raise EOFError("it ends in the middle")
            yield frame.decompress(data)
            data = frame.unused_data if frame.eof else file.read(_FEED)
        data = data or file.read(_FEED)
