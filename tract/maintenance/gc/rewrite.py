"""What gc writes anew: the reflog without what goes, ref files that are behind, keys of commits whose history goes, and notes without those about what is gone.

    a ── b ── c ── X ── d        X is a compression whose archive goes; b and c have keys
                   X ── d        the keys of b and c are notes about X now, each with the commit it stood at

So a branch that had a key in its history has it still (tract/history/keys.py). The old notes stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, dropwhile, islice

from tract.errors import BlobNotFoundError, ObjectCorruptError, RefMovedError
from tract.history.notes import BOOKKEEPING, CONFIG, KEY, PRIORITY, REQUEST, NoteTable, noted_entries
from tract.history.priority import Priority
from tract.maintenance.gc.catalogue import REACHED
from tract.maintenance.gc.mark import Marker
from tract.objects.id import ObjectId
from tract.objects.model import (
    Commit,
    NewObject,
    Operation,
    RefChange,
    RefValue,
    Step,
    new_commit,
    new_operation,
)
from tract.objects.note import read_event
from tract.objects.strict_reader import read_operation
from tract.reflog import RENOTED, TAKEN
from tract.refs.names import NOTES, ORIG_HEAD, split_tract
from tract.refs.operations import unfold_operation
from tract.refs.ref_files import RefFiles
from tract.refs.store import RefEdit, RefStore
from tract.repo import Repository
from tract.storage import files
from tract.storage.store import ObjectStore
from tract.transaction import transaction
from tract.tree import EMPTY, Context, append_entry

_STEPS_A_FOLD = 256

# Of the notes of a namespace at least one in so many must be about what is gone: so each is written anew a few times at most.
_ONE_IN = 4

# A key outlives its commit, and one request's settings are those of later ones.
_OUTLIVE = (NOTES + KEY, NOTES + REQUEST, *BOOKKEEPING)


def operations_after(repo: Repository, last: ObjectId | None) -> list[Operation]:
    """The operations after *last* that moved a ref, oldest first."""
    since: list[Operation] = []
    for id, operation in repo.refs.history():
        if id == last:
            break
        if operation.changes:
            since.append(operation)
    return since[::-1]


def operations_since(repo: Repository, ids: Iterable[ObjectId], since: int) -> Iterator[Operation]:
    """The operations in *ids*, which come oldest first, from the first one on that is not older than *since*, in nanoseconds since 1970."""

    def single() -> Iterator[Operation]:
        for id in ids:
            operation = read_operation(id, repo.objects.read(id))
            yield from [operation] if operation.steps is None else reversed(list(unfold_operation(operation)))

    return dropwhile(lambda operation: operation.time * 1000 < since, single())


class ReflogFilter:
    """Leaves the moves to commits that gc drops out of operations, which it is given oldest first."""

    def __init__(self, is_dropped: Callable[[RefValue | None], bool]) -> None:
        self._is_dropped = is_dropped
        self._before: dict[str, RefValue | None] = {}  # where refs were before the moves that were left out

    def kept(self, operations: Iterable[Operation]) -> Iterator[Operation]:
        """*operations* without the moves to what is dropped; a ref's next move begins where those did."""
        for operation in operations:
            changes = tuple(change for change in map(self._change, operation.changes) if change is not None)
            if changes:
                is_taken = operation.reason.endswith(TAKEN) or any(map(self._leaves, operation.changes))
                reason = operation.reason.removesuffix(TAKEN) + (TAKEN if is_taken else "")
                yield operation._replace(changes=changes, reason=reason)

    def _leaves(self, change: RefChange) -> bool:
        """Whether the operation cannot be undone because of *change*: a ref left what is dropped. Without where ORIG_HEAD was it can."""
        is_left = self._is_dropped(change.old) and not self._is_dropped(change.new)
        return is_left and split_tract(change.name)[1] != ORIG_HEAD

    def _change(self, change: RefChange) -> RefChange | None:
        before = None if self._is_dropped(change.old) else change.old
        if self._is_dropped(change.new):
            self._before.setdefault(change.name, before)
            return None
        # A move back to where the ref was before stays: it is what says that something was dropped.
        kept = RefChange(change.name, self._before.pop(change.name, before), change.new)
        return None if kept.old is kept.new is None and split_tract(change.name)[1] == ORIG_HEAD else kept


