"""Clients for OpenAI, for every server that speaks its chat completions format, and for Anthropic."""

from __future__ import annotations

from typing import Any, Unpack

from tract.arguments import check_keywords
from tract.llm.anthropic_format import AnthropicAssembler, anthropic_body, read_anthropic_answer
from tract.llm.client import Provider, ProviderClient
from tract.llm.client_settings import (
    ClientOptions,
    Secrets,
    join_path,
    read_base_url,
    read_headers,
    read_key,
    read_limits,
)
from tract.llm.openai_format import OpenAIAssembler, openai_body, read_openai_answer
from tract.llm.types import LLMRequest

_OPENAI_HOST = "api.openai.com"
_ANTHROPIC_VERSION = "2023-06-01"


class OpenAIClient(ProviderClient):
    """A client for OpenAI, or for the server at *base_url*.

    Defaults: *api_key* is ``OPENAI_API_KEY`` of the environment, *base_url* is ``OPENAI_BASE_URL``; ``api_key=""`` sends no key, for a local server that needs none.
    Times are in seconds: *timeout* for a whole call with its retries, *read_timeout* for one pause in the answer, *backoff* for the first wait, *max_wait* for the longest.
    *headers* are sent with every question; their values are kept out of logs and errors, as the key is.
    LLMConfigError for settings that cannot work.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        default_model: str = "gpt-5.4-mini",
        timeout: float = 600.0,
        max_retries: int = 3,
        **options: Unpack[ClientOptions],
    ) -> None:
        check_keywords("OpenAIClient", options, ClientOptions)
        url = read_base_url(base_url, "OPENAI_BASE_URL", f"https://{_OPENAI_HOST}/v1")
        key = read_key(api_key, "OPENAI_API_KEY")

        def body(request: LLMRequest, stream: bool) -> dict[str, Any]:
            return openai_body(request, stream=stream, limit_name=limit_name(url.host))

        own = read_headers(options.get("headers"))
        provider = Provider(
            url=join_path(url, "/chat/completions"),
            headers=({"authorization": f"Bearer {key}"} if key else {}) | own,
            secrets=Secrets([key, *own.values()]),
            body=body,
            read=read_openai_answer,
            assembler=OpenAIAssembler,
            request_id_header="x-request-id",
        )
        limits = read_limits(timeout, max_retries, options)
        super().__init__(provider, default_model, limits)


def limit_name(host: str) -> str:
    """The name of ``max_tokens`` at *host*: OpenAI's newer models refuse the name that all other servers know."""
    return "max_completion_tokens" if host == _OPENAI_HOST else "max_tokens"


class AnthropicClient(ProviderClient):
    """A client for Anthropic, or for the server at *base_url*.

    Messages are OpenAI's chat dicts (or Anthropic's own); the client moves system prompts to where Anthropic wants them.
    The API needs a limit for every answer: *default_max_tokens* is used if a question has none.
    Defaults: the key is ``ANTHROPIC_API_KEY`` of the environment, the address ``ANTHROPIC_BASE_URL``; the rest is as for ``OpenAIClient``.
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
        **options: Unpack[ClientOptions],
    ) -> None:
        check_keywords("AnthropicClient", options, ClientOptions)
        url = read_base_url(base_url, "ANTHROPIC_BASE_URL", "https://api.anthropic.com")
        key = read_key(api_key, "ANTHROPIC_API_KEY")

        def body(request: LLMRequest, stream: bool) -> dict[str, Any]:
            return anthropic_body(request, stream=stream, default_max_tokens=default_max_tokens)

        own = read_headers(options.get("headers"))
        provider = Provider(
            url=join_path(url, "/v1/messages"),
            headers={"anthropic-version": _ANTHROPIC_VERSION} | ({"x-api-key": key} if key else {}) | own,
            secrets=Secrets([key, *own.values()]),
            body=body,
            read=read_anthropic_answer,
            assembler=AnthropicAssembler,
            request_id_header="request-id",
        )
        limits = read_limits(timeout, max_retries, options)
        super().__init__(provider, default_model, limits)
