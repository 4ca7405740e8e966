"""Collecting: plan and run in one, and the second half of it, which does what a plan says.

A new pack is on the disk, with its index, before anything that it replaces goes. So gc can be killed at any point: the next gc finds and removes what is left over.
Writers hold the lock from their first look to their operation, and look at the packs anew when the journal was replaced; so nothing that they rely on goes.
A store that lives in a remote holds no lock while that answers: what waited looks before it lands whether all that it needs is still here (tract/remote/lane.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tract.errors import DurabilityError, GCError, ReadOnlyError
from tract.events import began, emit
from tract.history.state import kept_commits
from tract.maintenance.gc.catalogue import ARCHIVED, write_settled
from tract.maintenance.gc.mark import Groups, Progress, new_groups, size_of
from tract.maintenance.gc.options import GCOptions, GCResult, read_options
from tract.maintenance.gc.plan import GCPlan, collected, database, plan_gc
from tract.maintenance.gc.repack import Repack, write_cuts
from tract.maintenance.gc.rewrite import RefFileSync, find_stale_notes, keep_keys, prune_notes
from tract.objects.id import Kind, ObjectId
from tract.repo import Repository
from tract.storage import files
from tract.storage.counts import prune_all_counts
from tract.storage.memory import MemoryStore

LEVEL = 12
AGGRESSIVE_LEVEL = 19
_FULL_DISK_LEVEL = 3

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
            result = _run_in_pieces(repo, _plan_on_full_disk(repo, options, exc, now, progress))
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
            plan = _plan_on_full_disk(repo, options, exc, now, progress)
            dropped = dict(plan.dropped_objects())
            _run_in_pieces(repo, plan)
    return dropped


def run_gc(repo: Repository, plan: GCPlan, *, aggressive: bool = False, progress: Progress | None = None) -> GCResult:
    """Do what *plan* says. Killed at any point, it leaves a store that works.

    Only for the holder of the store's ``maintenance``, who has held it since the plan was made; in memory that is the lock.
    """
    began = time.monotonic()
    repack = Repack(repo, plan, AGGRESSIVE_LEVEL if aggressive else LEVEL)
    if isinstance(repo.objects, MemoryStore):
        return _run_in_memory(repo, repo.objects, plan, repack, began)
    store = database(repo)
    repack.write_packs(progress)
    repack.catch_up()
    keep_keys(repo, repack.marker, repack.ends())
    stale = find_stale_notes(repo, plan.drops, plan.catalogue.has) if plan.dropped else {}
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
    return _done(repo, plan, began)


def _run_in_memory(repo: Repository, store: MemoryStore, plan: GCPlan, repack: Repack, began: float) -> GCResult:
    """Do what *plan* says where there are no packs."""
    keep_keys(repo, repack.marker, repack.ends())
    stale = find_stale_notes(repo, plan.drops, plan.catalogue.has) if plan.dropped else {}
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
    return _done(repo, plan, began)


def _done(repo: Repository, plan: GCPlan, began: float) -> GCResult:
    """What is said when *plan* was done, which *began* then."""
    store, seconds = collected(repo), plan.result.seconds + time.monotonic() - began
    packs, size = len(store.packs()), store.stats().size
    return replace(plan.result, packs_after=packs, size_after=size, seconds=seconds, dry_run=False)


# On a full disk: in pieces, each of which fits and leaves more room than before.
#
#     what can be made again    half-written files, the token counts and lists in cache/, the zeros at the journal's end
#     the journal               what stays of it goes into a pack, with all operations; a new journal takes its place
#     each pack                 one of which nothing stays goes at once; of another what stays is copied first, the smallest copy before others
#
# Nobody can write meanwhile, for the lock is held. Killed in between, it leaves a store that works, as any gc does.


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stays of one pack, or of the journal (no *name*), and its *size* before compression; whether anything in it goes."""

    name: str | None
    stays: Groups
    size: int
    has_garbage: bool


def _plan_on_full_disk(
    repo: Repository, options: GCOptions, exc: DurabilityError, now: float | None, progress: Progress | None
) -> GCPlan:
    """What to collect where it was a full disk that *exc* told of, else raise *exc*; archives stay, for their cuts need room of their own.

    What can be made again goes before anything is looked at.
    """
    if not files.is_full(exc):
        raise exc
    store = database(repo)
    cache = os.path.join(os.path.dirname(store.path), "cache")
    with store.lock():
        store.make_room()
        for name in files.list_directory(cache):
            files.unlink(os.path.join(cache, name))
    return plan_gc(repo, options.without_archives(), seal=False, now=now, progress=progress)


def _run_in_pieces(repo: Repository, plan: GCPlan) -> GCResult:
    """Do what *plan*, which must not have packed the journal and takes no archives, says, piece by piece.

    GCError with what is missing where a piece does not fit; what was done before stays done.
    """
    began = time.monotonic()
    store = database(repo)
    repack = Repack(repo, plan, _FULL_DISK_LEVEL)
    with store.lock():
        repo.refs.refresh()
        repack.save(kept_commits(repo))
        journal, *packs = [_piece(repack, name, numbers) for name, numbers in plan.catalogue.pieces()]
        with _fitting(repo, journal):
            repack.write_pack(journal.stays, repack.kept_operations())
            try:
                write_cuts(repo, {**repo.shallow.cuts, **repack.cuts()})
                objects, keyframe = repack.journal()
                store.begin_journal((*objects, keyframe), zeros=False)
                repo.refs.refresh()
            except DurabilityError:
                store.drop_packs(repack.written - plan.catalogue.packs.keys())
                raise
        store.drop_loose({id: at for id, at in plan.loose.items() if not repack.stays(id)})
        for piece in sorted(packs, key=lambda one: one.size):
            if piece.name is not None and piece.has_garbage:
                if any(piece.stays.values()):
                    with _fitting(repo, piece):
                        repack.write_pack(piece.stays, written=plan.catalogue.packs[piece.name])
                if piece.name not in repack.written:
                    store.drop_packs([piece.name])
        store.remove_leftovers()
        store.use_room()
    store.mark_collected()
    return _done(repo, plan, began)


def _piece(repack: Repack, name: str | None, numbers: range) -> _Piece:
    marker, catalogue = repack.marker, repack.plan.catalogue
    stays, size = new_groups(), 0
    for number in numbers:
        if marker.stays(number) and number not in catalogue.loose_numbers:
            stays[catalogue.kind_of(number)].append(number)
            size += size_of(catalogue, number)
    return _Piece(name, stays, size, any(marker.mark_of(number) <= ARCHIVED for number in numbers))


@contextmanager
def _fitting(repo: Repository, piece: _Piece) -> Iterator[None]:
    """Say how much is missing where a copy of what stays of *piece* does not fit."""
    try:
        yield
    except DurabilityError as exc:
        if not files.is_full(exc):
            raise
        free = files.free_space(database(repo).path)
        where = "the journal" if piece.name is None else f"'{piece.name}'"
        raise GCError(
            f"the disk is full: a copy of what stays of {where} may take {piece.size} bytes, and {free} are free"
        ) from exc
