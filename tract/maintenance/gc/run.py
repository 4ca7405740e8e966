"""Running a gc: the second half, which carries out a plan.

A new pack is on the disk, with its index, before anything that it replaces is removed. So gc can be killed at any point: the next gc removes what is left over.
Writers hold the lock from their first read to their operation, and list the packs again after the journal was replaced; so nothing that they rely on is removed.
A store that lives in a remote holds no lock while the remote answers: a change that waited checks before it lands that everything it needs is still here (tract/remote/lane.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from tract.dataclass import replace
from tract.history.stale_notes import find_stale_notes, has_keys, prune_notes, repeat_keys
from tract.history.state import kept_commits
from tract.maintenance.gc.mark import ABSENT, ARCHIVED, MESSAGE, REACHED, UNSEEN, Found
from tract.maintenance.gc.options import GCResult
from tract.maintenance.gc.plan import GCPlan, collected, database, operation_refs
from tract.objects.id import ObjectId
from tract.objects.model import NewObject, Operation, RefChange, RefValue
from tract.objects.strict_reader import read_operation
from tract.reflog import RELEASED, ReflogFilter, fold_operations, operations_after, operations_since
from tract.refs.names import HEADS, split_tract
from tract.refs.ref_files import RefFileSync
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.counts import prune_all_counts
from tract.storage.memory import MemoryStore
from tract.storage.repacking import Groups, Progress, Repacking, add_found, new_groups, train_for
from tract.storage.settled import write_settled
from tract.storage.shallow import Cut
from tract.transaction import transaction

LEVEL = 9
AGGRESSIVE_LEVEL = 19

# Operations made while the packs were written are followed without the lock until this few are left, or for this many rounds.
_FEW_OPERATIONS = 64
_MOST_ROUNDS = 8


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Run *plan*. If the process is killed at any point, the store still works.

    Only for the holder of the store's ``maintenance``, held since the plan was made; in memory that is the lock.
    """
    began = time.monotonic()
    run = Run(repo, plan, AGGRESSIVE_LEVEL if aggressive else LEVEL)
    if isinstance(repo.objects, MemoryStore):
        _run_in_memory(run, repo.objects)
        return run.result(began)
    store = database(repo)
    run.write_packs(progress)
    run.catch_up()
    stale = run.find_notes()
    ref_files = RefFileSync(os.path.dirname(store.path), repo.refs)
    with store.lock():
        repo.refs.refresh()
        run.write_saved()
        run.release_refs()
        ref_files.finish(store, [name for name, _ in plan.released])
        cuts = run.cuts()
        repo.put_cuts({**repo.shallow.cuts, **cuts})
        objects, keyframe = run.journal()
        store.rotate(objects, keyframe)
        repo.refs.refresh()
        # before the packs are removed, from which the catalogue reads
        loose = run.loose_to_drop()
        store.drop_packs(name for name in plan.packs if name not in run.written)
        store.drop_loose(loose)
        store.remove_leftovers()
        repo.put_cuts(cuts)  # now without the commits that were dropped
    if repo.path is not None:
        if plan.dropped:
            prune_all_counts(os.path.join(repo.path, "cache"), store.was_seen)
            for name, gone in stale.items():
                prune_notes(repo, name, gone, store.was_seen)
        write_settled(repo.path, () if cuts or plan.marker.takes_archives else run.settled)
    store.mark_collected()
    return run.result(began)


def _run_in_memory(run: Run, store: MemoryStore) -> None:
    """Do the same for a store without packs."""
    repo, stale = run.repo, run.find_notes()
    run.save()
    run.release_refs()
    repo.put_cuts(run.cuts())
    history = run.write_history()
    objects, keyframe = run.journal()
    gone = run.loose_to_drop()
    store.begin_again(gone, [*history, *objects], keyframe)
    repo.decoded.forget(gone)
    repo.refs.refresh()
    for name, old in stale.items():
        prune_notes(repo, name, old, store.contains)


