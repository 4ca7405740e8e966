"""The reflog: the former values of refs, read from the operations, without those that hard resets removed.

    HEAD@{0}     reset --hard: moving to A     main  C -> A
    (left out)   commit                        main  B -> C
    (left out)   commit                        main  A -> B
    HEAD@{1}     commit                        main  none -> A

A hard reset drops the commits that the old tip reached and the new one does not: entries for them that are older than it are left out, of the ref that was reset, of HEAD and of ORIG_HEAD.
An entry that another ref's reflog has stays, and so does one that is made later.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import dropwhile, islice

from tract.annotations import Literal
from tract.errors import BlobNotFoundError
from tract.objects.id import ObjectId
from tract.objects.model import Commit, NewObject, Operation, RefChange, RefValue, Step, new_operation
from tract.refs.names import HEAD, HEADS, ORIG_HEAD, split_tract
from tract.refs.operations import unfold_operation
from tract.repo import Repository

HARD_RESET = "reset --hard: "
"""The beginning of a hard reset's reason."""

RENAMED = "branch: renamed "
"""The beginning of the reason of a branch's renaming."""

TAKEN = " (gc took what it left)"
"""The end of the reason of an operation whose ref was at a commit that gc has dropped since: it cannot be undone."""

_RUN = r" \(run ([0-9a-f]{10})\)"

FETCHED = "fetch: "
"""The beginning of the reason of a fetch."""

RELEASED = "gc: archives"
"""The reason of an operation in which gc deletes an ORIG_HEAD whose archive it drops."""

RENOTED = "gc: notes"
"""The reason of one in which gc rewrites notes, without those about dropped commits."""

RUN_RECORD = "orchestrator: run "
"""The beginning of the reason of an operation that puts the record of a run on a branch."""

_STEPS_A_FOLD = 256

_UNDO = r"(undo|redo)(?: (\d{1,9}))?: "
"""The beginning of the reason of an undo or a redo: with the number of operations, if that is not one."""


