"""What stays for a while: archives of compressions, and orphans. Both are roots that expire.

    refs ─ e ─ d ─ C2 ─ c ─ b ─ C1 ─ a ─ P        C are compress commits, P is pinned
           └─ live ─┘ └ young ┘    └ expired: a is dropped, and P stays as a message

    archive   objects that only the parents of a compress commit lead to; as old as the compression, and of the tracts whose refs lead there
    orphan    an object that no ref leads to; as old as the last move of a ref to it or away from it, and of the tracts whose refs were there
              (if no operation tells, as old as its pack or file, and of the root tract)

Each stays, with all that it needs, while the retention of one of its tracts keeps it: by age, or by a size that the newest fill first.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import time_ns

from tract.config import FOR_EVER
from tract.errors import BlobNotFoundError
from tract.history.reachability import Step, claim, meetings
from tract.history.times import moment
from tract.maintenance.gc.mark import ARCHIVED, REACHED, SPENT, UNSEEN, Found, Marker
from tract.maintenance.gc.options import Archive, GCOptions, HeldArchive, Window, keeper
from tract.objects.model import CommitOperation, Operation, borrows_context
from tract.refs.names import HEAD, HEADS, NOTES, ORIG_HEAD, REMOTE_NOTES, split_tract
from tract.storage.repacking import Groups, add_found, new_groups

_FORGET_ARCHIVES = bytes.maketrans(bytes([ARCHIVED]), bytes([UNSEEN]))


class Archives:
    """Marks what *refs* (names with numbers) need as REACHED, and the archives that expired under *options* as ARCHIVED.

    *now* is in nanoseconds since 1970. Compress commits are known by their numbers:
    *expired* are those at which the walk from the refs ended, and *all* are those whose archives are dropped, the newest first.
    *held* are those that expired but stay, *parted* those that are dropped, each with the branches that lead behind it another way.
    *of* has for each object the place of its archive in *all*, counted from 1; it is empty if no archive is dropped.
    *edits* are dropped unless their content is shown: by edit, its message and the content that it gave the message.
    """

    def __init__(self, marker: Marker, options: GCOptions, refs: Sequence[tuple[str, int]], now: int) -> None:
        self._marker = marker
        self._catalogue = marker.catalogue
        self._options = options
        self._refs = refs
        self._windows = {one: Window(one.archives, now) for one in options.each}
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
        """The ``ORIG_HEAD`` refs that would keep an archive and are to be deleted for that."""
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
        """True if a tract keeps the archive of a compress commit, or something else needs it."""
        return keeper(self._windows_of(number), made, lambda: self._size_behind(number)) is not None or self._is_needed(
            number
        )

    def _size_behind(self, number: int) -> int:
        """The bytes that only this archive has; messages that contexts name stay without it."""
        behind = self._marker.copy().walk(self._marker.parents(number), stops=True, gaps=True)
        going = (at for at, _ in behind if at < self._catalogue.size and not self._marker.was_named(at))
        return sum(self._catalogue.size_of(at) for at in going)

    def _is_needed(self, number: int) -> bool:
        """True if the history behind a compress commit is reached another way, or merges need it."""
        if self._marker.mark_of(self._marker.parents(number)[0]) == REACHED:
            return True
        if number in self._needed:
            self.held[number] = self._needed[number]
        return number in self._needed

    def _windows_of(self, number: int) -> Sequence[Window]:
        """The windows of all tracts whose refs lead to a compress commit; all windows if only a command under way leads there."""
        if self._owners is None:
            owners: defaultdict[int, list[Window]] = defaultdict(list)
            for own, window in self._windows.items() if len(self._windows) > 1 else ():
                refs = ((name, at) for name, at in self._refs if NOTES not in name and REMOTE_NOTES not in name)
                tips = (at for name, at in refs if self._options.of(name) == own)
                for at, is_compression in claim(self._step, tips, self._no_sides(), 1):
                    if is_compression:
                        owners[at].append(window)
            self._owners = owners
        return self._owners.get(number, list(self._windows.values()))

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
        """Take back expired archives that merges of two branches of a tract may need, if the tract keeps those."""
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
        """Add a commit that is dropped to *edits*, if it is an edit."""
        commit = self._marker.commit(number)
        if commit.operation is CommitOperation.EDIT and commit.target is not None and commit.content is not None:
            admit = self._catalogue.admit
            self.edits[number] = admit(commit.target), admit(commit.content)

    def kept_before(self) -> Iterator[int]:
        """Yield the messages that stayed when earlier archives were dropped, and their contents; edits among them are remembered."""
        for id, cut in self._marker.cuts.items():
            number = self._catalogue.number_of(id)
            if cut.grade == "all" and number is not None and number < self._catalogue.size:
                self.add_edit(number)
                yield number
                content = self._marker.commit(number).content
                if content is not None:
                    yield self._catalogue.admit(content)

    def is_archived(self, number: int) -> bool:
        """True if the object is in an archive that is dropped."""
        return bool(self.of) and bool(self.of[number])

    def gone(self, dropped: Iterable[int]) -> tuple[Archive, ...]:
        """The *dropped* objects of each archive, in figures, the newest first."""
        counts: list[Counter[str]] = [Counter() for _ in self.all]
        for number in filter(self.is_archived, dropped):
            count = counts[self.of[number] - 1]
            count["objects"] += 1
            count["size"] += self._catalogue.size_of(number)
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
        """The archives that expired but stay because merges need them or orphans lead there, the newest first."""
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
    """Move the compress commits at which walks ended to the heap *waiting*, the newest first."""
    while marker.stopped:
        heapq.heappush(waiting, marker.stopped.pop())


class Orphans:
    """The objects that no walk has reached, and what the operations tell about them; *now* is in nanoseconds since 1970."""

    def __init__(self, marker: Marker, options: GCOptions, now: int) -> None:
        self._marker = marker
        self._catalogue = marker.catalogue
        self._options = options
        self._now = now
        self._windows = {one: Window(one.orphans, now) for one in options.each}
        self._left: dict[int, int] = {}
        """When a ref was last at a commit, in nanoseconds since 1970."""
        self._keepers: defaultdict[int, list[Window]] = defaultdict(list)
        """The windows of the tracts whose refs were at a commit."""
        self._packs: dict[tuple[int, int], tuple[int, Groups]] = {}

    def learn(self, operation: Operation) -> None:
        """Note to which commits *operation* moved refs, and from which."""
        for change in operation.changes:
            for value in (change.new, change.old):
                number = self._catalogue.number_of(value) if isinstance(value, bytes) else None
                if number is not None and number < self._catalogue.size and self._is_unseen(number):
                    self._left[number] = max(self._left.get(number, 0), operation.time * 1000)
                    self._add_keepers(number, [self._windows[self._options.of(change.name)]])

    def _add_keepers(self, number: int, windows: Iterable[Window]) -> None:
        found = self._keepers[number]
        found += (window for window in windows if window not in found)

    def spend(self, numbers: Iterable[int]) -> None:
        """Mark the objects *numbers* so that they do not stay for their own age."""
        for number in numbers:
            if number < self._catalogue.size and self._is_unseen(number):
                self._marker.marks[number] = SPENT

    def keep(self) -> dict[int, Groups]:
        """Mark the orphans that stay, with all that they need; return them by the time for their pack, that of the youngest."""
        named = sorted(filter(self._is_unseen, self._left), key=self._left.__getitem__, reverse=True)
        self._keep(named)
        if len(self._windows) > 1:
            self._spend_needed(filter(self._is_unseen, named))
        rest = filter(self._is_unseen, self._catalogue.in_order())
        self._keep(sorted(rest, key=lambda number: (-self._age(number), self._catalogue.kind_of(number) != "commit")))
        kept: dict[int, Groups] = {}
        for written, groups in self._packs.values():
            while written in kept:
                written -= 1
            kept[written] = groups
        return kept

    def _windows_of(self, number: int) -> Sequence[Window]:
        return self._keepers.get(number) or [self._windows[self._options.root]]

    def _spend_needed(self, numbers: Iterable[int]) -> None:
        """Let the objects that the orphans *numbers* need expire with them, unless they are young themselves; for an object of several tracts the longest window counts."""
        scratch = self._marker.copy()
        since = {number: min(window.since for window in self._windows_of(number)) for number in numbers}
        for number in sorted(since, key=since.__getitem__):
            for at, _ in scratch.walk([number], gaps=True):
                if at < self._catalogue.size and self._age(at) > since[number]:
                    self._add_keepers(at, self._windows_of(number))
                else:
                    self.spend([at])

    def _is_unseen(self, number: int) -> bool:
        return self._marker.marks[number] == UNSEEN

    def _age(self, number: int) -> int:
        """When the orphan was last at a ref, or written, in nanoseconds since 1970."""
        written = min(self._catalogue.written(number) or time_ns(), self._now)
        return max(written, self._left.get(number, 0))

    def _keep(self, numbers: Iterable[int]) -> None:
        """Mark those of *numbers* that one of their windows keeps, and put them into packs.

        Objects within about an eighth of a retention share a pack, so that packs stay few.
        The steps are powers of two, so that they are the same at every gc and copying makes no object younger.
        """
        scratch = self._marker.copy()

        def size(number: int) -> int:
            return sum(self._catalogue.size_of(at) for at, _ in scratch.walk([number], gaps=True))

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
