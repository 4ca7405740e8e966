"""The pager: output longer than the terminal is shown in a scrolling program."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from tract.cli.command import DONE
from tract.cli.console import Console
from tract.cli.user_settings import user_setting


def run_paged(console: Console, run: Callable[[], int]) -> int:
    """Run a command and return its exit status; output longer than the terminal goes through the pager."""
    command = _pager(console)
    if command is None:
        return run()
    out, err = console.stdout, console.stderr
    paged = _Paged(out, command, console)
    held = _Held()
    console.stdout = paged
    console.stderr = held
    try:
        return run()
    except BrokenPipeError:
        return DONE  # a user who leaves the pager has seen enough
    finally:
        console.stdout, console.stderr = out, err
        paged.close()
        err.write(held.getvalue())


def _pager(console: Console) -> str | None:
    """The command line of the pager; None if there is to be none."""
    if not console.paging or console.stdout is not sys.stdout or not console.is_terminal:
        return None
    environ = console.environ
    for command in (environ.get("TRACT_PAGER"), user_setting(console, "pager"), environ.get("PAGER")):
        if command is not None:
            return None if command.strip() in ("", "cat") else command
    return "less" if shutil.which("less", path=environ.get("PATH")) else None


class _Held(io.StringIO):
    """Warnings, held back until the pager has left the terminal."""

    def isatty(self) -> bool:
        return True


_LINES = 24
"""The lines of a terminal that does not report their number."""


class _Paged:
    """A stream to *terminal* that starts the pager as soon as it has more lines than the terminal."""

    def __init__(self, terminal: TextIO, command: str, console: Console) -> None:
        self._terminal = terminal
        self._command = command
        self._console = console
        self._size = os.get_terminal_size(terminal.fileno())
        self._held: list[str] = []
        self._lines = 0
        self._process: subprocess.Popen[str] | None = None

    def write(self, text: str) -> int:
        if self._process is None:
            self._held.append(text)
            self._lines += text.count("\n") + len(text) // max(self._size.columns, 1)
            if self._lines >= (self._size.lines or _LINES):
                self._start()
        elif self._process.stdin is not None:
            self._process.stdin.write(text)
        return len(text)

    def flush(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.flush()

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._terminal.fileno()

    def close(self) -> None:
        """Print the held lines, or wait until the user leaves the pager."""
        if self._process is None:
            self._terminal.write("".join(self._held))
            return
        with suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        while True:
            try:
                self._process.wait()
                return
            except KeyboardInterrupt:
                continue  # it is the pager's to answer

    def _start(self) -> None:
        self._terminal.flush()
        environ: dict[str, Any] = {"LESS": "FRX", "LV": "-c", **os.environ, **self._console.environ}
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", self._command], stdin=subprocess.PIPE, env=environ, text=True, encoding="utf-8", errors="backslashreplace"
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write("".join(self._held))
        self._held.clear()
