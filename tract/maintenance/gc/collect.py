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
from collections.abc import Mapping
from dataclasses import replace

from tract.config import Retention
from tract.maintenance.gc.cutting import Archive, HeldArchive
from tract.maintenance.gc.marks import Progress
from tract.maintenance.gc.plan import DAY, REFLOG_DAYS, GCPlan, database, plan_gc
from tract.maintenance.gc.policies import RETENTION_DAYS, Policies, Policy, read_policies
from tract.maintenance.gc.run import AGGRESSIVE_LEVEL, LEVEL, GCResult, result_of, run_gc
from tract.objects.id import Kind, ObjectId
from tract.repo import Repository

__all__ = [
    "AGGRESSIVE_LEVEL",
    "DAY",
    "LEVEL",
    "REFLOG_DAYS",
    "RETENTION_DAYS",
    "Archive",
    "GCPlan",
    "GCResult",
    "HeldArchive",
    "Policies",
    "Policy",
    "collect",
    "collect_by_policy",
    "is_due",
    "plan_gc",
    "prune",
    "run_gc",
]

# ``gc --auto`` finds work when there are more packs, or small loose objects, that the last gc has not seen.
_AUTO_PACKS = 12
_AUTO_LOOSE = 1000


def is_due(repo: Repository) -> bool:
    """Whether gc would find enough to do; costs two listings of folders."""
    store = database(repo)
    return store.count_new_packs() > _AUTO_PACKS or store.count_new_loose(_AUTO_LOOSE) > _AUTO_LOOSE


def collect(
    repo: Repository,
    *,
    retention_days: float = RETENTION_DAYS,
    reflog_days: float = REFLOG_DAYS,
    archives: Retention | None = None,
    keep_pinned: bool = True,
    policies: Policies | None = None,
    dry_run: bool = False,
    aggressive: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCResult:
    """Plan a gc and run it, or with *dry_run* say what it would do; GCError while another one runs."""
    started = time.monotonic()
    with database(repo).maintenance():
        plan = plan_gc(
            repo,
            retention_days=retention_days,
            reflog_days=reflog_days,
            archives=archives,
            keep_pinned=keep_pinned,
            policies=policies,
            seal=not dry_run,
            now=now,
            progress=progress,
        )
        if not dry_run:
            result = run_gc(repo, plan, aggressive=aggressive, progress=progress)
            return replace(result, seconds=time.monotonic() - started)
    return result_of(plan, plan.packs_before, None, started, dry_run=True)


def collect_by_policy(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    archives: float | str | None = None,
    keep_pinned: bool | None = None,
    keep_merge_bases: bool | None = None,
    dry_run: bool = False,
    aggressive: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> GCResult:
    """As :func:`collect`, with the retentions as settings say them: of each tract what its own settings say, where it is None here."""
    policies = read_policies(
        repo, orphans=orphans, archives=archives, keep_pinned=keep_pinned, keep_merge_bases=keep_merge_bases
    )
    return collect(repo, policies=policies, dry_run=dry_run, aggressive=aggressive, now=now, progress=progress)


def prune(
    repo: Repository,
    *,
    orphans: float | str | None = None,
    dry_run: bool = False,
    now: float | None = None,
    progress: Progress | None = None,
) -> Mapping[ObjectId, Kind]:
    """Drop the orphans that are older than *orphans*, where that is None as the settings of their tracts have it, and give back what they were.

    Archives stay. Nothing is packed anew where there is nothing to drop; with *dry_run* nothing is done at all.
    """
    policies = read_policies(repo, orphans=orphans, archives="never")
    with database(repo).maintenance():
        plan = plan_gc(repo, policies=policies, seal=not dry_run, now=now, progress=progress)
        dropped = dict(plan.dropped)  # now, for they are told from the packs that go
        if dropped and not dry_run:
            run_gc(repo, plan, progress=progress)
    return dropped
