"""Collecting garbage: planning a gc and running it; on a full disk, piece by piece."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tract.errors import DurabilityError, GCError, ReadOnlyError
from tract.events import began, emit
from tract.maintenance.gc.mark import ARCHIVED
from tract.maintenance.gc.options import GCOptions, GCResult, read_options
from tract.maintenance.gc.plan import GCPlan, collected, database, plan_gc
from tract.maintenance.gc.run import Run, run_gc
from tract.named_tuple import NamedTuple
from tract.objects.id import Kind, ObjectId
from tract.repo import Repository
from tract.storage import files
from tract.storage.memory import MemoryStore
from tract.storage.repacking import Groups, Progress, new_groups

_FULL_DISK_LEVEL = 3

# ``gc --auto`` runs if there are more packs, or small loose objects, than this since the last gc.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000


def is_due(repo: Repository) -> bool:
    """True if gc would find enough to do; costs two listings of folders. A store in memory has nothing to pack."""
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
    """Plan a gc and run it, or with *dry_run* only report what it would do; GCError while another gc runs.

    Without *options* the settings of all tracts decide what is kept.
    """
    if repo.read_only and not dry_run:
        raise ReadOnlyError(repo.path or "")
    since = began()
    result = _collect(repo, options, now, progress, lambda _: not dry_run, looks=dry_run, aggressive=aggressive)
    if not dry_run:
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
    """Drop the orphans that are older than *orphans* (default: the settings of their tracts); return them.

    Archives stay. If there is nothing to drop, nothing is repacked; with *dry_run* nothing changes at all.
    """
    dropped: dict[ObjectId, Kind] = {}

    def is_wanted(plan: GCPlan) -> bool:
        dropped.clear()
        dropped.update(plan.dropped_objects())  # now, because their packs are about to be removed
        return bool(dropped) and not dry_run

    _collect(repo, read_options(repo, orphans=orphans, archives="never"), now, progress, is_wanted, looks=dry_run)
    return dropped


def _collect(
    repo: Repository,
    options: GCOptions | None,
    now: float | None,
    progress: Progress | None,
    is_wanted: Callable[[GCPlan], bool],
    *,
    looks: bool,
    aggressive: bool = False,
) -> GCResult:
    """Plan a gc and run it if the plan *is_wanted*; on a full disk piece by piece."""
    with collected(repo).maintenance(looks=looks):
        options = options or read_options(repo)
        try:
            plan = plan_gc(repo, options, seal=not looks, now=now, progress=progress)
            return run_gc(repo, plan, aggressive=aggressive, progress=progress) if is_wanted(plan) else plan.result
        except DurabilityError as exc:
            _make_room(repo, exc)
            plan = plan_gc(repo, options.without_archives(), seal=False, now=now, progress=progress)
            return _run_in_pieces(repo, plan) if is_wanted(plan) else plan.result


# On a full disk gc runs in pieces; each of them fits and leaves more room than before.
#
#     derived data              half-written files, the token counts and lists in cache/, the zeros at the journal's end
#     the journal               the objects in it that stay go into a pack, with all operations; a new journal replaces it
#     each pack                 one with nothing that stays is removed at once; else what stays is copied first, smallest copies first
#
# No one can write meanwhile, because the lock is held. If the process is killed in between, the store works, as after any gc.
# Archives stay, because their cuts need room of their own.


def _make_room(repo: Repository, exc: DurabilityError) -> None:
    """Delete derived data if *exc* was caused by a full disk; else raise *exc*."""
    if not files.is_full(exc):
        raise exc
    store = database(repo)
    cache = os.path.join(os.path.dirname(store.path), "cache")
    with store.lock():
        store.make_room()
        for name in files.list_directory(cache):
            files.unlink(os.path.join(cache, name))


class _Piece(NamedTuple):
    """The objects of one pack, or of the journal (*name* is None), that stay, and their *size* in bytes before compression; *has_garbage* says if any object is dropped."""

    name: str | None
    stays: Groups
    size: int
    has_garbage: bool


def _run_in_pieces(repo: Repository, plan: GCPlan) -> GCResult:
    """Run *plan* piece by piece; it must not have packed the journal, and takes no archives.

    GCError, with the missing bytes, if a piece does not fit; pieces done before stay done.
    """
    began = time.monotonic()
    store, run = database(repo), Run(repo, plan, _FULL_DISK_LEVEL)
    with store.lock():
        repo.refs.refresh()
        run.save()
        journal, *packs = [_piece(run, name, numbers) for name, numbers in plan.catalogue.pieces()]
        with _fitting(repo, journal):
            run.write_pack(journal.stays, run.kept_operations())
            try:
                repo.put_cuts({**repo.shallow.cuts, **run.cuts()})
                objects, keyframe = run.journal()
                store.begin_journal((*objects, keyframe), zeros=False)
                repo.refs.refresh()
            except DurabilityError:
                store.drop_packs(run.written - plan.catalogue.packs.keys())
                raise
        store.drop_loose(
            {id: at for id, at in plan.loose.items() if not run.marker.stays(plan.catalogue.number_of(id))}
        )
        for piece in sorted(packs, key=lambda one: one.size):
            if piece.name is not None and piece.has_garbage:
                if any(piece.stays.values()):
                    with _fitting(repo, piece):
                        run.write_pack(piece.stays, written=plan.catalogue.packs[piece.name])
                if piece.name not in run.written:
                    store.drop_packs([piece.name])
        store.remove_leftovers()
        store.use_room()
    store.mark_collected()
    return run.result(began)


def _piece(run: Run, name: str | None, numbers: range) -> _Piece:
    marker, catalogue = run.marker, run.plan.catalogue
    stays, size = new_groups(), 0
    for number in numbers:
        if marker.stays(number) and number not in catalogue.loose_numbers:
            stays[catalogue.kind_of(number)].append(number)
            size += catalogue.size_of(number)
    return _Piece(name, stays, size, any(marker.mark_of(number) <= ARCHIVED for number in numbers))


@contextmanager
def _fitting(repo: Repository, piece: _Piece) -> Iterator[None]:
    """Raise GCError with the missing room if a copy of what stays of *piece* does not fit."""
    try:
        yield
    except DurabilityError as exc:
        if not files.is_full(exc):
            raise
        free = files.free_space(database(repo).path)
        where = "the journal" if piece.name is None else f"'{piece.name}'"
        raise GCError(
            f"the disk is full: a copy of the objects that stay in {where} may take {piece.size} bytes, and {free} are free"
        ) from exc
