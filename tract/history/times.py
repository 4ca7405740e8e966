"""Times: microseconds in the store, aware datetimes in UTC for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tract.errors import TimeArgumentError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def moment(time: int) -> datetime:
    """The moment *time* microseconds after 1970, in UTC."""
    return _EPOCH + timedelta(0, 0, time)


def microseconds(when: datetime | str, what: str) -> int:
    """Convert *when*, a datetime or a text such as ``2 hours ago``, to microseconds since 1970; TimeArgumentError for a datetime without a time zone."""
    if isinstance(when, str):
        from tract.history.read_time import read_time  # few name times in words

        when = read_time(when)
    if not isinstance(when, datetime):
        raise TimeArgumentError(f"{what} must be a datetime or a text, not {type(when).__name__}")
    if when.tzinfo is not UTC:
        if when.tzinfo is None or when.utcoffset() is None:
            raise TimeArgumentError(f"{what} must say its time zone: {when.isoformat()} could be anywhere")
        try:
            when = when.astimezone(UTC)
        except OverflowError:
            raise TimeArgumentError(f"{what} is outside the years 1 to 9999 in UTC: {when.isoformat()}") from None
    return (when - _EPOCH) // _MICROSECOND
