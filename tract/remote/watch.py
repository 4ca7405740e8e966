"""Timing for a writer that waits until a head names its intent: how long to sleep between looks, and when the leading writer must be gone."""

from __future__ import annotations

import time

SHORTEST_POLL = 0.01
LONGEST_POLL = 0.25
_LOOKS_A_MOVE = 12
"""The number of looks between two moves of a head: a waiting writer learns of a move at most a twelfth of a round late, some 8 in 100."""

_PATIENCE = 0.1
_INTERVALS = 6
"""A head that has been still for this many of its usual intervals, or of the last push's time, has no leader."""

_SHARE = 4
"""No writer waits longer for its turn than this part of the time after which it gives up: two leaders at once cost one lost push, and no more."""


class HeadWatch:
    """A head that is read again and again; all times in seconds. A writer that waits for it gives up after *gives_up*."""

    def __init__(self, gives_up: float) -> None:
        self._longest = gives_up / _SHARE
        self._version: str | None = None
        self._moved: float | None = None
        self._quiet_since = time.monotonic()
        self._interval = 0.0
        self.rank: int | None = None
        """The number of older waiting intents, whose writers lead before; None if not counted since the head moved."""

    def begin(self) -> None:
        """Start waiting; earlier moves of the head are not known."""
        self._moved, self.rank = None, None
        self._quiet_since = time.monotonic()

    def see(self, version: str | None) -> None:
        """Record that the head has *version* now."""
        if version == self._version:
            return
        now = time.monotonic()
        if self._moved is not None:
            since = now - self._moved
            self._interval = 0.7 * self._interval + 0.3 * since if self._interval else since
        self._version, self._moved, self._quiet_since, self.rank = version, now, now, None

    def pause(self) -> float:
        """The time to sleep before the next look."""
        return min(max(self._interval / _LOOKS_A_MOVE, SHORTEST_POLL), LONGEST_POLL)

    def is_still(self, took: float) -> bool:
        """True if the head has not moved for so long that it is this writer's turn; *took* is the time of a push from here."""
        patience = max(_PATIENCE, _INTERVALS * self._interval, _INTERVALS * took)
        return time.monotonic() - self._quiet_since > min(patience * (1 + (self.rank or 0)), self._longest)
