"""The operations that the reflog keeps, without what gc drops, as few objects; and the ref files of what it forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import dropwhile, islice

from tract.errors import BlobNotFoundError, ObjectCorruptError
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue, Step, new_operation
from tract.objects.strict_reader import read_operation
from tract.reflog import TAKEN
from tract.refs.names import HEAD, ORIG_HEAD
from tract.refs.operations import unfold_operation
from tract.refs.ref_files import RefFiles, tract_prefixes
from tract.refs.store import RefStore
from tract.repo import Repository
from tract.storage import files
from tract.storage.store import ObjectStore

_STEPS_A_FOLD = 256


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
                left = any(
                    self._is_dropped(one.old) and not self._is_dropped(one.new) for one in operation.changes
                ) or operation.reason.endswith(TAKEN)
                reason = operation.reason.removesuffix(TAKEN) + (TAKEN if left else "")
                yield operation._replace(changes=changes, reason=reason)

    def _change(self, change: RefChange) -> RefChange | None:
        before = None if self._is_dropped(change.old) else change.old
        if self._is_dropped(change.new):
            self._before.setdefault(change.name, before)
            return None
        # A move back to where the ref was before stays: it is what says that something was dropped.
        return RefChange(change.name, self._before.pop(change.name, before), change.new)

    def later(self, operation: Operation, is_gone: Callable[[RefValue | None], bool]) -> Operation:
        """An *operation* that came after the plan, with moves away from what *is_gone* beginning where those before them did."""
        changes = tuple(
            RefChange(change.name, self._before.pop(change.name, None), change.new) if is_gone(change.old) else change
            for change in operation.changes
        )
        return operation._replace(changes=tuple(change for change in changes if change.old != change.new))


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
        folders = list(_folders(self._shown))
        names = [folder + entry for folder in folders for entry in _entries(self._shown, folder)]
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

    def _sync(self, names: Sequence[str], folders: Sequence[str]) -> None:
        for path in map(self._shown.path_of, names):
            if files.is_file(path):
                with suppress(FileNotFoundError):  # deleted since
                    files.sync_file(path)
        for path in map(self._shown.path_of, dict.fromkeys(folders)):
            if files.is_directory(path.removesuffix("/")):
                files.sync_directory(path)


def _folders(shown: RefFiles) -> Iterator[str]:
    """Every folder with ref files, with a slash at its end: of the store, of its other tracts, and of their refs."""
    for top in ("", *tract_prefixes(shown.path)):
        if not top or files.is_directory(shown.path_of(top.removesuffix("/"))):
            yield top
            yield from _folders_under(shown, f"{top}refs")


def _folders_under(shown: RefFiles, folder: str) -> Iterator[str]:
    if files.is_directory(shown.path_of(folder)):
        yield folder + "/"
        for entry in files.list_directory(shown.path_of(folder)):
            yield from _folders_under(shown, f"{folder}/{entry}")


def _entries(shown: RefFiles, folder: str) -> Sequence[str]:
    if "refs/" not in folder:
        return (HEAD, ORIG_HEAD)
    return [entry for entry in files.list_directory(shown.path_of(folder)) if not entry.startswith(".")]
