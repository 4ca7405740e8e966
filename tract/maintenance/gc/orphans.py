"""Orphans: what no ref needs. How old it is, whose it was, and what of it is kept for a while.

An orphan is as old as the move of a ref away from it, or where no operation tells, as its pack or file; whatever a young orphan needs is as young.
It belongs to the tracts whose refs have been there, and so does all that it needs; the longest retention of those counts. What no operation tells of belongs to the root tract.
A size keeps the newest orphans of its tracts, each with what it needs.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from time import time_ns

from tract.config import Retention
from tract.maintenance.gc.catalogue import UNSEEN
from tract.maintenance.gc.mark import Groups, Marker, PackOrder, size_of
from tract.maintenance.gc.options import GCOptions, nanoseconds
from tract.objects.id import ObjectId
from tract.objects.model import RefValue
from tract.reflog import kept_values, released_commits
from tract.repo import Repository

# Packs of orphans that are kept for ever, or by a size, span so many days.
_LONG_DAYS = 3650.0
_SIZED_DAYS = 90.0


class Orphans:
    """The objects that *marker* has as UNSEEN, with their ages; *now* is in nanoseconds since 1970."""

    def __init__(self, repo: Repository, marker: Marker, options: GCOptions, now: int) -> None:
        self._repo = repo
        self._marker = marker
        self._catalogue = catalogue = marker.catalogue
        self._options = options
        self._now = now
        self._ages = array("q", bytes(8 * catalogue.size))
        self._left: defaultdict[int, dict[int, int]] = defaultdict(dict)
        """By the index of options: when a ref was last at a commit."""
        self.there_are = False
        for number in marker.marked(UNSEEN):
            if number < catalogue.size:
                self.there_are = True
                self._ages[number] = min(catalogue.written(number) or time_ns(), now)

    def read_history(self, since: int) -> tuple[array[int], int]:
        """Take the ages of orphans from the operations; gives back those that the reflog keeps, the newest first, and how many of them come before the first settled one.

        The reflog goes back to the oldest operation that is younger than *since*: a clock that once was wrong cuts nothing off.
        Where there are no orphans, nothing is read behind the first settled operation.
        """
        is_settled = self._catalogue.is_settled
        settled = -1
        operations = array("I")
        young = 0
        before: ObjectId | None = None
        for id, operation in self._repo.refs.history():
            if id != before:
                number = self._catalogue.admit(id)
                operations.append(number)
                before = id
                if settled < 0 and is_settled(number):
                    settled = len(operations) - 1
                    if not self.there_are:
                        return operations, settled
            moment = operation.time * 1000
            if moment >= since:
                young = len(operations)
            if self.there_are:
                for change in operation.changes:
                    self._leave(change.name, change.new, moment)
                    self._leave(change.name, change.old, moment)
        return operations[:young], min(young, settled) if settled >= 0 else young

    def _leave(self, ref: str, value: RefValue | None, moment: int) -> None:
        """Note that *ref* moved to *value* or away from it."""
        number = self._catalogue.number_of(value) if isinstance(value, bytes) else None
        if number is not None and number < self._catalogue.size and self._marker.marks[number] == UNSEEN:
            self._ages[number] = max(self._ages[number], moment)
            left = self._left[self._options.index_of(ref)]
            left[number] = max(left.get(number, 0), moment)

    def expire_hard_resets(self) -> None:
        """Expire what only a hard reset still refers to, unless an entry of the reflog, or something that one needs, keeps it."""
        if not self.there_are:
            return
        number_of = self._catalogue.number_of
        released = [number for id in released_commits(self._repo) if (number := number_of(id)) is not None]
        if released:
            spared = self._marker.copy()
            held = [number for _, id in kept_values(self._repo) if (number := number_of(id)) is not None]
            deque(spared.walk(held, gaps=True), maxlen=0)
            self.expire(found.number for found in spared.walk(released, gaps=True))

    def expire(self, numbers: Iterable[int]) -> None:
        """Let no retention keep the objects *numbers*."""
        for number in numbers:
            if number < len(self._ages):
                self._ages[number] = 0

    def keep(self) -> dict[int, Groups]:
        """Mark the orphans that stay, with all that they need; by the time that their pack gets, that of the youngest.

        Those within about an eighth of a retention share a pack, so that packs stay few.
        The steps are powers of two, so that they are the same at every gc and nothing grows younger by being copied.
        """
        together: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        for retention, numbers in self._young():
            step = _step(retention)
            for number in numbers:
                together[step, self._ages[number] // step].append(number)
        kept: dict[int, Groups] = {}
        for cell in sorted(together, key=lambda cell: (-cell[0] * cell[1], cell[0])):
            members = sorted(together[cell], key=self._ages.__getitem__, reverse=True)
            order = PackOrder(self._catalogue)
            for found in self._marker.walk(members, gaps=True):
                order.add(found)
            groups = order.groups(members)
            if any(groups.values()):
                written = self._ages[members[0]]
                while written in kept:
                    written -= 1
                kept[written] = groups
        return kept

    def _young(self) -> Iterator[tuple[Retention, Iterable[int]]]:
        """What the options of each tract keep."""
        each = self._options.each
        owners = None if len(each) == 1 else self._owners()
        for index, kept in enumerate(one.orphans for one in each):
            if kept.size is None:
                yield kept, self._younger(index, kept.days or 0.0, owners)
            else:
                yield kept, self._newest(index, kept.size, owners)

    def _owners(self) -> array[int]:
        """For each object the index of the options that keep it the longest; a size counts only where there is no other."""
        each = self._options.each
        owners = array("I", bytes(4 * self._catalogue.size))
        scratch = self._marker.copy()
        for index in sorted(self._left, key=lambda index: -(each[index].orphans.days or 0.0)):
            for found in scratch.walk(self._left[index], gaps=True):
                if found.number < len(owners):
                    owners[found.number] = index
        return owners

    def _younger(self, own: int, days: float, owners: array[int] | None) -> Iterator[int]:
        oldest = max(0, self._now - nanoseconds(days))  # what expired has the age 0
        for number in self._catalogue.in_order():
            is_mine = owners is None or owners[number] == own
            if is_mine and self._marker.marks[number] == UNSEEN and self._ages[number] > oldest:
                yield number

    def _newest(self, own: int, size: int, owners: array[int] | None) -> list[int]:
        """The newest orphans that fit into *size* bytes, each with what it needs that nothing else keeps; what no operation tells of comes last."""
        left = self._left[own]
        mine = [number for number in self._of(own, owners) if self._ages[number]]
        kind_of = self._catalogue.kind_of
        mine.sort(key=lambda n: (n not in left, -left.get(n, self._ages[n]), kind_of(n) != "commit"))
        scratch = self._marker.copy()
        chosen: list[int] = []
        for number in mine:
            if scratch.mark_of(number) == UNSEEN:
                size -= sum(size_of(self._catalogue, found.number) for found in scratch.walk([number], gaps=True))
                if size < 0:
                    break
                chosen.append(number)
        return chosen

    def _of(self, own: int, owners: array[int] | None) -> Iterator[int]:
        """The orphans of the tracts that have the options *own*, those that they share with others too."""
        scratch = self._marker.copy()
        for found in scratch.walk(self._left[own], gaps=True):
            if found.number < self._catalogue.size and self._marker.marks[found.number] == UNSEEN:
                yield found.number
        if own == 0:
            for number in self._catalogue.in_order():
                if scratch.marks[number] == UNSEEN and (owners is None or owners[number] == 0):
                    yield number


def _step(retention: Retention) -> int:
    """Nanoseconds, a power of two."""
    days = _SIZED_DAYS if retention.days is None else min(retention.days, _LONG_DAYS)
    return 1 << (max(1, nanoseconds(days)) // 8).bit_length()
