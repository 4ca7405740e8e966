"""Command lines, run in the folder of a test as a user would type them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tract.cli.console import Console
from tract.cli.main import main


class Outcome(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def tract(tmp_path: Path) -> Callable[..., Outcome]:
    """Runs ``tract`` with these arguments; *stdin* is what is piped in."""

    def run(*argv: str, stdin: str = "") -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        console = Console(stdin=io.StringIO(stdin), stdout=out, stderr=err, environ={}, folder=str(tmp_path))
        status = main(argv, console=console)
        return Outcome(status, out.getvalue(), err.getvalue())

    return run
