"""What stays for a while: archives of compressions, and orphans. Both are roots with an end.

    refs ─ e ─ d ─ C2 ─ c ─ b ─ C1 ─ a ─ P        C are compress commits, P is pinned
           └─ live ─┘ └ young ┘    └ expired: it goes, and P stays as a message

    archive   what only the parents of a compress commit lead to; as old as the compression, and of the tracts whose refs lead there
    orphan    what no ref leads to; as old as the last move of a ref to it or away from it, and of the tracts whose refs were there
              (where no operation tells, as old as its pack or file, and of the root tract)

Each stays, with all that it needs, while the retention of one of its tracts keeps it: by age, or by a size that the newest fill first.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import time_ns
from typing import TypeAlias

from tract.config import FOR_EVER, Retention
from tract.errors import BlobNotFoundError
from tract.history.times import moment
from tract.maintenance.gc.catalogue import ARCHIVED, REACHED, SPENT, UNSEEN
from tract.maintenance.gc.mark import Found, Groups, Marker, add_found, new_groups, size_of
from tract.maintenance.gc.options import Archive, GCOptions, HeldArchive, nanoseconds
from tract.objects.model import CommitOperation, Operation, borrows_context
from tract.reflog import kept_values, released_commits
from tract.refs.names import HEAD, HEADS, NOTES, ORIG_HEAD, REMOTE_NOTES, split_tract
from tract.repo import Repository

# Packs of orphans that are kept for ever, or by a size, span an eighth of so many days.
_LONG_DAYS = 3650.0
_SIZED_DAYS = 90.0

_FORGET_ARCHIVES = bytes.maketrans(bytes([ARCHIVED]), bytes([UNSEEN]))

Step: TypeAlias = tuple[bool, list[int]]
"""Whether a commit is a compress commit, and its parents; none where history was cut."""


class Window:
    """What one retention keeps: what is younger than *since*, or fits into *room* bytes. *step* is the time that one pack of it spans, a power of two of nanoseconds."""

    def __init__(self, retention: Retention, now: int) -> None:
        days = _SIZED_DAYS if retention.days is None else min(retention.days, _LONG_DAYS)
        self.since = now - nanoseconds(retention.days) if retention.days is not None else nanoseconds(math.inf)
        self.room = -1 if retention.size is None else retention.size
        self.step = 1 << (max(1, nanoseconds(days)) // 8).bit_length()

    def is_young(self, written: int) -> bool:
        return written > self.since

    def fits(self, size: Callable[[], int]) -> bool:
        """Whether so many bytes more fit; nothing does any more after the first that did not."""
        if self.room >= 0:
            self.room -= size()
        return self.room >= 0


def keeper(windows: Sequence[Window], written: int, size: Callable[[], int]) -> Window | None:
    """The first of *windows* that keeps what was *written* then and is of that *size*."""
    young = [one for one in windows if one.is_young(written)]
    return next(iter(young or [one for one in windows if one.fits(size)]), None)  # each of them is a little fuller now


class Archives:
    """Marks what *refs* (names with numbers) need as REACHED, and the archives that expired by *options* as ARCHIVED.

    *now* is in nanoseconds since 1970. Compress commits go by their numbers:
    *expired* are those at which the walk from the refs ended, and *all* are those whose archives go, the newest first.
    *held* are those that expired but stay, *parted* those that go, each with the branches that lead behind it another way.
    *of* has for each object the place of its archive in *all*, counted from 1; it is empty where none goes.
    *edits* go unless their words are shown: by edit, its message and the content that it gave it.
    """

    def __init__(self, marker: Marker, options: GCOptions, refs: Sequence[tuple[str, int]], now: int) -> None:
        self._marker = marker
        self._catalogue = marker.catalogue
        self._options = options
        self._refs = refs
        self._windows = [Window(one.archives, now) for one in options.each]
        self._waiting: list[tuple[int, int]] = []
        self._needed: dict[int, set[str]] = {}
        self._owners: Mapping[int, Sequence[Window]] | None = None
        # Every compression sets ORIG_HEAD, which would keep the last archive for ever.
        self._aside = {
            name: number
            for name, number in refs
            if split_tract(name)[1] == ORIG_HEAD and options.of(name).archives != FOR_EVER
        }
        self.expired: list[int] = []
        self.held: dict[int, set[str]] = {}
        self.parted: dict[int, set[str]] = {}
        self.all: list[int] = []
        self.of = array("I")
        self.edits: dict[int, tuple[int, int]] = {}

    def mark(self, in_work: Sequence[int]) -> Iterator[Found]:
        """Mark what refs and the commits *in_work* need, and yield it."""
        yield from self._mark([*(number for name, number in self._refs if name not in self._aside), *in_work])
        yield from self._mark([number for number in self._aside.values() if self._marker.mark_of(number) == UNSEEN])

    def _mark(self, roots: Sequence[int]) -> Iterator[Found]:
        if roots:
            yield from self._walk(roots)
            yield from self._open()
            yield from self._hold_for_merges()
            self._mark_archived()

    def released(self) -> list[tuple[str, int]]:
        """The ``ORIG_HEAD`` that would keep an archive, and that are deleted instead."""
        return [one for one in self._aside.items() if self._marker.mark_of(one[1]) == ARCHIVED]

    def _walk(self, roots: Iterable[int]) -> Iterator[Found]:
        return self._marker.walk(roots, stops=self._options.takes_archives)

    def _open(self) -> Iterator[Found]:
        """Walk on behind the compress commits whose archives stay, the newest first."""
        while True:
            _gather(self._marker, self._waiting)
            if self._waiting:
                made, number = heapq.heappop(self._waiting)
                staying = [number] if self._stays(number, -made * 1000) else []
                self.expired.append(number)
            else:
                staying = [number for number in self.expired if self._is_needed(number)]
                if not staying:
                    return
            if staying:
                self.expired = [number for number in self.expired if number not in staying]
            for number in staying:
                yield from self._walk(self._marker.parents(number))

    def _stays(self, number: int, made: int) -> bool:
        """Whether a tract keeps the archive of a compress commit, or something else needs it."""
        return keeper(self._windows_of(number), made, lambda: self._size_behind(number)) is not None or self._is_needed(
            number
        )

    def _size_behind(self, number: int) -> int:
        """The bytes of what only that archive has; messages that contexts name stay without it."""
        behind = self._marker.copy().walk(self._marker.parents(number), stops=True, gaps=True)
        going = (at for at, _ in behind if at < self._catalogue.size and not self._marker.was_named(at))
        return sum(size_of(self._catalogue, at) for at in going)

    def _is_needed(self, number: int) -> bool:
        """Whether the history behind a compress commit is reached another way, or merges need it."""
        if self._marker.mark_of(self._marker.parents(number)[0]) == REACHED:
            return True
        if number in self._needed:
            self.held[number] = self._needed[number]
        return number in self._needed

    def _windows_of(self, number: int) -> Sequence[Window]:
        """The windows of all tracts whose refs lead to a compress commit; all there are where only a command under way does."""
        if self._owners is None:
            owners: defaultdict[int, list[Window]] = defaultdict(list)
            for index, window in enumerate(self._windows if len(self._windows) > 1 else ()):
                refs = (
                    at
                    for name, at in self._refs
                    if NOTES not in name and REMOTE_NOTES not in name and self._options.index_of(name) == index
                )
                for at, is_compression in claim(self._step, refs, self._no_sides(), 1):
                    if is_compression:
                        owners[at].append(window)
            self._owners = owners
        return self._owners.get(number, self._windows)

    def _no_sides(self) -> array[int]:
        return array("I", bytes(4 * self._catalogue.size))

    def _step(self, number: int) -> Step:
        try:
            commit = self._marker.commit(number)
        except BlobNotFoundError:
            return False, []
        is_cut = self._catalogue.id_of(number) in self._marker.cuts
        borrowed = [commit.target] if borrows_context(commit) and commit.target is not None else []
        behind = [self._catalogue.admit(id) for id in [*(() if is_cut else commit.parents), *borrowed]]
        return commit.operation is CommitOperation.COMPRESS, behind

    def _hold_for_merges(self) -> Iterator[Found]:
        """Take back that archives expired that merges of two branches of a tract may need, where the tract keeps those."""
        tracts: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for name, number in self._refs:
            tract, local = split_tract(name)
            if local.startswith(HEADS) or local == HEAD:
                tracts[tract][name] = number
        is_changed = True
        while is_changed and self.expired:
            is_changed = False
            self.parted = {}
            for prefix, tips in tracts.items():
                if len(tips) > 1:
                    found = self._needed if self._options.of(prefix + HEAD).keep_merge_bases else self.parted
                    met = meetings(self._step, tips, frozenset(self.expired), self._no_sides())
                    is_changed |= found is self._needed and not met.keys() <= found.keys()
                    for number, names in met.items():
                        found.setdefault(number, set()).update(names)
            if is_changed:
                yield from self._open()

    def _mark_archived(self) -> None:
        """Mark what lies behind the compress commits whose archives expired, the newest first."""
        marks, scratch = self._marker.marks, self._marker.copy()
        marks[:] = marks.translate(_FORGET_ARCHIVES)
        self.all, self.of, self.edits = [], array("I"), {}
        waiting = [(-self._marker.commit(number).time, number) for number in self.expired]
        heapq.heapify(waiting)
        while waiting:
            number = heapq.heappop(waiting)[1]
            self.all.append(number)
            self.of = self.of or self._no_sides()
            for at, kind in scratch.walk(self._marker.parents(number), stops=True, gaps=True):
                if at < self._catalogue.size:
                    marks[at] = ARCHIVED
                    self.of[at] = len(self.all)
                    if kind == "commit":
                        self.add_edit(at)
            _gather(scratch, waiting)

    def add_edit(self, number: int) -> None:
        """Add to *edits* a commit that goes, if it is one."""
        commit = self._marker.commit(number)
        if commit.operation is CommitOperation.EDIT and commit.target is not None and commit.content is not None:
            admit = self._catalogue.admit
            self.edits[number] = admit(commit.target), admit(commit.content)

    def is_archived(self, number: int) -> bool:
        """Whether an archive that goes has the object."""
        return bool(self.of) and bool(self.of[number])

    def gone(self, dropped: Iterable[int]) -> tuple[Archive, ...]:
        """What of the objects *dropped* goes with each archive, the newest first."""
        counts: list[Counter[str]] = [Counter() for _ in self.all]
        for number in filter(self.is_archived, dropped):
            count = counts[self.of[number] - 1]
            count["objects"] += 1
            count["size"] += size_of(self._catalogue, number)
            if self._catalogue.kind_of(number) == "commit":
                count["commits"] += 1
                count["messages"] += self._marker.commit(number).operation is CommitOperation.APPEND
        return tuple(
            Archive(
                commit=self._catalogue.id_of(number).hex(),
                created_at=moment(self._marker.commit(number).time),
                commits=count["commits"],
                messages=count["messages"],
                objects=count["objects"],
                size=count["size"],
                parted=tuple(sorted(self.parted.get(number, ()))),
            )
            for number, count in zip(self.all, counts, strict=True)
            if count["objects"]
        )

    def kept(self, gone: Sequence[Archive]) -> tuple[HeldArchive, ...]:
        """The archives that expired but stay, the newest first: merges need them, or orphans lead there."""
        catalogue, left = self._catalogue, {one.commit for one in gone}
        staying = (n for n in self._marker.marked(REACHED) if n < catalogue.size and self.is_archived(n))
        whole = {self.all[self.of[number] - 1] for number in staying if catalogue.kind_of(number) == "commit"}
        held = {number: () for number in whole if catalogue.id_of(number).hex() not in left} | self.held
        found = [
            HeldArchive(catalogue.id_of(number).hex(), moment(self._marker.commit(number).time), tuple(sorted(names)))
            for number, names in held.items()
        ]
        return tuple(sorted(found, key=lambda one: (one.created_at, one.commit), reverse=True))


def _gather(marker: Marker, waiting: list[tuple[int, int]]) -> None:
    """Put the compress commits at which walks ended among those that are *waiting*, the newest first."""
    while marker.stopped:
        heapq.heappush(waiting, marker.stopped.pop())


def meetings(
    step: Callable[[int], Step], tips: Mapping[str, int], expired: Collection[int], sides: array[int]
) -> dict[int, set[str]]:
    """The compress commits behind which the lines of *tips* meet, each with tips that lead there another way.

        main   a ─ b ─ c ─ d ─ C ─ e         C expired; side reaches b another way
        side       └─ s ─ t                  without c and d the two would have no merge base

    Each commit gets a side (an entry of *sides*, which are 0): that of the first tip that reaches it without passing an expired compression, else that of the first expired compression behind which it lies.
    While no way behind an expired compression leads to another side, every two tips have the merge bases that they would have with all history; else all compressions on that way are in the result.
    """
    names = list(tips)
    ends: list[tuple[int, str]] = []
    for own, (name, tip) in enumerate(tips.items(), 1):
        ends += [(at, name) for at, _ in claim(step, [tip], sides, own, expired) if at in expired and sides[at] == own]
    met: defaultdict[int, set[str]] = defaultdict(set)
    for own, (end, name) in enumerate(ends, len(tips) + 1):
        names.append(name)
        passed = [end]
        for number, is_compression in claim(step, step(end)[1], sides, own):
            other = sides[number]
            if other != own:
                for compression in passed:
                    met[compression].add(names[other - 1])
                if other > len(tips):
                    met[ends[other - len(tips) - 1][0]].add(name)
            elif is_compression:
                passed.append(number)
    return dict(met)


def claim(
    step: Callable[[int], Step], starts: Iterable[int], sides: array[int], own: int, ends: Collection[int] = ()
) -> Iterator[tuple[int, bool]]:
    """Put all commits before *starts* that are on no side on the side *own*; go no further than *ends*.

    Yields each, with whether it is a compress commit; and those on another side, where it does not go on.
    """
    stack = list(starts)
    while stack:
        number = stack.pop()
        if number >= len(sides) or sides[number] == own:
            continue
        is_claimed = not sides[number]
        sides[number] = sides[number] or own
        is_compression, parents = step(number)
        yield number, is_compression
        if is_claimed and number not in ends:
            stack += parents


class Orphans:
    """The objects that no walk has reached yet, and what the operations tell of them; *now* is in nanoseconds since 1970."""

    def __init__(self, repo: Repository, marker: Marker, options: GCOptions, now: int) -> None:
        self._repo = repo
        self._marker = marker
        self._catalogue = marker.catalogue
        self._options = options
        self._now = now
        self._windows = [Window(one.orphans, now) for one in options.each]
        self._left: dict[int, int] = {}
        """When a ref was last at a commit."""
        self._tracts: defaultdict[int, set[int]] = defaultdict(set)
        """The indexes of the options of the tracts whose refs were there."""
        self._packs: dict[tuple[int, int], tuple[int, Groups]] = {}

    def learn(self, operation: Operation) -> None:
        """Take in where *operation* moved refs, and from where."""
        for change in operation.changes:
            for value in (change.new, change.old):
                number = self._catalogue.number_of(value) if isinstance(value, bytes) else None
                if number is not None and self._marker.mark_of(number) == UNSEEN and number < self._catalogue.size:
                    self._left[number] = max(self._left.get(number, 0), operation.time * 1000)
                    self._tracts[number].add(self._options.index_of(change.name))

    def spend(self, numbers: Iterable[int]) -> None:
        """Let the objects *numbers* not stay for their own age."""
        for number in numbers:
            if self._marker.mark_of(number) == UNSEEN and number < self._catalogue.size:
                self._marker.marks[number] = SPENT

    def spend_hard_resets(self) -> None:
        """The same for what only a hard reset still refers to, unless an entry of the reflog, or something that one needs, keeps it."""
        released = self._numbers(released_commits(self._repo))
        if released:
            spared = self._marker.copy()
            for _ in spared.walk(self._numbers(id for _, id in kept_values(self._repo)), gaps=True):
                pass
            self.spend([number for number, _ in spared.walk(released, gaps=True)])

    def _numbers(self, ids: Iterable[bytes]) -> list[int]:
        return [number for number in map(self._catalogue.number_of, ids) if number is not None]

    def keep(self) -> dict[int, Groups]:
        """Mark the orphans that stay, with all that they need; by the time that their pack gets, that of the youngest."""
        named = sorted(filter(self._is_unseen, self._left), key=self._left.__getitem__, reverse=True)
        self._keep(named)
        if len(self._windows) > 1:
            self._spend_needed(filter(self._is_unseen, named))
        rest = sorted(filter(self._is_unseen, self._catalogue.in_order()), key=self._order)
        self._keep(rest)
        kept: dict[int, Groups] = {}
        for written, groups in self._packs.values():
            while written in kept:
                written -= 1
            kept[written] = groups
        return kept

    def _windows_of(self, number: int) -> Sequence[Window]:
        return [self._windows[index] for index in self._tracts.get(number, (0,))]

    def _spend_needed(self, numbers: Iterable[int]) -> None:
        """Let what the orphans *numbers* need go with them, unless it is young by itself; an object of several tracts goes by the longest window."""
        scratch = self._marker.copy()
        since = {number: min(window.since for window in self._windows_of(number)) for number in numbers}
        for number in sorted(since, key=since.__getitem__):
            for at, _ in scratch.walk([number], gaps=True):
                if at < self._catalogue.size and self._age(at) > since[number]:
                    self._tracts[at] |= self._tracts[number]
                else:
                    self.spend([at])

    def _is_unseen(self, number: int) -> bool:
        return self._marker.marks[number] == UNSEEN

    def _age(self, number: int) -> int:
        """When the orphan was last a ref's, or written, in nanoseconds since 1970."""
        written = min(self._catalogue.written(number) or time_ns(), self._now)
        return max(written, self._left.get(number, 0))

    def _order(self, number: int) -> tuple[int, bool]:
        return -self._age(number), self._catalogue.kind_of(number) != "commit"

    def _keep(self, numbers: Iterable[int]) -> None:
        """Mark those of *numbers* that one of their windows keeps, and put them into packs.

        Those within about an eighth of a retention share a pack, so that packs stay few.
        The steps are powers of two, so that they are the same at every gc and nothing grows younger by being copied.
        """
        scratch = self._marker.copy()

        def size(number: int) -> int:
            return sum(size_of(self._catalogue, at) for at, _ in scratch.walk([number], gaps=True))

        cells: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for number in numbers:
            written = self._age(number)
            window = keeper(self._windows_of(number), written, partial(size, number))
            if window is not None:
                cells[window.step, written // window.step].append(number)
        for cell in sorted(cells, key=lambda cell: (-cell[0] * cell[1], cell[0])):
            youngest, groups = self._packs.get(cell, (0, new_groups()))
            add_found(groups, self._marker.walk(cells[cell], gaps=True), self._catalogue.loose_numbers)
            if any(groups.values()):
                self._packs[cell] = max(youngest, *map(self._age, cells[cell])), groups
