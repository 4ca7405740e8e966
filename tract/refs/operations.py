"""Refs as the sum of the operations: the state is what the last keyframe says and what came after.

    keyframe ── op ── op ── op          one object each, chained by id
    all refs    a: 1→2  b: ∅→1  a: 2→3

An operation is written in the same append as the objects it makes real.
Before it is whole nothing has happened, after it all of it has.
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

# A reader decodes the operations since the last keyframe; more often than this would only make the journal larger.
_KEYFRAME_EVERY = 256
_CHUNKS_AN_OPERATION = 4
"""Where a keyframe names many chunks, there is one for so many of them."""

_OPERATIONS_KEPT = 1024

_MANY = 4
"""Edits for which the kinds of all objects are worth a table."""

# A handle's first write looks at the files of all refs, of so many at most: gc looks at more.
_MOST_LOOKED_AT = 256


def now() -> int:
    """Microseconds since 1970, UTC."""
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
        # Refs whose files may not show what they hold: others may have died before they wrote them, or it failed here.
        self._doubtful: set[str] = set()
        self._unshown: set[str] = set()
        self._looked_at_all = False
        self._last: ObjectId | None = None
        # Who looks back does it again, an undo after an undo; what an operation says never changes.
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
        """Take in the operations of others."""
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
        """Note which refs the writers of *taken* may have left unshown: those died, and the next writer sees to it.

        Who writes shows what others did not before its own changes, the last of these last.
        So where an operation's last change is shown, all before it are, and one look is mostly enough.
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
            return True  # a keyframe that changes nothing is written when all is shown
        try:
            return self._mirror.shows(change)
        except (OSError, StorageError):
            return False

    def _take(self, id: ObjectId, operation: Operation, *, is_own: bool = False) -> None:
        """Take in an operation; what this handle wrote itself is in the table already but for the changes."""
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
        """Answer as if *changes* had been made, until ``go_back`` gets what is given; only for the holder of the lock, which writes nothing meanwhile."""
        before = self._refs
        self._refs = before.copy()
        self._refs.move(changes)
        return before

    def go_back(self, before: RefTable) -> None:
        """Answer as it is again."""
        before.note_moves = self._refs.note_moves + 1  # what was seen meanwhile was another state of the notes
        self._refs = before

    def changes(self, edits: Sequence[RefEdit], objects: Sequence[NewObject]) -> tuple[RefChange, ...]:
        """What *edits* would change, with *objects*; the errors are those of ``land``."""
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
        """Whether *id* is a commit of *objects*, whose *kinds* are known where many are asked for, or of the store."""
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
        """After how many operations there is a keyframe: it names all refs of the root tract, and all chunks."""
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
            # The operation has happened: an error now would say it has not. The next writer tries again.
            self._unshown = late.union(change.name for change in changes)

    def _all_names(self) -> set[str]:
        """The refs there are, and those of which something is shown: a power cut or a full disk may have taken any ref's file, or brought an old one back."""
        assert self._mirror is not None
        self._looked_at_all = True
        return {*(name for name, _ in self._refs.list()), *self._mirror.names()}

    def _show_late(self, names: Iterable[str], *, sure: bool) -> None:
        assert self._mirror is not None
        behind = [RefChange(name, None, self._refs.read(name)) for name in sorted(names)]
        late = [one for one in behind if not self._is_shown(one) and self._is_behind(one.name)]
        self._mirror.write(late, sure=sure)

    def show_all(self) -> None:
        """Show every ref that is not shown as it is, however many there are. Only for the holder of the lock."""
        if self._mirror is not None:
            with suppress(OSError, StorageError):  # as in ``_show``
                self._show_late(self._all_names(), sure=False)

    def _is_behind(self, name: str) -> bool:
        """Whether what is shown of the ref is nothing, or older; what proves that an operation was lost stays, for fsck."""
        assert self._mirror is not None
        try:
            self._mirror.check_against(self._store, [name])
            self._mirror.check_held(self, [name])
        except (ObjectCorruptError, BlobNotFoundError):
            return False
        return True

    def _seal_if_possible(self) -> None:
        """Seal now, or where that fails (there is no room for a pack, say) after one of the next operations."""
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
        """An operation that changes nothing and says where every ref is, and the chunks of refs that are new with it, or for gc all of them. It goes on *previous*.

        Only for the holder of the lock. What was not shown of the refs is shown first: all of it before a gc, which makes the proofs of old values go.
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
        """Every operation, newest first, as far back as they are kept; those that gc folded come one by one."""
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
    """The operations that were folded into one, newest first."""
    end = len(operation.changes)
    for step in reversed(operation.steps or ()):
        start = end - step.number
        yield Operation(None, step.time, step.actor, step.reason, changes=operation.changes[start:end])
        end = start
