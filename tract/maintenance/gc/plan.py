"""What a gc would do: the first half of it, in which nothing is removed."""

from __future__ import annotations

import time
from collections.abc import Container, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from tract.config import FOR_EVER, Retention
from tract.errors import GCError
from tract.history.state import kept_commits
from tract.maintenance.gc.archives import Separation
from tract.maintenance.gc.catalogue import REACHED, Catalogue
from tract.maintenance.gc.cutting import Archive, Cutting, HeldArchive, LeftBehind
from tract.maintenance.gc.marks import Groups, Members, Progress, Unseen, mark, size_of
from tract.maintenance.gc.operations import read_reflog
from tract.maintenance.gc.orphans import Orphans
from tract.maintenance.gc.policies import RETENTION_DAYS, Policies, Policy, check_retention, nanoseconds
from tract.maintenance.gc.wordings import find_wordings, shown_edits
from tract.objects.id import ObjectId
from tract.refs.operations import OperationRefs
from tract.repo import Repository
from tract.storage.database import Database

DAY = 86_400.0
REFLOG_DAYS = 90.0
"""Operations are kept this long, and the reflog reaches back as far."""


@dataclass(frozen=True, slots=True)
class GCPlan:
    """What a gc would do; ``run_gc`` does it.

    *reachable* has the objects that go into the new pack; *kept* those that no ref reaches but that *policies* keep, by the time their pack gets; *dropped* those that go, with their kinds.
    *operations* are those the reflog keeps, newest first; *last* is the newest there was, and *reflog_since* where the reflog begins.
    *packs* are replaced by the new ones, and *loose* objects too, unless they were written again meanwhile.
    *marks* says of each object of the *catalogue* what became of it.
    *left_behind* are those that go, and those of which only a message stays: no reflog leads there any more.
    *archives* are those that go, and *held* those that stay because merges need them, or orphans; *cutting* says how, and is None in a store of which nothing was cut and nothing is to be.
    Times are in nanoseconds since 1970.
    """

    policies: Policies
    reflog_since: int
    reachable: Groups
    kept: Mapping[int, Groups]
    dropped: Unseen
    operations: Members
    last: ObjectId | None
    packs: tuple[str, ...]
    loose: Mapping[ObjectId, int]
    packs_before: int
    size_before: int
    reachable_count: int
    kept_count: int
    dropped_size: int
    archives: tuple[Archive, ...]
    held: tuple[HeldArchive, ...]
    left_behind: Container[ObjectId] = field(repr=False, compare=False)
    cutting: Cutting | None = field(repr=False, compare=False)
    catalogue: Catalogue = field(repr=False, compare=False)
    marks: bytes = field(repr=False, compare=False)


