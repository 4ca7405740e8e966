"""Collecting: plan and run in one, and the second half of it, which does what a plan says.

A new pack is on the disk, with its index, before anything that it replaces goes. So gc can be killed at any point: the next gc finds and removes what is left over.
Writers hold the lock from their first look to their operation, and look at the packs anew when the journal was replaced; so nothing that they rely on goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tract.config import FOR_EVER
from tract.errors import DurabilityError, ReadOnlyError, RefMovedError
from tract.events import began, emit
from tract.history.notes import BOOKKEEPING, KEY, REQUEST, noted_entries
from tract.history.state import kept_commits
from tract.maintenance.gc.full_disk import collect_in_pieces, make_room
from tract.maintenance.gc.keys import keep_keys
from tract.maintenance.gc.mark import Progress
from tract.maintenance.gc.plan import Archive, GCPlan, HeldArchive, database, operation_refs, plan_gc
from tract.maintenance.gc.policies import Policies, read_policies
from tract.maintenance.gc.reflog import (
    RefFileSync,
    fold_operations,
    operations_after,
)
from tract.maintenance.gc.repack import Repack, write_cuts
from tract.maintenance.gc.settled import write_settled
from tract.objects.id import Kind, ObjectId
from tract.objects.model import Commit, NewObject, new_commit
from tract.reflog import RENOTED
from tract.refs.names import NOTES
from tract.refs.store import RefEdit
from tract.repo import Repository
from tract.storage import files
from tract.storage.counts import prune_all_counts
from tract.transaction import transaction
from tract.tree import EMPTY, Context, append_entry

LEVEL = 12
AGGRESSIVE_LEVEL = 19

# ``gc --auto`` finds work when there are more packs, or small loose objects, that the last gc has not seen.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000

# What happened while the packs were written is followed without the lock until this little is left, or so often.
_FEW_OPERATIONS = 64
_MOST_ROUNDS = 8

# Of the notes of a namespace at least one in so many must be about what is gone: so each is written anew a few times at most.
_ONE_IN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GCResult:
    """What a gc did, or with *dry_run* would do.

    *reachable*, *kept* (unreachable, but young) and *dropped* are numbers of objects; operations are in none of them.
    *size_before* and *size_after* are bytes on disk of packs, journal and loose objects; a dry run cannot know the size after it, and says None.
    *dropped_size* is the size of what is dropped, in bytes before compression: so a dry run says the same as the run after it.
    *archives* is what goes with each archive of a compression, the newest first; all else that is dropped are orphans.
    *held* are archives that expired, but that merges or orphans need.
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
    dropped_size: int = 0
    archives: tuple[Archive, ...] = ()
    held: tuple[HeldArchive, ...] = ()


def is_due(repo: Repository) -> bool:
    """Whether gc would find enough to do; costs two listings of folders."""
    store = database(repo)
    return store.count_new_packs() > _AUTO_PACKS or store.count_new_loose(_AUTO_LOOSE) > _AUTO_LOOSE


