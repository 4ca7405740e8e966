"""gc on a full disk: in pieces, each of which fits and leaves more room than before.

    what can be made again    half-written files, the token counts and lists in cache/, the zeros at the journal's end
    the journal               what stays of it goes into a pack, with all operations; a new journal takes its place
    each pack                 one of which nothing stays goes at once; of another what stays is copied first, the smallest copy before others

Nobody can write meanwhile, for the lock is held. Killed in between, it leaves a store that works, as any gc does.
"""

from __future__ import annotations

import os
from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tract.errors import DurabilityError, GCError
from tract.history.state import kept_commits
from tract.maintenance.gc.catalogue import ARCHIVED, MESSAGE, REACHED
from tract.maintenance.gc.mark import Groups, Progress, size_of
from tract.maintenance.gc.options import GCOptions
from tract.maintenance.gc.plan import GCPlan, database, plan_gc
from tract.maintenance.gc.repack import Repack, write_cuts
from tract.maintenance.gc.result import GCResult
from tract.objects.id import Kind
from tract.repo import Repository
from tract.storage import files

_LEVEL = 3


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stays of one pack, or of the journal (no *name*), and its *size* before compression; whether anything in it goes."""

    name: str | None
    stays: Groups
    size: int
    has_garbage: bool


def plan_on_full_disk(
    repo: Repository, options: GCOptions, exc: DurabilityError, now: float | None, progress: Progress | None
) -> GCPlan:
    """What to collect where it was a full disk that *exc* told of, else raise *exc*; archives stay, for their cuts need room of their own.

    What can be made again goes before anything is looked at; only for the holder of ``maintenance``.
    """
    if not files.is_full(exc):
        raise exc
    store = database(repo)
    assert repo.path is not None
    with store.lock():
        store.make_room()
        for name in files.list_directory(os.path.join(repo.path, "cache")):
            files.unlink(os.path.join(repo.path, "cache", name))
    return plan_gc(repo, options.without_archives(), seal=False, now=now, progress=progress)


def collect_in_pieces(repo: Repository, plan: GCPlan) -> GCResult:
    """Do what *plan*, which must not have packed the journal and takes no archives, says, piece by piece.

    GCError with what is missing where a piece does not fit; what was done before stays done.
    """
    store = database(repo)
    repack = Repack(repo, plan, _LEVEL)
    with store.lock():
        repo.refs.refresh()
        repack.save(kept_commits(repo))
        journal, *packs = [_piece(repack, name, numbers) for name, numbers in plan.catalogue.pieces()]
        _write(repo, repack, journal)
        try:
            write_cuts(repo, {**repo.shallow.cuts, **repack.cuts()})
            objects, keyframe = repack.journal()
            store.begin_journal((*objects, keyframe), zeros=False)
            repo.refs.refresh()
        except DurabilityError as exc:
            store.drop_packs(repack.written - plan.catalogue.packs.keys())
            if not files.is_full(exc):
                raise
            raise _no_room(repo, journal) from exc
        store.drop_loose({id: written for id, written in plan.loose.items() if not repack.marker.stays(id)})
        for piece in sorted(packs, key=lambda one: one.size):
            assert piece.name is not None
            if piece.has_garbage:
                if any(piece.stays.values()):
                    _write(repo, repack, piece)
                if piece.name not in repack.written:
                    store.drop_packs([piece.name])
        store.remove_leftovers()
        store.use_room()
    store.mark_collected()
    return plan.done(store)


def _piece(repack: Repack, name: str | None, numbers: Iterable[int]) -> _Piece:
    marker, catalogue = repack.marker, repack.plan.catalogue
    stays: defaultdict[Kind, array[int]] = defaultdict(lambda: array("I"))
    size = 0
    has_garbage = False
    for number in numbers:
        mark = marker.mark_of(number)
        if mark in (MESSAGE, REACHED) and catalogue.id_of(number) not in catalogue.loose:
            stays[catalogue.kind_of(number)].append(number)
            size += size_of(catalogue, number)
        has_garbage |= mark <= ARCHIVED
    return _Piece(name, dict(stays), size, has_garbage)


def _write(repo: Repository, repack: Repack, piece: _Piece) -> None:
    """Copy what stays of a piece, and of the journal the operations too."""
    try:
        if piece.name is None:
            repack.write_pack(piece.stays, repack.kept_operations())
        else:
            repack.write_pack(piece.stays, written=repack.plan.catalogue.packs[piece.name])
    except DurabilityError as exc:
        if not files.is_full(exc):
            raise
        raise _no_room(repo, piece) from exc


def _no_room(repo: Repository, piece: _Piece) -> GCError:
    free = files.free_space(database(repo).path)
    where = "the journal" if piece.name is None else f"'{piece.name}'"
    return GCError(
        f"the disk is full: a copy of what stays of {where} may take {piece.size} bytes, and {free} are free"
    )
