"""Power cuts, tried out: every store a recorded workload could leave behind is opened, checked and used.

    record     a workload, every change it makes to the disk        crash_workloads.py, crash_archives.py
    cut        after each change: what may the disk hold now?       crash_disk.py
    check      open that store; nothing acknowledged is gone        crash_checks.py
    mutate     take one step out of the protocol: it must show      crash_mutants.py

scripts/crash-states runs all of it; test_crash_states.py a sample.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.crash_archives import (
    ARCHIVE_WORKLOADS,
    life_after_archives,
    life_with_archives_that_ends_early,
    shown_and_waiting,
)
from tests.faults.crash_checks import check_state, expected_by_change
from tests.faults.crash_disk import ALL, Disk, Fate, Item, random_fates, remove, systematic_fates
from tests.faults.crash_policies import (
    POLICY_WORKLOADS,
    life_after_policies,
    life_with_policies_that_ends_early,
    shown_and_decided,
)
from tests.faults.crash_recording import Life, Recording, record, record_killed, small_store
from tests.faults.crash_workloads import (
    WORKLOADS,
    life_after,
    life_after_a_cut,
    life_that_ends_early,
    life_with_failing_syncs,
    life_with_two_handles,
)
from tract.storage.store import Durability

_FSCK_EVERY = 16
"""A check of the whole store costs more than all other checks of a state together, so only some states get it."""


def memory_folder() -> str | None:
    """A folder in memory, where there is one: thousands of stores are written."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Failure(NamedTuple):
    """A state that did not pass. *change* and *fates* tell how to make it again."""

    workload: str
    change: int
    fates: dict[Item, Fate]
    problem: str


@dataclass
class Result:
    """What exploring found."""

    states: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    by_workload: dict[str, list[int]] = field(default_factory=dict)

    def count(self, workload: str, failed: bool) -> None:
        row = self.by_workload.setdefault(workload, [0, 0])
        row[0] += 1
        row[1] += failed
        self.states += 1


def summary(failures: Sequence[Failure]) -> list[str]:
    """The failures, those with the same problem as one line, with where the first of them is."""
    found: dict[str, list[Failure]] = {}
    for failure in failures:
        found.setdefault(re.sub("[0-9a-f]{64}|[0-9]+", "*", failure.problem), []).append(failure)
    return [
        f"{len(same)} × {same[0].problem} (first: '{same[0].workload}' after {same[0].change} changes)"
        for same in sorted(found.values(), key=len, reverse=True)
    ]


# Exploring


class _Cut(NamedTuple):
    """One state: which recording, after how many changes, and what became of those that were not synced."""

    recording: Recording
    change: int
    fates: dict[Item, Fate]


def _moments(recording: Recording) -> Iterator[tuple[int, Disk]]:
    """The disk after each change worth a look, oldest first; the same disk, which goes on."""
    disk = Disk()
    for change in recording.before:
        disk.advance(change)
    for number, change in enumerate(recording.changes):
        if number >= recording.start and change.kind != "mark":
            yield number, disk
        disk.advance(change)
    yield len(recording.changes), disk


def explore(
    recordings: Sequence[Recording],
    *,
    states: int,
    seed: int,
    stop_at: int | None = None,
    on_progress: Callable[[Result], None] | None = None,
) -> Result:
    """Check *states* different states of the recordings, or as many as there are; *stop_at* failures are enough.

    Each recording gets its share, spread over its moments.
    """
    result = Result()
    begun = time.perf_counter()
    chance = random.Random(seed)
    seen: set[tuple[bytes, int]] = set()
    with small_store(), tempfile.TemporaryDirectory(prefix="tract-cuts-", dir=memory_folder()) as folder:
        weight = sum(recording.weight for recording in recordings)
        for recording in recordings:
            share = round((states - result.states) * recording.weight / weight)
            weight -= recording.weight
            _explore_one(recording, share, chance, seen, folder, result, stop_at)
            if on_progress is not None:
                on_progress(result)
            if stop_at is not None and len(result.failures) >= stop_at:
                break
    result.seconds = time.perf_counter() - begun
    return result


def _explore_one(
    recording: Recording,
    share: int,
    chance: random.Random,
    seen: set[tuple[bytes, int]],
    folder: str,
    result: Result,
    stop_at: int | None,
) -> None:
    result.failures += [Failure(recording.name, 0, {}, problem) for problem in recording.problems]
    expected = expected_by_change(recording)
    moments = sum(1 for _ in _moments(recording))
    goal = result.states + share
    for _ in range(_ROUNDS):
        before = result.states
        for done, (change, disk) in enumerate(_moments(recording)):
            # What a moment cannot use, the later ones may.
            fair = (goal - result.states) / (moments - done)
            quota = int(fair) + (chance.random() < fair % 1)
            for fates in _some_fates(disk, chance) if quota else ():
                key = (disk.hash(fates), expected[change].acknowledged)
                if key in seen:
                    continue
                seen.add(key)
                path = os.path.join(folder, "state")
                disk.write(path, fates)
                first: Durability = "full" if len(seen) % 2 else "process"
                # Of a pack that gc half removed only fsck tells.
                fsck = recording.name in ("gc", "gc, process") or len(seen) % _FSCK_EVERY == 0
                problem = check_state(path, recording, expected[change], first, fsck=fsck)
                remove(path)
                result.count(recording.name, problem is not None)
                if problem is not None:
                    result.failures.append(Failure(recording.name, change, fates, problem))
                    if stop_at is not None and len(result.failures) >= stop_at:
                        return
                quota -= 1
                if not quota:
                    break
        if result.states in (goal, before):
            return  # all that were asked for, or all there are


