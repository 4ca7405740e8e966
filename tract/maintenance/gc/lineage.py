"""The commits behind refs, and which refs reach each: a few bytes for each commit, by its number."""

from __future__ import annotations

from array import array
from collections.abc import Container, Iterable, Mapping, Sequence

from tract.errors import BlobNotFoundError
from tract.maintenance.gc.catalogue import NONE, Catalogue
from tract.objects.id import ObjectId
from tract.objects.model import read_commit
from tract.storage.shallow import Cut

Masks = Mapping[int, int]
"""Sets of refs, a bit for each, by the number of a commit."""


class Lineage:
    """All that *starts* reach by parents; what *cuts* has no parents. What is missing is passed over."""

    def __init__(self, catalogue: Catalogue, starts: Iterable[int], cuts: Mapping[ObjectId, Cut]) -> None:
        self._first = array("I")
        self._others: dict[int, tuple[int, ...]] = {}
        generations = array("q")
        found = array("I")
        stack = list(starts)
        while stack:
            number = stack.pop()
            if number < len(generations) and generations[number]:
                continue
            id = catalogue.id_of(number)
            try:
                commit = read_commit(id, catalogue.read(number))
            except BlobNotFoundError:
                continue
            for column, nothing in ((self._first, NONE), (generations, 0)):
                column.extend([nothing] * (number + 1 - len(column)))
            generations[number] = 1 + commit.generation
            found.append(number)
            parents = [] if id in cuts else [catalogue.admit(parent) for parent in commit.parents]
            if parents:
                self._first[number] = parents[0]
                stack += parents
            if len(parents) > 1:
                self._others[number] = tuple(parents[1:])
        self.newest_first: Sequence[int] = sorted(found, key=generations.__getitem__, reverse=True)

    def parents(self, number: int) -> tuple[int, ...]:
        """The parents of a commit, none where history ends."""
        first = self._first[number] if number < len(self._first) else NONE
        return () if first == NONE else (first, *self._others.get(number, ()))


class Reach:
    """For each commit of a *lineage* the refs that reach it, of *tips*; *ends* are commits behind which they do not look.

    *forks* has, for the commits where different refs meet, the refs that come from each side.
    """

    def __init__(self, lineage: Lineage, tips: Masks, ends: Container[int] = ()) -> None:
        self._masks = [0]
        self._numbers = {0: 0}
        self._of = array("I")
        self.forks: dict[int, list[int]] = {}
        for number, mask in tips.items():
            self._come(number, mask)
        for number in lineage.newest_first:
            mask = self[number]
            if mask and number not in ends:
                for parent in lineage.parents(number):
                    self._come(parent, mask)

    def __getitem__(self, number: int) -> int:
        return self._masks[self._of[number]] if number < len(self._of) else 0

    def _come(self, number: int, mask: int) -> None:
        before = self[number]
        if before and (before != mask or number in self.forks):
            self.forks.setdefault(number, [before]).append(mask)
        if before == mask:
            return
        if before:
            mask |= before
        elif number >= len(self._of):
            self._of.extend([0] * (number + 1 - len(self._of)))
        if mask not in self._numbers:
            self._numbers[mask] = len(self._masks)
            self._masks.append(mask)
        self._of[number] = self._numbers[mask]