def fold_operations(operations: Iterable[Operation], previous: ObjectId | None) -> Iterator[NewObject]:
    """*operations*, oldest first, as few objects that still have each; every one names the one before, the first *previous*."""
    rest = iter(operations)
    while some := list(islice(rest, _STEPS_A_FOLD)):
        last = some[-1]
        changes = tuple(change for operation in some for change in operation.changes)
        steps = tuple(Step(one.time, one.actor, one.reason, len(one.changes)) for one in some)
        folded = new_operation(
            Operation(previous, last.time, last.actor, "fold", changes=changes, refs=None, steps=steps)
        )
        yield folded
        previous = folded.id


class RefFileSync:
    """Brings all ref files of the store in *path* to the disk, before gc forgets operations.

    A ref file is not synced when it is written, because the operations can tell what it held, and what it held before.
    Once gc has dropped operations, an old ref file that a power cut brings back would look like evidence of a lost operation.
    """

    def __init__(self, path: str, refs: RefStore) -> None:
        """Sync the files as they are now; takes its time and needs no lock."""
        self._shown = RefFiles(path, "full")
        self._refs = refs
        folders = dict(self._shown.folders())
        names = list(chain.from_iterable(folders.values()))
        self._sync(names, folders)
        lines = ((name, self._shown.read(name)) for name in names)
        # A power cut brought an old line back, or the file of a ref that is gone.
        self._behind = [name for name, line in lines if line is not None and line[0] != refs.read(name)]

    def finish(self, objects: ObjectStore, names: Sequence[str]) -> None:
        """Write and sync what is behind, and sync the files of the refs *names*; only for the holder of the lock.

        A file that is evidence of a lost operation stays, for fsck.
        """
        for name in self._behind:
            line, value = self._shown.read(name), self._refs.read(name)
            if line is not None and line[0] != value:
                with suppress(ObjectCorruptError, BlobNotFoundError):
                    self._shown.check_against(objects, [name])
                    self._shown.check_held(self._refs, [name])
                    self._shown.write([RefChange(name, None, value)])
        self._shown.close()
        found = [*self._behind, *names]
        self._sync(found, [name[: name.rfind("/") + 1] for name in found])

    def _sync(self, names: Sequence[str], folders: Iterable[str]) -> None:
        for path in map(self._shown.path_of, names):
            if files.is_file(path):
                with suppress(FileNotFoundError):  # deleted since
                    files.sync_file(path)
        for path in map(self._shown.path_of, dict.fromkeys(folders)):
            if files.is_directory(path.removesuffix("/")):
                files.sync_directory(path)


def pinned_messages(repo: Repository, tips: Iterable[tuple[str, ObjectId]]) -> Iterator[ObjectId]:
    """The messages that were pinned, and not unpinned since, by the notes at *tips*, names of refs with where they are."""
    for name, tip in tips:
        if split_tract(name)[1] == NOTES + PRIORITY:
            table = NoteTable()
            table.advance(repo, tip)
            for target in table.targets():
                if table.get(repo, target).get("priority") == Priority.PINNED:
                    yield target


def commits_with_config(repo: Repository, tips: Iterable[tuple[str, ObjectId]]) -> Iterator[ObjectId]:
    """The commits that have a generation config, by the notes at *tips*."""
    for name, tip in tips:
        if split_tract(name)[1] == NOTES + CONFIG:
            yield from (target for target, _ in noted_entries(repo, tip))


