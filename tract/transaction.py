"""Transactions: the only way history changes.

    with transaction(repo, "merge draft", expected=tip) as tx:       lock, read others' changes, check HEAD
        id = tx.commit(CommitOperation.MERGE, context, parents=(ours, theirs))
        tx.note(CONFIG, id, config)                                  objects are collected, in memory
        tx.move_branch(id, orig_head=True)                           moves of refs too
                                                                     one append: objects, then the operation

Objects first, refs last: before the operation is whole nothing has happened, and after it all of it has.
After any exception inside, nothing is written; a transaction that moves no ref writes nothing either.

The lock is held from the first line of the block to its end, so nothing slow (a model, a person) belongs in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from types import TracebackType

from tract.annotations import Any, Literal, Protocol, TypeAlias
from tract.dataclass import replace
from tract.errors import (
    CherryPickError,
    DetachedHeadError,
    MergeError,
    ObjectCorruptError,
    ReadOnlyError,
    RebaseError,
    RefMovedError,
    StorageError,
    TractError,
)
from tract.events import began, emit
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import (
    Commit,
    CommitOperation,
    Entry,
    NewObject,
    Node,
    Object,
    RefChange,
    Refs,
    RefValue,
    named_by,
    new_blob,
    new_commit,
    new_note_commit,
    shown,
)
from tract.objects.note import event_value, left_standing, new_event, random_numbers, read_event
from tract.objects.strict_reader import decode_blob, read_blob, read_commit, read_node
from tract.refs.buffered import BufferedObjects, BufferedRefs
from tract.refs.names import HEAD, HEADS, NOTES, ORIG_HEAD, STATES, ref_path
from tract.refs.store import ANY, Expected, RefEdit
from tract.repo import Repository
from tract.storage import files
from tract.storage.shallow import kept_part
from tract.tree import EMPTY, Context, append_entry, blobs_beside, build_list

Moves: TypeAlias = Literal["branch", "head", "refs"]
"""What a transaction moves: HEAD's branch, HEAD wherever it is, or refs that have nothing to do with HEAD."""

Asked: TypeAlias = Callable[[str | None, ObjectId | None], Expected]
"""Returns where HEAD's branch must be; its arguments are HEAD's branch and commit."""

UNDER_WAY: dict[str, type[TractError]] = {
    "merge": MergeError,
    "rebase": RebaseError,
    "cherry-pick": CherryPickError,
    "revert": CherryPickError,
}
"""The states of commands under way that refuse any other command that moves HEAD or its branch, and the error then."""


class Gate(Protocol):
    """A place that must have a transaction before it lands here: the remote that a store lives in."""

    def wants(self, reason: str) -> bool:
        """Whether a transaction with that *reason* must pass."""
        ...

    def begin(self, tx: Transaction) -> bool:
        """Show *tx* the transactions that wait before the gate and land before it; return whether there are any. Only the holder of the lock calls this, and then ``end``."""
        ...

    def end(self, tx: Transaction, *, lands: bool) -> Callable[[], None] | None:
        """Hide those transactions again. If *tx* *lands*, it now waits before the gate; the returned function brings it through and lands it, and is called without the lock."""
        ...

    def leave(self, tx: Transaction) -> None:
        """Remove *tx* from the waiting transactions: after an error, or Ctrl-C, no thread would bring it through."""
        ...

    def wait(self, tx: Transaction) -> None:
        """Wait until no transaction waits before the gate; called without the lock."""
        ...


class _NoteList(NamedTuple):
    """The notes of a namespace in a transaction: its ref is at *first*, and will be at *tip*, whose list and generation these are."""

    first: ObjectId | None
    tip: ObjectId | None
    notes: Context
    generation: int


def transaction(
    repo: Repository,
    reason: str,
    *,
    moves: Moves = "branch",
    expected: Expected | Asked = ANY,
) -> AbstractContextManager[Transaction]:
    """A change of history, for a ``with`` block: it lands at the end, or after any exception not at all.

    *reason* is its text in the reflog; the first word is the command, which errors name.
    *moves* says what is refused at the beginning:

    ``branch``  a HEAD that is on no branch (DetachedHeadError), a branch that is not at *expected* (RefMovedError), a merge or replay under way (its error);
    ``head``    the same, but HEAD may be detached;
    ``refs``    only a HEAD that is not at *expected*.

    If *expected* is a function, it is called with HEAD's branch and its commit, when the lock is held and changes of other processes are known.
    If the repository has a *gate*, the transaction lands after passing it, and no lock is held meanwhile.
    """
    return _Opened(Transaction(repo, reason), moves, expected)


