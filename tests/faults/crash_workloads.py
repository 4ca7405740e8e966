"""What is done to a store while it is recorded: each workload is a few lives of a process, all with the same seeds."""

from __future__ import annotations

import os
import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.crash_disk import Change, Killed, Recorder, watched
from tract.api import Tract
from tract.compile.tokens import EstimateTokenCounter
from tract.errors import DurabilityError, TractError
from tract.history import gc
from tract.history.branch import create_branch, switch_branch
from tract.history.moves import move_ref
from tract.objects.model import RefChange
from tract.refs.store import ANY
from tract.storage import database, files, journal
from tract.storage.store import Durability

Moves = tuple[tuple[RefChange, ...], ...]
"""What the operations of a store did, oldest first, without those that moved nothing."""


class Done(NamedTuple):
    """A mark: what the workload was told is done. *moves* is the number of operations, *texts* the context at HEAD then."""

    moves: int
    durability: Durability
    texts: tuple[str, ...]


class Recording(NamedTuple):
    """A workload as it went: its changes, and what the operations of the store it left did."""

    name: str
    before: list[Change]
    changes: list[Change]
    start: int  # the change from which its states are worth looking at
    moves: Moves
    problems: list[str]
    weight: int = 8  # its share of the states, beside the others'


class _Seeded:
    """Clock, nonces and names for temporary files, the same in every run."""

    def __init__(self, seed: int, behind: Any) -> None:
        self._chance = random.Random(seed)
        self._now = 2_000_000_000_000_000_000  # later than any file's time, so that gc takes nothing for young
        self._behind = behind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def time_ns(self) -> int:
        self._now += 1_000_000
        return self._now

    monotonic_ns = time_ns

    def time(self) -> float:
        return self.time_ns() / 1e9

    def urandom(self, size: int) -> bytes:
        return self._chance.randbytes(size)

    def token_hex(self, size: int) -> str:
        return self._chance.randbytes(size).hex()


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
    """Limits so small that a short workload seals, writes loose objects, cuts a batch and reserves space."""
    with (
        replaced(database, JOURNAL_LIMIT=7000, LOOSE_LIMIT=2500, _TRANSACTION_LIMIT=6000),
        replaced(journal, FIRST_STEP=4096, _LAST_STEP=8192),
    ):
        yield


@contextmanager
def recorded(recorder: Recorder, seed: int) -> Iterator[None]:
    """Everything done inside goes through *recorder*, with clocks and random names that are the same in every run."""
    with ExitStack() as stack:
        stack.enter_context(replaced(files, os=recorder, remove_tree=recorder.remove_tree))
        for module in [module for name, module in sys.modules.items() if name.startswith("tract.")]:
            for name, real in (("os", os), ("time", time), ("secrets", secrets)):
                if getattr(module, name, None) is real:
                    stack.enter_context(replaced(module, **{name: _Seeded(seed, real)}))
        stack.enter_context(small_store())
        stack.enter_context(watched(recorder))
        yield


def open_tract(folder: str | Path, durability: Durability = "full", **options: Any) -> Tract:
    return Tract.open(folder, durability=durability, tokenizer=EstimateTokenCounter(), on_moved="append", **options)


def texts(tract: Tract) -> tuple[str, ...]:
    return tuple(str(message.content) for message in tract.compile().messages)


def moves_of(tract: Tract) -> Moves:
    tract._base.refs.refresh()
    return tuple(one.changes for _, one in tract._base.refs.history() if one.changes)[::-1]


