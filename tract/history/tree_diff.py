"""The differences between two contexts; only nodes that differ are read.

a    [ n1  n2  n3  n4 ] open        nodes with one id have the same entries: they are never read
b    [ n1  n5  n3  n4 ] open        n2 and n5 are taken apart, until only entries are left
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from tract.named_tuple import NamedTuple
from tract.objects.id import ObjectId
from tract.objects.model import Entry
from tract.objects.strict_reader import checked_node
from tract.repo import Repository
from tract.tree import Context

_ENTRY = -1


class TreeChange(NamedTuple):
    """Entries of one context that are replaced by others in another context; *old_start* and *new_start* count from 0.

    *old* is empty for an addition, *new* for a removal; an edit has the same commit in both.
    """

    old_start: int
    old: tuple[Entry, ...]
    new_start: int
    new: tuple[Entry, ...]


class _Part(NamedTuple):
    """A node of a tree, or an entry, with *total* entries; two with the same *key* are equal."""

    key: ObjectId | Entry
    level: int
    total: int


def diff_contexts(repo: Repository, old: Context, new: Context) -> Iterator[TreeChange]:
    """Yield the changes from *old* to *new*, first to last; entries between them are equal, commit and blob.

    Nodes that both share are not read: d changes at different places cost a few nodes each, however long the contexts are.
    A moved message is a change at its old place and another at its new one.
    """
    yield from _differences(repo, _parts(repo, old), _parts(repo, new), 0, 0)


def _parts(repo: Repository, context: Context) -> list[_Part]:
    root = [] if context.tree is None else [_Part(context.tree, *_size(repo, context.tree))]
    return root + _entry_parts(context.open)


def _size(repo: Repository, root: ObjectId) -> tuple[int, int]:
    node = repo.node(root)
    return node.level, node.total


def _entry_parts(items: Sequence[ObjectId]) -> list[_Part]:
    return [_Part(entry, _ENTRY, 1) for entry in zip(items[::2], items[1::2], strict=True)]


def _differences(
    repo: Repository, old: Sequence[_Part], new: Sequence[_Part], old_at: int, new_at: int
) -> Iterator[TreeChange]:
    """The changes between two runs of parts, whose first entries are number *old_at* and *new_at*."""
    done_old = done_new = 0
    for here, there in [*_common(old, new), (len(old), len(new))]:
        before, after = old[done_old:here], new[done_new:there]
        level = max((part.level for part in (*before, *after)), default=_ENTRY)
        if level > _ENTRY:
            yield from _differences(repo, _opened(repo, before, level), _opened(repo, after, level), old_at, new_at)
        elif before or after:
            yield TreeChange(old_at, _entries(before), new_at, _entries(after))
        old_at += _total(old[done_old : here + 1])
        new_at += _total(new[done_new : there + 1])
        done_old, done_new = here + 1, there + 1


def _opened(repo: Repository, parts: Sequence[_Part], level: int) -> list[_Part]:
    """The parts, with those of the highest *level* taken apart."""
    ids = [part.key for part in parts if part.level == level and isinstance(part.key, bytes)]
    nodes = iter([checked_node(id, node, level) for id, node in zip(ids, repo.nodes(ids), strict=True)])
    result: list[_Part] = []
    for part in parts:
        if part.level < level:
            result.append(part)
            continue
        items = next(nodes).items
        if level == 0:
            result += _entry_parts(items)
        else:
            result += [_Part(id, level - 1, total) for id, total in zip(items[::2], items[1::2], strict=True)]
    return result


def _total(parts: Sequence[_Part]) -> int:
    return sum(part.total for part in parts)


def _entries(parts: Sequence[_Part]) -> tuple[Entry, ...]:
    return tuple(part.key for part in parts if not isinstance(part.key, bytes))


def _common(old: Sequence[_Part], new: Sequence[_Part]) -> list[tuple[int, int]]:
    """The places of parts that both have, in an order that both share: as many as possible.

    No part is twice in a context, so this is the longest increasing run of the places in *new*.
    """
    places = {part.key: at for at, part in enumerate(new)}
    found = [(at, places[part.key]) for at, part in enumerate(old) if part.key in places]
    ends: list[int] = []  # the lowest place in which a run of each length can end
    last: list[int] = []  # which pair that is
    before: list[int] = []  # and which pair comes before each
    for number, (_, place) in enumerate(found):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        last[length : length + 1] = [number]
    run = []
    at = last[-1] if last else -1
    while at >= 0:
        run.append(found[at])
        at = before[at]
    return run[::-1]
