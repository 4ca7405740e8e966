"""Garbage collection: everything reachable into few, dense packs; what nobody reaches goes after a while.

    plan   seal the journal, look at the refs                                     under the lock, as long as any seal
           mark from every ref of every tract; then from what moved of late       no lock, takes as long as it takes
    run    write new packs and read them again; follow what moved meanwhile       no lock
           follow the rest, copy what that saved; begin a new journal;
           remove the old packs                                                   under the lock, milliseconds

A new pack is on the disk, with its index, before anything it replaces goes, so gc can be killed at any point: what is left over is found and removed by the next one.
Writers hold the lock from their first look to their operation, and look at the packs anew when the journal was replaced; so nothing they rely on goes.

What no ref reaches has an age: since a ref was moved away from it, or where no operation tells, since it was written.
It is kept in packs of its own, each with a time, which are copied without growing younger; whatever a young object needs is as young.
A note keeps nothing alive but itself: else whoever notes the usage of every answer would keep every answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import dropwhile, islice

from tract.errors import BlobNotFoundError, GCError
from tract.objects.id import KINDS, Kind, ObjectId
from tract.objects.model import (
    CommitOperation,
    NewObject,
    Object,
    Operation,
    RefChange,
    RefValue,
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
LEVEL = 12
AGGRESSIVE_LEVEL = 19
RETENTION_DAYS = 7.0
REFLOG_DAYS = 90.0
"""Operations are kept this long, and the reflog reaches back as far."""

_DICTIONARY_SIZE = 32 * 1024
_LEAST_SAMPLES = 500
_MOST_SAMPLES = 8000
_LONGEST_SAMPLE = 4096
_STEPS_A_FOLD = 256

# ``gc --auto`` finds work when there are more packs, or small loose objects, that the last gc has not seen.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000

# What happened while the packs were written is followed without the lock until this little is left, or so often.
_FEW_OPERATIONS = 64
_MOST_ROUNDS = 8

_REPORT_EVERY = 4096

Progress = Callable[[str, int, int], None]
"""Told what gc does, how much of it is done and how much there is (0 where nobody knows)."""

Groups = dict[Kind, list[ObjectId]]
"""Objects by kind, in the order to pack them."""


@dataclass(frozen=True, slots=True)
class GCPlan:
    """What a gc would do; :func:`run_gc` does it.

    *reachable* has the objects that go into the new pack; *kept* those that no ref reaches but that are younger than *retention_days*, by the time their pack gets; *dropped* those that go, with their kinds.
    *operations* are those the reflog keeps, newest first; *last* is the newest there was, and *reflog_since* where the reflog begins.
    *packs* are replaced by the new ones, and *loose* objects too, unless they were written again meanwhile.
    *reached* is all that stays.
    Times are in nanoseconds since 1970.
    """

    retention_days: float
    reflog_since: int
    reachable: Groups
    kept: Mapping[int, Groups]
    dropped: Mapping[ObjectId, Kind]
    operations: tuple[ObjectId, ...]
    last: ObjectId | None
    packs: tuple[str, ...]
    loose: Mapping[ObjectId, int]
    size_before: int
    reachable_count: int
    kept_count: int
    reached: AbstractSet[ObjectId] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class GCResult:
    """What a gc did, or with *dry_run* would do.

    *reachable*, *kept* (not reachable, but younger than the retention) and *dropped* count objects; operations are in none of them.
    Sizes are bytes on disk of packs, journal and loose objects; a dry run cannot know the size after it, and says None.
    """

    reachable: int
    kept: int
    dropped: int
    packs_before: int
    packs_after: int
    size_before: int
    size_after: int | None
    seconds: float
    dry_run: bool = False


def is_due(repo: Repository) -> bool:
    """Whether gc would find enough to do; costs two listings of folders."""
    store = _database(repo)
    return store.count_new_packs() > _AUTO_PACKS or store.count_new_loose(_AUTO_LOOSE) > _AUTO_LOOSE


def collect(
    repo: Repository,
    *,
    retention_days: float = RETENTION_DAYS,
    reflog_days: float = REFLOG_DAYS,
    dry_run: bool = False,
    aggressive: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCResult:
    """Plan a gc and run it, or with *dry_run* say what it would do; GCError while another one runs."""
    started = time.monotonic()
    with _database(repo).maintenance():
        plan = plan_gc(
            repo,
            retention_days=retention_days,
            reflog_days=reflog_days,
            seal=not dry_run,
            now=now,
            progress=progress,
        )
        if not dry_run:
            result = run_gc(repo, plan, aggressive=aggressive, progress=progress)
            return replace(result, seconds=time.monotonic() - started)
    return _result(plan, len(plan.packs), None, started, dry_run=True)


def prune(
    repo: Repository, *, retention_days: float = RETENTION_DAYS, dry_run: bool = False, progress: Progress | None = None
) -> Mapping[ObjectId, Kind]:
    """Drop what nobody reaches and is older than *retention_days*, and give back what it was.

    Nothing is packed anew where there is nothing to drop; with *dry_run* nothing is done at all.
    """
    with _database(repo).maintenance():
        plan = plan_gc(repo, retention_days=retention_days, seal=not dry_run, progress=progress)
        if plan.dropped and not dry_run:
            run_gc(repo, plan, progress=progress)
    return plan.dropped


def plan_gc(
    repo: Repository,
    *,
    retention_days: float = RETENTION_DAYS,
    reflog_days: float = REFLOG_DAYS,
    seal: bool = True,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCPlan:
    """Find what is reachable and what is not. Nothing is removed; with *seal* the journal's objects are brought into a pack first.

    *now* is the moment ages are told from, in seconds since 1970, None for this one.
    Only for the holder of the store's ``maintenance``.
    A store in which something reachable is missing or damaged is not collected: the error says what.
    """
    if not retention_days >= 0 or not reflog_days >= 0:
        raise GCError(f"retention must not be negative: {min(retention_days, reflog_days):g} days")
    store = _database(repo)
    moment = int((time.time() if now is None else now) * 1e9)
    with store.lock():
        repo.refs.refresh()
        if seal and store.has_new_objects():
            store.seal(repo.refs.keyframe(repo.refs.last, "gc"))
            repo.refs.refresh()
        packs = store.packs()
        loose = store.loose_objects()
        last = repo.refs.last
        roots = [value for _, value in repo.refs.list() if isinstance(value, bytes)]
    seen: set[ObjectId] = set()
    reachable = _mark(repo, roots, seen, progress=progress)
    reachable_count = len(seen)
    packed_loose = {id for id in loose if id in seen and not store.is_large(id)}
    reflog_since = moment - _nanoseconds(max(reflog_days, retention_days))
    operations, moved = _reflog(repo, reflog_since, seen)
    unreached = _unreached(store, packs, loose, seen, moment)
    oldest = moment - _nanoseconds(retention_days)
    ages = [*moved, *((written, id) for id, (written, _) in unreached.items())]
    kept = _mark_young(repo, [age for age in ages if age[0] > oldest], seen, retention_days)
    dropped = {id: kind for id, (_, kind) in unreached.items() if id not in seen}
    for groups in (reachable, *kept.values()):
        _leave_out(groups, loose.keys() - packed_loose)
    return GCPlan(
        retention_days,
        reflog_since,
        reachable,
        kept,
        dropped,
        operations,
        last,
        tuple(packs),
        {id: written for id, written in loose.items() if id in packed_loose or id in dropped},
        store.stats().size,
        reachable_count,
        len(seen) - reachable_count,
        seen,
    )


def _database(repo: Repository) -> Database:
    if not isinstance(repo.objects, Database):
        raise GCError("a store in memory, or inside a batch, is not collected")
    return repo.objects


def _nanoseconds(days: float) -> int:
    return int(days * DAY * 1e9)


def _leave_out(groups: Groups, ids: AbstractSet[ObjectId]) -> None:
    """Take the objects that stay loose out of *groups*."""
    if ids:
        for kind, members in groups.items():
            groups[kind] = [id for id in members if id not in ids]


def _unreached(
    store: Database, packs: Mapping[str, int], loose: Mapping[ObjectId, int], seen: AbstractSet[ObjectId], now: int
) -> dict[ObjectId, tuple[int, Kind]]:
    """Every object that is not in *seen*, with the time it was last written, and its kind."""
    found: dict[ObjectId, tuple[int, Kind]] = {}

    def add(id: ObjectId, kind: Kind, written: int) -> None:
        if kind != "operation" and (id not in found or found[id][0] < written):
            found[id] = (written, kind)

    for name, written in packs.items():
        for id, kind in store.pack_objects(name):
            if id not in seen:
                add(id, kind, min(written, now))
    for id, kind in store.journal_objects():
        if id not in seen:
            add(id, kind, now)
    for id, written in loose.items():
        if id not in seen:
            add(id, store.loose_kind(id), min(written, now))
    return found


# Marking


def _mark(
    repo: Repository,
    roots: Sequence[ObjectId],
    seen: set[ObjectId],
    *,
    gaps: bool = False,
    progress: Progress | None = None,
) -> Groups:
    """Everything reachable from *roots* that is not in *seen*, which grows, in the order to pack it.

    What was said together lies together, oldest first; so distances to what came before are small.
    *gaps* says that what is missing is passed over.
    """
    commits: dict[ObjectId, tuple[tuple[ObjectId, ...], ObjectId | None]] = {}
    trees: list[ObjectId] = []
    blobs: list[ObjectId] = []
    for number, (id, obj) in enumerate(_walk(repo, roots, seen, gaps=gaps), 1):
        if obj.kind == "commit":
            commit = read_commit(id, obj)
            commits[id] = (commit.parents, commit.content)
        else:
            (trees if obj.kind == "tree" else blobs).append(id)
        if progress is not None and not number % _REPORT_EVERY:
            progress("marking", number, 0)
    lines = _in_lines(commits, roots)
    fresh = set(blobs)
    contents = (commits[id][1] for id in lines)
    in_order = dict.fromkeys(content for content in contents if content in fresh and content is not None)
    in_order.update(dict.fromkeys(blobs))
    trees.reverse()  # a parent is met before its children, and distances should look back
    return {"blob": list(in_order), "tree": trees, "commit": lines}


def _in_lines(
    commits: Mapping[ObjectId, tuple[tuple[ObjectId, ...], ObjectId | None]], roots: Iterable[ObjectId]
) -> list[ObjectId]:
    """*commits* line by line: each root's first parents oldest first, then what was merged into them."""
    ordered: dict[ObjectId, None] = {}
    for root in (*roots, *commits):
        starts = [root]
        while starts:
            at: ObjectId | None = starts.pop()
            line: list[ObjectId] = []
            placed = set()
            while at is not None and at in commits and at not in ordered and at not in placed:
                line.append(at)
                placed.add(at)
                parents = commits[at][0]
                starts.extend(parents[1:])
                at = parents[0] if parents else None
            ordered.update(dict.fromkeys(reversed(line)))
    return list(ordered)


