"""Refs as the sum of the operations: the state is the last keyframe and the changes after it.

    keyframe ── op ── op ── op          one object each, chained by id
    all refs    a: 1→2  b: ∅→1  a: 2→3

An operation is written in the same append as the objects that it makes reachable.
Until all of it is written nothing has happened; from then on everything has.
Ref files are written after it, for people and for repair; the state never comes from them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress

from tract.errors import (
    BlobNotFoundError,
    CommitNotFoundError,
    DurabilityError,
    ObjectCorruptError,
    RefMovedError,
    RefNameError,
    StorageError,
)
from tract.objects.id import Kind, ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue, TractRefs, new_operation, shown
from tract.objects.strict_reader import read_operation, read_ref_chunk
from tract.refs.names import TRACTS, check_ref
from tract.refs.ref_table import RefTable
from tract.refs.store import ANY, Mirror, RefEdit
from tract.storage.store import JournalStore

# A reader decodes the operations since the last keyframe; more keyframes would only make the journal larger.
_KEYFRAME_EVERY = 256
_CHUNKS_AN_OPERATION = 4
"""If a keyframe names many chunks, one operation per this many chunks comes before the next keyframe."""

_OPERATIONS_KEPT = 1024

_MANY = 4
"""With more edits than this, a table of all objects' kinds is worth its cost."""

# The first write of a handle compares the files of all refs, if there are at most this many; gc compares more.
_MOST_LOOKED_AT = 256


def now() -> int:
    """The time now, in microseconds since 1970, UTC."""
    return time.time_ns() // 1000


