"""(2) Load the whole history at the tip, cold and warm; (3) as it was at random earlier points."""

from __future__ import annotations

import gc
import random
import statistics
import time
from typing import Any

from benchmarks.harness import Bench, Row, at_most, read_texts, rows_of, used, warm_up
from benchmarks.peers import Peer, peer_class
from benchmarks.subjects.build import read_places

TITLE = "Load the whole history, and as it was at a random earlier point"
_TIMES = 3


def measure(peer: type[Peer], *, folder: str, texts: str, number: int, seed: int) -> dict[str, Any]:
    """Milliseconds: processor time of a cold load (a new handle in a warm process), of an earlier point as if it had all messages, and of a second load."""
    warm_up(peer)
    said = read_texts(texts)[:number]
    places = read_places(folder)
    gc.collect()
    gc.freeze()
    chance = random.Random(seed)
    cold, walls, warm, earlier = [], [], [], []
    for _ in range(_TIMES):
        one = peer()
        cpu, start = used(), time.perf_counter()
        one.open(folder, "process")
        found = one.load()
        cold.append(used() - cpu)
        walls.append(time.perf_counter() - start)
        assert found == said, "what was loaded is not what was appended"
        cpu = used()
        found = one.load()
        warm.append(used() - cpu)
        assert len(found) == number
        one.close()
        point = chance.randrange(number // 10, number)
        one = peer()
        cpu = used()
        one.open(folder, "process")
        then = one.load_at(point, places[point - 1] if places else None)
        took = used() - cpu
        if then is not None:
            assert then == said[:point], "the history at an earlier point is not what it was"
            earlier.append(took * number / point)
        one.close()
    return {
        "cold cpu ms": statistics.median(cold) * 1e3,
        "cold wall ms": statistics.median(walls) * 1e3,
        "warm cpu ms": statistics.median(warm) * 1e3,
        "earlier cpu ms": statistics.median(earlier) * 1e3 if earlier else None,
    }


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    for number in (1_000, 10_000) if not bench.quick else (200,):
        for packed in (True, False):
            names = at_most(bench.peers, number)
            names = [name for name in names if name != "tract, tokens not asked for"]
            if not packed:
                names = [name for name in names if name.startswith("tract")]
            found = bench.interleaved("load", names, _task(bench, number, packed), bench.rounds(5))
            when = "after gc (VACUUM, git gc --aggressive)" if packed else "before gc"
            rows += rows_of("load", f"{number:,} messages, {when}", found)
    return rows


def _task(bench: Bench, number: int, packed: bool) -> Any:
    def task(name: str) -> dict[str, Any]:
        gc = packed and peer_class(name).gc is not Peer.gc
        # Many at once would go into a pack at once.
        folder = bench.store(name, number, gc=gc, one_by_one=not packed)
        return {"folder": folder, "texts": bench.texts(number), "number": number, "seed": 5}

    return task
