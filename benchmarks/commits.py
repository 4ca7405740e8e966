"""Committing one message at a time, then opening and compiling all of them.

    python -m benchmarks.commits [--number 10000] [--folder /tmp]

Prints commits a second in both durabilities, bytes on disk, and what it takes to compile the context: in a new handle (cold) and again (warm).
The JSONL file beside it is the same messages, one a line, appended and flushed to the operating system: what the text weighs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.text import messages
from tract import Tract


def commit_all(folder: str, texts: list[str], durability: str) -> list[float]:
    """Seconds for each commit."""
    times = []
    with Tract.open(folder, durability=durability) as tract:  # type: ignore[arg-type]
        for text in texts:
            start = time.perf_counter()
            tract.user(text)
            times.append(time.perf_counter() - start)
    return times


def write_jsonl(path: str, texts: list[str]) -> list[float]:
    times = []
    with open(path, "wb", buffering=0) as file:
        for text in texts:
            start = time.perf_counter()
            file.write(json.dumps({"role": "user", "content": text}).encode() + b"\n")
            times.append(time.perf_counter() - start)
    return times


def size_of(folder: str) -> tuple[int, int]:
    """Bytes in the files of a folder, and bytes their blocks take."""
    found = [p.stat() for p in Path(folder).rglob("*") if p.is_file()]
    return sum(s.st_size for s in found), sum(s.st_blocks * 512 for s in found)


def cold_and_warm(folder: str) -> tuple[float, float, int]:
    """Seconds to open and compile to provider messages, then to compile again; and how many there were."""
    start = time.perf_counter()
    tract = Tract.open(folder)
    number = len(tract.compile().to_openai())
    cold = time.perf_counter() - start
    start = time.perf_counter()
    tract.compile().to_openai()
    warm = time.perf_counter() - start
    tract.close()
    return cold, warm, number


def row(name: str, times: list[float]) -> None:
    total = sum(times)
    p50 = statistics.median(times) * 1e6
    p99 = sorted(times)[int(len(times) * 0.99)] * 1e6
    print(f"{name:28} {len(times) / total:>10,.0f} /s {p50:>9.1f} {p99:>9.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--full", type=int, default=2_000, help="how many with durability full")
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    texts = messages(options.number)
    base = tempfile.mkdtemp(dir=options.folder)
    try:
        print(f"{options.number:,} commits of {len(texts[0])} characters, in {base}")
        print(f"{'':28} {'commits':>13} {'p50 µs':>9} {'p99 µs':>9}")
        process, full, jsonl = (os.path.join(base, name) for name in ("process", "full", "messages.jsonl"))
        for folder in (process, full):
            os.mkdir(folder)
        row("JSONL, appended", write_jsonl(jsonl, texts))
        row("tract, durability process", commit_all(process, texts, "process"))
        row("tract, durability full", commit_all(full, texts[: options.full], "full"))
        raw = os.path.getsize(jsonl)
        bytes_, blocks = size_of(process)
        print(f"\nraw JSONL {raw:,} bytes; .tract {bytes_:,} bytes ({bytes_ / raw:.2f}x), on disk {blocks:,}")
        runs = [cold_and_warm(process) for _ in range(5)]
        cold = statistics.median(run[0] for run in runs) * 1e3
        warm = statistics.median(run[1] for run in runs) * 1e3
        print(f"compile {runs[0][2]:,} messages: cold open {cold:.1f} ms, warm {warm:.1f} ms")
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
