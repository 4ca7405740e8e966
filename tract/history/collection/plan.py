"""What a gc would do: the first half of it, in which nothing is removed."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Container, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial

from tract.config import Retention
from tract.errors import GCError
from tract.history.collection.archives import Separation
from tract.history.collection.cutting import Archive, Cutting, LeftBehind
from tract.history.collection.marks import Groups, Members, Progress, Unseen, mark, walk
from tract.history.collection.operations import read_reflog
from tract.history.state import kept_commits
from tract.objects.id import ObjectId
from tract.reflog import kept_values, released_commits
from tract.repo import Repository
from tract.storage.catalogue import OPERATION, REACHED, UNSEEN, Catalogue
from tract.storage.database import Database

DAY = 86_400.0
RETENTION_DAYS = 7.0
REFLOG_DAYS = 90.0
"""Operations are kept this long, and the reflog reaches back as far."""


@dataclass(frozen=True, slots=True)
class GCPlan:
    """What a gc would do; ``run_gc`` does it.

    *reachable* has the objects that go into the new pack; *kept* those that no ref reaches but that are younger than *retention_days*, by the time their pack gets; *dropped* those that go, with their kinds.
    *operations* are those the reflog keeps, newest first; *last* is the newest there was, and *reflog_since* where the reflog begins.
    *packs* are replaced by the new ones, and *loose* objects too, unless they were written again meanwhile.
    *marks* says of each object of the *catalogue* what became of it.
    *left_behind* are those that go, and those of which only a message stays: no reflog leads there any more.
    *archives* are those that go; *cutting* says how, and is None in a store of which nothing was cut and nothing is to be.
    Times are in nanoseconds since 1970.
    """

    retention_days: float
    reflog_since: int
    reachable: Groups
    kept: Mapping[int, Groups]
    dropped: Unseen
    operations: Members
    last: ObjectId | None
    packs: tuple[str, ...]
    loose: Mapping[ObjectId, int]
    size_before: int
    reachable_count: int
    kept_count: int
    dropped_size: int
    archives: tuple[Archive, ...]
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
    seal: bool = True,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCPlan:
    """Find what is reachable and what is not. Nothing is removed; with *seal* the journal's objects are brought into a pack first.

    *archives* is how long what compressions left behind is kept, None for ever; with *keep_pinned* the pinned messages in it stay.
    *now* is the moment ages are told from, in seconds since 1970, None for this one.
    Only for the holder of the store's ``maintenance``.
    A store in which something reachable is missing or damaged is not collected: the error says what.
    """
    if not retention_days >= 0 or not reflog_days >= 0:
        raise GCError(f"retention must not be negative: {min(retention_days, reflog_days):g} days")
    store = database(repo)
    moment = int((time.time() if now is None else now) * 1e9)
    with store.lock():
        repo.refs.refresh()
        repo.look_at_shallow()
        if seal and store.has_new_objects():
            store.seal(repo.refs.keyframe(repo.refs.last, "gc"))
            repo.refs.refresh()
        catalogue = Catalogue(store)
        last = repo.refs.last
        roots = [catalogue.admit(value) for _, value in repo.refs.list() if isinstance(value, bytes)]
        in_work = [number for id in kept_commits(repo) if (number := catalogue.number_of(id)) is not None]
    marks = catalogue.marks()
    separation: Separation | None = None
    reachable: Groups = {}
    if archives is None and not repo.shallow.cuts:
        reachable = mark(catalogue, [*roots, *in_work], marks, progress=progress)
    else:
        oldest = 0 if archives is None or archives.days is None else moment - _nanoseconds(archives.days)
        separation = Separation(repo, catalogue, marks, archives, oldest // 1000, progress)
        separation.find_live([*roots, *in_work], keep_pinned=keep_pinned)
    cutting = None if separation is None else separation.cutting
    reachable_count = marks.count(REACHED)
    packed_loose = {id for id in catalogue.loose if _has(catalogue, id, marks, REACHED) and not store.is_large(id)}
    reflog_since = moment - _nanoseconds(max(reflog_days, retention_days))
    ages = _unseen_ages(catalogue, marks, moment)
    operations = read_reflog(repo, catalogue, reflog_since, marks, ages)
    _age_dropped(repo, catalogue, marks, ages)
    if separation is not None:
        separation.age(ages)
    kept = _mark_young(catalogue, ages, moment - _nanoseconds(retention_days), marks, retention_days, cutting)
    kept_count = marks.count(REACHED) - reachable_count
    if separation is not None:
        reachable = separation.groups([*roots, *in_work])
        reachable_count = marks.count(REACHED) - kept_count
    stay_loose = catalogue.loose.keys() - packed_loose
    final = bytes(marks)
    dropped = Unseen(catalogue, final)
    return GCPlan(
        retention_days,
        reflog_since,
        _without(reachable, stay_loose),
        {written: _without(groups, stay_loose) for written, groups in kept.items()},
        dropped,
        Members(catalogue, operations),
        last,
        tuple(catalogue.packs),
        {id: written for id, written in catalogue.loose.items() if id in packed_loose or id in dropped},
        store.stats().size,
        reachable_count,
        kept_count,
        sum(catalogue.stored_size(number) for number in dropped.numbers()),
        () if cutting is None else cutting.left_of(catalogue, final),
        dropped if cutting is None else LeftBehind(dropped, cutting.messages_of(catalogue)),
        cutting,
        catalogue,
        final,
    )


def database(repo: Repository) -> Database:
    """The store's objects, where they can be collected."""
    if not isinstance(repo.objects, Database):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.objects