def _walk(
    repo: Repository, roots: Iterable[ObjectId], seen: set[ObjectId], *, gaps: bool = False
) -> Iterator[tuple[ObjectId, Object]]:
    """Every object reachable from *roots* that is not in *seen*, which grows.

    Of a note its text is reached, and the notes before it, but not what they are about.
    """
    stack: list[ObjectId] = []
    of_notes: list[ObjectId] = []

    def push(ids: Iterable[ObjectId | None], to: list[ObjectId] = stack) -> None:
        # Seen as soon as it waits: every commit names a dozen of the same others.
        for id in ids:
            if id is not None and id not in seen:
                seen.add(id)
                to.append(id)

    push(roots)
    while stack or of_notes:
        is_note = not stack
        id = of_notes.pop() if is_note else stack.pop()
        try:
            obj = repo.objects.read(id)
        except BlobNotFoundError:
            if not gaps:
                raise
            seen.discard(id)
            continue
        yield id, obj
        if obj.kind == "commit":
            commit = read_commit(id, obj)
            push((*commit.parents, commit.content))
            if commit.operation is CommitOperation.NOTE:
                push(commit.open[1::2])
                push([commit.tree], of_notes)
            else:
                push((*commit.open, commit.target, commit.tree))
        elif obj.kind == "tree":
            node = read_node(id, obj)
            if node.level:
                push(node.items[::2], of_notes if is_note else stack)
            else:
                push(node.items[1::2] if is_note else node.items)


