"""What a turn costs as the conversation grows: append one message, compile, ask for the tokens.

    python -m benchmarks.growth [--sizes 100,1000,10000,100000]

The stores are measured in turn, round after round in one run; medians and their ratio to the smallest are printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time

from benchmarks.text import messages
from tract import Tract

ROUNDS = 300


def turn(tract: Tract, text: str) -> float:
    """Seconds to append one message and compile."""
    start = time.perf_counter()
    tract.user(text)
    context = tract.compile()
    assert context.token_count > 0
    assert context.messages[-1].content == text
    return time.perf_counter() - start


def measure(sizes: list[int], folder: str, rounds: int = ROUNDS) -> dict[int, float]:
    """Median seconds a turn at each size, the sizes taken in turn."""
    tracts = {}
    for size in sizes:
        path = os.path.join(folder, str(size))
        os.mkdir(path)
        tract = tracts[size] = Tract.open(path, durability="process")
        tract.extend({"role": "user", "content": text} for text in messages(size))
        assert tract.compile().token_count > 0
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for text in messages(rounds, seed=99):
        for size, tract in tracts.items():
            times[size].append(turn(tract, text))
    for tract in tracts.values():
        tract.close()
    return {size: statistics.median(found) for size, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="100,1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    folder = tempfile.mkdtemp()
    try:
        medians = measure(sizes, folder, options.rounds)
    finally:
        shutil.rmtree(folder)
    least = medians[sizes[0]]
    for size, median in medians.items():
        print(f"{size:>9,} messages: append + compile {median * 1e6:8.1f} µs   {median / least:5.2f}x")


if __name__ == "__main__":
    main()
