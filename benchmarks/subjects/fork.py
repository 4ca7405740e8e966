"""(4) Fork at the tip, and switch to the fork and back."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from typing import Any

from benchmarks.harness import Bench, Row, at_most, rows_of, warm_up
from benchmarks.peers import Peer, peer_class

TITLE = "Fork, and switch"
_FORKS = 20


def measure(peer: type[Peer], *, folder: str) -> dict[str, Any]:
    """Median microseconds of a fork and of a switch."""
    warm_up(peer)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as base:
        copy = shutil.copytree(folder, os.path.join(base, "copy"), symlinks=True)
        one = peer()
        one.open(copy, "process")
        forks = [timed(one.fork, f"fork-{at}") for at in range(_FORKS)]
        switches = [timed(one.switch, name) for at in range(_FORKS) for name in (f"fork-{at}", "main")]
        one.load()
        one.close()
    if None in forks:
        return {}
    return {
        "fork µs": statistics.median(took for took in forks if took) * 1e6,
        "switch µs": statistics.median(took for took in switches if took) * 1e6,
    }


def timed(what: Any, *words: Any) -> float | None:
    start = time.perf_counter()
    done = what(*words)
    return None if done is None else time.perf_counter() - start


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for number in (1_000, 10_000) if not bench.quick else (200,):
        names = [name for name in at_most(bench.peers, number) if peer_class(name).fork is not Peer.fork]
        names = [name for name in names if name != "tract, tokens not asked for"]
        able = [name for name in names if "DeltaChannel" not in name]
        found = bench.interleaved(
            "fork", able, lambda name, n=number: {"folder": bench.store(name, n)}, bench.rounds(5)
        )
        rows += rows_of("fork", f"at {number:,} messages", found)
    return rows
