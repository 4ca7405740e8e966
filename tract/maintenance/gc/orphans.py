"""Orphans: what no ref reaches. How old it is, whose it was, and what of it is kept for a while.

An orphan is as old as the move of a ref away from it, or where no operation tells, as the pack or file it is in.
It is of the tracts whose refs have been there, and so is all that it needs; the longest window of those is its own, from the newest of the moves.
What no operation tells of is the root tract's. A size keeps the newest orphans of its tracts, each with what it needs.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial

from tract.config import Retention
from tract.maintenance.gc.catalogue import OPERATION, UNSEEN, Catalogue
from tract.maintenance.gc.cutting import Cutting
from tract.maintenance.gc.marks import Groups, mark, walk
from tract.maintenance.gc.policies import Policies, nanoseconds
from tract.objects.model import RefValue
from tract.reflog import kept_values, released_commits
from tract.repo import Repository

# Packs of what is kept without an end, or by its size, span so much of time.
_LONG_DAYS = 3650.0
_SIZED_DAYS = 90.0


class Orphans:
    """What is UNSEEN in *marks*; *now* in nanoseconds since 1970, *written_now* the same for what the journal has."""

    def __init__(self, catalogue: Catalogue, marks: bytearray, policies: Policies, now: int, written_now: int) -> None:
        self._catalogue = catalogue
        self._marks = marks
        self._policies = policies
        self._now = now
        self._left: dict[int, dict[int, int]] = {}  # by policy: when a ref last was there
        self.ages = array("q", bytes(8 * catalogue.size))
        number = marks.find(UNSEEN)
        while 0 <= number < catalogue.size:
            if catalogue.is_single(number) and catalogue.kind_of(number) == "operation":
                marks[number] = OPERATION
            else:
                self.ages[number] = min(catalogue.written(number) or written_now, now)
            number = marks.find(UNSEEN, number + 1)

    def leave(self, ref: str, value: RefValue | None, moment: int) -> None:
        """Take in that the ref *ref* moved to or away from *value*."""
        number = self._catalogue.number_of(value) if isinstance(value, bytes) else None
        if number is not None and number < self._catalogue.size and self._marks[number] == UNSEEN:
            self.ages[number] = max(self.ages[number], moment)
            left = self._left.setdefault(self._policies.number_of(ref), {})
            left[number] = max(left.get(number, 0), moment)

    def age_dropped(self, repo: Repository) -> None:
        """Let what only hard resets left behind be old at once: what no reflog holds any more, and nothing it holds needs."""
        catalogue = self._catalogue
        released = [number for id in released_commits(repo) if (number := catalogue.number_of(id)) is not None]
        if not released:
            return
        spared = bytearray(self._marks)
        held = [number for _, id in kept_values(repo) if (number := catalogue.number_of(id)) is not None]
        deque(walk(catalogue, held, spared, gaps=True), maxlen=0)
        for found in walk(catalogue, released, spared, gaps=True):
            if found.number < len(self.ages):
                self.ages[found.number] = 0

    def keep(self, cutting: Cutting | None) -> dict[int, Groups]:
        """Mark what is kept, with all it needs, by the time its pack gets: that of its youngest.

        What has about an eighth of the retention between it goes together, so that packs stay few;
        the steps are powers of two, so that it is the same ones at every gc, and nothing grows younger by being copied.
        """
        together: dict[tuple[int, int], list[int]] = {}
        for retention, numbers in self._chosen():
            step = _step(retention)
            for number in numbers:
                together.setdefault((step, self.ages[number] // step), []).append(number)
        kept: dict[int, Groups] = {}
        gather = partial(mark, gaps=True) if cutting is None else cutting.gather
        for cell in sorted(together, key=lambda cell: (-cell[0] * cell[1], cell[0])):
            members = sorted(together[cell], key=self.ages.__getitem__, reverse=True)
            groups = gather(self._catalogue, members, self._marks)
            if any(groups.values()):
                written = self.ages[members[0]]
                while written in kept:
                    written -= 1
                kept[written] = groups
        return kept

    def _chosen(self) -> Iterator[tuple[Retention, Iterable[int]]]:
        """What each policy keeps."""
        policies = self._policies.policies
        owners = None if len(policies) == 1 else self._owners()
        for number, policy in enumerate(policies):
            if policy.orphans.size is None:
                yield policy.orphans, self._young(number, policy.orphans, owners)
            else:
                yield policy.orphans, self._newest(number, policy.orphans.size, owners)

    def _owners(self) -> array[int]:
        """For each object the policy that keeps it the longest of those it is of; that of a size only where no other is."""
        policies = self._policies.policies
        owners = array("I", bytes(4 * self._catalogue.size))
        seen = bytearray(self._marks)
        for number in sorted(self._left, key=lambda number: -(policies[number].orphans.days or 0.0)):
            for found in walk(self._catalogue, self._left[number], seen, gaps=True):
                if found.number < len(owners):
                    owners[found.number] = number
        return owners

    def _young(self, policy: int, retention: Retention, owners: array[int] | None) -> Iterator[int]:
        oldest = max(0, self._now - nanoseconds(retention.days or 0.0))  # what is to go has no age
        for number in self._catalogue.in_order():
            is_mine = owners is None or owners[number] == policy
            if is_mine and self._marks[number] == UNSEEN and self.ages[number] > oldest:
                yield number

    def _newest(self, policy: int, size: int, owners: array[int] | None) -> list[int]:
        """The newest that fit into *size*, with what they need that nothing reaches; what no operation tells of comes last."""
        left = self._left.get(policy, {})
        mine = [number for number in self._of(policy, owners) if self.ages[number]]
        kind_of = self._catalogue.kind_of
        mine.sort(
            key=lambda number: (number not in left, -left.get(number, self.ages[number]), kind_of(number) != "commit")
        )
        seen = bytearray(self._marks)
        chosen: list[int] = []
        for number in mine:
            if seen[number] == UNSEEN:
                size -= sum(found.size for found in walk(self._catalogue, [number], seen, gaps=True))
                if size < 0:
                    break
                chosen.append(number)
        return chosen

    def _of(self, policy: int, owners: array[int] | None) -> Iterator[int]:
        """The objects of a policy's tracts, those it shares with others too."""
        seen = bytearray(self._marks)
        for found in walk(self._catalogue, self._left.get(policy, ()), seen, gaps=True):
            if found.number < self._catalogue.size:
                yield found.number
        if policy == 0:
            for number in self._catalogue.in_order():
                if seen[number] == UNSEEN and (owners is None or owners[number] == 0):
                    yield number


def _step(retention: Retention) -> int:
    """Nanoseconds, a power of two."""
    days = _SIZED_DAYS if retention.days is None else min(retention.days, _LONG_DAYS)
    return 1 << (max(1, nanoseconds(days)) // 8).bit_length()