class Run:
    """A plan that is being run: its marks, with what was reached again since, and the operations that were rewritten."""

    def __init__(self, repo: Repository, plan: GCPlan, level: int) -> None:
        self.repo = repo
        self.plan = plan
        self._level = level
        self.marker = plan.marker.copy()
        # Objects that were missing may have been written since.
        self.marker.marks[:] = self.marker.marks.replace(bytes([ABSENT]), bytes([UNSEEN]))
        self._is_anything_gone = bool(plan.dropped) or MESSAGE in plan.marker.marks
        self._filter = ReflogFilter(self._is_gone)
        self._seen = plan.last
        self._last_operation = plan.previous
        self.settled = plan.settled
        self.written: set[str] = set()

    def write_packs(self, progress: Progress | None) -> None:
        """Write the pack with everything that is reachable, and the packs of what is kept for a while."""
        plan = self.plan
        operations = self.kept_operations()
        first = next(operations, None)
        if first is not None or any(plan.reachable.values()):
            dictionary = train_for(plan.catalogue, plan.reachable["blob"])
            rest = chain([] if first is None else [first], operations)
            name = self.write_pack(plan.reachable, rest, dictionary=dictionary, progress=progress)
            self.settled = (*self.settled, plan.new._replace(pack=name))
        for written, groups in plan.kept.items():
            self.write_pack(groups, written=written)

    def write_pack(
        self,
        groups: Groups,
        operations: Iterable[Operation] = (),
        *,
        dictionary: bytes = b"",
        written: int | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Write a pack of *groups* and *operations*, which continue those written before; return its name."""
        folded = fold_operations(operations, self._last_operation)
        contents = Repacking(self.plan.catalogue, groups, folded, progress)
        store = database(self.repo)
        name = store.write_pack(contents.packing(), level=self._level, dictionary=dictionary, written=written)
        self._last_operation = contents.last_operation or self._last_operation
        self.written.add(name)
        return name

    def kept_operations(self) -> Iterator[Operation]:
        """Yield the operations that the reflog keeps, oldest first, without what is dropped."""
        catalogue, numbers = self.plan.catalogue, reversed(self.plan.operations)
        operations = (read_operation(catalogue.id_of(number), catalogue.read(number)) for number in numbers)
        return self._filter.kept(operations_since(operations, self.plan.reflog_since))

    def write_history(self) -> list[NewObject]:
        """Make the same operations as objects, for a store without packs."""
        made = list(fold_operations(self.kept_operations(), self._last_operation))
        self._last_operation = made[-1].id if made else self._last_operation
        return made

    def journal(self) -> tuple[list[NewObject], NewObject]:
        """The content of a new journal: the operations that are in no pack, the values of refs, and the keyframe of both."""
        head = list(fold_operations(self._filter.kept(self._since()), self._last_operation))
        keyframe, chunks = operation_refs(self.repo).keyframe(head[-1].id if head else self._last_operation, "gc")
        return [*head, *chunks], keyframe

    def _since(self) -> list[Operation]:
        return operations_after(self.repo, self._seen)

    def catch_up(self) -> None:
        """Write what other processes did meanwhile, without the lock, until little is left."""
        for _ in range(_MOST_ROUNDS):
            self.repo.refs.refresh()
            since = self._since()
            if len(since) <= _FEW_OPERATIONS:
                break
            self._seen = self.repo.refs.last
            self.write_pack(self._saved(since), self._filter.kept(since))

    def write_saved(self) -> None:
        """Write what is needed again. Only for the holder of the lock."""
        saved = self.save()
        if any(saved.values()):
            self.write_pack(saved)

    def save(self) -> Groups:
        """Mark and return the objects to be dropped that the last operations and commands under way need again."""
        return self._saved(self._since(), kept_commits(self.repo))

    def _saved(self, since: Sequence[Operation], in_work: Iterable[ObjectId] = ()) -> Groups:
        """The objects to be dropped that are needed again: by the operations *since*, and by commands under way.

        For example, a ref was put on an old commit, or a text was committed again. The walk costs only what is new.
        """
        plan, marker, catalogue = self.plan, self.marker, self.plan.catalogue
        changes = [change for operation in since for change in operation.changes]
        values = [change.new for change in changes]
        values += [change.old for change in changes if not plan.is_archived(change.old)]
        roots = [catalogue.admit(value) for value in values if isinstance(value, bytes)]
        if any(self._is_new_branch(change) for change in changes):
            roots += chain.from_iterable(map(marker.parents, plan.expired))
        roots += [number for id in in_work if (number := catalogue.number_of(id)) is not None]

        def reached() -> Iterator[Found]:
            yield from marker.walk(roots)
            yield from marker.keep_messages(marker.named)
            yield from marker.keep_edits(plan.edits)

        saved = new_groups()
        add_found(saved, (one for one in reached() if plan.drops(catalogue.id_of(one[0]))), catalogue.loose_numbers)
        return saved

    def _is_new_branch(self, change: RefChange) -> bool:
        """True if a branch was put into an archive to be dropped: then no archive is, so that the branch keeps merge bases with others."""
        return split_tract(change.name)[1].startswith(HEADS) and self.plan.is_archived(change.new)

    def _is_gone(self, value: RefValue | None) -> bool:
        """True if *value* is a commit that is dropped, or of which only the message stays, and that is not needed again."""
        if not self._is_anything_gone or not isinstance(value, bytes):
            return False
        return self.plan.mark_of(value) <= MESSAGE and not self._is_whole(value)

    def _is_whole(self, id: ObjectId) -> bool:
        return self.marker.mark_of(self.plan.catalogue.admit(id)) == REACHED

    def release_refs(self) -> None:
        """Delete each ``ORIG_HEAD`` that still names what is dropped. Only for the holder of the lock."""
        edits = [
            RefEdit(name, None, value)
            for name, value in self.plan.released
            if self.repo.refs.read(name) == value and not self._is_whole(value)
        ]
        if edits:
            with transaction(self.repo, RELEASED, moves="refs") as tx:
                tx.edits += edits

    def find_notes(self) -> Mapping[str, set[ObjectId]]:
        """The lists of notes to rewrite without the commits that are dropped; keys are noted again here already."""
        plan, marker = self.plan, self.marker
        lost: dict[ObjectId, list[ObjectId]] = {}
        for end in filter(marker.stays, plan.expired if has_keys(self.repo) else ()):
            for id in marker.cut_off_from(marker.commit(end)):
                lost.setdefault(id, []).append(plan.catalogue.id_of(end))
        repeat_keys(self.repo, lost)
        return find_stale_notes(self.repo, plan.drops, plan.catalogue.has) if plan.dropped else {}

    def cuts(self) -> dict[ObjectId, Cut]:
        """The content of ``shallow`` once everything that does not stay is gone."""
        return self.marker.cuts_with(self.plan.expired, self.repo.shallow.cuts)

    def loose_to_drop(self) -> dict[ObjectId, int]:
        """The loose objects that are in a pack now, or still not needed, with the times when they were written."""
        mark_of, catalogue = self.marker.mark_of, self.plan.catalogue
        return {
            id: written
            for id, written in self.plan.loose.items()
            if self.plan.mark_of(id) == REACHED or mark_of(catalogue.admit(id)) <= ARCHIVED
        }

    def result(self, began: float) -> GCResult:
        """The report of a finished run, which *began* then."""
        store, seconds = collected(self.repo), self.plan.result.seconds + time.monotonic() - began
        packs, size = len(store.packs()), store.stats().size
        return replace(self.plan.result, packs_after=packs, size_after=size, seconds=seconds, dry_run=False)
