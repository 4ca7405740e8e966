"""(6) Bytes on disk: before gc, after gc, and what twenty forks add."""

from __future__ import annotations

import json
import os
from typing import Any

from benchmarks.harness import Bench, Row, at_most, read_texts, rows_of, size_of
from benchmarks.peers import Peer

TITLE = "Bytes on disk"
_FORKS = 20
_RESERVED = os.path.join(".tract", "objects", "journal")


def measure(peer: type[Peer], *, folder: str, texts: str, number: int) -> dict[str, Any]:
    """Bytes as multiples of the raw text as JSON lines; each file's length is counted, and what tract's journal reserves ahead too."""
    said = read_texts(texts)[:number]
    raw = sum(len(json.dumps(message, ensure_ascii=False).encode()) + 1 for message in said)
    one = peer()
    one.open(folder, "process")
    if one.append_all(said) is None:
        one.append_many(said)
    one.close()
    before = size_of(folder)
    one = peer()
    one.open(folder, "process")
    packed = one.gc()
    one.close()
    after = size_of(folder)
    one = peer()
    one.open(folder, "process")
    forked = [one.fork(f"fork-{at}") for at in range(_FORKS)]
    one.close()
    grown = size_of(folder)["bytes"] - after["bytes"]
    return {
        "raw bytes": raw,
        "before": before["bytes"] / raw,
        "before, in blocks": before["on disk"] / raw,
        "after gc": after["bytes"] / raw if packed else None,
        "after gc, in blocks": after["on disk"] / raw if packed else None,
        "after gc, without what is reserved": (after["bytes"] - _reserved(folder)) / raw if packed else None,
        "20 forks add": grown if all(forked) else None,
    }


def _reserved(folder: str) -> int:
    """Zeros written ahead at the end of tract's journal, so that a sync need not change its length."""
    path = os.path.join(folder, _RESERVED)
    if not os.path.exists(path):
        return 0
    with open(path, "rb") as file:
        data = file.read()
    return len(data) - len(data.rstrip(b"\0"))


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for number, length in ((400, 2000), (10_000, 300)) if not bench.quick else ((100, 300),):
        names = [name for name in at_most(bench.peers, number) if not name.startswith("floor")]
        names = [name for name in names if name != "tract, tokens not asked for"]
        task = {"texts": bench.texts(number, length), "number": number}
        found = bench.interleaved("disk", names, lambda _, t=task: {"folder": bench.new_folder(), **t}, 1)
        rows += rows_of("disk", f"{number:,} messages of {length:,} characters", found)
    return rows
