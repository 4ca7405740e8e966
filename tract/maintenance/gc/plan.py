"""Planning a gc: the first half, which removes nothing.

    plan   pack the journal, look at the refs                                     under the lock, as long as any seal
           mark what refs need; find archives that expired; then what is young    no lock, takes as long as it takes
    run    write new packs and read them again; follow what moved meanwhile       no lock
           follow the rest, copy what that saved; begin a new journal;
           remove the old packs                                                   under the lock, milliseconds

The plan puts each object into one of four classes:

    reachable   a ref or a command under way needs it; it goes into one new pack
    kept        nothing needs it, but it is young; it goes into a pack that has its age, so that no gc makes it younger
    message     a commit of which only the content stays: a context names it, but its history expired
    dropped     every other object

``expiry.py`` decides about objects that stay for a while: archives of compressions, and orphans.
A note keeps only itself: if it kept the commit it is about, noting the usage of every answer would keep every answer.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from itertools import islice

from tract.dataclass import dataclass
from tract.errors import BlobNotFoundError, GCError, ObjectCorruptError
from tract.history.notes import CONFIG, noted_entries
from tract.history.priority import pinned_messages
from tract.history.state import kept_commits
from tract.maintenance.gc.expiry import Archives, Orphans
from tract.maintenance.gc.mark import ABSENT, ARCHIVED, MESSAGE, REACHED, SPENT, UNSEEN, Found, Marker, first_marks
from tract.maintenance.gc.options import GCOptions, GCResult, nanoseconds, read_options
from tract.objects.id import Kind, ObjectId
from tract.objects.model import RefValue
from tract.reflog import kept_values, released_commits
from tract.refs.names import NOTES, split_tract
from tract.refs.operations import OperationRefs
from tract.repo import Repository
from tract.storage.catalogue import Catalogue, CollectedStore
from tract.storage.database import Database
from tract.storage.memory import MemoryStore
from tract.storage.repacking import REPORT_EVERY, Groups, Progress, new_groups
from tract.storage.settled import Settled, find_settled

_IN_BATCH = "gc cannot run inside a batch"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GCPlan:
    """The plan of a gc; ``run_gc`` runs it, and *result* is the report of a dry run.

    Objects are numbers of the *catalogue*, and *marker* has their marks.
    *settled* packs stay as they are; all others are replaced.
    *reachable* objects get one new pack; *kept* has the unreachable ones that stay, by the time for their pack.
    *new* is what will be settled with the new pack: the commits that only refs name, and the reachable objects that stay loose.
    *last* is the newest operation; the reflog begins at *reflog_since*, in nanoseconds since 1970.
    *operations* are those that the reflog keeps, the newest first; *previous* is the one before them, which stays in a settled pack.
    *loose* objects are removed, unless they are written again meanwhile.
    *expired* are the compress commits whose archives are dropped, *released* the refs that would keep one and are deleted.
    *edits* are dropped unless their content is shown: by edit, its message and the content that it gave the message.
    """

    catalogue: Catalogue
    marker: Marker
    result: GCResult
    settled: tuple[Settled, ...]
    new: Settled
    reachable: Groups
    kept: Mapping[int, Groups]
    dropped: array[int]
    last: ObjectId | None
    reflog_since: int
    operations: array[int]
    previous: ObjectId | None
    loose: Mapping[ObjectId, int]
    expired: tuple[int, ...]
    released: tuple[tuple[str, ObjectId], ...]
    edits: Mapping[int, tuple[int, int]]

    def __repr__(self) -> str:
        return f"GCPlan({self.result})"

    @property
    def packs(self) -> Iterator[str]:
        """The packs that new ones replace."""
        settled = {one.pack for one in self.settled}
        return (name for name in self.catalogue.packs if name not in settled)

    def mark_of(self, value: RefValue | None) -> int:
        """The mark of the object *value*; ABSENT if the plan does not know it."""
        number = self.catalogue.number_of(value) if isinstance(value, bytes) else None
        return ABSENT if number is None or number >= self.catalogue.size else self.marker.marks[number]

    def drops(self, id: ObjectId) -> bool:
        """True if the object is dropped."""
        return self.mark_of(id) <= ARCHIVED

    def is_archived(self, value: RefValue | None) -> bool:
        """True if *value* is a commit of an archive that is dropped, or a message that stays of one."""
        return self.mark_of(value) in (ARCHIVED, MESSAGE)

    def dropped_objects(self) -> Iterator[tuple[ObjectId, Kind]]:
        """The objects that are dropped, with their kinds."""
        return ((self.catalogue.id_of(number), self.catalogue.kind_of(number)) for number in self.dropped)


def plan_gc(
    repo: Repository,
    options: GCOptions | None = None,
    *,
    seal: bool = True,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCPlan:
    """Find what a gc with *options* keeps and drops; by default the settings of all tracts apply.

    Nothing is removed; with *seal* the journal's objects are packed first.
    Ages are relative to *now*, in seconds since 1970, by default the present.
    Only for the holder of the store's ``maintenance``.
    If a reachable object is missing or damaged, the store is not collected: the error names it.
    """
    options = options or read_options(repo)
    at = time.time_ns() if now is None else int(now * 1e9)
    planner = _Planner(repo, options, at, progress, seal=seal, settles=True)
    if not planner.mark_live():
        planner = _Planner(repo, options, at, progress, seal=seal, settles=False)
        planner.mark_live()
    planner.keep_orphans()
    planner.keep_messages()
    return planner.plan()


def database(repo: Repository) -> Database:
    """The objects of a store on disk; GCError for any other."""
    if not isinstance(repo.objects, Database):
        raise GCError(_IN_BATCH)
    return repo.objects


def collected(repo: Repository) -> CollectedStore:
    """The store's objects, on disk or in memory."""
    return repo.objects if isinstance(repo.objects, MemoryStore) else database(repo)


