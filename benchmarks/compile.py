"""Compiling what no process remembers: from a packed store, beside what it costs to read and unpack the same bytes.

    python -m benchmarks.compile [--number 10000] [--rounds 7]

The floor is one file with the messages' own MessagePack in zstd frames of 64 KiB: read, decompressed, unpacked, nothing checked.
A cold compile opens the store and gives OpenAI's messages; an old commit is compiled in a handle that has compiled HEAD, and in a new one.
Each round runs all of them once, in turn; medians of the processor time and ratios are printed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

import msgpack
import zstandard

from benchmarks.text import messages
from tract import Tract

_FRAME = 65536


def write_floor(path: str, texts: list[str]) -> None:
    packed = [msgpack.packb({"content": text, "role": "user"}) for text in texts]
    compress = zstandard.ZstdCompressor(level=3).compress
    frames, frame = [], b""
    for one in packed:
        frame += one
        if len(frame) >= _FRAME:
            frames.append(compress(frame))
            frame = b""
    frames.append(compress(frame))
    with open(path, "wb") as file:
        for one in frames:
            file.write(len(one).to_bytes(4, "little") + one)


def read_floor(path: str) -> int:
    with open(path, "rb") as file:
        data = file.read()
    decompressor = zstandard.ZstdDecompressor()
    found = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        unpacker = msgpack.Unpacker()
        unpacker.feed(decompressor.decompress(data[at + 4 : at + 4 + size]))
        found.extend(unpacker)
        at += 4 + size
    return len(found)


def cold(store: str, commit: str | None = None) -> int:
    with Tract.open(store) as tract:
        return len(tract.compile(at_commit=commit).to_openai())


def cold_tokens(store: str) -> int:
    with Tract.open(store) as tract:
        return tract.compile().token_count


def seconds(what: Callable[[], int]) -> float:
    start = time.process_time()
    assert what() > 0
    return time.process_time() - start


def measure(store: str, floor: str, commits: list[str], rounds: int) -> dict[str, float]:
    """Median seconds of each; of random commits as if they had all messages."""
    random_number = random.Random(5).randrange
    times: dict[str, list[float]] = {}
    with Tract.open(store) as warm:
        assert warm.compile().token_count > 0
        for _ in range(rounds):
            number = random_number(len(commits) // 10, len(commits))
            old, share = commits[number], len(commits) / (number + 1)
            row = {
                "floor: read, decompress, unpack": lambda: read_floor(floor),
                "cold compile, to_openai": lambda: cold(store),
                "cold compile, token count": lambda: cold_tokens(store),
                "cold compile of a random commit": lambda old=old: cold(store, old),
                "warm compile of a random commit": lambda old=old: len(warm.compile(at_commit=old)),
                "warm compile of HEAD": lambda: len(warm.compile()),
            }
            for name, what in row.items():
                times.setdefault(name, []).append(seconds(what) * (share if "random" in name else 1))
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    texts = messages(options.number)
    folder = tempfile.mkdtemp()
    try:
        floor = os.path.join(folder, "floor")
        write_floor(floor, texts)
        with Tract.open(folder, durability="process") as tract:
            infos = tract.extend({"role": "user", "content": text} for text in texts)
            commits = [info.commit_hash for info in infos]
            tract.gc()
        medians = measure(folder, floor, commits, options.rounds)
    finally:
        shutil.rmtree(folder)
    least = next(iter(medians.values()))
    print(f"{options.number:,} messages of {len(texts[0])} characters, packed by gc")
    for name, median in medians.items():
        print(f"{name:34} {median * 1e3:8.2f} ms   {median / least:5.2f}x the floor")


if __name__ == "__main__":
    main()