def _reflog(
    repo: Repository, since: int, seen: AbstractSet[ObjectId]
) -> tuple[tuple[ObjectId, ...], list[tuple[int, ObjectId]]]:
    """The operations the reflog keeps, newest first; and what refs moved away from that is not in *seen*, with the time.

    The reflog goes back to the oldest operation that is younger than *since*: a clock that once was wrong cuts nothing off.
    """
    operations: list[ObjectId] = []
    young = 0
    moved: dict[ObjectId, int] = {}
    for id, operation in repo.refs.history():
        if not operations or operations[-1] != id:
            operations.append(id)
        moment = operation.time * 1000
        if moment >= since:
            young = len(operations)
        for change in operation.changes:
            for value in (change.new, change.old):
                if isinstance(value, bytes) and value not in seen:
                    moved.setdefault(value, moment)
    return tuple(operations[:young]), [(moment, id) for id, moment in moved.items()]


def _mark_young(
    repo: Repository, ages: list[tuple[int, ObjectId]], seen: set[ObjectId], retention_days: float
) -> dict[int, Groups]:
    """What the objects in *ages* (each with its time) need that is not in *seen*, by the time of its youngest.

    Those of about an eighth of the retention go together, so that packs stay few;
    the steps are powers of two, so that it is the same ones at every gc, and nothing grows younger by being copied.
    """
    step = 1 << (max(1, _nanoseconds(retention_days)) // 8).bit_length()
    together: dict[int, list[tuple[int, ObjectId]]] = {}
    for age in ages:
        together.setdefault(age[0] // step, []).append(age)
    kept: dict[int, Groups] = {}
    for cell in sorted(together, reverse=True):
        members = sorted(together[cell], reverse=True)
        groups = _mark(repo, [id for _, id in members], seen, gaps=True)
        if any(groups.values()):
            kept[members[0][0]] = groups
    return kept


# Running


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works.

    Only for the holder of the store's ``maintenance``, who has held it since the plan was made.
    """
    started = time.monotonic()
    store = _database(repo)
    level = AGGRESSIVE_LEVEL if aggressive else LEVEL
    folded = _fold(_kept_operations(repo, plan), None)
    fresh = _write_all(store, plan, folded, level, progress)
    previous = folded[-1].id if folded else None
    seen = set(plan.reached)
    last = plan.last
    for _ in range(_MOST_ROUNDS):
        repo.refs.refresh()
        since = _operations_after(repo, last)
        if len(since) <= _FEW_OPERATIONS:
            break
        last = repo.refs.last
        later = _fold(since, previous)
        previous = later[-1].id
        fresh.add(_write_groups(store, _saved(repo, plan, since, seen), later, level=level))
    with store.lock():
        repo.refs.refresh()
        since = _operations_after(repo, last)
        saved = _saved(repo, plan, since, seen)
        if saved:
            fresh.add(_write_groups(store, saved, (), level=level))
        head = _fold(since, previous)
        store.rotate(head, repo.refs.keyframe(head[-1].id if head else previous, "gc"), without="operation")
        repo.refs.refresh()
        store.drop_packs(name for name in plan.packs if name not in fresh)
        store.drop_loose({id: at for id, at in plan.loose.items() if id in plan.reached or id not in seen})
        store.remove_leftovers()
    store.mark_collected()
    return _result(plan, len(store.packs()), store.stats().size, started)


def _result(plan: GCPlan, packs: int, size: int | None, started: float, *, dry_run: bool = False) -> GCResult:
    return GCResult(
        plan.reachable_count,
        plan.kept_count,
        len(plan.dropped),
        len(plan.packs),
        packs,
        plan.size_before,
        size,
        time.monotonic() - started,
        dry_run,
    )


def _write_all(
    store: Database, plan: GCPlan, operations: Sequence[NewObject], level: int, progress: Progress | None
) -> set[str]:
    """The pack with everything that is reachable, and those of what is kept for a while."""
    names: set[str] = set()
    if operations or any(plan.reachable.values()):
        dictionary = _train(store, plan.reachable["blob"])
        names.add(
            _write_groups(store, plan.reachable, operations, level=level, dictionary=dictionary, progress=progress)
        )
    for written, groups in plan.kept.items():
        if any(groups.values()):
            names.add(_write_groups(store, groups, (), level=level, written=written))
    return names


def _write_groups(
    store: Database,
    groups: Groups,
    operations: Sequence[NewObject],
    *,
    level: int,
    dictionary: bytes = b"",
    written: int | None = None,
    progress: Progress | None = None,
) -> str:
    rows = [Group(kind, groups[kind]) for kind in KINDS if groups.get(kind)]
    total = sum(len(row.ids) for row in rows)

    def payloads() -> Iterator[bytes]:
        done = 0
        for row in rows:
            for id in row.ids:
                yield store.read(id).payload
                done += 1
                if progress is not None and not done % _REPORT_EVERY:
                    progress("packing", done, total)
        yield from (new.payload for new in operations)

    everything = [*rows, Group("operation", [new.id for new in operations])] if operations else rows
    return store.write_pack(everything, payloads(), level=level, dictionary=dictionary, written=written)


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


def _saved(repo: Repository, plan: GCPlan, since: Sequence[Operation], seen: set[ObjectId]) -> Groups:
    """What the operations in *since* made needed again of all that is to be dropped: a ref put on an old commit, a text said once more.

    The walk stops at what is in *seen*, which grows, so it costs what is new.
    """
    changes = (change for operation in since for change in operation.changes)
    roots = [value for change in changes for value in (change.new, change.old) if isinstance(value, bytes)]
    groups: Groups = {}
    for id, obj in _walk(repo, roots, seen):
        if id in plan.dropped and id not in plan.loose:
            groups.setdefault(obj.kind, []).append(id)
    return groups


# Operations


def _operations_after(repo: Repository, last: ObjectId | None) -> list[Operation]:
    """The operations after *last* that moved a ref, oldest first."""
    since: list[Operation] = []
    for id, operation in repo.refs.history():
        if id == last:
            break
        if operation.changes:
            since.append(operation)
    return since[::-1]


def _kept_operations(repo: Repository, plan: GCPlan) -> Iterator[Operation]:
    """The operations the reflog keeps, oldest first, without the changes that led to what is dropped."""

    def is_old(operation: Operation) -> bool:
        return operation.time * 1000 < plan.reflog_since

    without_dropped = _without(plan.dropped)
    for operation in dropwhile(is_old, _single_operations(repo, plan.operations)):
        changes = tuple(change for change in map(without_dropped, operation.changes) if change is not None)
        if changes:
            yield operation._replace(changes=changes)


def _without(dropped: Mapping[ObjectId, Kind]) -> Callable[[RefChange], RefChange | None]:
    """What to make of each change in turn: those to a dropped commit are left out, and the ref's next one begins where they did."""
    held: dict[str, RefValue | None] = {}  # what refs were at before the changes that were just left out

    def change_without(change: RefChange) -> RefChange | None:
        before = None if change.old in dropped else change.old
        if change.new in dropped:
            held.setdefault(change.name, before)
            return None
        before = held.pop(change.name, before)
        return None if before == change.new else RefChange(change.name, before, change.new)

    return change_without


def _single_operations(repo: Repository, ids: Sequence[ObjectId]) -> Iterator[Operation]:
    """The operations in *ids*, which come newest first, one by one, oldest first."""
    for id in reversed(ids):
        operation = read_operation(id, repo.objects.read(id))
        if operation.steps is None:
            yield operation
        else:
            yield from reversed(list(unfold_operation(operation)))


def _fold(operations: Iterable[Operation], previous: ObjectId | None) -> list[NewObject]:
    """Operations, oldest first, as few objects that still tell each; every one names the one before, the first *previous*."""
    rest = iter(operations)
    folded: list[NewObject] = []
    while some := list(islice(rest, _STEPS_A_FOLD)):
        last = some[-1]
        changes = tuple(change for operation in some for change in operation.changes)
        steps = tuple(Step(one.time, one.actor, one.reason, len(one.changes)) for one in some)
        folded.append(new_operation(Operation(previous, last.time, last.actor, "fold", changes, None, steps)))
        previous = folded[-1].id
    return folded
