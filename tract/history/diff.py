"""The differences between two lists of messages: added, removed, changed and moved messages.

    before   a  b  c  d  e          a message is known by the commit that introduced it
    after    a  B  d  c  f          removed: e   added: f   changed: b   moved: d or c, the fewest that explain the order

The lists are contexts, as ``(commit, blob)``, or anything else that pairs a commit with a value.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, Literal, TypeVar

from tract.history.context import context_of, count_entries, entries
from tract.history.tree_diff import TreeChange, diff_contexts
from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.json import same_json
from tract.objects.model import Commit, CommitOperation
from tract.repo import Repository
from tract.tree import EMPTY, Context

_V = TypeVar("_V")

Kind = Literal["added", "removed", "changed", "moved"]


class MessageChange(NamedTuple, Generic[_V]):
    """One message that differs: its old and new value, and its places from 0; None on the side that lacks it.

    A changed message may have *moved* as well.
    """

    commit: ObjectId
    before: _V | None
    after: _V | None
    place_before: int | None
    place_after: int | None
    moved: bool = False

    @property
    def kind(self) -> Kind:
        if self.place_before is None:
            return "added"
        if self.place_after is None:
            return "removed"
        return "moved" if self.before == self.after else "changed"


def compare_rows(
    before: Sequence[tuple[ObjectId, _V]], after: Sequence[tuple[ObjectId, _V]]
) -> tuple[MessageChange[_V], ...]:
    """The differences between two lists of messages, in the order of *after*; removed messages come before those that replaced them."""
    start, end = _common_ends(before, after)
    old, new = before[start : len(before) - end], after[start : len(after) - end]
    old_places = {commit: at for at, (commit, _) in enumerate(old)}
    new_places = {commit: at for at, (commit, _) in enumerate(new)}
    shared = [new_places[commit] for commit, _ in old if commit in new_places]
    found: list[MessageChange[_V]] = []
    old_at = new_at = 0
    for place in [*longest_rising(shared), len(new)]:
        stay = old_places[new[place][0]] if place < len(new) else len(old)
        for at in range(old_at, stay):
            commit, value = old[at]
            if commit not in new_places:
                found.append(MessageChange(commit, value, None, start + at, None))
        for at in range(new_at, place):
            commit, value = new[at]
            was = old_places.get(commit)
            if was is None:
                found.append(MessageChange(commit, None, value, None, start + at))
            else:
                found.append(MessageChange(commit, old[was][1], value, start + was, start + at, moved=True))
        if place < len(new) and old[stay][1] != new[place][1]:
            found.append(MessageChange(new[place][0], old[stay][1], new[place][1], start + stay, start + place))
        old_at, new_at = stay + 1, place + 1
    return tuple(found)


def _common_ends(before: Sequence[object], after: Sequence[object]) -> tuple[int, int]:
    """The number of equal rows at the start, and of further equal rows at the end."""
    most = min(len(before), len(after))
    start = 0
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    return start, end


def longest_rising(numbers: Sequence[int]) -> list[int]:
    """The longest rising subsequence of *numbers* (by patience sorting)."""
    tops: list[int] = []  # the lowest number that a rising run of each length can end in
    ends: list[int] = []  # and where that number stands
    before: list[int] = []  # for each number, where the one before it in its run stands
    for at, number in enumerate(numbers):
        pile = bisect_left(tops, number)
        if pile == len(tops):
            tops.append(number)
            ends.append(at)
        else:
            tops[pile], ends[pile] = number, at
        before.append(ends[pile - 1] if pile else -1)
    found: list[int] = []
    at = ends[-1] if ends else -1
    while at >= 0:
        found.append(numbers[at])
        at = before[at]
    return found[::-1]


def compare_contexts(repo: Repository, before: Context, after: Context) -> tuple[MessageChange[ObjectId], ...]:
    """The differences between two contexts. Only nodes that differ are read, and contents with different blobs.

    Contents that differ only in the order of keys count as equal.
    """
    return tuple(_told_apart(repo, _compare_blobs(repo, before, after)))


def same_content(repo: Repository, one: ObjectId | None, other: ObjectId | None) -> bool:
    """True if two blobs are the same JSON value; the order of keys does not matter."""
    if one == other or one is None or other is None:
        return one == other
    return same_json(repo.blob(one), repo.blob(other))


def _told_apart(repo: Repository, changes: Iterable[MessageChange[ObjectId]]) -> Iterator[MessageChange[ObjectId]]:
    """The changes without those in which only the order of keys differs."""
    for change in changes:
        if change.kind != "changed" or not same_content(repo, change.before, change.after):
            yield change
        elif change.moved:
            yield change._replace(before=change.after)


def _compare_blobs(repo: Repository, before: Context, after: Context) -> tuple[MessageChange[ObjectId], ...]:
    parts = list(diff_contexts(repo, before, after))
    home = {commit: number for number, part in enumerate(parts) for commit, _ in part.old}
    if any(home.get(commit, number) != number for number, part in enumerate(parts) for commit, _ in part.new):
        # A message went from one part to another: only a comparison of the whole lists shows which ones moved.
        return compare_rows(entries(repo, before), entries(repo, after))
    return tuple(change for part in parts for change in _placed(part))


def _placed(part: TreeChange) -> Iterator[MessageChange[ObjectId]]:
    """The differences in one part of two contexts, with their places in the contexts."""
    for change in compare_rows(part.old, part.new):
        was = None if change.place_before is None else part.old_start + change.place_before
        now = None if change.place_after is None else part.new_start + change.place_after
        yield change._replace(place_before=was, place_after=now)


def changes_of(repo: Repository, id: ObjectId, commit: Commit, parent: int = 0) -> tuple[MessageChange[ObjectId], ...]:
    """The changes of commit *id* to the context of one of its parents, by default the first. A root commit counts from an empty context, and so does a commit that gc cut."""
    if commit.operation is CommitOperation.NOTE:
        return ()
    context = context_of(id, commit)
    if id in repo.shallow.cuts and commit.operation is CommitOperation.APPEND and commit.content is not None:
        context = Context(None, (id, commit.content))  # what was before may be gone
    if len(commit.parents) <= parent:
        return compare_contexts(repo, EMPTY, context)
    before = commit.parents[parent]
    if commit.operation is CommitOperation.APPEND and commit.content is not None and len(commit.parents) == 1:
        return (MessageChange(id, None, commit.content, None, count_entries(repo, context) - 1),)
    return compare_contexts(repo, context_of(before, repo.commit(before)), context)
