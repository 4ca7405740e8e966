"""Opening a file that may be compressed, with gzip or zstd, or be an archive (zip) with one file of conversations in it, as services give their exports."""

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
_ZIP = b"PK\x03\x04"
_EXPORT = "conversations.json"
"""What services call the file of conversations in their exports."""
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
        if not head.startswith((_GZIP, _ZSTD, _ZIP)):
            yield file
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as plain:
            _unpack(path, file, head, plain)
            plain.seek(0)
            yield cast(BinaryIO, plain)


def _unpack(path: str | os.PathLike[str], file: BinaryIO, head: bytes, plain: IO[bytes]) -> None:
    import zipfile  # most files are not compressed
    import zlib

    import zstandard

    size = 0
    try:
        unpack = _gzip_pieces if head.startswith(_GZIP) else _zip_pieces if head.startswith(_ZIP) else _zstd_pieces
        for piece in unpack(file):
            size += len(piece)
            if size > _LARGEST:
                raise ImportFormatError(f"'{path}' holds more than {_LARGEST >> 30} GiB", str(path))
            plain.write(piece)
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, RuntimeError) as exc:
        raise ImportFormatError(f"'{path}' is compressed and damaged: {exc}", str(path)) from exc


def _gzip_pieces(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(_PIECE):
            yield piece


def _zip_pieces(file: BinaryIO) -> Iterator[bytes]:
    import zipfile  # as above

    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.endswith((".json", ".jsonl"))]
        exports = [name for name in names if name.rpartition("/")[2] == _EXPORT] or names
        if len(exports) != 1:
            raise zipfile.BadZipFile(f"{len(exports)} files of JSON in it, and none is called {_EXPORT}")
        with archive.open(exports[0]) as packed:
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
