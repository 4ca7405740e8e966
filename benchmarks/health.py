"""Health of a long context: after one more message on a handle that has looked before, and in a process that looks for the first time.

    python -m benchmarks.health [--messages 100000] [--rounds 20]

Asked is 20 ms after one more message at 100,000, and 2 s cold. Times are of the processor, so that other work on the machine counts less; wall times stand beside them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tract import Tract, TractConfig

_COLD = """
import json, sys, time
from tract import Tract
with Tract.open(sys.argv[1], read_only=True) as t:
    wall, own = time.perf_counter(), time.process_time()
    found = t.health()
    print(json.dumps([time.process_time() - own, time.perf_counter() - wall, found.message_count]))
"""


class Figures(NamedTuple):
    """Seconds of the processor and of the wall: *warm* after one more message, *cold* in a new process, *tokens_cold* in one that has to count the tokens too."""

    messages: int
    warm: tuple[float, float]
    cold: tuple[float, float]
    tokens_cold: tuple[float, float]


def fill(t: Tract, count: int) -> None:
    """A conversation with tools, in batches."""
    made = []
    for number in range(count // 4):
        call = {"name": "read", "arguments": json.dumps({"path": f"src/part{number % 97}.py"})}
        made += [
            {"role": "user", "content": f"What about part {number}? " + "word " * 12},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"c{number}", "type": "function", "function": call}],
            },
            {"role": "tool", "tool_call_id": f"c{number}", "content": f"part {number}: " + "line of code " * 20},
            {"role": "assistant", "content": f"Part {number} is as it should be. " + "word " * 10},
        ]
        if len(made) >= 4000:
            t.extend(made)
            made = []
    if made:
        t.extend(made)


def measure(folder: Path, messages: int, rounds: int) -> Figures:
    """Fill a store, and look."""
    config = TractConfig(token_budget=messages * 40, tokenizer_encoding="estimate")
    with Tract.open(folder, config=config, durability="process") as t:
        fill(t, messages)
    first = _cold(folder)
    cold = min(_cold(folder) for _ in range(3))
    times: list[tuple[float, float]] = []
    with Tract.open(folder, durability="process") as t:
        t.health()
        for number in range(rounds):
            t.user(f"one more, {number}")
            wall, own = time.perf_counter(), time.process_time()
            t.health()
            times.append((time.process_time() - own, time.perf_counter() - wall))
    warm = median(own for own, _ in times), median(wall for _, wall in times)
    return Figures(messages, warm, cold, first)


def _cold(folder: Path) -> tuple[float, float]:
    done = subprocess.run([sys.executable, "-c", _COLD, str(folder)], check=True, capture_output=True, text=True)
    own, wall, _ = json.loads(done.stdout)
    return own, wall


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), args.messages, args.rounds)
    for name, (own, wall) in zip(
        ("after one more message", "cold", "cold, tokens counted for the first time"),
        (found.warm, found.cold, found.tokens_cold),
        strict=True,
    ):
        print(f"{found.messages:,} messages, {name}: {1000 * own:.1f} ms of the processor, {1000 * wall:.1f} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
