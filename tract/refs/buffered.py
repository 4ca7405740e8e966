"""Stores that hold everything back until it is told to land: how a batch is all or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from tract.errors import RefMovedError
from tract.objects.id import Kind, ObjectId
from tract.objects.model import NewObject, Object, Operation, RefValue
from tract.refs.operations import shown
from tract.refs.store import ANY, Expected, RefEdit, RefStore
from tract.storage.plain import PlainReads
from tract.storage.store import ObjectStore, StoreStats, payload_of


class BufferedObjects(PlainReads):
    """An object store whose new objects are only in memory."""

    def __init__(self, base: ObjectStore) -> None:
        self._base = base
        self.new: dict[ObjectId, NewObject] = {}

    def read(self, id: ObjectId) -> Object:
        found = self.new.get(id)
        return Object(found.kind, found.payload) if found is not None else self._base.read(id)

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        others = iter(self._base.payloads([id for id in ids if id not in self.new], kind))
        return [payload_of(id, self.read(id), kind) if id in self.new else next(others) for id in ids]

    def contains(self, id: ObjectId) -> bool:
        return id in self.new or self._base.contains(id)

    def find(self, prefix: str) -> tuple[ObjectId, ...]:
        mine = {id for id in self.new if id.hex().startswith(prefix)}
        return tuple(sorted(mine.union(self._base.find(prefix))))

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        yield from ((id, new.kind) for id, new in self.new.items())
        yield from ((id, kind) for id, kind in self._base.ids() if id not in self.new)

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        self.new.update((new.id, new) for new in objects)
        return tuple(new.id for new in objects)

    def lock(self) -> AbstractContextManager[None]:
        """Nothing, for nothing is written: who lands the batch takes the store's lock."""
        return nullcontext()

    def refresh(self) -> bool:
        return False

    def append(self, objects: Sequence[NewObject], operation: NewObject, *, keyframe: bool) -> None:
        raise NotImplementedError("a batch appends when it lands")

    def operations(self) -> list[ObjectId]:
        return self._base.operations()

    def is_full(self) -> bool:
        return False

    def seal(self, keyframe: NewObject) -> None:
        raise NotImplementedError("a batch is never sealed")

    def stats(self) -> StoreStats:
        return self._base.stats()

    def close(self) -> None:
        self.new.clear()


class BufferedRefs:
    """A ref store whose edits wait in memory, with the objects that came with them."""

    def __init__(self, base: RefStore, objects: BufferedObjects) -> None:
        self._base = base
        self._objects = objects
        self._edits: dict[str, RefValue | None] = {}
        self._expected: dict[str, Expected] = {}

    def read(self, name: str) -> RefValue | None:
        return self._edits[name] if name in self._edits else self._base.read(name)

    def list(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        refs = {**dict(self._base.list(prefix)), **{n: v for n, v in self._edits.items() if n.startswith(prefix)}}
        return tuple(sorted((name, value) for name, value in refs.items() if value is not None))

    def refresh(self) -> None:
        """A batch sees one state of the refs throughout."""

    def update(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        for name, _, expected in edits:
            if expected is not ANY and self.read(name) != expected:
                raise RefMovedError(name, shown(expected), shown(self.read(name)))
        self._objects.write_many(objects)
        for name, new, _ in edits:
            self._expected.setdefault(name, self._base.read(name))
            self._edits[name] = new

    def mark(self) -> tuple[dict[str, RefValue | None], dict[str, Expected], dict[ObjectId, NewObject]]:
        """What was held back so far, for ``go_back``."""
        return dict(self._edits), dict(self._expected), dict(self._objects.new)

    def go_back(self, mark: tuple[dict[str, RefValue | None], dict[str, Expected], dict[ObjectId, NewObject]]) -> None:
        """Hold back only what was held back at *mark*."""
        edits, expected, new = mark
        self._edits, self._expected = dict(edits), dict(expected)
        self._objects.new.clear()
        self._objects.new.update(new)

    def edits(self) -> tuple[RefEdit, ...]:
        """What was held back, each edit expecting what the base held when it was first touched."""
        return tuple(RefEdit(name, new, self._expected[name]) for name, new in self._edits.items())

    def history(self) -> Iterator[tuple[ObjectId, Operation]]:
        return self._base.history()

    def keyframe(self, previous: ObjectId | None, reason: str) -> NewObject:
        raise NotImplementedError("a batch makes no keyframes")

    @property
    def last(self) -> ObjectId | None:
        return self._base.last

    def close(self) -> None:
        self._edits.clear()
