"""A remote with many tracts, and a long one: what listing, looking, cloning and collecting cost in requests and bytes.

    python -m benchmarks.remote_fleet [--tracts 10000] [--messages 10000] [--folder /tmp]

The store is in memory and counts: requests and bytes hold for any bucket, seconds are this machine's. Prices are those of S3 in 2026.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.text import messages
from tract import Session, Tract
from tract.config.remote_config import RemoteConfig
from tract.opening import memory_repository
from tract.remote.fetch import fetch
from tract.remote.finding import Asked, find_heads, tract_names
from tract.remote.link import Link
from tract.remote.push import PushRequest, push
from tract.remote.sweep import plan_sweep, repack
from tract.remote.transport import MemoryTransport
from tract.repo import Repository

REMOTE = RemoteConfig(name="origin", url="memory://fleet", conditions="if-match")
PUT, GET = 0.005 / 1000, 0.0004 / 1000


class Priced:
    """A store that counts what costs: puts and lists of a thousand keys are dear, gets cheap, deletions free."""

    def __init__(self, store: MemoryTransport) -> None:
        self._store = store
        self.dear = self.cheap = 0

    def list(self, prefix: str, after: str = "") -> Any:
        found = list(self._store.list(prefix, after))
        self.dear += 1 + len(found) // 1000
        return iter(found)

    def __getattr__(self, name: str) -> Any:
        if name in ("put", "create", "swap"):
            self.dear += 1
        elif name in ("get", "get_range"):
            self.cheap += 1
        return getattr(self._store, name)


def counted(what: str, store: MemoryTransport, repo: Repository, act: Callable[[Link], object]) -> None:
    priced = Priced(store)
    link = Link(repo, REMOTE, priced)
    began = time.perf_counter()
    act(link)
    took = time.perf_counter() - began
    dollars = priced.dear * PUT + priced.cheap * GET
    print(
        f"  {what}: {priced.dear:,} puts and lists, {priced.cheap:,} gets, {link.traffic.received:,} bytes came,"
        f" {link.traffic.sent:,} went; {took:.2f} s, ${dollars:.6f}"
    )


def fleet(number: int, folder: Path) -> None:
    store = MemoryTransport()
    with Session.open(folder / "fleet", durability="process") as session:
        for one in range(number):
            session.create_tract(f"t{one}").user(f"the task of agent {one}")
        repo = session.get_tract("t0").repository
        print(f"{number:,} tracts of one message:")
        counted("push of all", store, repo, lambda link: push(repo, "origin", PushRequest(all_tracts=True), link=link))
        counted(
            "push of all where nothing is new",
            store,
            repo,
            lambda link: push(repo, "origin", PushRequest(all_tracts=True), link=link),
        )
        counted("fetch of all where nothing is new", store, repo, lambda link: fetch(link, repo, Asked(None)))
    counted("names of all tracts", store, memory_repository(), tract_names)
    counted("all branches of all tracts", store, memory_repository(), lambda link: find_heads(link, Asked(None)))
    one = memory_repository()
    counted("clone of one tract", store, one, lambda link: fetch(link, one, Asked(["t7"], as_clone=True)))
    everything = memory_repository()
    counted("clone of all", store, everything, lambda link: fetch(link, everything, Asked(None, as_clone=True)))
    counted("a collection, dry", store, memory_repository(), plan_sweep)


def long_one(number: int, folder: Path) -> None:
    store = MemoryTransport()
    texts = messages(number)
    with Tract.open(folder / "long", durability="process") as t:
        print(
            f"one tract of {number:,} messages, pushed in {number // 50} pushes of 50, {sum(map(len, texts)):,} characters:"
        )
        link = Link(t.repository, REMOTE, store)
        for at in range(0, number, 50):
            with t.batch():
                for text in texts[at : at + 50]:
                    t.user(text)
            push(t.repository, "origin", PushRequest(), link=link)
        cold(store, number, folder / "cold")
        repack(Link(t.repository, REMOTE, store), t.repository)
        cold(store, number, folder / "repacked")


def cold(store: MemoryTransport, number: int, folder: Path) -> None:
    began = time.perf_counter()
    with Tract.open(folder, durability="process") as t:
        link = Link(t.repository, REMOTE, store)
        fetch(link, t.repository, Asked(["root"], ["main"], as_clone=True))
        cloned = time.perf_counter()
        assert len(t.compile().to_openai()) == number
        compiled = time.perf_counter()
    print(
        f"  clone, cold: {link.traffic.requests} requests, {link.traffic.received:,} bytes, {cloned - began:.2f} s;"
        f" the first compile after it {compiled - cloned:.2f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracts", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        if args.messages:
            long_one(args.messages, Path(folder))
        if args.tracts:
            fleet(args.tracts, Path(folder))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