class Transaction:
    """The objects and the moves of refs of one change.

    *branch* is the ref HEAD is on, None if it is detached, and *tip* its commit, None before the first.
    New objects are in *objects* and have their ids at once; no other handle sees them before the transaction lands.
    """

    __slots__ = (
        *("_made", "_noted", "_notes"),
        *("branch", "edits", "objects", "reason", "repo", "tip"),
    )

    def __init__(self, repo: Repository, reason: str) -> None:
        self.repo = repo
        self.reason = reason
        self.branch: str | None = None
        self.tip: ObjectId | None = None
        self.objects: list[NewObject] = []
        self.edits: list[RefEdit] = []
        self._made: set[ObjectId] = set()
        self._notes: dict[str, _NoteList] = {}
        self._noted: set[tuple[str, ObjectId]] = set()

    def note_tips(self) -> dict[str, ObjectId]:
        """The newest note of each namespace in which this transaction makes one."""
        return {name: made.tip for name, made in self._notes.items() if made.tip is not None}

    def read_own(self) -> None:
        """Let ``repo`` of this transaction also read the objects that it makes; ``repo.commit`` always does."""
        self.repo = replace(self.repo, objects=BufferedObjects(self.repo.objects, self.objects))

    def blob(self, value: Any) -> ObjectId:
        """Add *value* as a blob, and return its id."""
        made = new_blob(value)
        self.objects.append(made)
        return made.id

    def commit(
        self,
        operation: CommitOperation,
        context: Context,
        *,
        parents: tuple[ObjectId, ...] | None = None,
        content: ObjectId | None = None,
        target: ObjectId | None = None,
        time: int | None = None,
        author: str | None = None,
        message: str | None = None,
        metadata: dict[str, Any] | None = None,
        refs: Refs | None = None,
    ) -> ObjectId:
        """Make a commit and return its id; this moves no ref.

        *context* is the stored part of its context: all of it, except the entry of its own that an append adds.
        *parents* None means the tip, *time* (microseconds) None means now, and *author* None means the repository's author.
        """
        repo = self.repo
        if parents is None:
            parents = () if self.tip is None else (self.tip,)
        return self.add(
            Commit(
                operation,
                parents,
                content,
                target=target,
                tree=context.tree,
                open=context.open,
                generation=1 + max([repo.commit(parent).generation for parent in parents], default=0),
                time=repo.clock() if time is None else time,
                author=repo.author if author is None else author,
                message=message,
                metadata=metadata,
                refs=refs,
            )
        )

    def add(self, commit: Commit) -> ObjectId:
        """Add a commit and return its id; see :meth:`commit`."""
        made = new_commit(commit)
        self.objects.append(made)
        self.take_in(made.id, commit)
        return made.id

    def take_in(self, id: ObjectId, commit: Commit) -> None:
        """Add a commit whose object is in ``objects`` already."""
        self._made.add(id)
        self.repo.keep_commit(id, commit)

    def note(
        self,
        namespace: str,
        target: ObjectId,
        body: Any,
        *,
        time: int | None = None,
        author: str | None = None,
        message: str | None = None,
        replaces: Sequence[ObjectId] | None = None,
        refs: Refs | None = None,
    ) -> ObjectId:
        """Add the note *body* about the commit *target*, in place of the namespace's notes about it; *refs* are the objects that the note needs.

        *replaces* are the ids of those notes, from a caller that knows them; else the whole list is searched for them, unless the commit was just made.
        """
        time = self.repo.clock() if time is None else time
        author = self.repo.author if author is None else author
        listed = self._note_list(namespace)
        if replaces is None:
            replaces = self._events_about(namespace, target, listed.notes)
        event = new_blob(new_event(namespace, target, time, author, replaces, body), "body")
        self.objects.append(event)
        return self._append_note(namespace, listed, target, event.id, time, author, message, refs)

    def note_new(self, namespace: str, bodies: Sequence[tuple[ObjectId, Any, int]]) -> list[tuple[ObjectId, ObjectId]]:
        """Add each body as a note about its commit, at its time, as :meth:`note` does, for commits that were just made; return each note's commit with its blob.

        No commit is in *bodies* twice, and none has a note in this namespace.
        Several notes that begin a list share one commit; else each has one of its own.
        """
        objects, author = self.objects, self.repo.author
        entries: list[Entry] = []
        for (target, body, time), number in zip(bodies, random_numbers(len(bodies)), strict=True):
            event = new_blob(event_value(namespace, target, time, author, number, [], body), "body")
            objects.append(event)
            entries.append((target, event[0]))
            self._noted.add((namespace, target))
        if len(entries) > 1 and self._begins(namespace):
            return self._begin_list(namespace, entries, bodies[-1][2])
        return self._append_notes(namespace, entries, [time for _, _, time in bodies])

    def _begins(self, namespace: str) -> bool:
        """Whether no other handle has seen a list of this namespace: there is none, or it is all of the same batch, and its commits hold only their notes."""
        ref = f"{self.repo.prefix}{NOTES}{namespace}"
        refs = self.repo.refs
        if (refs.read_before(ref) if isinstance(refs, BufferedRefs) else refs.read(ref)) is not None:
            return False
        at = self._note_list(namespace).tip
        while at is not None:
            commit = self.repo.commit(at)
            if commit.refs is not None or commit.message is not None:
                return False
            at = commit.parents[0] if commit.parents else None
        return True

    def _begin_list(self, namespace: str, entries: Sequence[Entry], time: int) -> list[tuple[ObjectId, ObjectId]]:
        """One commit for the whole list of a namespace that no other handle has seen, with *entries* at its end."""
        repo = self.repo
        first, _, notes, _ = self._note_list(namespace)
        if notes == EMPTY:
            notes = Context(*build_list(repo, entries, self.objects, "notes"))
        else:
            for entry in entries:
                notes = append_entry(repo, notes, entry, self.objects, "notes")
        target, blob = entries[-1]
        tip = self.add(Commit(CommitOperation.NOTE, (), blob, target, *notes, 1, time, repo.author))
        self._notes[namespace] = _NoteList(first, tip, notes, 1)
        return [(tip, blob) for _, blob in entries]

    def _append_notes(
        self, namespace: str, entries: Sequence[Entry], times: Sequence[int]
    ) -> list[tuple[ObjectId, ObjectId]]:
        """A commit for each of *entries*, at the end of the namespace's list."""
        repo, objects, author = self.repo, self.objects, self.repo.author
        first, tip, notes, generation = self._note_list(namespace)
        made: list[tuple[ObjectId, ObjectId]] = []
        for entry, time in zip(entries, times, strict=True):
            target, blob = entry
            notes = append_entry(repo, notes, entry, objects, "notes")
            generation += 1
            parents = () if tip is None else (tip,)
            new = new_note_commit(tip, blob, target, *notes, generation, time, author)
            objects.append(new)
            tip = new[0]
            made.append((tip, blob))
        if made and tip is not None:  # the others are not needed soon
            last = Commit(CommitOperation.NOTE, parents, blob, target, *notes, generation, time, author)
            self.take_in(tip, last)
        self._notes[namespace] = _NoteList(first, tip, notes, generation)
        return made

    def take_note(self, namespace: str, target: ObjectId, blob: ObjectId) -> ObjectId:
        """Append a note made elsewhere, whose *blob* is in the store, to the namespace's list."""
        return self._append_note(
            namespace, self._note_list(namespace), target, blob, self.repo.clock(), self.repo.author
        )

    def _note_list(self, namespace: str) -> _NoteList:
        """The namespace's ref, and its list with the notes of this transaction."""
        found = self._notes.get(namespace)
        if found is not None:
            return found
        repo = self.repo
        tip = repo.refs.read(f"{repo.prefix}{NOTES}{namespace}")
        assert not isinstance(tip, str)
        if tip is None:
            return _NoteList(None, None, EMPTY, 0)
        commit = repo.commit(tip)
        return _NoteList(tip, tip, Context(commit.tree, commit.open), commit.generation)

    def _append_note(
        self,
        namespace: str,
        listed: _NoteList,
        target: ObjectId,
        blob: ObjectId,
        time: int,
        author: str,
        message: str | None = None,
        refs: Refs | None = None,
    ) -> ObjectId:
        first, tip, before, generation = listed
        notes = append_entry(self.repo, before, (target, blob), self.objects, "notes")
        made = self.add(
            Commit(
                CommitOperation.NOTE,
                () if tip is None else (tip,),
                blob,
                target=target,
                tree=notes.tree,
                open=notes.open,
                generation=generation + 1,
                time=time,
                author=author,
                message=message,
                metadata=None,
                refs=refs,
            )
        )
        self._notes[namespace] = _NoteList(first, made, notes, generation + 1)
        self._noted.add((namespace, target))
        return made

    def _events_about(self, namespace: str, target: ObjectId, notes: Context) -> tuple[ObjectId, ...]:
        """The standing notes about *target*, which a new one replaces."""
        if target in self._made and (namespace, target) not in self._noted:
            return ()  # there can be no note about it
        found = blobs_beside(self.repo, notes, target)
        if len(found) < 2:
            return tuple(found)
        own = {made.id: made for made in self.objects}
        read = {id: own[id] if id in own else self.repo.objects.read(id) for id in found}
        events = {id: read_event(id, read_blob(id, Object(obj.kind, obj.payload)), target) for id, obj in read.items()}
        return left_standing(events)

    def ref(self, name: str) -> RefValue | None:
        """The value of the ref *name* of this tract, before the moves of this transaction."""
        return self.repo.ref(name)

    def move(self, name: str, new: RefValue | None, expected: Expected = ANY) -> None:
        """Move the ref *name* of this tract to *new* (None deletes it); RefMovedError at the end if it is not at *expected*.

        TractError if that is HEAD, and this repository is on a branch of its own.
        """
        if name == HEAD and self.repo.branch is not None:
            raise TractError(
                f"HEAD cannot be moved through '{self.repo.branch.removeprefix(HEADS)}', a branch opened by its name"
            )
        self.edits.append(RefEdit(self.repo.prefix + name, new, expected))

    def move_branch(self, new: ObjectId | None, *, orig_head: bool = False) -> None:
        """Move HEAD's branch, or a detached HEAD, to *new*; with *orig_head*, ORIG_HEAD names its former commit.

        None removes all commits from the branch; HEAD stays on it.
        """
        self.move(self.branch or HEAD, new, self.tip)
        if orig_head and self.tip is not None:
            self.move(ORIG_HEAD, self.tip)

    def check_expected(self, expected: Expected) -> None:
        """RefMovedError if HEAD's branch, or a detached HEAD, is not at *expected*."""
        if expected is not ANY and self.tip != expected:
            raise RefMovedError(self.branch or HEAD, shown(expected), shown(self.tip))

    def take_over(self, other: Transaction) -> None:
        """Land the objects and moves of *other*, which was made without the lock; RefMovedError if the refs are not where it saw them."""
        self.objects += other.objects
        self.edits += other.edits
        self._made |= other._made
        self._notes |= other._notes
        self._noted |= other._noted

    def begin(self, moves: Moves, expected: Expected | Asked) -> None:
        """Read HEAD, and refuse as :func:`transaction` says; only for the holder of the lock."""
        repo = self.repo
        if moves == "branch" or repo.branch is not None or repo.ref(HEAD) is not None:  # a new tract has no HEAD yet
            self.branch, self.tip = repo.head()
            if callable(expected):
                expected = expected(self.branch, self.tip)
            if moves == "branch" and self.branch is None:
                raise _detached(self.reason, self.tip)
            self.check_expected(expected)
        if moves != "refs":
            check_idle(self.repo)

    def land(self) -> None:
        """Write the objects and move the refs, in one operation; only for the holder of the lock."""
        edits = self.all_edits()
        if edits:
            self.repo.refs.land(edits, reason=self.reason, objects=self.objects)

    def land_after_gate(
        self,
        edits: Sequence[RefEdit],
        *,
        needs: Collection[ObjectId],
        beside: Sequence[RefEdit],
        objects: Sequence[NewObject],
    ) -> bool:
        """Land with *edits*, which replace its own, and the gate's additions, after passing the gate. False, with nothing landed, if a ref has moved, or gc dropped an unreferenced object meanwhile, also one of *needs*."""
        refs = self.repo.refs
        with refs.lock():
            refs.refresh()
            if any(refs.read(edit.name) != edit.expected for edit in edits) or not self.is_whole(edits, needs):
                return False
            refs.land([*edits, *beside], reason=self.reason, objects=[*self.objects, *objects])
        return True

    def needs(self, changes: Sequence[RefChange]) -> set[ObjectId]:
        """The stored objects that *changes* and this transaction's objects name; while no lock is held gc may drop them, because no ref leads to them yet."""
        named = {new for _, _, new in changes if isinstance(new, bytes)}
        for id, kind, payload in self.objects:
            if kind in ("commit", "tree"):
                obj = (read_commit if kind == "commit" else read_node)(id, Object(kind, payload))
                named.update(one for one, _, role in named_by(obj) if role != "noted")
        named.difference_update(new.id for new in self.objects)
        return set(filter(self.repo.objects.contains, named))

    def is_whole(self, edits: Sequence[RefEdit], needs: Collection[ObjectId]) -> bool:
        """Whether the store has everything that *edits* need, and *needs*."""
        try:
            self.check_whole(edits)
        except StorageError:
            return False
        return all(map(self.repo.objects.contains, needs))

    def all_edits(self) -> list[RefEdit]:
        """The moves of refs, including those of notes, after the riders were called; StorageError if a ref would move to a commit that is not whole."""
        if self.repo.riders and (self.edits or self._notes):
            for rider in tuple(self.repo.riders):
                rider(self)
        edits = self.edits
        if self._notes:
            start = self.repo.prefix + NOTES
            edits = edits + [RefEdit(start + name, made.tip, made.first) for name, made in self._notes.items()]
        self.check_whole(edits)
        return edits

    def check_whole(self, edits: Sequence[RefEdit]) -> None:
        """StorageError if a ref would move to a commit that lacks a part; commits made here, and HEAD's, lack none."""
        here: set[ObjectId] | None = None
        for name, new, _ in edits:
            if new.__class__ is not bytes or new in self._made or new == self.tip:
                continue
            if here is None:  # most transactions move a ref to what they made
                here = {one.id for one in self.objects}
            if new in here:
                continue
            if self.repo.objects.contains(new):
                kept = kept_part(self.repo.commit(new), self.repo.shallow.cuts.get(new))
                lacks = missing_part(self.repo, kept)
                if lacks is not None:
                    raise StorageError(f"ref '{name}' cannot be moved to {new.hex()[:16]}: {lacks}")


