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
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from tract.errors import BlobNotFoundError, GCError, ObjectCorruptError
from tract.history.notes import CONFIG, PRIORITY, NoteTable, noted_entries
from tract.history.priority import Priority
from tract.history.state import kept_commits
from tract.history.times import moment
from tract.maintenance.gc.archives import Archives
from tract.maintenance.gc.catalogue import ABSENT, ARCHIVED, MESSAGE, REACHED, UNSEEN, Catalogue
from tract.maintenance.gc.mark import REPORT_EVERY, Edit, Found, Groups, Marker, PackOrder, Progress, size_of
from tract.maintenance.gc.orphans import Orphans
from tract.maintenance.gc.policies import Policies, nanoseconds, read_policies
from tract.maintenance.gc.settled import Settled, find_settled
from tract.objects.id import Kind, ObjectId
from tract.objects.model import CommitOperation, RefValue
from tract.refs.names import NOTES, split_tract
from tract.refs.operations import OperationRefs
from tract.repo import Repository
from tract.storage.database import Database

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """What goes with the archive of one compression: *commit* is the compress commit, *size* in bytes before compression.

    *parted* are branches that may have no merge base with another one any more, by their full names.
    """

    commit: str
    created_at: datetime
    commits: int
    messages: int
    objects: int
    size: int
    parted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HeldArchive:
    """An archive that expired and stays all the same, because *branches* (full names) lead behind its compression another way.

    Without *branches* orphans need it: it goes when they do.
    """

    commit: str
    created_at: datetime
    branches: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GCPlan:
    """What a gc would do; ``run_gc`` does it.

    Objects are numbers of the *catalogue*, times are in nanoseconds since 1970.
    *kept* has the unreachable objects that stay, by the time that their pack gets.
    *operations* are those that the reflog keeps, the newest first, *previous* is the one before them, which stays in a settled pack, and *last* is the newest of all; the reflog begins at *reflog_since*.
    *packs* are replaced, and *loose* objects too unless they are written again meanwhile; *settled* packs stay as they are.
    *tips* are the commits that refs name and nothing else, *files* the reachable objects that stay loose.
    *expired* are the compress commits whose archives go, *released* the refs that would keep one and are deleted.
    *edits* go unless their words are shown.
    """

    reachable: Groups
    kept: Mapping[int, Groups]
    dropped: array[int]
    reachable_count: int
    kept_count: int
    dropped_size: int
    archives: tuple[Archive, ...]
    held: tuple[HeldArchive, ...]
    packs_before: int
    size_before: int
    packs: tuple[str, ...] = field(repr=False)
    settled: tuple[Settled, ...] = field(repr=False)
    tips: frozenset[ObjectId] = field(repr=False)
    files: frozenset[ObjectId] = field(repr=False)
    loose: Mapping[ObjectId, int] = field(repr=False)
    operations: array[int] = field(repr=False)
    previous: ObjectId | None = field(repr=False)
    last: ObjectId | None = field(repr=False)
    reflog_since: int = field(repr=False)
    expired: tuple[int, ...] = field(repr=False)
    released: tuple[tuple[str, ObjectId], ...] = field(repr=False)
    edits: tuple[Edit, ...] = field(repr=False)
    catalogue: Catalogue = field(repr=False, compare=False)
    marker: Marker = field(repr=False, compare=False)

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

    def dropped_objects(self) -> Iterator[tuple[ObjectId, Kind]]:
        """The objects that go, with their kinds."""
        return ((self.catalogue.id_of(number), self.catalogue.kind_of(number)) for number in self.dropped)