class OperationRefs:
    """The refs of a store whose changes are operations."""

    def __init__(
        self, store: JournalStore, *, actor: str, mirror: Mirror | None = None, clock: Callable[[], int] = now
    ) -> None:
        self._store = store
        self._actor = actor
        self._mirror = mirror
        self._clock = clock
        self._refs = RefTable(self._load_chunk)
        self._seen: list[ObjectId] = []
        self._taken = 0
        self._since_keyframe = 0
        # Refs whose files may be out of date: another writer may have died before it wrote them, or the write failed here.
        self._doubtful: set[str] = set()
        self._unshown: set[str] = set()
        self._looked_at_all = False
        self._last: ObjectId | None = None
        # Reading back is often repeated, for example by one undo after another; an operation never changes.
        self._known: dict[ObjectId, Operation] = {}
        self._catch_up()

    @property
    def last(self) -> ObjectId | None:
        """The newest operation."""
        return self._last

    def read(self, name: str) -> RefValue | None:
        found = self._refs.root.refs.get(name)  # every commit asks a dozen times
        return self._refs.read(name) if found is None and name.startswith(TRACTS) else found

    @property
    def note_moves(self) -> int:
        return self._refs.note_moves

    def list(self, prefix: str = "") -> tuple[tuple[str, RefValue], ...]:
        return self._refs.list(prefix)

    def tracts(self) -> Iterator[tuple[str, int | None, int | None]]:
        return self._refs.tracts()

    def now(self) -> RefTable:
        return self._refs.copy()

    def _load_chunk(self, id: ObjectId) -> tuple[TractRefs, ...]:
        return read_ref_chunk(id, self._store.read(id))

    def refresh(self) -> None:
        self._store.refresh()
        self._catch_up()

    def lock(self) -> AbstractContextManager[None]:
        return self._store.lock()

    def _catch_up(self) -> None:
        """Apply the operations that other processes wrote."""
        operations = self._store.operations()
        if operations is self._seen and len(operations) == self._taken:
            return
        if operations is not self._seen:
            self._seen, self._taken = operations, 0
        taken = []
        for id in operations[self._taken :]:
            operation = read_operation(id, self._store.read(id))
            self._take(id, operation)
            taken.append(operation)
        self._taken = len(operations)
        self._find_doubtful(taken)

    def _find_doubtful(self, taken: Sequence[Operation]) -> None:
        """Note which refs the writers of *taken* may have left out of date in their ref files: a writer may have died, and the next one corrects them.

        A writer shows what others left out before its own changes, and its own last change last.
        So if an operation's last change is shown, all changes before it are too, and one check is mostly enough.
        """
        doubtful: set[str] = set()
        for operation in reversed(taken):
            if self._is_shown(_last_written(operation.changes)):
                self._doubtful = doubtful
                return
            doubtful.update(change.name for change in operation.changes)
        self._doubtful |= doubtful

    def _is_shown(self, change: RefChange | None) -> bool:
        if change is None or self._mirror is None:
            return True  # a keyframe that changes nothing is written only when every ref is shown
        try:
            return self._mirror.shows(change)
        except (OSError, StorageError):
            return False

    def _take(self, id: ObjectId, operation: Operation, *, is_own: bool = False) -> None:
        """Apply an operation; of one that this handle wrote, the table lacks only the changes."""
        if operation.refs is not None and not is_own:
            moves = self._refs.note_moves + 1
            self._refs = RefTable(self._load_chunk, operation.refs, operation.chunks)
            self._refs.note_moves = moves
        else:
            self._refs.move(operation.changes, operation.time)
        if operation.refs is None:
            self._since_keyframe += 1
        else:
            self._since_keyframe = 0
            if is_own:
                self._refs.saved(operation.chunks)
        self._last = id

    def update(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        with self._store.lock():
            self._catch_up()
            self.land(edits, reason=reason, objects=objects)

    def land(self, edits: Sequence[RefEdit], *, reason: str, objects: Sequence[NewObject] = ()) -> None:
        changes = self.changes(edits, objects)
        if changes:
            self._write(changes, reason, objects)

    def suppose(self, changes: Sequence[RefChange]) -> RefTable:
        """Answer as if *changes* had been made, until ``go_back`` gets the returned table. Only for the holder of the lock, who must not write meanwhile."""
        before = self._refs
        self._refs = before.copy()
        self._refs.move(changes)
        return before

    def go_back(self, before: RefTable) -> None:
        """Answer with the real state again."""
        before.note_moves = self._refs.note_moves + 1  # the notes that were read meanwhile were of another state
        self._refs = before

    def changes(self, edits: Sequence[RefEdit], objects: Sequence[NewObject]) -> tuple[RefChange, ...]:
        """The changes that *edits* would make, with *objects*; the errors are those of ``land``."""
        changes = []
        moved: set[str] = set()
        kinds = {new.id: new.kind for new in objects} if len(edits) > _MANY else None
        for name, new, expected in edits:
            old = self._refs.read(name)
            if expected is not ANY and old != expected:
                raise RefMovedError(name, shown(expected), shown(old))
            if name in moved:
                raise RefNameError(f"ref '{name}' cannot be moved twice at once")
            moved.add(name)
            if old == new:
                continue
            if isinstance(new, str):
                check_ref(new)
            elif new is not None and not self._will_be_commit(new, objects, kinds):
                raise CommitNotFoundError(new.hex(), f"ref '{name}' cannot be moved to it")
            changes.append(RefChange(name, old, new))
        made = [change.name for change in changes if change.old is None]
        for made_name in made:
            check_ref(made_name)
        if made:  # some file systems have no upper and lower case
            self._refs.check_new_names(changes)
        return tuple(changes)

    def _will_be_commit(
        self, id: ObjectId, objects: Sequence[NewObject], kinds: Mapping[ObjectId, Kind] | None
    ) -> bool:
        """True if *id* is a commit in *objects* or in the store; *kinds* has the kinds of *objects* if there are many edits."""
        if kinds is not None and id in kinds:
            return kinds[id] == "commit"
        for new in reversed(objects if kinds is None else ()):
            if new.id == id:
                return new.kind == "commit"
        return self._store.contains(id) and self._store.read(id).kind == "commit"

    def _write(self, changes: tuple[RefChange, ...], reason: str, objects: Sequence[NewObject]) -> None:
        keyframe = self._since_keyframe >= _KEYFRAME_EVERY and self._since_keyframe >= self._period()
        operation = Operation(self._last, self._clock(), self._actor, reason, changes=changes)
        if keyframe:
            found = self._refs.checkpoint(changes, operation.time)
            operation = operation._replace(refs=found.refs, chunks=found.chunks)
            objects = (*objects, *found.new)
        new = new_operation(operation)
        self._store.append(objects, new, keyframe=keyframe)
        self._take(new.id, operation, is_own=True)
        self._seen = self._store.operations()
        self._taken = len(self._seen)
        self._show(changes)
        if self._store.is_full():
            self._seal_if_possible()

    def _period(self) -> int:
        """The number of operations between keyframes: a keyframe names all refs of the root tract, and all chunks."""
        return max(_KEYFRAME_EVERY, self._refs.root_count, self._refs.chunk_count // _CHUNKS_AN_OPERATION)

    def _show(self, changes: Sequence[RefChange]) -> None:
        if self._mirror is None:
            return
        late = self._unshown | self._doubtful
        self._doubtful = set()
        try:
            if not self._looked_at_all and self._refs.has_at_most(_MOST_LOOKED_AT):
                late |= self._all_names()
            if late:
                late.difference_update(change.name for change in changes)
                self._show_late(late, sure=bool(changes))
            self._mirror.write(changes)
            self._unshown.clear()
        except (OSError, StorageError):
            # The operation has happened: an error now would say that it has not. The next writer tries again.
            self._unshown = late.union(change.name for change in changes)

    def _all_names(self) -> set[str]:
        """All refs, and all names with a ref file: a power cut or a full disk may have removed a ref's file, or brought an old one back."""
        assert self._mirror is not None
        self._looked_at_all = True
        return {*(name for name, _ in self._refs.list()), *self._mirror.names()}

    def _show_late(self, names: Iterable[str], *, sure: bool) -> None:
        assert self._mirror is not None
        behind = [RefChange(name, None, self._refs.read(name)) for name in sorted(names)]
        late = [one for one in behind if not self._is_shown(one) and self._is_behind(one.name)]
        self._mirror.write(late, sure=sure)

    def show_all(self) -> None:
        """Show every ref whose file is out of date, however many there are. Only for the holder of the lock."""
        if self._mirror is not None:
            with suppress(OSError, StorageError):  # as in ``_show``
                self._show_late(self._all_names(), sure=False)

    def _is_behind(self, name: str) -> bool:
        """True if the ref's file is missing or older than the ref; evidence of a lost operation stays, for fsck."""
        assert self._mirror is not None
        try:
            self._mirror.check_against(self._store, [name])
            self._mirror.check_held(self, [name])
        except (ObjectCorruptError, BlobNotFoundError):
            return False
        return True

    def _seal_if_possible(self) -> None:
        """Seal now; if that fails, for example because a pack has no room, one of the next operations tries again."""
        try:
            self._seal()
        except OSError:
            return
        except DurabilityError as exc:
            if exc.visible:
                raise
        except StorageError as exc:
            if not isinstance(exc.__cause__, OSError):
                raise

    def _seal(self) -> None:
        self._store.seal(*self.keyframe(self._last, "seal"))
        self._catch_up()

    def keyframe(self, previous: ObjectId | None, reason: str) -> tuple[NewObject, tuple[NewObject, ...]]:
        """Make an operation after *previous* that changes nothing and holds the value of every ref; also return the chunks of refs that are new with it, or for gc all chunks.

        Only for the holder of the lock. Refs whose files are out of date are shown first: all of them before a gc, which removes the evidence of old values.
        """
        self._show(())
        if reason == "gc":
            self.show_all()
        found = self._refs.checkpoint(whole=reason == "gc")
        operation = Operation(
            previous, self._clock(), self._actor, reason, changes=(), refs=found.refs, steps=None, chunks=found.chunks
        )
        return new_operation(operation), found.new

    def close(self) -> None:
        if self._mirror is not None:
            self._mirror.close()

    def history(self) -> Iterator[tuple[ObjectId, Operation]]:
        """Yield every operation that is kept, newest first; folded operations come one by one."""
        id = self._last
        while id is not None:
            operation = self._known.get(id)
            if operation is None:
                if len(self._known) >= _OPERATIONS_KEPT:
                    self._known.clear()
                operation = self._known[id] = read_operation(id, self._store.read(id))
            if operation.steps is None:
                yield id, operation
            else:
                yield from ((id, one) for one in unfold_operation(operation))
            id = operation.previous


def _last_written(changes: Sequence[RefChange]) -> RefChange | None:
    """The change that a mirror shows last."""
    kept = [change for change in changes if change.new is not None]
    return kept[-1] if kept else changes[-1] if changes else None


def unfold_operation(operation: Operation) -> Iterator[Operation]:
    """Yield the operations that were folded into this one, newest first."""
    end = len(operation.changes)
    for step in reversed(operation.steps or ()):
        start = end - step.number
        yield Operation(None, step.time, step.actor, step.reason, changes=operation.changes[start:end])
        end = start
