"""Doing what a plan of gc says."""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from tract.history.state import kept_commits
from tract.maintenance.gc.catalogue import ABSENT, NONE, REACHED, UNSEEN, Catalogue
from tract.maintenance.gc.cutting import Archive, HeldArchive
from tract.maintenance.gc.marks import REPORT_EVERY, Groups, Members, Progress, walk
from tract.maintenance.gc.notes import find_stale_notes, prune_notes
from tract.maintenance.gc.operations import Telling, fold_operations, kept_operations, operations_after
from tract.maintenance.gc.plan import GCPlan, database, operation_refs
from tract.maintenance.gc.settling import Settling
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue
from tract.reflog import RELEASED
from tract.refs.names import HEADS, split_tract
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.compression import train_dictionary
from tract.storage.counts import prune_all_counts
from tract.storage.database import Database
from tract.storage.pack_writer import Packing
from tract.storage.shallow import Cut, write_shallow

LEVEL = 12
AGGRESSIVE_LEVEL = 19

_DICTIONARY_SIZE = 32 * 1024
_LEAST_SAMPLES = 500
_MOST_SAMPLES = 8000
_MOST_SAMPLE_BYTES = 8 * 1024 * 1024
_LONGEST_SAMPLE = 4096

# What happened while the packs were written is followed without the lock until this little is left, or so often.
_FEW_OPERATIONS = 64
_MOST_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class GCResult:
    """What a gc did, or with *dry_run* would do.

    *reachable*, *kept* (not reachable, but younger than the retention) and *dropped* count objects; operations are in none of them.
    *size_before* and *size_after* are bytes on disk of packs, journal and loose objects; a dry run cannot know the size after it, and says None.
    *dropped_size* is what *dropped* has in bytes before they are compressed, which a gc does not change: so a dry run says the same as the run after it.
    *archives* is what goes with each archive of a compression, the newest first, and all else that is dropped are orphans.
    *held* are archives that are old enough to go but that merges need, or orphans that are kept.
    """

    reachable: int
    kept: int
    dropped: int
    packs_before: int
    packs_after: int
    size_before: int
    size_after: int | None
    seconds: float
    dry_run: bool = False
    dropped_size: int = 0
    archives: tuple[Archive, ...] = ()
    held: tuple[HeldArchive, ...] = ()


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works.

    Only for the holder of the store's ``maintenance``, who has held it since the plan was made.
    """
    started = time.monotonic()
    store = database(repo)
    level = AGGRESSIVE_LEVEL if aggressive else LEVEL
    telling = Telling(plan.left_behind)
    fresh, previous = _write_all(repo, store, plan, telling, level, progress)
    # What was missing may have been written since.
    marks = bytearray(plan.marks.replace(bytes([ABSENT]), bytes([UNSEEN])))
    last = plan.last
    for _ in range(_MOST_ROUNDS):
        repo.refs.refresh()
        since = operations_after(repo, last)
        if len(since) <= _FEW_OPERATIONS:
            break
        last = repo.refs.last
        saved = _saved(plan, since, marks)
        writing = _PackOrder(plan.catalogue, saved, fold_operations(_told(plan, telling, since, marks), previous))
        fresh.add(store.write_pack(writing.packing(), level=level))
        previous = writing.last_operation
    stale = find_stale_notes(repo, plan.dropped, plan.catalogue.has) if plan.dropped else {}
    settling = Settling(os.path.dirname(store.path), repo.refs)
    with store.lock():
        repo.refs.refresh()
        saved = _saved(plan, operations_after(repo, last), marks, kept_commits(repo))
        if saved:
            fresh.add(store.write_pack(_PackOrder(plan.catalogue, saved).packing(), level=level))
        _release(repo, plan, marks)
        settling.finish(store, [] if plan.cutting is None else [name for name, _ in plan.cutting.released])
        since = operations_after(repo, last)
        cuts = _cut(repo, plan, marks)
        head = list(fold_operations(_told(plan, telling, since, marks), previous))
        store.rotate(head, operation_refs(repo).keyframe(head[-1].id if head else previous, "gc"), without="operation")
        repo.refs.refresh()
        # Before the packs go, for the catalogue reads from them.
        loose = {id: at for id, at in plan.loose.items() if _may_go(plan, id, marks)}
        store.drop_packs(name for name in plan.packs if name not in fresh)
        store.drop_loose(loose)
        store.remove_leftovers()
        if repo.path is not None and cuts != repo.shallow.cuts:
            write_shallow(repo.path, cuts)  # now without those that went
            repo.look_at_shallow()
    if plan.dropped and repo.path is not None:
        prune_all_counts(os.path.join(repo.path, "cache"), store.was_seen)
        for name, gone in stale.items():
            prune_notes(repo, name, gone, store.was_seen)
    store.mark_collected()
    return result_of(plan, len(store.packs()), store.stats().size, started)


def result_of(plan: GCPlan, packs: int, size: int | None, started: float, *, dry_run: bool = False) -> GCResult:
    """What is to be said of *plan*; *started* by the monotonic clock."""
    return GCResult(
        plan.reachable_count,
        plan.kept_count,
        len(plan.dropped),
        plan.packs_before,
        packs,
        plan.size_before,
        size,
        time.monotonic() - started,
        dry_run,
        plan.dropped_size,
        plan.archives,
        plan.held,
    )


def _may_go(plan: GCPlan, id: ObjectId, marks: bytearray) -> bool:
    """Whether a loose object is in a pack now, or still wanted by nobody."""
    number = plan.catalogue.admit(id)
    return plan.marks[number] == REACHED or marks[number] != REACHED


def _write_all(
    repo: Repository, store: Database, plan: GCPlan, telling: Telling, level: int, progress: Progress | None
) -> tuple[set[str], ObjectId | None]:
    """Write the pack with everything that is reachable, and those of what is kept for a while; their names, and the last operation."""
    names: set[str] = set()
    operations = kept_operations(repo, plan.operations, plan.reflog_since, telling)
    folded = fold_operations(operations, None)
    first = next(folded, None)
    last: ObjectId | None = None
    if first is not None or any(plan.reachable.values()):
        dictionary = _train(plan.reachable["blob"])
        writing = _PackOrder(plan.catalogue, plan.reachable, chain([] if first is None else [first], folded), progress)
        names.add(store.write_pack(writing.packing(), level=level, dictionary=dictionary))
        last = writing.last_operation
    for written, groups in plan.kept.items():
        if any(groups.values()):
            names.add(store.write_pack(_PackOrder(plan.catalogue, groups).packing(), level=level, written=written))
    return names, last


class _PackOrder:
    """The order of a new pack: *groups*, and *operations* that are made while it is written."""

    def __init__(
        self,
        catalogue: Catalogue,
        groups: Groups,
        operations: Iterable[NewObject] = (),
        progress: Progress | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._groups = [(kind, groups[kind]) for kind in KINDS if groups.get(kind)]
        self._operations = operations
        self._progress = progress
        self._count = sum(len(members) for _, members in self._groups)
        self._done = 0
        self._made: dict[ObjectId, int] = {}
        numbers = [members.numbers for _, members in self._groups]
        self._ordinals = array("I", [NONE]) * (1 + max((max(column) for column in numbers), default=0))
        for ordinal, number in enumerate(chain.from_iterable(numbers)):
            self._ordinals[number] = ordinal

    @property
    def last_operation(self) -> ObjectId | None:
        """The last of the operations that were written."""
        return next(reversed(self._made), None)

    def packing(self) -> Packing:
        groups: list[tuple[Kind, Iterator[bytes]]] = [(kind, self._told(members)) for kind, members in self._groups]
        return Packing([*groups, ("operation", self._make_operations())], self._ids(), self._ordinal_of)

    def _ids(self) -> Iterator[ObjectId]:
        for _, members in self._groups:
            yield from members
        yield from self._made
        self._catalogue.release()

    def _told(self, members: Members) -> Iterator[bytes]:
        for payload in members.payloads():
            yield payload
            self._done += 1
            if self._progress is not None and not self._done % REPORT_EVERY:
                self._progress("packing", self._done, self._count)

    def _make_operations(self) -> Iterator[bytes]:
        for new in self._operations:
            self._made[new.id] = self._count + len(self._made)
            yield new.payload

    def _ordinal_of(self, id: ObjectId) -> int | None:
        number = self._catalogue.number_of(id)
        if number is None or number >= len(self._ordinals):
            return self._made.get(id)
        ordinal = self._ordinals[number]
        return ordinal if ordinal != NONE else self._made.get(id)


def _train(blobs: Members) -> bytes:
    """A dictionary for the blobs: it makes up for what a frame cannot see of the others."""
    if len(blobs) < _LEAST_SAMPLES:
        return b""
    chosen = blobs[:: max(1, len(blobs) // _MOST_SAMPLES)]
    samples = [payload[:_LONGEST_SAMPLE] for payload in chosen.payloads()]
    while (size := sum(map(len, samples))) > _MOST_SAMPLE_BYTES:
        samples = samples[::2]
    return train_dictionary(samples, _DICTIONARY_SIZE) if size > 16 * _DICTIONARY_SIZE else b""


def _saved(plan: GCPlan, since: Sequence[Operation], marks: bytearray, in_work: Iterable[ObjectId] = ()) -> Groups:
    """What the operations in *since* made needed again of all that is to be dropped: a ref put on an old commit, a text said once more; and what commands under way need.

    The walk stops at what is not UNSEEN in *marks*, so it costs what is new.
    """
    catalogue = plan.catalogue
    changes = [change for operation in since for change in operation.changes]
    values = [change.new for change in changes]
    values += [change.old for change in changes if not _is_archived(plan, change.old)]
    roots = [catalogue.admit(value) for value in values if isinstance(value, bytes)]
    if plan.cutting is not None and any(_is_new_branch(plan, change) for change in changes):
        roots += plan.cutting.parents_behind(catalogue)
    roots += [number for id in in_work if (number := catalogue.number_of(id)) is not None]
    found: dict[Kind, array[int]] = {}
    follow = walk if plan.cutting is None else plan.cutting.walk
    for number, kind, _, _ in follow(catalogue, roots, marks):
        if plan.dropped.has(number) and catalogue.id_of(number) not in plan.loose:
            found.setdefault(kind, array("I")).append(number)
    return {kind: Members(catalogue, numbers) for kind, numbers in found.items()}


def _is_archived(plan: GCPlan, value: RefValue | None) -> bool:
    """Whether a ref that moved away from *value* left an archive that goes, which no reflog keeps."""
    if plan.cutting is None or not isinstance(value, bytes):
        return False
    number = plan.catalogue.number_of(value)
    return number is not None and number < len(plan.cutting.archived) and bool(plan.cutting.archived[number])


def _is_new_branch(plan: GCPlan, change: RefChange) -> bool:
    """Whether a branch was put into an archive that goes: then none goes, for the branch is to have a merge base with others."""
    return split_tract(change.name)[1].startswith(HEADS) and _is_archived(plan, change.new)


def _is_gone(plan: GCPlan, id: ObjectId, marks: bytearray) -> bool:
    """Whether a commit of the plan goes, or only its message stays."""
    number = plan.catalogue.admit(id)
    return marks[number] != REACHED or (plan.cutting is not None and number in plan.cutting.messages)


def _release(repo: Repository, plan: GCPlan, marks: bytearray) -> None:
    """Delete each ``ORIG_HEAD`` that still names what goes; only for the holder of the lock."""
    released = () if plan.cutting is None else plan.cutting.released
    edits = [
        RefEdit(name, None, value)
        for name, value in released
        if repo.refs.read(name) == value and _is_gone(plan, value, marks)
    ]
    if edits:
        repo.refs.update(edits, reason=RELEASED)


def _told(plan: GCPlan, telling: Telling, since: Sequence[Operation], marks: bytearray) -> list[Operation]:
    """The operations in *since* as they are kept: without the archives that go."""
    if plan.cutting is None or not plan.cutting.released:
        return list(since)
    left = {change.old for operation in since for change in operation.changes if _is_archived(plan, change.old)}
    gone = {id for id in left if isinstance(id, bytes) and _is_gone(plan, id, marks)}
    told = (telling.without(operation, gone) for operation in since)
    return [operation for operation in told if operation.changes]


def _cut(repo: Repository, plan: GCPlan, marks: bytearray) -> dict[ObjectId, Cut]:
    """Write down which commits lose what is behind them, beside those of which that was known; what is to stand there in the end.

    Before anything goes: a commit that is not in ``shallow`` has all that it names.
    """
    if plan.cutting is None or repo.path is None:
        return dict(repo.shallow.cuts)
    date = time.strftime("%Y-%m-%d", time.gmtime())
    cuts = plan.cutting.cuts_after(plan.catalogue, marks, date)
    if not cuts.items() <= repo.shallow.cuts.items():
        write_shallow(repo.path, {**repo.shallow.cuts, **cuts})
        repo.look_at_shallow()
    return cuts