def plan_gc(
    repo: Repository,
    *,
    retention_days: float = RETENTION_DAYS,
    reflog_days: float = REFLOG_DAYS,
    archives: Retention | None = None,
    keep_pinned: bool = True,
    policies: Policies | None = None,
    seal: bool = True,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCPlan:
    """Find what is reachable and what is not. Nothing is removed; with *seal* the journal's objects are brought into a pack first.

    *archives* is how long what compressions left behind is kept, None for ever; with *keep_pinned* the pinned messages in it stay.
    *policies*, where given, say what is kept of each tract instead of these and *retention_days*.
    *now* is the moment ages are told from, in seconds since 1970, None for this one.
    Only for the holder of the store's ``maintenance``.
    A store in which something reachable is missing or damaged is not collected: the error says what.
    """
    if policies is None:
        policies = Policies((Policy(Retention(retention_days), archives or FOR_EVER, keep_pinned),))
    for retention in (Retention(reflog_days), *(policy.orphans for policy in policies.policies)):
        check_retention(retention)
    store = database(repo)
    written_now = time.time_ns()
    moment = written_now if now is None else int(now * 1e9)
    start = _begin(repo, store, seal=seal)
    catalogue, roots, in_work = start.catalogue, start.roots, start.in_work
    marks = catalogue.marks()
    separation: Separation | None = None
    reachable: Groups = {}
    is_cut = policies.takes_archives or bool(repo.shallow.cuts)
    if not is_cut:
        reachable = mark(catalogue, [*roots, *in_work], marks, progress=progress)
        if shown_edits(find_wordings(repo, catalogue, marks), marks):  # orphans, of which these edits are to stay
            is_cut = True
            marks = catalogue.marks()
    if is_cut:
        separation = Separation(repo, catalogue, marks, policies, moment, progress)
        separation.find_live(roots, in_work)
    cutting = None if separation is None else separation.cutting
    reachable_count = marks.count(REACHED)
    packed_loose = {id for id in catalogue.loose if _has(catalogue, id, marks, REACHED) and not store.is_large(id)}
    reflog_since = moment - nanoseconds(max(reflog_days, policies.most_days))
    orphans = Orphans(catalogue, marks, policies, moment, written_now)
    operations = read_reflog(repo, catalogue, reflog_since, orphans)
    orphans.age_dropped(repo)
    if separation is not None:
        separation.age(orphans.ages)
    kept = orphans.keep(cutting)
    kept_count = marks.count(REACHED) - reachable_count
    if separation is not None:
        reachable = separation.groups([*roots, *in_work])
        reachable_count = marks.count(REACHED) - kept_count
    stay_loose = catalogue.loose.keys() - packed_loose
    final = bytes(marks)
    dropped = Unseen(catalogue, final)
    return GCPlan(
        policies,
        reflog_since,
        _without(reachable, stay_loose),
        {written: _without(groups, stay_loose) for written, groups in kept.items()},
        dropped,
        Members(catalogue, operations),
        start.last,
        tuple(catalogue.packs),
        {id: written for id, written in catalogue.loose.items() if id in packed_loose or id in dropped},
        start.packs,
        start.size,
        reachable_count,
        kept_count,
        sum(size_of(catalogue, number) for number in dropped.numbers()),
        () if cutting is None else cutting.left_of(catalogue, final),
        () if cutting is None else (*cutting.held, *cutting.with_orphans(catalogue, final)),
        dropped if cutting is None else LeftBehind(dropped, cutting.messages_of(catalogue)),
        cutting,
        catalogue,
        final,
    )


class _Start(NamedTuple):
    """The store as a gc finds it: how many *packs* and bytes (*size*) it had before the journal was sealed, and what is reachable by itself, as numbers of the catalogue."""

    catalogue: Catalogue
    last: ObjectId | None
    roots: list[int]
    in_work: list[int]
    packs: int
    size: int


def _begin(repo: Repository, store: Database, *, seal: bool) -> _Start:
    """Look at the store while nobody writes to it."""
    with store.lock():
        repo.refs.refresh()
        repo.look_at_shallow()
        packs, size = len(store.packs()), store.stats().size
        if seal and store.has_new_objects():
            store.seal(operation_refs(repo).keyframe(repo.refs.last, "gc"))
            repo.refs.refresh()
        catalogue = Catalogue(store)
        last = repo.refs.last
        roots = [catalogue.admit(value) for _, value in repo.refs.list() if isinstance(value, bytes)]
        in_work = [number for id in kept_commits(repo) if (number := catalogue.number_of(id)) is not None]
    return _Start(catalogue, last, roots, in_work, packs, size)


def database(repo: Repository) -> Database:
    """The store's objects, where they can be collected."""
    if not isinstance(repo.objects, Database):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.objects


def operation_refs(repo: Repository) -> OperationRefs:
    """The store's refs, where they can be collected."""
    if not isinstance(repo.refs, OperationRefs):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.refs


def _has(catalogue: Catalogue, id: ObjectId, marks: bytearray, state: int) -> bool:
    number = catalogue.number_of(id)
    return number is not None and marks[number] == state


def _without(groups: Groups, ids: AbstractSet[ObjectId]) -> Groups:
    """*groups* without the objects that stay loose."""
    return {kind: members.without(ids) for kind, members in groups.items()} if ids else groups
