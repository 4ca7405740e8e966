"""A store in a folder of its own, and command lines run in it, in this process."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tract.cli.console import Console
from tract.cli.main import main

HOSTILE = "ok\x1b]52;c;ZXZpbA==\x07 \u202egnp.exe [/nope] [bold]x\u200b\u2066\u2028\x9b31m\x7f\U000e0041"
"""Sets the clipboard, turns text around, looks like markup, hides letters."""

UNSAFE = "\x1b\x07\x9b\x7f\u202e\u2066\u200b\u2028\U000e0041"


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


def runner(folder: Path) -> Run:
    """Runs command lines in *folder*; without *stdin* that is a terminal where nobody types."""

    def run(*argv: str, stdin: str | None = None, terminal: bool = False, **environ: str) -> Outcome:
        stream = Terminal if terminal else io.StringIO
        out, err = stream(), stream()
        console = Console(
            stdin=Terminal() if stdin is None else io.StringIO(stdin),
            stdout=out,
            stderr=err,
            environ=environ,
            folder=str(folder),
        )
        status = main(argv, console=console)
        return Outcome(status, out.getvalue(), err.getvalue())

    return run


def texts(run: Run, tract: str = "root") -> list[Any]:
    """The contents of the messages that a model would be sent."""
    return [message["content"] for message in run("compile", "--tract", tract, "--json").json["messages"]]


@pytest.fixture
def anywhere(tmp_path: Path) -> Run:
    """Runs a command line in an empty folder."""
    return runner(tmp_path)


@pytest.fixture
def run(anywhere: Run) -> Run:
    """Runs a command line in a folder with a store."""
    assert anywhere("init").status == 0
    return anywhere
