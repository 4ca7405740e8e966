"""Whole processes: how long a command takes beside Python itself.

    python -m benchmarks.startup [--number 10000] [--rounds 15]

Each round starts every command once, in turn; medians of wall time, and ratios to ``python -c pass``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.text import messages
from tract import Tract


def commands(store: str) -> dict[str, list[str]]:
    tract = [sys.executable, "-m", "tract", "-C", store]
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import typer'": [sys.executable, "-c", "import typer"],
        "tract log -n 20": [*tract, "log", "-n", "20"],
        "tract status": [*tract, "status"],
        "tract show": [*tract, "show"],
        "tract --help": [*tract, "--help"],
    }


def measure(store: str, rounds: int) -> dict[str, float]:
    """Median seconds of each command."""
    times: dict[str, list[float]] = {name: [] for name in commands(store)}
    for _ in range(rounds):
        for name, command in commands(store).items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    try:
        with Tract.open(folder, durability="process") as tract:
            for text in messages(options.number):
                tract.user(text)
            assert tract.compile().token_count > 0  # so that the counts are kept, as after any agent's turn
        medians = measure(folder, options.rounds)
    finally:
        shutil.rmtree(folder)
    least = medians["python -c pass"]
    print(f"a store of {options.number:,} commits, {os.cpu_count()} cores")
    for name, median in medians.items():
        print(f"{name:26} {median * 1e3:7.1f} ms   {median / least:5.2f}x python")


if __name__ == "__main__":
    main()
