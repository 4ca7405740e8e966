"""Collecting: plan and run in one, and the second half of it, which does what a plan says.

A new pack is on the disk, with its index, before anything that it replaces goes. So gc can be killed at any point: the next gc finds and removes what is left over.
Writers hold the lock from their first look to their operation, and look at the packs anew when the journal was replaced; so nothing that they rely on goes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from tract.errors import DurabilityError, ReadOnlyError
from tract.events import began, emit
from tract.history.state import kept_commits
from tract.maintenance.gc.full_disk import collect_in_pieces, plan_on_full_disk
from tract.maintenance.gc.mark import Progress
from tract.maintenance.gc.notes import find_stale_notes, keep_keys, prune_notes
from tract.maintenance.gc.options import GCOptions, read_options
from tract.maintenance.gc.plan import GCPlan, collected, database, plan_gc
from tract.maintenance.gc.reflog import RefFileSync
from tract.maintenance.gc.repack import Repack, write_cuts
from tract.maintenance.gc.result import GCResult
from tract.maintenance.gc.settled import write_settled
from tract.objects.id import Kind, ObjectId
from tract.repo import Repository
from tract.storage.counts import prune_all_counts
from tract.storage.memory import MemoryStore

LEVEL = 12
AGGRESSIVE_LEVEL = 19

# ``gc --auto`` finds work when there are more packs, or small loose objects, that the last gc has not seen.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000


def is_due(repo: Repository) -> bool:
    """Whether gc would find enough to do; costs two listings of folders. In memory nothing waits to be packed."""
    if isinstance(repo.objects, MemoryStore):
        return False
    store = database(repo)
    return store.count_new_packs() > _AUTO_PACKS or store.count_new_loose(_AUTO_LOOSE) > _AUTO_LOOSE


def collect(
    repo: Repository,
    options: GCOptions | None = None,
    *,
    dry_run: bool = False,
    aggressive: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCResult:
    """Plan a gc and run it, or with *dry_run* say what it would do; GCError while another one runs.

    Without *options* the settings of all tracts say what is kept.
    """
    if repo.read_only and not dry_run:
        raise ReadOnlyError(repo.path or "")
    since = began()
    with collected(repo).maintenance(looks=dry_run):
        options = options or read_options(repo)
        try:
            plan = plan_gc(repo, options, seal=not dry_run, now=now, progress=progress)
            if dry_run:
                return plan.result
            result = run_gc(repo, plan, aggressive=aggressive, progress=progress)
        except DurabilityError as exc:
            result = collect_in_pieces(repo, plan_on_full_disk(repo, options, exc, now, progress))
    emit("gc", repo.place, since, dropped=result.dropped, dropped_size=result.dropped_size)
    return result


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
    options = read_options(repo, orphans=orphans, archives="never")
    with collected(repo).maintenance(looks=dry_run):
        try:
            plan = plan_gc(repo, options, seal=not dry_run, now=now, progress=progress)
            dropped = dict(plan.dropped_objects())  # now: their packs are about to go
            if dropped and not dry_run:
                run_gc(repo, plan, progress=progress)
        except DurabilityError as exc:
            plan = plan_on_full_disk(repo, options, exc, now, progress)
            dropped = dict(plan.dropped_objects())
            collect_in_pieces(repo, plan)
    return dropped


def _run_in_memory(repo: Repository, store: MemoryStore, plan: GCPlan) -> GCResult:
    """Do what *plan* says in a store in memory, whose lock has been held since the plan was made."""
    repack = Repack(repo, plan, LEVEL)
    keep_keys(repo, repack.marker, repack.ends())
    stale = find_stale_notes(repo, plan.drops_id, plan.catalogue.has) if plan.dropped else {}
    repack.save(kept_commits(repo))
    repack.release_refs()
    write_cuts(repo, repack.cuts())
    history = repack.write_history()
    objects, keyframe = repack.journal()
    gone = {id: written for id, written in plan.loose.items() if repack.may_go(id)}
    store.begin_again(gone, [*history, *objects], keyframe)
    repo.decoded.forget(gone)
    repo.refs.refresh()
    for name, old in stale.items():
        prune_notes(repo, name, old, store.contains)
    return plan.done(store)


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works.

    Only for the holder of the store's ``maintenance``, who has held it since the plan was made.
    """
    if isinstance(repo.objects, MemoryStore):
        return _run_in_memory(repo, repo.objects, plan)
    store = database(repo)
    repack = Repack(repo, plan, AGGRESSIVE_LEVEL if aggressive else LEVEL)
    repack.write_packs(progress)
    repack.catch_up()
    keep_keys(repo, repack.marker, repack.ends())
    stale = find_stale_notes(repo, plan.drops_id, plan.catalogue.has) if plan.dropped else {}
    ref_files = RefFileSync(os.path.dirname(store.path), repo.refs)
    with store.lock():
        repo.refs.refresh()
        repack.write_saved(kept_commits(repo))
        repack.release_refs()
        ref_files.finish(store, [name for name, _ in plan.released])
        cuts = repack.cuts()
        write_cuts(repo, {**repo.shallow.cuts, **cuts})
        objects, keyframe = repack.journal()
        store.rotate(objects, keyframe, without="operation")
        repo.refs.refresh()
        # Before the packs go, which the catalogue reads from.
        loose = {id: written for id, written in plan.loose.items() if repack.may_go(id)}
        store.drop_packs(name for name in plan.packs if name not in repack.written)
        store.drop_loose(loose)
        store.remove_leftovers()
        write_cuts(repo, cuts)  # now without the commits that went
    if repo.path is not None:
        if plan.dropped:
            prune_all_counts(os.path.join(repo.path, "cache"), store.was_seen)
            for name, gone in stale.items():
                prune_notes(repo, name, gone, store.was_seen)
        write_settled(repo.path, () if cuts or plan.marker.takes_archives else repack.settled)
    store.mark_collected()
    return plan.done(store)