class HardResets:
    """The commits that hard resets dropped, learnt from the operations as they are read, the newest first."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._dropped: dict[str, set[ObjectId]] = {}

    def learn(self, operation: Operation) -> None:
        """Take in *operation*, which is older than those before it."""
        if not plain_reason(operation).startswith(HARD_RESET) or undone_by(operation) > 0:
            return
        for change in operation.changes:
            prefix, local = split_tract(change.name)
            old, new = change.old, change.new
            if isinstance(old, bytes) and not isinstance(new, str) and (local == HEAD or local.startswith(HEADS)):
                dropped = dropped_by(self._repo, old, new)
                for name in (change.name, prefix + HEAD, prefix + ORIG_HEAD):
                    self._dropped.setdefault(name, set()).update(dropped)

    def left_out(self, name: str, value: RefValue | None) -> bool:
        """Whether entries for *value* are left out of the reflog of the ref *name*, from the last learnt operation back."""
        return value in self._dropped.get(name, ())

    def dropped(self) -> frozenset[ObjectId]:
        """All commits dropped so far."""
        return frozenset().union(*self._dropped.values())


def of_run(reason: str, run: str) -> str:
    """*reason*, marked as part of a run of the orchestrator: one undo takes all of a run back."""
    return reason if re.search(_RUN, reason) else f"{reason} (run {run})"


def run_of(reason: str) -> str | None:
    """The run of the orchestrator that an operation was part of."""
    found = re.search(_RUN, reason)
    return None if found is None else found.group(1)


def without_run(reason: str) -> str:
    """*reason* without the mark of :func:`of_run`."""
    return re.sub(_RUN, "", reason)


def dropped_by(repo: Repository, old: ObjectId, new: ObjectId | None) -> set[ObjectId]:
    """The commits that *old* reaches and *new* (None: none) does not; commits missing from the store are passed over."""
    queue: list[tuple[int, ObjectId]] = []
    commits: dict[ObjectId, Commit] = {}
    stays: dict[ObjectId, bool] = {}
    waiting = 0  # commits in the queue that are dropped so far: without any, the walk is over

    def add(id: ObjectId, stay: bool) -> None:
        nonlocal waiting
        before = stays.get(id)
        if before is None:
            try:
                commits[id] = repo.commit(id)
            except BlobNotFoundError:
                return
            heapq.heappush(queue, (-commits[id].generation, id))
        stays[id] = stay or bool(before)
        waiting += (not stays[id]) - (before is False)

    add(old, False)
    if new is not None:
        add(new, True)
    while waiting:
        id = heapq.heappop(queue)[1]
        waiting -= not stays[id]
        for parent in commits[id].parents:
            add(parent, stays[id])
    return {id for id, stay in stays.items() if not stay}


def ref_entries(repo: Repository, ref: str) -> Iterator[tuple[ObjectId, Operation | None]]:
    """The commits the ref was at, newest first, each with the operation that moved it there.

    For the last one the operation may be None, if it is no longer kept.
    HEAD's entries are those of the branch it was on; a branch's entries begin at its creation, and include those under its former name.
    """
    name = repo.prefix + ref
    refs: dict[str, RefValue | None] = {}  # where refs were at the moment the walk has come to

    def held(name: str) -> RefValue | None:
        return refs[name] if name in refs else repo.refs.read(name)

    resets = HardResets(repo)
    value: RefValue | None = None
    for _, operation in repo.refs.history():
        changes = {change.name: change for change in operation.changes}
        resets.learn(operation)
        symbolic = held(name)
        branch = repo.prefix + symbolic if isinstance(symbolic, str) else name
        value_then = held(branch)
        refs.update((change.name, change.old) for change in operation.changes)
        if name not in changes and branch not in changes:
            continue
        if isinstance(value_then, bytes) and not resets.left_out(name, value_then):
            yield value_then, operation
        before = renamed_from(operation, name)
        if before is not None:
            name = before
        value = held(name)
        if value is None and ref != HEAD:
            return
        if isinstance(value, str):
            value = held(repo.prefix + value)
    if isinstance(value, bytes) and not resets.left_out(name, value):
        yield value, None


def ref_history(repo: Repository, ref: str) -> Iterator[tuple[ObjectId, str]]:
    """The commits the ref was at, newest first, each with the reason it came there, ``""`` if that is no longer known."""
    for value, operation in ref_entries(repo, ref):
        yield value, "" if operation is None else operation.reason


def is_of_gc(operation: Operation) -> bool:
    """Whether gc, and not a user, made *operation*; undo passes it over."""
    return operation.reason.removesuffix(TAKEN) in (RELEASED, RENOTED)


def is_of_fetch(operation: Operation) -> bool:
    """Whether *operation* fetched from a remote."""
    return operation.reason.startswith(FETCHED)


def is_of_run_record(operation: Operation) -> bool:
    """Whether *operation* put the record of a run of the orchestrator on a branch."""
    return operation.reason.startswith(RUN_RECORD)


def is_renaming(operation: Operation) -> bool:
    """Whether *operation* renamed a branch, or undid that."""
    return plain_reason(operation).startswith(RENAMED)


def undo_reason(direction: Literal["undo", "redo"], steps: int, reason: str) -> str:
    """The reason of an operation that undoes or redoes *steps* operations, the last of which has *reason*."""
    return f"{direction}: {reason}" if steps == 1 else f"{direction} {steps}: {reason}"


def is_undo_reason(reason: str) -> bool:
    """Whether an operation with that *reason* is an undo or a redo."""
    return re.match(_UNDO, reason) is not None


def undone_by(operation: Operation) -> int:
    """The number of operations that *operation* undid: negative if it redid some, 0 for any other operation."""
    found = re.match(_UNDO, operation.reason)
    if found is None:
        return 0
    steps = int(found[2] or 1)
    return steps if found[1] == "undo" else -steps


def plain_reason(operation: Operation) -> str:
    """The reason of *operation*, or of the operation it undid or redid."""
    return re.sub(_UNDO, "", operation.reason, count=1) if undone_by(operation) else operation.reason


def renamed_from(operation: Operation, name: str) -> str | None:
    """The name of the branch *name* before *operation*, if that renamed it; both with the tract's prefix."""
    if not is_renaming(operation):
        return None
    made = next((change for change in operation.changes if change.name == name), None)
    gone = [
        change for change in operation.changes if change.new is None and made is not None and change.old == made.new
    ]
    return gone[0].name if len(gone) == 1 else None


