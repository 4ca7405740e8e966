"""Merging contexts: two lists of entries and the list they both came from become one.

    base     a b c d                    in both, the same blob     kept
    ours     a b' c d e                 changed on one side        that side's entry
    theirs   a b c f                    removed on one side        gone, unless the other side changed it
    merged   a b' c e f                 new on one side            added

Pure: nothing here reads a store.
What cannot be decided is a conflict, which is a value; until it is settled, the merged list keeps everything that both sides have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum
from itertools import chain, pairwise, takewhile
from typing import Literal, TypeAlias

from tract.history.diff import longest_rising
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Entry


class ConflictKind(StrEnum):
    """Why a person has to decide."""

    BOTH_EDITED = "both-edited"
    EDITED_AND_REMOVED = "edited-and-removed"
    EDITED_AND_SKIPPED = "edited-and-skipped"
    BOTH_REPLACED = "both-replaced"
    BOTH_ANSWERED = "both-answered"
    OVERLAPPING = "overlapping"


class EntryConflict(NamedTuple):
    """Two versions of one place: the entries that each of the three lists has there.

    *commit* is one of *ours* or *theirs* and names the conflict; a text that settles it becomes that entry's content.

    both-edited          an entry with another content on either side
    edited-and-removed   edited on one side, gone from the other, through a compression or a revert
    edited-and-skipped   edited on one side, and hidden from the model since the base
    both-replaced        runs of the base that overlap, each replaced by a message of its own: two compressions, say
    both-answered        one tool call, answered on either side with a result of its own
    overlapping          what both sides appended: a conflict only for a caller that asks whether it says the same
    """

    kind: ConflictKind
    commit: ObjectId
    base: tuple[Entry, ...]
    ours: tuple[Entry, ...]
    theirs: tuple[Entry, ...]


UNDECIDED: ObjectId = bytes(32)
"""The blob, in a base merged from several bases, of an entry on which they disagree: whatever a side made of it is that side's own decision."""


Choice: TypeAlias = Literal["ours", "theirs", "both"] | ObjectId | None
"""How a conflict is settled: a side, both, another blob for its entry, or None to leave all of it out."""


class Merged(NamedTuple):
    """The merged entries, which keep everything of each conflict, the conflicts, and the three lists that were merged."""

    entries: tuple[Entry, ...]
    conflicts: tuple[EntryConflict, ...]
    base: Sequence[Entry] = ()
    ours: Sequence[Entry] = ()
    theirs: Sequence[Entry] = ()


class _Replacement(NamedTuple):
    """A run of the base that one side replaced by another entry."""

    start: int
    end: int
    entry: Entry
    is_ours: bool


def merge_contexts(
    base: Sequence[Entry],
    ours: Sequence[Entry],
    theirs: Sequence[Entry],
    *,
    hidden: AbstractSet[ObjectId] = frozenset(),
    is_virtual: bool = False,
) -> Merged:
    """Merge *ours* and *theirs*, with the changes of both since *base*.

    *hidden* are the messages that were skipped since the base. *is_virtual* says that the base was itself merged from several, so that its order means nothing.
    """
    old, mine, other = dict(base), dict(ours), dict(theirs)
    conflicts: list[EntryConflict] = []
    blobs: dict[ObjectId, ObjectId] = {}
    for commit in dict.fromkeys(chain(mine, other)):
        was, a, b = old.get(commit), mine.get(commit), other.get(commit)
        kind, blob = _merged_blob(was, a, b)
        if blob is None:
            continue
        blobs[commit] = blob
        if kind is None and commit in hidden and was not in (None, blob):
            kind = ConflictKind.EDITED_AND_SKIPPED
        if kind is not None:
            conflicts.append(EntryConflict(kind, commit, _entry(commit, was), _entry(commit, a), _entry(commit, b)))
    conflicts += _both_replaced(base, old, mine, other)
    order = _order(base if not is_virtual else (), ours, theirs, blobs)
    entries = tuple((commit, blobs[commit]) for commit in order)
    if conflicts:
        places = {commit: at for at, commit in enumerate(order)}
        conflicts.sort(key=lambda conflict: places[conflict.commit])
    return Merged(entries, tuple(conflicts), base, ours, theirs)