class Life:
    """What a workload does things through: it notes what was acknowledged."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.folder = os.path.join(recorder.root, "projects", "mine")
        self.problems: list[str] = []
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
        shown = texts(tract) if tract.tract_id == "root" else ()
        self.recorder.mark(Done(len(moves_of(tract)), durability, shown))

    def close(self, tract: Tract) -> None:
        self._open.remove(tract)
        tract.close()

    def die(self) -> None:
        """Let go of all descriptors as the kernel does for a killed process, and go on as another."""
        for tract in self._open:
            tract._base.close()
        self._open.clear()
        self.recorder.revive()


def life_of_a_chat(life: Life, durability: Durability) -> None:
    """Everything a user does to one branch and a few refs."""
    tract = life.open(durability)

    def after(_: object) -> None:
        life.done(tract, durability)

    after(tract.system("be brief"))
    first = tract.user(life.text())
    after(first)
    after(tract.assistant(life.text(), usage={"prompt_tokens": 9, "completion_tokens": 5}))
    after(tract.commit({"role": "user", "content": "q"}, generation_config={"model": "m"}))
    after(tract.edit(first.commit_hash, "the same, said better"))
    after(tract.annotate(first.commit_hash, "skip", reason="old"))
    after(tract.tag("v1"))
    base = tract._base
    after(create_branch(base, "draft", bytes.fromhex(first.commit_hash)))
    after(switch_branch(base, "draft"))
    after(tract.user(life.text()))
    with tract.batch():
        for _ in range(3):
            tract.user(life.text())
        tract.annotate("HEAD", "pinned")
    after(None)
    after(switch_branch(base, "main"))
    after(move_ref(base, "refs/heads/draft", bytes.fromhex(first.commit_hash), expected=ANY, reason="reset"))
    after(move_ref(base, "refs/heads/draft", None, expected=ANY, reason="delete"))
    for _ in range(3):
        after(tract.user(life.text()))
    life.close(tract)


def life_of_an_agent(life: Life, durability: Durability) -> None:
    """Many turns: trees grow, the journal is sealed."""
    tract = life.open(durability)
    for turn in range(24):
        tract.user(life.text() if turn % 3 else "the same again")
        life.done(tract, durability)
    life.close(tract)


def life_with_two_handles(life: Life) -> None:
    """One writer waits for the disk and another does not."""
    waits, hurries = life.open("full"), life.open("process")
    for turn in range(14):
        tract, durability = ((hurries, "process"), (waits, "full"))[turn % 3 == 2]
        tract.user("of one length" if turn % 2 else life.text())
        life.done(tract, durability)  # type: ignore[arg-type]
    life.close(waits)
    life.close(hurries)


def life_with_large_objects(life: Life) -> None:
    """Loose objects, some of which both writers have, and a batch too large for one transaction."""
    hurries, waits = life.open("process"), life.open("full")
    shared = life.text(4000)
    for tract, durability, text in (
        (hurries, "process", shared),
        (waits, "full", shared),
        (hurries, "process", life.text(9000)),
        (waits, "full", "short"),
        (waits, "full", life.text(5200)),
    ):
        tract.user(text)
        life.done(tract, durability)  # type: ignore[arg-type]
    with waits.batch():
        for _ in range(18):
            waits.user(life.text(700))
    life.done(waits, "full")
    waits.user("after all that")
    life.done(waits, "full")
    life.close(hurries)
    life.close(waits)


def life_with_two_tracts(life: Life) -> None:
    """A helper's tract in the same store."""
    root = life.open("full")
    root.user("begin")
    life.done(root, "full")
    helper = life.open("full", tract_id="helper")
    life.done(helper, "full")
    for _ in range(3):
        helper.user(life.text())
        life.done(helper, "full")
        root.user(life.text())
        life.done(root, "full")
    life.close(helper)
    life.close(root)


def life_with_folders_of_branches(life: Life) -> None:
    """A branch takes the name of another's folder, and the other way round."""
    tract = life.open("full")
    start = bytes.fromhex(tract.user("begin").commit_hash)
    base = tract._base
    for name in ("a/b", "a", "a/b/c", "a"):
        create_branch(base, name, start)
        life.done(tract, "full")
        switch_branch(base, name)
        tract.user(life.text())
        life.done(tract, "full")
        switch_branch(base, "main")
        move_ref(base, f"refs/heads/{name}", None, expected=ANY, reason="delete")
        life.done(tract, "full")
    create_branch(base, "a/b", start)
    switch_branch(base, "a/b")
    life.done(tract, "full")
    life.close(tract)


def life_with_gc(life: Life, durability: Durability) -> None:
    """What was said on a branch that is gone, is said again; and collected in between, by another handle."""
    tract, other = life.open(durability), life.open("full")
    first = tract.user("begin")
    life.done(tract, durability)
    for turn in range(3):
        create_branch(tract._base, "draft", bytes.fromhex(first.commit_hash))
        switch_branch(tract._base, "draft")
        for _ in range(3):
            tract.user(life.text(600))
        tract.user(life.text(4000))
        life.done(tract, durability)
        switch_branch(tract._base, "main")
        move_ref(tract._base, "refs/heads/draft", None, expected=ANY, reason="delete")
        with other._base.objects.maintenance():  # type: ignore[attr-defined]
            plan = gc.plan_gc(other._base, retention_days=(7.0, 0.0, 0.0)[turn])
            for _ in range(3):
                tract.user(life.text(600))
                life.done(tract, durability)
            gc.run_gc(other._base, plan)
        life.done(other, "full")
        tract.user(life.text())
        life.done(tract, durability)
    life.close(tract)
    life.close(other)