def operation_refs(repo: Repository) -> OperationRefs:
    """The store's refs; GCError if they cannot be collected."""
    if not isinstance(repo.refs, OperationRefs):
        raise GCError(_IN_BATCH)
    return repo.refs


class _Planner:
    """Makes one plan; the methods stand in the order in which they are called."""

    def __init__(
        self, repo: Repository, options: GCOptions, now: int, progress: Progress | None, *, seal: bool, settles: bool
    ) -> None:
        """Read the store under the lock; without *settles* no pack counts as settled."""
        self._clock = time.monotonic()
        self._repo, self._options, self._progress = repo, options, progress
        self._reflog_since = now - nanoseconds(options.reflog_days)
        store = collected(repo)
        with nullcontext() if store.read_only else store.lock():
            repo.refs.refresh()
            repo.look_at_shallow()
            self._packs, self._size = len(store.packs()), store.stats().size
            if seal and store.has_new_objects():
                store.seal(*operation_refs(repo).keyframe(repo.refs.last, "gc"))
                repo.refs.refresh()
            self._settled: tuple[Settled, ...] = ()
            if settles and repo.path is not None and not options.takes_archives and not repo.shallow.cuts:
                self._settled = find_settled(repo.path, database(repo), self._reflog_since)
            self._catalogue = catalogue = Catalogue(store, [one.pack for one in self._settled])
            refs = repo.refs.list()
            self._refs = [(name, catalogue.admit(value)) for name, value in refs if isinstance(value, bytes)]
            self._in_work = self._numbers(kept_commits(repo))
            self._last = repo.refs.last
        self._marks = first_marks(catalogue)
        self._marker = Marker(catalogue, self._marks, repo.shallow.cuts, takes_archives=options.takes_archives)
        self._archives = Archives(self._marker, options, self._refs, now)
        self._orphans = Orphans(self._marker, options, now)
        self._reachable = new_groups()
        self._left_out = frozenset(n for n in catalogue.loose_numbers if store.is_large(catalogue.id_of(n)))
        self._done = 0

    def mark_live(self) -> bool:
        """Mark what refs and commands under way need; return False if a part of the settled packs may no longer be reachable."""
        admit, marker = self._catalogue.admit, self._marker
        roots = {*(number for _, number in self._refs), *self._in_work}
        tips = set(map(admit, self._settled[-1].tips)) if self._settled else set()
        for id in self._settled[-1].files if self._settled else ():
            self._marks[admit(id)] = REACHED
        marker.unnamed = roots | tips
        self._add(self._archives.mark(self._in_work))
        is_settled = not tips & marker.unnamed - roots
        marker.unnamed &= roots
        return is_settled

    def keep_orphans(self) -> None:
        """Mark orphans that are young, or were unreachable last: by the operations that name them, and by their packs and files."""
        catalogue, marker = self._catalogue, self._marker
        self._live = len(marker.named)
        self._reached = self._marks.count(REACHED)
        self._released = tuple((name, catalogue.id_of(number)) for name, number in self._archives.released())
        packed = {n for n in catalogue.loose_numbers - self._left_out if self._marks[n] == REACHED}
        self._left_out = catalogue.loose_numbers - packed
        self._files = frozenset(catalogue.id_of(number) for number in self._left_out if marker.stays(number))
        self._read_history()
        if self._are_orphans:
            self._spend_hard_resets()
        self._orphans.spend([*marker.named, *self._archives.kept_before()])  # their messages stay, or are dropped
        self._kept = self._orphans.keep()
        self._kept_count = self._marks.count(REACHED) - self._reached

    def _read_history(self) -> None:
        """Find the operations that the reflog keeps, and tell *orphans* about all operations.

        The reflog goes back to the oldest operation that is young enough: a clock that was wrong once cuts nothing off.
        If there are no orphans, nothing behind the first settled operation is read.
        """
        operations, young, settled = array("I"), 0, -1
        self._are_orphans = any(number < self._catalogue.size for number in self._marker.marked(UNSEEN))
        before: ObjectId | None = None
        for id, operation in self._repo.refs.history():
            if id != before:
                before = id
                operations.append(self._catalogue.admit(id))
                if settled < 0 and self._catalogue.is_settled(operations[-1]):
                    settled = len(operations) - 1
                    if not self._are_orphans:
                        young = len(operations)
                        break
            if operation.time * 1000 >= self._reflog_since:
                young = len(operations)
            if self._are_orphans:
                self._orphans.learn(operation)
        self._operations = operations[:young]
        self._unsettled = min(young, settled) if settled >= 0 else young

    def _spend_hard_resets(self) -> None:
        """Expire at once what only a hard reset still refers to, unless a reflog entry, or something it needs, keeps it."""
        released = self._numbers(released_commits(self._repo))
        if released:
            spared = self._marker.copy()
            for _ in spared.walk(self._numbers(id for _, id in kept_values(self._repo)), gaps=True):
                pass
            self._orphans.spend(number for number, _ in spared.walk(released, gaps=True))

    def _numbers(self, ids: Iterable[bytes]) -> list[int]:
        return [number for number in map(self._catalogue.number_of, ids) if number is not None]

    def keep_messages(self) -> None:
        """Keep the commits that contexts name as messages; also pinned ones, and edits whose content is shown.

        Commits that reachable objects name must be in the store; those that only orphans name may be missing.
        """
        marker, archives, catalogue = self._marker, self._archives, self._catalogue
        notes = [(name, catalogue.id_of(number)) for name, number in self._refs if NOTES in name]
        self._add(marker.keep_messages(marker.named[: self._live]))
        self._add(marker.keep_messages(islice(marker.named, self._live, None), gaps=True))
        if archives.all or marker.cuts:
            kept = [one for one in notes if self._options.of(one[0]).keep_pinned]
            pins = set(filter(self._is_cut_message, map(catalogue.admit, pinned_messages(self._repo, kept))))
            edited = (edit for edit, (message, _) in archives.edits.items() if message in pins)
            self._add(marker.keep_messages([*sorted(pins), *edited]))
        # An orphaned edit with a generation config is shown wherever its content is.
        configs = [tip for name, tip in notes if self._are_orphans and split_tract(name)[1] == NOTES + CONFIG]
        for number in self._numbers(target for tip in configs for target, _ in noted_entries(self._repo, tip)):
            if number < catalogue.size and self._marks[number] <= SPENT:
                with suppress(BlobNotFoundError, ObjectCorruptError):  # an orphan may be damaged
                    archives.add_edit(number)
        self._add(marker.keep_edits(archives.edits))

    def _is_cut_message(self, number: int) -> bool:
        """True if no context names the commit, and it is in an archive that is dropped, or stayed of an earlier one as a message."""
        if number >= self._catalogue.size or self._marker.was_named(number):
            return False
        return self._marks[number] == ARCHIVED or self._catalogue.id_of(number) in self._marker.cuts

    def plan(self) -> GCPlan:
        """Build the plan from what was found."""
        catalogue, archives = self._catalogue, self._archives
        gone = self._marker.marked(UNSEEN, SPENT, ARCHIVED)
        dropped = array("I", (number for number in gone if number < catalogue.size))
        operations, previous = self._operations, None
        if not dropped and self._unsettled < len(operations):  # otherwise all are rewritten, without what is dropped
            previous, operations = catalogue.id_of(operations[self._unsettled]), operations[: self._unsettled]
        goes = catalogue.loose_numbers - self._left_out
        return GCPlan(
            catalogue=catalogue,
            marker=self._marker,
            result=self._result(dropped),
            settled=self._settled,
            new=Settled("", frozenset(map(catalogue.id_of, self._marker.unnamed)), self._files),
            reachable=self._reachable,
            kept=self._kept,
            dropped=dropped,
            last=self._last,
            reflog_since=self._reflog_since,
            operations=operations,
            previous=previous,
            loose={
                id: at
                for id, at in catalogue.loose.items()
                if (number := catalogue.admit(id)) in goes or not self._marker.stays(number)
            },
            expired=tuple(archives.expired),
            released=self._released,
            edits=archives.edits,
        )

    def _result(self, dropped: array[int]) -> GCResult:
        """The report of the plan; the size of what is dropped is the sum of archives and orphans."""
        gone = self._archives.gone(dropped)
        orphans = sum(self._catalogue.size_of(number) for number in dropped if not self._archives.is_archived(number))
        return GCResult(
            reachable=self._marks.count(REACHED) + self._marks.count(MESSAGE) - self._kept_count,
            kept=self._kept_count,
            dropped=len(dropped),
            packs_before=self._packs,
            packs_after=self._packs,
            size_before=self._size,
            size_after=None,
            seconds=time.monotonic() - self._clock,
            dry_run=True,
            dropped_size=orphans + sum(one.size for one in gone),
            archives=gone,
            held=self._archives.kept(gone),
        )

    def _add(self, found: Iterable[Found]) -> None:
        """Add the objects that a walk finds to the pack of reachable objects."""
        for number, kind in found:
            if number not in self._left_out:
                self._reachable[kind].append(number)
            self._done += 1
            if self._progress is not None and not self._done % REPORT_EVERY:
                self._progress(self._done, 0)
