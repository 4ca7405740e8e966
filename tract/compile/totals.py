"""The totals of contexts, remembered between processes: what ``status`` says without reading the context.

A key names all that the totals depend on (the commit, the state of the priorities, the counter), so they cannot be stale.
"""

from __future__ import annotations

import os
import time

from blake3 import blake3

from tract.objects.id import ObjectId
from tract.repo import Repository
from tract.storage.totals import Totals, add_totals, load_totals

_FLUSH_AFTER_SECONDS = 1.0


class TotalsCache:
    """Totals by commit and state of the priorities, under one counter's name; ``flush`` writes the new ones."""

    def __init__(self, repo: Repository, counter: str) -> None:
        self._path = None if repo.path is None else os.path.join(repo.path, "cache", "totals")
        self._counter = counter
        self._known: dict[bytes, Totals] | None = None
        self._unsaved: dict[bytes, Totals] = {}
        self._flushed_at = 0.0

    def get(self, commit: ObjectId, priorities: ObjectId | None) -> Totals | None:
        """The totals, when anybody ever worked them out."""
        if self._path is None:
            return None
        if self._known is None:
            self._known = load_totals(self._path)
        return self._known.get(self._key(commit, priorities))

    def put(self, commit: ObjectId, priorities: ObjectId | None, totals: Totals) -> None:
        """Remember them; written at most once a second."""
        if self._path is None or self.get(commit, priorities) is not None or max(totals) >= 2**32:
            return
        assert self._known is not None
        key = self._key(commit, priorities)
        if len(self._known) > 1024:
            self._known.clear()
        self._known[key] = self._unsaved[key] = totals
        if self.is_due:
            self.flush()

    @property
    def is_due(self) -> bool:
        """Whether the file is to be written again: others may look at it."""
        return time.monotonic() - self._flushed_at >= _FLUSH_AFTER_SECONDS

    def flush(self) -> None:
        """Write the newest; a cache that cannot be written is no error, for it can be made again."""
        self._flushed_at = time.monotonic()
        if self._unsaved and self._path is not None:
            key, newest = self._unsaved.popitem()
            self._unsaved.clear()
            try:
                add_totals(self._path, {key: newest})
            except OSError:
                return

    def _key(self, commit: ObjectId, priorities: ObjectId | None) -> bytes:
        return blake3(b"%s%s%s" % (commit, priorities or bytes(len(commit)), self._counter.encode())).digest()
