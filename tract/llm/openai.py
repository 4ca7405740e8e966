"""A client for OpenAI, and for every server that speaks its chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tract.llm.client import Provider, ProviderClient
from tract.llm.openai_format import OpenAIAssembler, openai_body, read_openai_answer
from tract.llm.secrets import Secrets
from tract.llm.settings import join_path, read_base_url, read_headers, read_key, read_limits
from tract.llm.types import LLMRequest

_HOST = "api.openai.com"


class OpenAIClient(ProviderClient):
    """Asks OpenAI, or the server at *base_url*.

    Without *api_key* the key is the environment's ``OPENAI_API_KEY``, and without *base_url* the address its ``OPENAI_BASE_URL``; ``api_key=""`` sends no key, for a server of one's own that wants none.
    Times are seconds: *timeout* for a whole call with its repeats, *read_timeout* for one silence in it, *backoff* for the first wait, *max_wait* for the longest.
    *headers* are sent with every question; their values are kept out of sight as the key is.
    LLMConfigError for settings that make no sense.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        default_model: str = "gpt-5.4-mini",
        timeout: float = 600.0,
        max_retries: int = 3,
        *,
        read_timeout: float = 300.0,
        backoff: float = 0.5,
        max_wait: float = 60.0,
        max_bytes: int = 1 << 26,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        url = read_base_url(base_url, "OPENAI_BASE_URL", f"https://{_HOST}/v1")
        key = read_key(api_key, "OPENAI_API_KEY")

        def body(request: LLMRequest, stream: bool) -> dict[str, Any]:
            return openai_body(request, stream=stream, limit_name=limit_name(url.host))

        own = read_headers(headers)
        provider = Provider(
            url=join_path(url, "/chat/completions"),
            headers=({"authorization": f"Bearer {key}"} if key else {}) | own,
            secrets=Secrets([key, *own.values()]),
            body=body,
            read=read_openai_answer,
            assembler=OpenAIAssembler,
            request_id_header="x-request-id",
        )
        limits = read_limits(timeout, read_timeout, max_retries, backoff, max_wait, max_bytes)
        super().__init__(provider, default_model, limits)


def limit_name(host: str) -> str:
    """What *host* calls ``max_tokens``: OpenAI's newer models refuse the name that all other servers know."""
    return "max_completion_tokens" if host == _HOST else "max_tokens"
