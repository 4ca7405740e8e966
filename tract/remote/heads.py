"""Reading and putting heads, according to what the remote's store guarantees.

    if-match       the head's key is swapped if it still has the version that the writer read
    create-only    a head is a log: <key>/log/<20 digits> are only ever created, and the last one counts

A store that guarantees neither can only be read.
"""

from __future__ import annotations

from typing import Protocol

from tract.config.remote_config import Conditions
from tract.errors import RemoteRefusedError
from tract.remote.transport import UNCHANGED, Stored, Transport, Unchanged

_DIGITS = 20
_MOST_BEHIND = 64


class Heads(Protocol):
    """Heads by their keys."""

    def read(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        """Return the head under *key*; None if there is none, UNCHANGED if its version is *unless*."""
        ...

    def put(self, key: str, data: bytes, version: str | None) -> str | None:
        """Put a head in the place of *version* (None: of nothing); return its new version, or None if another writer was first."""
        ...


class SwappedHeads:
    """Heads that are swapped."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def read(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        return self._transport.get(key, unless=unless)

    def put(self, key: str, data: bytes, version: str | None) -> str | None:
        return self._transport.create(key, data) if version is None else self._transport.swap(key, data, version)


class LoggedHeads:
    """Heads that are logs. No entry of a log is ever removed: a writer that slept would create its number again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def read(self, key: str, *, unless: str | None = None) -> Stored | Unchanged | None:
        start = f"{key}/log/"
        after = "" if unless is None else start + unless
        last = None
        for one in self._transport.list(start, after):
            last = one.key.removeprefix(start)
        number = int(last or unless or 0)
        found = None if last is None else self._transport.get(start + last)
        # A listing may be behind: the entries after its last one are requested until one is missing.
        # The search is limited, because writers may be as fast as this reads; the result was the last entry when this began.
        for _ in range(_MOST_BEHIND):
            further = self._transport.get(f"{start}{number + 1:0{_DIGITS}}")
            if not isinstance(further, Stored):
                break
            found, number = further, number + 1
        if isinstance(found, Stored):
            return Stored(found.data, f"{number:0{_DIGITS}}")
        return None if unless is None else UNCHANGED

    def put(self, key: str, data: bytes, version: str | None) -> str | None:
        number = f"{int(version or 0) + 1:0{_DIGITS}}"
        return None if self._transport.create(f"{key}/log/{number}", data) is None else number


class ReadHeads(SwappedHeads):
    """Heads of a store in which writers can overwrite each other."""

    def put(self, key: str, data: bytes, version: str | None) -> str | None:
        raise RemoteRefusedError("the remote's store cannot keep concurrent writers apart, so it is read-only")


def heads_of(transport: Transport, conditions: Conditions | None) -> Heads:
    """The form of heads for the *conditions* that a probe found; a store that was not probed uses swapped heads."""
    if conditions == "none":
        return ReadHeads(transport)
    return LoggedHeads(transport) if conditions == "create-only" else SwappedHeads(transport)
