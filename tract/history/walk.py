"""Walking history: commits and what they came from."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from tract.objects.id import ObjectId
from tract.objects.model import Commit
from tract.repo import Repository


def first_parents(repo: Repository, start: ObjectId | None) -> Iterator[tuple[ObjectId, Commit]]:
    """*start* and its first parents, newest first."""
    at = start
    while at is not None:
        commit = repo.commit(at)
        yield at, commit
        at = commit.parents[0] if commit.parents else None


def ancestors(repo: Repository, starts: Iterable[ObjectId]) -> Iterator[tuple[ObjectId, Commit]]:
    """Every commit reachable from *starts*, each once, a child always before its parents, the newer first beside it.

    Generation numbers order the walk, so it reads no further than it is asked to.
    """
    queue: list[tuple[int, int, ObjectId, Commit]] = []
    seen: set[ObjectId] = set()

    def add(id: ObjectId) -> None:
        if id not in seen:
            seen.add(id)
            commit = repo.commit(id)
            heapq.heappush(queue, (-commit.generation, -commit.time, id, commit))

    for id in starts:
        add(id)
    while queue:
        _, _, id, commit = heapq.heappop(queue)
        yield id, commit
        for parent in commit.parents:
            add(parent)


def is_ancestor(repo: Repository, ancestor: ObjectId, descendant: ObjectId) -> bool:
    """Whether *ancestor* is *descendant* or reachable from it."""
    least = repo.commit(ancestor).generation
    for id, commit in ancestors(repo, [descendant]):
        if id == ancestor:
            return True
        if commit.generation < least:
            return False
    return False
