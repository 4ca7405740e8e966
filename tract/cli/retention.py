"""How long the commands that drop objects keep them."""

from __future__ import annotations

import math


def parse_days(text: str | None, default: float) -> float | None:
    """The days that an option says, *default* where it was not given; None when it is no number of days."""
    if text is None:
        return default
    try:
        days = float(text)
    except ValueError:
        return None
    return days if days >= 0 and math.isfinite(days) else None