def _merged_blob(
    was: ObjectId | None, ours: ObjectId | None, theirs: ObjectId | None
) -> tuple[ConflictKind | None, ObjectId | None]:
    """An entry's blob after the merge, None if it is gone, and the kind of conflict if a person must decide."""
    if ours == theirs or theirs == was:
        return None, ours
    if ours == was:
        return None, theirs
    if ours is None or theirs is None:
        return ConflictKind.EDITED_AND_REMOVED, ours or theirs
    return ConflictKind.BOTH_EDITED, ours


def _entry(commit: ObjectId, blob: ObjectId | None) -> tuple[Entry, ...]:
    return () if blob is None or blob == UNDECIDED else ((commit, blob),)


def with_conflicts_undecided(merged: Merged) -> tuple[Entry, ...]:
    """The merged entries as a base for further merges, in which no side's answer to a conflict counts as the common state."""
    open_ones = {commit for conflict in merged.conflicts for commit, _ in (*conflict.ours, *conflict.theirs)}
    return tuple((commit, UNDECIDED if commit in open_ones else blob) for commit, blob in merged.entries)


def _order(
    base: Sequence[Entry], ours: Sequence[Entry], theirs: Sequence[Entry], kept: Mapping[ObjectId, ObjectId]
) -> list[ObjectId]:
    """The commits of *kept* in the order of both sides: between two shared commits come ours' own, then theirs'.

    If the sides order shared commits differently, the side that changed the base's order leads; ours if both did.
    """
    mine = [commit for commit, _ in ours if commit in kept]
    other = [commit for commit, _ in theirs if commit in kept]
    in_mine, in_other = set(mine), set(other)
    shared_mine = [commit for commit in mine if commit in in_other]
    shared_other = [commit for commit in other if commit in in_mine]
    ours_leads = True
    anchors = shared_mine
    if shared_mine != shared_other:
        ours_leads = not _is_in_order(base, shared_mine) or _is_in_order(base, shared_other)
        lead, follow = (shared_mine, shared_other) if ours_leads else (shared_other, shared_mine)
        anchors = _longest_common(lead, follow)
    fixed = set(anchors)
    if ours_leads:
        other = [commit for commit in other if commit not in in_mine or commit in fixed]
    else:
        mine = [commit for commit in mine if commit not in in_other or commit in fixed]
    return _interleaved(mine, other, anchors)


def _is_in_order(base: Sequence[Entry], commits: Iterable[ObjectId]) -> bool:
    """True if the commits that the base has are in the base's order; False if it has none of them."""
    places = {commit: at for at, (commit, _) in enumerate(base)}
    found = [places[commit] for commit in commits if commit in places]
    return bool(found) and all(a < b for a, b in pairwise(found))


def _longest_common(lead: Sequence[ObjectId], follow: Sequence[ObjectId]) -> list[ObjectId]:
    """The longest sequence that both have in this order; both hold the same commits, each once."""
    places = {commit: at for at, commit in enumerate(follow)}
    return [follow[at] for at in longest_rising([places[commit] for commit in lead])]


def _interleaved(mine: Sequence[ObjectId], other: Sequence[ObjectId], anchors: Sequence[ObjectId]) -> list[ObjectId]:
    result: list[ObjectId] = []
    a = b = 0
    for anchor in anchors:
        upto, beside = mine.index(anchor, a), other.index(anchor, b)
        result += (*mine[a:upto], *other[b:beside], anchor)
        a, b = upto + 1, beside + 1
    return [*result, *mine[a:], *other[b:]]


def _both_replaced(
    base: Sequence[Entry],
    old: Mapping[ObjectId, ObjectId],
    mine: Mapping[ObjectId, ObjectId],
    other: Mapping[ObjectId, ObjectId],
) -> Iterator[EntryConflict]:
    """Yield runs that one side replaced and overlapping ones that the other side replaced, as one conflict each."""
    if all(commit in mine for commit in old) or all(commit in other for commit in old):
        return
    found = sorted([*_replacements(base, old, mine, other, True), *_replacements(base, old, other, mine, False)])
    while found:
        group = [found.pop(0)]
        while found and found[0].start < max(one.end for one in group):
            group.append(found.pop(0))
        ours = tuple(one.entry for one in group if one.is_ours)
        theirs = tuple(one.entry for one in group if not one.is_ours)
        if ours and theirs:
            removed = base[group[0].start : max(one.end for one in group)]
            gone = tuple(row for row in removed if row[0] not in mine and row[0] not in other and row[1] != UNDECIDED)
            yield EntryConflict(ConflictKind.BOTH_REPLACED, ours[0][0], gone, ours, theirs)


