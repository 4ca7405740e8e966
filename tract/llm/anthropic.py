"""A client for Anthropic's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.llm.anthropic_format import AnthropicAssembler, anthropic_body, read_anthropic_answer
from tract.llm.client import Provider, ProviderClient
from tract.llm.secrets import Secrets
from tract.llm.settings import join_path, read_base_url, read_headers, read_key, read_limits
from tract.llm.types import LLMRequest

_VERSION = "2023-06-01"


class AnthropicClient(ProviderClient):
    """Asks Anthropic, or the server at *base_url*.

    Messages are OpenAI's chat dicts (or Anthropic's own); the system prompt is put apart here.
    The API wants a limit for every answer: *default_max_tokens*, where a question has none.
    The key is the environment's ``ANTHROPIC_API_KEY`` and the address its ``ANTHROPIC_BASE_URL``, where none is given; the rest is as in ``OpenAIClient``.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        default_model: str = "claude-sonnet-5",
        timeout: float = 600.0,
        max_retries: int = 3,
        *,
        default_max_tokens: int = 4096,
        read_timeout: float = 300.0,
        backoff: float = 0.5,
        max_wait: float = 60.0,
        max_bytes: int = 1 << 26,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        url = read_base_url(base_url, "ANTHROPIC_BASE_URL", "https://api.anthropic.com")
        key = read_key(api_key, "ANTHROPIC_API_KEY")

        def body(request: LLMRequest, stream: bool) -> dict[str, Any]:
            return anthropic_body(request, stream=stream, default_max_tokens=default_max_tokens)

        own = read_headers(headers)
        provider = Provider(
            url=join_path(url, "/v1/messages"),
            headers={"anthropic-version": _VERSION} | ({"x-api-key": key} if key else {}) | own,
            secrets=Secrets([key, *own.values()]),
            body=body,
            read=read_anthropic_answer,
            assembler=AnthropicAssembler,
            request_id_header="request-id",
        )
        limits = read_limits(timeout, read_timeout, max_retries, backoff, max_wait, max_bytes)
        super().__init__(provider, default_model, limits)