_ROUNDS = 6
_TRIES = 40


def _some_fates(disk: Disk, chance: random.Random) -> Iterator[dict[Item, Fate]]:
    """States of the disk, in no order, but for the one that is told first half of the time: nothing that was not synced is there."""
    if chance.random() < 0.5:
        yield {}
    systematic = list(systematic_fates(disk))
    chance.shuffle(systematic)
    for number in range(_TRIES):
        if number < len(systematic):
            yield systematic[number]
        yield random_fates(disk, chance)


# Recording


@contextmanager
def _root() -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="tract-life-", dir=memory_folder())
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


def recordings_of_whole_lives(seed: int, only: str = "") -> list[Recording]:
    found = []
    for name, run in WORKLOADS.items():
        if only in name:
            with _root() as root:
                found.append(record(name, run, root, seed=seed))
    return found


def recordings_with_archives(seed: int, only: str = "") -> list[Recording]:
    found = []
    for name, (run, look) in ARCHIVE_WORKLOADS.items():
        if only in name:
            with _root() as root:
                made = record(name, run, root, seed=seed, look=look, cuts=True)
                found.append(made._replace(weight=24))  # it is long
    return found


def recordings_with_policies(seed: int, only: str = "") -> list[Recording]:
    found = []
    for name, run in POLICY_WORKLOADS.items():
        if only in name:
            with _root() as root:
                found.append(record(name, run, root, seed=seed, look=shown_and_decided))
    return found


def recordings_with_failing_syncs(seed: int, only: str = "") -> list[Recording]:
    found = []
    for fails in ((12,), (14, 15), tuple(range(10, 60, 7)), tuple(range(11, 80, 5))):
        name = f"failing syncs {fails[0]}…"
        if only in name:
            with _root() as root:
                found.append(record(name, life_with_failing_syncs, root, seed=seed, fail_syncs=fails))
    return found


def recordings_of_killed_lives(seed: int, every: int = 1, only: str = "") -> list[Recording]:
    """A process is killed at each change in turn (or each *every*-th), and another goes on."""
    return _killed("killed", life_that_ends_early, life_after, seed, every, only)


def recordings_of_killed_archives(seed: int, every: int = 1, only: str = "") -> list[Recording]:
    """The same, while it compresses and its gc takes archives."""
    run, then = life_with_archives_that_ends_early, life_after_archives
    return _killed("archives, killed", run, then, seed, every, only, look=shown_and_waiting, cuts=True)


def recordings_of_killed_policies(seed: int, every: int = 1, only: str = "") -> list[Recording]:
    """The same, while a policy acts and proposals are decided; who comes after decides what waits."""
    run, then = life_with_policies_that_ends_early, life_after_policies
    return _killed("policies, killed", run, then, seed, every, only, look=shown_and_decided)


def _killed(
    name: str,
    run: Callable[[Life], None],
    then: Callable[[Life], None],
    seed: int,
    every: int,
    only: str,
    **options: Any,
) -> list[Recording]:
    if only not in f"{name} at":
        return []
    with _root() as root:
        changes = len(record("whole", run, root, seed=seed, **options).changes)
    found = []
    for kill_at in range(seed % every, changes, every):
        with _root() as root:
            made = record_killed(f"{name} at {kill_at}", run, then, root, kill_at, seed=seed, **options)
            found.append(made._replace(weight=1))
    return found


def recordings_after_a_cut(seed: int, only: str = "") -> list[Recording]:
    """Stores that a power cut left with a hole, whole transactions behind it, and what is done to them then."""
    if only not in "cut at, then more":
        return []
    with _root() as root:
        first = record("before", life_with_two_handles, root, seed=seed)
    cuts: dict[tuple[Item, ...], int] = {}
    for change, disk in _moments(first):
        transactions = _pending_transactions(disk)
        if len(transactions) > 1:
            cuts[tuple(transactions)] = change
    return [_after_cut(first, cut, seed) for cut in cuts.values()]


def _pending_transactions(disk: Disk) -> list[Item]:
    """The writes of whole transactions that are not synced: all but the small ones and the zeros."""
    return [item for item, c in disk.pending().items() if c.kind == "write" and len(c.data) > 200 and any(c.data[:8])]


def _after_cut(first: Recording, cut: int, seed: int) -> Recording:
    """The oldest transaction that was not synced is missing, all after it are there."""
    with _root() as root:
        state = root / "state"
        for change, disk in _moments(first):
            if change == cut:
                hole = _pending_transactions(disk)[0]
                disk.write(str(state), {item: ALL for item in disk.pending() if item != hole})
                break
        return record(f"cut at {cut}, then more", life_after_a_cut, state, seed=seed + 1)._replace(weight=16)


def all_recordings(seed: int, *, every_kill: int = 1, only: str = "", archives: bool = True) -> list[Recording]:
    """Every recording with *only* in its name; those with archives, which are many and long, if they are wanted."""
    found = [
        *recordings_of_whole_lives(seed, only),
        *recordings_with_failing_syncs(seed, only),
        *recordings_after_a_cut(seed, only),
        *recordings_of_killed_lives(seed, every_kill, only),
        *recordings_with_policies(seed, only),
        *recordings_of_killed_policies(seed, every_kill, only),
    ]
    if archives:
        found += recordings_with_archives(seed, only)
        found += recordings_of_killed_archives(seed, every_kill, only)
    return found
