"""What some commits reach and others do not: ``main ^draft`` is what main has and draft has not."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from tract.history.context import context_of
from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.repo import Repository


def reachable(
    repo: Repository, starts: Iterable[ObjectId], hidden: Iterable[ObjectId] = (), *, first_parent: bool = False
) -> Iterator[tuple[ObjectId, Commit]]:
    """Every commit that *starts* reach and *hidden* do not, each once, a child always before its parents.

    *first_parent* follows only the first parent from *starts*; what is hidden is hidden with all it reaches.
    A commit comes out of the queue after all its children, so what they say of it is known by then.
    """
    queue: list[tuple[int, int, ObjectId]] = []
    shown: dict[ObjectId, bool] = {}
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
            yield id, commit
        parents = commit.parents[:1] if show and first_parent else commit.parents
        for parent in parents:
            add(parent, show)


def context_objects(repo: Repository, id: ObjectId, seen: set[ObjectId]) -> Iterator[ObjectId]:
    """The tree nodes and blobs of the whole context at commit *id*, and its content, without those in *seen*, which grows.

    A node that was seen is not entered again: beside the commit before it, a commit costs what is new in it.
    """
    commit = repo.commit(id)
    context = context_of(id, commit)
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
        yield from _node_objects(repo, child, seen)


def _unseen(ids: Iterable[ObjectId], seen: set[ObjectId]) -> Iterator[ObjectId]:
    for id in ids:
        if id not in seen:
            seen.add(id)
            yield id
