"""Measuring side by side: every figure from a process of its own, the peers in turn, round after round; medians.

A subject has ``measure(peer, **task)``, which one process does and which gives plain numbers, and ``run(bench)``, which says what is measured of whom and gives rows.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS, Message, Peer, peer_class
from benchmarks.text import messages

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 20.0
"""Seconds: what takes one process longer is measured once, not in every round; the tables say how often each was."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one peer took; *values* are medians by the names of the columns, *rounds* how many there were of each, *case* the table it is in."""

    subject: str
    case: str
    peer: str
    durability: str
    values: dict[str, float]
    rounds: int = 1
    note: str = ""


@dataclass
class Bench:
    """One run of the suite: where its stores are, who takes part, and why who does not."""

    folder: str
    quick: bool = False
    only: tuple[str, ...] = ()
    most_rounds: int = 99
    durabilities: tuple[str, ...] = ("process", "full")
    largest: int = 100_000
    missing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._stores: dict[tuple[Any, ...], str] = {}
        self.peers = [name for name in PEERS if not self.only or name in self.only]
        for name in list(self.peers):
            reason = unavailable(name)
            if reason is not None:
                self.missing[name] = reason
                self.peers.remove(name)

    def size(self, real: int, quick: int) -> int:
        return quick if self.quick else real

    def rounds(self, real: int) -> int:
        return 1 if self.quick else min(real, self.most_rounds)

    def new_folder(self) -> str:
        return tempfile.mkdtemp(dir=self.folder)

    def texts(self, number: int, length: int = 300) -> str:
        """A file with *number* messages, one a line, made once."""
        path = os.path.join(self.folder, f"texts-{number}-{length}.jsonl")
        if not os.path.exists(path):
            with open(path, "w") as file:
                file.writelines(json.dumps(message) + "\n" for message in conversation(number, length))
        return path

    def store(self, peer: str, number: int, *, length: int = 300, gc: bool = False, one_by_one: bool = False) -> str:
        """A folder with the peer's store of *number* messages, made once; copy it before writing to it."""
        key = (peer, number, length, gc, one_by_one)
        if key not in self._stores:
            folder = self.new_folder()
            self.child("build", peer, folder=folder, texts=self.texts(number, length), gc=gc, one_by_one=one_by_one)
            self._stores[key] = folder
        return self._stores[key]

    def child(self, subject: str, peer: str, **task: Any) -> dict[str, Any]:
        """What ``measure`` of the subject gives in a process of its own."""
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.child", subject, peer, json.dumps(task)],
            cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{subject} of {peer} failed: {done.stderr.strip().splitlines()[-1:]}")
        print(f"  {subject:10} {peer:28} {time.monotonic() - start:6.1f} s", file=sys.stderr, flush=True)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    def interleaved(
        self, subject: str, names: Iterable[str], task: Callable[[str], Mapping[str, Any]], rounds: int
    ) -> dict[str, list[dict[str, Any]]]:
        """What each of *names* gave, in turn in each round; one that fails is missing, with the reason.

        What takes longer than PATIENCE is measured in the first round alone.
        """
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        slow: set[str] = set()
        for _ in range(rounds):
            for name in [name for name in found if name not in slow]:
                start = time.monotonic()
                try:
                    found[name].append(self.child(subject, name, **task(name)))
                except RuntimeError as exc:
                    print(exc, file=sys.stderr)
                    self.missing[f"{name} ({subject})"] = str(exc)
                    slow.add(name)
                if time.monotonic() - start > PATIENCE:
                    slow.add(name)
        return {name: given for name, given in found.items() if given}


def rows_of(
    subject: str, case: str, found: Mapping[str, list[dict[str, Any]]], durability: str = "process"
) -> list[Row]:
    """A row a peer: the medians of what its rounds gave; what a peer cannot do is a None, and no value."""
    rows = []
    for peer, given in found.items():
        names = dict.fromkeys(name for one in given for name, value in one.items() if value is not None)
        values = {name: statistics.median(one[name] for one in given if one.get(name) is not None) for name in names}
        rows.append(Row(subject, case, peer, durability, values, len(given)))
    return rows


def at_most(names: Iterable[str], number: int) -> list[str]:
    """Those of *names* that are given as many as *number* messages."""
    return [name for name in names if number <= peer_class(name).most]


def conversation(number: int, length: int = 300) -> list[Message]:
    """A user and an assistant in turn."""
    return [
        {"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(messages(number, length))
    ]


def read_texts(path: str) -> list[Message]:
    return next(read_portions(path, sys.maxsize), [])


def read_portions(path: str, size: int) -> Iterator[list[Message]]:
    """The messages in a file, so many at a time."""
    with open(path) as file:
        while portion := [json.loads(line) for line in islice(file, size)]:
            yield portion


def unavailable(name: str) -> str | None:
    """Why a peer cannot take part, if it cannot."""
    try:
        peer_class(name)
    except Exception as exc:  # noqa: BLE001 - whatever it is, its rows say so and the others go on
        return f"not installed: {exc}"
    if name.startswith("git"):
        try:
            subprocess.run(["git", "--version"], check=True, stdout=subprocess.DEVNULL)
        except OSError as exc:
            return f"not installed: {exc}"
    return None


def environment() -> dict[str, str]:
    """Of every child: this checkout first, nothing from the user's settings, the same hashes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRACT_", "GIT_", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "OPENAI_AGENTS_DISABLE_TRACING": "1"}


def size_of(folder: str) -> dict[str, int]:
    """Bytes in the files of a folder, and in the blocks they take."""
    found = [path.stat() for path in Path(folder).rglob("*") if path.is_file()]
    return {"bytes": sum(one.st_size for one in found), "on disk": sum(one.st_blocks * 512 for one in found)}


def used() -> float:
    """Seconds of processor time, of this process and of those it waited for."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in found)


def warm_up(peer: type[Peer], number: int = 30) -> None:
    """Do everything once in a store that is thrown away, so that nothing measured is a first time."""
    said = conversation(number)
    with tempfile.TemporaryDirectory() as folder:
        one = peer()
        one.open(folder, "process")
        if one.append_all(said) is None:
            one.append_many(said)
        one.load()
        one.load_at(number, one.places[-1] if one.places else None)
        one.close()