def missing_part(repo: Repository, obj: Commit | Node) -> str | None:
    """The fault of *obj*: an object it names that the store lacks or has with another kind, or content that its operation cannot have; None if there is none."""
    for id, kind, role in named_by(obj):
        if role == "noted":
            continue  # a note may outlive its subject
        if not repo.objects.contains(id):
            return f"its {role} {id.hex()[:16]} is not there"
        if repo.objects.read(id).kind != kind:
            return f"its {role} {id.hex()[:16]} is not a {kind}"
    return _wrong_content(repo, obj) if isinstance(obj, Commit) else None


def _wrong_content(repo: Repository, commit: Commit) -> str | None:
    """The fault of the content of a commit with a message or a record; None if there is none."""
    if commit.operation not in _BRINGS:
        return None
    return "it has no content" if commit.content is None else wrong_content(commit, repo.objects.read(commit.content))


def wrong_content(commit: Commit, content: Object) -> str | None:
    """The fault of *content* as the content of *commit*; None if the operation can have it."""
    if commit.operation not in _BRINGS or commit.content is None:
        return None
    text = f"its content {commit.content.hex()[:16]}"
    try:
        value = decode_blob(commit.content, content)
    except ObjectCorruptError as exc:
        return f"{text} cannot be read: {exc.detail}"
    if isinstance(value, bytes):
        return f"{text} is raw bytes"
    is_record = value.get("content_type") == "record"
    if is_record is not (commit.operation is CommitOperation.RECORD):
        return f"{text} is {'a' if is_record else 'not a'} record"
    return None


