"""Loose objects, one file each: objects too large to be worth copying, and objects written by ``hash-object -w``.

``objects/ab/cdef…`` is ``"tract object 1\\n"`` padded to 16 bytes, a record (see object_record.py), and the first 16 bytes of the BLAKE3 of all that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from blake3 import blake3

from tract.errors import ObjectCorruptError
from tract.objects.id import HEX_SIZE, KINDS, Kind, ObjectId, is_hex
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.object_record import HEADER_SIZE, pack_record, unpack_record

MAGIC = b"tract object 1\n".ljust(16, b"\0")
_CHECK_SIZE = 16


class LooseObjects:
    """The loose objects under a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def path_of(self, id: ObjectId) -> str:
        text = id.hex()
        return os.path.join(self.path, text[:2], text[2:])

    def read(self, id: ObjectId) -> Object | None:
        """Return the object, or None if it is not loose; ObjectCorruptError if its file is damaged."""
        path = self.path_of(id)
        try:
            data = files.read_file(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        body = data[:-_CHECK_SIZE]
        if body[:16] != MAGIC or len(data) < 16 + HEADER_SIZE + _CHECK_SIZE:
            raise ObjectCorruptError(path, "it does not begin as a loose object does", 0)
        if blake3(body).digest()[:_CHECK_SIZE] != data[-_CHECK_SIZE:]:
            raise ObjectCorruptError(path, "it does not match its checksum", len(body))
        return unpack_record(id, body[16 : 16 + HEADER_SIZE], body[16 + HEADER_SIZE :], path, 16)

    def contains(self, id: ObjectId) -> bool:
        return files.is_there(self.path_of(id))

    def write(self, new: NewObject) -> None:
        """Write the object to a file of its own. If the file exists, its time becomes now, so that gc counts the object as young.

        The file is on the disk, under its name, when this returns, whatever the durability and whichever process wrote it:
        another writer's sync may bring out the transaction that needs it, and knows nothing of this file.
        """
        path = self.path_of(new.id)
        folder = os.path.dirname(path)
        files.make_directory(folder)
        files.sync_directory(self.path)
        if self.contains(new.id):
            os.utime(path)
            files.sync_file(path)
            files.sync_directory(folder)
            return
        body = MAGIC + pack_record(new)
        files.write_file(path, body + blake3(body).digest()[:_CHECK_SIZE], sync=True)

    def find(self, prefix: str) -> list[ObjectId]:
        """The loose ids that begin with *prefix*, which has two hexadecimal digits or more."""
        names = files.list_directory(os.path.join(self.path, prefix[:2]))
        ids = (prefix[:2] + name for name in names)
        return [bytes.fromhex(id) for id in ids if id.startswith(prefix) and len(id) == HEX_SIZE and is_hex(id)]

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        for id in self.names():
            obj = self.read(id)
            if obj is not None:
                yield id, obj.kind

    def names(self) -> Iterator[ObjectId]:
        """Yield every loose id, without reading the objects."""
        for directory in files.list_directory(self.path):
            if len(directory) == 2 and is_hex(directory):
                yield from self.find(directory)

    def size(self) -> tuple[int, int]:
        """The number of loose objects, and their bytes on disk."""
        sizes = [os.stat(self.path_of(id)).st_size for id in self.names()]
        return len(sizes), sum(sizes)


assert len(KINDS) < 256
