"""The schedule of a watching process, apart from the triggers: an interval, or a time of the day."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from tract.dataclass import dataclass
from tract.errors import OrchestratorError

_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A run when the last one is *every* ago, and one each day *at* that time, in the time zone of the moments that are asked about."""

    every: timedelta | None = None
    at: time | None = None

    def why_due(self, last: datetime | None, began: datetime, now: datetime) -> str | None:
        """Why a run is due *now* after one that ended at *last*, None for never, for a process that watches since *began*; None if no run is due."""
        if self.every is not None and (last is None or now - last >= self.every):
            return f"it runs every {self.every}"
        if self.at is not None:
            today = datetime.combine(now.date(), self.at, now.tzinfo)
            planned = today if today <= now else today - timedelta(days=1)
            if (last or began) < planned:
                return f"it runs at {self.at:%H:%M}"
        return None


def read_every(text: str) -> timedelta:
    """The time that *text* names, such as ``30m``, ``6h`` and ``1d``; OrchestratorError for any other text."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not int(found[1]):
        raise OrchestratorError(f"a time between runs is written as 30m, 6h or 1d, not {text!r:.40}")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def read_at(text: str) -> time:
    """The time of a day that *text* names, such as ``03:30``; OrchestratorError for any other text."""
    try:
        return datetime.strptime(text, "%H:%M").time()  # a time alone
    except ValueError:
        raise OrchestratorError(f"a time of the day is written HH:MM, not {text!r:.40}") from None
