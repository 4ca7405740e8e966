"""Times as people type them: ISO 8601, and words relative to now.

    2026-11-21                    the start of that day
    2026-11-21T08:30, '2026-11-21 08:30+01:00', 2026-11-21T07:30Z
    @1795248000                   seconds since 1970
    now, today, yesterday         the last two mean the start of the day
    2 hours ago, 3.days.ago, 1 week 2 days ago, 1.week, 2w, 12h, last month, last monday, monday

A time without a zone is in the user's own zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from tract.errors import TimeArgumentError

_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "hr": 3600}
_DAYS = {"day": 1, "week": 7, "fortnight": 14}
_MONTHS = {"month": 1, "year": 12}
_UNITS = "|".join((*_SECONDS, *_DAYS, *_MONTHS))
_SPAN = re.compile(rf"(\d{{1,9}}|an?|one|two|three|last)\s*({_UNITS})s?\b")
_SHORT = {"w": "week", "d": "day", "h": "hour"}
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "last": 1}


def read_time(text: str, now: datetime | None = None) -> datetime:
    """Return the moment that *text* names, relative to *now*, an aware datetime; TimeArgumentError if it names none."""
    now = (now or datetime.now(UTC)).astimezone()
    try:
        return _moment(text.strip(), now)
    except (ValueError, OverflowError, OSError):
        raise TimeArgumentError(
            f"{text!r} is not a time such as 2026-01-31, 2026-01-31T12:00+01:00, 'yesterday' or '2 hours ago'"
        ) from None


def _moment(text: str, now: datetime) -> datetime:
    words = re.sub(r"(?<=[a-z\d])[._](?=[a-z\d])", " ", text.lower())
    if words == "now":
        return now
    if words in ("today", "yesterday"):
        return _local(_day(now) - timedelta(days=words == "yesterday"))
    if text.startswith("@"):
        return datetime.fromtimestamp(float(text[1:]), UTC)
    day = words.removeprefix("last ")
    if day in _WEEKDAYS:
        return _local(_day(now) - timedelta(days=(now.weekday() - _WEEKDAYS.index(day) - 1) % 7 + 1))
    words = re.sub(r"\b(\d+)([wdh])\b", lambda match: f"{match[1]} {_SHORT[match[2]]}", words)
    if words.endswith(" ago") or _SPAN.match(words):
        return _back(words.removesuffix(" ago"), now)
    return _local(datetime.fromisoformat(text))


def _day(when: datetime) -> datetime:
    """The start of the day, without a zone."""
    return datetime(when.year, when.month, when.day)


def _local(when: datetime) -> datetime:
    """*when*, in the user's own zone if it has none."""
    return when if when.tzinfo is not None else when.astimezone()


def _back(words: str, now: datetime) -> datetime:
    """The moment this long before *now*; days, months and years keep the time of day."""
    spans = [(_NUMBERS.get(number) or int(number), unit) for number, unit in _SPAN.findall(words)]
    if not spans or _SPAN.sub("", words).replace(",", " ").replace("and", " ").strip():
        raise ValueError(words)
    wall = now.replace(tzinfo=None)
    months = sum(count * _MONTHS.get(unit, 0) for count, unit in spans)
    if months:
        wall = _months_before(wall, months)
    wall -= timedelta(days=sum(count * _DAYS.get(unit, 0) for count, unit in spans))
    start = now if wall == now.replace(tzinfo=None) else wall.astimezone()
    return start - timedelta(seconds=sum(count * _SECONDS.get(unit, 0) for count, unit in spans))


def _months_before(wall: datetime, months: int) -> datetime:
    """The same day some months earlier, or the last day of that month if it is shorter."""
    year, month = divmod(wall.year * 12 + wall.month - 1 - months, 12)
    for day in (wall.day, 30, 29, 28):
        try:
            return wall.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    raise ValueError(wall)
