"""The four ways to ask, and the two protocols, for tests that must hold for all of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.llm.server import LLMServer
from tract.llm.client import ProviderClient
from tract.llm.clients import AnthropicClient, OpenAIClient
from tract.llm.types import LLMResponse

KEY = "sk-test-0123456789abcdef"
QUESTION = [{"role": "user", "content": "Well?"}]

every_way = pytest.mark.parametrize("way", ["chat", "achat", "stream", "astream"])
every_stream = pytest.mark.parametrize("way", ["stream", "astream"])
every_protocol = pytest.mark.parametrize("protocol", ["openai", "anthropic"])


def make_client(protocol: str, server: LLMServer, **settings: Any) -> ProviderClient:
    """A client that gives up soon and does not wait."""
    given = {"timeout": 5.0, "read_timeout": 2.0, "max_retries": 1, "backoff": 0.0} | settings
    key = given.pop("api_key", KEY)
    if protocol == "anthropic":
        return AnthropicClient(key, server.address, **given)
    return OpenAIClient(key, server.url, **given)


def ask(way: str, client: ProviderClient, messages: Any = QUESTION, **question: Any) -> LLMResponse:
    """The answer, asked for in this way; the client is closed."""
    if way.startswith("a"):
        return asyncio.run(ask_async(way, client, messages, **question))
    with client:
        if way == "chat":
            return client.chat(messages, **question)
        with client.stream(messages, **question) as stream:
            pieces = list(stream)
            assert "".join(pieces) == stream.response.text
            return stream.response


async def ask_async(way: str, client: ProviderClient, messages: Any, **question: Any) -> LLMResponse:
    async with client:
        if way == "achat":
            return await client.achat(messages, **question)
        async with client.astream(messages, **question) as stream:
            pieces = [piece async for piece in stream]
            assert "".join(pieces) == stream.response.text
            return stream.response
