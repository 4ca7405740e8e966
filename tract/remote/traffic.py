"""Counting what goes over a link."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tract.remote.transport import Listed, Stored, Transport


class Traffic:
    """The traffic of a link: requests and bytes; each put and each get counts as one."""

    __slots__ = ("received", "requests", "sent")

    def __init__(self) -> None:
        self.requests = 0
        self.sent = 0
        self.received = 0


class Counted:
    """A transport whose requests are counted; a listing counts as a request for each 1,000 keys."""

    def __init__(self, transport: Transport, traffic: Traffic) -> None:
        self._transport = transport
        self._traffic = traffic

    def get(self, key: str, *, unless: str | None = None) -> Any:
        self._traffic.requests += 1
        found = self._transport.get(key, unless=unless)
        if isinstance(found, Stored):
            self._traffic.received += len(found.data)
        return found

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        self._traffic.requests += 1
        found = self._transport.get_range(key, start, length)
        self._traffic.received += len(found or b"")
        return found

    def put(self, key: str, data: bytes) -> None:
        self._traffic.requests += 1
        self._traffic.sent += len(data)
        self._transport.put(key, data)

    def create(self, key: str, data: bytes) -> str | None:
        self._traffic.requests += 1
        self._traffic.sent += len(data)
        return self._transport.create(key, data)

    def swap(self, key: str, data: bytes, version: str) -> str | None:
        self._traffic.requests += 1
        self._traffic.sent += len(data)
        return self._transport.swap(key, data, version)

    def list(self, prefix: str, after: str = "") -> Iterator[Listed]:
        self._traffic.requests += 1
        for number, one in enumerate(self._transport.list(prefix, after), 1):
            if number % 1000 == 0:
                self._traffic.requests += 1
            yield one

    def delete(self, key: str) -> None:
        self._traffic.requests += 1
        self._transport.delete(key)
