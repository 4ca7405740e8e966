"""The other files of ``objects/`` and ``cache/``, each looked at on its own, and everything found in one place."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from blake3 import blake3

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.maintenance.fsck.problems import Problem
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Object
from tract.storage import files
from tract.storage.counts import MAGIC as COUNTS_MAGIC
from tract.storage.counts import BlobCount
from tract.storage.loose import MAGIC, LooseObjects

_CHECK_SIZE = 16
_BLOCK = struct.Struct("<II")
_ROW = struct.Struct("<32sII")


class FoundObject(NamedTuple):
    """Where an object lies that its id proves, and how to read it."""

    kind: Kind
    path: str
    offset: int | None
    load: Callable[[], Object]


class FoundObjects:
    """Every object that could be read, from whichever file had it first."""

    def __init__(self) -> None:
        self._found: dict[ObjectId, FoundObject] = {}

    def add(self, id: ObjectId, found: FoundObject) -> None:
        self._found.setdefault(id, found)

    def get(self, id: ObjectId) -> FoundObject | None:
        return self._found.get(id)

    def __contains__(self, id: ObjectId) -> bool:
        return id in self._found

    def __len__(self) -> int:
        return len(self._found)

    def items(self) -> Iterator[tuple[ObjectId, FoundObject]]:
        yield from self._found.items()

    def read(self, id: ObjectId) -> Object:
        """The object; BlobNotFoundError when it could not be read anywhere."""
        found = self._found.get(id)
        if found is None:
            raise BlobNotFoundError(id.hex())
        return found.load()


def check_loose(store: str, name: str, found: FoundObjects) -> Problem | None:
    """Take the loose object in file *name* in, or say what is wrong with it."""
    loose = LooseObjects(os.path.join(store, "objects"))
    text = name.removeprefix("objects/").replace("/", "")
    id = bytes.fromhex(text)
    try:
        data = files.read_file(os.path.join(store, name))
        if data[:16] == MAGIC and blake3(data[:-_CHECK_SIZE]).digest()[:_CHECK_SIZE] != data[-_CHECK_SIZE:]:
            raise ObjectCorruptError(name, "it does not match its checksum", max(0, len(data) - _CHECK_SIZE))
        obj = loose.read(id)
    except ObjectCorruptError as exc:
        detail = exc.detail
        return Problem("loose-damaged", "error", f"object {text}", name, exc.offset, detail, f"object {text[:16]}")
    if obj is not None:
        found.add(id, FoundObject(obj.kind, name, 16, lambda: _read_again(loose, id)))
    return None


def _read_again(loose: LooseObjects, id: ObjectId) -> Object:
    obj = loose.read(id)
    if obj is None:  # gc took it since
        raise BlobNotFoundError(id.hex())
    return obj


def check_counts(name: str, data: bytes) -> tuple[dict[ObjectId, BlobCount], list[Problem]]:
    """The rows of a file of token counts, and what is wrong with it; an empty one was made by who died before the first row."""
    counts: dict[ObjectId, BlobCount] = {}

    def problem(offset: int, detail: str) -> Problem:
        return Problem("counts-damaged", "warning", "token counts", name, offset, detail)

    if data and data[:16] != COUNTS_MAGIC:
        return counts, [problem(0, "it does not begin as a file of token counts does")]
    position = 16
    problems: list[Problem] = []
    while position < len(data):
        rows = b""
        if position + _BLOCK.size <= len(data):
            number, crc = _BLOCK.unpack_from(data, position)
            rows = data[position + _BLOCK.size : position + _BLOCK.size + number * _ROW.size]
        if not rows or len(rows) != number * _ROW.size or zlib.crc32(rows) != crc:
            return counts, [*problems, problem(position, "a block of it does not match its checksum")]
        for id, text, message in _ROW.iter_unpack(rows):
            if counts.setdefault(id, BlobCount(text, message)) != (text, message):
                problems.append(problem(position, f"blob {id.hex()[:16]} has two different counts"))
        position += _BLOCK.size + len(rows)
    return counts, problems
