"""What a gc would do: the first half of it, which removes nothing.

    plan   pack the journal, look at the refs                                     under the lock, as long as any seal
           mark what refs need; find archives that expired; then what is young    no lock, takes as long as it takes
    run    write new packs and read them again; follow what moved meanwhile       no lock
           follow the rest, copy what that saved; begin a new journal;
           remove the old packs                                                   under the lock, milliseconds

Of each object the plan says one of four things:

    reachable   a ref or a command under way needs it; it goes into one new pack
    kept        nothing needs it, but it is young; it goes into a pack that has its age, so that no gc makes it younger
    message     a commit of which only the content stays: a context names it, but its history expired
    dropped     all else

An archive (``archives.py``) is the history that only the parents of a compress commit lead to; an orphan (``orphans.py``) is what no ref needs.
A note keeps nothing but itself: if it kept the commit it is about, noting the usage of every answer would keep every answer.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import islice

from tract.errors import BlobNotFoundError, GCError, ObjectCorruptError
from tract.history.state import kept_commits
from tract.maintenance.gc.archives import Archives
from tract.maintenance.gc.catalogue import ABSENT, ARCHIVED, MESSAGE, REACHED, UNSEEN, Catalogue, CollectedStore
from tract.maintenance.gc.mark import REPORT_EVERY, Found, Groups, Marker, PackOrder, Progress, size_of
from tract.maintenance.gc.notes import commits_with_config, pinned_messages
from tract.maintenance.gc.options import GCOptions, nanoseconds, read_options
from tract.maintenance.gc.orphans import Orphans
from tract.maintenance.gc.result import GCResult
from tract.maintenance.gc.settled import Settled, find_settled
from tract.objects.id import Kind, ObjectId
from tract.objects.model import RefValue
from tract.refs.names import NOTES
from tract.refs.operations import OperationRefs
from tract.repo import Repository
from tract.storage.database import Database
from tract.storage.memory import MemoryStore

DAY = 86_400.0

_IN_BATCH = "a store is not collected inside a batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A store as gc finds it: its refs and what commands under way need, as numbers of the *catalogue*, and how many *packs* and bytes it had before the journal was packed.

    Ages are told from *moment*, and the reflog begins at *reflog_since*, in nanoseconds since 1970; *clock* is when gc began, of the monotonic clock.
    *settled* packs stay as they are; *last* is the newest operation.
    """

    clock: float
    moment: int
    reflog_since: int
    catalogue: Catalogue
    settled: tuple[Settled, ...]
    last: ObjectId | None
    refs: list[tuple[str, int]]
    in_work: list[int]
    packs: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GCPlan:
    """What a gc would do; ``run_gc`` does it, and *result* is what a dry run says of it.

    Objects are numbers of the catalogue, and *marker* has their marks.
    *kept* has the unreachable objects that stay, by the time that their pack gets.
    *operations* are those that the reflog keeps, the newest first, and *previous* is the one before them, which stays in a settled pack.
    *loose* objects go, unless they are written again meanwhile, and so do all packs that are not settled.
    *tips* are the commits that refs name and nothing else, *files* the reachable objects that stay loose.
    *expired* are the compress commits whose archives go, *released* the refs that would keep one and are deleted.
    *edits* go unless their words are shown: by edit, its message and the content that it gave it.
    """

    start: Start
    marker: Marker
    result: GCResult
    reachable: Groups
    kept: Mapping[int, Groups]
    dropped: array[int]
    operations: array[int]
    previous: ObjectId | None
    loose: Mapping[ObjectId, int]
    tips: frozenset[ObjectId]
    files: frozenset[ObjectId]
    expired: tuple[int, ...]
    released: tuple[tuple[str, ObjectId], ...]
    edits: Mapping[int, tuple[int, int]]

    @property
    def catalogue(self) -> Catalogue:
        """The objects by number."""
        return self.start.catalogue

    @property
    def packs(self) -> Iterator[str]:
        """The packs that new ones replace."""
        settled = {one.pack for one in self.start.settled}
        return (name for name in self.catalogue.packs if name not in settled)

    def drops(self, number: int) -> bool:
        """Whether the object goes."""
        return number < self.catalogue.size and self.marker.marks[number] <= ARCHIVED

    def drops_id(self, id: ObjectId) -> bool:
        """The same, of an object by its id."""
        number = self.catalogue.number_of(id)
        return number is not None and self.drops(number)

    def drops_history(self, value: RefValue | None) -> bool:
        """Whether *value* is a commit that goes, or of which only the message stays."""
        return self._mark_of(value) <= MESSAGE

    def is_archived(self, value: RefValue | None) -> bool:
        """Whether *value* is a commit of an archive that goes, or a message that stays of one."""
        return self._mark_of(value) in (ARCHIVED, MESSAGE)

    def _mark_of(self, value: RefValue | None) -> int:
        number = self.catalogue.number_of(value) if isinstance(value, bytes) else None
        return ABSENT if number is None or number >= self.catalogue.size else self.marker.marks[number]

    def done(self, store: CollectedStore) -> GCResult:
        """What is said when the plan was done."""
        packs, size, seconds = len(store.packs()), store.stats().size, time.monotonic() - self.start.clock
        return replace(self.result, packs_after=packs, size_after=size, seconds=seconds, dry_run=False)

    def dropped_objects(self) -> Iterator[tuple[ObjectId, Kind]]:
        """The objects that go, with their kinds."""
        return ((self.catalogue.id_of(number), self.catalogue.kind_of(number)) for number in self.dropped)


