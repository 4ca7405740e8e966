"""Garbage collection: everything reachable into few, dense packs; what nobody reaches goes after a while.

    plan   seal the journal; mark from every ref of every tract and from the reflog, without a lock
    run    write new packs and read them again                                    no lock, takes as long as it takes
           take the lock; mark again what moved meanwhile, copy what that saved;
           begin a new journal; remove the old packs                              milliseconds

A new pack is on the disk, with its index, before anything it replaces goes, so gc can be killed at any point: what is left over is found and removed by the next one.
Writers hold the lock from their first look to their operation, and look at the packs anew when the journal was replaced; so nothing they rely on goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tract.errors import GCError
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import (
    NewObject,
    Object,
    Operation,
    Step,
    new_operation,
    read_commit,
    read_node,
    read_operation,
)
from tract.refs.operations import unfold_operation
from tract.repo import Repository
from tract.storage.compression import train_dictionary
from tract.storage.database import Database
from tract.storage.pack import Group

DAY = 86_400.0
LEVEL = 9
AGGRESSIVE_LEVEL = 19
_DICTIONARY_SIZE = 32 * 1024
_LEAST_SAMPLES = 500
_MOST_SAMPLES = 8000
_LONGEST_SAMPLE = 4096
_STEPS_A_FOLD = 256

# Operations are kept this long; the reflog reaches back as far.
REFLOG_DAYS = 90.0

# ``gc --auto`` finds work when there are more packs or small loose objects than this.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000

Progress = Callable[[str, int, int], None]
"""Told what gc does, how much of it is done and how much there is."""


@dataclass(frozen=True, slots=True)
class GCPlan:
    """What a gc would do; :func:`run_gc` does it.

    *reachable* has the objects to keep, by kind, in the order they will be packed; *kept* those nobody reaches that are younger than *retention_days*, by the pack or file they are in; *dropped* those that go.
    *packs* and *loose* are what the new packs replace.
    """

    retention_days: float
    reachable: dict[Kind, list[ObjectId]]
    operations: tuple[ObjectId, ...]
    kept: dict[float, dict[Kind, list[ObjectId]]]
    dropped: tuple[ObjectId, ...]
    packs: tuple[str, ...]
    loose: tuple[ObjectId, ...]
    size_before: int

    @property
    def reachable_count(self) -> int:
        return sum(map(len, self.reachable.values()))

    @property
    def kept_count(self) -> int:
        return sum(len(ids) for groups in self.kept.values() for ids in groups.values())


@dataclass(frozen=True, slots=True)
class GCResult:
    """What a gc did, or with *dry_run* would do; sizes are bytes of packs, journal and loose objects on disk."""

    reachable: int
    kept: int
    dropped: int
    packs_before: int
    packs_after: int
    size_before: int
    size_after: int
    seconds: float
    dry_run: bool = False


class _Marked(NamedTuple):
    """What was reached: as a set, and by kind in the order to pack it."""

    seen: set[ObjectId]
    order: dict[Kind, list[ObjectId]]


def is_due(repo: Repository) -> bool:
    """Whether gc would find enough to do; costs two listings of folders."""
    store = _database(repo)
    return len(store.packs()) > _AUTO_PACKS or len(store.loose_objects()) > _AUTO_LOOSE


def plan_gc(
    repo: Repository, *, retention_days: float = 7.0, now: float | None = None, progress: Progress | None = None
) -> GCPlan:
    """Find what is reachable and what is not. Nothing is removed; the journal is sealed, so that all objects are in packs."""
    if retention_days < 0:
        raise GCError(f"retention must not be negative, not {retention_days:g} days")
    store = _database(repo)
    moment = time.time() if now is None else now
    with store.lock():
        repo.refs.refresh()
        if len(store.operations()) > 1:
            store.seal(repo.refs.keyframe(repo.refs.last, "gc"))
            repo.refs.refresh()
        packs = store.packs()
        loose = store.loose_objects()
        roots, operations = _roots(repo, moment - REFLOG_DAYS * DAY)
        size = _size(store)
    marked = _mark(repo, roots, progress)
    oldest = moment - retention_days * DAY
    kept: dict[float, dict[Kind, list[ObjectId]]] = {}
    dropped: list[ObjectId] = []
    live = set(operations)
    for name, written in packs.items():
        for id, kind in store.pack_objects(name):
            if id in marked.seen or id in live:
                continue
            if kind != "operation" and written > oldest:
                kept.setdefault(_bucket(written, retention_days), {}).setdefault(kind, []).append(id)
            else:
                dropped.append(id)
    small, gone = _sort_loose(store, loose, marked, oldest)
    return GCPlan(
        retention_days,
        marked.order,
        operations,
        kept,
        tuple(dropped) + gone,
        tuple(packs),
        small + gone,
        size,
    )


def _sort_loose(
    store: Database, loose: dict[ObjectId, float], marked: _Marked, oldest: float
) -> tuple[tuple[ObjectId, ...], tuple[ObjectId, ...]]:
    """The loose objects that go into the pack, and those that go for good."""
    small = tuple(id for id in loose if id in marked.seen and not store.is_large(id))
    gone = tuple(id for id, written in loose.items() if id not in marked.seen and written <= oldest)
    for kind, ids in marked.order.items():
        marked.order[kind] = [id for id in ids if id not in loose or id in small]
    return small, gone


def _bucket(written: float, retention_days: float) -> float:
    """The time for a pack of unreachable objects: those of one eighth of the retention share one, so that they age and stay few."""
    step = max(retention_days * DAY / 8, 1.0)
    return (written // step + 1) * step


def _database(repo: Repository) -> Database:
    if not isinstance(repo.objects, Database):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.objects


def _size(store: Database) -> int:
    stats = store.stats()
    return stats.journal_size + stats.pack_size + stats.loose_size


def _roots(repo: Repository, oldest: float) -> tuple[list[ObjectId], tuple[ObjectId, ...]]:
    """Every commit that a ref holds or held since *oldest* (seconds since 1970), and the operations that say so, newest first."""
    roots = [value for _, value in repo.refs.list() if isinstance(value, bytes)]
    operations: list[ObjectId] = []
    for id, operation in repo.refs.history():
        if operation.time < oldest * 1e6:
            break
        if not operations or operations[-1] != id:
            operations.append(id)
        for change in operation.changes:
            roots.extend(value for value in (change.new, change.old) if isinstance(value, bytes))
    return list(dict.fromkeys(roots)), tuple(operations)


def _mark(repo: Repository, roots: Iterable[ObjectId], progress: Progress | None = None) -> _Marked:
    """Everything reachable from *roots*, in the order to pack it.

    Oldest commits first: what was said together lies together, and distances to what came before are small.
    """
    seen: set[ObjectId] = set()
    commits: list[tuple[int, int, ObjectId, ObjectId | None]] = []
    trees: list[ObjectId] = []
    blobs: list[ObjectId] = []
    for id, obj in _walk(repo, roots, seen):
        if obj.kind == "commit":
            commit = read_commit(id, obj)
            commits.append((commit.generation, commit.time, id, commit.content))
        else:
            (trees if obj.kind == "tree" else blobs).append(id)
        if progress is not None and not len(seen) % 4096:
            progress("marking", len(seen), 0)
    commits.sort()
    in_order = dict.fromkeys(content for _, _, _, content in commits if content is not None)
    in_order.update(dict.fromkeys(blobs))
    trees.reverse()  # a parent is met before its children, and distances should look back
    return _Marked(seen, {"blob": list(in_order), "tree": trees, "commit": [id for _, _, id, _ in commits]})


def _walk(repo: Repository, roots: Iterable[ObjectId], seen: set[ObjectId]) -> Iterator[tuple[ObjectId, Object]]:
    """Every object reachable from *roots* that is not in *seen*, which grows."""
    stack = list(roots)
    while stack:
        id = stack.pop()
        if id in seen:
            continue
        seen.add(id)
        obj = repo.objects.read(id)
        yield id, obj
        if obj.kind == "commit":
            commit = read_commit(id, obj)
            stack.extend(commit.open)
            stack.extend(part for part in (commit.content, commit.target, commit.tree) if part is not None)
            stack.extend(commit.parents)
        elif obj.kind == "tree":
            node = read_node(id, obj)
            stack.extend(node.items if node.level == 0 else node.items[::2])


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works."""
    started = time.monotonic()
    store = _database(repo)
    level = AGGRESSIVE_LEVEL if aggressive else LEVEL
    folded = _fold_operations(repo, plan.operations)
    fresh = _write_reachable(store, plan, folded, level, progress)
    for written, groups in plan.kept.items():
        fresh.add(_write_groups(store, groups, (), level=level, written=written))
    with store.lock():
        repo.refs.refresh()
        saved = _save_what_moved(repo, plan, level)
        last = folded[-1] if folded else None
        later = _operations_since(repo, plan.operations)
        head = [] if later is None else [new_operation(later._replace(previous=None if last is None else last.id))]
        previous = head[-1].id if head else (None if last is None else last.id)
        store.rotate(head, repo.refs.keyframe(previous, "gc"), without="operation")
        repo.refs.refresh()
        store.drop_packs(name for name in plan.packs if name not in fresh | saved)
        store.drop_loose(plan.loose)
        size = _size(store)
        packs = len(store.packs())
    return GCResult(
        plan.reachable_count,
        plan.kept_count,
        len(plan.dropped),
        len(plan.packs),
        packs,
        plan.size_before,
        size,
        time.monotonic() - started,
    )


