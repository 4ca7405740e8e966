"""Opening a file that may be compressed (gzip or zstd), an archive (zip) with one file of conversations, as in services' exports or Inspect AI's logs (``.eval``), or in UTF-16, as PowerShell writes."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import stat
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from tract.errors import ImportFormatError

if TYPE_CHECKING:
    import zipfile

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"
_ZIP_ZSTD = 93
_EXPORT = "conversations.json"
"""The name of the file of conversations in services' exports."""
_NUMBERED = r"conversations-\d+\.json"
"""The names of the files in which a large export has them."""

_ENDING = b"] \t\r\n"
_LARGEST = 8 << 30
"""The most uncompressed bytes of a file; a few KB can claim to hold any number."""
_MOST_PIPED = 1 << 30
_USUAL = 256 << 20
_MOST_TIMES = 200
"""The largest compression ratio of a file with more than the usual size: conversations have 3 to 30."""
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_IN_MEMORY = 64 << 20
_PIECE = 1 << 20
_FEED = 1 << 10
"""The number of bytes unpacked at once: 1 KB may become 32 MB."""


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file's bytes, uncompressed, also of a pipe. ImportFormatError for a damaged compressed file, or one that is too large."""
    with _from_the_start(path) as file:
        head = file.read(4)
        file.seek(0)
        if not head.startswith((_GZIP, _ZSTD, _ZIP, *_UTF16)):
            yield file
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as plain:
            _unpack(path, file, head, plain)
            plain.seek(0)
            yield cast(BinaryIO, plain)


@contextmanager
def _from_the_start(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """The file, or the bytes of something else: a pipe can be read only once, and a device may never end."""
    with open(path, "rb", buffering=_PIECE) as file:  # lines are long
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            yield file
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as whole:
            while piece := file.read(_PIECE):
                whole.write(piece)
                if whole.tell() > _MOST_PIPED:
                    detail = f"it has more than {_MOST_PIPED >> 20} MiB, the limit for input that is not a file"
                    raise ImportFormatError(f"'{path}': {detail}", str(path), None, detail)
            whole.seek(0)
            yield cast(BinaryIO, whole)


def _unpack(path: str | os.PathLike[str], file: BinaryIO, head: bytes, plain: IO[bytes]) -> None:
    import zipfile  # most files are not compressed

    import zstandard

    size = 0
    most = min(_LARGEST, max(_USUAL, _MOST_TIMES * os.fstat(file.fileno()).st_size))
    try:
        for piece in _pieces_of(file, head):
            size += len(piece)
            if size > most:
                what = "holds" if most == _LARGEST else "is compressed, and holds"
                detail = f"it {what} more than {most >> 20} MiB"
                raise ImportFormatError(f"'{path}': {detail}", str(path), None, detail)
            plain.write(piece)
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, zstandard.ZstdError, EOFError, RuntimeError) as exc:
        detail = f"compressed and damaged: {exc}"
        raise ImportFormatError(f"'{path}' is {detail}", str(path), None, detail) from exc


def _pieces_of(file: BinaryIO, head: bytes) -> Iterator[bytes]:
    """The uncompressed content of *file*, which begins with *head*."""
    if head.startswith(_GZIP):
        return _gzip_pieces(file)
    if head.startswith(_ZIP):
        return _zip_pieces(file)
    return _zstd_pieces(file) if head.startswith(_ZSTD) else _utf16_pieces(file, _UTF16[head[:2]])


def _utf16_pieces(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    file.seek(2)
    while piece := file.read(_PIECE):
        yield decoder.decode(piece).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _gzip_pieces(file: BinaryIO) -> Iterator[bytes]:
    with gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(_PIECE):
            yield piece


def _zip_pieces(file: BinaryIO) -> Iterator[bytes]:
    """The only file of conversations in an archive; for a log of Inspect AI's, all samples, in the form of its JSON logs."""
    import zipfile  # as above

    with zipfile.ZipFile(file) as archive:
        names = list(dict.fromkeys(name for name in archive.namelist() if name.endswith((".json", ".jsonl"))))
        samples = [name for name in names if name.startswith("samples/")]
        if samples and "header.json" in names:
            yield b'{"samples":['
            for number, name in enumerate(samples):
                yield b"," if number else b""
                yield from _member(archive, name, file)
            yield b"]}"
            return
        exports = [name for name in names if name.rpartition("/")[2] == _EXPORT] or names
        numbered = sorted(name for name in names if re.fullmatch(_NUMBERED, name.rpartition("/")[2]))
        if len(exports) != 1 and numbered:
            yield from _joined(archive, numbered, file)
            return
        if len(exports) != 1:
            detail = f"an archive with {len(exports)} files of JSON in it, and none is called {_EXPORT}"
            raise ImportFormatError(f"'{file.name}' is {detail}", file.name, None, detail)
        yield from _member(archive, exports[0], file)


def _joined(archive: zipfile.ZipFile, names: list[str], file: BinaryIO) -> Iterator[bytes]:
    """The lists in several files as one."""
    yield b"["
    is_first = True
    for name in names:
        has_begun, held = False, b""
        for piece in _member(archive, name, file):
            if not has_begun:
                piece = piece.removeprefix(b"\xef\xbb\xbf").lstrip().removeprefix(b"[").lstrip()
            data = held + piece
            inner = data.rstrip(_ENDING) if len(data) - len(piece) < _PIECE else data
            held = data[len(inner) :]
            if inner:
                yield inner if has_begun or is_first else b",\n" + inner
                has_begun, is_first = True, False
        yield held.rstrip().removesuffix(b"]") if has_begun else b""
    yield b"]"


def _member(archive: zipfile.ZipFile, name: str, file: BinaryIO) -> Iterator[bytes]:
    """The content of the last file with that *name* in the archive *file*; Python before 3.14 cannot read zstd in an archive."""
    from zipfile import BadZipFile  # as above

    info = archive.getinfo(name)
    if info.compress_type != _ZIP_ZSTD:
        with archive.open(info) as packed:
            while piece := packed.read(_PIECE):
                yield piece
        return
    file.seek(info.header_offset + 26)
    file.seek(sum(struct.unpack("<HH", file.read(4))), os.SEEK_CUR)
    checked = 0
    for piece in _zstd_pieces(io.BytesIO(file.read(info.compress_size))):
        checked = zlib.crc32(piece, checked)
        yield piece
    if checked != info.CRC:
        raise BadZipFile(f"bad CRC-32 of '{name}'")


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
