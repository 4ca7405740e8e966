"""The closure of some commits: themselves, and every object they need, directly or not.

A remote has all that the commit of a head needs, so the walk ends wherever the remote has an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tract.named_tuple import NamedTuple
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import Commit, NewObject, named_by
from tract.repo import Repository
from tract.storage.shallow import Cut, kept_part


class Needed(NamedTuple):
    """The objects to send, each with its kind, in the order of a pack; and the cuts in their history."""

    objects: tuple[tuple[ObjectId, Kind], ...]
    cuts: dict[ObjectId, Cut]

    def commits(self) -> frozenset[ObjectId]:
        """The ids of the commits among them."""
        return frozenset(id for id, kind in self.objects if kind == "commit")


def needed(repo: Repository, roots: Iterable[tuple[ObjectId, Kind]], has: Callable[[ObjectId], bool]) -> Needed:
    """The objects that *roots* need and that the remote lacks, according to *has*."""
    found: dict[ObjectId, Kind] = {}
    had: set[ObjectId] = set()  # contexts name the same messages again and again
    generations: dict[ObjectId, int] = {}
    cuts: dict[ObjectId, Cut] = {}
    stack = [root for root in roots if not has(root[0])]
    while stack:
        id, kind = stack.pop()
        if id in found:
            continue
        found[id] = kind
        if kind == "blob":
            continue
        value = repo.node(id) if kind == "tree" else _kept_commit(repo, id, cuts)
        if kind == "commit":
            generations[id] = repo.commit(id).generation
        for named, named_kind, role in named_by(value):
            if role == "noted" or named in found or named in had:
                continue
            if has(named):
                had.add(named)
            else:
                stack.append((named, named_kind))
    rows = [(id, kind) for id, kind in found.items() if kind != "commit"]
    # Similar objects compress best side by side, and so do commits that follow each other.
    rows.sort(key=lambda row: KINDS.index(row[1]))
    commits = sorted(generations, key=lambda id: (generations[id], id))
    return Needed((*rows, *((id, "commit") for id in commits)), cuts)


def _kept_commit(repo: Repository, id: ObjectId, cuts: dict[ObjectId, Cut]) -> Commit:
    cut = repo.shallow.cuts.get(id)
    if cut is not None:
        cuts[id] = cut
    return kept_part(repo.commit(id), cut)


def read_all(repo: Repository, rows: Sequence[tuple[ObjectId, Kind]]) -> Iterable[NewObject]:
    """Yield the objects themselves, in order, reading many at a time."""
    for at in range(0, len(rows), _TOGETHER):
        part = rows[at : at + _TOGETHER]
        payloads: dict[ObjectId, bytes] = {}
        for kind in KINDS:
            ids = [id for id, one in part if one == kind]
            payloads.update(zip(ids, repo.objects.payloads(ids, kind) if ids else (), strict=True))
        for id, kind in part:
            yield NewObject(id, kind, payloads[id])


_TOGETHER = 1024
