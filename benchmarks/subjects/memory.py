"""(9) Peak memory of a cold load."""

from __future__ import annotations

import os
import resource
from typing import Any

from benchmarks.harness import Bench, Row, at_most, rows_of, warm_up
from benchmarks.peers import Peer

TITLE = "Peak memory of a cold load"


def measure(peer: type[Peer], *, folder: str, number: int, text: int) -> dict[str, Any]:
    """Megabytes that a load takes at its peak above what the process had before it, and as a multiple of the messages' text."""
    warm_up(peer)
    before = _now()
    _forget_peak()
    one = peer()
    one.open(folder, "process")
    found = one.load()
    peak = _peak() - before
    assert len(found) == number
    one.close()
    return {"process before MB": before / 1e6, "peak MB": peak / 1e6, "of the text": peak / text}


def _now() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _forget_peak() -> None:
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def _peak() -> int:
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    if not os.path.exists("/proc/self/clear_refs"):
        return rows  # only Linux says what the peak was since a moment
    for number in (10_000, 100_000) if not bench.quick else (200,):
        names = [name for name in at_most(bench.peers, number) if name != "tract, tokens not asked for"]
        task = {"number": number, "text": number * 300}
        found = bench.interleaved(
            "memory",
            names,
            lambda name, n=number, t=task: {"folder": bench.store(name, n, gc=True), **t},
            bench.rounds(3),
        )
        rows += rows_of("memory", f"{number:,} messages", found)
    return rows