def life_with_failing_syncs(life: Life) -> None:
    """Some syncs fail; who is told that a commit succeeded may rely on it all the same."""
    tract = None
    while tract is None:
        with suppress(DurabilityError):
            tract = life.open("full")
    for turn in range(20):
        before = moves_of(tract)
        try:
            tract.user(life.text(0 if turn % 6 else 3000))
        except DurabilityError as exc:
            if not exc.visible and moves_of(tract) != before:
                life.problems.append(f"a commit that failed can be seen all the same: {exc}")
        else:
            life.done(tract, "full")
    life.close(tract)


def life_that_ends_early(life: Life) -> None:
    """A little of everything, to be killed in the middle of."""
    tract = life.open("full")
    tract.user("one")
    life.done(tract, "full")
    hurries = life.open("process")
    hurries.user("of one length")
    life.done(hurries, "process")
    tract.user(life.text(4000))
    life.done(tract, "full")
    with tract.batch():
        for _ in range(9):
            tract.user(life.text(800))
    life.done(tract, "full")
    for _ in range(9):
        tract.user(life.text(500))
        life.done(tract, "full")
    gc.collect(tract._base, retention_days=0.0)
    life.done(tract, "full")
    tract.user("the end")


def life_after(life: Life) -> None:
    """What another process does after that; among it, what the dead one was about to do."""
    tract = life.open("full")
    for text in ("of one length", Life(life.recorder).text(4000), "of two length"):
        tract.user(text)
        life.done(tract, "full")
    gc.collect(tract._base, retention_days=0.0)
    tract.user("the end")
    life.done(tract, "full")
    life.close(tract)


def life_after_a_cut(life: Life) -> None:
    """Commits as long as those that were there before."""
    tract = life.open("process")
    for _ in range(4):
        tract.user("of one length")
        life.done(tract, "process")
    life.close(tract)
    life_after(life)


def _recording(name: str, recorder: Recorder, life: Life, start: int) -> Recording:
    life.die()
    problems = [*life.problems, *(f"not through tract.storage.files: {call}" for call in recorder.around)]
    changes, moves = recorder.changes, ()
    try:
        with small_store(), open_tract(life.folder) as tract:
            moves = moves_of(tract)
    except (TractError, OSError) as exc:
        problems.append(f"the store cannot be opened afterwards: {exc!r}")
    if problems:
        changes = []  # what would be expected of its states is not known
    return Recording(name, recorder.before, changes, start, moves, sorted(set(problems)))


def record(
    name: str, run: Callable[[Life], None], root: Path, *, seed: int = 1, fail_syncs: Sequence[int] = ()
) -> Recording:
    """The recording of one life in the folder *root*."""
    recorder = Recorder(root, fail_syncs=fail_syncs)
    life = Life(recorder)
    with recorded(recorder, seed):
        life.live(run)
    return _recording(name, recorder, life, 0)


def record_killed(
    name: str, run: Callable[[Life], None], then: Callable[[Life], None], root: Path, kill_at: int, *, seed: int = 1
) -> Recording:
    """One life that is killed at a change, and another after it."""
    recorder = Recorder(root, kill_at=kill_at)
    life = Life(recorder)
    with recorded(recorder, seed):
        with suppress(Killed):
            life.live(run)
        start = len(recorder.changes)
        life.die()
        life.live(then)
    return _recording(name, recorder, life, start)


WORKLOADS: dict[str, Callable[[Life], None]] = {
    "chat": lambda life: life_of_a_chat(life, "full"),
    "chat, process": lambda life: life_of_a_chat(life, "process"),
    "agent": lambda life: life_of_an_agent(life, "full"),
    "agent, process": lambda life: life_of_an_agent(life, "process"),
    "two handles": life_with_two_handles,
    "large objects": life_with_large_objects,
    "two tracts": life_with_two_tracts,
    "folders": life_with_folders_of_branches,
    "gc": lambda life: life_with_gc(life, "full"),
    "gc, process": lambda life: life_with_gc(life, "process"),
}
"""Lives that go well."""
