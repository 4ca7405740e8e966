"""Times as people type them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tract import TimeArgumentError
from tract.history.read_time import read_time

NOW = datetime(2026, 3, 31, 12, 30, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _somewhere(monkeypatch):
    """Two hours east of Greenwich in summer, which began two days ago."""
    monkeypatch.setenv("TZ", "EET-2EEST,M3.5.0/3,M10.5.0/4")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-09", "2026-03-08T22:00"),
        ("2026-03-09T08:30", "2026-03-09T06:30"),
        ("2026-03-09 08:30+01:00", "2026-03-09T07:30"),
        ("2026-03-09T08:30Z", "2026-03-09T08:30"),
        (" 2026-03-09T08:30:15.5Z ", "2026-03-09T08:30:15.5"),
        ("@0", "1970-01-01T00:00"),
        ("@1772961000.5", "2026-03-08T09:10:00.5"),
        ("now", "2026-03-31T12:30:15"),
        ("today", "2026-03-30T21:00"),
        ("Yesterday", "2026-03-29T21:00"),
        ("90 seconds ago", "2026-03-31T12:28:45"),
        ("2 hours ago", "2026-03-31T10:30:15"),
        ("1.week", "2026-03-24T13:30:15"),
        ("2h", "2026-03-31T10:30:15"),
        ("monday", "2026-03-29T21:00"),
        ("last tuesday", "2026-03-23T22:00"),
        ("2.hours.ago", "2026-03-31T10:30:15"),
        ("an hour ago", "2026-03-31T11:30:15"),
        ("1 day, 2 hours and 5 mins ago", "2026-03-30T10:25:15"),
        ("3 days ago", "2026-03-28T13:30:15"),
        ("72 hours ago", "2026-03-28T12:30:15"),
        ("last week", "2026-03-24T13:30:15"),
        ("1 month ago", "2026-02-28T13:30:15"),
        ("2 years ago", "2024-03-31T12:30:15"),
        ("25 months ago", "2024-02-29T13:30:15"),
    ],
)
def test_a_time_is_read(text, moment):
    assert datetime.fromisoformat(moment).replace(tzinfo=UTC) == read_time(text, NOW)


@pytest.mark.parametrize(
    "text",
    ["", "someday", "2026-13-01", "ago", "2 moons ago", "3000 years ago", "999999999 days ago", "@", "@nan", "@1e99", "0001-01-01", "x\x1b[m", "2 hours ago ago"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    with pytest.raises(TimeArgumentError, match="is not a time such as"):
        read_time(text, NOW)


def test_now_is_the_clock_where_none_is_given():
    assert abs((read_time("now") - datetime.now(UTC)).total_seconds()) < 5
