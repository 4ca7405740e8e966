"""What a collected store weighs, against git's and the plain text; and what it costs to make it and to read from it.

    python -m benchmarks.packs [--number 10000] [--corpus ../shared/corpus] [--aggressive] [--folder /tmp]

Two histories, each a chain of one commit a message: texts made up of words at random, which compress worse than prose, and the first messages of the corpus where it is there.
git has the same: one commit a message, whose tree has one file, the message as the line of JSON; made by ``git fast-import`` and packed by ``git gc --aggressive``; pack and index are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.text import messages
from tract import MessageContent, Tract
from tract.adapters.transcripts import read_transcript
from tract.errors import ImportFormatError
from tract.maintenance.gc.collect import collect
from tract.maintenance.gc.options import GCResult
from tract.objects.id import KINDS, ObjectId
from tract.opening import open_repository
from tract.storage.database import Database


def corpus_messages(folder: str, number: int) -> list[MessageContent]:
    """The first messages of the corpus, each as it was published."""
    found: list[MessageContent] = []
    for path in sorted(Path(folder).rglob("*.json*")):
        try:
            conversations = read_transcript(path).conversations
        except ImportFormatError:
            continue  # there are files beside the conversations
        for conversation in conversations:
            found.extend(MessageContent(dict(turn.message), turn.format) for turn in conversation.branches[0].turns)
    return found[:number]


def tract_store(folder: str, said: Iterable[MessageContent]) -> None:
    with Tract.open(folder, durability="process") as tract:
        for message in said:
            tract.commit(message)


def git_store(folder: str, said: list[MessageContent]) -> int:
    """Bytes of pack and index of the same history in git."""
    subprocess.run(["git", "init", "-q", "--bare", folder], check=True)
    importer = subprocess.Popen(["git", "-C", folder, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    assert importer.stdin is not None
    for at, message in enumerate(said):
        data = json.dumps(message.message, ensure_ascii=False).encode() + b"\n"
        importer.stdin.write(
            b"commit refs/heads/main\ncommitter a <a> %d +0000\ndata 0\nM 100644 inline message\ndata %d\n%s\n"
            % (1_700_000_000 + at, len(data), data)
        )
    importer.stdin.close()
    importer.wait()
    subprocess.run(["git", "-C", folder, "gc", "-q", "--aggressive", "--prune=now"], check=True)
    packs = Path(folder, "objects", "pack")
    return sum(path.stat().st_size for path in packs.iterdir() if path.suffix in (".pack", ".idx"))


def gathered(folder: str, *, aggressive: bool) -> GCResult:
    repo = open_repository(os.path.join(folder, ".tract"))
    try:
        return collect(repo, aggressive=aggressive)
    finally:
        repo.close()


def show_parts(folder: str, raw: int) -> None:
    """Where the bytes are."""
    repo = open_repository(os.path.join(folder, ".tract"))
    assert isinstance(repo.objects, Database)
    for pack in repo.objects._packs.values():
        stored: Counter[str] = Counter()
        number: Counter[str] = Counter()
        for row in pack._all_rows():
            stored[KINDS[row.kind - 1]] += row.stored
            number[KINDS[row.kind - 1]] += row.number
        parts = {f"{kind}s ({number[kind]:,})": size for kind, size in stored.items()}
        parts["index"] = pack._index.size
        parts["ids and tables"] = pack.size - sum(parts.values())
        for name, size in parts.items():
            print(f"  {name:24} {size:>12,} bytes   {size / raw:6.3f} x raw")
    repo.close()


def cold_reads(folder: str, number: int = 300) -> tuple[float, float]:
    """Median microseconds to read one object at random, each in a store that was just opened, and of a hundred more in it."""
    repo = open_repository(os.path.join(folder, ".tract"))
    blobs = [id for id, kind in repo.objects.ids() if kind == "blob"]
    repo.close()
    chance = random.Random(5)
    first, later = [], []
    for _ in range(number // 10):
        repo = open_repository(os.path.join(folder, ".tract"))
        first.append(timed(repo.objects.read, chance.choice(blobs)))
        later.extend(timed(repo.objects.read, chance.choice(blobs)) for _ in range(10))
        repo.close()
    return statistics.median(first) * 1e6, statistics.median(later) * 1e6


def timed(read: Any, id: ObjectId) -> float:
    start = time.perf_counter()
    read(id)
    return time.perf_counter() - start


def cold_compile(folder: str) -> float:
    """Median milliseconds to open the store and compile."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with Tract.open(folder) as tract:
            tract.compile().to_dicts()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def measure(name: str, said: list[MessageContent], base: str, *, aggressive: bool) -> None:
    raw = sum(len(json.dumps(message.message, ensure_ascii=False).encode()) + 1 for message in said)
    folder = os.path.join(base, name)
    os.mkdir(folder)
    tract_store(folder, said)
    before = cold_compile(folder)
    result = gathered(folder, aggressive=aggressive)
    assert result.size_after is not None
    git = git_store(os.path.join(base, name + ".git"), said)
    journal = os.path.getsize(os.path.join(folder, ".tract", "objects", "journal"))
    objects = result.reachable
    print(f"\n{name}: {len(said):,} messages, {raw:,} bytes as JSON lines")
    print(f"  before gc                {result.size_before:>12,} bytes   {result.size_before / raw:6.3f} x raw")
    print(
        f"  after gc                 {result.size_after:>12,} bytes   {result.size_after / raw:6.3f} x raw   ({journal:,} more reserved for the journal)"
    )
    print(f"  git gc --aggressive      {git:>12,} bytes   {git / raw:6.3f} x raw")
    show_parts(folder, raw)
    print(
        f"  gc: {result.seconds:.2f} s, {result.seconds / objects * 1e6:.0f} µs an object, {objects / result.seconds:,.0f} objects/s"
    )
    first, later = cold_reads(folder)
    print(f"  read at random: {first:.0f} µs the first in a new process's store, {later:.0f} µs each after it")
    print(f"  open and compile all: {before:.0f} ms before, {cold_compile(folder):.0f} ms after")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--number", type=int, default=10_000)
    parser.add_argument("--corpus", default=str(Path(__file__).resolve().parent.parent.parent / "shared" / "corpus"))
    parser.add_argument("--aggressive", action="store_true")
    parser.add_argument("--folder", default=None)
    options = parser.parse_args()
    base = tempfile.mkdtemp(dir=options.folder)
    try:
        made_up = [MessageContent({"role": "user", "content": text}) for text in messages(options.number)]
        measure("made-up", made_up, base, aggressive=options.aggressive)
        if os.path.isdir(options.corpus):
            measure("corpus", corpus_messages(options.corpus, options.number), base, aggressive=options.aggressive)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
