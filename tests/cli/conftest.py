"""A store in a folder of its own, and command lines run in it, in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tract.cli.console import Console
from tract.cli.main import main
from tract.history.commit import Draft, write_commits
from tract.history.priority import Priority, annotate
from tract.repo import open_repository

HOSTILE = "ok\x1b]52;c;ZXZpbA==\x07 \u202egnp.exe [/nope] [bold]x\u200b\x9b31m\x7f\U000e0041"
"""Sets the clipboard, turns text around, looks like markup, hides letters."""

UNSAFE = "\x1b\x07\x9b\x7f\u202e\u200b\U000e0041"


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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Run = Callable[..., Outcome]


@pytest.fixture
def anywhere(tmp_path: Path) -> Run:
    """Runs a command line in an empty folder."""

    def run(*argv: str, stdin: str | None = None, terminal: bool = False, **environ: str) -> Outcome:
        stream = Terminal if terminal else io.StringIO
        out, err = stream(), stream()
        console = Console(
            stdin=Terminal() if stdin is None else io.StringIO(stdin),
            stdout=out,
            stderr=err,
            environ=environ,
            folder=str(tmp_path),
        )
        status = main(argv, console=console)
        return Outcome(status, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def run(anywhere: Run) -> Run:
    """Runs a command line in a folder with a store."""
    assert anywhere("init").status == 0
    return anywhere


@pytest.fixture
def hostile(run: Run, tmp_path: Path) -> Run:
    """The same, where every text is hostile: also those that tract refuses to write, for another program may have."""
    repo = replace(open_repository(str(tmp_path / ".tract")), author=HOSTILE)
    value = {"content_type": "dialogue", "role": "user", "text": HOSTILE, "name": HOSTILE}
    (id,) = write_commits(repo, [Draft(value, message=HOSTILE)])
    annotate(repo, id, Priority.PINNED, HOSTILE)
    repo.close()
    return run


@pytest.fixture
def hostile_text() -> str:
    return HOSTILE


@pytest.fixture
def assert_safe() -> Callable[[Outcome], None]:
    """Asserts that nothing a command printed could drive a terminal, or hide."""

    def check(outcome: Outcome) -> None:
        assert [] == [char for char in UNSAFE if char in outcome.out + outcome.err]

    return check
