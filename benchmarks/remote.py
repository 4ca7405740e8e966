"""What remotes cost: requests, bytes, and pushes beside ``git push`` of the same messages.

    python -m benchmarks.remote [--number 1000] [--latency 0.061] [--writers 4] [--folder /tmp]

Requests and bytes are counted and hold on any machine; seconds are this one's.
git gets a repository with a file a message, one commit each, and pushes over file:// as tract does; a copy of the folder is what copying a database costs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.text import messages
from tract import Tract
from tract.config.remote_config import RemoteConfig
from tract.remote.fetch import fetch
from tract.remote.finding import Asked
from tract.remote.link import Link
from tract.remote.push import PushRequest, push
from tract.remote.sweep import repack
from tract.remote.transport import MemoryTransport, Transport

REMOTE = RemoteConfig(name="origin", url="memory://bench", conditions="if-match")


class Far:
    """A store in memory whose conditional puts take *latency* seconds."""

    def __init__(self, store: MemoryTransport, latency: float) -> None:
        self._store = store
        self._latency = latency

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        time.sleep(self._latency)
        return self._store.swap(key, data, version)

    def create(self, key: str, data: bytes) -> str | None:
        time.sleep(self._latency)
        return self._store.create(key, data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def size_of(store: MemoryTransport) -> int:
    return sum(one.size for one in store.list("v1/"))


def linked(t: Tract, store: Transport) -> Link:
    return Link(t.repository, REMOTE, store)


def pushes(texts: list[str], folder: Path, each: int) -> None:
    """Push after every *each* messages; then clone, as it is and after a repack."""
    store = MemoryTransport()
    with Tract.open(folder / f"one-{each}", durability="process") as t:
        link = linked(t, store)
        took = count = 0.0
        for at in range(0, len(texts), each):
            with t.batch():
                for text in texts[at : at + each]:
                    t.user(text)
            began = time.perf_counter()
            push(t.repository, "origin", PushRequest(), link=link)
            took += time.perf_counter() - began
            count += 1
        packs = len(link.look("root", "main").head.packs)  # type: ignore[union-attr]
        sent = link.traffic
        print(
            f"{len(texts)} messages, {each} a push: {sent.requests / count:.2f} requests a push, {sent.sent:,} bytes sent"
        )
        print(
            f"  there: {size_of(store):,} bytes with what merges left, {packs} packs named; {count / took:.0f} pushes/s"
        )
        idle = linked(t, store)
        fetch(idle, t.repository, Asked(["root"], ["main"]))
        print(f"  poll: {idle.traffic.requests} request, {idle.traffic.received} bytes")
        clone(store, folder / f"two-{each}", "clone")
        repack(linked(t, store), t.repository)
        clone(store, folder / f"three-{each}", "clone after a repack")
        clone(store, folder / f"four-{each}", "clone --depth 1", depth=1)


def clone(store: MemoryTransport, folder: Path, what: str, **options: Any) -> None:
    began = time.perf_counter()
    with Tract.open(folder, durability="process") as t:
        link = linked(t, store)
        fetch(link, t.repository, Asked(["root"], ["main"], as_clone=True, **options))
        cloned = time.perf_counter()
        number = len(t.compile().to_openai())
        compiled = time.perf_counter()
    print(
        f"  {what}: {link.traffic.requests} requests, {link.traffic.received:,} bytes, {1000 * (cloned - began):.0f} ms,"
        f" and {1000 * (compiled - cloned):.0f} ms to compile {number} messages"
    )


def git_pushes(texts: list[str], folder: Path, each: int) -> None:
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b"}
    environ |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def git(*words: str, at: Path = folder / "git") -> None:
        subprocess.run(["git", *words], cwd=at, env=environ, check=True, capture_output=True)

    (folder / "git").mkdir()
    git("init", "-q", "--bare", str(folder / "bare"), at=folder)
    git("init", "-q", "-b", "main")
    took = count = 0.0
    for number, text in enumerate(texts, 1):
        (folder / "git" / f"{number}").write_text(text)
        git("add", "-A")
        git("commit", "-q", "-m", "m")
        if number % each == 0 or number == len(texts):
            began = time.perf_counter()
            git("push", "-q", f"file://{folder}/bare", "main")
            took += time.perf_counter() - began
            count += 1
    size = sum(path.stat().st_size for path in (folder / "bare" / "objects").rglob("*") if path.is_file())
    print(f"git, {len(texts)} messages, {each} a push: {size:,} bytes there, {count / took:.0f} pushes/s over file://")


def contended(writers: int, seconds: float, latency: float) -> None:
    """Writers on one branch, each in a store of its own, that append what the others have not seen."""
    store = MemoryTransport()
    landed, requests = [0] * writers, [0] * writers
    waits: list[float] = []
    folder = tempfile.mkdtemp()
    end = time.monotonic() + seconds

    def write(number: int) -> None:
        from tract.remote.sync import Sync

        with Tract.open(os.path.join(folder, str(number)), durability="process", on_moved="append") as t:
            t._sync = Sync(t.repository, linked(t, Far(store, latency)), "commit", t._lock)
            t._sync.refresh(t.repository)
            while time.monotonic() < end:
                began = time.monotonic()
                t.user(f"{number}-{landed[number]}")
                waits.append(time.monotonic() - began)
                landed[number] += 1
            requests[number] = t._sync.link.traffic.requests

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    began = time.monotonic()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    took = time.monotonic() - began
    waits.sort()
    with Tract.open(":memory:") as looking:
        known = linked(looking, store).look("root", "main")
    swaps = 0 if known is None else known.head.gen
    print(
        f"{writers} writers on one branch, {1000 * latency:.0f} ms a conditional put: {sum(landed) / took:.1f} commits/s,"
        f" p99 {waits[int(len(waits) * 0.99) - 1]:.2f} s, from {min(landed)} to {max(landed)} each;"
        f" {sum(landed) / swaps:.1f} commits a swap, {sum(requests) / sum(landed):.1f} requests a commit"
    )
    shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.061)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    texts = messages(args.number)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        print(f"the messages as text: {sum(len(text.encode()) for text in texts):,} bytes")
        for each in (1, 20, args.number):
            pushes(texts, folder, each)
        git_pushes(texts[:200], folder, 1)
        size = sum(path.stat().st_size for path in (folder / "one-1").rglob("*") if path.is_file())
        print(f"copying the folder of the store instead: {size:,} bytes, each time")
    if args.seconds:
        contended(args.writers, args.seconds, args.latency)


if __name__ == "__main__":
    main()
