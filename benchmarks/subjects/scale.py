"""(8) Growth: append and load, log, status, fork and switch, as the history grows."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from typing import Any

from benchmarks.harness import Bench, Row, at_most, conversation, rows_of, warm_up
from benchmarks.peers import Peer
from benchmarks.peers.with_tract import TractPeer
from benchmarks.subjects.fork import timed
from tract import Tract

TITLE = "As the history grows"
_TURNS = 40
_LOADS = 10
_PEERS = ("tract", "JSONL", "sqlite3 table", "sqlite3 commit store", "SQLiteSession")


def measure(peer: type[Peer], *, folder: str, loads: int = _LOADS) -> dict[str, Any]:
    """Median microseconds: of a turn, which appends one message and loads all as a program does that goes on with them; and of what looks at the end."""
    warm_up(peer)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as base:
        copy = shutil.copytree(folder, os.path.join(base, "copy"), symlinks=True)
        one = peer()
        one.open(copy, "process")
        if isinstance(one, TractPeer):
            result = _of_tract(one.tract, loads)
        else:
            one.load()
            took = []
            for message in conversation(loads):
                start = time.perf_counter()
                one.append(message)
                one.load()
                took.append(time.perf_counter() - start)
            result = {"append + load µs": statistics.median(took) * 1e6}
        forks = [timed(one.fork, f"f{at}") for at in range(10)]
        switches = [timed(one.switch, name) for at in range(10) for name in (f"f{at}", "main")]
        one.close()
    if None not in forks:
        result["fork µs"] = statistics.median(took for took in forks if took) * 1e6
        result["switch µs"] = statistics.median(took for took in switches if took) * 1e6
    return result


def _of_tract(tract: Tract, loads: int) -> dict[str, Any]:
    assert tract.compile().token_count > 0
    times: dict[str, list[float]] = {"append + compile": [], "append + load": [], "log -n 20": [], "status": []}
    for message in conversation(_TURNS):
        start = time.perf_counter()
        tract.commit(message)
        assert tract.compile().token_count > 0
        times["append + compile"].append(time.perf_counter() - start)
    for message in conversation(loads):
        start = time.perf_counter()
        tract.commit(message)
        tract.compile().to_openai()
        times["append + load"].append(time.perf_counter() - start)
    for message in conversation(_LOADS):
        tract.commit(message)
        for name, what in (("log -n 20", lambda: tract.log(20)), ("status", tract.status)):
            start = time.perf_counter()
            what()
            times[name].append(time.perf_counter() - start)
    return {f"{name} µs": statistics.median(found) * 1e6 for name, found in times.items()}


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    sizes = [number for number in (1_000, 10_000, 100_000) if number < bench.largest]
    for number in [*sizes, bench.largest] if not bench.quick else (200,):
        names = [name for name in at_most(bench.peers, number) if name in _PEERS]
        if number > 100_000:
            names = [name for name in names if name == "tract"]
        found = bench.interleaved("scale", names, _task(bench, number), bench.rounds(3))
        rows += rows_of("scale", f"{number:,} messages", found)
    return rows


def _task(bench: Bench, number: int) -> Any:
    # A load of more than 100,000 takes seconds; a few of them say it.
    loads = _LOADS if number <= 100_000 else 3
    return lambda name: {"folder": bench.store(name, number), "loads": loads}
