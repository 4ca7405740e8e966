"""Finds tracts that have nothing to push without reading their heads: for a push of ten thousand tracts of which three have something new.

    cache/remote-<name>-pushed     for each tract the hash of what it was when all of it had been pushed: its refs and settings here, the versions of its heads there

A hash that is the same now, with the versions from one listing, says that neither side moved since; whatever else it is, the tract is looked at as always.
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
    """What was pushed of the tracts of a store, by their names; *listed* are the versions of all heads there."""

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
        """Whether nothing of the tract *own* is new, on either side, since all of it was pushed."""
        known = self._known.get(own.tract)
        return known is not None and known == self._state(own, self._there.get(tract_key(own.tract), {}))

    def add(self, own: Repository) -> None:
        """Remember that all of the tract is there, as its heads are known to be by now."""
        heads = dict(self._there.get(tract_key(own.tract), {}))
        for branch in (None, *(name.removeprefix(HEADS) for name, _ in own.local_refs(HEADS))):
            known = self._link.remembered(own.tract, branch)
            if known is not None:
                heads[head_key(own.tract, branch)] = known.version.strip('"')
        self._known[own.tract] = self._state(own, heads)

    def save(self) -> None:
        """Keep it for the next push."""
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
