"""The refs of a store by tract.

A keyframe holds the value of every ref. It holds the root tract's refs itself, and those of other tracts in chunks. So opening a store, or moving a ref of one tract, costs the same with many tracts as with few:

    keyframe ── refs      HEAD, refs/heads/main …             of the root tract
             └─ chunks    #0, #1, … #2^k-1                    the hash of a tract's part says in which chunk the tract is
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from blake3 import blake3

from tract.annotations import TypeAlias
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, RefChange, RefValue, TractRefs, new_ref_chunk
from tract.refs.names import HEAD, NOTES, TRACTS, NameTable, split_tract

_ByPlace: TypeAlias = dict[int, list[TractRefs]]

_MOST_IN_CHUNK = 32
"""If a chunk would hold the refs of more tracts than this, all chunks are divided again."""


class Checkpoint(NamedTuple):
    """The refs for a keyframe: those that it holds itself, the ids of the chunks with the others, and the chunks that are new."""

    refs: tuple[tuple[str, RefValue], ...]
    chunks: tuple[ObjectId, ...]
    new: tuple[NewObject, ...]


class _Tract:
    """The refs of one tract, by their names inside it; *owner* is the table that may change them."""

    __slots__ = ("changed", "created", "hash", "names", "owner", "refs")

    def __init__(
        self, owner: object, hash: int, refs: dict[str, RefValue], created: int | None, changed: int | None
    ) -> None:
        self.owner = owner
        self.hash = hash
        self.refs = refs
        self.created = created
        self.changed = changed
        self.names: NameTable | None = None  # made when a new name is first checked


_KEYS = NOTES + "key"
_OTHERS_HEAD = "/HEAD"


class RefTable:
    """The value of every ref of a store. *load* reads a chunk of refs of other tracts when one of them is first needed.

    While *note_moves* stays the same, no ref of notes has moved, except the notes of keys, which no output shows.
    """

    def __init__(
        self,
        load: Callable[[ObjectId], tuple[TractRefs, ...]],
        refs: Iterable[tuple[str, RefValue]] = (),
        chunks: Sequence[ObjectId] = (),
    ) -> None:
        self.note_moves = 0
        self._load = load
        self._chunks = tuple(chunks)
        self._missing = set(range(len(self._chunks)))
        self._changed: set[int] = set()
        self._waiting: dict[int, list[tuple[RefChange, int | None]]] = {}
        self._owner = object()
        self.root = _Tract(self._owner, 0, {}, None, None)
        self._tracts: dict[str, _Tract] = {"": self.root}
        for name, value in refs:
            prefix, local = split_tract(name)
            self._own(prefix).refs[local] = value
        self._is_divided = len(self._tracts) == 1

    def read(self, name: str) -> RefValue | None:
        """The value of the ref, or None if it does not exist."""
        found = self.root.refs.get(name)
        if found is not None or not name.startswith(TRACTS):
            return found
        prefix, local = split_tract(name)
        tract = self._tract(prefix)
        return None if tract is None else tract.refs.get(local)

    def list(self, start: str = "") -> tuple[tuple[str, RefValue], ...]:
        """The refs whose names begin with *start*, in order of name."""
        prefix, _ = split_tract(start)
        found: Iterable[tuple[str, RefValue]]
        if prefix and prefix.endswith("/") and start.startswith(prefix):
            tract = self._tract(prefix)
            found = () if tract is None else ((prefix + name, value) for name, value in tract.refs.items())
        elif not start.startswith(TRACTS[: len(start)]):
            found = self.root.refs.items()
        else:
            self._load_all()
            found = ((at + name, value) for at, tract in self._tracts.items() for name, value in tract.refs.items())
        return tuple(sorted(item for item in found if item[0].startswith(start)))

    def tracts(self) -> Iterator[tuple[str, int | None, int | None]]:
        """Yield the prefix of every tract with refs, and when it was made and last changed, in microseconds since 1970, or None if not known."""
        self._load_all()
        for prefix, tract in self._tracts.items():
            if tract.refs:
                yield prefix, tract.created, tract.changed

    def has_at_most(self, number: int) -> bool:
        """True if the store has at most *number* refs; False if counting them would take long."""
        if len(self._chunks) * _MOST_IN_CHUNK > number:
            return False
        return len(self.list()) <= number

    @property
    def root_count(self) -> int:
        """The number of refs of the root tract."""
        return len(self.root.refs)

    @property
    def chunk_count(self) -> int:
        """The number of chunks at the last keyframe."""
        return len(self._chunks)

    def copy(self) -> RefTable:
        """A copy that later changes of this table do not reach."""
        other = RefTable(self._load, (), self._chunks)
        other._missing = set(self._missing)
        other._changed = set(self._changed)
        other._waiting = {at: list(changes) for at, changes in self._waiting.items()}
        other._tracts = dict(self._tracts)
        other.root = self.root
        other._is_divided = self._is_divided
        other.note_moves = self.note_moves
        self._owner = object()  # neither table changes the values that both hold
        return other

    def move(self, changes: Iterable[RefChange], time: int | None = None) -> None:
        """Apply the changes of an operation made at *time*. Changes of a tract whose chunk is not loaded wait until it is."""
        changes = tuple(changes)
        # A commit seldom has a move that deletes a name and makes it again.
        made = self._made_before(changes) if None in [new for _, _, new in changes] else {}
        for change in changes:
            name, old, new = change
            if NOTES in name and not name.endswith(_KEYS):
                self.note_moves += 1
            if old is not None and new is not None and not name.startswith(TRACTS):
                root = self.root if self.root.owner is self._owner else self._own("")
                root.refs[name] = new  # as in most commits: no name is made or deleted
                root.changed = root.changed if time is None else time
                continue
            prefix, local = split_tract(name) if name.startswith(TRACTS) else ("", name)
            at = self._unread(prefix) if prefix else None
            if at is None:
                self._move(prefix, local, old, new, time)
            else:
                self._waiting.setdefault(at, []).append((change, time))
                self._changed.add(at)
        for prefix, created in made.items():
            self._own(prefix).created = created

    def _made_before(self, changes: Sequence[RefChange]) -> dict[str, int | None]:
        """If *changes* rename a tract: the time when the tract was made, by its new prefix."""
        heads = [change for change in changes if change.name.endswith(_OTHERS_HEAD) and change.name.startswith(TRACTS)]
        gone = [one for one in heads if one.new is None]
        new = [one for one in heads if one.old is None]
        if len(gone) != 1 or len(new) != 1:
            return {}
        was = self._tract(split_tract(gone[0].name)[0])
        return {split_tract(new[0].name)[0]: None if was is None else was.created}

    def _unread(self, prefix: str) -> int | None:
        """The position of the chunk with the tract's refs, if that chunk is not loaded, else None."""
        if not self._missing or prefix in self._tracts:
            return None
        at = _hash_of(prefix) & (len(self._chunks) - 1)
        return at if at in self._missing else None

    def _move(self, prefix: str, local: str, old: RefValue | None, new: RefValue | None, time: int | None) -> None:
        root = self.root
        tract = root if not prefix and root.owner is self._owner else self._own(prefix)
        if tract.names is not None:
            _move_name(tract.names, local, old, new)
        if new is None:
            tract.refs.pop(local, None)
        else:
            tract.refs[local] = new
        if local == HEAD and old is None:
            tract.created = time
        if time is not None:
            tract.changed = time
        if prefix and not tract.refs:
            del self._tracts[prefix]

    def check_new_names(self, changes: Sequence[RefChange]) -> None:
        """Raise RefNameError if a new name cannot exist beside the other names of its tract, after *changes*."""
        new = [split_tract(change.name) for change in changes if change.old is None]
        if not new:
            return
        local = [(self._own(split_tract(change.name)[0]), split_tract(change.name)[1], change) for change in changes]
        tables: dict[str, NameTable] = {}
        for prefix, _ in new:
            tract = self._own(prefix)
            tables[prefix] = tract.names = tract.names or NameTable(tract.refs)
        try:
            for tract, name, change in local:
                _move_name(tract.names, name, change.old, change.new)
            for prefix, name in new:
                tables[prefix].check(name)
        finally:
            for tract, name, change in local:
                _move_name(tract.names, name, change.new, change.old)
            for prefix in tables:
                if prefix and not self._tracts[prefix].refs:
                    del self._tracts[prefix]

    def checkpoint(
        self, changes: Iterable[RefChange] = (), time: int | None = None, *, whole: bool = False
    ) -> Checkpoint:
        """The refs for a keyframe that comes with *changes*; with *whole*, every chunk is among the new ones."""
        after = self.copy()
        after.move(changes, time)
        count, divided = after._divided(whole=whole)
        new = {at: new_ref_chunk(tracts) for at, tracts in divided.items()}
        chunks = tuple(new[at].id if at in new else after._chunks[at] for at in range(count))
        return Checkpoint(tuple(sorted(after.root.refs.items())), chunks, tuple(new.values()))

    def saved(self, chunks: Sequence[ObjectId]) -> None:
        """Record that a keyframe holds the state of this table, in these *chunks*."""
        if len(chunks) != len(self._chunks):
            self._load_all()
        self._chunks = tuple(chunks)
        self._changed.clear()
        self._waiting.clear()
        self._is_divided = True

    def _divided(self, *, whole: bool) -> tuple[int, _ByPlace]:
        """The number of chunks that the keyframe will have, and the chunks to write, by position: the changed ones, or all if the number changes."""
        if whole or not self._is_divided or not self._chunks:
            self._load_all()
            return self._divide(1) if len(self._tracts) > 1 else (0, {})
        for at in sorted(self._changed):
            self._load_chunk(at)
        count = len(self._chunks)
        found = self._in_chunks(sorted(self._changed), count)
        if all(len(tracts) <= _MOST_IN_CHUNK for tracts in found.values()):
            return count, found
        self._load_all()
        return self._divide(2 * count)

    def _divide(self, count: int) -> tuple[int, _ByPlace]:
        """Divide all tracts into *count* chunks, or double that number until they fit."""
        while True:
            found = self._in_chunks(range(count), count)
            if all(len(tracts) <= _MOST_IN_CHUNK for tracts in found.values()):
                return count, found
            count *= 2

    def _in_chunks(self, places: Iterable[int], count: int) -> _ByPlace:
        """The tracts in each chunk of *places*, with *count* chunks in all; those chunks must be loaded."""
        found: _ByPlace = {at: [] for at in places}
        for prefix, tract in sorted(self._tracts.items()):
            tracts = found.get(tract.hash & (count - 1))
            if prefix and tracts is not None:
                tracts.append(self._as_value(prefix))
        return found

    def _as_value(self, prefix: str) -> TractRefs:
        tract = self._tracts[prefix]
        part = prefix.removeprefix(TRACTS).rstrip("/")
        return TractRefs(part, tract.created, tract.changed, tuple(sorted(tract.refs.items())))

    def _tract(self, prefix: str) -> _Tract | None:
        at = self._unread(prefix)
        if at is not None:
            self._load_chunk(at)
        return self._tracts.get(prefix)

    def _own(self, prefix: str) -> _Tract:
        """The refs of a tract, for changing."""
        found = self._tract(prefix)
        if found is None:
            found = self._tracts[prefix] = _Tract(self._owner, _hash_of(prefix), {}, None, None)
        elif found.owner is not self._owner:
            old, found = found, _Tract(self._owner, found.hash, dict(found.refs), found.created, found.changed)
            found.names, old.names = old.names, None
            self._tracts[prefix] = found
            if not prefix:
                self.root = found
        if prefix and self._chunks:
            self._changed.add(found.hash & (len(self._chunks) - 1))
        return found

    def _load_all(self) -> None:
        for at in sorted(self._missing):
            self._load_chunk(at)

    def _load_chunk(self, at: int) -> None:
        if at not in self._missing:
            return
        for part, created, changed, refs in self._load(self._chunks[at]):
            prefix = f"{TRACTS}{part}/"
            self._tracts[prefix] = _Tract(self._owner, _hash_of(prefix), dict(refs), created, changed)
        self._missing.discard(at)
        for (name, old, new), time in self._waiting.pop(at, ()):
            self._move(*split_tract(name), old, new, time)


def refs_in(chunk: Iterable[TractRefs]) -> Iterator[tuple[str, RefValue]]:
    """The refs in a chunk, by their full names."""
    for part, _, _, refs in chunk:
        for name, value in refs:
            yield f"{TRACTS}{part}/{name}", value


def _hash_of(prefix: str) -> int:
    """The hash that says in which chunk a tract's refs are: its last bits are the number of the chunk."""
    part = prefix.removeprefix(TRACTS).rstrip("/")
    return int.from_bytes(blake3(part.encode()).digest()[:4], "little")


def _move_name(names: NameTable | None, name: str, old: RefValue | None, new: RefValue | None) -> None:
    if names is not None and new is None and old is not None:
        names.remove(name)
    elif names is not None and old is None and new is not None:
        names.add(name)