def collect(
    repo: Repository,
    *,
    retention_days: float = 7.0,
    dry_run: bool = False,
    aggressive: bool = False,
    progress: Progress | None = None,
) -> GCResult:
    """Plan a gc and run it, or with *dry_run* say what it would do; GCError while another one runs."""
    store = _database(repo)
    with store.maintenance():
        plan = plan_gc(repo, retention_days=retention_days, progress=progress)
        if not dry_run:
            return run_gc(repo, plan, aggressive=aggressive, progress=progress)
    number = len(plan.packs)
    return GCResult(
        plan.reachable_count, plan.kept_count, len(plan.dropped), number, number, plan.size_before, 0, 0.0, dry_run=True
    )


def _write_reachable(
    store: Database, plan: GCPlan, operations: Sequence[NewObject], level: int, progress: Progress | None
) -> set[str]:
    """The pack with everything that is reachable."""
    blobs = plan.reachable["blob"]
    dictionary = _train(store, blobs)
    groups = {kind: ids for kind, ids in plan.reachable.items() if ids}
    if not groups and not operations:
        return set()
    return {_write_groups(store, groups, operations, level=level, dictionary=dictionary, progress=progress)}


def _write_groups(
    store: Database,
    groups: dict[Kind, list[ObjectId]],
    operations: Sequence[NewObject],
    *,
    level: int,
    dictionary: bytes = b"",
    written: float | None = None,
    progress: Progress | None = None,
) -> str:
    rows = [Group(kind, groups[kind]) for kind in KINDS if groups.get(kind)]
    if operations:
        rows.append(Group("operation", [new.id for new in operations]))
    total = sum(len(row.ids) for row in rows)

    def payloads() -> Iterator[bytes]:
        done = 0
        for row in rows:
            if row.kind == "operation":
                yield from (new.payload for new in operations)
                continue
            for id in row.ids:
                yield store.read(id).payload
                done += 1
                if progress is not None and not done % 4096:
                    progress("packing", done, total)

    return store.write_pack(rows, payloads(), level=level, dictionary=dictionary, written=written)


