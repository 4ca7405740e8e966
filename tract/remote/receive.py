"""Receiving objects of a remote: each is proved, and everything they need is proved to be there, before any of them is in the store.

Up to a limit objects wait in memory, and land with the operation; more of them wait on the disk, in quarantine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from tract.dataclass import replace
from tract.errors import ObjectCorruptError, RemoteError
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Commit, NewObject, Node, Object, borrows_context, named_by
from tract.objects.strict_reader import read_commit, read_node
from tract.refs.buffered import BufferedObjects
from tract.remote.head import PackName
from tract.remote.link import Link, MissingPackError
from tract.remote.packs import FrameRow, PackIndex, read_frame, read_pack
from tract.remote.together import AT_ONCE, ask_together
from tract.remote.transport import Stored
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.quarantine import Quarantine
from tract.storage.shallow import Cut, kept_part
from tract.transaction import Transaction, wrong_content

_IN_MEMORY = 16 * 1024 * 1024

# A pack with fewer objects is read whole: reading its index first would take as long.
_LEAST_LOOKED_INTO = 64


class Incoming:
    """Objects on their way into a store."""

    def __init__(self, repo: Repository, quarantine: Quarantine | None) -> None:
        self._repo = repo
        self._quarantine = quarantine
        self._objects: dict[ObjectId, NewObject] = {}
        self._ids: set[ObjectId] = set()
        self._reached: set[ObjectId] = set()
        self._landed = False

    def __contains__(self, id: ObjectId) -> bool:
        return id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, new: NewObject) -> None:
        """Take in an object that was proved."""
        if new.id in self._ids:
            return
        self._ids.add(new.id)
        if self._quarantine is not None:
            self._quarantine.add(new)
        else:
            self._objects[new.id] = new

    def read(self, id: ObjectId) -> Object | None:
        """Return an object that came; None for any other."""
        if id not in self._ids:
            return None
        if self._quarantine is not None:
            return self._quarantine.read(id)
        new = self._objects[id]
        return Object(new.kind, new.payload)

    def has(self, id: ObjectId) -> bool:
        """True if an object is in the store, or came."""
        return id in self._ids or self._repo.objects.contains(id)

    def was_here(self, id: ObjectId) -> bool:
        """True if an object is in the store, without a second look for what other processes packed meanwhile: a wrong no is harmless."""
        store = self._repo.objects
        return store.was_seen(id) if isinstance(store, Database) else store.contains(id)

    def lacking(self, roots: Iterable[tuple[ObjectId, Kind]], cuts: Mapping[ObjectId, Cut]) -> list[ObjectId]:
        """The objects that *roots* need and that are neither here nor came; RemoteError if an object that came is not what it must be.

        What is in the store is whole, so the walk ends there.
        """
        missing: list[ObjectId] = []
        stack = [(id, kind, "a head") for id, kind in roots]
        while stack:
            id, kind, by = stack.pop()
            if id in self._reached:
                continue
            found = self.read(id)
            if found is None:
                if not self._repo.objects.contains(id):
                    missing.append(id)
                elif self._repo.objects.read(id).kind != kind:
                    raise RemoteError(f"{by} names {id.hex()[:16]} as a {kind}, which it is not")
                else:
                    self._reached.add(id)  # contexts name the same messages again and again
                continue
            if found.kind != kind:
                raise RemoteError(f"{by} names {id.hex()[:16]} as a {kind}, which is a {found.kind}")
            self._reached.add(id)
            if kind != "blob":
                stack += self._named(id, found, cuts)
        if missing:
            self._reached.clear()
        return missing

    def _named(self, id: ObjectId, obj: Object, cuts: Mapping[ObjectId, Cut]) -> Iterator[tuple[ObjectId, Kind, str]]:
        value: Commit | Node
        by = f"{obj.kind} {id.hex()[:16]}"
        if obj.kind == "tree":
            value = read_node(id, obj)
        else:
            commit = read_commit(id, obj)
            if id not in cuts and not borrows_context(commit):
                self._repo.keep_commit(id, commit)
            value = kept_part(commit, cuts.get(id))
            self._check_content(value, by)
            for parent in value.parents:
                if self.has(parent) and self._generation(parent) >= value.generation:
                    raise RemoteError(f"the generation of {by} is not above that of its parent")
        for named, kind, role in named_by(value):
            if role != "noted" and named not in self._reached:
                yield named, kind, by

    def _check_content(self, commit: Commit, by: str) -> None:
        """Raise RemoteError if the content that came is not one that the commit's operation brings."""
        content = None if commit.content is None else self.read(commit.content)
        if content is None and commit.content is not None and self._repo.objects.contains(commit.content):
            content = self._repo.objects.read(commit.content)
        wrong = None if content is None or content.kind != "blob" else wrong_content(commit, content)
        if wrong is not None:
            raise RemoteError(f"{by} is refused: {wrong}")

    def _generation(self, id: ObjectId) -> int:
        found = None if id in self._repo.decoded.commits else self.read(id)
        return self._repo.commit(id).generation if found is None else read_commit(id, found).generation

    def reader(self) -> Repository:
        """The store with what came; the store alone once it has that."""
        if self._landed:
            return self._repo
        if self._quarantine is None:
            return replace(self._repo, objects=BufferedObjects(self._repo.objects, list(self._objects.values())))
        return replace(self._repo, objects=_WithQuarantine(self._repo.objects, self._quarantine, self._ids))

    def land(self, tx: Transaction) -> None:
        """Put everything that is needed of what came into the store, with the first transaction that asks."""
        if self._landed:
            return
        self._landed = True
        if self._quarantine is not None:
            self._quarantine.land()
            return
        tx.objects += [new for new in self._objects.values() if new.id in self._reached]


