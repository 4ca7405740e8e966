"""The operations that the reflog keeps, folded into few objects; and what refs moved away from."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import dropwhile, islice

from tract.maintenance.gc.catalogue import Catalogue
from tract.maintenance.gc.orphans import Orphans
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue, Step, new_operation, read_operation
from tract.reflog import TAKEN
from tract.refs.operations import unfold_operation
from tract.repo import Repository

_STEPS_A_FOLD = 256


def read_reflog(repo: Repository, catalogue: Catalogue, since: int, orphans: Orphans) -> array[int]:
    """The operations the reflog keeps, newest first; and *orphans* are told which refs moved to or away from them, and when.

    The reflog goes back to the oldest operation that is younger than *since*: a clock that once was wrong cuts nothing off.
    Times are in nanoseconds since 1970.
    """
    operations = array("I")
    young = 0
    before: ObjectId | None = None
    for id, operation in repo.refs.history():
        if id != before:
            operations.append(catalogue.admit(id))
            before = id
        moment = operation.time * 1000
        if moment >= since:
            young = len(operations)
        for change in operation.changes:
            for value in (change.new, change.old):
                orphans.leave(change.name, value, moment)
    return operations[:young]


def operations_after(repo: Repository, last: ObjectId | None) -> list[Operation]:
    """The operations after *last* that moved a ref, oldest first."""
    since: list[Operation] = []
    for id, operation in repo.refs.history():
        if id == last:
            break
        if operation.changes:
            since.append(operation)
    return since[::-1]


def kept_operations(
    repo: Repository, operations: Sequence[ObjectId], since: int, telling: Telling
) -> Iterator[Operation]:
    """Those of *operations*, which come newest first, that are younger than *since*, oldest first, without the changes that led to what is dropped."""

    def is_old(operation: Operation) -> bool:
        return operation.time * 1000 < since

    for operation in dropwhile(is_old, _single_operations(repo, operations)):
        told = telling.without_dropped(operation)
        if told is not None:
            yield told


class Telling:
    """Tells operations, one after the other, without what is *dropped*."""

    def __init__(self, dropped: Container[ObjectId]) -> None:
        self._dropped = dropped
        self._held: dict[str, RefValue | None] = {}  # what refs were at before the changes that were just left out

    def without_dropped(self, operation: Operation) -> Operation | None:
        """*operation* without the changes that led to what is dropped, or None when it has no others; a ref's next change begins where they did."""
        changes = tuple(change for change in map(self._change, operation.changes) if change is not None)
        if not changes:
            return None
        left = any(change.old in self._dropped and change.new not in self._dropped for change in operation.changes)
        reason = operation.reason.removesuffix(TAKEN) + (TAKEN if left or operation.reason.endswith(TAKEN) else "")
        return operation._replace(changes=changes, reason=reason)

    def _change(self, change: RefChange) -> RefChange | None:
        before = None if change.old in self._dropped else change.old
        if change.new in self._dropped:
            self._held.setdefault(change.name, before)
            return None
        # A move back to where the ref was before what was dropped stays: it is what says that it was dropped.
        return RefChange(change.name, self._held.pop(change.name, before), change.new)

    def without(self, operation: Operation, gone: Container[ObjectId]) -> Operation:
        """*operation*, which came later, with the changes away from what is *gone* beginning where those before them did."""
        changes = tuple(
            RefChange(change.name, self._held.pop(change.name, None), change.new) if change.old in gone else change
            for change in operation.changes
        )
        return operation._replace(changes=tuple(change for change in changes if change.old != change.new))


def _single_operations(repo: Repository, ids: Sequence[ObjectId]) -> Iterator[Operation]:
    """The operations in *ids*, which come newest first, one by one, oldest first."""
    for id in reversed(ids):
        operation = read_operation(id, repo.objects.read(id))
        if operation.steps is None:
            yield operation
        else:
            yield from reversed(list(unfold_operation(operation)))


def fold_operations(operations: Iterable[Operation], previous: ObjectId | None) -> Iterator[NewObject]:
    """Operations, oldest first, as few objects that still tell each; every one names the one before, the first *previous*."""
    rest = iter(operations)
    while some := list(islice(rest, _STEPS_A_FOLD)):
        last = some[-1]
        changes = tuple(change for operation in some for change in operation.changes)
        steps = tuple(Step(one.time, one.actor, one.reason, len(one.changes)) for one in some)
        folded = new_operation(Operation(previous, last.time, last.actor, "fold", changes, None, steps))
        yield folded
        previous = folded.id