def _nanoseconds(days: float) -> int:
    return int(days * DAY * 1e9)


def _has(catalogue: Catalogue, id: ObjectId, marks: bytearray, state: int) -> bool:
    number = catalogue.number_of(id)
    return number is not None and marks[number] == state


def _without(groups: Groups, ids: AbstractSet[ObjectId]) -> Groups:
    """*groups* without the objects that stay loose."""
    return {kind: members.without(ids) for kind, members in groups.items()} if ids else groups


def _unseen_ages(catalogue: Catalogue, marks: bytearray, now: int) -> array[int]:
    """For each object that is UNSEEN when it was last written, by its number; 0 for all others."""
    ages = array("q", bytes(8 * catalogue.size))
    number = marks.find(UNSEEN)
    while 0 <= number < catalogue.size:
        if catalogue.is_single(number) and catalogue.kind_of(number) == "operation":
            marks[number] = OPERATION
        else:
            ages[number] = min(catalogue.written(number) or now, now)
        number = marks.find(UNSEEN, number + 1)
    return ages


def _age_dropped(repo: Repository, catalogue: Catalogue, marks: bytearray, ages: array[int]) -> None:
    """Let what only hard resets left behind be old at once: what no reflog holds any more, and nothing it holds needs."""
    released = [number for id in released_commits(repo) if (number := catalogue.number_of(id)) is not None]
    if not released:
        return
    spared = bytearray(marks)
    held = [number for _, id in kept_values(repo) if (number := catalogue.number_of(id)) is not None]
    deque(walk(catalogue, held, spared, gaps=True), maxlen=0)
    for found in walk(catalogue, released, spared, gaps=True):
        if found.number < len(ages):
            ages[found.number] = 0


def _mark_young(
    catalogue: Catalogue,
    ages: array[int],
    oldest: int,
    marks: bytearray,
    retention_days: float,
    cutting: Cutting | None,
) -> dict[int, Groups]:
    """What the UNSEEN objects that are younger than *oldest* need that is UNSEEN too, by the time of its youngest.

    Those of about an eighth of the retention go together, so that packs stay few;
    the steps are powers of two, so that it is the same ones at every gc, and nothing grows younger by being copied.
    """
    step = 1 << (max(1, _nanoseconds(retention_days)) // 8).bit_length()
    together: dict[int, array[int]] = {}
    for number in catalogue.in_order():
        if marks[number] == UNSEEN and ages[number] > oldest:
            together.setdefault(ages[number] // step, array("I")).append(number)
    kept: dict[int, Groups] = {}
    for cell in sorted(together, reverse=True):
        members = sorted(together[cell], key=ages.__getitem__, reverse=True)
        gather = partial(mark, gaps=True) if cutting is None else cutting.gather
        groups = gather(catalogue, members, marks)
        if any(groups.values()):
            kept[ages[members[0]]] = groups
    return kept
