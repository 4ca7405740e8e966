"""Stores that hold all changes back in memory: for a batch, or a transaction that reads what it made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

from tract.errors import RefMovedError
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import NewObject, Object, Operation, RefChange, RefValue, shown
from tract.refs.ref_table import RefTable
from tract.refs.store import ANY, Expected, RefEdit, RefStore
from tract.storage.memory import PlainReads
from tract.storage.store import ObjectStore, StoreStats, payload_of


class BufferedObjects(PlainReads):
    """An object store that keeps its new objects in memory only: those in the list *new*, which may grow at its end."""

    def __init__(self, base: ObjectStore, new: list[NewObject] | None = None) -> None:
        self._base = base
        self.new = [] if new is None else new
        self._by_id: dict[ObjectId, NewObject] = {}
        self._taken = 0

    def _mine(self) -> dict[ObjectId, NewObject]:
        if self._taken != len(self.new):
            self._by_id.update((made.id, made) for made in self.new[self._taken :])
            self._taken = len(self.new)
        return self._by_id

    def cut(self, length: int) -> None:
        """Forget all new objects except the first *length*."""
        del self.new[length:]
        self._by_id, self._taken = {}, 0

    def read(self, id: ObjectId) -> Object:
        found = self._mine().get(id)
        return Object(found.kind, found.payload) if found is not None else self._base.read(id)

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        mine = self._mine()
        others = iter(self._base.payloads([id for id in ids if id not in mine], kind))
        return [payload_of(id, self.read(id), kind) if id in mine else next(others) for id in ids]

    def contains(self, id: ObjectId) -> bool:
        return id in self._mine() or self._base.contains(id)

    def find(self, prefix: str) -> tuple[ObjectId, ...]:
        mine = {id for id in self._mine() if id.hex().startswith(prefix)}
        return tuple(sorted(mine.union(self._base.find(prefix))))

    def ids(self) -> Iterator[tuple[ObjectId, Kind]]:
        mine = self._mine()
        yield from ((id, new.kind) for id, new in mine.items())
        yield from ((id, kind) for id, kind in self._base.ids() if id not in mine)

    def write_many(self, objects: Sequence[NewObject]) -> tuple[ObjectId, ...]:
        self.new += objects
        return tuple(new.id for new in objects)

    def stats(self) -> StoreStats:
        return self._base.stats()

    def close(self) -> None:
        self.cut(0)


class Mark(NamedTuple):
    """The state of what is held back at one moment."""

    edits: dict[str, RefValue | None]
    expected: dict[str, Expected]
    objects: int


class BufferedRefs:
    """A ref store whose edits wait in memory, with the objects that came with them. It shows one state of *base* throughout."""

    def __init__(self, base: RefStore, objects: BufferedObjects) -> None:
        self._base = base
        self._refs = base.now()
        self._last = base.last
        self._objects = objects
        self._edits: dict[str, RefValue | None] = {}
        self._expected: dict[str, Expected] = {}
        self._note_moves = 0

    def read(self, name: str) -> RefValue | None:
        return self._edits[name] if name in self._edits else self._refs.read(name)

    def read_before(self, name: str) -> RefValue | None:
        """The value of the ref before any of these edits."""
        return self._refs.read(name)

    def list(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        edits = {name: value for name, value in self._edits.items() if name.startswith(prefix)}
        refs = {**dict(self._refs.list(prefix)), **edits}
        return tuple(sorted((name, value) for name, value in refs.items() if value is not None))

    def tracts(self) -> Iterator[tuple[str, int | None, int | None]]:
        return self._refs.tracts()

    def now(self) -> RefTable:
        found = self._refs.copy()
        found.move(RefChange(name, self._refs.read(name), value) for name, value in self._edits.items())
        return found

    def refresh(self) -> None:
        """Do nothing: changes by others are found when the edits land."""

    def lock(self) -> AbstractContextManager[None]:
        """Do nothing: no other handle sees these edits."""
        return nullcontext()

    def update(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        for name, _, expected in edits:
            if expected is not ANY and self.read(name) != expected:
                raise RefMovedError(name, shown(expected), shown(self.read(name)))
        self._objects.write_many(objects)
        for name, new, _ in edits:
            self._expected.setdefault(name, self._refs.read(name))
            self._edits[name] = new
        self._note_moves += 1

    def land(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        self.update(edits, reason=reason, objects=objects)

    @property
    def note_moves(self) -> int:
        return self._note_moves

    def mark(self) -> Mark:
        """Remember what is held back so far, for ``go_back``."""
        return Mark(dict(self._edits), dict(self._expected), len(self._objects.new))

    def go_back(self, mark: Mark) -> None:
        """Hold back only what was held back at *mark*."""
        self._edits, self._expected = dict(mark.edits), dict(mark.expected)
        self._objects.cut(mark.objects)
        self._note_moves += 1

    def edits(self) -> tuple[RefEdit, ...]:
        """The edits held back; each expects the value that the base held at first."""
        return tuple(RefEdit(name, new, self._expected[name]) for name, new in self._edits.items())

    def history(self) -> Iterator[tuple[ObjectId, Operation]]:
        return self._base.history()

    @property
    def last(self) -> ObjectId | None:
        """The newest operation of the base; edits that are held back are not an operation yet."""
        return self._last

    def close(self) -> None:
        self._edits.clear()