class _WithQuarantine(BufferedObjects):
    """A store with what is in quarantine beside it."""

    def __init__(self, base: object, quarantine: Quarantine, ids: set[ObjectId]) -> None:
        super().__init__(base)  # type: ignore[arg-type]  # any store
        self._quarantine = quarantine
        self._quarantined = ids

    def read(self, id: ObjectId) -> Object:
        found = self._quarantine.read(id) if id in self._quarantined else None
        return found if found is not None else super().read(id)

    def contains(self, id: ObjectId) -> bool:
        return id in self._quarantined or super().contains(id)

    def payloads(self, ids: Sequence[ObjectId], kind: Kind) -> list[bytes]:
        found = [self.read(id) for id in ids]
        for id, obj in zip(ids, found, strict=True):
            if obj.kind != kind:
                raise ObjectCorruptError(f"object {id.hex()}", f"expected a {kind}, found a {obj.kind}")
        return [obj.payload for obj in found]


@contextmanager
def receiving(repo: Repository, size: int) -> Iterator[Incoming]:
    """A place for objects of *size* bytes, as they are sent."""
    store = repo.objects
    if isinstance(store, Database) and size > _IN_MEMORY // 4:
        with store.maintenance(), Quarantine(store.path) as quarantine:
            yield Incoming(repo, quarantine)
    else:
        yield Incoming(repo, None)


def receive(
    link: Link, packs: Sequence[PackName], incoming: Incoming, *, is_new: bool, told: Callable[[int, int], None]
) -> None:
    """Read *packs*, several at once, and take in what the store lacks; *is_new* says that it has nothing yet.

    *told* is called with the number of bytes read and the total. Other threads only request and prove; only this thread uses the store.
    """
    total = sum(pack.size for pack in packs)
    done = 0
    for at in range(0, len(packs), AT_ONCE):
        part = packs[at : at + AT_ONCE]
        looked_into = [] if is_new else [pack for pack in part if pack.objects >= _LEAST_LOOKED_INTO]
        indexes = dict(zip(looked_into, ask_together(link.index, looked_into), strict=True))
        asked = [_part(link, pack, indexes.get(pack), incoming) for pack in part]
        for one, objects in zip(asked, ask_together(_Part.read, asked), strict=True):
            index = one.table
            ids = [new.id for new in objects] if index is None else [index.id(n) for n in range(len(index))]
            link.remember_pack(one.pack.key, ids)
            for new in objects:
                if is_new or not incoming.was_here(new.id):
                    incoming.add(new)
            done += one.pack.size
            told(done, total)


def _part(link: Link, pack: PackName, index: PackIndex | None, incoming: Incoming) -> _Part:
    if index is None:
        return _Part(link, pack)
    ids = (index.id(number) for number in range(len(index)))
    wanted = frozenset(id for id in ids if id not in incoming and not incoming.was_here(id))
    rows = [
        row
        for row in index.frames
        if any(index.id(number) in wanted for number in range(row.first, row.first + row.number))
    ]
    return _Part(link, pack, index, rows if 2 * sum(row.size for row in rows) < pack.size else None, wanted)


class _Part(NamedTuple):
    """A request for one pack, or for some *rows* (frames) of it; only the *wanted* ones of the objects in *table* are used."""

    link: Link
    pack: PackName
    table: PackIndex | None = None
    rows: Sequence[FrameRow] | None = None
    wanted: frozenset[ObjectId] | None = None

    def read(self) -> list[NewObject]:
        """Read the objects, each proved."""
        if self.rows is None:
            return self.link.patiently(self._whole)
        return [new for row in self.rows for new in self.link.patiently(partial(self._frame, row))]

    def _whole(self) -> list[NewObject]:
        pack = self.pack
        stored = self.link.transport.get(pack.key)
        if not isinstance(stored, Stored):
            raise MissingPackError(self.link.name, pack.key)
        if len(stored.data) != pack.size:
            raise RemoteError(
                f"remote '{self.link.name}': pack '{pack.key}' has {len(stored.data)} bytes of {pack.size}"
            )
        wanted = self.wanted
        objects = read_pack(stored.data, pack.index_at, pack.key, *(() if wanted is None else (wanted.__contains__,)))
        return self._proved(objects)

    def _frame(self, row: FrameRow) -> list[NewObject]:
        assert self.table is not None
        frame = self.link.transport.get_range(self.pack.key, row.offset, row.size)
        if frame is None:
            raise MissingPackError(self.link.name, self.pack.key)
        wanted = self.wanted or frozenset()
        return self._proved(read_frame(frame, row, self.table, self.pack.key, wanted.__contains__))

    def _proved(self, objects: Iterator[NewObject]) -> list[NewObject]:
        try:
            return list(objects)
        except ObjectCorruptError as exc:
            raise RemoteError(f"remote '{self.link.name}': {exc}") from exc
