"""What refs need, and which archives of compressions expired.

    refs ─ e ─ d ─ C2 ─ c ─ b ─ C1 ─ a ─ P        C are compress commits, P is pinned
           └─ live ─┘ └ young ┘    └ expired: it goes, and P stays as a message

An archive is the history that only the parents of a compress commit lead to. It is as old as its compress commit, and stays for the longest retention of the tracts whose refs lead there.
What a ref, a command under way or a younger archive reaches another way stays whole, and so does an archive that merges may need.
Of the rest the messages stay that contexts name, pinned ones, and the edits of both: their commits and contents, nothing else.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

from tract.config import FOR_EVER
from tract.errors import BlobNotFoundError
from tract.history.times import moment
from tract.maintenance.gc.catalogue import ARCHIVED, REACHED, UNSEEN, Catalogue
from tract.maintenance.gc.mark import Found, Marker, size_of
from tract.maintenance.gc.options import GCOptions, nanoseconds
from tract.maintenance.gc.result import Archive, HeldArchive
from tract.objects.model import Commit, CommitOperation, borrows_context
from tract.refs.names import HEAD, HEADS, NOTES, ORIG_HEAD, REMOTE_NOTES, split_tract

Step: TypeAlias = tuple[bool, list[int]]
"""Whether a commit is a compress commit, and its parents; none where history was cut."""

_FORGET_ARCHIVES = bytes.maketrans(bytes([ARCHIVED]), bytes([UNSEEN]))


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
        self._catalogue: Catalogue = marker.catalogue
        self._options = options
        self._refs = refs
        self._now = now
        self.expired: list[int] = []
        self.held: dict[int, frozenset[str]] = {}
        self.parted: dict[int, set[str]] = {}
        self.all: list[int] = []
        self.of = array("I")
        self.edits: dict[int, tuple[int, int]] = {}
        self._judged = 0
        self._needed: dict[int, set[str]] = {}
        self._room = [one.archives.size for one in options.each]
        self._owners: Mapping[int, Sequence[int]] | None = None

    def mark(self, in_work: Sequence[int]) -> Iterator[Found]:
        """Mark what refs and the commits *in_work* need, and yield it."""
        aside = self._heads_aside()
        waiting = [*(number for name, number in self._refs if name not in aside), *in_work]
        while waiting:
            yield from self._walk(waiting)
            yield from self._open()
            yield from self._hold_for_merges()
            self._mark_archived()
            waiting = [number for number in aside.values() if self._marker.mark_of(number) == UNSEEN]
            waiting += self._marker.to_be_whole()

    def released(self) -> list[tuple[str, int]]:
        """The refs that would keep an archive, and that are deleted instead."""
        return [one for one in self._heads_aside().items() if self._marker.mark_of(one[1]) == ARCHIVED]

    def _heads_aside(self) -> dict[str, int]:
        """The refs ``ORIG_HEAD`` of tracts whose archives may expire: every compression sets it, and it would keep the last archive for ever."""
        return {
            name: number
            for name, number in self._refs
            if split_tract(name)[1] == ORIG_HEAD and self._options.of(name).archives != FOR_EVER
        }

    def _walk(self, roots: Iterable[int]) -> Iterator[Found]:
        return self._marker.walk(roots, stops=self._options.takes_archives)

    def _open(self) -> Iterator[Found]:
        """Walk on behind the compress commits whose archives stay, the newest first."""
        waiting: list[tuple[int, int]] = []
        while True:
            for number, commit in islice(self._marker.stopped.items(), self._judged, None):
                heapq.heappush(waiting, (-commit.time, number))
            self._judged = len(self._marker.stopped)
            if waiting:
                number = heapq.heappop(waiting)[1]
                if self._stays(number):
                    yield from self._walk(self._behind(number))
                else:
                    self.expired.append(number)
                continue
            staying = [number for number in self.expired if self._is_needed(number)]
            if not staying:
                return
            self.expired = [number for number in self.expired if number not in staying]
            for number in staying:
                yield from self._walk(self._behind(number))

    def _stays(self, number: int) -> bool:
        """Whether an archive is young, fits into the size that is kept, or is needed."""
        owners = self._owners_of(number)
        made = self._marker.stopped[number].time * 1000
        for owner in owners:
            days = self._options.each[owner].archives.days
            if days is not None and made >= self._now - nanoseconds(days):
                return True
        fits = [self._fits(number, owner) for owner in owners]  # all of them: each is a little fuller now
        return any(fits) or self._is_needed(number)

    def _is_needed(self, number: int) -> bool:
        """Whether the history behind a compress commit is reached another way, or merges need it."""
        if self._marker.mark_of(self._behind(number)[0]) == REACHED:
            return True
        if number in self._needed:
            self.held[number] = frozenset(self._needed[number])
        return number in self._needed

    def _behind(self, number: int) -> list[int]:
        """The parents of a compress commit."""
        return [self._catalogue.admit(parent) for parent in self.commit(number).parents]

    def commit(self, number: int) -> Commit:
        """A compress commit."""
        return self._marker.stopped.get(number) or self._marker.commit(number)

    def _fits(self, number: int, owner: int) -> bool:
        """Whether an archive fits into what is left of its tracts' size, beside those that are newer."""
        room = self._room[owner]
        if room is None or room < 0:
            return False
        behind = self._marker.copy().walk(self._behind(number), stops=True, gaps=True)
        going = (found.number for found in behind if not self._marker.was_named(found.number))
        room -= sum(size_of(self._catalogue, at) for at in going if at < self._catalogue.size)
        self._room[owner] = room
        return room >= 0

    def _owners_of(self, number: int) -> Sequence[int]:
        """The indexes of the options of all tracts whose refs lead to a compress commit; all there are where only a command under way does."""
        everybody = range(len(self._options.each))
        if len(everybody) == 1:
            return everybody
        if self._owners is None:
            owners: defaultdict[int, list[int]] = defaultdict(list)
            for index in everybody:
                refs = (
                    at
                    for name, at in self._refs
                    if NOTES not in name and REMOTE_NOTES not in name and self._options.index_of(name) == index
                )
                for at, is_compression in claim(self._step, refs, array("I", bytes(4 * self._catalogue.size)), 1):
                    if is_compression:
                        owners[at].append(index)
            self._owners = owners
        return self._owners.get(number, everybody)

    def _step(self, number: int) -> Step:
        try:
            commit = self.commit(number)
        except BlobNotFoundError:
            return False, []
        is_cut = self._catalogue.id_of(number) in self._marker.cuts
        parents = [] if is_cut else [self._catalogue.admit(parent) for parent in commit.parents]
        if borrows_context(commit) and commit.target is not None:
            parents.append(self._catalogue.admit(commit.target))
        return commit.operation is CommitOperation.COMPRESS, parents

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
                    sides = array("I", bytes(4 * self._catalogue.size))
                    for number, names in meetings(self._step, tips, frozenset(self.expired), sides).items():
                        is_changed |= found is self._needed and number not in found
                        found.setdefault(number, set()).update(names)
            if is_changed:
                yield from self._open()

    def _mark_archived(self) -> None:
        """Mark what lies behind the compress commits whose archives expired, the newest first."""
        marks = self._marker.marks
        marks[:] = marks.translate(_FORGET_ARCHIVES)
        self.all, self.of, self.edits = [], array("I"), {}
        if not self.expired:
            return
        self.of.frombytes(bytes(4 * self._catalogue.size))
        scratch = self._marker.copy()
        waiting = [(-self._marker.stopped[number].time, number) for number in self.expired]
        heapq.heapify(waiting)
        while waiting:
            _, number = heapq.heappop(waiting)
            known = len(scratch.stopped)
            self.all.append(number)
            for at, _, commit in scratch.walk(self._behind(number), stops=True, gaps=True):
                if at < self._catalogue.size:
                    marks[at] = ARCHIVED
                    self.of[at] = len(self.all)
                    if commit is not None:
                        self.add_edit(at, commit)
            for at, commit in islice(scratch.stopped.items(), known, None):
                heapq.heappush(waiting, (-commit.time, at))

    def add_edit(self, number: int, commit: Commit) -> None:
        """Add to *edits* a commit that goes, if it is one."""
        if commit.operation is CommitOperation.EDIT and commit.target is not None and commit.content is not None:
            admit = self._catalogue.admit
            self.edits[number] = admit(commit.target), admit(commit.content)

    def place_of(self, number: int) -> int:
        """The place of an object's archive in *all*, counted from 1; 0 where it is in none."""
        return self.of[number] if self.of else 0

    def gone(self, dropped: Iterable[int]) -> tuple[Archive, ...]:
        """What of the objects *dropped* goes with each archive, the newest first."""
        counts: list[Counter[str]] = [Counter() for _ in self.all]
        for number in dropped if self.all else ():
            if place := self.of[number]:
                count = counts[place - 1]
                count["objects"] += 1
                count["size"] += size_of(self._catalogue, number)
                if self._catalogue.kind_of(number) == "commit":
                    count["commits"] += 1
                    count["messages"] += self._marker.commit(number).operation is CommitOperation.APPEND
        return tuple(
            Archive(
                commit=self._catalogue.id_of(number).hex(),
                created_at=moment(self.commit(number).time),
                commits=count["commits"],
                messages=count["messages"],
                objects=count["objects"],
                size=count["size"],
                parted=tuple(sorted(self.parted.get(number, ()))),
            )
            for number, count in zip(self.all, counts, strict=True)
            if count["objects"]
        )

    def held_archives(self, gone: Sequence[Archive]) -> tuple[HeldArchive, ...]:
        """The archives that expired but stay, the newest first: merges need them, or orphans lead there."""
        of, catalogue = self.of, self._catalogue
        whole = {of[n] for n in self._marker.marked(REACHED) if n < len(of) and catalogue.kind_of(n) == "commit"}
        left = {one.commit for one in gone}
        needed = [number for place, number in enumerate(self.all, 1) if place in whole]
        held: dict[int, Iterable[str]] = {n: () for n in needed if catalogue.id_of(n).hex() not in left}
        found = [
            HeldArchive(catalogue.id_of(number).hex(), moment(self.commit(number).time), tuple(sorted(names)))
            for number, names in {**held, **self.held}.items()
        ]
        return tuple(sorted(found, key=lambda one: (one.created_at, one.commit), reverse=True))


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
