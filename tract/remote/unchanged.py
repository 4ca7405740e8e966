"""Finds tracts that have nothing to push without reading their heads: for a push of ten thousand tracts of which three have something new.

    cache/remote-<name>-pushed     for each tract a hash of its state when all of it had been pushed: its refs and settings here, the versions of its heads there

If the hash is the same now, with the versions from one listing, neither side moved since; otherwise the tract is checked in the usual way.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from blake3 import blake3

from tract.errors import ContentValidationError, StorageError
from tract.history.tracts import CONFIG_FILE
from tract.objects.codec import decode, encode
from tract.refs.names import HEAD, HEADS
from tract.remote.address import TRACTS, head_key, tract_key
from tract.remote.link import Link
from tract.repo import Repository
from tract.storage import files


class PushedBefore:
    """The pushed states of a store's tracts, by name; *listed* has the versions of all heads on the remote."""

    def __init__(self, link: Link, repo: Repository, listed: dict[str, str]) -> None:
        self._link = link
        self._name = f"remote-{link.name}-pushed"
        self._there: dict[str, dict[str, str]] = {}
        for key, version in listed.items():
            tract = key[: key.index("/", len(TRACTS) + 3) + 1]
            self._there.setdefault(tract, {})[key] = version
        self._settings = _settings(repo.path)
        self._known = self._read()

    def _read(self) -> dict[str, Any]:
        data = self._link.recall(self._name)
        with suppress(ContentValidationError):
            value = None if data is None else decode(data)
            return value if type(value) is dict else {}
        return {}

    def has(self, own: Repository) -> bool:
        """True if nothing of the tract *own* is new, on either side, since all of it was pushed."""
        known = self._known.get(own.tract)
        return known is not None and known == self._state(own, self._there.get(tract_key(own.tract), {}))

    def add(self, own: Repository) -> None:
        """Record that all of the tract is on the remote, with its heads as they are known now."""
        heads = dict(self._there.get(tract_key(own.tract), {}))
        for branch in (None, *(name.removeprefix(HEADS) for name, _ in own.local_refs(HEADS))):
            known = self._link.remembered(own.tract, branch)
            if known is not None:
                heads[head_key(own.tract, branch)] = known.version.strip('"')
        self._known[own.tract] = self._state(own, heads)

    def save(self) -> None:
        """Save the states for the next push."""
        self._link.keep(self._name, encode(self._known))

    def _state(self, own: Repository, heads: dict[str, str]) -> bytes:
        refs = [[name, value] for name, value in own.local_refs("refs/")]
        settings = _settings(own.folder) if own.prefix else b""
        there = [[key, version] for key, version in sorted(heads.items())]
        what = [self._link.remote.url, own.ref(HEAD), refs, there, settings, self._settings]
        return blake3(encode(what)).digest()[:16]


def _settings(folder: str | None) -> bytes:
    with suppress(OSError, StorageError):
        return b"" if folder is None else files.read_file(os.path.join(folder, CONFIG_FILE))
    return b""