_BRINGS = (CommitOperation.APPEND, CommitOperation.EDIT, CommitOperation.RECORD)


class _Opened(AbstractContextManager[Transaction]):
    """A transaction and its lock, for ``with``; every commit passes through here, and a generator would take longer.

    Only the ``with`` statement holds this object, and only this object the lock: so Ctrl-C at any point releases it.
    """

    __slots__ = ("_began", "_expected", "_gate", "_lock", "_moves", "_transaction")

    def __init__(self, transaction: Transaction, moves: Moves, expected: Expected | Asked) -> None:
        self._transaction = transaction
        self._gate: Gate | None = None
        self._moves = moves
        self._expected = expected

    def __enter__(self) -> Transaction:
        repo = self._transaction.repo
        if repo.read_only:
            for rider in repo.riders:  # who may know a better reason
                rider(self._transaction)
            raise ReadOnlyError(repo.path or "")
        self._began = began()
        if repo.gates and repo.gates[0].wants(self._transaction.reason):
            self._gate = repo.gates[0]
        while not self._is_begun():
            assert self._gate is not None
            self._gate.wait(self._transaction)
        return self._transaction

    def _is_begun(self) -> bool:
        """Take the lock and begin; False if the transaction cannot continue from those that wait before the gate; it may when they have landed."""
        refs, gate = self._transaction.repo.refs, self._gate
        self._lock = lock = refs.lock()
        lock.__enter__()
        others_wait = False
        try:
            refs.refresh()
            others_wait = gate is not None and gate.begin(self._transaction)
            self._transaction.begin(self._moves, self._expected)
        except BaseException as exc:
            if gate is not None:
                gate.end(self._transaction, lands=False)
            lock.__exit__(*sys.exc_info())
            if others_wait and isinstance(exc, RefMovedError):
                return False
            raise
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gate, passes = self._gate, None
        try:
            try:
                if gate is not None:
                    passes = gate.end(self._transaction, lands=kind is None)
                elif kind is None:
                    self._transaction.land()
            finally:
                self._lock.__exit__(kind, error, trace)
            if passes is not None:
                passes()
        except BaseException:
            if gate is not None:
                gate.leave(self._transaction)
            raise
        if self._began and kind is None:
            self._tell()

    def _tell(self) -> None:
        """Emit events for the branches that moved; for parts of a batch, none before it lands."""
        tx = self._transaction
        if isinstance(tx.repo.refs, BufferedRefs):
            return
        for edit in tx.edits:
            _, _, branch = edit.name.rpartition(HEADS)
            if HEADS in edit.name and isinstance(edit.new, bytes):
                command = tx.reason.partition(" ")[0].rstrip(":")
                emit("commit", tx.repo.place, self._began, command=command, branch=branch, commit=edit.new.hex())


