"""What some commits reach and others do not: ``main ^draft`` is what main has and draft has not."""

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
"""Whether a commit is a compress commit, and its parents; none where history was cut."""


def reachable(
    repo: Repository, starts: Iterable[ObjectId], hidden: Iterable[ObjectId] = (), *, first_parent: bool = False
) -> Iterator[tuple[ObjectId, Commit]]:
    """Every commit that *starts* reach and *hidden* do not, each once, in the order of :func:`tract.history.walk.ancestors`.

    *first_parent* follows only the first parent from *starts*; what is hidden is hidden with all it reaches.
    """
    hidden = list(hidden)
    if not hidden:
        return ancestors(repo, starts, first_parent=first_parent)
    return in_date_order(_not_hidden(repo, starts, hidden, first_parent), first_parent=first_parent)


def _not_hidden(
    repo: Repository, starts: Iterable[ObjectId], hidden: Iterable[ObjectId], first_parent: bool
) -> dict[ObjectId, Commit]:
    """What *starts* reach and *hidden* do not.

    A commit comes out of the queue after all its children, so what they say of it is known by then.
    """
    queue: list[tuple[int, int, ObjectId]] = []
    shown: dict[ObjectId, bool] = {}
    found: dict[ObjectId, Commit] = {}
    waiting = 0  # commits in the queue that are shown so far: without any, the walk is over

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
    """The tree nodes and blobs of the whole context at commit *id*, and its content, without those in *seen*, which grows.

    A node that was seen is not entered again: beside the commit before it, a commit costs what is new in it.
    Of a commit whose context gc cut there is the content.
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
    """The best commits that *one* and any of *others* both reach, the newest first; empty where there is none.

    Best: none of them reaches another of them. Criss-cross merges leave several.
    A commit is met after all its descendants, so whether a better one is above it is known by then.
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