def plan_gc(
    repo: Repository,
    policies: Policies | None = None,
    *,
    seal: bool = True,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCPlan:
    """Find what a gc keeps and drops by *policies*, by default what the settings of all tracts say.

    Nothing is removed; with *seal* the journal's objects are brought into a pack first.
    Ages are told from *now*, in seconds since 1970, by default this moment.
    Only for the holder of the store's ``maintenance``.
    A store in which something reachable is missing or damaged is not collected: the error says what.
    """
    policies = policies or read_policies(repo)
    start = _begin(repo, policies, now, seal=seal)
    planner = _Planner(repo, policies, start, progress)
    if not planner.mark_live():
        planner = _Planner(repo, policies, _begin(repo, policies, now, seal=seal, whole=True), progress)
        planner.mark_live()
    return planner.plan()


class _Start(NamedTuple):
    """A store as gc finds it: its refs and what commands under way need, as numbers, and how many *packs* and bytes it had before the journal was packed.

    Ages are told from *moment*; both times in nanoseconds since 1970.
    """

    moment: int
    reflog_since: int
    catalogue: Catalogue
    settled: tuple[Settled, ...]
    last: ObjectId | None
    refs: list[tuple[str, int]]
    in_work: list[int]
    packs: int
    size: int


def _begin(repo: Repository, policies: Policies, now: float | None, *, seal: bool, whole: bool = False) -> _Start:
    """Look at the store while nobody writes to it; with *whole* no pack is taken for settled."""
    store = database(repo)
    moment = time.time_ns() if now is None else int(now * 1e9)
    reflog_since = moment - nanoseconds(policies.reflog_days)
    with nullcontext() if store.read_only else store.lock():
        repo.refs.refresh()
        repo.look_at_shallow()
        packs, size = len(store.packs()), store.stats().size
        if seal and store.has_new_objects():
            store.seal(*operation_refs(repo).keyframe(repo.refs.last, "gc"))
            repo.refs.refresh()
        settled = () if whole or policies.takes_archives or repo.shallow.cuts else find_settled(repo, reflog_since)
        catalogue = Catalogue(store, [one.pack for one in settled])
        refs = [(name, catalogue.admit(value)) for name, value in repo.refs.list() if isinstance(value, bytes)]
        in_work = [number for id in kept_commits(repo) if (number := catalogue.number_of(id)) is not None]
    return _Start(moment, reflog_since, catalogue, settled, repo.refs.last, refs, in_work, packs, size)


def database(repo: Repository) -> Database:
    """The store's objects, where they can be collected."""
    if not isinstance(repo.objects, Database):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.objects


def operation_refs(repo: Repository) -> OperationRefs:
    """The store's refs, where they can be collected."""
    if not isinstance(repo.refs, OperationRefs):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.refs


class _Planner:
    """Makes one plan; the methods stand in the order in which they are called."""

    def __init__(self, repo: Repository, policies: Policies, start: _Start, progress: Progress | None) -> None:
        self._repo = repo
        self._policies = policies
        self._start = start
        self._progress = progress
        self._done = 0
        self._catalogue = start.catalogue
        self._marks = start.catalogue.marks()
        takes_archives = policies.takes_archives
        self._marker = Marker(start.catalogue, self._marks, repo.shallow.cuts, takes_archives=takes_archives)
        self._order = PackOrder(start.catalogue)
        self._archives = Archives(self._marker, policies, start.refs, start.moment)

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
        orphans = Orphans(self._repo, self._marker, self._policies, self._start.moment)
        operations, unsettled = orphans.read_history(self._start.reflog_since)
        orphans.expire_hard_resets()
        orphans.expire([*self._marker.named, *self._kept_before()])  # their messages stay without that, or go
        kept = orphans.keep()
        kept_count = marks.count(REACHED) - reachable
        self._keep_messages(live)
        groups = self._order.groups(number for _, number in self._start.refs)
        dropped, size, gone = self._count()
        stay_loose = catalogue.loose.keys() - packed_loose
        previous = None
        if not dropped and unsettled < len(operations):  # else all are written anew, without what is dropped
            previous, operations = catalogue.id_of(operations[unsettled]), operations[:unsettled]
        return GCPlan(
            reachable=self._without(groups, stay_loose),
            kept={written: self._without(some, stay_loose) for written, some in kept.items()},
            dropped=dropped,
            reachable_count=marks.count(REACHED) + marks.count(MESSAGE) - kept_count,
            kept_count=kept_count,
            dropped_size=size,
            archives=gone,
            held=self._held(gone),
            packs_before=self._start.packs,
            size_before=self._start.size,
            packs=tuple(catalogue.packs.keys() - {one.pack for one in self._start.settled}),
            settled=self._start.settled,
            tips=frozenset(map(catalogue.id_of, self._marker.unnamed)),
            files=files,
            loose={id: at for id, at in catalogue.loose.items() if id in packed_loose or not self._marker.stays(id)},
            operations=operations,
            previous=previous,
            last=self._start.last,
            reflog_since=self._start.reflog_since,
            expired=tuple(archives.expired),
            released=released,
            edits=tuple(archives.edits),
            catalogue=catalogue,
            marker=self._marker,
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
        return number is not None and self._marks[number] == REACHED and not database(self._repo).is_large(id)

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
        marker, edits = self._marker, self._archives.edits
        self._add(marker.keep_messages(marker.named[:live]))
        self._add(marker.keep_messages(islice(marker.named, live, None), gaps=True))
        if self._archives.all or marker.cuts:
            pins = {number for number in self._pinned() if self._is_cut_message(number)}
            self._add(marker.keep_messages(sorted(pins)))
            self._add(marker.keep_messages(one.edit for one in edits if one.message in pins))
        if UNSEEN in self._marks:
            self._add_noted_edits()
        self._add(marker.keep_messages(marker.shown(edits)))

    def _is_cut_message(self, number: int) -> bool:
        """Whether no context names the commit, and it is in an archive that goes or stayed of one as a message."""
        if number >= self._catalogue.size or self._marker.was_named(number):
            return False
        return self._marks[number] == ARCHIVED or self._catalogue.id_of(number) in self._marker.cuts

    def _pinned(self) -> Iterator[int]:
        """The messages that were pinned, and not unpinned since, in any tract that keeps what it pinned."""
        for name, number in self._start.refs:
            if split_tract(name)[1] == NOTES + PRIORITY and self._policies.of(name).keep_pinned:
                table = NoteTable()
                table.advance(self._repo, self._catalogue.id_of(number))
                for target in table.targets():
                    if table.get(self._repo, target).get("priority") == Priority.PINNED:
                        yield self._catalogue.admit(target)

    def _add_noted_edits(self) -> None:
        """Remember the orphaned edits that have a generation config: it is shown wherever their words are."""
        for name, number in self._start.refs:
            if split_tract(name)[1] == NOTES + CONFIG:
                for target, _ in noted_entries(self._repo, self._catalogue.id_of(number)):
                    at = self._catalogue.number_of(target)
                    if at is not None and at < self._catalogue.size and self._marks[at] == UNSEEN:
                        with suppress(BlobNotFoundError, ObjectCorruptError):  # an orphan may be damaged
                            self._archives.add_edit(at, self._marker.commit(at))

    def _count(self) -> tuple[array[int], int, tuple[Archive, ...]]:
        """What goes, its size in bytes, and what of it goes with each archive."""
        dropped = array("I")
        sizes = 0
        counts = [[0, 0, 0, 0] for _ in self._archives.all]
        for number in range(self._catalogue.size):
            if self._marks[number] <= ARCHIVED:
                dropped.append(number)
                size = size_of(self._catalogue, number)
                sizes += size
                if self._archives.of and self._archives.of[number]:
                    count = counts[self._archives.of[number] - 1]
                    commit = self._marker.commit(number) if self._catalogue.kind_of(number) == "commit" else None
                    is_message = commit is not None and commit.operation is CommitOperation.APPEND
                    for at, amount in enumerate((commit is not None, is_message, 1, size)):
                        count[at] += amount
        archives = (self._archive(*one) for one in zip(self._archives.all, counts, strict=True) if one[1][2])
        return dropped, sizes, tuple(archives)

    def _archive(self, number: int, counts: list[int]) -> Archive:
        commits, messages, objects, size = counts
        return Archive(
            commit=self._catalogue.id_of(number).hex(),
            created_at=moment(self._archives.commit(number).time),
            commits=commits,
            messages=messages,
            objects=objects,
            size=size,
            parted=tuple(sorted(self._archives.parted.get(number, ()))),
        )

    def _held(self, gone: tuple[Archive, ...]) -> tuple[HeldArchive, ...]:
        """The archives that expired but stay, the newest first: merges need them, or orphans lead there."""
        of, catalogue = self._archives.of, self._catalogue
        whole = {of[n] for n in self._marker.marked(REACHED) if n < len(of) and catalogue.kind_of(n) == "commit"}
        left = {one.commit for one in gone}
        numbers = [number for place, number in enumerate(self._archives.all, 1) if place in whole]
        held = {number: () for number in numbers if catalogue.id_of(number).hex() not in left}
        found = [
            HeldArchive(catalogue.id_of(number).hex(), moment(self._archives.commit(number).time), tuple(sorted(names)))
            for number, names in {**held, **self._archives.held}.items()
        ]
        return tuple(sorted(found, key=lambda one: (one.created_at, one.commit), reverse=True))
