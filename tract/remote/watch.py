"""How often a head moves, for a writer that waits until it names something: how long to sleep between looks, and when the leading writer must be gone."""

from __future__ import annotations

import time

SHORTEST_POLL = 0.01
LONGEST_POLL = 0.25
_LOOKS_A_MOVE = 12
"""Looks between two moves of a head: who waits learns of one a twelfth of a round late at most, some 8 in 100 of it."""

_PATIENCE = 0.1
_INTERVALS = 6
"""A head that has been still for so many of its usual intervals, or of the last push's time, has nobody who leads."""

_SHARE = 4
"""Nobody waits longer for his turn than this part of the time after which he gives up: two who lead at once cost a push that is lost, and no more."""


class HeadWatch:
    """A head as it is looked at again and again; all times in seconds. A writer that waits for it gives up after *gives_up*."""

    def __init__(self, gives_up: float) -> None:
        self._longest = gives_up / _SHARE
        self._version: str | None = None
        self._moved: float | None = None
        self._quiet_since = time.monotonic()
        self._interval = 0.0
        self.rank: int | None = None
        """How many older intents of others wait, who lead before; None where it was not looked since the head moved."""

    def begin(self) -> None:
        """Begin to wait; what the head did before is not known."""
        self._moved, self.rank = None, None
        self._quiet_since = time.monotonic()

    def see(self, version: str | None) -> None:
        """The head has *version* now."""
        if version == self._version:
            return
        now = time.monotonic()
        if self._moved is not None:
            since = now - self._moved
            self._interval = 0.7 * self._interval + 0.3 * since if self._interval else since
        self._version, self._moved, self._quiet_since, self.rank = version, now, now, None

    def pause(self) -> float:
        """How long to sleep before the next look."""
        return min(max(self._interval / _LOOKS_A_MOVE, SHORTEST_POLL), LONGEST_POLL)

    def is_still(self, took: float) -> bool:
        """Whether the head has not moved for so long that it is the turn of whoever waits for it; *took* is the time of a push from here."""
        patience = max(_PATIENCE, _INTERVALS * self._interval, _INTERVALS * took)
        return time.monotonic() - self._quiet_since > min(patience * (1 + (self.rank or 0)), self._longest)
