"""Keys: ``python -m benchmarks.keys [--keys N]``: what a key adds to a commit, and how fast a cold process finds one of many.

A commit is measured in turn with and without a key, in processor time; medians of the rounds.
The many keys are committed by the thousand, some 150 µs each, and collected once: a million takes three minutes.
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
begun = time.perf_counter()
t = Tract.open(sys.argv[1])
opened = time.perf_counter()
found = t.commit_for_key(sys.argv[2])
done = time.perf_counter()
# Not getrusage: that has the peak of the process that started this one, too.
(peak,) = (int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"open": (opened - begun) * 1e3, "find": (done - opened) * 1e3, "found": found is not None,
                  "memory": peak / 1024}))
"""


def per_commit(commit: Callable[[int], object], number: int) -> float:
    """Microseconds of processor time."""
    begun = time.process_time()
    for at in range(number):
        commit(at)
    return (time.process_time() - begun) / number * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.keys", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    figures: dict[str, list[float]] = {"without": [], "with a key": [], "with a config": []}
    with tempfile.TemporaryDirectory() as folder, Tract.open(folder, durability="process") as t:
        for turn in range(options.rounds):
            start = turn * 1000
            figures["without"].append(per_commit(lambda at: t.user(f"message {at}"), 400))
            figures["with a key"].append(
                per_commit(lambda at, start=start: t.user(f"message {at}", key=f"{start + at}"), 400)  # type: ignore[misc]
            )
            figures["with a config"].append(
                per_commit(lambda at: t.user(f"message {at}", generation_config={"model": "m"}), 400)
            )
    print("| a commit | processor time |\n|---|---:|")
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.0f} µs |")
    with tempfile.TemporaryDirectory() as folder:
        with Tract.open(folder, durability="process") as t:
            for start in range(0, options.keys, 1000):
                numbers = range(start, min(start + 1000, options.keys))
                messages = [{"role": "user", "content": f"message {at}"} for at in numbers]
                t.extend(messages, keys=[f"key-{at}" for at in numbers])
            t.gc()
        print(f"\n| a cold process, {options.keys:,} keys | open | find | peak memory |\n|---|---:|---:|---:|")
        for key in (f"key-{options.keys // 3}", "key-0", f"key-{options.keys - 1}", "none"):
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
            open_, find, memory = (statistics.median(run[what] for run in runs) for what in ("open", "find", "memory"))
            print(f"| {key} | {open_:.1f} ms | {find:.1f} ms | {memory:.0f} MB |")


if __name__ == "__main__":
    main()