def kept_values(repo: Repository) -> Iterator[tuple[int, ObjectId]]:
    """Every commit in a reflog of any tract, with the time of its operation in microseconds, the newest first."""
    resets = HardResets(repo)
    for _, operation in repo.refs.history():
        resets.learn(operation)
        for change in operation.changes:
            for value in _values(change):
                if not resets.left_out(change.name, value):
                    yield operation.time, value


def released_commits(repo: Repository) -> frozenset[ObjectId]:
    """The commits that hard resets dropped: gc may drop at once those that neither a ref nor a commit of :func:`kept_values` reaches."""
    resets = HardResets(repo)
    for _, operation in repo.refs.history():
        resets.learn(operation)
    return resets.dropped()


def _values(change: RefChange) -> Iterator[ObjectId]:
    for value in (change.new, change.old):
        if isinstance(value, bytes):
            yield value


def operations_after(repo: Repository, last: ObjectId | None) -> list[Operation]:
    """The operations after *last* that moved a ref, oldest first."""
    since: list[Operation] = []
    for id, operation in repo.refs.history():
        if id == last:
            break
        if operation.changes:
            since.append(operation)
    return since[::-1]


def operations_since(operations: Iterable[Operation], since: int) -> Iterator[Operation]:
    """The *operations*, given oldest first, from the first one on that is not older than *since*, in nanoseconds since 1970; folded ones are returned one by one."""

    def single() -> Iterator[Operation]:
        for operation in operations:
            yield from [operation] if operation.steps is None else reversed(list(unfold_operation(operation)))

    return dropwhile(lambda operation: operation.time * 1000 < since, single())


class ReflogFilter:
    """Removes moves to commits that gc drops from operations, which it gets oldest first."""

    def __init__(self, is_dropped: Callable[[RefValue | None], bool]) -> None:
        self._is_dropped = is_dropped
        self._before: dict[str, RefValue | None] = {}  # where refs were before the moves that were left out

    def kept(self, operations: Iterable[Operation]) -> Iterator[Operation]:
        """*operations* without the moves to dropped commits; a ref's next move begins where the removed one did."""
        for operation in operations:
            changes = tuple(change for change in map(self._change, operation.changes) if change is not None)
            if changes:
                is_taken = operation.reason.endswith(TAKEN) or any(map(self._leaves, operation.changes))
                reason = operation.reason.removesuffix(TAKEN) + (TAKEN if is_taken else "")
                yield operation._replace(changes=changes, reason=reason)

    def _leaves(self, change: RefChange) -> bool:
        """Whether the operation cannot be undone because of *change*: it moved a ref away from a dropped commit. ORIG_HEAD does not count."""
        is_left = self._is_dropped(change.old) and not self._is_dropped(change.new)
        return is_left and split_tract(change.name)[1] != ORIG_HEAD

    def _change(self, change: RefChange) -> RefChange | None:
        before = None if self._is_dropped(change.old) else change.old
        if self._is_dropped(change.new):
            self._before.setdefault(change.name, before)
            return None
        # A move back to where the ref was before stays: it shows that something was dropped.
        kept = RefChange(change.name, self._before.pop(change.name, before), change.new)
        return None if kept.old is kept.new is None and split_tract(change.name)[1] == ORIG_HEAD else kept


def fold_operations(operations: Iterable[Operation], previous: ObjectId | None) -> Iterator[NewObject]:
    """*operations*, oldest first, folded into as few objects as possible; each names the one before, the first *previous*."""
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
