"""A store in memory, also the model that the store on disk is tested against; and bulk reads for stores that keep each object separately."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

from tract.errors import BlobNotFoundError, ClosedError
from tract.objects.id import Kind, ObjectId
from tract.objects.model import NewObject, Node, Object, Outline
from tract.objects.strict_reader import read_nodes
from tract.storage.locks import ThreadLock
from tract.storage.payloads import Chunks, Payloads, chunks_of
from tract.storage.store import StoreStats, payload_of


class PlainReads:
    """``nodes``, ``chunks`` and ``blobs`` of an ``ObjectStore``, built on its ``payloads``; and ``holding``, built on ``ids`` and ``read``."""

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        raise NotImplementedError

    def read(self, id: ObjectId) -> Object:
        raise NotImplementedError

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        raise NotImplementedError

    def outlines_beside(self, id: ObjectId) -> dict[ObjectId, Outline]:
        return {}

    def holding(self, test: Callable[[bytes], object]) -> set[ObjectId]:
        return {id for id, kind in self.ids() if kind == "blob" and test(self.read(id).payload)}

    def nodes(self, ids: Sequence[ObjectId]) -> list[Node]:
        return read_nodes(ids, self.payloads(ids, "tree"))

    def chunks(self, ids: Sequence[ObjectId]) -> Chunks:
        return chunks_of(ids, self.nodes(ids))

    def blobs(self, ids: Sequence[ObjectId]) -> Payloads:
        return Payloads([self.payloads(ids, "blob")])


class MemoryStore(PlainReads):
    """Objects in a dict, which are gone when the process ends."""

    read_only = False

    def __init__(self) -> None:
        self._objects: dict[ObjectId, Object] = {}
        self._written: dict[ObjectId, int] = {}
        self._size = 0
        self._operations: list[ObjectId] = []
        self._lock = ThreadLock()
        self._closed = False

    def read(self, id: ObjectId) -> Object:
        self._check_open()
        try:
            return self._objects[id]
        except KeyError:
            raise BlobNotFoundError(id.hex()) from None

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        return [payload_of(id, self.read(id), kind) for id in ids]

    def contains(self, id: ObjectId) -> bool:
        self._check_open()
        return id in self._objects

    def find(self, prefix: str) -> tuple[ObjectId, ...]:
        self._check_open()
        return tuple(sorted(id for id in self._objects if id.hex().startswith(prefix)))

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        self._check_open()
        return iter([(id, obj.kind) for id, obj in self._objects.items()])

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        self._check_open()
        moment = time.time_ns()
        for new in objects:
            if new.id not in self._objects:
                self._objects[new.id] = Object(new.kind, new.payload)
                self._size += len(new.payload)
            self._written[new.id] = moment
        return tuple(new.id for new in objects)

    def lock(self) -> AbstractContextManager[None]:
        return self._locked()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            self._check_open()
            yield

    def refresh(self) -> bool:
        self._check_open()
        return False

    def append(self, objects: Sequence[NewObject], operation: NewObject, *, keyframe: bool) -> None:
        self.write_many([*objects, operation])
        if keyframe:
            self._operations = []
        self._operations.append(operation.id)

    def operations(self) -> list[ObjectId]:
        return self._operations

    def is_full(self) -> bool:
        return False

    def seal(self, keyframe: NewObject, chunks: Sequence[NewObject] = ()) -> None:
        self.append(chunks, keyframe, keyframe=True)

    # What gc asks of every store: here each object lies by itself, and stays where it is.

    def maintenance(self, *, looks: bool = False) -> AbstractContextManager[None]:
        """Hold the lock that only one gc can have; in memory this is the writers' lock too, and gc waits for it."""
        return self.lock()

    def packs(self) -> dict[str, int]:
        return {}

    def journal_objects(self) -> Iterator[tuple[ObjectId, Kind]]:
        return iter(())

    def has_new_objects(self) -> bool:
        return False

    def loose_objects(self) -> dict[ObjectId, int]:
        """All objects, with the time when they were last written, in nanoseconds since 1970."""
        return dict(self._written)

    def loose_kind(self, id: ObjectId) -> Kind:
        return self._objects[id].kind

    def is_large(self, id: ObjectId) -> bool:
        return True

    def begin_again(self, gone: Mapping[ObjectId, int], objects: Iterable[NewObject], keyframe: NewObject) -> None:
        """Drop all operations, and the objects in *gone* unless they were written again after the time given there; then start again with *objects* and *keyframe*.

        Only for the holder of the lock.
        """
        old = {id for id, kind in self.ids() if kind == "operation"}
        old.update(id for id, written in gone.items() if self._written.get(id) == written)
        for id in old:
            self._size -= len(self._objects.pop(id).payload)
            del self._written[id]
        self.append([*objects], keyframe, keyframe=True)

    def stats(self) -> StoreStats:
        return StoreStats(
            journal_objects=0,
            journal_size=0,
            packed_objects=0,
            packs=0,
            pack_size=0,
            loose_objects=len(self._objects),
            loose_size=self._size,
        )

    def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the store is closed")
