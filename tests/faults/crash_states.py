"""Power cuts, tried out: every store a recorded workload could leave behind is opened, checked and used.

    record     a workload, every change it makes to the disk        crash_workloads.py
    cut        after each change: what may the disk hold now?       crash_disk.py
    check      open that store; nothing acknowledged is gone, and it works
    mutate     take one step out of the protocol: the checks must notice

scripts/crash-states runs all of it; test_crash_states.py a sample.
"""

from __future__ import annotations

import fcntl
import os
import random
import re
import shutil
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.faults.crash_disk import ALL, Disk, Fate, Item, random_fates, remove, systematic_fates
from tests.faults.crash_workloads import (
    WORKLOADS,
    Recording,
    life_after,
    life_after_a_cut,
    life_that_ends_early,
    life_with_failing_syncs,
    life_with_two_handles,
    moves_of,
    open_tract,
    record,
    record_killed,
    small_store,
    texts,
)
from tract.api import Tract
from tract.errors import TractError
from tract.history.fsck.check import check_repository
from tract.objects.id import ObjectId
from tract.objects.model import read_blob, read_commit, read_node
from tract.refs.files import RefFiles
from tract.repo import Repository
from tract.storage.store import Durability

_FSCK_EVERY = 16
"""A check of the whole store costs more than all other checks of a state together, so only some states get it."""

_HEAD_WORDS = "after the cut"


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


class _Expected(NamedTuple):
    """What must hold at one moment of a recording."""

    acknowledged: int  # so many operations were acknowledged as synced
    texts: dict[int, tuple[str, ...]]  # the context after so many operations, where it is known


class _ProblemError(Exception):
    pass


# Checking one state


def check_state(folder: str, recording: Recording, expected: _Expected, first: Durability, *, fsck: bool) -> str | None:
    """What is wrong with the store in *folder*, or None; it is opened, read, written and opened again, and with *fsck* checked before and after."""
    second: Durability = "process" if first == "full" else "full"
    store = os.path.join(folder, "projects", "mine", ".tract")
    existed = os.path.exists(store)
    try:
        if existed and fsck:
            _check_fsck(store, "before recovery")
        with _opened(os.path.dirname(store), first) as tract:
            _check_history(tract, recording, expected, existed)
            before = texts(tract)
            tract.user(_HEAD_WORDS)
        _check_lock(store)
        with _opened(os.path.dirname(store), second) as tract:
            if texts(tract) != (*before, _HEAD_WORDS):
                return "what was committed after the cut is not there after reopening"
            _check_reachable(tract._base)
            tract.user("and once more")
            _check_ref_files(tract._base, store)
        with _opened(os.path.dirname(store), first) as tract:
            if texts(tract) != (*before, _HEAD_WORDS, "and once more"):
                return "the second commit after the cut is not there after reopening"
        if fsck:
            _check_fsck(store, "after use")
    except _ProblemError as exc:
        return str(exc)
    except TractError as exc:
        return f"refused with {type(exc).__name__}: {_shortened(str(exc), folder)}"
    except Exception as exc:  # noqa: BLE001  # whatever it is, it is what the state is tried for
        where = traceback.extract_tb(exc.__traceback__)[-1]
        return (
            f"{type(exc).__name__} at {os.path.basename(where.filename)}:{where.lineno}: {_shortened(str(exc), folder)}"
        )
    return None


def _shortened(text: str, folder: str) -> str:
    return text.replace(folder, "…")[:300]


def _opened(folder: str, durability: Durability) -> AbstractContextManager[Tract]:
    return open_tract(folder, durability)


def _check_history(tract: Tract, recording: Recording, expected: _Expected, existed: bool) -> None:
    """The store is as it was after some operation, and not one before the last acknowledged."""
    found = moves_of(tract)
    if not existed and not expected.acknowledged:
        return
    if found != recording.moves[: len(found)]:
        raise _ProblemError("its operations are others" if existed else "lost everything")
    if len(found) < expected.acknowledged:
        raise _ProblemError(f"{expected.acknowledged - len(found)} acknowledged operations are lost")
    _check_reachable(tract._base)
    if expected.texts.get(len(found), shown := texts(tract)) != shown:
        raise _ProblemError("the context is another")


