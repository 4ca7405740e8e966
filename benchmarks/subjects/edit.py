"""(5) Edit one message in the middle, then load."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from typing import Any

from benchmarks.harness import Bench, Row, at_most, read_texts, rows_of, warm_up
from benchmarks.peers import Peer, peer_class
from benchmarks.subjects.build import read_places

TITLE = "Edit one message in the middle, then load"
_EDITS = 3


def measure(peer: type[Peer], *, folder: str, texts: str, number: int) -> dict[str, Any]:
    """Milliseconds of the edit and of the load after it, in a handle that had loaded before."""
    warm_up(peer)
    said = read_texts(texts)[:number]
    places = read_places(folder)
    at = number // 2 // 2 * 2
    corrected = {"role": said[at]["role"], "content": "what was meant: " + said[at]["content"][::-1]}
    expected = [*said[:at], corrected, *said[at + 1 :]]
    edits, loads = [], []
    for _ in range(_EDITS):
        with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as base:
            copy = shutil.copytree(folder, os.path.join(base, "copy"), symlinks=True)
            one = peer()
            one.open(copy, "process")
            one.load()
            start = time.perf_counter()
            done = one.edit(at, places, corrected)
            edited = time.perf_counter()
            if done is None:
                return {}
            found = one.load()
            loads.append(time.perf_counter() - edited)
            edits.append(edited - start)
            assert found == expected, "the edit is not what was loaded"
            one.close()
    middle = _EDITS // 2
    return {
        "edit ms": sorted(edits)[middle] * 1e3,
        "load ms": sorted(loads)[middle] * 1e3,
        "both ms": sorted(x + y for x, y in zip(edits, loads, strict=True))[middle] * 1e3,
    }


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for number in (1_000, 10_000) if not bench.quick else (200,):
        names = [name for name in at_most(bench.peers, number) if peer_class(name).edit is not Peer.edit]
        names = [name for name in names if name != "tract, tokens not asked for"]
        task = {"texts": bench.texts(number), "number": number}
        found = bench.interleaved(
            "edit", names, lambda name, n=number, t=task: {"folder": bench.store(name, n), **t}, bench.rounds(3)
        )
        rows += rows_of("edit", f"message {number // 2:,} of {number:,}", found)
    return rows
