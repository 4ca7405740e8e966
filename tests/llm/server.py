"""A model provider on loopback, for tests: what to answer, and what was asked.

In a ``conftest.py``: ``from tests.llm.server import llm_process, llm_server``.
Then a test takes ``llm_server``, scripts it and looks at what it was asked:

    llm_server.script("first answer", fail(500), text("cut", finish_reason="length"))
    client = OpenAIClient("key", llm_server.url, backoff=0)
    …
    [question] = llm_server.requests()

``provider.py`` is the process behind it, with the replies that have names.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


def text(text: str | None, **more: Any) -> dict[str, Any]:
    """A good answer; *more*: ``finish_reason`` (OpenAI's word), ``usage``, ``tool_calls`` (OpenAI's), ``pieces`` of its stream, ``delay`` in seconds."""
    return {"text": text, **more}


def fail(status: int, body: str = "", **headers: str) -> dict[str, Any]:
    """An answer with this status; ``retry_after="1"`` is the header ``retry-after``."""
    return {
        "status": status,
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "body": body,
    }


def raw(*chunks: bytes, pause: float = 0.0, end: str = "close") -> dict[str, Any]:
    """These bytes, headers and all, *pause* seconds apart; then ``close``, ``reset`` or ``hang``."""
    return {"chunks": [chunk.decode("latin-1") for chunk in chunks], "pause": pause, "end": end}


def body(value: object) -> dict[str, Any]:
    """An answer whose body is *value* as JSON."""
    return {"status": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(value)}


def named(name: str) -> dict[str, Any]:
    """The reply that ``provider.py`` has under this name."""
    return {"named": name}


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked; ``at`` is the server's clock, in seconds."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def messages(self) -> list[dict[str, Any]]:
        return self.body["messages"]


@dataclass(frozen=True, slots=True)
class LLMServer:
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The ``base_url`` of an ``OpenAIClient``; an ``AnthropicClient`` takes ``address``."""
        return f"{self.address}/v1"

    def script(self, *replies: str | dict[str, Any]) -> None:
        """Answer the next questions with these, in order; a str is an answer's text."""
        self._control("script", [text(reply) if isinstance(reply, str) else reply for reply in replies])

    def requests(self) -> list[Question]:
        asked = self._control("requests")
        return [Question(q["path"], q["headers"], q["body"], q["at"]) for q in asked]

    def reset(self) -> None:
        self._control("reset", {})

    def _control(self, name: str, value: object = None) -> Any:
        data = None if value is None else json.dumps(value).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(f"{self.address}/control/{name}", data, headers={"connection": "close"})
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)


@pytest.fixture(scope="session")
def llm_process() -> Iterator[LLMServer]:
    script = Path(__file__).with_name("provider.py")
    with subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield LLMServer(int(process.stdout.readline()))
        process.stdin.close()
        process.wait(10)


CLIENTS: list[Any] = []
"""Clients of the SDKs, which leave their sockets to the garbage collector unless they are closed: closed after each test."""


@pytest.fixture
def llm_server(llm_process: LLMServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[LLMServer]:
    """The server, with nothing scripted and nothing asked."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    llm_process.reset()
    yield llm_process
    while CLIENTS:
        CLIENTS.pop().close()
