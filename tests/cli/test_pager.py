"""The pager, on a terminal that is one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tract import Tract

ROWS = 10


def on_a_terminal(folder: Path, *argv: str, **environ: str) -> tuple[int, list[str]]:
    """The exit status and the lines of a command on a terminal of 10 lines; what asks for a key gets a ``q``."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, 80, 0, 0))
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "NO_COLOR": "1", **environ}
    process = subprocess.Popen([sys.executable, "-m", "tract", *argv], cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        ready = select.select([ours], [], [], 20)[0]
        try:
            data = os.read(ours, 65536) if ready else b""
        except OSError:  # how Linux says that nobody has the other end any more
            break
        if not data:
            break
        shown += data
    os.close(ours)
    return process.wait(), shown.decode().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with Tract.open(tmp_path) as t:
        t.extend([{"role": "user", "content": f"message {n}"} for n in range(30)])
    return tmp_path


def test_what_is_longer_than_the_terminal_goes_through_the_pager(folder: Path) -> None:
    status, shown = on_a_terminal(folder, "log", "--oneline", TRACT_PAGER="sed -n '1p;$p'", PAGER="false")

    assert (0, 2) == (status, len(shown))
    assert [True, True] == ["message 29" in shown[0], "message 0" in shown[1]]


@pytest.mark.parametrize(
    ("argv", "environ"),
    [
        (("log", "--oneline", "-n3"), {"PAGER": "false"}),
        (("--no-pager", "log", "--oneline"), {"PAGER": "false"}),
        (("log", "--oneline"), {"TRACT_PAGER": "", "PAGER": "false"}),
        (("log", "--oneline"), {"PAGER": "cat"}),
        (("rev-list", "HEAD"), {"PAGER": "false"}),
    ],
)
def test_what_fits_or_is_not_to_be_paged_is_printed(
    folder: Path, argv: tuple[str, ...], environ: dict[str, str]
) -> None:
    status, shown = on_a_terminal(folder, *argv, **environ)

    assert (0, 3 if "-n3" in argv else 30) == (status, len(shown))


def test_a_pager_that_is_left_early_is_no_error(folder: Path) -> None:
    assert (0, ["enough"]) == on_a_terminal(folder, "log", PAGER="read line; echo enough")
    status, shown = on_a_terminal(folder, "compile", "--format", "gemini", "--at", "nope", PAGER="false")
    assert (128, "tract: no commit named 'nope'") == (status, shown[0][:29])
