"""Recording what is done to a store: every change it makes to the disk, and what was acknowledged when."""

from __future__ import annotations

import os
import random
import secrets
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.crash_recorder import Change, Killed, Recorder, watched
from tract.api.tract import Tract
from tract.errors import DamageWarning, TractError
from tract.objects.model import RefChange
from tract.storage import database, files, journal, settled
from tract.storage.store import Durability
from tract.tokens.counter import EstimateTokenCounter

Moves = tuple[tuple[RefChange, ...], ...]
"""What the operations of a store did, oldest first, without those that moved nothing."""

Shown = tuple[str, ...]
"""What a store shows, in the words of whoever looks."""

Look = Callable[[Tract], Shown]


class Moment(NamedTuple):
    """So many operations into the history of this number: a gc that forgets some of them begins another."""

    history: int
    moves: int


class Done(NamedTuple):
    """A mark: what the workload was told is done, and what the store shows then, if that is to be compared."""

    moment: Moment
    durability: Durability
    shown: Shown


class Recording(NamedTuple):
    """A workload as it went: its changes, and what the operations of the store did in each of its histories."""

    name: str
    before: list[Change]
    changes: list[Change]
    start: int  # the change from which its states are worth looking at
    histories: tuple[Moves, ...]
    problems: list[str]
    look: Look
    cuts: bool = False  # whether a gc takes archives
    weight: int = 8  # its share of the states, beside the others'


