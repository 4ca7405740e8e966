"""Collecting: plan and run in one, and the second half of it, which does what a plan says.

A new pack is on the disk, with its index, before anything that it replaces goes. So gc can be killed at any point: the next gc finds and removes what is left over.
Writers hold the lock from their first look to their operation, and look at the packs anew when the journal was replaced; so nothing that they rely on goes.
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from tract.errors import RefMovedError
from tract.history.notes import KEY, REQUEST, noted_entries
from tract.history.state import kept_commits
from tract.maintenance.gc.catalogue import ABSENT, ARCHIVED, MESSAGE, NONE, REACHED, UNSEEN, Catalogue, Recent
from tract.maintenance.gc.keys import keep_keys
from tract.maintenance.gc.mark import REPORT_EVERY, Found, Groups, Progress
from tract.maintenance.gc.plan import Archive, GCPlan, HeldArchive, database, operation_refs, plan_gc
from tract.maintenance.gc.policies import Policies, read_policies
from tract.maintenance.gc.reflog import (
    RefFileSync,
    ReflogFilter,
    fold_operations,
    operations_after,
    operations_since,
)
from tract.maintenance.gc.settled import Settled, write_settled
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import Commit, NewObject, Operation, RefChange, RefValue, new_commit, read_commit
from tract.reflog import RELEASED, RENOTED
from tract.refs.names import HEADS, NOTES, split_tract
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage.compression import train_dictionary
from tract.storage.counts import prune_all_counts
from tract.storage.pack_writer import Packing
from tract.storage.shallow import Cut, write_shallow
from tract.transaction import transaction
from tract.tree import EMPTY, Context, append_entry

LEVEL = 12
AGGRESSIVE_LEVEL = 19

# ``gc --auto`` finds work when there are more packs, or small loose objects, that the last gc has not seen.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000

_DICTIONARY_SIZE = 32 * 1024
_LEAST_SAMPLES = 500
_MOST_SAMPLES = 8000
_MOST_SAMPLE_BYTES = 8 * 1024 * 1024
_LONGEST_SAMPLE = 4096

# What happened while the packs were written is followed without the lock until this little is left, or so often.
_FEW_OPERATIONS = 64
_MOST_ROUNDS = 8

# Of the notes of a namespace at least one in so many must be about what is gone: so each is written anew a few times at most.
_ONE_IN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GCResult:
    """What a gc did, or with *dry_run* would do.

    *reachable*, *kept* (unreachable, but young) and *dropped* are numbers of objects; operations are in none of them.
    *size_before* and *size_after* are bytes on disk of packs, journal and loose objects; a dry run cannot know the size after it, and says None.
    *dropped_size* is the size of what is dropped, in bytes before compression: so a dry run says the same as the run after it.
    *archives* is what goes with each archive of a compression, the newest first; all else that is dropped are orphans.
    *held* are archives that expired, but that merges or orphans need.
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


def is_due(repo: Repository) -> bool:
    """Whether gc would find enough to do; costs two listings of folders."""
    store = database(repo)
    return store.count_new_packs() > _AUTO_PACKS or store.count_new_loose(_AUTO_LOOSE) > _AUTO_LOOSE


