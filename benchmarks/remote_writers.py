"""Many writers on one branch of a remote: landed commits a second, how long each waited, and that each is there once.

    python -m benchmarks.remote_writers [--writers 100] [--processes 8] [--seconds 10] [--swap 0.061] [--put 0] [--folder /tmp]

The remote is a folder, so there is no server; *swap* seconds are added to each conditional put and *put* to every other.
Each process has a store of its own, with a handle a thread, as agents on one machine have; a writer says the next thing when it knows that the last one landed.
Seconds are this machine's, and hold as long as nobody else is on it: load is shown. Requests, commits a swap and processor time a commit are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tract import Tract
from tract.config.remote_config import RemoteConfig
from tract.remote.couriers import courier_for
from tract.remote.link import Link
from tract.remote.remotes import begin_remote
from tract.remote.sync import Sync
from tract.remote.transport import FileTransport


class Far:
    """A store whose conditional puts take *swap* seconds longer than they do, and other puts *put*."""

    def __init__(self, store: FileTransport, swap: float, put: float) -> None:
        self._store = store
        self._swap = swap
        self._put = put

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        time.sleep(self._swap)
        return self._store.swap(key, data, version)

    def create(self, key: str, data: bytes) -> str | None:
        time.sleep(self._swap)
        return self._store.create(key, data)

    def put(self, key: str, data: bytes) -> None:
        time.sleep(self._put)
        self._store.put(key, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def remote(folder: str) -> RemoteConfig:
    return RemoteConfig(name="origin", url=f"file://{folder}/there", conditions="if-match", timeout=60)


def open_handle(folder: str, name: str, swap: float, put: float) -> Tract:
    t = Tract.open(Path(folder) / name, durability="process", on_moved="append", author=name)
    far = Far(FileTransport(f"{folder}/there"), swap, put)
    t._sync = Sync(t.repository, Link(t.repository, remote(folder), far), "commit", t._lock)
    t._sync.refresh(t.repository, "main")
    return t


def work(folder: str, process: int, writers: int, seconds: float, swap: float, put: float) -> None:
    """The part of one process; what it did goes to the standard output as JSON, when it was told to begin."""
    handles = [open_handle(folder, f"p{process}", swap, put) for _ in range(writers)]
    waits: list[list[float]] = [[] for _ in handles]
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.monotonic(), time.process_time()

    def write(number: int) -> None:
        while time.monotonic() - began < seconds:
            asked = time.monotonic()
            handles[number].user(
                f"{process}-{number}-{len(waits[number])}: a message of some words, as people write them"
            )
            waits[number].append(time.monotonic() - asked)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    sync = handles[0]._sync
    assert sync is not None
    requests = courier_for(handles[0].repository, sync.link, id(sync)).traffic.requests
    for one_handle in handles:
        one_handle.close()
    print(json.dumps({"waits": waits, "took": took, "cpu": cpu, "requests": requests}), flush=True)


def contended(folder: str, args: argparse.Namespace) -> None:
    with open_handle(folder, "first", 0, 0) as t:
        begin_remote(Link(t.repository, remote(folder)))
        t.user("begin")
    shares = [args.writers // args.processes + (n < args.writers % args.processes) for n in range(args.processes)]
    command = [sys.executable, "-m", "benchmarks.remote_writers", "--folder", folder, "--seconds", str(args.seconds)]
    command += ["--swap", str(args.swap), "--put", str(args.put)]
    running = [
        subprocess.Popen(
            [*command, "--part", str(number), "--writers", str(share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, share in enumerate(shares)
    ]
    for one in running:
        assert one.stdout is not None
        one.stdout.readline()
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    found = [json.loads(one.communicate()[0]) for one in running]
    report(folder, found, args)


def report(folder: str, found: list[dict[str, Any]], args: argparse.Namespace) -> None:
    waits = sorted(wait for one in found for writer in one["waits"] for wait in writer)
    each = [len(writer) for one in found for writer in one["waits"]]
    took = max(one["took"] for one in found)
    acknowledged = Counter(
        f"{process}-{number}-{count}"
        for process, one in enumerate(found)
        for number, writer in enumerate(one["waits"])
        for count in range(len(writer))
    )
    with Tract.clone(f"file://{folder}/there", Path(folder) / "clone") as t:
        said = Counter(str(one.content).partition(":")[0] for one in t.compile().messages[1:])
        known = Link(t.repository, remote(folder)).look("root", "main")
    assert known is not None
    number = len(waits)
    print(
        f"{args.writers} writers in {args.processes} processes, {args.swap * 1000:.0f} ms a conditional put and"
        f" {args.put * 1000:.0f} ms any other: {number / took:.0f} commits/s"
    )
    print(f"  waited: median {waits[number // 2]:.3f} s, p99 {waits[int(number * 0.99)]:.3f} s, most {waits[-1]:.3f} s")
    print(f"  from {min(each)} to {max(each)} commits a writer; every commit there once: {acknowledged == said}")
    print(
        f"  {number / (known.head.gen - 1):.1f} commits a swap, {sum(one['requests'] for one in found) / number:.2f} requests a commit,"
        f" {1e6 * sum(one['cpu'] for one in found) / number:.0f} us of processor time a commit in all processes"
    )
    print(
        f"  load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime:.0f} s of them"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--writers", type=int, default=100)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--swap", type=float, default=0.061)
    parser.add_argument("--put", type=float, default=0.0)
    parser.add_argument("--folder", default=None)
    parser.add_argument("--part", type=int, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part is not None:
        work(args.folder, args.part, args.writers, args.seconds, args.swap, args.put)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        contended(folder, args)


if __name__ == "__main__":
    main()