class _Clock:
    """The moments and names of one recording, the same in every run."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 2_000_000_000_000_000_000  # later than any file's time, so that gc takes nothing for young


class _Seeded:
    """Stands in for a module of clocks or of random names, with those of *clock*."""

    def __init__(self, clock: _Clock, behind: Any) -> None:
        self._clock = clock
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def time_ns(self) -> int:
        self._clock.now += 1_000_000
        return self._clock.now

    monotonic_ns = time_ns

    def time(self) -> float:
        return self.time_ns() / 1e9

    def urandom(self, size: int) -> bytes:
        return self._clock.chance.randbytes(size)

    def token_hex(self, size: int) -> str:
        return self._clock.chance.randbytes(size).hex()


@contextmanager
def replaced(target: Any, **values: Any) -> Iterator[None]:
    """Attributes of *target* are *values* inside."""
    before = {name: getattr(target, name) for name in values}
    for name, value in values.items():
        setattr(target, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(target, name, value)


@contextmanager
def small_store() -> Iterator[None]:
    """Limits so small that a short workload seals, writes loose objects, cuts a batch, reserves space and settles packs."""
    with (
        replaced(database, JOURNAL_LIMIT=7000, LOOSE_LIMIT=2500, _MOST_BYTES=6000, _MOST_OBJECTS=16),
        replaced(journal, FIRST_STEP=4096, _LAST_STEP=8192, MOST_ROOM=1024),
        replaced(settled, _LEAST_OBJECTS=4),
    ):
        yield


@contextmanager
def recorded(recorder: Recorder, seed: int) -> Iterator[None]:
    """Everything done inside goes through *recorder*, with clocks and random names that are the same in every run."""
    clock = _Clock(seed)
    with ExitStack() as stack:
        stack.enter_context(replaced(files, os=recorder, remove_tree=recorder.remove_tree))
        for module in [module for name, module in sys.modules.items() if name.startswith("tract.")]:
            for name, real in (("os", os), ("time", time), ("secrets", secrets)):
                if getattr(module, name, None) is real:
                    stack.enter_context(replaced(module, **{name: _Seeded(clock, real)}))
        stack.enter_context(small_store())
        stack.enter_context(watched(recorder))
        yield


def open_tract(folder: str | Path, durability: Durability = "full", **options: Any) -> Tract:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamageWarning)  # what was never synced may be gone after a cut, and is told of
        return Tract.open(folder, durability=durability, tokenizer=EstimateTokenCounter(), on_moved="append", **options)


def texts(tract: Tract) -> Shown:
    """The context at HEAD."""
    return tuple(str(message.content) for message in tract.compile().messages)


def moves_of(tract: Tract) -> Moves:
    tract.repository.refs.refresh()
    return tuple(one.changes for _, one in tract.repository.refs.history() if one.changes)[::-1]


class Life:
    """What a workload does things through: it notes what was acknowledged. *look* says what the root tract shows."""

    def __init__(self, recorder: Recorder, look: Look = texts) -> None:
        self.recorder = recorder
        self.folder = os.path.join(recorder.root, "projects", "mine")
        self.look = look
        self.problems: list[str] = []
        self.histories: list[Moves] = [()]
        self._open: list[Tract] = []
        self._words = random.Random(7)

    def live(self, run: Callable[[Life], None]) -> None:
        """Do what *run* says; an error is a problem, which a protocol that lacks a step may well have before any power cut."""
        try:
            run(self)
        except (TractError, OSError) as exc:
            self.problems.append(f"it fails before any power cut: {exc!r}")

    def open(self, durability: Durability = "full", **options: Any) -> Tract:
        tract = open_tract(self.folder, durability, **options)
        self._open.append(tract)
        return tract

    def text(self, size: int = 0) -> str:
        """A text that does not compress, *size* characters long or 8 to 300."""
        return self._words.randbytes((size or self._words.randrange(8, 300)) // 2).hex()

    def done(self, tract: Tract, durability: Durability) -> None:
        """The step before returned, so it must hold from now on."""
        shown = self.look(tract) if tract.tract_id == "root" else ()
        self.recorder.mark(Done(self.remember(moves_of(tract)), durability, shown))

    def remember(self, moves: Moves) -> Moment:
        """Take in what the store says that was done to it."""
        if moves[: len(self.histories[-1])] == self.histories[-1]:
            self.histories[-1] = moves
        else:
            self.histories.append(moves)
        return Moment(len(self.histories) - 1, len(moves))

    def close(self, tract: Tract) -> None:
        self._open.remove(tract)
        tract.close()

    def die(self) -> None:
        """Let go of all descriptors as the kernel does for a killed process, and go on as another."""
        for tract in self._open:
            tract.repository.close()
        self._open.clear()
        self.recorder.revive()


def _recording(name: str, recorder: Recorder, life: Life, start: int, cuts: bool) -> Recording:
    life.die()
    problems = [*life.problems, *(f"not through tract.storage.files: {call}" for call in recorder.around)]
    changes = recorder.changes
    try:
        with small_store(), open_tract(life.folder) as tract:
            life.remember(moves_of(tract))
    except (TractError, OSError) as exc:
        problems.append(f"the store cannot be opened afterwards: {exc!r}")
    if problems:
        changes = []  # what would be expected of its states is not known
    histories = tuple(life.histories)
    return Recording(name, recorder.before, changes, start, histories, sorted(set(problems)), life.look, cuts)


def record(
    name: str,
    run: Callable[[Life], None],
    root: Path,
    *,
    seed: int = 1,
    fail_syncs: Sequence[int] = (),
    look: Look = texts,
    cuts: bool = False,
) -> Recording:
    """The recording of one life in the folder *root*."""
    recorder = Recorder(root, fail_syncs=fail_syncs)
    life = Life(recorder, look)
    with recorded(recorder, seed):
        life.live(run)
    return _recording(name, recorder, life, 0, cuts)


def record_killed(
    name: str,
    run: Callable[[Life], None],
    then: Callable[[Life], None],
    root: Path,
    kill_at: int,
    *,
    seed: int = 1,
    look: Look = texts,
    cuts: bool = False,
) -> Recording:
    """One life that is killed at a change, and another after it."""
    recorder = Recorder(root, kill_at=kill_at)
    life = Life(recorder, look)
    with recorded(recorder, seed):
        with suppress(Killed):
            life.live(run)
        start = len(recorder.changes)
        life.die()
        life.live(then)
    return _recording(name, recorder, life, start, cuts)
