"""A provider that fails, is slow or answers nonsense, and processes killed while it answers: nothing lost, nothing half done.

Each of it in Python and on the command line, against a server process on loopback.
"""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.llm.server import LLMServer, fail, named, text
from tract import OpenAIClient, Tract
from tract.cli.console import Console
from tract.cli.main import main
from tract.curation.compress.summariser import ATTEMPTS
from tract.errors import TractError
from tract.maintenance.fsck.check import check_repository

KEY = "sk-test-0123456789abcdef"
TEXTS = [f"fact {at} of many that are told here at some length, for a summary has to be shorter" for at in range(6)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with opened(tmp_path) as t:
        t.extend([{"role": "user", "content": each} for each in TEXTS])
    return tmp_path


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that give up soon and ask once: the command line takes a client as it is."""
    real = OpenAIClient.__init__

    def init(self: OpenAIClient, *args: Any, **options: Any) -> None:
        real(
            self,
            *args,
            **{"default_model": "gpt-test", "timeout": 0.6, "max_retries": 0, "read_timeout": 0.3} | options,
        )

    monkeypatch.setattr(OpenAIClient, "__init__", init)


def opened(folder: Path) -> Tract:
    return Tract.open(folder, durability="process")


def in_python(folder: Path, url: str) -> str | None:
    """Compress with a model; what is said where that fails."""
    with opened(folder) as t, OpenAIClient(KEY, url) as client:
        t.configure_llm(client)
        try:
            t.compress()
        except TractError as exc:
            return str(exc)
    return None


def on_the_command_line(folder: Path, url: str, *more: str) -> str | None:
    out, err = io.StringIO(), io.StringIO()
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}
    console = Console(stdin=io.StringIO(), stdout=out, stderr=err, environ=environ, folder=str(folder))
    status = main(("compress", "--model", "gpt-test", *more), console=console)
    assert status in (0, 128)
    return err.getvalue() if status else None


def assert_untouched(folder: Path) -> None:
    with opened(folder) as t:
        assert TEXTS == [message.content for message in t.compile().messages]
        assert [] == t.pending_compressions()
    assert () == tuple(check_repository(str(folder / ".tract")).problems)


both_ways = pytest.mark.parametrize("compress", [in_python, on_the_command_line])


@both_ways
@pytest.mark.parametrize(
    ("replies", "words"),
    [
        ([fail(401)], "401"),
        ([fail(429)], "429"),
        ([fail(500)], "500"),
        ([named("nothing")], "disconnected"),
        ([named("cut-body")], "peer closed"),
        ([named("silent")], "no answer in time (read timeout)"),
        ([text("late", delay=0.5)], "no answer in time (read timeout)"),
        ([named("drip")], "no whole answer within 0.6 s"),
        ([named("html")], "not JSON"),
        ([named("not-utf8")], "not JSON"),
        ([named("error-in-200")], "busy"),
        ([text("")] * ATTEMPTS, "no summary after 3 attempts"),
        ([text("half of", finish_reason="length")] * ATTEMPTS, "was cut off"),
        ([text("I cannot", finish_reason="content_filter")] * ATTEMPTS, "declined"),
    ],
)
def test_whatever_a_provider_does_nothing_is_changed_and_the_next_call_works(
    folder: Path, llm_server: LLMServer, compress: Callable[[Path, str], str | None], replies: list[Any], words: str
) -> None:
    llm_server.script(*replies)

    said = compress(folder, llm_server.url)

    assert said is not None
    assert words in said
    assert KEY not in said
    assert len(replies) == len(llm_server.requests())
    assert_untouched(folder)
    llm_server.script("Six facts.")
    assert compress(folder, llm_server.url) is None
    with opened(folder) as t:
        assert ["Six facts.", TEXTS[-1]] == [message.content for message in t.compile().messages]


@both_ways
def test_nobody_there_is_told(folder: Path, compress: Callable[[Path, str], str | None]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    said = compress(folder, f"http://127.0.0.1:{port}/v1")

    assert said is not None
    assert "no connection" in said or "refused" in said
    assert_untouched(folder)


# Killed


def command_line(*more: str) -> list[str]:
    return [sys.executable, "-m", "tract", "compress", "--model", "gpt-test", *more]


def script(*_: str) -> list[str]:
    code = "import tract; t = tract.Tract.open('.'); t.configure_llm(tract.OpenAIClient()); t.compress()"
    return [sys.executable, "-c", code]


def killed_after(folder: Path, argv: list[str], server: LLMServer, questions: int) -> None:
    """Run a process until it has asked so many questions, and kill it while the last is being answered."""
    root = Path(__file__).resolve().parents[2]
    environ = {**os.environ, "PYTHONPATH": str(root), "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.url}
    with subprocess.Popen(
        argv, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        until = time.monotonic() + 20
        while len(server.requests()) < questions and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        assert -signal.SIGKILL == process.wait(10)


@pytest.mark.parametrize("argv", [script, command_line])
def test_a_process_killed_while_the_model_answers_leaves_all_as_it_was(
    folder: Path, llm_server: LLMServer, argv: Callable[[], list[str]]
) -> None:
    llm_server.script(named("silent"))

    killed_after(folder, argv(), llm_server, 1)

    assert_untouched(folder)
    llm_server.script("Six facts.")
    assert on_the_command_line(folder, llm_server.url) is None
    assert 2 == len(llm_server.requests())


def test_a_process_killed_half_way_asks_only_for_the_rest(tmp_path: Path, llm_server: LLMServer) -> None:
    said = [f"fact {at}: " + " ".join(f"word{at}x{n}" for n in range(60)) for at in range(12)]
    with opened(tmp_path) as t:
        t.extend([{"role": "user", "content": each} for each in said])
    llm_server.script("first piece", "second piece", named("silent"))
    killed_after(tmp_path, command_line("--window", "1000"), llm_server, 3)
    with opened(tmp_path) as t:
        assert said == [message.content for message in t.compile().messages]
    first, second, third = (question.messages[1]["content"] for question in llm_server.requests())
    llm_server.reset()

    llm_server.script(*(f"Σ{at}" for at in range(9)))
    assert on_the_command_line(tmp_path, llm_server.url, "--window", "1000") is None

    again = [question.messages[1]["content"] for question in llm_server.requests()]
    assert third == again[0]
    assert not {first, second} & set(again)
    assert "first piece" in again[-1]
    assert "second piece" in again[-1]
    assert () == tuple(check_repository(str(tmp_path / ".tract")).problems)