def check_branch(repo: Repository, command: str, expected: Expected = ANY) -> tuple[str, ObjectId | None]:
    """The ref of HEAD's branch and its commit, for a *command* (the first word counts) that moves it.

    DetachedHeadError if HEAD is on no branch; RefMovedError if it is not at *expected*.
    """
    branch, tip = repo.head()
    if branch is None:
        raise _detached(command, tip)
    if expected is not ANY and tip != expected:
        raise RefMovedError(branch, shown(expected), shown(tip))
    return branch, tip


def _detached(command: str, tip: ObjectId | None) -> DetachedHeadError:
    at = "?" if tip is None else tip.hex()[:16]
    name = command.partition(" ")[0].rstrip(":")
    return DetachedHeadError(f"cannot {name}: HEAD is at commit {at}, not on a branch")


def check_idle(repo: Repository) -> None:
    """Raise MergeError, RebaseError or CherryPickError if a merge, a rebase, a cherry-pick or a revert is under way.

    A move of the branch meanwhile, even a commit, would leave the command without the place to continue from.
    A branch opened by its name is not affected, as long as HEAD is not on it.
    Every commit asks: without the folder, which is the usual case, this is one look that takes less than a microsecond.
    """
    folder = f"{repo.path}/{ref_path(repo.prefix)}{STATES}"
    if not (repo.states if repo.path is None else files.exists(folder)):
        return
    if repo.branch is not None and repo.ref(HEAD) != repo.branch:
        return
    for name, error in UNDER_WAY.items():
        if repo.prefix + name in repo.states or (repo.path is not None and files.exists(f"{folder}/{name}")):
            raise error(f"a {name} is under way in tract '{repo.tract}'")


def is_idle(repo: Repository) -> bool:
    """Whether no command that :func:`check_idle` refuses is under way."""
    try:
        check_idle(repo)
    except TractError:
        return False
    return True
