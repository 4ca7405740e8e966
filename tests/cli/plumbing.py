"""Command lines run in this process as scripts run them: bytes in and out, or lines."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from tract.cli.console import Console
from tract.cli.main import main


class Result(NamedTuple):
    status: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()


class ByteStore:
    """A store in a folder, whose command lines read and write bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *argv: str, stdin: bytes = b"") -> Result:
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
        console = Console(
            stdin=io.TextIOWrapper(io.BytesIO(stdin), "utf-8"),
            stdout=out,
            stderr=err,
            environ={},
            folder=str(self.folder),
        )
        status = main(argv, console=console)
        out.flush()
        return Result(status, out.buffer.getvalue(), err.getvalue())  # type: ignore[attr-defined]


class LineStore:
    """A store in a folder, whose command lines write lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *argv: str) -> tuple[int, list[str], str]:
        out, err = io.StringIO(), io.StringIO()
        status = main(argv, console=Console(stdout=out, stderr=err, environ={}, folder=str(self.folder)))
        return status, out.getvalue().splitlines(), err.getvalue()

    def lines(self, *argv: str) -> list[str]:
        status, lines, err = self.run(*argv)
        assert (0, "") == (status, err)
        return lines
