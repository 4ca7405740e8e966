"""Progress on a terminal, for work of over a second."""

from __future__ import annotations

import time
from types import TracebackType

from tract.cli.console import Console, Painted, is_terminal, one_line, output_errors

_QUIET_SECONDS = 1.0
_BETWEEN_SECONDS = 0.1


class Progress:
    """A progress line on the standard error, removed at the end; nothing if that is not a terminal."""

    def __init__(self, console: Console, what: str) -> None:
        self._console = console
        self._what = what
        self._next = time.monotonic() + _QUIET_SECONDS if is_terminal(console.stderr) else None
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def show(self, done: int, total: int) -> None:
        """Show that *done* of *total* is done; a total of 0 is unknown."""
        now = time.monotonic()
        if self._next is None or now < self._next:
            return
        self._next = now + _BETWEEN_SECONDS
        if not total:
            self._write(f"{one_line(self._what, max(20, self._console.width - 16))} {done}")
            return
        share = min(done / total, 1.0)
        bar = "#" * int(share * 20)
        self._write(f"{one_line(self._what, max(20, self._console.width - 32))} [{bar:<20}] {share:4.0%}")

    def _write(self, text: str) -> None:
        self._put(f"\r\x1b[K{Painted(text)}")
        self._shown = True

    def _put(self, text: str) -> None:
        with output_errors():
            self._console.stderr.write(text)
            self._console.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._put("\r\x1b[K")
