"""Finding out what the store of a remote guarantees, by trying with concurrent writers.

Some servers answer 200 to a condition and overwrite all the same; some honour it until two ask at once; some take an ETag only without its quotes.
So no store is trusted by its name: the promises of the protocol are tried with eight writers at once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tract.config.remote_config import Conditions, RemoteConfig
from tract.dataclass import replace
from tract.errors import RemoteAuthError, RemoteError
from tract.remote.address import PROBES
from tract.remote.link import open_transport
from tract.remote.transport import Stored, Transport

_WRITERS = 8
_ROUNDS = 6
_STEPS = 4


def probe(remote: RemoteConfig, transport: Transport | None = None) -> Conditions:
    """Return how the remote's store can keep writers apart; ``none`` if it cannot.

    RemoteError if the store cannot be reached, RemoteAuthError if it refuses the credentials.
    """
    plain = transport or open_transport(replace(remote, conditions="if-match"))
    bare = transport or open_transport(replace(remote, conditions="if-match-bare"))
    start = f"{PROBES}{os.urandom(8).hex()}/"
    keys: list[str] = []
    try:
        if not _creates(plain, start, keys):
            return "none"
        if _swaps(plain, f"{start}swap", keys):
            return "if-match"
        if transport is None and _swaps(bare, f"{start}bare", keys):
            return "if-match-bare"
        return "create-only"
    finally:
        for key in keys:
            with suppress(RemoteError):  # a later probe is not disturbed by what is left
                plain.delete(key)


def _creates(transport: Transport, start: str, keys: list[str]) -> bool:
    """True if exactly one of many writers creates a key, and its content is there."""
    for number in range(_ROUNDS):
        key = f"{start}create-{number}"
        keys.append(key)
        made = _race(lambda writer, key=key: transport.create(key, b"%d" % writer) is not None)  # type: ignore[misc]
        found = transport.get(key)
        if len(made) != 1 or not isinstance(found, Stored) or found.data != b"%d" % made[0]:
            return False
    return True


def _swaps(transport: Transport, key: str, keys: list[str]) -> bool:
    """True if a key is swapped only if its version is the one that was read: tried first alone, then with counters that race."""
    keys.append(key)
    first = transport.create(key, b"0")
    if not first:
        return False
    with suppress(RemoteAuthError):
        try:
            second = transport.swap(key, b"0.", first)
            if not second or second == first or transport.swap(key, b"lost", first) is not None:
                return False
            if transport.swap(key, b"0", second) is None:
                return False
        except RemoteError:
            return False  # it does not know the condition

        def count(writer: int) -> bool:
            done = 0
            for _ in range(_STEPS * _WRITERS * 4):
                found = transport.get(key)
                if not isinstance(found, Stored):
                    return False
                number = int(found.data.split(b"-")[0]) + 1
                # No two writers put the same bytes: some stores make one version of two puts with the same content.
                if transport.swap(key, b"%d-%d" % (number, writer), found.version) is not None:
                    done += 1
                    if done == _STEPS:
                        return True
            return False

        finished = _race(count)
        found = transport.get(key)
        return (
            len(finished) == _WRITERS
            and isinstance(found, Stored)
            and int(found.data.split(b"-")[0]) == _STEPS * _WRITERS
        )
    return False


def _race(act: Callable[[int], bool]) -> list[int]:
    """The writers for which *act* returned True, all of them at once."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        done = list(pool.map(act, range(_WRITERS)))
    return [writer for writer, is_done in enumerate(done) if is_done]
