"""Keys: ``python -m benchmarks.keys [--keys N] [--store FOLDER]``: what a key adds to a commit, and how fast a cold process finds one of many.

Commits without a key, with one, and with a generation config are made in turn in one process; the medians of their processor times, of the differences between neighbours, and of the means of 96 such differences: every 96th commit with a key writes the index, which no median of single ones shows.
What a cold process takes is processor time, too. *Start* is Python itself and the modules of ``Tract`` and ``tract.history.keys``; what opening and finding load beside these counts as theirs.
The many keys are committed by the thousand, some 110 µs each, and collected once: a million takes ten minutes of a processor, and 5 GB of disk while it does. In a FOLDER they stay for the next time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tract import Tract

ROOT = Path(__file__).resolve().parent.parent

COLD = """
import json, sys, time
from tract import Tract
import tract.history.keys
begun = time.process_time()
t = Tract.open(sys.argv[1])
opened = time.process_time()
found = t.commit_for_key(sys.argv[2])
done = time.process_time()
# Not getrusage: that has the peak of the process that started this one, too.
(peak,) = (int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"start": begun * 1e3, "open": (opened - begun) * 1e3, "find": (done - opened) * 1e3,
                  "memory": peak / 1024}))
"""


def in_turn(ways: dict[str, Callable[[int], object]], number: int) -> dict[str, list[float]]:
    """Microseconds of processor time that each of the *ways* to commit takes, one after the other, so often."""
    figures: dict[str, list[float]] = {name: [] for name in ways}
    for at in range(number):
        for name, commit in ways.items():
            begun = time.process_time_ns()
            commit(at)
            figures[name].append((time.process_time_ns() - begun) / 1e3)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--commits", type=int, default=3000)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Tract.open(folder, durability="process") as t:
        ways: dict[str, Callable[[int], object]] = {
            "without": lambda at: t.user(f"message {at}"),
            "with a key": lambda at: t.user(f"message {at}", key=f"{at}"),
            "with a config": lambda at: t.user(f"message {at}", generation_config={"model": "m"}),
        }
        in_turn({"without": ways["without"]}, 300)
        figures = in_turn(ways, options.commits)
    print("| a commit | processor time | more than without | in the mean of 96 |\n|---|---:|---:|---:|")
    for name, values in figures.items():
        more = [one - other for one, other in zip(values, figures["without"], strict=True)]
        means = [statistics.mean(more[at : at + 96]) for at in range(0, len(more) - 95, 96)]
        median, mean = statistics.median(more), statistics.median(means)
        print(f"| {name} | {statistics.median(values):.0f} µs | {median:.0f} µs | {mean:.0f} µs |")
    with tempfile.TemporaryDirectory() as made:
        folder = options.store or Path(made)
        if not (folder / ".tract").exists():
            make_keys(folder, options.keys)
        find_keys(folder, options.keys)


def make_keys(folder: Path, number: int) -> None:
    """A store of so many keys."""
    begun = time.process_time()
    with Tract.open(folder, durability="process") as t:
        for start in range(0, number, 1000):
            numbers = range(start, min(start + 1000, number))
            messages = [{"role": "user", "content": f"message {at}"} for at in numbers]
            t.extend(messages, keys=[f"key-{at}" for at in numbers])
        t.gc()
    print(f"\n{number:,} keys were committed and collected in {time.process_time() - begun:.0f} s of a processor")


def find_keys(folder: Path, number: int) -> None:
    """What cold processes take to find some of so many keys."""
    print(f"\n| a cold process, {number:,} keys | start | open | find | peak memory |\n|---|---:|---:|---:|---:|")
    for key in (f"key-{number // 3}", "key-0", f"key-{number - 1}", "none"):
        runs = []
        for _ in range(5):
            done = subprocess.run(
                [sys.executable, "-c", COLD, folder, key],
                env={"PYTHONPATH": str(ROOT)},
                capture_output=True,
                text=True,
                check=True,
            )
            runs.append(json.loads(done.stdout))
        start, open_, find, memory = (
            statistics.median(run[what] for run in runs) for what in ("start", "open", "find", "memory")
        )
        print(f"| {key} | {start:.0f} ms | {open_:.1f} ms | {find:.1f} ms | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
