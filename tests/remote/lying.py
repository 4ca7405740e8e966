"""A store that is slow, loses answers, repeats requests, shows old listings and changes bytes on the way, in front of one that does not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from tract.errors import RemoteError
from tract.remote.transport import Listed, Stored, Transport, Unchanged

_T = TypeVar("_T")


class Lying:
    """*share* of the requests go wrong, each in one of the ways that fit it; *ways* leaves only some of them."""

    WAYS = ("refused", "lost", "twice", "truncated", "wrong", "stale", "slow")

    def __init__(self, transport: Transport, seed: int, *, share: float = 0.5, ways: tuple[str, ...] = WAYS) -> None:
        self._transport = transport
        self._random = random.Random(seed)
        self._share = share
        self._ways = ways
        self._lock = threading.Lock()
        self._old: dict[str, list[Listed]] = {}
        self.went_wrong = 0

    def _way(self, *possible: str) -> str:
        with self._lock:
            ways = [way for way in possible if way in self._ways]
            if not ways or self._random.random() >= self._share:
                return ""
            self.went_wrong += 1
            return self._random.choice(ways)

    def _ask(self, way: str, ask: Callable[[], _T]) -> _T:
        if way == "refused":
            raise RemoteError("503 slow down", landed=False)
        if way == "slow":
            time.sleep(self._random.random() * 0.003)
        found = ask()
        if way == "twice":  # what retries do that nobody sees
            found = ask()
        if way == "lost":
            raise RemoteError("timeout", landed=None)
        return found

    def get(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        way = self._way("refused", "slow", "truncated", "wrong")
        found = self._ask(way, lambda: self._transport.get(key, unless=unless))
        if isinstance(found, Stored) and found.data:
            return Stored(self._changed(way, found.data), found.version)
        return found

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        way = self._way("refused", "slow", "truncated", "wrong")
        found = self._ask(way, lambda: self._transport.get_range(key, start, length))
        return self._changed(way, found) if found else found

    def _changed(self, way: str, data: bytes) -> bytes:
        at = self._random.randrange(len(data))
        if way == "truncated":
            return data[:at]
        if way == "wrong":
            return data[:at] + bytes([data[at] ^ (1 << self._random.randrange(8))]) + data[at + 1 :]
        return data

    def put(self, key: str, data: bytes) -> None:
        self._ask(self._way("refused", "lost", "twice", "slow"), lambda: self._transport.put(key, data))

    def create(self, key: str, data: bytes) -> str | None:
        return self._ask(self._way("refused", "lost", "twice", "slow"), lambda: self._transport.create(key, data))

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        way = self._way("refused", "lost", "twice", "slow")
        return self._ask(way, lambda: self._transport.swap(key, data, version))

    def list(self, prefix: str, after: str = "") -> Iterator[Listed]:
        way = self._way("refused", "slow", "stale")
        found = self._ask(way, lambda: list(self._transport.list(prefix, after)))
        before = self._old.get(prefix, [])
        self._old[prefix] = found
        return iter(before if way == "stale" else found)

    def delete(self, key: str) -> None:
        self._ask(self._way("refused", "lost", "twice", "slow"), lambda: self._transport.delete(key))


class Dying:
    """A store that answers so many requests, and then nobody's: the process that asks is as good as dead."""

    class Dead(BaseException):
        """What a killed process would have been."""

    def __init__(self, transport: Transport, requests: int, *, lands: bool) -> None:
        self._transport = transport
        self._left = requests
        self._lands = lands

    def __getattr__(self, name: str) -> Any:
        def ask(*args: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                if self._lands and self._left == -1:
                    getattr(self._transport, name)(*args, **named)
                raise Dying.Dead
            return getattr(self._transport, name)(*args, **named)

        return ask
