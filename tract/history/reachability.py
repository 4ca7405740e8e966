"""What some commits reach and others do not: ``main ^draft`` is what main has and draft has not."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from tract.history.context import context_of
from tract.history.walk import ancestors, in_date_order
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.repo import Repository
from tract.tree import EMPTY, node_of_level


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
