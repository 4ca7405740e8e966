"""Walking history: commits and their ancestors."""

from __future__ import annotations

import heapq
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from tract.annotations import TypeVar
from tract.errors import ObjectCorruptError
from tract.objects.id import ObjectId
from tract.objects.model import Commit, Outline
from tract.repo import Repository

_C = TypeVar("_C", Commit, Outline)
_T = TypeVar("_T")


def at_most(items: Iterable[_T], limit: int | None, skip: int = 0) -> Iterator[_T]:
    """At most *limit* of *items* after the first *skip*; all of them if *limit* is None, or larger than a machine can count to."""
    skip = min(skip, sys.maxsize)
    return islice(items, skip, None if limit is None else min(skip + limit, sys.maxsize))


def first_parents(repo: Repository, start: ObjectId | None) -> Iterator[tuple[ObjectId, Commit]]:
    """Yield *start* and its first parents, newest first."""
    return _line(repo.commit, start)


def first_outlines(repo: Repository, start: ObjectId | None) -> Iterator[tuple[ObjectId, Outline]]:
    """Do the same with outlines of commits, in a third of the time: for walks that go far."""
    return _line(repo.outline, start)


def _line(read: Callable[[ObjectId], _C], start: ObjectId | None) -> Iterator[tuple[ObjectId, _C]]:
    at = start
    while at is not None:
        commit = read(at)
        yield at, commit
        at = commit.parents[0] if commit.parents else None


def ancestors(
    repo: Repository, starts: Iterable[ObjectId], *, first_parent: bool = False
) -> Iterator[tuple[ObjectId, Commit]]:
    """Yield every commit reachable from *starts*, each once: children before their parents, and otherwise the newer first, as git's ``--date-order``.

    A commit comes when all its children have come. Generation numbers tell when they are all known, so the walk reads little further than the caller goes.
    """
    return _walk(repo.commit, starts, first_parent)


def outlines(repo: Repository, starts: Iterable[ObjectId]) -> Iterator[tuple[ObjectId, Outline]]:
    """Do the same with outlines of commits, in a third of the time: for walks to the end."""
    return _walk(repo.outline, starts, False)


def _walk(
    read: Callable[[ObjectId], _C], starts: Iterable[ObjectId], first_parent: bool
) -> Iterator[tuple[ObjectId, _C]]:
    waiting: dict[ObjectId, int] = {}  # for each commit, how many of its known children are still to come
    untold: list[tuple[int, ObjectId]] = []  # commits not yet counted by their parents, the highest generation first
    ready: list[tuple[int, int, ObjectId]] = []

    def tell_parents(least: int) -> None:
        """Let the parents of all commits of generation *least* and above count them."""
        while untold and -untold[0][0] >= least:
            for parent in _parents(read(heapq.heappop(untold)[1]), first_parent):
                if parent not in waiting:
                    waiting[parent] = 0
                    heapq.heappush(untold, (-read(parent).generation, parent))
                waiting[parent] += 1

    for id in starts:
        if id not in waiting:
            waiting[id] = 0
            heapq.heappush(untold, (-read(id).generation, id))
    first = list(waiting)
    tell_parents(1 + min((read(id).generation for id in first), default=0))
    for id in first:
        if not waiting[id]:
            heapq.heappush(ready, _by_date(id, read(id)))
    while ready:
        id = heapq.heappop(ready)[2]
        commit = read(id)
        del waiting[id]
        yield id, commit
        if not waiting:  # all that is left is behind this commit: most of a history is such a line
            while len(commit.parents) == 1:
                parent = commit.parents[0]
                older = read(parent)
                _check_above(id, commit, older)
                id, commit = parent, older
                yield id, commit
            untold[:] = [(-commit.generation, id)]
        for parent in _parents(commit, first_parent):
            older = read(parent)
            _check_above(id, commit, older)
            tell_parents(1 + older.generation)
            waiting[parent] -= 1
            if not waiting[parent]:
                heapq.heappush(ready, _by_date(parent, older))


def in_date_order(found: Mapping[ObjectId, Commit], *, first_parent: bool = False) -> Iterator[tuple[ObjectId, Commit]]:
    """Yield the commits of *found* in the order of :func:`ancestors`."""
    waiting = dict.fromkeys(found, 0)
    for commit in found.values():
        for parent in _parents(commit, first_parent):
            if parent in waiting:
                waiting[parent] += 1
    ready = [_by_date(id, commit) for id, commit in found.items() if not waiting[id]]
    heapq.heapify(ready)
    while ready:
        id = heapq.heappop(ready)[2]
        yield id, found[id]
        for parent in _parents(found[id], first_parent):
            if parent in waiting:
                waiting[parent] -= 1
                if not waiting[parent]:
                    heapq.heappush(ready, _by_date(parent, found[parent]))


def _check_above(id: ObjectId, commit: Commit | Outline, parent: Commit | Outline) -> None:
    if parent.generation >= commit.generation:
        raise ObjectCorruptError(f"commit {id.hex()}", "its generation is not above its parent's")


def _parents(commit: Commit | Outline, first_parent: bool) -> tuple[ObjectId, ...]:
    return commit.parents[:1] if first_parent else commit.parents


def _by_date(id: ObjectId, commit: Commit | Outline) -> tuple[int, int, ObjectId]:
    return -commit.time, -commit.generation, id


def cut_behind(repo: Repository, starts: Iterable[ObjectId], *, above: int = 0) -> ObjectId | None:
    """The newest commit reachable from *starts* at which gc or a shallow clone cut history; None if nothing was cut.

    Only commits of a generation higher than *above* count: behind a lower one lies no commit of that generation.
    """
    cuts = repo.shallow.cuts
    if not cuts:
        return None
    return next((id for id, commit in ancestors(repo, starts) if id in cuts and commit.generation > above), None)


def is_ancestor(repo: Repository, ancestor: ObjectId, descendant: ObjectId) -> bool:
    """True if *ancestor* is *descendant* or reachable from it; the walk stops at commits of *ancestor*'s generation or lower."""
    least = repo.commit(ancestor).generation
    seen = {descendant}
    stack = [descendant]
    while stack:
        id = stack.pop()
        if id == ancestor:
            return True
        commit = repo.commit(id)
        if commit.generation > least:
            new = [parent for parent in commit.parents if parent not in seen]
            seen.update(new)
            stack += new
    return False