def plan_gc(
    repo: Repository,
    options: GCOptions | None = None,
    *,
    seal: bool = True,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCPlan:
    """Find what a gc keeps and drops by *options*, by default what the settings of all tracts say.

    Nothing is removed; with *seal* the journal's objects are brought into a pack first.
    Ages are told from *now*, in seconds since 1970, by default this moment.
    Only for the holder of the store's ``maintenance``.
    A store in which something reachable is missing or damaged is not collected: the error says what.
    """
    options = options or read_options(repo)
    start = _begin(repo, options, now, seal=seal)
    planner = _Planner(repo, options, start, progress)
    if not planner.mark_live():
        planner = _Planner(repo, options, _begin(repo, options, now, seal=seal, whole=True), progress)
        planner.mark_live()
    return planner.plan()


def _begin(repo: Repository, options: GCOptions, now: float | None, *, seal: bool, whole: bool = False) -> Start:
    """Look at the store while nobody writes to it; with *whole* no pack is taken for settled."""
    clock = time.monotonic()
    store = collected(repo)
    moment = time.time_ns() if now is None else int(now * 1e9)
    reflog_since = moment - nanoseconds(options.reflog_days)
    with nullcontext() if store.read_only else store.lock():
        repo.refs.refresh()
        repo.look_at_shallow()
        packs, size = len(store.packs()), store.stats().size
        if seal and store.has_new_objects():
            store.seal(*operation_refs(repo).keyframe(repo.refs.last, "gc"))
            repo.refs.refresh()
        settled = () if whole or options.takes_archives or repo.shallow.cuts else find_settled(repo, reflog_since)
        catalogue = Catalogue(store, [one.pack for one in settled])
        refs = [(name, catalogue.admit(value)) for name, value in repo.refs.list() if isinstance(value, bytes)]
        in_work = [number for id in kept_commits(repo) if (number := catalogue.number_of(id)) is not None]
    return Start(
        clock=clock,
        moment=moment,
        reflog_since=reflog_since,
        catalogue=catalogue,
        settled=settled,
        last=repo.refs.last,
        refs=refs,
        in_work=in_work,
        packs=packs,
        size=size,
    )


def database(repo: Repository) -> Database:
    """The objects of a store on the disk."""
    if not isinstance(repo.objects, Database):
        raise GCError(_IN_BATCH)
    return repo.objects


def collected(repo: Repository) -> CollectedStore:
    """The store's objects, be they on the disk or in memory."""
    return repo.objects if isinstance(repo.objects, MemoryStore) else database(repo)


def operation_refs(repo: Repository) -> OperationRefs:
    """The store's refs, where they can be collected."""
    if not isinstance(repo.refs, OperationRefs):
        raise GCError(_IN_BATCH)
    return repo.refs


class _Planner:
    """Makes one plan; the methods stand in the order in which they are called."""

    def __init__(self, repo: Repository, options: GCOptions, start: Start, progress: Progress | None) -> None:
        self._repo = repo
        self._options = options
        self._start = start
        self._progress = progress
        self._done = 0
        self._catalogue = start.catalogue
        self._marks = start.catalogue.marks()
        takes_archives = options.takes_archives
        self._marker = Marker(start.catalogue, self._marks, repo.shallow.cuts, takes_archives=takes_archives)
        self._order = PackOrder(start.catalogue)
        self._archives = Archives(self._marker, options, start.refs, start.moment)

    def mark_live(self) -> bool:
        """Mark what refs and commands under way need; False where something of the settled packs may not be reachable any more."""
        start, catalogue = self._start, self._catalogue
        roots = {*(number for _, number in start.refs), *start.in_work}
        tips = set(map(catalogue.admit, start.settled[-1].tips)) if start.settled else set()
        for id in start.settled[-1].files if start.settled else ():
            self._marks[catalogue.admit(id)] = REACHED
        self._marker.unnamed = roots | tips
        self._add(self._archives.mark(start.in_work))
        is_settled = not tips & self._marker.unnamed - roots
        self._marker.unnamed &= roots
        return is_settled

    def plan(self) -> GCPlan:
        catalogue, marks, archives = self._catalogue, self._marks, self._archives
        released = tuple((name, catalogue.id_of(number)) for name, number in archives.released())
        live = len(self._marker.named)
        reachable = marks.count(REACHED)
        packed_loose = {id for id in catalogue.loose if self._is_packed(id)}
        files = frozenset(id for id in catalogue.loose if self._marker.stays(id)) - packed_loose
        orphans = Orphans(self._repo, self._marker, self._options, self._start.moment)
        operations, unsettled = orphans.read_history(self._start.reflog_since)
        orphans.expire_hard_resets()
        orphans.expire([*self._marker.named, *self._kept_before()])  # their messages stay without that, or go
        kept = orphans.keep()
        kept_count = marks.count(REACHED) - reachable
        self._keep_messages(live)
        groups = self._order.groups(number for _, number in self._start.refs)
        dropped = array("I", (n for one in (UNSEEN, ARCHIVED) for n in self._marker.marked(one) if n < catalogue.size))
        stay_loose = catalogue.loose.keys() - packed_loose
        previous = None
        if not dropped and unsettled < len(operations):  # else all are written anew, without what is dropped
            previous, operations = catalogue.id_of(operations[unsettled]), operations[:unsettled]
        return GCPlan(
            start=self._start,
            marker=self._marker,
            result=self._result(kept_count, dropped),
            reachable=self._without(groups, stay_loose),
            kept={written: self._without(some, stay_loose) for written, some in kept.items()},
            dropped=dropped,
            operations=operations,
            previous=previous,
            loose={id: at for id, at in catalogue.loose.items() if id in packed_loose or not self._marker.stays(id)},
            tips=frozenset(map(catalogue.id_of, self._marker.unnamed)),
            files=files,
            expired=tuple(archives.expired),
            released=released,
            edits=archives.edits,
        )

    def _result(self, kept: int, dropped: array[int]) -> GCResult:
        """What is said of the plan; the size of what is dropped is that of archives and of orphans."""
        start, archives = self._start, self._archives
        gone = archives.gone(dropped)
        orphans = sum(size_of(self._catalogue, number) for number in dropped if not archives.place_of(number))
        return GCResult(
            reachable=self._marks.count(REACHED) + self._marks.count(MESSAGE) - kept,
            kept=kept,
            dropped=len(dropped),
            packs_before=start.packs,
            packs_after=start.packs,
            size_before=start.size,
            size_after=None,
            seconds=time.monotonic() - start.clock,
            dry_run=True,
            dropped_size=orphans + sum(one.size for one in gone),
            archives=gone,
            held=archives.held_archives(gone),
        )

    def _add(self, found: Iterable[Found]) -> None:
        """Put what a walk finds into the pack of what is reachable."""
        for one in found:
            self._order.add(one)
            self._done += 1
            if self._progress is not None and not self._done % REPORT_EVERY:
                self._progress("marking", self._done, 0)

    def _is_packed(self, id: ObjectId) -> bool:
        """Whether a loose object goes into a pack: it is reachable, and small enough to be worth copying."""
        number = self._catalogue.number_of(id)
        return number is not None and self._marks[number] == REACHED and not collected(self._repo).is_large(id)

    def _without(self, groups: Groups, loose: Iterable[ObjectId]) -> Groups:
        """*groups* without the objects that stay in files of their own."""
        left_out = {self._catalogue.admit(id) for id in loose}
        if not left_out:
            return groups
        return {kind: array("I", [n for n in numbers if n not in left_out]) for kind, numbers in groups.items()}

    def _kept_before(self) -> Iterator[int]:
        """The messages that stayed when archives went before, and their contents; the edits among them are remembered."""
        for id, cut in self._marker.cuts.items():
            number = self._catalogue.number_of(id)
            if cut.grade == "all" and number is not None and number < self._catalogue.size:
                commit = self._marker.commit(number)
                self._archives.add_edit(number, commit)
                yield number
                if commit.content is not None:
                    yield self._catalogue.admit(commit.content)

    def _keep_messages(self, live: int) -> None:
        """Keep the commits that contexts name as messages; also pinned ones, and edits whose words are shown.

        The first *live* of those that were named must be there; orphans named the others, and may have gaps.
        """
        marker, edits, catalogue = self._marker, self._archives.edits, self._catalogue
        notes = [(name, catalogue.id_of(number)) for name, number in self._start.refs if NOTES in name]
        self._add(marker.keep_messages(marker.named[:live]))
        self._add(marker.keep_messages(islice(marker.named, live, None), gaps=True))
        if self._archives.all or marker.cuts:
            kept = [one for one in notes if self._options.of(one[0]).keep_pinned]
            pins = set(filter(self._is_cut_message, map(catalogue.admit, pinned_messages(self._repo, kept))))
            self._add(marker.keep_messages(sorted(pins)))
            self._add(marker.keep_messages(edit for edit, (message, _) in edits.items() if message in pins))
        if UNSEEN in self._marks:  # an orphaned edit with a generation config is shown wherever its words are
            for number in map(catalogue.number_of, commits_with_config(self._repo, notes)):
                if number is not None and number < catalogue.size and self._marks[number] == UNSEEN:
                    with suppress(BlobNotFoundError, ObjectCorruptError):  # an orphan may be damaged
                        self._archives.add_edit(number, marker.commit(number))
        self._add(marker.keep_messages(marker.shown(edits)))

    def _is_cut_message(self, number: int) -> bool:
        """Whether no context names the commit, and it is in an archive that goes or stayed of one as a message."""
        if number >= self._catalogue.size or self._marker.was_named(number):
            return False
        return self._marks[number] == ARCHIVED or self._catalogue.id_of(number) in self._marker.cuts
