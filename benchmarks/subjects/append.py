"""(1) Append one message and commit it; and many at once."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import nullcontext
from typing import Any, Literal

from benchmarks.harness import Bench, Row, at_most, read_texts, rows_of, used, warm_up
from benchmarks.peers import Durability, Peer, peer_class
from benchmarks.peers.with_tract import TractPeer

TITLE = "Append one message and commit it"
How = Literal["alone", "at once", "in a batch"]


def measure(
    peer: type[Peer], *, folder: str, texts: str, number: int, durability: Durability, how: How = "alone"
) -> dict[str, Any]:
    """Commits a second, and microseconds of the median commit; of many at once, or one by one in a batch of tract's, the rate alone."""
    warm_up(peer)
    said = read_texts(texts)[:number]
    with tempfile.TemporaryDirectory(dir=folder) as inside:
        one = peer()
        one.open(inside, durability)
        cpu, start = used(), time.perf_counter()
        with one.tract.batch() if how == "in a batch" and isinstance(one, TractPeer) else nullcontext():
            times = one.append_many(said) if how == "at once" else one.append_all(said)
        wall, cpu = time.perf_counter() - start, used() - cpu
        if not times:
            return {}
        assert one.load() == said, "what was loaded is not what was appended"
        one.close()
    result = {"a second": number / wall, "cpu µs": cpu / number * 1e6}
    if isinstance(times, list) and how == "alone":
        tenth = max(1, number // 10)
        result["p50 µs"] = statistics.median(times) * 1e6
        result["p99 µs"] = sorted(times)[int(number * 0.99)] * 1e6
        result["last tenth / first"] = statistics.median(times[-tenth:]) / statistics.median(times[:tenth])
    return result


def run(bench: Bench) -> list[Row]:
    rows: list[Row] = []
    sizes = ((100, 5), (1_000, 5), (10_000, 3)) if not bench.quick else ((100, 1),)
    for durability in bench.durabilities:
        for number, rounds in sizes:
            names = [name for name in at_most(bench.peers, number) if durability in peer_class(name).durability]
            names = [name for name in names if peer_class(name).append_all is not Peer.append_all or _one(name)]
            if durability == "full" and number == 10_000:
                continue  # a sync costs what it costs; a thousand say it
            rows += rows_of(
                "append", f"{number:,} messages, one commit each, durability {durability}",
                bench.interleaved("append", names, _task(bench, number, durability), bench.rounds(rounds)), durability,
            )  # fmt: skip
    number = bench.size(10_000, 200)
    names = [name for name in at_most(bench.peers, number) if peer_class(name).append_many is not Peer.append_many]
    for durability in bench.durabilities:
        able = [name for name in names if durability in peer_class(name).durability and not name.startswith("floor")]
        found = bench.interleaved("append", able, _task(bench, number, durability, "at once"), bench.rounds(5))
        rows += rows_of("append", f"{number:,} messages at once, durability {durability}", found, durability)
        able = [name for name in bench.peers if name.startswith("tract")]
        found = bench.interleaved("append", able, _task(bench, number, durability, "in a batch"), bench.rounds(5))
        rows += rows_of(
            "append", f"{number:,} messages, committed in one batch, durability {durability}", found, durability
        )
    return rows


def _one(name: str) -> bool:
    return peer_class(name).append is not Peer.append


def _task(bench: Bench, number: int, durability: str, how: How = "alone") -> Any:
    task = {"folder": bench.folder, "texts": bench.texts(number), "number": number, "durability": durability}
    return lambda _: {**task, "how": how}
