"""Families of tracts: ``python -m benchmarks.tracts [--quick] [--only WHAT]``: what a spawn costs, 1,000 children, and many processes at once.

    spawn       of parents of 100, 10,000 and 100,000 messages, head_snapshot, full_clone, and under a tool call that waits
    children    1,000 of one parent: making, listing, gc, fsck
    processes   64 with a tract each, 200 commits each, beside as many on one branch with on_moved="append"

Bytes are those of the journal. Times are medians; where other programs run, compare only within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tract import Session
from tract.maintenance.fsck.check import check_repository

ROOT = Path(__file__).resolve().parent.parent

WRITER = """
import json, sys, time
from tract import Tract
store, name, count, shared = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "shared"
where = {"on_moved": "append"} if shared else {"tract_id": name}
with Tract.open(store, durability=sys.argv[5], **where) as t:
    t.compile()
    print("ready", flush=True)
    sys.stdin.readline()
    times = []
    for at in range(count):
        begun = time.perf_counter()
        t.user(f"{name} says {at}: " + "words " * 40)
        times.append(time.perf_counter() - begun)
print(json.dumps(times))
"""


def journal_size(folder: str) -> int:
    return len((Path(folder) / ".tract/objects/journal").read_bytes().rstrip(b"\0"))


def measure_spawns(sizes: list[int], rounds: int) -> None:
    print("| spawn of a parent of | inheritance | bytes | processor | elapsed |\n|---:|---|---:|---:|---:|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder, Session.open(folder, durability="process") as session:
            lead = session.create_tract("lead")
            for start in range(0, size, 1000):
                lead.extend(
                    [{"role": "user", "content": f"message {at}"} for at in range(start, min(start + 1000, size))]
                )
            waiting = {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}  # fmt: skip
            for kind in ("head_snapshot", "full_clone", "under a call"):
                if kind == "under a call":
                    lead.commit(waiting)
                options: dict[str, Any] = {} if kind == "under a call" else {"inheritance": kind}
                lead.spawn("warm up", name=f"{kind} first", **options)
                sizes_found, times, used = [], [], []
                for at in range(rounds):
                    before = journal_size(folder) if size <= 10_000 or at < 3 else 0
                    begun, cpu = time.perf_counter(), time.process_time()
                    lead.spawn("look for hotels", name=f"{kind} {at}", **options)
                    times.append(time.perf_counter() - begun)
                    used.append(time.process_time() - cpu)
                    if before:
                        sizes_found.append(journal_size(folder) - before)
                took, cpu = statistics.median(times) * 1e3, statistics.median(used) * 1e3
                size_found = statistics.median(sizes_found)
                print(f"| {size:,} | {kind} | {size_found:.0f} | {cpu:.1f} ms | {took:.1f} ms |", flush=True)


def measure_children(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        with Session.open(folder, durability="process") as session:
            lead = session.create_tract("lead")
            lead.extend([{"role": "user", "content": f"message {at}"} for at in range(100)])
            before, begun, cpu = journal_size(folder), time.perf_counter(), time.process_time()
            for at in range(count):
                lead.spawn("look for hotels", name=f"child {at}")
            made, used = time.perf_counter() - begun, time.process_time() - cpu
            size = journal_size(folder) - before
            begun = time.perf_counter()
            assert count == len(lead.children())
            children = time.perf_counter() - begun
            begun = time.perf_counter()
            assert count + 2 == len(session.list_tracts())
            listed = time.perf_counter() - begun
            begun = time.perf_counter()
            lead.gc(orphan_retention_days=0)
            collected = time.perf_counter() - begun
        begun = time.perf_counter()
        assert not check_repository(os.path.join(folder, ".tract")).problems
        checked = time.perf_counter() - begun
    print(f"\n| {count:,} children of one parent | |\n|---|---:|")
    print(
        f"| made, elapsed | {made:.2f} s |\n| made, processor | {used:.2f} s |\n| bytes a child | {size / count:.0f} |"
    )
    print(f"| children() | {children * 1e3:.0f} ms |\n| list_tracts() | {listed * 1e3:.0f} ms |")
    print(f"| gc | {collected * 1e3:.0f} ms |\n| fsck | {checked * 1e3:.0f} ms |")


def run_writers(count: int, commits: int, *, is_shared: bool, durability: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"agent {at}" for at in range(count)]
        with Session.open(folder) as session:
            for name in () if is_shared else names:
                session.create_tract(name)
        argv = [sys.executable, "-c", WRITER, folder]
        how = "shared" if is_shared else "own"
        writers = [
            subprocess.Popen(
                [*argv, name, str(commits), how, durability],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
            for name in names
        ]
        for one in writers:
            assert one.stdout is not None
            assert "ready\n" == one.stdout.readline()
        begun = time.perf_counter()
        for one in writers:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        outs = [one.communicate()[0] for one in writers]
        elapsed = time.perf_counter() - begun
        times = sorted(value for out in outs for value in json.loads(out))
        with Session.open(folder) as session:
            tracts = [session.get_tract("root")] if is_shared else [session.get_tract(name) for name in names]
            there = sum(len(one.compile()) for one in tracts)
        problems = len(check_repository(os.path.join(folder, ".tract")).problems)
    return {
        "a second": count * commits / elapsed,
        "p50": statistics.median(times) * 1e3,
        "p99": times[int(len(times) * 0.99)] * 1e3,
        "lost": count * commits - there,
        "problems": problems,
    }


def measure_processes(count: int, commits: int) -> None:
    print(f"\n| {count} processes, {commits} commits each | durability | commits a second | p50 | p99 | lost | fsck |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for durability in ("process", "full"):
        for is_shared in (False, True):
            found = run_writers(count, commits, is_shared=is_shared, durability=durability)
            name = "one branch, on_moved=append" if is_shared else "a tract each"
            print(
                f"| {name} | {durability} | {found['a second']:,.0f} | {found['p50']:.1f} ms | {found['p99']:.1f} ms"
                f" | {found['lost']:.0f} | {found['problems']:.0f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracts", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--only", choices=("spawn", "children", "processes"))
    options = parser.parse_args()
    if options.only in (None, "spawn"):
        measure_spawns([100, 1000] if options.quick else [100, 10_000, 100_000], 5 if options.quick else 21)
    if options.only in (None, "children"):
        measure_children(100 if options.quick else 1000)
    if options.only in (None, "processes"):
        measure_processes(*((6, 20) if options.quick else (64, 200)))


if __name__ == "__main__":
    main()