def keep_keys(repo: Repository, marker: Marker, ends: Iterable[tuple[ObjectId, Commit]]) -> None:
    """Say the keys of what lies behind *ends*, commits that stay and whose history goes, once more of these.

    Before anything goes. What is said of a commit that stays after all does no harm.
    """
    lists = [(name, tip) for name, tip in repo.refs.list() if split_tract(name)[1] == NOTES + KEY]
    lost: dict[ObjectId, list[ObjectId]] = {}
    if lists:
        for end, commit in ends:
            for id in _behind(marker, commit):
                lost.setdefault(id, []).append(end)
    for name, tip in lists if lost else ():
        assert isinstance(tip, bytes)
        own = replace(repo, prefix=split_tract(name)[0])
        said = [(target, blob) for target, blob in noted_entries(own, tip) if target in lost]
        if said:
            with transaction(own, RENOTED, moves="refs") as tx:
                for target, blob in said:
                    body = read_event(blob, own.blob(blob)).body
                    for end in lost[target]:
                        tx.note(KEY, end, {"key": body["key"], "was": body.get("was", target.hex())})


def _behind(marker: Marker, commit: Commit) -> list[ObjectId]:
    """The commits behind *commit* that do not stay with their history."""
    catalogue = marker.catalogue
    found: list[ObjectId] = []
    seen: set[int] = set()
    waiting = [catalogue.number_of(parent) for parent in commit.parents]
    while waiting:
        number = waiting.pop()
        if number is not None and number not in seen and marker.mark_of(number) != REACHED:
            seen.add(number)
            found.append(catalogue.id_of(number))
            waiting += [catalogue.number_of(parent) for parent in marker.commit(number).parents]
    return found


def find_stale_notes(
    repo: Repository, is_dropped: Callable[[ObjectId], bool], is_known: Callable[[ObjectId], bool]
) -> dict[str, set[ObjectId]]:
    """For each ref of notes that is worth writing anew, the commits its notes are about that are dropped, or not known any more.

    Where none is dropped, notes may have come before what they are about, and are left alone.
    """
    stale: dict[str, set[ObjectId]] = {}
    for name, tip in repo.refs.list():
        if NOTES in name and not name.endswith(_OUTLIVE) and isinstance(tip, bytes):
            targets = [target for target, _ in noted_entries(repo, tip)]
            dropped = {target for target in targets if is_dropped(target)}
            gone = dropped | {target for target in targets if not is_known(target)}
            if dropped and len(gone) * _ONE_IN >= len(targets):
                stale[name] = gone
    return stale


def prune_notes(repo: Repository, name: str, gone: set[ObjectId], is_kept: Callable[[ObjectId], bool]) -> bool:
    """Write the notes at the ref *name* anew, as they were, but for those about commits in *gone* that are not kept after all.

    False where another process added a note meanwhile, which goes first: the next gc tries again.
    The old notes become unreachable, and go after the retention.
    """
    tip = at = repo.refs.read(name)
    left: list[ObjectId] = []
    while isinstance(at, bytes):
        commit = repo.commit(at)
        if commit.target is None or commit.target not in gone or is_kept(commit.target):
            left.append(at)
        at = commit.parents[0] if commit.parents else None
    new: list[NewObject] = []
    last: ObjectId | None = None
    context = EMPTY
    for number, id in enumerate(reversed(left), 1):
        last, context = _repeat_note(repo, repo.commit(id), last, context, number, new)
    try:
        with transaction(repo, RENOTED, moves="refs") as tx:
            tx.objects += new  # made before: while the lock is held nobody can commit
            tx.edits.append(RefEdit(name, last, tip))
    except RefMovedError:
        return False
    return True


def _repeat_note(
    repo: Repository, note: Commit, parent: ObjectId | None, before: Context, number: int, new: list[NewObject]
) -> tuple[ObjectId, Context]:
    """Make *note* once more, on another parent."""
    assert note.target is not None
    assert note.content is not None
    context = append_entry(repo, before, (note.target, note.content), new, "notes")
    parents = () if parent is None else (parent,)
    commit = note._replace(parents=parents, tree=context.tree, open=context.open, generation=number)
    made = new_commit(commit)
    new.append(made)
    repo.keep_commit(made.id, commit)
    return made.id, context
