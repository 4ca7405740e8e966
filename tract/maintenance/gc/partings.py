"""Merge bases that go with archives: what two branches last had in common, and cannot be merged without.

    main   a ─ b ─ c ─ d ─ C ─ e         C is a compress commit; of d nothing but its message would stay
    side           └─ s ─ t              c stays, for side leads there: but nothing would lead from main to it

Where two refs meet, a commit is one of their merge bases. It is lost when one of them does not come there any more after the cut.
And they meet at a commit where they did not before, when it is cut off from a merge base above it: of two bases nobody could tell that one is the older.
The compress commits on the way are those that merges need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from tract.maintenance.gc.lineage import Lineage, Reach


class Tip(NamedTuple):
    """A branch, a tag or a HEAD that is on none: its full name, its tract's prefix, and the number of its commit."""

    name: str
    tract: str
    number: int
    is_branch: bool


class Parting(NamedTuple):
    """By a cut at a compress commit, *ref* and *others*, a bit for each by its place among the tips, would not have the merge bases any more that they have."""

    compression: int
    ref: Tip
    others: int


class _Change(NamedTuple):
    """At the commit *fork*, the *pairs* of refs, by the one, meet no more; or with *is_new* they do though they did not before. *refs* are those of all pairs."""

    fork: int
    refs: int
    pairs: Mapping[int, int]
    is_new: bool

    def touches(self, here: int) -> bool:
        """Whether it concerns any."""
        return bool(self.refs & here) and (not self.is_new or bool(self.concerns(here)))

    def concerns(self, here: int) -> dict[int, int]:
        """The pairs whose way leads over a commit that the refs *here* reach: of a new fork the way down from a base that both have."""
        pairs = {ref: others & here if self.is_new else others for ref, others in self.pairs.items() if here >> ref & 1}
        return {ref: others for ref, others in pairs.items() if others}


def find_partings(lineage: Lineage, tips: Sequence[Tip], going: Collection[int]) -> Iterator[Parting]:
    """What parts when history ends at the compress commits *going*. Of two tags nobody cares, for neither can be merged into."""
    at: dict[int, int] = {}
    for bit, tip in enumerate(tips):
        at[tip.number] = at.get(tip.number, 0) | 1 << bit
    before = Reach(lineage, at)
    if not before.forks or not going:
        return
    after = Reach(lineage, at, going)
    changes = []
    for fork in before.forks.keys() | after.forks.keys():
        were, are = _meetings(before.forks.get(fork, ())), _meetings(after.forks.get(fork, ()))
        lost = {ref: gone for ref, others in were.items() if (gone := _gone(ref, others, after[fork]))}
        new = {ref: others & ~were.get(ref, 0) for ref, others in are.items() if others & ~were.get(ref, 0)}
        for pairs, is_new in ((lost, False), (new, True)):
            if pairs:
                changes.append(_Change(fork, sum(1 << ref for ref in pairs), pairs, is_new))
    if changes:
        yield from _on_the_way(lineage, tips, going, before, changes)


def _meetings(sides: Sequence[int]) -> dict[int, int]:
    """By ref, those that it meets where the refs of these *sides* come together, and in no commit above."""
    everybody = 0
    for side in sides:
        everybody |= side
    met: dict[int, int] = {}
    for ref in bits(everybody):
        known = 0
        for side in sides:
            if side >> ref & 1:
                known |= side
        if everybody & ~known:
            met[ref] = everybody & ~known
    return met


def _gone(ref: int, others: int, after: int) -> int:
    """Those of *others* that *ref*, which does not come here any more, meets no more: the other side of the pair is told by itself."""
    return 0 if after >> ref & 1 else others


def _on_the_way(
    lineage: Lineage, tips: Sequence[Tip], going: Collection[int], before: Reach, changes: Sequence[_Change]
) -> Iterator[Parting]:
    """The compress commits in *going* between each fork that changes and the refs that it changes for."""
    carried: dict[int, int] = {}  # the changes behind a commit, a bit for each
    known: dict[tuple[int, int], int] = {}  # of those, the ones that concern refs: along a line always the same
    starts: dict[int, int] = {}
    for bit, change in enumerate(changes):
        starts[change.fork] = starts.get(change.fork, 0) | 1 << bit
    for number in reversed(lineage.newest_first):
        behind = 0
        for parent in lineage.parents(number):
            behind |= carried.get(parent, 0)
        if behind:
            here = before[number]
            if (behind, here) not in known:
                known[behind, here] = sum(1 << bit for bit in bits(behind) if changes[bit].touches(here))
            behind = known[behind, here]
            if number in going:
                yield from _partings_at(number, tips, [changes[bit].concerns(here) for bit in bits(behind)])
        if behind or number in starts:
            carried[number] = behind | starts.get(number, 0)


def _partings_at(number: int, tips: Sequence[Tip], concerned: Sequence[Mapping[int, int]]) -> Iterator[Parting]:
    pairs: dict[int, int] = {}
    for found in concerned:
        for ref, others in found.items():
            pairs[ref] = pairs.get(ref, 0) | others
    branches = sum(1 << bit for bit, tip in enumerate(tips) if tip.is_branch)
    for ref, others in sorted(pairs.items()):
        wanted = others if tips[ref].is_branch else others & branches
        if wanted:
            yield Parting(number, tips[ref], wanted)


def bits(mask: int) -> Iterator[int]:
    """The places of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
