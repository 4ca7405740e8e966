"""The commits that some commits reach and others do not: ``main ^draft`` stands for those that main has and draft lacks."""

from __future__ import annotations

import heapq
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from tract.history.context import context_of
from tract.history.walk import ancestors, in_date_order
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.repo import Repository
from tract.tree import EMPTY, node_of_level

Step: TypeAlias = tuple[bool, list[int]]
"""True for a compress commit, and the commit's parents; no parents if history was cut."""


def reachable(
    repo: Repository, starts: Iterable[ObjectId], hidden: Iterable[ObjectId] = (), *, first_parent: bool = False
) -> Iterator[tuple[ObjectId, Commit]]:
    """Yield every commit that *starts* reach and *hidden* do not, each once, in the order of :func:`tract.history.walk.ancestors`.

    *first_parent* follows only first parents from *starts*; everything that a hidden commit reaches is hidden too.
    """
    hidden = list(hidden)
    if not hidden:
        return ancestors(repo, starts, first_parent=first_parent)
    return in_date_order(_not_hidden(repo, starts, hidden, first_parent), first_parent=first_parent)


def _not_hidden(
    repo: Repository, starts: Iterable[ObjectId], hidden: Iterable[ObjectId], first_parent: bool
) -> dict[ObjectId, Commit]:
    """The commits that *starts* reach and *hidden* do not.

    A commit leaves the queue after all its children, so all that they say about it is known by then.
    """
    queue: list[tuple[int, int, ObjectId]] = []
    shown: dict[ObjectId, bool] = {}
    found: dict[ObjectId, Commit] = {}
    waiting = 0  # shown commits in the queue: without any, the walk is over

    def add(id: ObjectId, show: bool) -> None:
        nonlocal waiting
        before = shown.get(id)
        if before is None:
            commit = repo.commit(id)
            heapq.heappush(queue, (-commit.generation, -commit.time, id))
        shown[id] = show if before is None else show and before
        waiting += shown[id] - bool(before)

    for id in starts:
        add(id, True)
    for id in hidden:
        add(id, False)
    while waiting:
        id = heapq.heappop(queue)[2]
        commit = repo.commit(id)
        show = shown[id]
        if show:
            waiting -= 1
            found[id] = commit
        parents = commit.parents[:1] if show and first_parent else commit.parents
        for parent in parents:
            add(parent, show)
    return found


def context_objects(repo: Repository, id: ObjectId, seen: set[ObjectId]) -> Iterator[ObjectId]:
    """Yield the tree nodes and blobs of the whole context at commit *id*, and its content, except those in *seen*, to which they are added.

    A seen node is not entered again: after its parent, a commit costs only what is new in it.
    If gc cut the commit's context, only the content is left.
    """
    commit = repo.commit(id)
    cut = repo.shallow.cuts.get(id)
    context = context_of(id, commit) if cut is None or cut.grade == "parents" else EMPTY
    if context.tree is not None:
        yield from _node_objects(repo, context.tree, seen)
    content = () if commit.content is None else (commit.content,)
    yield from _unseen((*context.open[1::2], *content), seen)


def _node_objects(repo: Repository, id: ObjectId, seen: set[ObjectId]) -> Iterator[ObjectId]:
    if id in seen:
        return
    seen.add(id)
    yield id
    node = repo.node(id)
    if node.level == 0:
        yield from _unseen(node.items[1::2], seen)
        return
    for child in node.items[::2]:
        node_of_level(repo, child, node.level - 1)
        yield from _node_objects(repo, child, seen)


def _unseen(ids: Iterable[ObjectId], seen: set[ObjectId]) -> Iterator[ObjectId]:
    for id in ids:
        if id not in seen:
            seen.add(id)
            yield id


def merge_bases(repo: Repository, one: ObjectId, *others: ObjectId) -> list[ObjectId]:
    """The merge bases: the best commits that *one* and any of *others* both reach, the newest first; empty if there is none.

    Best means that none of them reaches another. Criss-cross merges leave several.
    A commit is visited after all its descendants, so a better one above it is known by then.
    """
    ours, theirs, stale = 1, 2, 4
    queue: list[tuple[int, int, ObjectId]] = []
    seen_by: dict[ObjectId, int] = {}
    open_ = 0  # commits in the queue that may still lead to a base

    def add(id: ObjectId, sides: int) -> None:
        nonlocal open_
        before = seen_by.get(id)
        if before is None:
            commit = repo.commit(id)
            heapq.heappush(queue, (-commit.generation, -commit.time, id))
            open_ += 1
        now = seen_by[id] = (before or 0) | sides
        open_ -= bool(now & stale) and not (before or 0) & stale

    add(one, ours)
    for id in others:
        add(id, theirs)
    found: list[ObjectId] = []
    while open_:
        id = heapq.heappop(queue)[2]
        sides = seen_by[id]
        if not sides & stale:
            open_ -= 1
            if sides == ours | theirs:
                found.append(id)
                sides |= stale
        for parent in repo.commit(id).parents:
            add(parent, sides)
    return found


def meetings(
    step: Callable[[int], Step], tips: Mapping[str, int], expired: Collection[int], sides: array[int]
) -> dict[int, set[str]]:
    """The compress commits behind which the histories of *tips* meet, each with the tips that lead there another way.

        main   a ─ b ─ c ─ d ─ C ─ e         C expired; side reaches b another way
        side       └─ s ─ t                  without c and d the two would have no merge base

    Each commit gets a side (its entry in *sides*, which begin as 0): that of the first tip that reaches it without passing an expired compression, else that of the first expired compression behind which it lies.
    As long as no path behind an expired compression leads to another side, every two tips keep the merge bases that they would have with all history. Otherwise all compressions on that path are in the result.
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
    """Put every commit at or behind *starts* that has no side on the side *own*; do not go past *ends*.

    Yields each of these commits with True if it is a compress commit, and also the commits of other sides at which it stops.
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
