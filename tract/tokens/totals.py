"""The totals of contexts, remembered between processes: what ``status`` says without reading the context.

A key names all that the totals depend on (the commit, the state of the priorities, the counter), so they cannot be stale.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from blake3 import blake3

from tract.objects.id import ObjectId
from tract.repo import Repository
from tract.storage.totals import Totals, add_totals, load_totals

_FLUSH_AFTER_SECONDS = 1.0
_ESTIMATED = ("\0estimated\0", "\0estimates\0")
"""What goes behind the counter's name for totals with estimates in them, and for the number of estimates."""


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
        return self._loaded().get(self._key(commit, priorities))

    def _loaded(self) -> dict[bytes, Totals]:
        if self._known is None:
            self._known = {} if self._path is None else load_totals(self._path)
        return self._known

    def get_estimated(self, commit: ObjectId, priorities: ObjectId | None, kept: str) -> tuple[Totals, int] | None:
        """The totals with estimates in them, and of how many messages, when they were worked out while the counts were as *kept* says."""
        keys = [self._key(commit, priorities, name + kept) for name in _ESTIMATED]
        known = self._loaded()
        return (known[keys[0]], known[keys[1]].messages) if keys[0] in known and keys[1] in known else None

    def put_estimated(
        self, commit: ObjectId, priorities: ObjectId | None, kept: str, totals: Totals, estimated: int
    ) -> None:
        """Remember totals of which *estimated* messages are estimated: as two rows, the second with nothing but their number."""
        if self._path is None or self.get_estimated(commit, priorities, kept) is not None or max(totals) >= 2**32:
            return
        first, second = (self._key(commit, priorities, name + kept) for name in _ESTIMATED)
        rows = {first: totals, second: Totals(estimated, 0, 0, 0, tools=False)}
        self._loaded().update(rows)
        with suppress(OSError):  # it can be made again
            add_totals(self._path, rows)

    def put(self, commit: ObjectId, priorities: ObjectId | None, totals: Totals) -> None:
        """Remember them; written at most once a second."""
        if self._path is None or self.get(commit, priorities) is not None or max(totals) >= 2**32:
            return
        known = self._loaded()
        key = self._key(commit, priorities)
        if len(known) > 1024:
            known.clear()
        known[key] = self._unsaved[key] = totals
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

    def _key(self, commit: ObjectId, priorities: ObjectId | None, how: str = "") -> bytes:
        return blake3(b"%s%s%s" % (commit, priorities or bytes(len(commit)), (self._counter + how).encode())).digest()
