"""Hooks: ``python -m benchmarks.hooks [--sizes 1 10 100]``: what one turn of a coding agent's session costs, by the length of its transcript.

A transcript of so many MB is recorded once; then a question and an answer are appended, the hook runs, and so on.
Processor time is that of the whole hook, the process that goes on by itself included, above that of ``python -c pass``, measured in turn with it and printed beside it; medians.
"returns" is how long the program waits that calls what ``tract hooks install`` puts in, by a shell and until both streams have ended: with nobody else at work, while another process holds the store's lock, and beside as many busy processes as are asked for.
What nothing at all takes is measured in turn with it: ``sh -c :`` is what any program waits for any hook, ``python -c pass`` for one that is written in Python.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tract import Tract
from tract.adapters.hooks.program_settings import hook_command

ROOT = Path(__file__).resolve().parent.parent
PASS = [sys.executable, "-c", "pass"]
NOTHING = ["sh", "-c", ":"]


def record(number: int, words: str = "a word of an answer " * 100) -> str:
    """A line of a transcript: a question, or the answer to it."""
    said: dict[str, object] = {"role": "user", "content": f"question {number}"}
    if number % 2:
        said = {"role": "assistant", "content": [{"type": "text", "text": words}], "id": f"m{number}", "model": "m"}
    time = f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    parent = f"u{number - 1}" if number else None
    line = {"type": said["role"], "uuid": f"u{number}", "parentUuid": parent, "sessionId": "s", "timestamp": time, "message": said}  # fmt: skip
    return json.dumps(line) + "\n"


def spent(command: list[str], event: str, environment: dict[str, str]) -> float:
    """Milliseconds of processor time, of all that *command* began and waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, input=event, text=True, check=True, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def waited(command: list[str], event: str, environment: dict[str, str]) -> float:
    """Milliseconds until the hook has returned, and closed its streams."""
    begun = time.perf_counter()
    subprocess.run(command, input=event, text=True, check=True, env=environment, capture_output=True)
    return (time.perf_counter() - begun) * 1000


@contextmanager
def locked(store: Path) -> Iterator[None]:
    with open(store / "locks" / "journal", "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def busy(count: int) -> Iterator[None]:
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in spinning:
            one.kill()
            one.wait()


def measure(megabytes: int, rounds: int, processes: int) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder, path = Path(made), Path(made, "session.jsonl")
        Tract.open(folder).close()
        number = 0
        with path.open("w") as file:
            while file.tell() < megabytes << 20:
                file.write(record(number))
                number += 1
        event = json.dumps({"session_id": "live", "transcript_path": str(path), "hook_event_name": "Stop"})
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = hook_command(sys.executable, str(folder), "claude-code")
        called, hook = ["sh", "-c", command], shlex.split(command)[4:]
        first = spent([*hook, "--now"], event, environment)
        above: list[float] = []
        start: list[float] = []
        commands = {"called": called, "pass": PASS, "nothing": NOTHING}
        waits: dict[str, list[float]] = {f"{name}, {how}": [] for how in ("calm", "busy") for name in commands}
        waits["called, locked"] = []
        for _ in range(rounds):
            with path.open("a") as file:
                file.write(record(number) + record(number + 1))
            number += 2
            start.append(spent(PASS, "", environment))
            above.append(spent([*hook, "--now"], event, environment) - start[-1])
        for _ in range(rounds):
            with locked(folder / ".tract"):
                waits["called, locked"].append(waited(called, event, environment))
        for how in ("calm", "busy"):
            with busy(processes if how == "busy" else 0):
                for _ in range(rounds):
                    for name, one in commands.items():
                        waits[f"{name}, {how}"].append(waited(one, event, environment))
        time.sleep(1)  # those that go on by themselves
        shown = (
            "called, calm",
            "called, locked",
            "called, busy",
            "pass, busy",
            "nothing, busy",
            "pass, calm",
            "nothing, calm",
        )
        words = " | ".join(f"{statistics.median(waits[one]):.0f} ({max(waits[one]):.0f})" for one in shown)
        print(
            f"| {megabytes} MB | {first:,.0f} ms | {statistics.median(above):.0f} ms | {statistics.median(start):.0f} ms | {words} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hooks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[1, 10, 100])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--busy", type=int, default=8)
    options = parser.parse_args()
    print(
        "| transcript | all of it | a turn, above `pass` | `pass` | returns after, ms (most) | locked | busy | `pass`, busy | `sh -c :`, busy | `pass` | `sh -c :` |\n"
        f"|---|{'---:|' * 10}"
    )
    for size in options.sizes:
        measure(size, options.rounds, options.busy)


if __name__ == "__main__":
    main()