def collect(
    repo: Repository,
    policies: Policies | None = None,
    *,
    dry_run: bool = False,
    aggressive: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCResult:
    """Plan a gc and run it, or with *dry_run* say what it would do; GCError while another one runs.

    Without *policies* the settings of all tracts say what is kept.
    """
    started = time.monotonic()
    with database(repo).maintenance():
        plan = plan_gc(repo, policies, seal=not dry_run, now=now, progress=progress)
        if not dry_run:
            result = run_gc(repo, plan, aggressive=aggressive, progress=progress)
            return replace(result, seconds=time.monotonic() - started)
    return _result_of(plan, plan.packs_before, None, started)


def prune(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    dry_run: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> Mapping[ObjectId, Kind]:
    """Drop the orphans that are older than *orphans*, by default than the settings of their tracts have it, and give back what they were.

    Archives stay. Nothing is packed anew where there is nothing to drop; with *dry_run* nothing is done at all.
    """
    policies = read_policies(repo, orphans=orphans, archives="never")
    with database(repo).maintenance():
        plan = plan_gc(repo, policies, seal=not dry_run, now=now, progress=progress)
        dropped = dict(plan.dropped_objects())  # now: their packs are about to go
        if dropped and not dry_run:
            run_gc(repo, plan, progress=progress)
    return dropped


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works.

    Only for the holder of the store's ``maintenance``, who has held it since the plan was made.
    """
    started = time.monotonic()
    store = database(repo)
    level = AGGRESSIVE_LEVEL if aggressive else LEVEL
    run = _Run(repo, plan)
    fresh = run.write_packs(level, progress)
    last = plan.last
    for _ in range(_MOST_ROUNDS):
        repo.refs.refresh()
        since = operations_after(repo, last)
        if len(since) <= _FEW_OPERATIONS:
            break
        last = repo.refs.last
        fresh.add(run.write_pack(run.saved(since), level, run.later(since)))
    keep_keys(repo, run.marker, run.ends())
    stale = find_stale_notes(repo, plan.drops_id, plan.catalogue.has) if plan.dropped else {}
    ref_files = RefFileSync(os.path.dirname(store.path), repo.refs)
    with store.lock():
        repo.refs.refresh()
        saved = run.saved(operations_after(repo, last), kept_commits(repo))
        if saved:
            fresh.add(run.write_pack(saved, level))
        run.release_refs()
        ref_files.finish(store, [name for name, _ in plan.released])
        cuts = _write_cuts(repo, run)
        head = list(fold_operations(run.later(operations_after(repo, last)), run.last_operation))
        last = head[-1].id if head else run.last_operation
        keyframe, chunks = operation_refs(repo).keyframe(last, "gc")
        store.rotate((*head, *chunks), keyframe, without="operation")
        repo.refs.refresh()
        # Before the packs go, which the catalogue reads from.
        loose = {id: written for id, written in plan.loose.items() if run.may_go(id)}
        store.drop_packs(name for name in plan.packs if name not in fresh)
        store.drop_loose(loose)
        store.remove_leftovers()
        if repo.path is not None and cuts != repo.shallow.cuts:
            write_shallow(repo.path, cuts)  # now without the commits that went
            repo.look_at_shallow()
    if plan.dropped and repo.path is not None:
        prune_all_counts(os.path.join(repo.path, "cache"), store.was_seen)
        for name, gone in stale.items():
            prune_notes(repo, name, gone, store.was_seen)
    if repo.path is not None:
        write_settled(repo.path, () if cuts or plan.marker.takes_archives else run.settled)
    store.mark_collected()
    return _result_of(plan, len(store.packs()), store.stats().size, started)


def _result_of(plan: GCPlan, packs: int, size: int | None, started: float) -> GCResult:
    return GCResult(
        reachable=plan.reachable_count,
        kept=plan.kept_count,
        dropped=len(plan.dropped),
        packs_before=plan.packs_before,
        packs_after=packs,
        size_before=plan.size_before,
        size_after=size,
        seconds=time.monotonic() - started,
        dry_run=size is None,
        dropped_size=plan.dropped_size,
        archives=plan.archives,
        held=plan.held,
    )


class _Run:
    """A plan that is being done: its marks, with what was reached again since, and the operations that were written anew."""

    def __init__(self, repo: Repository, plan: GCPlan) -> None:
        self._repo = repo
        self._store = database(repo)
        self.plan = plan
        self.marker = plan.marker.copy()
        # What was missing may have been written since.
        self.marker.marks[:] = self.marker.marks.replace(bytes([ABSENT]), bytes([UNSEEN]))
        self._filter = ReflogFilter(plan.drops_history)
        self.last_operation = plan.previous
        self.settled = plan.settled

    def write_packs(self, level: int, progress: Progress | None) -> set[str]:
        """Write the pack with everything that is reachable, and those of what is kept for a while; their names."""
        plan, repo = self.plan, self._repo
        names: set[str] = set()
        ids = map(plan.catalogue.id_of, reversed(plan.operations))
        operations = self._filter.kept(operations_since(repo, ids, plan.reflog_since))
        first = next(operations, None)
        if first is not None or any(plan.reachable.values()):
            dictionary = _train(plan.catalogue, plan.reachable["blob"])
            rest = chain([] if first is None else [first], operations)
            name = self.write_pack(plan.reachable, level, rest, dictionary=dictionary, progress=progress)
            names.add(name)
            self.settled = (*plan.settled, Settled(name, plan.tips, plan.files))
        for written, groups in plan.kept.items():
            if any(groups.values()):
                names.add(self.write_pack(groups, level, written=written))
        return names

    def write_pack(
        self,
        groups: Groups,
        level: int,
        operations: Iterable[Operation] = (),
        *,
        dictionary: bytes = b"",
        written: int | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Write a pack of *groups* and *operations*, which go on from those that were written before; its name."""
        folded = fold_operations(operations, self.last_operation)
        contents = _PackContents(self.plan.catalogue, groups, folded, progress)
        name = self._store.write_pack(contents.packing(), level=level, dictionary=dictionary, written=written)
        self.last_operation = contents.last_operation or self.last_operation
        return name

    def saved(self, since: Sequence[Operation], in_work: Iterable[ObjectId] = ()) -> Groups:
        """What is needed again of all that was to be dropped: by the operations *since*, and by commands under way.

        A ref was put on an old commit, or a text was said once more. The walk costs what is new.
        """
        plan, catalogue = self.plan, self.plan.catalogue
        changes = [change for operation in since for change in operation.changes]
        values = [change.new for change in changes]
        values += [change.old for change in changes if not plan.is_archived(change.old)]
        roots = [catalogue.admit(value) for value in values if isinstance(value, bytes)]
        if any(self._is_new_branch(change) for change in changes):
            roots += self._behind_archives()
        roots += [number for id in in_work if (number := catalogue.number_of(id)) is not None]
        found: dict[Kind, array[int]] = {}
        for number, kind, _ in self._reach(roots):
            if plan.drops(number) and catalogue.id_of(number) not in plan.loose:
                found.setdefault(kind, array("I")).append(number)
        return found

    def _reach(self, roots: Sequence[int]) -> Iterator[Found]:
        marker = self.marker
        while roots:
            yield from marker.walk(roots)
            roots = marker.to_be_whole()
        yield from marker.keep_messages(marker.named)
        yield from marker.keep_messages(marker.shown(self.plan.edits))

    def _is_new_branch(self, change: RefChange) -> bool:
        """Whether a branch was put into an archive that was to go: then none goes, so that the branch has merge bases with others."""
        return split_tract(change.name)[1].startswith(HEADS) and self.plan.is_archived(change.new)

    def _behind_archives(self) -> list[int]:
        catalogue = self.plan.catalogue
        commits = (read_commit(catalogue.id_of(number), catalogue.read(number)) for number in self.plan.expired)
        return [catalogue.admit(parent) for commit in commits for parent in commit.parents]

    def later(self, since: Sequence[Operation]) -> list[Operation]:
        """The operations *since* the plan as the reflog keeps them: without moves away from archives that go."""
        if not self.plan.released:
            return list(since)
        kept = (self._filter.later(operation, self._is_gone) for operation in since)
        return [operation for operation in kept if operation.changes]

    def _is_gone(self, value: RefValue | None) -> bool:
        """Whether *value* is a commit of an archive that goes, or a message that stays of one."""
        return isinstance(value, bytes) and self.plan.is_archived(value) and not self._is_whole(value)

    def _is_whole(self, id: ObjectId) -> bool:
        return self.marker.mark_of(self.plan.catalogue.admit(id)) == REACHED

    def release_refs(self) -> None:
        """Delete each ``ORIG_HEAD`` that still names what goes; only for the holder of the lock."""
        edits = [
            RefEdit(name, None, value)
            for name, value in self.plan.released
            if self._repo.refs.read(name) == value and not self._is_whole(value)
        ]
        with transaction(self._repo, RELEASED, moves="refs") as tx:
            tx.edits += edits

    def may_go(self, id: ObjectId) -> bool:
        """Whether a loose object is in a pack now, or still not needed."""
        number = self.plan.catalogue.admit(id)
        return self.plan.marker.mark_of(number) == REACHED or self.marker.mark_of(number) <= ARCHIVED

    def ends(self) -> list[tuple[ObjectId, Commit]]:
        """The compress commits that stay, and whose archives go."""
        catalogue = self.plan.catalogue
        found = ((catalogue.id_of(number), number) for number in self.plan.expired)
        return [(id, read_commit(id, catalogue.read(number))) for id, number in found if self.marker.stays(id)]

    def cuts(self, date: str) -> dict[ObjectId, Cut]:
        """What ``shallow`` says when all is gone that does not stay; *date* is that of new cuts.

        A commit is in it when, and only when, something that it names is not kept whole.
        """
        before, catalogue, stays = self._repo.shallow.cuts, self.plan.catalogue, self.marker.stays
        numbers = [*self.marker.marked(MESSAGE), *self.plan.expired, *map(catalogue.admit, before)]
        commits = {
            id: read_commit(id, catalogue.read(number)) for number in numbers if stays(id := catalogue.id_of(number))
        }
        alone = {id for id, commit in commits.items() if not all(map(stays, _context_and_target(commit)))}
        cuts: dict[ObjectId, Cut] = {}
        for id, commit in commits.items():
            is_whole = all(stays(parent) and parent not in alone for parent in commit.parents)
            if id in alone or not is_whole:
                cut = Cut("all" if id in alone else "parents", date)
                known = before.get(id)
                cuts[id] = known if known is not None and known.grade == cut.grade else cut
        return cuts


def _context_and_target(commit: Commit) -> tuple[ObjectId, ...]:
    return (*commit.open, *(id for id in (commit.tree, commit.target) if id is not None))


def _train(catalogue: Catalogue, blobs: array[int]) -> bytes:
    """A dictionary for the blobs: it makes up for what a frame cannot see of the others."""
    if len(blobs) < _LEAST_SAMPLES:
        return b""
    chosen = blobs[:: max(1, len(blobs) // _MOST_SAMPLES)]
    samples = [payload[:_LONGEST_SAMPLE] for payload in catalogue.payloads(chosen)]
    while (size := sum(map(len, samples))) > _MOST_SAMPLE_BYTES:
        samples = samples[::2]
    return train_dictionary(samples, _DICTIONARY_SIZE) if size > 16 * _DICTIONARY_SIZE else b""


class _PackContents:
    """What goes into a new pack: *groups*, and *operations* that are made while it is written."""

    def __init__(
        self, catalogue: Catalogue, groups: Groups, operations: Iterable[NewObject], progress: Progress | None
    ) -> None:
        self._catalogue = catalogue
        self._groups = [(kind, groups[kind]) for kind in KINDS if groups.get(kind)]
        self._operations = operations
        self._progress = progress
        self._count = sum(len(numbers) for _, numbers in self._groups)
        self._done = 0
        self._made: dict[ObjectId, int] = {}
        self._ordinals = array("I", [NONE]) * (1 + max((max(numbers) for _, numbers in self._groups), default=0))
        for ordinal, number in enumerate(chain.from_iterable(numbers for _, numbers in self._groups)):
            self._ordinals[number] = ordinal

    @property
    def last_operation(self) -> ObjectId | None:
        """The last of the operations that were written."""
        return next(reversed(self._made), None)

    def packing(self) -> Packing:
        groups: list[tuple[Kind, Iterator[bytes]]] = [(kind, self._payloads(numbers)) for kind, numbers in self._groups]
        ordinals = Recent(self._ordinal_of)
        return Packing([*groups, ("operation", self._make_operations())], self._ids(), ordinals.__getitem__)

    def _ids(self) -> Iterator[ObjectId]:
        for _, numbers in self._groups:
            yield from map(self._catalogue.id_of, numbers)
        yield from self._made
        self._catalogue.release()

    def _payloads(self, numbers: array[int]) -> Iterator[bytes]:
        for payload in self._catalogue.payloads(numbers):
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


def _write_cuts(repo: Repository, run: _Run) -> dict[ObjectId, Cut]:
    """Add the commits that lose what is behind them to ``shallow``, before anything goes; what is to stand there in the end."""
    cuts = run.cuts(time.strftime("%Y-%m-%d", time.gmtime()))
    if repo.path is not None and not cuts.items() <= repo.shallow.cuts.items():
        write_shallow(repo.path, {**repo.shallow.cuts, **cuts})
        repo.look_at_shallow()
    return cuts


def find_stale_notes(
    repo: Repository, is_dropped: Callable[[ObjectId], bool], is_known: Callable[[ObjectId], bool]
) -> dict[str, frozenset[ObjectId]]:
    """For each ref of notes that is worth writing anew, the commits its notes are about that are dropped, or not known any more.

    Where none is dropped, notes may have come before what they are about, and are left alone.
    """
    stale: dict[str, frozenset[ObjectId]] = {}
    for name, tip in repo.refs.list():
        # A key outlives its commit, and one request's settings are those of later ones.
        if NOTES in name and not name.endswith((NOTES + KEY, NOTES + REQUEST)) and isinstance(tip, bytes):
            targets = [target for target, _ in noted_entries(repo, tip)]
            dropped = {target for target in targets if is_dropped(target)}
            gone = dropped | {target for target in targets if not is_known(target)}
            if dropped and len(gone) * _ONE_IN >= len(targets):
                stale[name] = frozenset(gone)
    return stale


def prune_notes(repo: Repository, name: str, gone: frozenset[ObjectId], is_kept: Callable[[ObjectId], bool]) -> bool:
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