def _check_reachable(repo: Repository) -> None:
    """Every object that a ref reaches can be read; its id proves its bytes."""
    seen: set[ObjectId] = set()
    waiting = [value for _, value in repo.refs.list() if isinstance(value, bytes)]
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        obj = repo.objects.read(id)
        if obj.kind == "commit":
            commit = read_commit(id, obj)
            waiting += [*commit.parents, *commit.open]
            waiting += [other for other in (commit.content, commit.target, commit.tree) if other is not None]
        elif obj.kind == "tree":
            node = read_node(id, obj)
            waiting += node.items if node.level == 0 else node.items[::2]
        else:
            read_blob(id, obj)


def _check_lock(store: str) -> None:
    fd = os.open(os.path.join(store, "locks", "journal"), os.O_RDWR)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _ProblemError("a lock was left behind") from None
    finally:
        os.close(fd)


def _check_fsck(store: str, when: str) -> None:
    """A power cut is no damage: what it leaves behind is a warning at most."""
    for problem in check_repository(store).errors:
        raise _ProblemError(f"fsck {when}: {problem.kind}: {problem.detail}")


def _check_ref_files(repo: Repository, store: str) -> None:
    """What the files of HEAD and its branch say is what the operations say."""
    mirror = RefFiles(store, "full")
    branch = repo.refs.read("HEAD")
    for name in ("HEAD", branch):
        assert isinstance(name, str)
        found = mirror.read(name)
        if found is None or found[0] != repo.refs.read(name):
            raise _ProblemError(f"the file of ref {name} is not what the ref is")


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


def _expected_by_moment(recording: Recording) -> list[_Expected]:
    """What must hold after so many changes."""
    marks = [change.mark for change in recording.changes if change.kind == "mark"]
    known = {mark.moves: mark.texts for mark in marks if mark.texts}
    acknowledged = 0
    result = [_Expected(acknowledged, known)]
    for change in recording.changes:
        if change.kind == "mark" and change.mark.durability == "full":
            acknowledged = max(acknowledged, change.mark.moves)
        result.append(_Expected(acknowledged, known))
    return result


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
    expected = _expected_by_moment(recording)
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
                fsck = len(seen) % _FSCK_EVERY == 0
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


def recordings_of_whole_lives(seed: int) -> list[Recording]:
    found = []
    for name, run in WORKLOADS.items():
        with _root() as root:
            found.append(record(name, run, root, seed=seed))
    return found


def recordings_with_failing_syncs(seed: int) -> list[Recording]:
    found = []
    for fails in ((12,), (14, 15), tuple(range(10, 60, 7)), tuple(range(11, 80, 5))):
        with _root() as root:
            run = life_with_failing_syncs
            found.append(record(f"failing syncs {fails[0]}…", run, root, seed=seed, fail_syncs=fails))
    return found


def recordings_of_killed_lives(seed: int, every: int = 1) -> list[Recording]:
    """A process is killed at each change in turn (or each *every*-th), and another goes on."""
    with _root() as root:
        changes = len(record("whole", life_that_ends_early, root, seed=seed).changes)
    found = []
    for kill_at in range(seed % every, changes, every):
        with _root() as root:
            name = f"killed at {kill_at}"
            made = record_killed(name, life_that_ends_early, life_after, root, kill_at, seed=seed)
            found.append(made._replace(weight=1))
    return found


def recordings_after_a_cut(seed: int) -> list[Recording]:
    """Stores that a power cut left with a hole, whole transactions behind it, and what is done to them then."""
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


def all_recordings(seed: int, *, every_kill: int = 1) -> list[Recording]:
    return [
        *recordings_of_whole_lives(seed),
        *recordings_with_failing_syncs(seed),
        *recordings_after_a_cut(seed),
        *recordings_of_killed_lives(seed, every_kill),
    ]