def _train(store: Database, blobs: Sequence[ObjectId]) -> bytes:
    """A dictionary for the blobs: it makes up for what a frame cannot see of the others."""
    if len(blobs) < _LEAST_SAMPLES:
        return b""
    samples: list[bytes] = []
    size = 0
    for id in blobs[:: max(1, len(blobs) // _MOST_SAMPLES)]:
        payload = store.read(id).payload[:_LONGEST_SAMPLE]
        samples.append(payload)
        size += len(payload)
    return train_dictionary(samples, _DICTIONARY_SIZE) if size > 16 * _DICTIONARY_SIZE else b""


def _fold_operations(repo: Repository, operations: Sequence[ObjectId]) -> list[NewObject]:
    """The operations, which come newest first, as few objects, oldest first, each naming the one before."""
    single: list[Operation] = []
    for id in reversed(operations):
        operation = read_operation(id, repo.objects.read(id))
        single.extend([operation] if operation.steps is None else [*unfold_operation(operation)][::-1])
    single = [operation for operation in single if operation.changes]
    folded: list[NewObject] = []
    for at in range(0, len(single), _STEPS_A_FOLD):
        previous = folded[-1].id if folded else None
        folded.append(new_operation(_fold(single[at : at + _STEPS_A_FOLD], previous)))
    return folded


def _fold(single: Sequence[Operation], previous: ObjectId | None) -> Operation:
    """Several operations, oldest first, as one that still tells each."""
    last = single[-1]
    changes = tuple(change for operation in single for change in operation.changes)
    steps = tuple(Step(one.time, one.actor, one.reason, len(one.changes)) for one in single)
    return Operation(previous, last.time, last.actor, "fold", changes, None, steps)


def _operations_since(repo: Repository, planned: Sequence[ObjectId]) -> Operation | None:
    """What happened after the plan was made, folded into one operation."""
    known = set(planned)
    since: list[Operation] = []
    for id, operation in repo.refs.history():
        if id in known:
            break
        if operation.changes:
            since.append(operation)
    return _fold(since[::-1], None) if since else None


def _save_what_moved(repo: Repository, plan: GCPlan, level: int) -> set[str]:
    """Copy what became reachable again while the packs were written: a ref put on an old commit, a blob said once more.

    The walk stops at what the plan reached, so it costs what is new.
    """
    store = _database(repo)
    seen: set[ObjectId] = set(plan.operations)
    for ids in plan.reachable.values():
        seen.update(ids)
    lost = set(plan.dropped)
    for kept in plan.kept.values():
        for ids in kept.values():
            lost.difference_update(ids)
    groups: dict[Kind, list[ObjectId]] = {}
    roots, _ = _roots(repo, 0)
    for id, obj in _walk(repo, roots, seen):
        if id in lost and not store.is_in_journal(id):
            groups.setdefault(obj.kind, []).append(id)
    return {_write_groups(store, groups, (), level=level)} if groups else set()
