"""Progress on a terminal."""

from __future__ import annotations

import io

import pytest

from tests.cli.conftest import Terminal
from tract.cli.console import Console
from tract.cli.progress import Progress


def progress_on(stream: io.StringIO, seconds: float, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is printed for something half done after *seconds*, and then ready."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    with Progress(Console(stderr=stream, environ={}, folder="/"), "reading a\x1b") as progress:
        clock[0] += seconds
        progress.show(1, 2)
    return stream.getvalue()


def test_what_takes_long_shows_how_far_it_is_and_cleans_up(monkeypatch):
    shown = progress_on(Terminal(), 1.5, monkeypatch)

    assert "\r\x1b[Kreading a\\x1b [##########          ]  50%\r\x1b[K" == shown


def test_what_is_quick_shows_nothing(monkeypatch):
    assert "" == progress_on(Terminal(), 0.5, monkeypatch)


def test_where_there_is_no_terminal_nothing_is_shown(monkeypatch):
    assert "" == progress_on(io.StringIO(), 60, monkeypatch)