def collect(
    repo: Repository,
    policies: Policies | None = None,
    *,
    dry_run: bool = False,
    aggressive: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCResult:
    """Plan a gc and run it, or with *dry_run* say what it would do; GCError while another one runs.

    Without *policies* the settings of all tracts say what is kept.
    """
    if repo.read_only and not dry_run:
        raise ReadOnlyError(repo.path or "")
    started, since = time.monotonic(), began()
    with database(repo).maintenance(looks=dry_run):
        if dry_run:
            plan = plan_gc(repo, policies, seal=False, now=now, progress=progress)
            return _result_of(plan, plan.packs_before, None, started)
        try:
            plan = plan_gc(repo, policies, now=now, progress=progress)
            result = run_gc(repo, plan, aggressive=aggressive, progress=progress)
        except DurabilityError as exc:
            result = _collect_on_full_disk(repo, policies, exc, now, progress)
    emit("gc", repo.place, since, dropped=result.dropped, dropped_size=result.dropped_size)
    return replace(result, seconds=time.monotonic() - started)


def _collect_on_full_disk(
    repo: Repository, policies: Policies | None, exc: DurabilityError, now: float | None, progress: Progress | None
) -> GCResult:
    """Collect in pieces, where it was a full disk that *exc* told of; archives stay, for their cuts need room of their own."""
    if not files.is_full(exc):
        raise exc
    started = time.monotonic()
    policies = policies or read_policies(repo)
    without = [replace(policy, archives=FOR_EVER) for policy in policies.policies]
    make_room(repo)
    plan = plan_gc(repo, replace(policies, policies=without), seal=False, now=now, progress=progress)
    collect_in_pieces(repo, plan)
    store = database(repo)
    return _result_of(plan, len(store.packs()), store.stats().size, started)


def prune(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    dry_run: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> Mapping[ObjectId, Kind]:
    """Drop the orphans that are older than *orphans*, by default than the settings of their tracts have it, and give back what they were.

    Archives stay. Nothing is packed anew where there is nothing to drop; with *dry_run* nothing is done at all.
    """
    policies = read_policies(repo, orphans=orphans, archives="never")
    with database(repo).maintenance(looks=dry_run):
        try:
            plan = plan_gc(repo, policies, seal=not dry_run, now=now, progress=progress)
            dropped = dict(plan.dropped_objects())  # now: their packs are about to go
            if dropped and not dry_run:
                run_gc(repo, plan, progress=progress)
        except DurabilityError as exc:
            plan = plan_gc(repo, policies, seal=False, now=now, progress=progress)
            dropped = dict(plan.dropped_objects())
            _collect_on_full_disk(repo, policies, exc, now, progress)
    return dropped


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works.

    Only for the holder of the store's ``maintenance``, who has held it since the plan was made.
    """
    started = time.monotonic()
    store = database(repo)
    level = AGGRESSIVE_LEVEL if aggressive else LEVEL
    repack = Repack(repo, plan)
    fresh = repack.write_packs(level, progress)
    last = plan.last
    for _ in range(_MOST_ROUNDS):
        repo.refs.refresh()
        since = operations_after(repo, last)
        if len(since) <= _FEW_OPERATIONS:
            break
        last = repo.refs.last
        fresh.add(repack.write_pack(repack.saved(since), level, repack.later(since)))
    keep_keys(repo, repack.marker, repack.ends())
    stale = find_stale_notes(repo, plan.drops_id, plan.catalogue.has) if plan.dropped else {}
    ref_files = RefFileSync(os.path.dirname(store.path), repo.refs)
    with store.lock():
        repo.refs.refresh()
        saved = repack.saved(operations_after(repo, last), kept_commits(repo))
        if saved:
            fresh.add(repack.write_pack(saved, level))
        repack.release_refs()
        ref_files.finish(store, [name for name, _ in plan.released])
        cuts = repack.cuts(time.strftime("%Y-%m-%d", time.gmtime()))
        write_cuts(repo, {**repo.shallow.cuts, **cuts})
        head = list(fold_operations(repack.later(operations_after(repo, last)), repack.last_operation))
        last = head[-1].id if head else repack.last_operation
        keyframe, chunks = operation_refs(repo).keyframe(last, "gc")
        store.rotate((*head, *chunks), keyframe, without="operation")
        repo.refs.refresh()
        # Before the packs go, which the catalogue reads from.
        loose = {id: written for id, written in plan.loose.items() if repack.may_go(id)}
        store.drop_packs(name for name in plan.packs if name not in fresh)
        store.drop_loose(loose)
        store.remove_leftovers()
        write_cuts(repo, cuts)  # now without the commits that went
    if plan.dropped and repo.path is not None:
        prune_all_counts(os.path.join(repo.path, "cache"), store.was_seen)
        for name, gone in stale.items():
            prune_notes(repo, name, gone, store.was_seen)
    if repo.path is not None:
        write_settled(repo.path, () if cuts or plan.marker.takes_archives else repack.settled)
    store.mark_collected()
    return _result_of(plan, len(store.packs()), store.stats().size, started)


def _result_of(plan: GCPlan, packs: int, size: int | None, started: float) -> GCResult:
    return GCResult(
        reachable=plan.reachable_count,
        kept=plan.kept_count,
        dropped=len(plan.dropped),
        packs_before=plan.packs_before,
        packs_after=packs,
        size_before=plan.size_before,
        size_after=size,
        seconds=time.monotonic() - started,
        dry_run=size is None,
        dropped_size=plan.dropped_size,
        archives=plan.archives,
        held=plan.held,
    )


# A key outlives its commit, and one request's settings are those of later ones.
_OUTLIVE = (NOTES + KEY, NOTES + REQUEST, *BOOKKEEPING)


def find_stale_notes(
    repo: Repository, is_dropped: Callable[[ObjectId], bool], is_known: Callable[[ObjectId], bool]
) -> dict[str, frozenset[ObjectId]]:
    """For each ref of notes that is worth writing anew, the commits its notes are about that are dropped, or not known any more.

    Where none is dropped, notes may have come before what they are about, and are left alone.
    """
    stale: dict[str, frozenset[ObjectId]] = {}
    for name, tip in repo.refs.list():
        if NOTES in name and not name.endswith(_OUTLIVE) and isinstance(tip, bytes):
            targets = [target for target, _ in noted_entries(repo, tip)]
            dropped = {target for target in targets if is_dropped(target)}
            gone = dropped | {target for target in targets if not is_known(target)}
            if dropped and len(gone) * _ONE_IN >= len(targets):
                stale[name] = frozenset(gone)
    return stale


def prune_notes(repo: Repository, name: str, gone: frozenset[ObjectId], is_kept: Callable[[ObjectId], bool]) -> bool:
    """Write the notes at the ref *name* anew, as they were, but for those about commits in *gone* that are not kept after all.

    False where another process added a note meanwhile, which goes first: the next gc tries again.
    The old notes become unreachable, and go after the retention.
    """
    tip = at = repo.refs.read(name)
    left: list[ObjectId] = []
    while isinstance(at, bytes):
        commit = repo.commit(at)
        if commit.target is None or commit.target not in gone or is_kept(commit.target):
            left.append(at)
        at = commit.parents[0] if commit.parents else None
    new: list[NewObject] = []
    last: ObjectId | None = None
    context = EMPTY
    for number, id in enumerate(reversed(left), 1):
        last, context = _repeat_note(repo, repo.commit(id), last, context, number, new)
    try:
        with transaction(repo, RENOTED, moves="refs") as tx:
            tx.objects += new  # made before: while the lock is held nobody can commit
            tx.edits.append(RefEdit(name, last, tip))
    except RefMovedError:
        return False
    return True


def _repeat_note(
    repo: Repository, note: Commit, parent: ObjectId | None, before: Context, number: int, new: list[NewObject]
) -> tuple[ObjectId, Context]:
    """Make *note* once more, on another parent."""
    assert note.target is not None
    assert note.content is not None
    context = append_entry(repo, before, (note.target, note.content), new, "notes")
    parents = () if parent is None else (parent,)
    commit = note._replace(parents=parents, tree=context.tree, open=context.open, generation=number)
    made = new_commit(commit)
    new.append(made)
    repo.keep_commit(made.id, commit)
    return made.id, context
