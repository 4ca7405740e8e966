"""New objects on their way into a store in bulk: on the disk already, but invisible until all of them are there.

    objects/import-<hex>/pack-*.pack, *.idx     what is not large, in packs
    objects/import-<hex>/ab/cdef…               loose objects

``land`` moves them to the store's own folders. If a process dies, the next import, or gc, removes what is left.
"""

from __future__ import annotations

import os

from tract.objects.id import KINDS, ObjectId, is_hex
from tract.objects.model import NewObject, Object
from tract.storage import files
from tract.storage.loose import LooseObjects
from tract.storage.object_record import LOOSE_LIMIT
from tract.storage.pack import Pack
from tract.storage.pack_writer import Group, write_pack

PREFIX = "import-"

# This many bytes of payloads are held in memory and become a pack: so packs are few, and memory is limited.
_PACK_LIMIT = 32 * 1024 * 1024
_MOST_OBJECTS = 65536


def remove_quarantines(path: str) -> None:
    """Remove what dead imports left in the folder of objects *path*. Only for a caller that keeps other imports away."""
    for name in files.list_directory(path):
        if name.startswith(PREFIX):
            files.remove_tree(os.path.join(path, name))


class Quarantine:
    """New objects beside the store under *path* (``…/objects``). Only for a caller that keeps gc and other imports away."""

    def __init__(self, path: str) -> None:
        self._objects = path
        self._path = os.path.join(path, PREFIX + os.urandom(6).hex())
        self._pending: dict[ObjectId, NewObject] = {}
        self._size = 0
        self._packs: list[Pack] = []
        self._loose = LooseObjects(self._path)

    def __enter__(self) -> Quarantine:
        remove_quarantines(self._objects)
        files.make_directory(self._path)
        return self

    def __exit__(self, *_: object) -> None:
        self._close_packs()
        files.remove_tree(self._path)

    def add(self, new: NewObject) -> None:
        """Keep *new*; ``read`` finds it at once."""
        if len(new.payload) > LOOSE_LIMIT:
            self._loose.write(new)
            return
        if new.id in self._pending:
            return
        self._pending[new.id] = new
        self._size += len(new.payload)
        if self._size > _PACK_LIMIT or len(self._pending) >= _MOST_OBJECTS:
            self._write_pack()

    def read(self, id: ObjectId) -> Object | None:
        """Return the object, or None if it is not in the quarantine."""
        new = self._pending.get(id)
        if new is not None:
            return Object(new.kind, new.payload)
        for pack in reversed(self._packs):
            found = pack.read(id)
            if found is not None:
                return found
        return self._loose.read(id)

    def finish(self) -> None:
        """Write everything to the disk, so that ``land`` only has to rename."""
        if self._pending:
            self._write_pack()

    def land(self) -> None:
        """Move the objects to where the store finds them. A crash in between leaves objects that nothing names: garbage."""
        self.finish()
        self._close_packs()
        for id in self._loose.names():
            path = self._loose.path_of(id)
            target = os.path.join(self._objects, os.path.relpath(path, self._path))
            if files.make_directory(os.path.dirname(target)):
                files.sync_directory(self._objects)
            files.rename(path, target)
            files.sync_directory(os.path.dirname(target))
        names = [name for name in files.list_directory(self._path) if not is_hex(name)]
        packs = os.path.join(self._objects, "pack")
        for ending in (".pack", ".idx"):  # packs before indexes: a reader that finds an index finds its pack
            for name in names:
                if name.endswith(ending):
                    files.rename(os.path.join(self._path, name), os.path.join(packs, name))
            files.sync_directory(packs)

    def _write_pack(self) -> None:
        by_kind = {kind: [new for new in self._pending.values() if new.kind == kind] for kind in KINDS}
        groups = [Group(kind, [new.id for new in found]) for kind, found in by_kind.items() if found]
        path = write_pack(self._path, groups, (new.payload for found in by_kind.values() for new in found))
        self._packs.append(Pack(path))
        self._pending = {}
        self._size = 0

    def _close_packs(self) -> None:
        for pack in self._packs:
            pack.close()
        self._packs = []