def _replacements(
    base: Sequence[Entry],
    old: Mapping[ObjectId, ObjectId],
    side: Mapping[ObjectId, ObjectId],
    beside: Mapping[ObjectId, ObjectId],
    is_ours: bool,
) -> Iterator[_Replacement]:
    """Yield the runs of the base that *side* lacks and in whose place it has an entry of its own."""
    commits = list(side)
    places = {commit: at for at, commit in enumerate(commits)}
    at = 0
    while at < len(base):
        start = at
        while at < len(base) and base[at][0] not in side:
            at += 1
        if at > start:
            after = places[base[start - 1][0]] + 1 if start else 0
            put = takewhile(lambda commit: commit not in old, commits[after:])
            own = next((commit for commit in put if commit not in beside), None)
            if own is not None:
                yield _Replacement(start, at, (own, side[own]), is_ours)
        at += 1


def appended(merged: Merged) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """The entries that ours and theirs each have of their own after the last shared entry, except those in conflict."""
    taken = {entry[0] for conflict in merged.conflicts for entry in (*conflict.ours, *conflict.theirs)}
    taken.update(commit for commit, _ in merged.base)
    mine, other = dict(merged.ours), dict(merged.theirs)
    return (
        tuple(_tail(merged.ours, other, taken)),
        tuple(_tail(merged.theirs, mine, taken)),
    )


def _tail(side: Sequence[Entry], beside: Mapping[ObjectId, ObjectId], taken: AbstractSet[ObjectId]) -> list[Entry]:
    found = list(takewhile(lambda entry: entry[0] not in beside, reversed(side)))[::-1]
    return [entry for entry in found if entry[0] not in taken]


def settle(merged: Merged, conflicts: Iterable[EntryConflict], choices: Mapping[ObjectId, Choice]) -> tuple[Entry, ...]:
    """The merged entries with the conflicts settled; *choices* are by the commit that names the conflict.

    A conflict without a choice keeps what both sides have, and ours if they differ.
    If a side is chosen over a replacement by the other, the replaced entries come back.
    """
    conflicts = tuple(conflicts)
    undone = [
        (conflict, choices[conflict.commit])
        for conflict in conflicts
        if conflict.kind is ConflictKind.BOTH_REPLACED and choices.get(conflict.commit) in ("ours", "theirs")
    ]
    entries = _without_replacements(merged, undone).entries if undone else merged.entries
    blobs: dict[ObjectId, ObjectId] = {}
    dropped: set[ObjectId] = set()
    for conflict in conflicts:
        _apply(conflict, choices.get(conflict.commit, "both"), blobs, dropped)
    return tuple((commit, blobs.get(commit, blob)) for commit, blob in entries if commit not in dropped)


def _apply(conflict: EntryConflict, choice: Choice, blobs: dict[ObjectId, ObjectId], dropped: set[ObjectId]) -> None:
    ours, theirs = dict(conflict.ours), dict(conflict.theirs)
    if choice == "both":
        return
    if conflict.kind is ConflictKind.EDITED_AND_SKIPPED and choice in ("ours", "theirs"):
        return  # the other side did not change the content: the edit stays
    if choice == "ours":
        dropped |= theirs.keys() - ours.keys()
        blobs |= ours
    elif choice == "theirs":
        dropped |= ours.keys() - theirs.keys()
        blobs |= theirs
    else:
        dropped |= ours.keys() | theirs.keys()
        if isinstance(choice, bytes):
            dropped.discard(conflict.commit)
            blobs[conflict.commit] = choice


def _without_replacements(merged: Merged, undone: Iterable[tuple[EntryConflict, Choice]]) -> Merged:
    """The merge without the replacements of the sides that were not chosen."""
    old, mine, other = dict(merged.base), dict(merged.ours), dict(merged.theirs)
    ours, theirs = list(merged.ours), list(merged.theirs)
    replaced = {one.entry[0]: one for one in _replacements(merged.base, old, mine, other, True)}
    replaced |= {one.entry[0]: one for one in _replacements(merged.base, old, other, mine, False)}
    for conflict, choice in undone:
        side, gone = (theirs, conflict.theirs) if choice == "ours" else (ours, conflict.ours)
        for entry in gone:
            one = replaced[entry[0]]
            at = side.index(entry)
            side[at : at + 1] = merged.base[one.start : one.end]
    return merge_contexts(merged.base, ours, theirs)
